"""What is printed about a cell: stored as golden texts, and run, so that it is right as well as unchanged.

UNROLLED_UPDATE_GOLDEN=1 pytest tests/test_views.py writes the golden texts again; read the
difference before it is kept.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from generated import programs
from hypothesis import assume, given, settings
from instances import fitting
from printed import evaluate, gradient_lines, python
from together import STARTERS

from unrolled import Cell, Recurrent, absolute, cell, concat, exp, maximum, sigmoid, tanh, total, where
from unrolled.cells import REGISTRY
from unrolled.commands.show import STAGES, show
from unrolled.errors import UsageError
from unrolled.graph.node import size
from unrolled.plan.cost import elementwise_flops, hoisted_flops, loop_flops
from unrolled.plan.plan import plan_of
from unrolled.views.count import count, widths_at
from unrolled.views.equations import equations
from unrolled.views.plans.describe import stage_count

GOLDEN = Path(__file__).parent / "golden"
STORED = {
    **{f"{name}.txt": (name, "equations") for name in STARTERS},
    **{
        f"{name}.{stage}.txt": (name, stage)
        for name in ("lstm", "gru", "mgu", "lem")
        for stage in ("plan", "backward")
    },
    "phased_lstm.backward.txt": ("phased_lstm", "backward"),
    "rhn.graph.txt": ("rhn", "graph"),
    "mgu.c": ("mgu", "c"),
}
SIZES = {"I": 3, "H": 4, "O": 2, "P": 5}


@pytest.mark.parametrize("file", STORED)
def test_text_is_the_golden_one(file):
    text = show(*STORED[file]) + "\n"
    if os.environ.get("UNROLLED_UPDATE_GOLDEN"):
        (GOLDEN / file).write_text(text, encoding="utf-8", newline="\n")
    assert text == (GOLDEN / file).read_text(encoding="utf-8")


def test_no_golden_text_is_forgotten():
    others = {"latex_errors.txt"}  # test_latex_reader.py has its own
    assert sorted(path.name for path in GOLDEN.iterdir()) == sorted({*STORED, *others})


# --- what is printed is right ---------------------------------------------------------------------------------


def values_of(subject: Cell, sizes: dict[str, int]) -> dict[str, torch.Tensor | float]:
    """Random values under the printed names of the leaves."""
    made = torch.Generator().manual_seed(1)
    values: dict[str, torch.Tensor | float] = dict(subject.graph.hyper)
    leaves = (
        ("input", subject.inputs, "[t]"),
        ("state", subject.states, "[t-1]"),
        ("parameter", subject.parameters, ""),
    )
    for kind, names, moment in leaves:
        for name in names:
            shape = [size(d, sizes) for d in subject.graph.shape(kind, name)]
            values[name + moment] = (
                torch.rand(shape, generator=made, dtype=torch.float64) + 0.2
            ).requires_grad_()
    return values


def called(subject: Cell, values) -> tuple[torch.Tensor, ...]:
    """The author's own function on those values: everything it returns."""
    results = subject(
        *(values[f"{n}[t]"] for n in subject.inputs),
        *(values[f"{n}[t-1]"] for n in subject.states),
        **{n: values[n] for n in subject.parameters},
    )
    return results if isinstance(results, tuple) else (results,)


def close(found, expected) -> bool:
    """Equal to ten digits, also where one of them is a plain number."""
    pair = [torch.as_tensor(v, dtype=torch.float64) for v in (found, expected)]
    return torch.allclose(*torch.broadcast_tensors(*pair), rtol=1e-10, atol=1e-10, equal_nan=True)


def sizes_of(subject: Cell) -> dict[str, int]:
    return fitting(subject, {**SIZES, "I": 4} if subject.name in ("intersection_rnn", "mixed") else SIZES)


def check_equations(made: Cell) -> None:
    """The printed equations, run, are the cell."""
    values = values_of(made, sizes_of(made))
    found = evaluate(equations(made.graph), {**sizes_of(made), **values})
    new = called(made, values)[-len(made.states) :]
    for name, value in zip(made.states, new):
        assert close(found[python(f"{name}[t]")], value), name


def check_gradients(subject: Cell) -> None:
    """The printed backward equations, run, are autograd's gradients of one step."""
    values = values_of(subject, sizes_of(subject))
    results, leaves = called(subject, values), {k: v for k, v in values.items() if isinstance(v, torch.Tensor)}
    text = show(subject, "backward")
    given_names = re.findall(r"\w+\[t\]", text.splitlines()[0])
    loss, known = sum(0 * leaf.sum() for leaf in leaves.values()), {}  # a result may rest on no leaf at all
    order = [f"d{n}" for n in subject.states] + (["doutput"] if len(results) > len(subject.states) else [])
    for name, result in zip(order, [*results[-len(subject.states) :], results[0]]):
        printed = next((n for n in given_names if n in (f"{name}[t]", f"{name}_later[t]")), None)
        if printed is None:  # the output is the first state, and its gradient that state's
            assert name == "doutput"
            continue
        known[printed] = torch.rand_like(torch.as_tensor(result, dtype=torch.float64))
        loss = loss + (known[printed] * result).sum()
    wanted = torch.autograd.grad(loss, list(leaves.values()), materialize_grads=True)
    start = {f"d{n}": torch.zeros_like(v) for n, v in leaves.items()}
    found = evaluate(
        [*equations(subject.graph), *gradient_lines(text)], {**sizes_of(subject), **values, **start, **known}
    )
    for name, gradient in zip(leaves, wanted):
        assert close(found[python(f"d{name}")], gradient), f"d{name}"


@pytest.mark.parametrize("name", REGISTRY)
def test_printed_equations_are_the_cell(name):
    check_equations(REGISTRY[name])


@pytest.mark.parametrize("name", REGISTRY)
def test_printed_backward_equations_are_the_gradients(name):
    check_gradients(REGISTRY[name])


def brackets(x, h, k, *, W, U, b, c):
    a = h - (k - b) - (c - h)
    d = a / (b * c) / (k / c) * -(a + b)
    e = maximum((a + d) * (a + d), absolute(d - a)) - -b * 2 + -(-c)
    h = tanh(U @ (W @ x + b) - (U - 2 * U.T) @ (e * k)) * (1 - (1 - h))
    k = where(h < a + b, (h + a) * (h + a), exp(-(h - a) / 2)) + total(a * (b + c))
    return h, k


def rebound(x, h, c, *, W, U, b):
    x = W @ x  # an input's name used again
    b = b * b  # a parameter's name used again
    h = sigmoid(x + U @ h + b)  # a state's name used for something else
    h = tanh(h + b) + c
    other = h * c
    return other, h


def handed_on(x, h, c, *, W):
    new = tanh(W @ x + c)
    return new, h


def mixed(x, h, *, W, u):
    y = W @ concat(x, h)
    return y * x, sigmoid(y + u * h)


@pytest.mark.parametrize("function", [brackets, rebound, handed_on, mixed], ids=lambda f: f.__name__)
def test_awkward_cells_are_printed_right(function):
    shapes = {"W": ("H", "I+H")} if function is mixed else {}
    check_equations(cell(function, shapes=shapes))


@settings(max_examples=40)
@given(programs())
def test_equations_of_random_cells_are_printed_right(program):
    made = program.cell()
    text = "".join(equations(made.graph))
    assume(not re.search(r"\|[^|]*\([^|]*\|", text))  # | | inside | | cannot be told apart by a pattern
    check_equations(made)


@settings(max_examples=60)
@given(programs())
def test_backward_equations_of_random_cells_are_printed_right(program):
    made = program.cell()
    text = "".join([*equations(made.graph), show(made, "backward")])
    assume("d(" not in text and " < " not in text)  # what autograd goes on with; comparisons used as numbers
    assume(not re.search(r"\|[^|]*\([^|]*\|", text))
    assume(made.graph.output not in made.graph.new_states or made.graph.output == made.graph.new_states[0])
    check_gradients(made)


def test_names_used_twice_are_told_apart():
    assert [line.split(" = ")[0] for line in equations(cell(rebound).graph)] == [
        "x(1)[t]",
        "b(1)",
        "h(1)[t]",
        "h(2)[t]",
        "other[t]",
        "h[t]",
        "c[t]",
    ]


def test_without_source_names_come_from_the_bindings():
    scope = {"tanh": tanh}
    exec("def blind(x, h, *, W, U):\n    a = W @ x\n    h = tanh(a + U @ h)\n    return h", scope)
    assert equations(cell(scope["blind"]).graph) == ["a[t] = W @ x[t]", "h[t] = tanh(a[t] + U @ h[t-1])"]


def test_comments_cannot_steer_the_terminal():
    data = REGISTRY["mgu"].to_json()
    data["graph"]["statements"][0][3] = "\x1b[2Jgone"
    assert "\x1b" not in str(Cell.from_json(data)) and "?[2Jgone" in str(Cell.from_json(data))


def test_a_stored_cell_prints_its_equations():
    for made in REGISTRY.values():
        assert equations(Cell.from_json(made.to_json()).graph) == equations(made.graph)


def test_the_same_text_in_every_process():
    code = (
        "from unrolled.cells import REGISTRY\nfrom unrolled.commands.show import show\n"
        "print(*(show(c, s) for c in REGISTRY.values() for s in ('equations', 'graph', 'backward', 'plan')))\n"
        "import sys; assert 'torch' not in sys.modules"
    )
    texts = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            text=True,
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert texts[0] == texts[1] and len(texts[0]) > 20_000


# --- counts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REGISTRY)
def test_counts_are_the_layers_and_the_plans(name):
    made = REGISTRY[name]
    made = made.using(O=7) if "O" in made.graph.dims else made
    sizes = fitting(
        made, widths_at(made.graph, {**made.widths, "I": 5}, 5 if name == "intersection_rnn" else 6)
    )
    counted, plan = count(made.graph, sizes), plan_of(made.graph)
    layer = Recurrent(made, sizes["I"], sizes["H"], backend="reference")
    assert counted.parameters == sum(p.numel() for p in (*layer.parameters(), *layer.buffers()))

    def width(dim):
        return size(dim, sizes)

    planned = hoisted_flops(plan, width) + loop_flops(plan, width) + elementwise_flops(plan, width)
    # Made of the input, before the loop.
    ahead = any(plan.body.outer[h.operand].op != "input" for h in plan.body.hoisted)
    assert planned <= counted.flops <= 2 * planned if ahead else counted.flops == planned
    assert ahead or counted.products == hoisted_flops(plan, width) + loop_flops(plan, width)


def test_lstm_has_the_parameters_that_everyone_counts():
    assert count(REGISTRY["lstm"].graph, {"I": 28, "H": 64}).parameters == 4 * (64 * 28 + 64 * 64 + 64)


def test_stages_are_how_often_a_step_waits():
    assert {name: stage_count(plan_of(REGISTRY[name].graph)) for name in STARTERS} == {
        "elman": 1,
        "jordan": 2,
        "indrnn": 0,
        "lstm": 1,
        "peephole_lstm": 1,
        "phased_lstm": 1,
        "gru": 1,
        "gru_reset_before": 2,
        "mgu": 2,
        "rhn": 3,
        "intersection_rnn": 1,
        "lem": 2,
        "mingru": 0,
    }


# --- the commands ---------------------------------------------------------------------------------------------


def test_an_unknown_stage_names_the_stages():
    with pytest.raises(UsageError) as raised:
        show("lstm", "assembler")
    assert str(raised.value) == f"there is no stage 'assembler': choose one of {', '.join(STAGES)}."


def test_a_cell_from_a_file_is_shown(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from unrolled import tanh\n\ndef mine(x, h, *, W, U):\n"
        "    h = tanh(W @ x + U @ h)  # new\n    return h\n"
    )
    assert "h[t] = tanh(W @ x[t] + U @ h[t-1])      # new" in show(f"{tmp_path / 'mine.py'}:mine")
    for stage in STAGES:
        assert show(f"{tmp_path / 'mine.py'}:mine", stage)


def test_print_of_a_cell_is_its_page(capsys):
    print(REGISTRY["mgu"])
    assert capsys.readouterr().out == show("mgu") + "\n"
    assert repr(REGISTRY["mgu"]).startswith("<cell mgu: ")
