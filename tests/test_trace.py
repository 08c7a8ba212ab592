"""From a function to a graph: names, comments, loops, closures, functions without
source, files, two processes.
"""

from __future__ import annotations

import hashlib
import linecache
import os
import pickle
import subprocess
import sys

import pytest
import torch
from instances import CELLS, StepRows, check, instance

from unrolled import Cell, activation, cell, concat, sigmoid, tanh, where
from unrolled.cells import REGISTRY
from unrolled.graph.builder import Builder
from unrolled.graph.node import size
from unrolled.kernels.c.emit.emit import emit
from unrolled.ops import Symbol
from unrolled.plan.plan import plan_of


def named(made: Cell) -> list[str]:
    """The author's lines as name(count)."""
    return [s.name if s.count == 1 else f"{s.name}({s.count})" for s in made.graph.statements]


def test_names_lines_and_comments_are_the_authors():
    statements = REGISTRY["lstm"].graph.statements
    assert [s.name for s in statements] == ["i", "f", "g", "o", "c", "h"]
    assert [s.line for s in statements] == [3, 4, 5, 6, 7, 8]
    assert [s.comment for s in statements] == [
        "input gate",
        "forget gate",
        "candidate",
        "output gate",
        "cell state",
        "hidden state",
    ]


def test_a_name_bound_twice_is_two_values():
    graph = REGISTRY["lstm"].graph
    assert graph.name_of(graph.leaf("state", "c").index) == "c"
    assert graph.name_of(graph.new_states[1]) == "c" and graph.new_states[1] != graph.leaf("state", "c").index


def test_a_loop_binds_a_name_more_than_once():
    assert named(REGISTRY["rhn"].using(depth=2)) == [
        "seen_h",
        "seen_t",
        "h",
        "t",
        "s",
        "seen_h(2)",
        "seen_t(2)",
        "h(2)",
        "t(2)",
        "s(2)",
    ]


def test_the_line_that_only_renames_is_an_equation():
    @cell
    def mine(x, h, c, *, W):
        c = tanh(W @ x + h)
        h = c
        return h, c

    graph = mine.graph
    assert named(mine) == ["c", "h"]
    assert graph.nodes[graph.new_states[0]].op == "alias" and graph.new_states[0] != graph.new_states[1]


def test_a_state_handed_on_has_a_node_of_its_own():
    @cell
    def mine(x, h, c, *, W):
        return tanh(W @ x + h), h

    old = mine.graph.leaf("state", "h").index
    assert mine.graph.new_states[1] != old
    check(instance(mine, {"I": 2, "H": 3}, StepRows(4, 2)), "reference")


def test_closures_helpers_and_bound_values():
    scale = 2.5

    def gate(W, U, b, x, h):
        return sigmoid(W @ x + U @ h + b)

    def make(kind):
        @cell
        def mine(x, h, *, W, U, b, V):
            z = gate(W, U, b, x, h)
            return activation(kind, scale * (V @ (z * h)))

        return mine

    for kind in ("tanh", "relu"):
        made = make(kind)
        assert named(made) == ["z"] and kind in {n.op for n in made.graph.nodes}
        check(instance(made, {"I": 2, "H": 3}, StepRows(3, 2)), "reference")


def test_a_function_without_source():
    space = {"tanh": tanh}
    exec("def mine(x, h, *, W, U):\n    s = W @ x + U @ h\n    h = tanh(s)\n    return h\n", space)
    made = cell(space["mine"])
    assert named(made) == ["s", "h"] and [s.comment for s in made.graph.statements] == [None, None]
    check(instance(made, {"I": 2, "H": 3}, StepRows(3, 2)), "reference")


def test_a_lambda():
    made = cell(lambda x, h, *, W, U: tanh(W @ x + U @ h))
    check(instance(made, {"I": 2, "H": 3}, StepRows(3, 2)), "reference")


def test_inputs_before_the_slash():
    graph = REGISTRY["phased_lstm"].graph
    assert graph.inputs == ("x", "t") and graph.states == ("h", "c")
    assert graph.shape("input", "t") == () and graph.shape("input", "x") == ("I",)


def test_the_output_is_the_first_of_one_value_more():
    graph = REGISTRY["intersection_rnn"].graph
    assert graph.name_of(graph.output) == "y" and graph.name_of(graph.new_states[0]) == "h"
    assert all(
        REGISTRY[n].graph.output == REGISTRY[n].graph.new_states[0] for n in ("lstm", "gru", "lem", "rhn")
    )


@pytest.mark.parametrize(
    "name, parameter, shape",
    (
        ("lstm", "W_i", ("H", "I")),
        ("lstm", "U_i", ("H", "H")),
        ("lstm", "b_i", ("H",)),
        ("peephole_lstm", "p_o", ("H",)),
        ("jordan", "U_h", ("H", "O")),
        ("jordan", "W_y", ("O", "H")),
        ("jordan", "b_y", ("O",)),
        ("indrnn", "u", ("H",)),
        ("rhn", "U_h", ("3", "H", "H")),
        ("rhn", "W_t", ("H", "I")),
        ("rhn", "b_t", ("3", "H")),
        ("mingru", "W_n", ("H", "I")),
        ("intersection_rnn", "W_yin", ("I", "I")),
        ("intersection_rnn", "U_gy", ("I", "H")),
        ("phased_lstm", "tau", ("H",)),
    ),
)
def test_widths_follow_from_use(name, parameter, shape):
    assert REGISTRY[name].graph.shape("parameter", parameter) == shape


def test_widths_of_joined_vectors_and_declared_ones():
    @cell(shapes={"beta": (), "y": ("O",), "S": ("2", "H", "H")})
    def mine(x, h, y, *, W, V, beta, S):
        h = tanh(W @ concat(x, h, y) + S[1] @ h) * beta
        y = tanh(V @ h)
        return h, y

    graph = mine.graph
    assert graph.shape("parameter", "W") == ("H", "I+H+O") and graph.shape("parameter", "V") == ("O", "H")
    assert graph.shape("parameter", "beta") == () and graph.shape("parameter", "S") == ("2", "H", "H")
    assert graph.dims == ("I", "H", "O") and size("I+H+O", {"I": 1, "H": 2, "O": 4}) == 7
    check(instance(mine, {"I": 2, "H": 3, "O": 4}, StepRows(3, 2)), "reference")


def test_hyper_parameters_shape_the_graph_or_are_passed():
    lem = REGISTRY["lem"]
    assert lem.using(dt=0.5).graph.hyper == (("dt", 0.5),) and lem.graph.hyper == (("dt", 1.0),)
    assert lem.using(dt=0.5).graph.nodes == lem.graph.nodes  # one kernel for all
    assert lem.using(dt=2).hyper == {"dt": 2.0} and lem.hyper == {"dt": 1.0}
    assert len(REGISTRY["rhn"].using(depth=5).graph.nodes) > len(REGISTRY["rhn"].graph.nodes)
    assert REGISTRY["jordan"].using(O=10).widths == {"O": 10}


def test_states_behind_a_star():
    @cell(shapes={"past": ("delay", "H"), "n": ()})
    def mine(x, h, n, *past, W, U, delay=3):
        h = tanh(W @ x + U @ past[0] + h * n)
        return (h, n + 1, *past[1:], h)

    assert mine.states == ("h", "n", "past_1", "past_2", "past_3") and mine.hyper == {"delay": 3}
    assert mine.using(delay=1).states == ("h", "n", "past_1")
    assert {mine.graph.shape("state", n) for n in mine.states} == {("H",), ()}
    for made in (mine, mine.using(delay=1)):
        check(instance(made, {"I": 2, "H": 3}, StepRows(5, 2)), "reference")
        assert Cell.from_json(made.to_json()).graph == made.graph
    flat = [torch.ones(3) * k for k in range(4)]
    again = mine(torch.ones(2), flat[0], torch.tensor(2.0), *flat[1:], W=torch.zeros(3, 2), U=torch.eye(3))
    assert (
        torch.equal(again[0], torch.tanh(flat[1]))
        and torch.equal(again[2], flat[2])
        and torch.equal(again[4], again[0])
    )


def test_equal_expressions_are_one_node():
    @cell
    def mine(x, h, *, W):
        a = tanh(W @ x)
        b = sigmoid(W @ x)
        return a * b * h

    assert [n.op for n in mine.graph.nodes].count("product") == 1


def test_the_trace_runs_the_function_once_and_for_no_numbers():
    calls = []

    @cell
    def mine(x, h, *, W):
        calls.append(x)
        return tanh(W @ x + h)

    assert not calls
    assert mine.graph is mine.graph and len(calls) == 1 and isinstance(calls[0], Symbol)


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_is_its_function(name):
    """Called on plain tensors, a cell is what its author wrote."""
    made = instance(REGISTRY[name], {"I": 3, "H": 3, "O": 3}, StepRows(1, 1))
    x = [
        v[0].squeeze() if made.cell.graph.shape("input", n) == () else v[0]
        for v, n in zip(made.inputs, made.cell.inputs)
    ]
    result = made.cell(*x, *(s[0] for s in made.state), **{n[0]: p for n, p in made.parameters.items()})
    first = result[0] if isinstance(result, tuple) else result
    torch.testing.assert_close(first, made.run("reference")[0][0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", CELLS)
def test_json_and_pickle_keep_the_cell(name):
    made = REGISTRY[name].using(O=4) if name == "jordan" else REGISTRY[name]
    for copy in (Cell.from_json(made.to_json()), pickle.loads(pickle.dumps(made))):
        assert copy.graph == made.graph and copy.function is None
        for field in ("name", "doc", "family", "year", "widths", "cite", "fixed"):
            assert getattr(copy, field) == getattr(made, field), field
        assert dict(copy.init) == dict(made.init) and dict(copy.start) == dict(made.start)
        assert emit(plan_of(copy.graph), "float32") == emit(plan_of(made.graph), "float32")
        assert copy.to_json() == made.to_json()


def test_a_stored_cell_runs_and_takes_other_numbers():
    stored = Cell.from_json(REGISTRY["lem"].to_json()).using(dt=0.25)
    made = instance(REGISTRY["lem"].using(dt=0.25), {"I": 3, "H": 4}, StepRows(3, 2))
    for a, b in zip(instance(stored, {"I": 3, "H": 4}, StepRows(3, 2)).run("reference"), made.run("reference")):
        assert torch.equal(a, b)


def test_a_cells_data_is_plain():
    """Lists, texts and numbers alone: safe to read from anybody."""

    def plain(value):
        if isinstance(value, dict):
            return all(isinstance(k, str) and plain(v) for k, v in value.items())
        return (
            all(map(plain, value))
            if isinstance(value, list)
            else isinstance(value, (str, int, float, bool, type(None)))
        )

    for made in REGISTRY.values():
        assert plain(made.to_json())


def digest(texts) -> str:
    return hashlib.sha256("".join(texts).encode()).hexdigest()


EMITTED = """
import hashlib
from unrolled.cells import REGISTRY
from unrolled.kernels.c.emit.emit import emit
from unrolled.plan.plan import plan_of
text = "".join(emit(plan_of(REGISTRY[n].graph), d) for n in sorted(REGISTRY) for d in ("float32", "float64", "mixed"))
print(hashlib.sha256(text.encode()).hexdigest())
"""


def test_two_processes_emit_the_same_bytes():
    """Nothing depends on hashes of strings, addresses or the order in which cells were used."""
    here = digest(
        emit(plan_of(REGISTRY[n].graph), d) for n in sorted(REGISTRY) for d in ("float32", "float64", "mixed")
    )
    done = subprocess.run(
        [sys.executable, "-c", EMITTED],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "PYTHONHASHSEED": "1"},
    )
    assert done.stdout.strip() == here, done.stderr


def test_an_authors_words_stay_inside_comments():
    space = {"tanh": tanh}
    lines = [
        "def mine(x, h, *, W):\n",
        "    größe = tanh(W @ x + h)  # */ int main() { abort(); } /* ??/\n",
        "    return größe\n",
    ]
    exec(compile("".join(lines), "<mine>", "exec"), space)
    linecache.cache["<mine>"] = (1, None, lines, "<mine>")
    text = emit(plan_of(cell(space["mine"]).graph), "float32", with_header=False)
    assert text.isascii() and "*/ int" not in text


def test_constants_fold_nothing_away():
    """A branch on a hyper-parameter is chosen while tracing; one on a value is a `where`."""

    @cell
    def mine(x, h, *, W, U, deep=1):
        h = tanh(W @ x + U @ h) if deep else W @ x + U @ h
        return where(0 < h, h, 0.1 * h)

    assert "tanh" in {n.op for n in mine.graph.nodes} and "tanh" not in {
        n.op for n in mine.using(deep=0).graph.nodes
    }
    check(instance(mine, {"I": 2, "H": 3}, StepRows(2, 2)), "reference")


def test_a_builder_tells_equal_numbers_of_different_sign_apart():
    builder = Builder()
    assert builder.symbol(0.0).index != builder.symbol(-0.0).index
