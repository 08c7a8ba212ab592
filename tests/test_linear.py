"""Linear recurrences: which cells are found to be so, the scan in blocks of time, and
inputs that come a step late.
"""

from __future__ import annotations

import pytest
import torch
from instances import check, instance

from unrolled.cell import cell
from unrolled.cells import REGISTRY
from unrolled.kernels import StepRows
from unrolled.kernels.delayed import delayed_of
from unrolled.kernels.reference import run as reference
from unrolled.kernels.reference.scan import scan
from unrolled.ops import sigmoid, tanh, where
from unrolled.plan.linear import linear_of
from unrolled.plan.plan import plan_of

LINEAR = ("lru", "mingru", "minlstm", "sru_2017", "t_rnn")
LATE = ("qrnn", "t_gru", "t_lstm")  # linear once the last input counts as an input


def plan(name: str):
    graph = REGISTRY[name].graph
    late = delayed_of(graph)
    return plan_of(late.graph if late else graph)


def test_the_linear_cells_of_the_zoo():
    found = sorted(name for name in REGISTRY if linear_of(plan(name)))
    assert found == sorted((*LINEAR, *LATE))
    assert sorted(name for name in REGISTRY if delayed_of(REGISTRY[name].graph)) == sorted(LATE)


@pytest.mark.parametrize("steps", (1, 2, 3, 9, 10, 50))
def test_a_scan_is_the_recurrence_step_by_step(steps):
    """Two states that feed each other, and a third that the first feeds: factors absent at
    first appear on the way.
    """
    torch.manual_seed(steps)
    shape = (steps, 2, 3)
    some = [
        [
            torch.randn(shape, dtype=torch.float64).requires_grad_()
            if (i, j) in ((0, 1), (1, 0), (1, 1), (2, 0))
            else None
            for j in range(3)
        ]
        for i in range(3)
    ]
    offsets = [torch.randn(shape, dtype=torch.float64).requires_grad_() for _ in range(3)]
    state = [torch.randn(2, 3, dtype=torch.float64).requires_grad_() for _ in range(3)]
    now, expected = state, []
    for t in range(steps):
        now = [
            offsets[i][t] + sum(some[i][j][t] * now[j] for j in range(3) if some[i][j] is not None)
            for i in range(3)
        ]
        expected.append(now)
    found = scan(some, offsets, state)
    leaves = [f for row in some for f in row if f is not None] + offsets + state
    weights = torch.randn(3, *shape, dtype=torch.float64)
    for values in zip(found, (torch.stack(v) for v in zip(*expected))):
        torch.testing.assert_close(*values, rtol=1e-12, atol=1e-12)
    both = [
        torch.autograd.grad((torch.stack(v) * weights).sum(), leaves, allow_unused=True, materialize_grads=True)
        for v in (found, [torch.stack(v) for v in zip(*expected)])
    ]
    for left, right in zip(*both):
        torch.testing.assert_close(left, right, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", (*LINEAR, *LATE))
@pytest.mark.parametrize(
    "step_rows",
    (StepRows(reference.BLOCKED, 1), StepRows(40, 2, None, True), StepRows(3, 5, (4, 2, 1))),
    ids=("blocked", "reverse", "ragged"),
)
def test_blocks_of_time_are_the_plain_function(name, step_rows, monkeypatch):
    made = instance(REGISTRY[name], {"I": 3, "H": 3}, step_rows, torch.float64)
    check(made, "reference")
    used = []
    monkeypatch.setattr(reference, "scan", lambda *a: used.append(1) or scan(*a))
    made.run("reference")
    assert bool(used) == (step_rows.sizes is None)


@pytest.mark.parametrize("name", LATE)
@pytest.mark.parametrize("backend", ("c", "reference"))
@pytest.mark.parametrize(
    "step_rows",
    (StepRows(1, 2), StepRows(5, 3), StepRows(5, 3, None, True), StepRows(4, 5, (4, 2, 2, 1))),
    ids=str,
)
def test_a_late_input_is_the_plain_function(name, backend, step_rows):
    check(instance(REGISTRY[name], {"I": 3, "H": 3}, step_rows, torch.float64), backend)


def test_a_final_state_is_no_view_of_the_input():
    made = instance(REGISTRY["qrnn"], {"I": 3, "H": 3}, StepRows(4, 2), torch.float64)
    last = made.run("reference")[2]
    assert last.data_ptr() != made.inputs[0][-2:].data_ptr()


def test_what_is_linear():
    @cell
    def chosen(x, h, *, W, a, b):
        g = sigmoid(W @ x)
        h = where(g < 0.5, a * h, h / (1 + g)) - b * g - (-h)
        return h

    @cell
    def squared(x, h, *, W):
        h = W @ x + h * h
        return h

    @cell
    def bent(x, h, *, W):
        h = tanh(W @ x + h)
        return h

    @cell
    def mixed(x, h, *, W, U):
        h = W @ x + U @ h
        return h

    assert linear_of(plan_of(chosen.graph)) is not None
    assert [linear_of(plan_of(c.graph)) for c in (squared, bent, mixed)] == [None] * 3
    check(instance(chosen, {"I": 3, "H": 4}, StepRows(20, 2), torch.float64), "reference")
