"""Every registered cell on every backend: values, gradients, and everything that a caller may do with a run."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from instances import (
    BACKENDS,
    C_CELLS,
    DTYPES,
    PAIRS,
    REFERENCE_ONLY,
    TRIPLES,
    WAYS,
    Solved,
    Way,
    check,
    compare,
    gradients,
    instance,
    meaning,
    needs_compiler,
    solved,
    ways,  # noqa: F401 (a program below imports it from here)
    weighted,
)
from together import STARTERS, as_users_build

from unrolled.cell import cell
from unrolled.cells import REGISTRY
from unrolled.errors import CellError, NotYet, ShapeError, UsageError
from unrolled.kernels import StepRows, run
from unrolled.ops import tanh
from unrolled.plan.plan import plan_of

# (I, H, O), step_rows, how the C backend goes about it: odd widths around the size of a vector, one row, one
# step, ragged rows of which one has no step. The starters run every case in every way; the others each case in
# one way, and in every way with `-m slow`.
CASES = (
    ((5, 7, 3), StepRows(4, 2), WAYS[1]),
    ((1, 1, 1), StepRows(1, 1), WAYS[0]),
    ((19, 33, 18), StepRows(3, 5, (4, 2, 1)), WAYS[0]),
    ((3, 65, 34), StepRows(2, 1, None, True), WAYS[3]),
    ((8, 16, 5), StepRows(3, 5, None, True), WAYS[2]),
)
INDICES = (
    (StepRows(4, 3), WAYS[1]),
    (StepRows(3, 4, (4, 2, 1)), WAYS[0]),
    (StepRows(3, 2, None, True), WAYS[3]),
)
SMALL, USUAL = {"I": 4, "H": 6, "O": 3}, StepRows(4, 3)
BOTH = pytest.mark.parametrize("backend", BACKENDS)
PAIR = pytest.mark.parametrize("backend, name", PAIRS)
TRIPLE = pytest.mark.parametrize("backend, dtype, name", TRIPLES, ids=str)
EACH_ON_C = pytest.mark.parametrize("name", C_CELLS)


def small(name: str, dtype=torch.float64, step_rows=USUAL, **more):
    """An instance of one's own, to be changed at will."""
    return instance(REGISTRY[name], SMALL, step_rows, dtype, **more)


def known(name: str, step_rows=USUAL, **more) -> Solved:
    """The instance that `small` makes, shared, with what the plain function makes of it."""
    return solved(name, SMALL, step_rows, **more)


def sized(case, name: str, dtype) -> Solved:
    return solved(name, dict(zip("IHO", case[0])), case[1], dtype)


@TRIPLE
def test_values_and_gradients(backend, dtype, name):
    for case in CASES:
        chosen = WAYS[:1] if backend == "reference" else WAYS if name in STARTERS else case[2:]
        for each in chosen:
            check(sized(case, name, dtype), backend, way=each)


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@EACH_ON_C
def test_every_case_in_every_way_as_users_build(name, dtype):
    with as_users_build():
        for case in CASES:
            for each in WAYS:
                check(sized(case, name, dtype), "c", way=each)


@pytest.mark.parametrize("name", REFERENCE_ONLY)
def test_c_refuses_what_it_cannot_spell(name):
    with pytest.raises(NotYet, match=f"the c backend cannot run {name} here: op `.*` is not spelled"):
        small(name).run("c")
    check(known(name), "auto")


@PAIR
def test_an_index_is_a_one_hot_row(backend, name):
    for step_rows, each in INDICES:
        check(known(name, step_rows, indices=True), backend, way=each)


@PAIR
def test_parameters_stacked_as_the_plan_packs_them(backend, name):
    """The plan's own stacks are taken without a copy, any other stack is cut up: the same numbers."""
    made, results, wanted = (solution := known(name)).given, solution.results, solution.gradients
    plan = plan_of(made.cell.graph)
    packed = [tuple(plan.body.outer[m].value for m in group.matrices) for group in plan.body.hoisted]
    packed += [
        tuple(plan.body.outer[plan.body.nodes[m].value].value for m in group.matrices) for group in plan.groups
    ]
    packed = [names for names in packed if all(isinstance(n, str) and (n,) in made.parameters for n in names)]
    for stacks in (packed, [names[::-1] for names in packed]):
        left = dict(made.parameters)
        stacked = {
            names: torch.cat([left.pop((n,)) for n in names])
            for names in stacks
            if all((n,) in left for n in names)
        }
        found = replace(made, parameters={**stacked, **left}).run(backend)
        compare(found, results, ["y", *made.cell.states], 1e-12)
        compare(gradients(found, made.leaves), wanted, made.named, 1e-12)


@PAIR
def test_no_steps_leave_the_state(backend, name):
    made = small(name, step_rows=StepRows(0, 2))
    y, *final = made.run("auto" if backend == "c" else backend)
    assert len(y) == 0
    compare(final, made.state, made.cell.states, 0.0)


@needs_compiler
@EACH_ON_C
def test_inference_is_the_training_forward(name):
    for step_rows in (StepRows(9, 3), StepRows(4, 3, (3, 2, 2, 1)), StepRows(130, 1, None, True)):
        made = small(name, step_rows=step_rows)
        trained = made.run("c")
        with torch.no_grad():
            inferred = made.run("c")
        assert not any(r.requires_grad for r in inferred)
        compare(inferred, trained, ["y", *made.cell.states], 1e-13)


@needs_compiler
@EACH_ON_C
def test_two_forwards_before_a_backward(name):
    first, second = known(name), known(name, seed=1)
    results = first.given.run("c"), second.given.run("c")
    for found, solution in zip(results, (first, second)):
        compare(gradients(found, solution.given.leaves), solution.gradients, solution.given.named, 1e-9)


@needs_compiler
@EACH_ON_C
def test_backward_twice(name):
    made = known(name).given
    results = made.run("c")
    once = gradients(results, made.leaves, retain_graph=True)
    compare(gradients(results, made.leaves), once, made.named, 0.0)


@PAIR
def test_what_the_caller_gives_is_left_alone(backend, name):
    """Neither values nor the gradients that come from above are written to."""
    made = small(name)
    results = made.run(backend)
    above = [torch.randn_like(r) for r in results]
    given = [*made.leaves, *above, *results]
    before = [t.detach().clone() for t in given]
    wanted = [(r, a) for r, a in zip(results, above) if r.requires_grad]
    torch.autograd.grad([r for r, _ in wanted], made.leaves, [a for _, a in wanted], allow_unused=True)
    assert all(torch.equal(a, b) for a, b in zip(given, before))


@needs_compiler
@EACH_ON_C
def test_gradients_of_gradients_are_the_references(name):
    made = small(name, step_rows=StepRows(3, 2))

    def second(backend: str):
        first = gradients(made.run(backend), made.leaves, create_graph=True)
        return gradients([g for g in first if g.requires_grad], made.leaves)

    compare(second("c"), second("reference"), made.named, 1e-9)


@cache
def one_by_one(name: str) -> list:
    """By the plain function: for each result, the gradients of that one alone; last those
    of the plain sum of all.
    """
    made = known(name).given
    results = meaning(made)
    return [*(gradients([r], made.leaves, retain_graph=True) for r in results), plain_sum(results, made.leaves)]


def plain_sum(results, leaves):
    """Gradients of `r.sum()`, which sends an expanded number back."""
    return torch.autograd.grad(sum(r.sum() for r in results), leaves, allow_unused=True, materialize_grads=True)


@PAIR
def test_a_loss_may_use_one_result_only(backend, name):
    """The others' gradients are then None inside, and must count as zero."""
    made = known(name).given
    results = made.run(backend)
    for result, wanted in zip(results, one_by_one(name)):
        compare(gradients([result], made.leaves, retain_graph=True), wanted, made.named, 1e-9)


@PAIR
def test_each_gradient_alone(backend, name):
    """Everything but one leaf is frozen: what is left out must not disturb what is asked for."""
    made, wanted = small(name), known(name).gradients
    for tensor in made.leaves:
        tensor.requires_grad_(False)
    for tensor, expected, label in zip(made.leaves, wanted, made.named):
        tensor.requires_grad_(True)
        compare(gradients(made.run(backend), [tensor]), [expected], [label], 1e-9)
        tensor.requires_grad_(False)


@PAIR
def test_strides_do_not_matter(backend, name):
    """Transposed parameters, inputs cut out of a wider tensor, an expanded gradient
    (what `y.sum()` sends back).
    """
    made = known(name).given
    apart = replace(
        made,
        inputs=[torch.stack([x, x], -1)[..., 0] for x in made.inputs],
        state=[torch.stack([s, s])[0].t().contiguous().t() for s in made.state],
        parameters={
            k: p.mT.contiguous().mT if p.dim() > 1 else torch.stack([p, p], -1)[..., 0]
            for k, p in made.parameters.items()
        },
    )
    compare(plain_sum(apart.run(backend), made.leaves), one_by_one(name)[-1], made.named, 1e-9)


@needs_compiler
def test_two_python_threads_at_once():
    names = ("lstm", "gru_reset_before")
    made = {name: small(name, step_rows=StepRows(20, 4)) for name in names}
    wanted = {name: gradients(meaning(m), m.leaves) for name, m in made.items()}
    failures: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for _ in range(10):
                compare(gradients(made[name].run("c"), made[name].leaves), wanted[name], made[name].named, 1e-9)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in names * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]


@needs_compiler
@EACH_ON_C
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_nan_and_infinity_come_out_where_they_should(name, dtype):
    """A NaN in one row's input spoils that row alone, in the same places as by the plain
    function; so does infinity.
    """
    for value in (float("nan"), float("inf")):
        made = small(name, dtype, step_rows=StepRows(4, 3))
        with torch.no_grad():
            made.inputs[0][4] = value  # step 1, row 1
            expected, found = meaning(made), made.run("c")
        for a, b in zip(found, expected):
            assert torch.equal(a.isnan(), b.isnan()) and torch.equal(a.isinf(), b.isinf())
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5, equal_nan=True)


@needs_compiler
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_nan_parameter_reaches_the_gradients(dtype):
    made = small("lstm", dtype)
    with torch.no_grad():
        made.parameters[("U_f",)][0, 0] = float("nan")
    expected, found = gradients(meaning(made), made.leaves), gradients(made.run("c"), made.leaves)
    assert any(g.isnan().any() for g in expected)
    for a, b, label in zip(found, expected, made.named):
        assert torch.equal(a.isnan(), b.isnan()), label


@BOTH
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_subnormal_numbers_pass(backend, dtype):
    """What -ffast-math would flush to zero: tanh(tiny) is tiny, relu(tiny) is tiny."""
    tiny = torch.finfo(dtype).tiny / 8
    for name in ("elman", "indrnn"):
        made = small(name, dtype, step_rows=StepRows(1, 1))
        with torch.no_grad():
            for tensor in (*made.parameters.values(), *made.state):
                tensor.zero_()
            made.parameters[("b",)].fill_(tiny)
            y = made.run(backend)[0]
        assert torch.equal(y, torch.full_like(y, tiny)) and (y > 0).all()


@BOTH
def test_tanh_keeps_its_relative_accuracy_near_zero(backend):
    made = small("elman", torch.float32, step_rows=StepRows(1, 1))
    small_values = torch.logspace(-30, -1, 6)
    with torch.no_grad():
        for tensor in (*made.parameters.values(), *made.state):
            tensor.zero_()
        made.parameters[("b",)].copy_(small_values)
        y = made.run(backend)[0][0].double()
    assert ((y - small_values.double().tanh()).abs() / small_values.double()).max() < 3e-7


def _run_program(text: str, **environment) -> str:
    done = subprocess.run(
        [sys.executable, "-c", text],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=Path(__file__).parent,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]),
            **environment,
        },
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@needs_compiler
def test_kernels_take_the_team_that_they_get():
    """OMP_THREAD_LIMIT=1 gives one thread where two were asked for: no wrong numbers, no
    barrier that waits for ever.
    """
    program = (
        "from test_cells import *\nfor name in ('lstm', 'mgu'):\n for each in ways('c'):\n"
        "  check(small(name, step_rows=StepRows(6, 4)), 'c', way=each)\nprint('right')"
    )
    assert _run_program(program, OMP_THREAD_LIMIT="1").strip() == "right"


@needs_compiler
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_computes():
    """After the parent has used its threads: the child has the runtime's memory and none of its threads."""
    program = (
        "from test_cells import *\ncheck(small('lstm'), 'c')\ncheck(small('lstm'), 'c', way=Way(2, False))\n"
        "child = os.fork()\nif child == 0:\n import signal\n signal.alarm(100)\n"  # one that waits for ever must not stay
        " try:\n  check(small('lstm', step_rows=StepRows(9, 4)), 'c')\n  os._exit(0)\n"
        " except BaseException as error:\n  print(error)\n  os._exit(7)\n"
        "assert os.waitpid(child, 0)[1] == 0\ncheck(small('lstm'), 'c')\nprint('right')"
    )
    assert _run_program(program, OMP_NUM_THREADS="2").strip() == "right"


@needs_compiler
def test_the_number_of_threads_changes_no_row():
    """Rows never meet: one thread or two, the same bits."""
    made, results = small("lstm", torch.float32, step_rows=StepRows(6, 5)), []
    for threads in (1, 2):
        with torch.no_grad():
            results.append(made.run("c", Way(threads, False)))
    for a, b in zip(*results):
        assert torch.equal(a, b)


@BOTH
def test_a_hyper_parameter_is_passed_at_run_time(backend):
    made = small("lem")
    other = replace(made, cell=REGISTRY["lem"].using(dt=0.5))
    assert plan_of(made.cell.graph).body.nodes == plan_of(other.cell.graph).body.nodes
    compare(made.run(backend, hyper={"dt": 0.5}), meaning(other), ["y", "y", "z"], 1e-12)
    check(other, backend)


@BOTH
@pytest.mark.parametrize(
    "name, nonlinearity",
    (
        ("elman", "relu"),
        ("elman", "softplus"),
        ("jordan", "sin"),
        ("jordan", "identity"),
        ("indrnn", "sigmoid"),
        ("indrnn", "tanh"),
        ("indrnn", "exp"),
    ),
)
def test_every_activation(name, nonlinearity, backend, built_quickly):
    cell = REGISTRY[name].using(nonlinearity=nonlinearity)
    check(instance(cell, {"I": 4, "H": 6, "O": 3}, StepRows(3, 2)), backend)


@BOTH
def test_the_depth_of_a_highway(backend, built_quickly):
    for depth in (1, 4):
        cell = REGISTRY["rhn"].using(depth=depth)
        assert cell.graph.shape("parameter", "U_h") == (str(depth), "H", "H")
        check(instance(cell, {"I": 4, "H": 6}, StepRows(3, 2)), backend)


def test_auto_is_the_fastest_that_can():
    """bfloat16 runs nowhere but on the reference: asked for, C says why it cannot; `auto` goes on."""
    made = small("gru", torch.bfloat16)
    assert made.run("auto")[0].dtype is torch.bfloat16
    with pytest.raises(
        NotYet, match='c backend cannot run gru here: it computes in float32 or float64.*backend="reference"'
    ):
        made.run("c")


def test_an_unknown_backend_is_named():
    with pytest.raises(
        UsageError, match="backend='cuda': there is no such backend. Choose auto, c or reference."
    ):
        small("gru").run("cuda")


def test_a_missing_parameter_is_named():
    made = small("mgu")
    del made.parameters[("U_n",)]
    with pytest.raises(ShapeError, match="the parameter U_n was not given; given are W_f, U_f, b_f, W_n, b_n"):
        made.run("reference")


def test_widths_that_clash_are_found_before_the_run():
    @cell
    def gated(x, h, *, W, U):
        return tanh(W @ x + U @ h) * x + h

    made = instance(gated, {"I": 6, "H": 6}, StepRows(2, 2))
    with pytest.raises(CellError, match="5.*6|6.*5"):
        run(gated.graph, {"I": 5, "H": 6}, made.inputs, made.state, made.parameters, made.step_rows)


def test_the_weighting_of_the_tests_sees_every_entry():
    """`weighted` weighs no entry with zero: a wrong gradient cannot hide."""
    ones = torch.ones(50, 3, requires_grad=True)
    assert (torch.autograd.grad(weighted([ones]), ones)[0] != 0).all()
