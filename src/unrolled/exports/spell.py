"""How ONNX spells each primitive: vectors are (..., width), numbers (..., 1) or without axes, as in the reference backend."""

from __future__ import annotations

from collections.abc import Callable

import torch

from .net import Net

LAST = {"axes": [-1], "keepdims": 1}


def _plain(kind: str) -> Callable:
    return lambda net, *args: net.op(kind, *args)


def _softplus(net: Net, a: str) -> str:
    """log(1 + e^a), from the side that does not overflow; onnxruntime has no Softplus of float64."""
    if net.dtype is torch.float32:
        return net.op("Softplus", a)
    rest = net.op("Exp", net.op("Neg", net.op("Abs", a)))
    return net.op("Add", net.op("Relu", a), net.op("Log", net.op("Add", rest, net.number(1.0))))


def _where(net: Net, condition: str, a: str, b: str) -> str:
    return net.op("Where", net.as_truth(condition), a, b)


def _kron(net: Net, a: str, b: str) -> str:
    """All products a_i b_j: (..., A, 1) times (..., 1, B). What the two axes become is one, `flattened` by the caller."""
    return net.op(
        "Mul", net.op("Unsqueeze", a, net.whole(-1)), net.op("Unsqueeze", b, net.whole(-2)), name="kron"
    )


def _cumsum(reverse: int) -> Callable:
    return lambda net, a: net.op(
        "CumSum", a, net.constant(torch.tensor(-1), "last"), attributes={"reverse": reverse}
    )


def _compared(kind: str) -> Callable:
    return lambda net, a, b: net.as_number(net.op(kind, a, b))


def _same(net: Net, a: str) -> str:
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
    "sin": _plain("Sin"),
    "cos": _plain("Cos"),
    "sqrt": _plain("Sqrt"),
    "abs": _plain("Abs"),
    "floor": _plain("Floor"),
    "step": lambda net, a: net.as_number(net.op("Greater", a, net.number(0.0))),
    "less": _compared("Less"),
    "equal": _compared("Equal"),
    "maximum": _plain("Max"),
    "minimum": _plain("Min"),
    "where": _where,
    "sum": lambda net, a: net.op("ReduceSum", a, net.whole(-1), attributes={"keepdims": 1}),
    "largest": lambda net, a: net.op("ReduceMax", a, attributes=LAST),
    "cumsum": _cumsum(0),
    "cumsum_back": _cumsum(1),
    "kron": _kron,
}
