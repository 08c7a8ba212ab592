"""Cell -> cell functions: what the new equations are, that both backends run them, and
what is said of wrong ones.
"""

from __future__ import annotations

import pickle
from functools import lru_cache

import pytest
import together
import torch
from instances import BACKENDS, C_CELLS, check, compare, fitting, instance, needs_compiler

from unrolled import Cell, cell, find, ops
from unrolled.cells import REGISTRY
from unrolled.errors import CellError, UsageError
from unrolled.graph.interpret import interpret
from unrolled.graph.node import size
from unrolled.graph.replay import Draft
from unrolled.kernels import StepRows, run
from unrolled.kernels.c.build.build import build
from unrolled.kernels.c.call import library
from unrolled.ops import concat, relu, sigmoid, tanh
from unrolled.transform import (
    activations,
    documented,
    initialised,
    layer_norm,
    multiplicative,
    recurrent_dropout,
    replace,
    residual,
    weight_drop,
    zoneout,
)
from unrolled.views.equations import equations

BASES = ("lstm", "gru_reset_before", "mgu", "lem", "rhn", "mingru")
CHANGES = {
    "layer_norm": layer_norm,
    "zoneout": lambda c: zoneout(c, 0.25),
    "recurrent_dropout": lambda c: recurrent_dropout(c, 0.25),
    "weight_drop": lambda c: weight_drop(c, 0.25),
    "residual": residual,
    "multiplicative": multiplicative,
    "activations": lambda c: activations(c, sigmoid=lambda v: 0.5 + 0.5 * ops.sin(v)),
    "all": lambda c: zoneout(
        weight_drop(recurrent_dropout(layer_norm(residual(multiplicative(c))), 0.2), 0.3), 0.1
    ),
}
NO_STATE_IN_MATRICES = {"mingru": ("recurrent_dropout", "weight_drop", "multiplicative", "all")}
PAIRS = [
    (base, change) for base in BASES for change in CHANGES if change not in NO_STATE_IN_MATRICES.get(base, ())
]
# In float32, too.
SINGLE = [
    *((base, "all") for base in BASES[:-1]),
    ("mingru", "layer_norm"),
    ("mingru", "zoneout"),
]
SIZES = {"I": 5, "H": 5}
WORKED_OUT = ("act_rnn",)  # a loop whose first round has constants that a second look works out
EACH = pytest.mark.parametrize("base, change", PAIRS)
BOTH = pytest.mark.parametrize("backend", BACKENDS)


@lru_cache
def changed(base: str, change: str) -> Cell:
    return CHANGES[change](find(base))


@pytest.fixture(scope="module", autouse=True)
def built_by_base():
    """One C file for all changes of a base: the compiler reads its headers once."""
    before, homes, singles = (
        library.load,
        {changed(b, c).graph: b for b, c in PAIRS},
        {changed(*p).graph for p in SINGLE},
    )

    @lru_cache
    def family(base: str, double: bool):
        graphs = [graph for graph, home in homes.items() if home == base and (double or graph in singles)]
        made = build(together.text_of(graphs, double), name=f"changes of {base}", optimise="-O1")
        return {graph: (made[f"forward_{k}"], made[f"backward_{k}"]) for k, graph in enumerate(graphs)}

    library.load = lambda plan, double: (
        family(homes[plan.graph], double)[plan.graph] if plan.graph in homes else before(plan, double)
    )
    yield
    library.load = before


@EACH
@BOTH
def test_values_and_gradients(base, change, backend):
    """Masks are inputs and parameters like others here, with any values."""
    for step_rows in (StepRows(3, 2), StepRows(3, 4, (4, 2, 1)), StepRows(2, 3, None, True)):
        check(instance(changed(base, change), SIZES, step_rows), backend)


@needs_compiler
@pytest.mark.parametrize("base, change", SINGLE)
def test_values_and_gradients_in_float32(base, change):
    check(instance(changed(base, change), SIZES, StepRows(3, 2), torch.float32), "c")


@EACH
@BOTH
def test_chunks_are_the_sequence(base, change, backend):
    made = instance(changed(base, change), SIZES, StepRows(5, 3))
    y, *final = made.run(backend)
    state, parts = made.state, []
    for first, last in ((0, 1), (1, 4), (4, 5)):
        inputs = [x[3 * first : 3 * last] for x in made.inputs]
        part, state, _ = run(
            made.cell.graph, SIZES, inputs, state, made.parameters, StepRows(last - first, 3), backend=backend
        )
        parts.append(part)
    compare([torch.cat(parts), *state], [y, *final], ["y", *made.cell.states], 1e-12)


@EACH
def test_a_changed_cell_is_data(base, change):
    made = changed(base, change)
    for copy in (pickle.loads(pickle.dumps(made)), Cell.from_json(made.to_json())):
        assert copy.graph == made.graph and copy.noise == made.noise and copy.name == made.name
        assert dict(copy.init) == dict(made.init) and copy.cite == made.cite and str(copy) == str(made)
    assert base in made.name and len(made.doc) > len(find(base).doc)


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_replayed_without_a_change_a_cell_is_itself(name):
    graph = REGISTRY[name].graph
    again = Draft(graph).finish(graph.name)
    assert name in WORKED_OUT or sorted(equations(again)) == sorted(equations(graph))
    assert (again.inputs, again.states, again.parameters, again.hyper) == (
        graph.inputs,
        graph.states,
        graph.parameters,
        graph.hyper,
    )
    assert _leaf_shapes(again) == _leaf_shapes(graph)
    assert {(c.left, c.right, c.text) for c in again.clashes} == {
        (c.left, c.right, c.text) for c in graph.clashes
    }


def test_replayed_without_a_change_a_cell_does_the_same():
    for name in WORKED_OUT:
        made, given, weights = _one_step(name)
        again = Draft(made.graph).finish("again")
        for a, b in zip(
            _several(interpret(again, given, weights, {})), _several(made(*given, **weights)), strict=True
        ):
            torch.testing.assert_close(a, b, check_dtype=False)


def _leaf_shapes(graph):
    return {(n.op, n.value): n.shape for n in graph.nodes if n.op in ("input", "state", "parameter")}


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_a_graph_run_node_by_node_is_the_function(name):
    """So for a changed cell, which has no function, the plain function of the tests is trustworthy."""
    made, given, weights = _one_step(name)
    found, expected = (c(*given, **weights) for c in (Cell.from_json(made.to_json()), made))
    for a, b in zip(_several(found), _several(expected), strict=True):
        torch.testing.assert_close(
            torch.as_tensor(a), torch.as_tensor(b), rtol=1e-12, atol=1e-12, check_dtype=False
        )


def _one_step(name: str):
    """A registered cell, one example's inputs and states, and parameters."""
    made = instance(REGISTRY[name], fitting(REGISTRY[name], {"I": 4, "H": 6, "O": 3}), StepRows(1, 1))
    graph, weights = made.cell.graph, {names[0]: p for names, p in made.parameters.items()}
    given = [
        v[0].reshape(tuple(size(d, made.sizes) for d in graph.shape(kind, n)))
        for kind, names, values in (("input", graph.inputs, made.inputs), ("state", graph.states, made.state))
        for n, v in zip(names, values)
    ]
    return made.cell, given, weights


def _several(results):
    return results if isinstance(results, tuple) else (results,)


# What each change means, written by hand.


def norm(v, gain):
    return gain * (v - v.mean()) / (v.var(unbiased=False) + 1e-5).sqrt()


def lstm_by_hand(x, h, c, p, product=lambda w, v, p: p[w] @ v, seen=None):
    """`seen` is what matrices see of h."""
    seen = h if seen is None else seen
    i, f, g, o = (product(f"W_{k}", x, p) + product(f"U_{k}", seen, p) + p[f"b_{k}"] for k in "ifgo")
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def gru_by_hand(x, h, p, seen):
    r = (p["W_r"] @ x + p["U_r"] @ seen + p["b_r"]).sigmoid()
    z = (p["W_z"] @ x + p["U_z"] @ seen + p["b_z"]).sigmoid()
    n = (p["W_n"] @ x + p["U_n"] @ (r * seen) + p["b_n"]).tanh()
    return (1 - z) * n + z * h


def lem_by_hand(x, y, z, p, seen):
    slow = (p["W_1"] @ seen("y", y) + p["V_1"] @ x + p["b_1"]).sigmoid()
    fast = (p["W_2"] @ seen("y", y) + p["V_2"] @ x + p["b_2"]).sigmoid()
    z = (1 - slow) * z + slow * (p["W_z"] @ seen("y", y) + p["V_z"] @ x + p["b_z"]).tanh()
    return (1 - fast) * y + fast * (p["W_y"] @ seen("z", z) + p["V_y"] @ x + p["b_y"]).tanh(), z


def zoned(new, old, mask):
    return mask * old + (1 - mask) * new


HAND = {
    ("lstm", "layer_norm"): lambda x, h, c, p: lstm_by_hand(
        x, h, c, p, lambda w, v, p: norm(p[w] @ v, p[f"gain_{w}"])
    ),
    # h comes of the cell state without zoneout (Krueger et al. 2017).
    ("lstm", "zoneout"): lambda x, zh, zc, h, c, p: (
        zoned(lstm_by_hand(x, h, c, p)[0], h, zh),
        zoned(lstm_by_hand(x, h, c, p)[1], c, zc),
    ),
    ("lstm", "recurrent_dropout"): lambda x, m, h, c, p: lstm_by_hand(x, h, c, p, seen=m * h),
    ("lstm", "weight_drop"): lambda x, h, c, p: lstm_by_hand(
        x, h, c, p, lambda w, v, p: (p[w] * p.get(f"dropout_{w}", torch.ones(()))) @ v
    ),
    ("lstm", "residual"): lambda x, h, c, p: (lstm_by_hand(x, h, c, p)[0] + x, *lstm_by_hand(x, h, c, p)),
    ("lstm", "multiplicative"): lambda x, h, c, p: lstm_by_hand(
        x, h, c, p, seen=(p["W_m"] @ x) * (p["U_m"] @ h)
    ),
    ("gru_reset_before", "recurrent_dropout"): lambda x, m, h, p: gru_by_hand(x, h, p, m * h),
    ("gru_reset_before", "multiplicative"): lambda x, h, p: gru_by_hand(
        x, h, p, (p["W_m"] @ x) * (p["U_m"] @ h)
    ),
    ("lem", "recurrent_dropout"): lambda x, m, n, y, z, p: lem_by_hand(
        x, y, z, p, lambda s, v: {"y": m, "z": n}[s] * v
    ),
    ("lem", "multiplicative"): lambda x, y, z, p: lem_by_hand(
        x, y, z, p, lambda s, v: (p[f"W_m_{s}"] @ x) * (p[f"U_m_{s}"] @ v)
    ),
    ("mingru", "zoneout"): lambda x, m, h, p: zoned(find("mingru")(x, h, **p), h, m),
}


@pytest.mark.parametrize("base, change", HAND)
def test_the_change_is_the_papers(base, change):
    made = instance(changed(base, change), SIZES, StepRows(1, 1))
    p = {names[0]: tensor for names, tensor in made.parameters.items()}
    given = [v[0] for v in (*made.inputs, *made.state)]
    expected = HAND[base, change](*given, p)
    for a, b in zip(_several(made.cell(*given, **p)), _several(expected), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "base, change, masks",
    (
        ("lstm", "zoneout", ["zoneout_h", "zoneout_c"]),
        ("lstm", "recurrent_dropout", ["dropout_h"]),
        ("rhn", "recurrent_dropout", ["dropout_s"]),
        ("rhn", "weight_drop", ["dropout_U_h", "dropout_U_t"]),
        ("lem", "weight_drop", ["dropout_W_1", "dropout_W_2", "dropout_W_z", "dropout_W_y"]),
    ),
)
def test_masks_stand_behind_what_a_caller_gives(base, change, masks):
    made = changed(base, change)
    assert list(made.noise) == masks and made.inputs == ("x",)
    assert made.parameters == find(base).parameters == made.evaluation.parameters
    assert made.evaluation.graph.inputs == ("x",) and made.evaluation.evaluation is made.evaluation


def test_evaluation_has_the_means():
    zoned_cell, plain = zoneout("lstm", {"h": 0.1, "c": 0.5}).evaluation, find("lstm")
    made = instance(plain, SIZES, StepRows(1, 1))
    p, given = {n[0]: t for n, t in made.parameters.items()}, [v[0] for v in (*made.inputs, *made.state)]
    (h, c), (_, old_h, old_c) = plain(*given, **p), given
    for found in (zoned_cell(*given, **p), zoneout("lstm", {"h": 0.1, "c": 0.5})(*given, **p)):
        compare(found, [0.1 * old_h + 0.9 * h, 0.5 * old_c + 0.5 * c], ["h", "c"], 1e-12)
    for change in ("recurrent_dropout", "weight_drop"):
        assert equations(changed("lstm", change).evaluation.graph) == equations(plain.graph)
        compare(changed("lstm", change).evaluation(*given, **p), (h, c), ["h", "c"], 1e-15)


def test_what_zoneout_leaves_alone():
    @cell(shapes={"t": ()})
    def clocked(x, h, before, t, *, W, U, V):
        new = tanh(W @ x + U @ h + V @ before * t)
        return new, h, t + 1

    assert list(zoneout(clocked, 0.5).noise) == ["zoneout_h"]  # neither the delay line nor the clock
    assert list(zoneout(clocked, {"before": 0.5}).noise) == ["zoneout_before"]
    assert not zoneout("lstm", 0).noise and zoneout("lstm", 0).states == ("h", "c")


def test_twice_the_same_noise_is_two_masks():
    assert list(zoneout(zoneout("mgu", 0.1), 0.1).noise) == ["zoneout_h", "zoneout_h_2"]


def test_a_gain_begins_with_one_and_a_stack_has_one_a_layer():
    normed = layer_norm("rhn")
    assert [n for n in normed.parameters if n.startswith("gain_U_h")] == [
        "gain_U_h_0",
        "gain_U_h_1",
        "gain_U_h_2",
    ]
    assert (
        all(normed.init[n] == 1.0 for n in normed.parameters if n.startswith("gain"))
        and normed.init["b_t"] == -2.0
    )


def test_operands_are_looked_through_as_they_are_written():
    @cell
    def odd(x, h, *, W, U, V):
        both = concat(x, h)
        gate = sigmoid(h)
        h = tanh(W @ both + U @ (gate * h) + V @ gate + h)
        return h

    lines = equations(recurrent_dropout(odd, 0.5).graph)
    assert (
        lines[-1] == "h[t] = tanh(W @ concat(x[t], h_dropped[t]) + U @ (gate[t] * h_dropped[t]) + V @"
        " sigmoid(h_dropped[t]) + h[t-1])"
    )


def test_activations_change_places():
    swapped = activations("mgu", tanh="sigmoid", sigmoid="tanh")
    assert equations(swapped.graph)[1].startswith("n[t] = sigmoid(") and equations(swapped.graph)[0].startswith(
        "f[t] = tanh("
    )
    plain = activations(activations("mgu", tanh=relu), relu="identity").graph
    assert equations(plain)[1].startswith("n[t] = W_n @ x[t] + ")


def test_residual_needs_equal_widths():
    with pytest.raises(CellError) as raised:
        made = instance(find("mgu"), {"I": 3, "H": 5}, StepRows(1, 1))
        run(residual("mgu").graph, {"I": 3, "H": 5}, made.inputs, made.state, made.parameters, made.step_rows)
    assert "h is 5 wide and x 3, and this line needs them equal" in str(raised.value)


def test_first_values():
    made = initialised("lstm", **{"U": "orthogonal", "W_?": 0.5, "W_i": 2, "b_f": "chrono(10)"})
    assert dict(made.init) == {
        **{f"U_{k}": "orthogonal" for k in "ifgo"},
        **{f"W_{k}": 0.5 for k in "fgo"},
        "W_i": 2,
        "b_f": "chrono(10)",
    }
    assert (
        made.function is find("lstm").function
        and made.name == "initialised(lstm, U='orthogonal', W_?=0.5, W_i=2, b_f='chrono(10)')"
    )
    assert initialised(layer_norm("mgu"), gain=0.1).init["gain_U_f"] == 0.1


def test_documented():
    made = documented(
        replace("lstm", f=1), "One sentence.", name="mine", cite=("gers2000",), family="own", year=2000
    )
    assert (made.name, made.graph.name, made.doc, made.cite, made.family, made.year) == (
        "mine",
        "mine",
        "One sentence.",
        ("gers2000",),
        "own",
        2000,
    )


@pytest.mark.parametrize(
    "wrong, message",
    (
        (lambda: zoneout("lstm", 1.0), "zoneout(lstm): rate 1.0 is not a probability. Give 0 to below 1."),
        (lambda: zoneout("lstm", {"k": 0.1}), "zoneout(lstm): 'k' is not a state of lstm. It has h, c."),
        (
            lambda: recurrent_dropout("mingru", 0.1),
            (
                "recurrent_dropout(mingru): no state of mingru enters a matrix, so there is nothing "
                "to drop. zoneout works on every state."
            ),
        ),
        (
            lambda: weight_drop("mingru", 0.1),
            (
                "weight_drop(mingru): mingru has no matrix whose operand has to do with a state. Name some, "
                "weights=('W_z',)."
            ),
        ),
        (
            lambda: weight_drop("mgu", 0.1, "U_x"),
            "weight_drop(mgu): 'U_x' is not a name here. Did you mean U_n or U_f?",
        ),
        (
            lambda: weight_drop("mgu", "a"),
            "weight_drop(mgu): rate 'a' is not a probability. Give 0 to below 1.",
        ),
        (lambda: multiplicative("mingru"), "multiplicative(mingru): no state of mingru enters a matrix."),
        (
            lambda: layer_norm(cell(lambda x, h: tanh(x + h))),
            "layer_norm(<lambda>): <lambda> has no product with a matrix to normalise.",
        ),
        (
            lambda: activations("lstm", relu="tanh"),
            "activations(lstm, relu=tanh): the equations of lstm have no relu. They have tanh, sigmoid.",
        ),
        (
            lambda: activations("lstm", tanh="rely"),
            (
                "activations(lstm, tanh=rely): 'rely' is not an activation. Give a function of the cell "
                "language, or one of tanh, relu, sigmoid, softplus, sin, exp, elu, silu, gelu, identity."
            ),
        ),
        (
            lambda: initialised("mgu", b_g=1),
            "initialised(mgu, b_g=1): 'b_g' is not a name here. Did you mean b_n or b_f?",
        ),
        (
            lambda: initialised("mgu", b_f=None),
            (
                "initialised(mgu, b_f=None): b_f=None is neither a number, nor the name of an initialisation,"
                " nor a function that fills a tensor."
            ),
        ),
    ),
)
def test_what_is_said_of_wrong_ones(wrong, message):
    with pytest.raises(UsageError) as raised:
        wrong()
    assert str(raised.value) == message


def test_the_bases_run_as_c():
    assert set(BASES) <= set(C_CELLS)


def test_settings_and_widths_live_on():
    made = zoneout("lem", 0.1).using(dt=0.25)
    assert made.hyper == made.evaluation.hyper == {"dt": 0.25} and made.noise
    wide = layer_norm("jordan").using(O=3)
    assert wide.widths == {"O": 3} and wide.graph.shape("parameter", "gain_W_y") == ("O",)


def test_data_without_noise_and_with_none_of_ours():
    data = zoneout("mgu", 0.1).to_json()
    assert Cell.from_json({**find("mgu").to_json(), "noise": {}}).noise == {}
    old = find("mgu").to_json()
    del old["noise"]  # as written before there was any
    assert Cell.from_json(old).graph == find("mgu").graph
    for wrong in ({"zoneout_h": [2.0, "keep", "step"]}, {"zoneout_h": 3}, [1]):
        with pytest.raises(UsageError, match="this is not a stored cell"):
            Cell.from_json({**data, "noise": wrong})


def test_the_multiplicative_lstm_of_the_zoo_is_the_changed_one():
    zoo, made = find("multiplicative_lstm"), instance(changed("lstm", "multiplicative"), SIZES, StepRows(3, 2))
    zeros = {(n,): torch.zeros(5, dtype=torch.float64) for n in ("b_m", "d_m")}
    y, *final = made.run("reference")
    found, last, _ = run(
        zoo.graph,
        SIZES,
        made.inputs,
        made.state,
        {**made.parameters, **zeros},
        made.step_rows,
        backend="reference",
    )
    compare([found, *last], [y, *final], ["y", "h", "c"], 1e-12)


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_every_registered_cell_can_be_changed(name, backend, built_quickly):
    """Every change on the reference backend; on C the one that is all of them, where it applies."""
    for change in CHANGES if backend == "reference" else ("all", "zoneout"):
        try:
            made = CHANGES[change](find(name))
        except UsageError:  # no state enters a matrix, no such nonlinearity
            continue
        check(
            instance(made, fitting(made, {"I": 4, "H": 4, "O": 4}), StepRows(2, 3, (3, 1))),
            backend if name in C_CELLS else "reference",
        )
