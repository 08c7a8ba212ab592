"""Resets in the reversed direction: a boundary lies between two steps, and is met there from either side."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..graph.node import Graph
from ..transform.resets import RESETS
from .lengths import PackedRows


def seen_backwards(graph: Graph, x: Sequence[Tensor], rows: PackedRows) -> Sequence[Tensor]:
    """The inputs, packed, as a reversed direction takes them, still in forward order.

    resets[t] lies between the steps t - 1 and t, so that going back it is step t - 1 that begins again: each
    row's resets move one step towards its start. A row's last step keeps the state that the call was given.
    """
    if RESETS not in graph.inputs:
        return x
    at = graph.inputs.index(RESETS)
    return [*x[:at], _one_step_sooner(x[at], rows), *x[at + 1 :]]


def _one_step_sooner(packed: Tensor, rows: PackedRows) -> Tensor:
    """(N, 1) packed to (N, 1): every row's values one step sooner, 0 at its last step."""
    step_rows = rows.step_rows
    if step_rows.sizes is None:
        return torch.cat([packed[step_rows.batch :], packed.new_zeros(step_rows.batch, packed.shape[-1])])
    # The rows that run at step t + 1 are the first ones of those that run at step t.
    moved, start = packed.new_zeros(packed.shape), 0
    for size, after in zip(step_rows.sizes, step_rows.sizes[1:]):
        moved[start : start + after] = packed[start + size : start + size + after]
        start += size
    return moved
