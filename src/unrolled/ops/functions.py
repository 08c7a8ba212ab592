"""The functions that an author calls. Each makes a node of a `Symbol`, and otherwise computes on plain tensors or
numbers, so that a cell is an ordinary function."""

from __future__ import annotations

import builtins

from ..errors import Never
from .symbol import apply_op


# fmt: off
def sigmoid(v): return apply_op("sigmoid", v)
def tanh(v): return apply_op("tanh", v)
def relu(v): return apply_op("relu", v)
def elu(v): return apply_op("elu", v)
def silu(v): return apply_op("silu", v)
def gelu(v): return apply_op("gelu", v)
def erf(v): return apply_op("erf", v)
def exp(v): return apply_op("exp", v)
def log(v): return apply_op("log", v)
def softplus(v): return apply_op("softplus", v)
def sin(v): return apply_op("sin", v)
def cos(v): return apply_op("cos", v)
def sqrt(v): return apply_op("sqrt", v)
def absolute(v): return apply_op("abs", v)
def sign(v): return apply_op("sign", v)
def floor(v): return apply_op("floor", v)
def step(v): return apply_op("step", v)
def maximum(a, b): return apply_op("maximum", a, b)
def minimum(a, b): return apply_op("minimum", a, b)
def clip(v, low, high): return apply_op("clip", v, low, high)
def where(condition, a, b): return apply_op("where", condition, a, b)
def concat(*parts): return apply_op("concat", *parts)
def total(v): return apply_op("sum", v)
def largest(v): return apply_op("largest", v)
def stop_gradient(v): return apply_op("held", v)
held = stop_gradient  # its first name, which still works
def cumsum(v): return apply_op("cumsum", v)
def bilinear(w, a, b): return apply_op("bilinear", w, a, b)
def matrix_exp(m): return apply_op("matrix_exp", m)
def softmax_columns(m): return apply_op("softmax_columns", m)
def block_diagonal(blocks): return apply_op("block_diagonal", blocks)
def mean(v): return total(v) / apply_op("size", v)
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
    return cumsum(softmax(v))


def norm(v):
    """The Euclidean length. That of a vector of zeros is 0 and so is its slope, where sqrt alone would have none."""
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
        raise Never(f"{name!r} is no activation; choose one of {', '.join(ACTIVATIONS)}, identity")
    return apply_op(name, v)


ACTIVATIONS = ("tanh", "relu", "sigmoid", "softplus", "sin", "exp", "elu", "silu", "gelu")
