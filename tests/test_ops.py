"""Every primitive: torch's spelling = C's spelling = the author's function, and its gradient = autograd's."""

from __future__ import annotations

import ctypes
import math

import pytest
import torch
from instances import needs_compiler

import unrolled
from unrolled import ops
from unrolled.errors import Never
from unrolled.graph.node import Node
from unrolled.kernels.c.build.build import build
from unrolled.kernels.c.emit.emit import header
from unrolled.kernels.c.emit.spell import SKIPPED as WRITTEN_BY_THE_PROGRAM
from unrolled.kernels.c.emit.spell import SPELL as C
from unrolled.kernels.c.emit.spell import number
from unrolled.kernels.reference.spell import SPELL as TORCH
from unrolled.kernels.reference.spell import evaluate
from unrolled.ops import CONDITIONS, OPS, on_numbers
from unrolled.ops import symbol as symbols

NAN, INF = math.nan, math.inf
# Ties, signs, zeros, large, small, subnormal and infinite values, and none.
EDGES = (
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    2.0,
    3.7,
    -3.7,
    88.0,
    -88.0,
    1e-3,
    -1e-3,
    1e-30,
    1e-40,
    5e-324,
    700.0,
    -700.0,
    INF,
    -INF,
    NAN,
)
PLAIN = tuple(v for v in EDGES if math.isfinite(v) and abs(v) < 10)
ELEMENTWISE = [n for n, op in OPS.items() if op.shape == "same" and op.arity > 0]
DOMAIN = {"log": lambda v: v > 0, "sqrt": lambda v: v > 0, "exp": lambda v: v < 300, "power": lambda v: v > 0}

# Rows that a backend does not spell, and why. An op that is in no list fails the test below.
C_NEVER = {
    "bilinear": "becomes a product when a plan is made",
    "flat": "of parameters only: made in torch before the loop",
    "transpose": "of parameters only: made in torch before the loop",
    "index": "the same",
    "columns": "the same",
    "matrix_exp": "the same",
    "softmax_columns": "the same",
    "block_diagonal": "the same",
    "outer": "weight gradients are one product after the loop",
    "size": "becomes a width while the cell is traced",
    "product_t": "gathered into products_t",
}
TORCH_NEVER = {
    "bilinear": "becomes a product when a plan is made",
    "kron_left": "autograd makes the backward pass",
    "kron_right": "the same",
    "size": "becomes a width while the cell is traced",
    "products_t": "autograd makes the reference's backward pass",
    "product_t": "the same",
    "outer": "the same",
}
TORCH_ELSEWHERE = {"index", "columns", "part"}  # reference/spell.py: evaluate
AUTHORS = {"abs": "absolute", "sum": "total"}  # where the function is not called as the row
# Written with Python's own signs.
OPERATORS = {
    "add",
    "sub",
    "mul",
    "div",
    "neg",
    "power",
    *CONDITIONS,
    "product",
    "transpose",
    "index",
}
INTERNAL = {
    "copy",
    "kron",
    "kron_left",
    "kron_right",
    "flat",
    "size",
    "cumsum_back",
    "alias",
    "spread",
    "product_t",
    "products_t",
    "outer",
    "part",
    "columns",
}


def test_every_row_is_spelled_by_every_backend_or_listed():
    assert set(OPS) - set(C) - set(WRITTEN_BY_THE_PROGRAM) == set(C_NEVER)
    assert set(OPS) - set(TORCH) - TORCH_ELSEWHERE == set(TORCH_NEVER)
    assert set(C) | set(TORCH) <= set(OPS), "a spelling without a row"


def test_every_row_has_an_authors_function_or_is_internal():
    for name in set(OPS) - OPERATORS - INTERNAL:
        assert callable(getattr(unrolled, AUTHORS.get(name, name))), name


def arguments(name: str, values=EDGES):
    """All pairs or triples of the values as columns, one tensor an argument."""
    columns = torch.cartesian_prod(*[torch.tensor(values, dtype=torch.float64)] * OPS[name].arity)
    return columns.unbind(-1) if columns.dim() > 1 else (columns,)


def by_torch(name: str, args):
    return evaluate(Node(0, name), list(args), {})


def same(a: torch.Tensor, b: torch.Tensor, tolerance: float) -> None:
    torch.testing.assert_close(a, b, rtol=tolerance, atol=0.0 if tolerance == 0 else 1e-300, equal_nan=True)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_the_reference_is_the_authors_function(name):
    """`where`'s condition and the result of `<` are numbers in a graph and truth values on plain tensors."""
    args = arguments(name)
    same(by_torch(name, args), on_numbers(name, args).to(torch.float64), 0.0)


@pytest.mark.parametrize("name", [n for n in ELEMENTWISE if n not in ("spread", "alias")])
def test_the_authors_function_on_plain_numbers(name):
    """Without torch a cell runs on Python's numbers."""
    for values in zip(*(a.tolist() for a in arguments(name, (0.3, -0.3, 1.5, 2.0)))):
        if all(DOMAIN.get(name, lambda v: True)(v) for v in values):
            expected = by_torch(name, [torch.tensor(v, dtype=torch.float64) for v in values])
            assert float(on_numbers(name, values)) == pytest.approx(float(expected), rel=1e-12)


@pytest.fixture(scope="module")
def spelled_in_c():
    """C's spelling of each row as a function over arrays, in float64 and float32: (name, args) -> tensor."""
    libraries = {}
    for double in (True, False):
        lines = [
            f"typedef {'double' if double else 'float'} real;",
            f"#define REAL {64 if double else 32}",
            header(),
        ]
        for name in ELEMENTWISE:
            values = ", ".join(f"const real *a{k}" for k in range(OPS[name].arity))
            text = C[name].format(*(f"a{k}[i]" for k in range(OPS[name].arity)))
            lines.append(
                f"void op_{name}(long n, real *y, {values}) {{ for (long i = 0; i < n; i++) y[i] = {text}; }}"
            )
        libraries[torch.float64 if double else torch.float32] = build("\n".join(lines) + "\n", name="ops")

    def call(name: str, args):
        args = [a.contiguous() for a in args]
        y = torch.empty_like(args[0])
        pointers = [ctypes.c_void_p(t.data_ptr()) for t in (y, *args)]
        getattr(libraries[y.dtype], f"op_{name}")(ctypes.c_long(y.numel()), *pointers)
        return y

    return call


@needs_compiler
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_c_is_the_reference_in_float64(name, spelled_in_c):
    args = arguments(name)
    same(spelled_in_c(name, args), by_torch(name, args), 1e-14)


@needs_compiler
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_c_is_the_reference_in_float32(name, spelled_in_c):
    """Against float64 rounded: own polynomials, correct to a few units in the last place."""
    args = [a.float() for a in arguments(name)]
    expected = (
        by_torch(name, args) if OPS[name].arity > 1 else by_torch(name, [a.double() for a in args]).float()
    )
    torch.testing.assert_close(spelled_in_c(name, args), expected, rtol=1e-6, atol=1e-37, equal_nan=True)


class Value:
    """A tensor under the cell language: gradients are written in it, and here they compute."""

    def __init__(self, tensor):
        self.tensor = tensor

    @property
    def builder(self):
        return self

    def apply(self, op, args):
        like = next(a.tensor for a in args if isinstance(a, Value))
        return Value(
            evaluate(
                Node(0, op),
                [a.tensor if isinstance(a, Value) else torch.tensor(float(a), dtype=like.dtype) for a in args],
                {},
            )
        )


@pytest.fixture
def computing(monkeypatch):
    """The cell language's operators compute on `Value` instead of making nodes."""
    for operator, method in vars(symbols.Symbol).items():
        if operator.startswith("__") and operator not in vars(Value) and callable(method):
            setattr(Value, operator, method)
    monkeypatch.setattr(symbols, "Symbol", Value)


@pytest.mark.parametrize("dtype", (torch.float64, torch.float32), ids=("float64", "float32"))
@pytest.mark.parametrize("name", [n for n in ELEMENTWISE if n != "spread"])
def test_the_gradient_is_autograds(name, dtype, computing):
    """At every pair or triple of the edges: ties, zeros of both signs, huge and subnormal
    numbers, infinities, NaN.
    """
    args = [a.to(dtype).requires_grad_() for a in arguments(name)]
    y = by_torch(name, args)
    weights = torch.linspace(0.5, 2.0, y.numel(), dtype=dtype)
    rule = OPS[name].gradient(Value(weights), Value(y.detach()), *(Value(a.detach()) for a in args))
    assert len(rule) == OPS[name].arity
    if not y.requires_grad:
        assert all(r is None for r in rule)
        return
    expected = torch.autograd.grad(y, args, weights, allow_unused=True, materialize_grads=True)
    close = 1e-11 if dtype is torch.float64 else 2e-5
    for mine, theirs in zip(rule, expected):
        found = (
            torch.zeros_like(theirs)
            if mine is None
            else torch.as_tensor(mine.tensor if isinstance(mine, Value) else mine).to(theirs)
        )
        torch.testing.assert_close(found.expand_as(theirs), theirs, rtol=close, atol=close, equal_nan=True)


KINKED = ("where", "spread", "maximum", "minimum", "relu", "clip", "held")
SMOOTH = [n for n in ELEMENTWISE if n not in KINKED and any(OPS[n].gradient(*[0.5] * (OPS[n].arity + 2)))]


@pytest.mark.parametrize("name", SMOOTH)
def test_the_gradient_is_the_slope(name, computing):
    """Finite differences: neither autograd nor the spelling of another backend could
    be wrong in the same way.
    """
    args, step = arguments(name, (0.4, 0.9, 1.7)), 1e-6
    rule = OPS[name].gradient(Value(torch.ones_like(args[0])), Value(by_torch(name, args)), *map(Value, args))
    for k, mine in enumerate(rule):
        up, down = ([a + sign * step * (j == k) for j, a in enumerate(args)] for sign in (1, -1))
        slope = (by_torch(name, up) - by_torch(name, down)) / (2 * step)
        torch.testing.assert_close(mine.tensor.expand_as(slope), slope, rtol=1e-7, atol=1e-7)


def test_products_sums_and_pieces_in_torch():
    rows, matrix = torch.randn(3, 4), torch.randn(5, 4)
    assert torch.equal(by_torch("product", (matrix, rows)), torch.nn.functional.linear(rows, matrix))
    assert torch.equal(by_torch("sum", (rows,)), rows.sum(-1, keepdim=True))
    assert torch.equal(by_torch("concat", (rows, rows[:, :2])), torch.cat([rows, rows[:, :2]], -1))
    assert torch.equal(evaluate(Node(0, "columns", value=("H", "2")), [rows], {"H": 1}), rows[:, 1:3])
    assert torch.equal(evaluate(Node(0, "index", value=1), [matrix], {}), matrix[1])
    assert torch.equal(by_torch("transpose", (matrix,)), matrix.T)


@pytest.mark.parametrize("value", (0.1, -0.0, 1e-310, INF, -INF, NAN))
def test_constants_keep_every_bit_in_c(value):
    text = number(value).removeprefix("(real)")
    if math.isfinite(value):
        assert float.fromhex(text) == value and math.copysign(1, float.fromhex(text)) == math.copysign(1, value)
    else:
        assert ("NAN" in text) == math.isnan(value) and ("-" in text) == (value < 0)


def test_activations_are_rows_or_an_error():
    for name in ops.ACTIVATIONS:
        assert OPS[name].arity == 1
    assert ops.activation("identity", 3) == 3
    with pytest.raises(Never, match="'swish' is not an activation; choose one of tanh, relu"):
        ops.activation("swish", 0.5)


def test_each_row_can_be_written():
    for op in OPS.values():
        names = ["a", "b", "c"][: max(op.arity, 1)]
        for pattern in (op.text, op.latex):
            written = pattern.format(*names, all=", ".join(names), value="0")
            assert "a" in written and "{0}" not in written


def test_stop_gradient_is_called_held_too():
    assert unrolled.held is unrolled.stop_gradient
