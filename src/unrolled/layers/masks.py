"""Masks of a cell with noise, drawn with torch's generator before the kernel runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import torch
from torch import Tensor

from ..cell import Cell
from ..graph.node import Dim, size
from ..noise import Noise
from .lengths import PackedRows
from .weights import Named

LEVELS = 1 << 16  # two bytes an element: a rate is rounded to a 65536th


def drawn(
    cell: Cell, sizes: Mapping[Dim, int], rows: PackedRows, like: Tensor
) -> tuple[tuple[Tensor, ...], Named]:
    """The masks of one layer in one direction for one call.

    sizes   what each width letter stands for
    like    a tensor of the type and device wanted
    Returns those that stand behind the cell's inputs, packed (N, width) each, and those that are shaped like
    parameters. None needs a gradient; `torch.manual_seed` repeats them.

        inputs, weights = drawn(zoneout("lstm", 0.1), {"I": 3, "H": 5}, all_rows(7, 2), torch.zeros(1))
        inputs[0].shape        # (14, 5): zoneout_h
    """
    graph, step_rows = cell.graph, rows.step_rows
    inputs, weights = [], {}
    for name, noise in cell.noise.items():
        if noise.over == "call":
            weights[(name,)] = mask(
                tuple(size(d, dict(sizes)) for d in graph.shape("parameter", name)), noise, like
            )
    for name in graph.inputs[len(cell.inputs) :]:
        noise, shape = cell.noise[name], graph.shape("input", name)
        width = size(shape[0], dict(sizes)) if shape else 1
        if noise.over == "step":
            inputs.append(mask((step_rows.total, width), noise, like))
        else:
            each = mask((step_rows.batch, width), noise, like)
            inputs.append(rows.pack(each.expand(rows.steps, *each.shape)))
    return tuple(inputs), weights


@torch.no_grad()
def mask(shape: Sequence[int], noise: Noise, like: Tensor) -> Tensor:
    """One mask: ones and zeros, or zeros and 1 / (1 - rate). Four elements of it come from each number that
    torch draws, which is several times as fast as a number each."""
    count = prod(shape)
    # Of the 65536 that become a one.
    levels = round(LEVELS * (noise.rate if noise.kind == "keep" else 1 - noise.rate))
    if torch.jit.is_tracing():  # knows no other way of looking at bytes
        chosen = torch.rand(count, device=like.device) < levels / LEVELS
    else:
        bits = torch.randint(-(2**63), 2**63 - 1, ((count + 3) // 4,), device=like.device)
        chosen = bits.view(torch.int16)[:count] <= max(levels - LEVELS // 2 - 1, -LEVELS // 2)
    made = (
        chosen.view(*shape).to(like.dtype)
        if levels
        else torch.zeros(*shape, dtype=like.dtype, device=like.device)
    )
    return made if noise.kind == "keep" else made.mul_(1 / (1 - noise.rate))
