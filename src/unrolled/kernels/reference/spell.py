"""How torch spells each primitive, on rows: vectors are (rows, width), numbers (rows, 1) or 0-dimensional."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import linear, softplus

from ...graph.node import Node, size


def _tensor(value, like: Tensor) -> Tensor:
    return value if isinstance(value, Tensor) else torch.as_tensor(value, dtype=like.dtype, device=like.device)


def _like(*values) -> Tensor:
    return next(v for v in values if isinstance(v, Tensor))


def _both(function):
    def call(a, b):
        like = _like(a, b)
        return function(_tensor(a, like), _tensor(b, like))

    return call


def _where(c, a, b):
    like = _like(a, b, c)
    return torch.where(_tensor(c, like) != 0, _tensor(a, like), _tensor(b, like))


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
    "softplus": lambda a: softplus(a, threshold=1e9),
    "sin": torch.sin,
    "cos": torch.cos,
    "sqrt": torch.sqrt,
    "abs": torch.abs,
    "floor": torch.floor,
    "step": lambda a: (a > 0).to(a.dtype),
    "less": _both(lambda a, b: (a < b).to(a.dtype)),
    "equal": _both(lambda a, b: (a == b).to(a.dtype)),
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
    "maximum": _both(torch.maximum),
    "minimum": _both(torch.minimum),
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
