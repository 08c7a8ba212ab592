"""How ONNX spells each primitive: vectors are (..., width), numbers (..., 1) or without axes, as
in the reference backend.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from ..errors import NotYet
from .net import OnnxGraph

LAST = {"axes": [-1], "keepdims": 1}


def _plain(kind: str) -> Callable:
    return lambda net, *args: net.op(kind, *args)


def _softplus(net: OnnxGraph, a: str) -> str:
    """log(1 + e^a), from the side that does not overflow; onnxruntime has no Softplus of float64."""
    if net.dtype is torch.float32:
        return net.op("Softplus", a)
    rest = net.op("Exp", net.op("Neg", net.op("Abs", a)))
    return net.op("Add", net.op("Relu", a), net.op("Log", net.op("Add", rest, net.number(1.0))))


def _where(net: OnnxGraph, condition: str, a: str, b: str) -> str:
    return net.op("Where", net.as_truth(condition), a, b)


def _kron(net: OnnxGraph, a: str, b: str) -> str:
    """All products a_i b_j: (..., A, 1) times (..., 1, B). What the two axes become is one,
    `flattened` by the caller.
    """
    return net.op(
        "Mul", net.op("Unsqueeze", a, net.whole(-1)), net.op("Unsqueeze", b, net.whole(-2)), name="kron"
    )


def _cumsum(reverse: int) -> Callable:
    return lambda net, a: net.op(
        "CumSum", a, net.constant(torch.tensor(-1), "last"), attributes={"reverse": reverse}
    )


def _compared(kind: str) -> Callable:
    return lambda net, a, b: net.as_number(net.op(kind, a, b))


def _joined(kind: str) -> Callable:
    return lambda net, a, b: net.as_number(net.op(kind, net.as_truth(a), net.as_truth(b)))


def _elu(net: OnnxGraph, a: str) -> str:
    """a above 0, e^a - 1 below it; onnxruntime has no Elu of float64."""
    below = net.op("Sub", net.op("Exp", net.op("Min", a, net.number(0.0))), net.number(1.0))
    return net.op("Add", net.op("Relu", a), below)


def _erf(net: OnnxGraph, a: str) -> str:
    if net.dtype is not torch.float32:
        raise NotYet("export: onnxruntime has no erf (nor gelu) of float64. Give model.float().")
    return net.op("Erf", a)


def _gelu(net: OnnxGraph, a: str) -> str:
    """a times the share of a normal distribution below a."""
    share = net.op("Add", _erf(net, net.op("Mul", a, net.number(math.sqrt(0.5)))), net.number(1.0))
    return net.op("Mul", net.op("Mul", a, net.number(0.5)), share)


def _same(net: OnnxGraph, a: str) -> str:
    return a


SPELL: dict[str, Callable[..., str]] = {
    "add": _plain("Add"),
    "sub": _plain("Sub"),
    "mul": _plain("Mul"),
    "div": _plain("Div"),
    "neg": _plain("Neg"),
    "alias": _same,
    "copy": _same,
    "held": _same,
    "spread": _same,
    "sigmoid": _plain("Sigmoid"),
    "tanh": _plain("Tanh"),
    "relu": _plain("Relu"),
    "exp": _plain("Exp"),
    "log": _plain("Log"),
    "softplus": _softplus,
    "elu": _elu,
    "silu": lambda net, a: net.op("Mul", a, net.op("Sigmoid", a)),
    "gelu": _gelu,
    "erf": _erf,
    "power": _plain("Pow"),
    "sign": _plain("Sign"),
    "round": _plain("Round"),
    "clip": lambda net, a, low, high: net.op("Min", net.op("Max", a, low), high),
    "sin": _plain("Sin"),
    "cos": _plain("Cos"),
    "sqrt": _plain("Sqrt"),
    "abs": _plain("Abs"),
    "floor": _plain("Floor"),
    "step": lambda net, a: net.as_number(net.op("Greater", a, net.number(0.0))),
    "less": _compared("Less"),
    "greater": _compared("Greater"),
    "at_most": _compared("LessOrEqual"),
    "at_least": _compared("GreaterOrEqual"),
    "equal": _compared("Equal"),
    "unequal": lambda net, a, b: net.as_number(net.op("Not", net.op("Equal", a, b))),
    "either": _joined("Or"),
    "both": _joined("And"),
    "maximum": _plain("Max"),
    "minimum": _plain("Min"),
    "where": _where,
    "sum": lambda net, a: net.op("ReduceSum", a, net.whole(-1), attributes={"keepdims": 1}),
    "largest": lambda net, a: net.op("ReduceMax", a, attributes=LAST),
    "cumsum": _cumsum(0),
    "cumsum_back": _cumsum(1),
    "kron": _kron,
}
