"""The backward pass around the C loop: the loop leaves gradients of its products, large products make the rest."""

from __future__ import annotations

import torch
from torch import Tensor

from ...plan.program import Run
from ..call import Call
from .forward import contiguous, share, shared, width_of
from .library import functions, invoke


def backward(call: Call, y: Tensor, buffers: tuple[Tensor, ...], above: Tensor | None, carries: tuple[Tensor | None, ...],
             needed: tuple[bool, ...]) -> tuple[Tensor | None, ...]:
    """Gradients of `call.tensors`, None where `needed` is false. `above`: y's gradient; `carries`: the final states'."""
    call = contiguous(call)
    plan, body, like = call.plan, call.plan.body, call.vectors
    first = [y] if body.output_is_state else []
    count = len(body.states) - len(first)
    sequences, rest = [*first, *buffers[:count]], buffers[count:]
    carry = [torch.zeros_like(s) if c is None else c.clone(memory_format=torch.contiguous_format)
             for c, s in zip(carries, call.state)]
    team, split = share(call)
    gradient = like.new_empty(call.schedule.total, sum(call.width(w) for w in plan.gradient))
    dvectors = like.new_zeros(team, call.vectors.numel())
    dnumbers = like.new_zeros(team, max(call.numbers.numel(), 1))
    dinputs = [torch.empty_like(t) for t in call.inputs]
    values = shared(call, split, team)
    values.update({f"new{k}": t.data_ptr() for k, t in enumerate(sequences)})
    values.update({f"k{g}": t.data_ptr() for g, t in enumerate(rest[:-1])})
    values.update({f"carry{k}": t.data_ptr() for k, t in enumerate(carry)})
    values.update({f"dinput{k}": t.data_ptr() for k, t in enumerate(dinputs)})
    above, stride = _above(call, above)
    values.update({"keep": 1, "kept": rest[-1].data_ptr(), "above": above.data_ptr(), "above_stride": stride,
                   "gradient": gradient.data_ptr(), "dvectors": dvectors.data_ptr(), "dnumbers": dnumbers.data_ptr()})
    code = functions(plan, call.dtype is torch.float64)
    invoke(code.backward, code.backward_slots, values)
    want = iter(needed)
    hoisted = [_weights(call, gradient, runs, operand) if next(want) else None
               for runs, operand in zip(plan.hoisted_runs, call.operands)]
    operands = [_operand(call, gradient, runs, weights) if next(want) else None
                for runs, weights in zip(plan.hoisted_runs, call.hoisted)]
    weights = [_loop_weights(call, gradient, g, sequences, rest) if next(want) else None for g in range(len(plan.groups))]
    vectors = dvectors.sum(0) if next(want) else None
    numbers = dnumbers.sum(0)[:call.numbers.numel()] if next(want) else None
    return (*hoisted, *operands, *weights, vectors, numbers, *(d if next(want) else None for d in (*dinputs, *carry)))


def _above(call: Call, above: Tensor | None) -> tuple[Tensor, int]:
    """The output's gradient and its row length; one row of zeros, read again and again, where there is none."""
    width = width_of(call, call.plan.body.output)
    return (call.vectors.new_zeros(width), 0) if above is None else (above.contiguous(), width)


def _columns(call: Call, gradient: Tensor, run: Run) -> Tensor:
    start = sum(call.width(w) for w in run.start)
    return gradient[:, start:start + sum(call.width(w) for w in run.widths)]


def _stacked(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _weights(call: Call, gradient: Tensor, runs: tuple[Run, ...], operand: Tensor) -> Tensor:
    """Sum over all rows of gradient times operand: one product for each run of columns."""
    if operand.is_floating_point():
        return _stacked([torch.mm(_columns(call, gradient, run).t(), operand) for run in runs])
    depth = call.width(next(h.depth for h, r in zip(call.plan.body.hoisted, call.plan.hoisted_runs) if r is runs))
    return _stacked([gradient.new_zeros(depth, sum(call.width(w) for w in run.widths))
                     .index_add_(0, operand, _columns(call, gradient, run)).t() for run in runs])


def _operand(call: Call, gradient: Tensor, runs: tuple[Run, ...], weights: Tensor) -> Tensor:
    """The gradient of a hoisted operand: products of the runs with their rows of the weights, added up."""
    result, start = None, 0
    for run in runs:
        rows = sum(call.width(w) for w in run.widths)
        columns, part = _columns(call, gradient, run), weights[start:start + rows]
        result = torch.mm(columns, part) if result is None else result.addmm_(columns, part)
        start += rows
    return result


def _loop_weights(call: Call, gradient: Tensor, g: int, sequences: list[Tensor], rest: tuple[Tensor, ...]) -> Tensor:
    """The gradient of a group of the loop's weights: all time steps in one product."""
    group, body = call.plan.groups[g], call.plan.body
    if group.operand in body.states:
        k = body.states.index(group.operand)
        return _stacked([_shifted(call, _columns(call, gradient, run), sequences[k], call.state[k]) for run in group.runs])
    operand = _kept_operand(call, group.operand, sequences, rest)
    return _stacked([torch.mm(_columns(call, gradient, run).t(), operand) for run in group.runs])


def _kept_operand(call: Call, index: int, sequences: list[Tensor], rest: tuple[Tensor, ...]) -> Tensor:
    body = call.plan.body
    if index in body.new_states:
        return sequences[body.new_states.index(index)]
    place = dict(call.plan.forward.places)[index]
    source = rest[-1] if place.buffer == "kept" else rest[place.number]
    start = sum(call.width(w) for w in place.start)
    return source[:, start:start + call.width(place.width)]


def _shifted(call: Call, columns: Tensor, sequence: Tensor, initial: Tensor) -> Tensor:
    """Sum over steps of gradient (step s) times state (step s - 1), the initial state before the first."""
    schedule, batch = call.schedule, call.schedule.batch
    if schedule.sizes is not None:
        return torch.mm(columns.t(), _before(schedule.sizes, sequence, initial))
    rest = schedule.total - batch
    early, late = (slice(batch, None), slice(0, rest)) if schedule.reverse else (slice(0, rest), slice(batch, None))
    start = slice(rest, None) if schedule.reverse else slice(0, batch)
    result = torch.mm(columns[start].t(), initial)
    return result.addmm_(columns[late].t(), sequence[early]) if rest else result


def _before(sizes: tuple[int, ...], sequence: Tensor, initial: Tensor) -> Tensor:
    """Each packed row's state one step earlier: rows are sorted by length, so they are the first rows of the step before."""
    parts, start = [initial[:sizes[0]]], 0
    for size, following in zip(sizes, sizes[1:]):
        parts.append(sequence[start:start + following])
        start += size
    return torch.cat(parts)
