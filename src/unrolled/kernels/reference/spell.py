"""How torch spells each primitive, on rows: vectors are (rows, width), numbers (rows, 1) or 0-dimensional."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import elu, linear, silu, softplus

from ...graph.node import Node, size


def _tensor(value, like: Tensor) -> Tensor:
    return value if isinstance(value, Tensor) else torch.as_tensor(value, dtype=like.dtype, device=like.device)


def _like(*values) -> Tensor:
    return next(v for v in values if isinstance(v, Tensor))


def _all(function):
    """The function with plain numbers among its arguments as tensors."""

    def call(*values):
        like = _like(*values)
        return function(*(_tensor(v, like) for v in values))

    return call


def _test(function):
    """A comparison as a number, 1 or 0."""
    compared = _all(function)
    return lambda a, b: compared(a, b).to(_like(a, b).dtype)


def _where(c, a, b):
    like = _like(a, b, c)
    return torch.where(_tensor(c, like) != 0, _tensor(a, like), _tensor(b, like))


def gelu(a: Tensor) -> Tensor:
    """torch's own loses the tail in a difference of numbers near 1, and in float32 makes NaN of infinity."""
    return 0.5 * a * torch.special.erfc(a * -math.sqrt(0.5))


SPELL: dict[str, Callable] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "neg": lambda a: -a,
    "alias": lambda a: a,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "exp": torch.exp,
    "log": torch.log,
    "softplus": lambda a: softplus(a, threshold=40.0),  # beyond it a is as exact, and e^a need not be finite
    "elu": elu,
    "silu": silu,
    "gelu": gelu,
    "erf": torch.erf,
    "power": _all(torch.pow),
    "sin": torch.sin,
    "cos": torch.cos,
    "sqrt": torch.sqrt,
    "abs": torch.abs,
    "sign": torch.sign,
    "floor": torch.floor,
    "round": torch.round,
    "step": lambda a: (a > 0).to(a.dtype),
    "less": _test(torch.lt),
    "greater": _test(torch.gt),
    "at_most": _test(torch.le),
    "at_least": _test(torch.ge),
    "equal": _test(torch.eq),
    "unequal": _test(torch.ne),
    "both": _test(torch.logical_and),
    "either": _test(torch.logical_or),
    "clip": _all(torch.clamp),
    "held": torch.detach,
    "largest": lambda a: a.amax(-1, keepdim=True),
    "cumsum": lambda a: a.cumsum(-1),
    "cumsum_back": lambda a: a.flip(-1).cumsum(-1).flip(-1),
    "matrix_exp": torch.matrix_exp,
    "kron": lambda a, b: (a.unsqueeze(-1) * b.unsqueeze(-2)).flatten(-2),
    "flat": lambda m: m.flatten(-2),
    "copy": lambda a: a,
    "softmax_columns": lambda m: m.softmax(-2),
    "block_diagonal": lambda blocks: torch.block_diag(*blocks.unbind(0)),
    "maximum": _all(torch.maximum),
    "minimum": _all(torch.minimum),
    "where": _where,
    "product": lambda m, v: linear(v, m),
    "sum": lambda a: a.sum(-1, keepdim=True),
    "concat": lambda *parts: torch.cat(
        torch.broadcast_tensors(*parts) if len({p.shape for p in parts}) == 1 else _same_rows(parts), -1
    ),
    "transpose": lambda m: m.mT,
    "spread": lambda a: a,
}


def _same_rows(parts):
    rows = torch.broadcast_shapes(*(p.shape[:-1] for p in parts))
    return [p.expand(*rows, p.shape[-1]) for p in parts]


def evaluate(node: Node, args: list, sizes: dict[str, int]):
    """One primitive on its arguments' values."""
    if node.op == "index":
        return args[0][node.value]
    if node.op in ("columns", "part"):
        start, width = (0 if d == "0" else size(d, sizes) for d in node.value)
        return args[0].narrow(-1, start, width)
    return SPELL[node.op](*args)
