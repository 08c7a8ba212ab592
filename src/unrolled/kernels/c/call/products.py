"""Large products outside the loop go to torch's BLAS: it runs at a tenth more of the peak than our own, for a
fixed cost that small ones do not repay (plan/cost.py draws the line)."""

from __future__ import annotations

import torch
from torch import Tensor

from ....plan.program import ProductRun
from ...call import Call
from .scratch import buffer


def input_products(call: Call, g: int) -> Tensor:
    """Hoisted group g for all steps: (N, sum of widths)."""
    operand, weights = call.operands.factors[g], call.operands.hoisted[g]
    return torch.mm(operand, weights.t(), out=buffer(operand, len(operand), len(weights)))


def columns_of(call: Call, gradient: Tensor, run: ProductRun) -> Tensor:
    start = sum(call.width(w) for w in run.start)
    return gradient[:, start : start + sum(call.width(w) for w in run.widths)]


def summed(call: Call, gradient: Tensor, runs: tuple[ProductRun, ...], operand: Tensor) -> Tensor:
    """Weights' gradient: the sum over all rows of gradient times operand, one product
    for each run of columns.
    """
    parts = [
        torch.mm(columns.t(), operand, out=buffer(operand, columns.shape[1], operand.shape[1]))
        for columns in (columns_of(call, gradient, run) for run in runs)
    ]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def operand_gradient(call: Call, gradient: Tensor, runs: tuple[ProductRun, ...], weights: Tensor) -> Tensor:
    """The gradient of a hoisted operand: products of the runs with their rows of the weights, added up."""
    result, start = None, 0
    for run in runs:
        rows = sum(call.width(w) for w in run.widths)
        columns, part = columns_of(call, gradient, run), weights[start : start + rows]
        if result is None:
            result = torch.mm(columns, part, out=buffer(part, len(columns), part.shape[1]))
        else:
            result.addmm_(columns, part)
        start += rows
    return result


def loop_weights(
    call: Call, gradient: Tensor, g: int, sequences: list[Tensor], streams: tuple[Tensor, ...], kept: Tensor
) -> Tensor:
    """The gradient of a group of the loop's weights: all time steps in one product."""
    group, body = call.plan.groups[g], call.plan.body
    if group.operand in body.states:
        k = body.states.index(group.operand)
        parts = [
            _earlier(call, columns_of(call, gradient, run), sequences[k], call.operands.state[k])
            for run in group.runs
        ]
        return parts[0] if len(parts) == 1 else torch.cat(parts)
    if group.operand in body.new_states:
        return summed(call, gradient, group.runs, sequences[body.new_states.index(group.operand)])
    place = dict(call.plan.backward.places)[group.operand]
    source = kept if place.buffer == "kept" else streams[place.number]
    start = sum(call.width(w) for w in place.start)
    return summed(call, gradient, group.runs, source[:, start : start + call.width(place.width)])


def _earlier(call: Call, columns: Tensor, sequence: Tensor, initial: Tensor) -> Tensor:
    """Sum over steps of gradient (step s) times state (step s - 1), the initial state before the first."""
    step_rows, batch = call.step_rows, call.step_rows.batch
    if step_rows.sizes is not None:
        return torch.mm(columns.t(), _before(step_rows.sizes, sequence, initial))
    rest = step_rows.total - batch
    first = slice(rest, None) if step_rows.reverse else slice(0, batch)
    others, before = (
        (slice(0, rest), slice(batch, None)) if step_rows.reverse else (slice(batch, None), slice(0, rest))
    )
    result = torch.mm(columns[first].t(), initial, out=buffer(initial, columns.shape[1], initial.shape[1]))
    return result.addmm_(columns[others].t(), sequence[before]) if rest else result


def _before(sizes: tuple[int, ...], sequence: Tensor, initial: Tensor) -> Tensor:
    """Each packed row's state one step earlier: rows are sorted by length, so they are the
    first rows of that step.
    """
    parts, start = [initial[: sizes[0]]], 0
    for size, following in zip(sizes, sizes[1:]):
        parts.append(sequence[start : start + following])
        start += size
    return torch.cat(parts, out=buffer(sequence, *sequence.shape))
