"""Linear recurrences in blocks of time that are worked out beside each other, in torch operations.

T steps are cut into about sqrt(T) blocks. All blocks take their first step at once, then their second, each
from a state of zero and keeping the product of its factors; the blocks' ends are put together one after the
other; and then every step of a block learns what came before. So 2 sqrt(T) small operations replace T.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt

import torch
from torch import Tensor

from ...plan.linear import Linear

Factors = list[list["Tensor | None"]]  # [new state][old state]


def scan(factors: Factors, offsets: Sequence[Tensor], state: Sequence[Tensor]) -> list[Tensor]:
    """States after every step of s_t = A_t s_{t-1} + b_t, elementwise.

    factors  (T, B, width) each, None for zero; one row for each state
    offsets  b: (T, B, width) for each state
    state    (B, width) for each state
    Returns (T, B, width) for each state.

    >>> h, = scan([[torch.full((3, 1, 1), 0.5)]], [torch.ones(3, 1, 1)], [torch.zeros(1, 1)])
    >>> h.flatten()
    tensor([1.0000, 1.5000, 1.7500])
    """
    steps = offsets[0].shape[0]
    length = isqrt(steps - 1) + 1
    blocks = -(-steps // length)

    def cut(values: Tensor) -> tuple[Tensor, ...]:
        """(T, B, width) as `length` tensors (blocks, B, width)."""
        rest = blocks * length - steps
        padded = torch.cat([values, values.new_zeros(rest, *values.shape[1:])]) if rest else values
        return padded.view(blocks, length, *values.shape[1:]).unbind(1)

    cut_factors = [[None if f is None else cut(f) for f in row] for row in factors]
    local, products = _inside(cut_factors, [cut(b) for b in offsets], length)
    starts = _between(
        [values[-1] for values in local],
        [[None if p is None else p[-1] for p in row] for row in products],
        state,
    )
    result = []
    for values, row in zip(local, products):
        whole = torch.stack(values, 1)  # (blocks, length, B, width)
        for product, start in zip(row, starts):
            if product is not None:
                whole = whole + torch.stack(product, 1) * start.unsqueeze(1)
        result.append(whole.flatten(0, 1)[:steps])
    return result


def _inside(factors, offsets, length: int):
    """All blocks step by step, from zero: values of each state, and products of factors so
    far, a list over steps each.
    """
    n = len(offsets)
    values, products = (
        [[b[0]] for b in offsets],
        [[None if f is None else [f[0]] for f in row] for row in factors],
    )
    for t in range(1, length):
        row_of = [[None if f is None else f[t] for f in row] for row in factors]
        before = [v[-1] for v in values]
        columns = [
            [None if products[i][j] is None else products[i][j][t - 1] for i in range(n)] for j in range(n)
        ]
        for i in range(n):
            values[i].append(_applied(row_of[i], before, offsets[i][t]))
            for j in range(n):
                made = _applied(row_of[i], columns[j], None)
                if products[i][j] is None and made is not None:  # reached by way of another state
                    products[i][j] = [torch.zeros_like(made)] * t
                if products[i][j] is not None:
                    products[i][j].append(torch.zeros_like(before[i]) if made is None else made)
    return values, products


def _applied(row, values, offset: Tensor | None) -> Tensor | None:
    """One row of factors times the values, plus an offset; None stands for zero."""
    result = offset
    for factor, value in zip(row, values):
        if factor is not None and value is not None:
            result = factor * value if result is None else result + factor * value
    return result


def _between(ends: Sequence[Tensor], products, state: Sequence[Tensor]) -> list[Tensor]:
    """The state at the beginning of each block, (blocks, B, width) for each state."""
    now, starts = list(state), [[s] for s in state]
    ends = [e.unbind(0) for e in ends]
    products = [[None if p is None else p.unbind(0) for p in row] for row in products]
    for k in range(len(ends[0]) - 1):
        now = [
            _applied([None if p is None else p[k] for p in row], now, end[k])
            for row, end in zip(products, ends)
        ]
        for kept, value in zip(starts, now):
            kept.append(value)
    return [torch.stack(values) for values in starts]


def factors_of(linear: Linear, evaluated: dict[int, Tensor], shapes: Sequence[torch.Size]) -> Factors:
    """The factors' values (T, B, width), from those of their nodes."""
    return [
        [None if node is None else evaluated[node].expand(shapes[i]) for node in row]
        for i, row in enumerate(linear.factors)
    ]
