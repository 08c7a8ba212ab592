"""Cells over packed sequences, layer upon layer and in both directions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..graph.node import Dim, Graph
from .direction import autocasts, run_direction
from .lengths import PackedRows
from .operator import run_traced, text_of
from .probe import with_held
from .tracers import exports_onnx
from .weights import Named

State = tuple[Tensor, ...]
Watch = Callable[[int, bool], "tuple[tuple[int, ...], Callable[[dict[int, Tensor]], None]]"]


@dataclass(frozen=True)
class LayerStack:
    """What a stack runs on; everything that is the same at every call.

    sizes      of each layer's widths
    output     width of the last layer's output in one direction
    backend    name of a kernel backend, or "auto"
    recompute  keep only the states between blocks of steps for the backward pass, and run each block again
    key        the graph as text, which a compiler's operator takes along
    """

    key: str
    graph: Graph
    sizes: tuple[Mapping[Dim, int], ...]
    output: int
    bidirectional: bool
    backend: str
    recompute: bool = False

    @property
    def directions(self) -> int:
        return 2 if self.bidirectional else 1

    def __reduce__(self):
        return stack_of, (self.graph, self.sizes, self.output, self.bidirectional, self.backend, self.recompute)


def stack_of(
    graph: Graph,
    sizes: tuple[Mapping[Dim, int], ...],
    output: int,
    bidirectional: bool,
    backend: str,
    recompute: bool = False,
) -> LayerStack:
    """A stack of these equations."""
    return LayerStack(text_of(graph), graph, sizes, output, bidirectional, backend, recompute)


def run_stack(
    stack: LayerStack,
    x: Sequence[Tensor],
    state: Sequence[State],
    weights: Sequence[Named],
    rows: PackedRows,
    *,
    between: Callable[[Tensor], Tensor] | None = None,
    watch: Watch | None = None,
    masks: Sequence[Sequence[Tensor]] | None = None,
) -> tuple[Tensor, list[State]]:
    """Runs all layers.

    x        the cell's inputs, packed: (N, width) each; the first may be int64 (N,), one-hot indices
    state    per layer and direction (layer 0, layer 0 reversed, layer 1, ...), (B, width)
             each, in the kernel's order
    weights  per layer and direction
    between  what a layer's output goes through on its way to the next: dropout, while training
    masks    per layer and direction: what stands behind the cell's inputs in its graph, packed, while training
    Returns the last layer's output (N, width x directions) and the final states, ordered as `state` is.

    Layers above the first get the output below as their first input, and the other inputs unchanged. `between`
    sees all steps at once, in packed order.
    """
    stack, masks = with_held(stack, masks, rows, state)
    final: list[State] = []
    for layer, sizes in enumerate(stack.sizes):
        if layer and between is not None:
            x = (between(x[0]), *x[1:])
        outputs = []
        for direction in range(stack.directions):
            at = layer * stack.directions + direction
            seen = watch(layer, direction == 1) if watch else None
            given = (*x, *masks[at]) if masks else x
            y, last = _run_one(stack, sizes, given, state[at], weights[at], rows, direction == 1, seen)
            outputs.append(y)
            final.append(last)
        x = (outputs[0] if len(outputs) == 1 else torch.cat(outputs, -1), *x[1:])
    return x[0], final


def _run_one(
    stack: LayerStack,
    sizes: Mapping[Dim, int],
    x: Sequence[Tensor],
    state: State,
    weights: Named,
    rows: PackedRows,
    reverse: bool,
    seen,
) -> tuple[Tensor, State]:
    """One layer in one direction."""
    if not rows.step_rows.total:
        return _without_steps(stack, x, state, weights)
    like = next(iter((*state, *weights.values(), *x)))
    if torch.compiler.is_compiling() and not exports_onnx():  # what is watched is seen in eager calls only
        return run_traced(
            stack.key, sizes, x, state, weights, rows, reverse, stack.backend, stack.recompute, mixes(like)
        )
    nodes, note = seen or ((), None)
    y, last, values = run_direction(
        stack.graph,
        sizes,
        x,
        state,
        weights,
        rows,
        reverse,
        backend=stack.backend,
        recompute=stack.recompute,
        mixed=mixes(like),
        watch=nodes,
    )
    if note:
        note(values)
    return y, last


def _without_steps(
    stack: LayerStack, x: Sequence[Tensor], state: State, weights: Named
) -> tuple[Tensor, State]:
    """Nothing to run: the state stays as it is. What training follows is followed here too;
    its gradients are zeros.
    """
    given = (*state, *weights.values(), *x)
    y = given[0].new_zeros(0, stack.output)
    followed = [t for t in given if t.requires_grad]
    if not (followed and torch.is_grad_enabled()):
        return y, state
    nothing = torch.cat([t.reshape(-1)[:0].to(y.dtype) for t in followed])
    return y + nothing.unsqueeze(1), tuple(s + nothing.sum() for s in state)


def mixes(like: Tensor) -> bool:
    """Whether autocast asks for products of bfloat16 numbers here; it leaves float64 alone."""
    device = like.device.type
    return (
        like.dtype is torch.float32 and autocasts(device) and torch.get_autocast_dtype(device) is torch.bfloat16
    )
