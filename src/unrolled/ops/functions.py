"""The functions that an author calls. Each makes a node of a `Symbol`, and otherwise computes on plain tensors
or numbers, so that a cell is an ordinary function."""

from __future__ import annotations

import builtins

from ..errors import Never
from .symbol import apply_op


# fmt: off
# ruff: noqa: E702
def sigmoid(v): "1 / (1 + e^-v), element by element: a gate, in (0, 1)."; return apply_op("sigmoid", v)
def tanh(v): "The hyperbolic tangent, element by element, in (-1, 1)."; return apply_op("tanh", v)
def relu(v): "max(0, v), element by element."; return apply_op("relu", v)
def elu(v): "v where it is above 0, e^v - 1 below."; return apply_op("elu", v)
def silu(v): "v * sigmoid(v)."; return apply_op("silu", v)
def gelu(v): "v times the normal distribution's share below v."; return apply_op("gelu", v)
def erf(v): "The error function, element by element."; return apply_op("erf", v)
def exp(v): "e^v, element by element."; return apply_op("exp", v)
def log(v): "The natural logarithm, element by element."; return apply_op("log", v)
def softplus(v): "log(1 + e^v), a smooth relu."; return apply_op("softplus", v)
def sin(v): "The sine, element by element."; return apply_op("sin", v)
def cos(v): "The cosine, element by element."; return apply_op("cos", v)
def sqrt(v): "The square root, element by element."; return apply_op("sqrt", v)
def absolute(v): "The value without its sign."; return apply_op("abs", v)
def sign(v): "-1, 0 or 1; its gradient is 0."; return apply_op("sign", v)
def floor(v): "The next whole number below; its gradient is 0."; return apply_op("floor", v)
def step(v): "1 where v is above 0, 0 elsewhere; its gradient is 0."; return apply_op("step", v)
def maximum(a, b): "The larger of two, element by element."; return apply_op("maximum", a, b)
def minimum(a, b): "The smaller of two, element by element."; return apply_op("minimum", a, b)
def clip(v, low, high): "v, but not below `low` and not above `high`."; return apply_op("clip", v, low, high)
def where(condition, a, b): "a where v < w, say, holds, b elsewhere."; return apply_op("where", condition, a, b)
def concat(*parts): "Vectors one behind the other: [a, b]."; return apply_op("concat", *parts)
def total(v): "The sum of a vector's elements, one number."; return apply_op("sum", v)
def largest(v): "The largest element of a vector, one number."; return apply_op("largest", v)
def stop_gradient(v): "v, through which no gradient goes back."; return apply_op("held", v)
held = stop_gradient  # its first name, which still works
def cumsum(v): "Sums of the first 1, 2, ... elements."; return apply_op("cumsum", v)
def bilinear(w, a, b): "a . w[k] b for each matrix w[k] of a stack."; return apply_op("bilinear", w, a, b)
def matrix_exp(m): "The exponential of a square matrix."; return apply_op("matrix_exp", m)
def softmax_columns(m): "The softmax of each column of a matrix."; return apply_op("softmax_columns", m)
def block_diagonal(blocks): "A stack along a diagonal, one matrix."; return apply_op("block_diagonal", blocks)
def mean(v): "The mean of a vector's elements, one number."; return total(v) / apply_op("size", v)
# fmt: on


def round(v, digits=None):
    """The nearest whole number, halves to the even one; Python's own `round` does not know tensors, and is this
    one's for numbers with digits."""
    return apply_op("round", v) if digits is None else builtins.round(v, digits)


def softmax(v):
    """e^v over its sum: positive, and one in all. What is taken off first cancels, and keeps e^v finite."""
    powers = exp(v - stop_gradient(largest(v)))
    return powers / total(powers)


def cumax(v):
    """Sums of the first 1, 2, ... elements of the softmax: from 0 up to 1 (Shen et al. 2019)."""
    return cumsum(softmax(v))


def norm(v):
    """The Euclidean length. That of a vector of zeros is 0 and so is its slope, where
    sqrt alone would have none.
    """
    squares = total(v * v)
    nothing = apply_op("equal", squares, 0)
    return sqrt(squares + nothing) - nothing


def layer_norm(v):
    """v with mean 0 and variance 1 over its units; like torch's, but without a gain and a bias of its own."""
    centred = v - mean(v)
    return centred / sqrt(mean(centred * centred) + 1e-5)


def activation(name: str, v):
    """The nonlinearity called `name` (a text hyper-parameter such as "tanh" or "relu"), applied to v."""
    if name == "identity":
        return v
    if name not in ACTIVATIONS:
        raise Never(f"{name!r} is not an activation; choose one of {', '.join(ACTIVATIONS)}, identity")
    return apply_op(name, v)


ACTIVATIONS = ("tanh", "relu", "sigmoid", "softplus", "sin", "exp", "elu", "silu", "gelu")
