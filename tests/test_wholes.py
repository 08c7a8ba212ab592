"""Functions of whole vectors and matrices: torch's own values and gradients, at ties and
with NaN, on every backend.
"""

from __future__ import annotations

import pytest
import torch
from instances import BACKENDS, StepRows, check, instance, ways

import unrolled
from unrolled import (
    Recurrent,
    bilinear,
    block_diagonal,
    cell,
    concat,
    cumax,
    cumsum,
    held,
    largest,
    layer_norm,
    matrix_exp,
    maximum,
    mean,
    norm,
    relu,
    sigmoid,
    softmax,
    softmax_columns,
    tanh,
    total,
)
from unrolled.errors import CellError, ShapeError
from unrolled.graph.node import size
from unrolled.kernels import run

NAN, INF = float("nan"), float("inf")
TORCHS = {
    "total": lambda v: v.sum(-1),
    "largest": lambda v: v.amax(-1),
    "mean": lambda v: v.mean(-1),
    "held": lambda v: v.detach(),
    "norm": lambda v: torch.linalg.vector_norm(v, dim=-1),
    "softmax": lambda v: v.softmax(-1),
    "cumsum": lambda v: v.cumsum(-1),
    "cumax": lambda v: v.softmax(-1).cumsum(-1),
    "layer_norm": lambda v: torch.nn.functional.layer_norm(v, v.shape[-1:]),
}
# Ties of two and of all, zeros, far apart, NaN in one unit, one infinity, and enough
# units for several registers.
ROWS = {
    "random": torch.linspace(-1, 1, 21).mul(9).sin()[None],
    "ties": torch.tensor([[2.0, -1, 2, 0, -3], [1, 1, 1, 1, 1]]),
    "zeros": torch.zeros(2, 3),
    "one unit": torch.tensor([[0.7], [-0.2]]),
    "far apart": torch.tensor([[700.0, -700, 3, 699.5]]),
    "NaN": torch.tensor([[1.0, NAN, 2], [0.5, 0.25, 3]]),
    "infinite": torch.tensor([[1.0, -INF, 2, 0.5]]),
    "wide": torch.arange(131.0).mul(0.37).cos()[None],
}
TOLERANCE = {torch.float64: 1e-11, torch.float32: 3e-5}


def values_and_gradient(function, rows: torch.Tensor):
    rows = rows.clone().requires_grad_()
    y = function(rows)
    weights = torch.linspace(0.5, 1.5, y.numel(), dtype=y.dtype).view(y.shape)
    return y, torch.autograd.grad((y * weights).sum() + 0 * rows.nan_to_num(0, 0, 0).sum(), rows)[0]


def by_backend(name: str, backend: str):
    """The function as a cell without a memory: its output after one step."""
    function = getattr(unrolled, name)

    def mine(x, h):
        return function(x), h

    mine.__name__ = f"of_{name}"
    made = cell(shapes={"h": ()})(mine)

    def call(rows):
        state = [torch.zeros(len(rows), 1, dtype=rows.dtype)]
        y, _, _ = run(
            made.graph,
            {"I": rows.shape[1], "H": 1},
            [rows],
            state,
            {("_",): state[0]},
            StepRows(1, len(rows)),
            backend=backend,
        )
        return y

    return call


@pytest.mark.parametrize("what", ROWS)
@pytest.mark.parametrize("name", TORCHS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_function_of_a_vector_is_torchs(name, what, backend, built_quickly):
    if what == "infinite" and name in ("norm", "mean", "total", "cumsum", "layer_norm"):
        pytest.skip("no number comes out")
    for dtype, tolerance in TOLERANCE.items():
        rows = ROWS[what].to(dtype)
        expected, slope = values_and_gradient(TORCHS[name], rows)
        y, mine = values_and_gradient(by_backend(name, backend), rows)
        torch.testing.assert_close(
            y.view(expected.shape), expected, rtol=tolerance, atol=tolerance, equal_nan=True
        )
        torch.testing.assert_close(mine, slope, rtol=100 * tolerance, atol=100 * tolerance, equal_nan=True)


def test_the_length_of_nothing_has_no_slope_and_no_nan():
    y, slope = values_and_gradient(by_backend("norm", "reference"), torch.zeros(1, 4, dtype=torch.float64))
    assert y.item() == 0 and torch.equal(slope, torch.zeros(1, 4, dtype=torch.float64))


def test_functions_of_parameters_on_plain_tensors():
    matrix, stack, a, b = torch.randn(3, 3), torch.randn(4, 3, 5), torch.randn(3), torch.randn(5)
    torch.testing.assert_close(matrix_exp(matrix), torch.linalg.matrix_exp(matrix))
    assert torch.allclose(softmax_columns(matrix).sum(0), torch.ones(3)) and (softmax_columns(matrix) > 0).all()
    assert (
        torch.equal(block_diagonal(stack[:, :, :3])[3:6, 3:6], stack[1, :, :3])
        and not block_diagonal(stack)[3:6, :5].any()
    )
    torch.testing.assert_close(bilinear(stack, a, b), torch.einsum("kij,i,j->k", stack, a, b))


def test_a_width_that_cannot_be_divided():
    assert size("H/4", {"H": 12}) == 3 and size("H*O+2", {"H": 3, "O": 4}) == 14 and size("4*H", {"H": 3}) == 12
    with pytest.raises(
        ShapeError,
        match=(
            r"hidden_size=10 is not a multiple of 4, and the cell has a width H/4. Choose hidden_size=8 or 12\."
        ),
    ):
        size("H/4", {"H": 10})
    made = cell(shapes=CELLS[headed])(headed)
    with pytest.raises(ShapeError, match="hidden_size=12 is not a multiple of 5"):
        Recurrent(made.using(heads=5), 3, 12)
    with pytest.raises(
        CellError,
        match=(
            "shapes has a width H/heads, and heads is 0. What divides a width is a keyword with a whole number"
        ),
    ):
        made.using(heads=0).graph


def normalised(x, h, *, W, U, g, b):
    h = tanh(layer_norm(W @ x + U @ h) * g + b)
    return h


def attending(x, h, *, W, U):
    share = softmax(U @ h)
    return tanh(W @ x + share * h) * (1 + largest(relu(h) * share))


def ordered(x, h, c, *, W, U, V, b):
    gate = cumax(V @ h + b)
    c = gate * c + (1 - gate) * tanh(W @ x + U @ cumsum(h * b))
    return cumsum(tanh(c)) * 0.2, c


def lengths(x, h, *, W, U, p):
    """Numbers from parameters, inputs and states; a matrix over a number."""
    return tanh(W @ (x / mean(x * x)) + (U / norm(p)) @ h) * mean(p) / (1 + norm(h)) + held(h) * mean(h)


def tied(x, h, *, W, U):
    """Half of the largest are equal."""
    return tanh(W @ x + U @ h) * largest(maximum(h, 0)) * largest(relu(-h * h)) + largest(held(h)) * 0.1


def rotating(x, h, *, W, U, A):
    return tanh(W @ x + (0.1 * matrix_exp(A - A.T)) @ h) * (softmax_columns(U) @ h)


def headed(x, h, c, *, W, R, Q, V, b, heads=4):
    h = tanh(W @ x + block_diagonal(R) @ h + V @ c)
    return h, sigmoid(Q @ h + b) * c


def wide(x, h, z, p, *, W, R, V, Q, heads=3):
    z = tanh(W @ x + block_diagonal(R) @ z)
    p = tanh(Q @ p)
    return tanh(V @ z + largest(cumsum(p)) * h), z, p


def second_order(x, h, *, W, V, b):
    return tanh(bilinear(W, h, x) + V @ h + b)


def gated_forms(x, /, h, c, *, W, V, U, S, b):
    """Two forms of the same two vectors, one of inputs alone, one of a parameter."""
    seen = tanh(U @ h)
    i = sigmoid(bilinear(W, h, seen) + bilinear(V, h, seen))
    c = i * c + bilinear(S, x, x) + bilinear(W, b, h)
    return tanh(c) + b, c


def joined(x, /, h, c, d, *, W, V, U, b):
    """Concatenations that no product takes apart, as states too."""
    both = tanh(concat(h * 2, x))
    d = d * both + concat(b * h, x)
    return tanh(W @ d) * total(both), V @ h + U @ both, concat(tanh(h), x) * 0.5 + 0.5 * d


def pieces(x, d, h, *, W, U):
    """A state, the output too, that is nothing but others put together."""
    return concat(tanh(h), x), tanh(W @ d + U @ h)


def narrow(x, h, y, *, W, U, V, q, p):
    """Vectors of a single unit."""
    y = tanh(V @ h + largest(y) + cumsum(p))
    return tanh(W @ x + U @ h + q * total(p * y)) * mean(y), cumsum(y)


def delayed(x, h, *past, W, U, V, delay=3):
    oldest = past[0]
    h = tanh(W @ x + U @ h + V @ oldest)
    return (h, *past[1:], h)


CELLS = {
    normalised: {},
    attending: {},
    ordered: {},
    lengths: {},
    tied: {},
    rotating: {},
    headed: {"R": ("heads", "H/heads", "H/heads"), "c": ("H/heads",)},
    wide: {"R": ("heads", "H", "H"), "z": ("3*H",), "p": ("2",)},
    second_order: {},
    gated_forms: {},
    joined: {"c": ("O",), "d": ("H+I",)},
    pieces: {"d": ("H+I",)},
    narrow: {"y": ("1",), "p": ("1",)},
    delayed: {"past": ("delay", "H")},
}


@pytest.mark.parametrize("function", CELLS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("backend", BACKENDS)
def test_cells_of_these_functions_are_the_plain_function(function, backend, built_quickly):
    made = cell(shapes=CELLS[function])(function)
    for H, step_rows in ((8, StepRows(3, 2)), (36, StepRows(3, 4, (4, 2, 1))), (4, StepRows(2, 1, None, True))):
        for each in ways(backend):
            check(instance(made, {"I": 3, "H": H, "O": 2}, step_rows), backend, way=each)
