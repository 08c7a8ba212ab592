"""Products of a delay line that the step before has made are states: the same values and
gradients, fewer products.
"""

from __future__ import annotations

import pytest
import torch
from instances import BACKENDS, check, instance

from unrolled import Recurrent
from unrolled.cell import cell
from unrolled.cells import REGISTRY
from unrolled.kernels import StepRows
from unrolled.kernels.remembered import remembered_of
from unrolled.ops import sigmoid, tanh
from unrolled.plan.plan import plan_of


@cell(shapes={"past": ("delay", "H")})
def ring(x, h, *past, W, R, b, delay=4):
    """All past states through the same weights."""
    seen = W @ x + R @ h + b
    for p in past:
        seen = seen + tanh(R @ p)
    return tanh(seen), *past[1:], h


@cell
def turning(x, h, a, b, *, W, U, V):
    """Two states that change places, and another matrix that only one of them meets."""
    h = tanh(W @ x + U @ a - U @ b + V @ b + h)
    return h, b, a


@cell
def stepwise(x, h, a, *, W, U):
    """The product is an output of the step: it stays."""
    p = U @ a
    g = sigmoid(W @ x + U @ h)
    return p, g, h


STEP_ROWS = (StepRows(7, 3), StepRows(7, 3, None, True), StepRows(6, 4, (4, 3, 3, 2, 1, 1)))


def test_which_products_are_remembered():
    found = remembered_of(ring.graph)
    assert found.weights == ("R",) * 4 and found.states == (1, 2, 3, 4)
    assert len(plan_of(ring.graph).forward.products) == 5 and len(plan_of(found.graph).forward.products) == 1
    assert len(plan_of(found.graph).backward.products) == 1
    assert remembered_of(turning.graph).states == (1, 2) and remembered_of(stepwise.graph) is None
    assert not [name for name in REGISTRY if remembered_of(REGISTRY[name].graph)]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("step_rows", STEP_ROWS, ids=("even", "reverse", "ragged"))
@pytest.mark.parametrize("made", (ring, turning, stepwise), ids=lambda c: c.name)
def test_values_and_gradients_are_the_plain_functions(made, step_rows, backend):
    check(instance(made, {"I": 3, "H": 5}, step_rows, torch.float64), backend)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "options", ({}, {"recompute": True}, {"bidirectional": True, "num_layers": 2}), ids=str
)
def test_a_sequence_in_pieces_is_the_sequence(backend, options):
    torch.manual_seed(0)
    layer, x = Recurrent(ring, 3, 5, backend=backend, dtype=torch.float64, **options), torch.randn(17, 2, 3)
    x = x.double().requires_grad_()
    y, last = layer(x)
    if options.get("bidirectional"):
        with torch.no_grad():
            assert torch.equal(layer(x)[0], y)
        return
    state, parts = None, []
    for piece in x.split([1, 4, 2, 10]):  # some shorter than the line
        part, state = layer(piece, state)
        parts.append(part)
    torch.testing.assert_close(torch.cat(parts), y)
    for one, other in zip(state, last, strict=True):
        torch.testing.assert_close(one, other)
    for one, other in zip(
        *(torch.autograd.grad(v.square().sum(), [x, *layer.parameters()]) for v in (y, torch.cat(parts)))
    ):
        torch.testing.assert_close(one, other)


def test_gradients_of_gradients_and_autocast():
    torch.manual_seed(0)
    layer, x = (
        Recurrent(ring, 2, 3, dtype=torch.float64),
        torch.randn(6, 1, 2, dtype=torch.float64, requires_grad=True),
    )
    assert torch.autograd.gradgradcheck(lambda x: layer(x)[0], [x])
    layer, x = Recurrent(ring, 3, 5), torch.randn(9, 2, 3)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = layer(x)[0]
    torch.testing.assert_close(rounded.float(), layer(x)[0], rtol=0.1, atol=0.05)
