"""Long sequences in little memory: blocks of steps, of which only the states between them are kept.

The backward pass goes through the blocks from the last to the first, runs each forward again and then backward.
What it keeps grows with the square root of the number of steps, for one more forward pass. Source: Chen, Xu,
Zhang and Guestrin 2016, Training deep nets with sublinear memory cost (arXiv:1604.06174).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isqrt

import torch
from torch import Tensor

from .call import Call, StepRows, places_of
from .differentiable import differentiable, is_followed
from .gate import why_closed

Run = Callable[[Call], tuple[Tensor, tuple[Tensor, ...]]]
State = tuple[Tensor, ...]

# At least so many rows are in a block: at the start of each the weights are packed again and at its end their
# gradients added up, which costs as much as the arithmetic of some ten rows.
ROWS = 1024


@dataclass(frozen=True)
class Block:
    """Some of a sequence's steps, and their rows among all packed rows."""

    step_rows: StepRows
    rows: slice


def blocks_of(step_rows: StepRows) -> list[Block]:
    """Blocks of about sqrt(T) steps, in the order in which the loop visits them."""
    length = max(isqrt(step_rows.steps), -(-ROWS // max(1, step_rows.batch)))
    blocks, begin = [], 0
    for first in range(0, step_rows.steps, length):
        steps = min(length, step_rows.steps - first)
        sizes = None if step_rows.sizes is None else step_rows.sizes[first : first + steps]
        part = step_rows._replace(steps=steps, sizes=sizes)
        blocks.append(Block(part, slice(begin, begin + part.total)))
        begin += part.total
    return blocks[::-1] if step_rows.reverse else blocks


def recomputed(call: Call, run: Run) -> tuple[Tensor, State]:
    """What `run(call)` gives: output and final states. Without gradients nothing is kept anyway; torch.func,
    forward-mode derivatives and tracers have their own ways of keeping."""
    if not (torch.is_grad_enabled() and any(t.requires_grad for t in call.tensors)) or why_closed(call.tensors):
        return run(call)
    blocks = blocks_of(call.step_rows)
    if len(blocks) < 2:
        return run(call)
    y, *final = Recomputed.apply(call, run, blocks, *call.tensors)
    return y, tuple(final)


class Recomputed(torch.autograd.Function):
    """All blocks as one node of autograd's graph."""

    @staticmethod
    def forward(ctx, call: Call, run: Run, blocks: list[Block], *tensors: Tensor):
        y, states = None, [call.operands.state]
        for block in blocks:
            part, final = run(_part(call, block, states[-1]))
            y = part.new_empty(call.step_rows.total, part.shape[1]) if y is None else y
            y[block.rows] = part
            states.append(tuple(s.clone() for s in final))  # a view would keep the whole block
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors, *(s for state in states[1:-1] for s in state))
        ctx.spec, ctx.run, ctx.blocks = call.spec, run, blocks
        return (y, *states[-1])

    @staticmethod
    def backward(ctx, above, *carries):
        saved, needed = ctx.saved_tensors, ctx.needs_input_grad[3:]
        total = ctx.spec.total
        call = ctx.spec.filled(saved[:total])
        if is_followed((above, *carries), saved):
            return None, None, None, *differentiable(call, (above, *carries), needed)
        width = len(call.operands.state)
        states = [call.operands.state, *(saved[k : k + width] for k in range(total, len(saved), width))]
        sums = _Sums(call, needed)
        with torch.autocast(call.device.type, enabled=False):
            for number in reversed(range(len(ctx.blocks))):
                block = ctx.blocks[number]
                wanted = needed if number == 0 else sums.with_state
                part = _part(call, block, states[number])
                found = _gradients(part, ctx.run, None if above is None else above[block.rows], carries, wanted)
                carries = sums.add(found, block)
        return None, None, None, *sums.results(carries)


def _part(call: Call, block: Block, state: State) -> Call:
    """One block as a call, from the states before it."""
    factors, inputs = [
        tuple(t[block.rows] for t in each) for each in (call.operands.factors, call.operands.inputs)
    ]
    operands = call.operands._replace(factors=factors, inputs=inputs, state=state)
    return call._replace(step_rows=block.step_rows, operands=operands, tensors=operands.flat)


def _gradients(call: Call, run: Run, above: Tensor | None, carries, wanted) -> list[Tensor | None]:
    """Gradients of `call.tensors`, None where they are not wanted or zero: one
    forward and one backward pass.
    """
    leaves = tuple([t.detach().requires_grad_(w) for t, w in zip(call.tensors, wanted)])
    with torch.enable_grad():
        y, final = run(call.spec.filled(leaves))
    pairs = [(o, g) for o, g in zip((y, *final), (above, *carries)) if g is not None and o.requires_grad]
    asked = [t for t, w in zip(leaves, wanted) if w]
    found = iter(
        torch.autograd.grad([o for o, _ in pairs], asked, [g for _, g in pairs], allow_unused=True)
        if pairs
        else [None] * len(asked)
    )
    return [next(found) if w else None for w in wanted]


class _Sums:
    """Gradients over all blocks: those of weights are added up, those of sequences
    stand one after the other.
    """

    def __init__(self, call: Call, needed):
        self.call, self.needed = call, needed
        places = places_of(call.plan)
        self.before = places.state.start
        self.with_state = (*needed[: self.before], *[True] * len(call.operands.state))
        self.along = [False] * self.before  # which have a row for each step
        for place in (places.factors, places.inputs):
            self.along[place] = [True] * (place.stop - place.start)
        self.sums: list[Tensor | None] = [
            t.new_zeros(t.shape) if n and along else None
            for t, n, along in zip(call.tensors, needed, self.along)
        ]

    def add(self, found: list[Tensor | None], block: Block) -> list[Tensor | None]:
        """Takes one block's gradients. Returns those of the states before it."""
        for k, (gradient, along) in enumerate(zip(found, self.along)):
            if gradient is None:
                continue
            if along:
                self.sums[k][block.rows] = gradient
            elif self.sums[k] is None:
                self.sums[k] = gradient.clone()
            else:
                self.sums[k] += gradient
        return found[self.before :]

    def results(self, carries) -> list[Tensor | None]:
        return [g if n else None for g, n in zip((*self.sums, *carries), self.needed)]
