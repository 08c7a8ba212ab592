"""One layer in one direction: rows of unlike lengths are turned, run, and turned back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext

import torch
from torch import Tensor

from ..graph.node import Dim, Graph
from ..kernels import StepRows, run
from .lengths import PackedRows
from .resets import seen_backwards
from .weights import Named


def run_direction(
    graph: Graph,
    sizes: Mapping[Dim, int],
    x: Sequence[Tensor],
    state: Sequence[Tensor],
    weights: Named,
    rows: PackedRows,
    reverse: bool,
    *,
    backend: str,
    recompute: bool,
    mixed: bool,
    watch: tuple[int, ...] = (),
) -> tuple[Tensor, tuple[Tensor, ...], dict[int, Tensor]]:
    """What `kernels.run` gives, with everything packed in the order of forward time.

    x (N, width) each, or int64 (N,), packed as `rows` says; state (B, width) each in the kernel's order.
    """
    step_rows, turned = rows.step_rows, rows.backward if reverse else None
    if reverse:
        x = seen_backwards(graph, x, rows)
    if turned is not None:  # rows of different lengths each start at their own end
        x = [v.index_select(0, turned) for v in x]
    elif reverse:
        step_rows = StepRows(step_rows.steps, step_rows.batch, None, True)
    with _full_precision(x[0].device.type):
        y, last, values = run(
            graph,
            sizes,
            x,
            state,
            weights,
            step_rows,
            backend=backend,
            watch=watch,
            recompute=recompute,
            mixed=mixed,
        )
    if turned is not None:
        y = y.index_select(0, turned)
        values = {node: v.index_select(0, turned) for node, v in values.items()}
    return y, last, values


def _full_precision(device: str):
    """Under autocast a loop still computes in its parameters' type, but for the operands of products: its
    states must not lose digits at every step."""
    return torch.autocast(device, enabled=False) if autocasts(device) else nullcontext()


def autocasts(device: str) -> bool:
    """Whether autocast is on there; torch will not say so of shapes without values."""
    return device != "meta" and torch.is_autocast_enabled(device)
