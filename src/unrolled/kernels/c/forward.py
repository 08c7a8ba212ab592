"""The forward pass around the C loop: hoisted products, buffers, the call."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from ...plan.cost import sharing
from ..call import Call, Schedule
from .library import functions, invoke
from .threads import runtime, threads


@dataclass(frozen=True)
class Result:
    """y (N, width), final states (B, width), and for the backward pass: state sequences (all but an output's), then
    the kept columns of each hoisted group, then the other kept values."""

    y: Tensor
    final: tuple[Tensor, ...]
    buffers: tuple[Tensor, ...]


@lru_cache(maxsize=256)
def row_tables(schedule: Schedule) -> tuple[array, array]:
    """First packed row of each step, and how many rows run at it, in the order in which the loop visits steps."""
    sizes = [schedule.rows(t) for t in range(schedule.steps)]
    starts, total = [], 0
    for n in sizes:
        starts.append(total)
        total += n
    if schedule.reverse:
        starts.reverse()
        sizes.reverse()
    return array("q", starts), array("q", sizes)


def shared(call: Call, split: bool, team: int) -> dict[str, int]:
    """Arguments that both directions take."""
    starts, sizes = row_tables(call.schedule)
    gomp, size, me = runtime()
    hyper = array("d", call.hyper) if call.hyper else array("d", [0.0])
    values = {"steps": call.schedule.steps, "batch": call.schedule.batch, "split": int(split), "wanted": team,
              "offset": starts.buffer_info()[0], "rows": sizes.buffer_info()[0], "hyper": hyper.buffer_info()[0],
              "gomp": gomp, "gomp_size": size, "gomp_me": me, "vectors": call.vectors.data_ptr(),
              "numbers": call.numbers.data_ptr(), **dict(call.sizes), "_alive": (starts, sizes, hyper)}
    for name, tensors in (("weights", call.weights), ("input", call.inputs), ("state", call.state)):
        values.update({f"{name}{k}": t.data_ptr() for k, t in enumerate(tensors)})
    return values


def contiguous(call: Call) -> Call:
    """The call with dense tensors, as C reads them."""
    if all(t.is_contiguous() for t in call.tensors):
        return call
    dense = lambda tensors: tuple(t.contiguous() for t in tensors)
    return Call(call.plan, call.sizes, call.schedule, call.hyper, dense(call.hoisted), dense(call.operands),
                dense(call.weights), call.vectors.contiguous(), call.numbers.contiguous(), dense(call.inputs), dense(call.state))


def share(call: Call) -> tuple[int, bool]:
    return sharing(call.plan, call.width, call.schedule.batch, call.vectors.element_size(), threads())


def width_of(call: Call, index: int) -> int:
    shape = call.plan.body.nodes[index].shape
    return call.width(shape[0]) if shape else 1


def forward(call: Call, keep: bool) -> Result:
    """Runs the loop. `keep`: leave everything that the backward pass needs."""
    call = contiguous(call)
    body, schedule, plan = call.plan.body, call.schedule, call.plan
    total, like = schedule.total, call.vectors
    rows = total if keep else 2 * schedule.batch       # without a backward pass two steps of each sequence are enough
    team, split = share(call)
    code = functions(plan, call.dtype is torch.float64)
    values = shared(call, split, team)
    streams, kept_streams = _hoisted(call, values)
    y = like.new_empty(total, width_of(call, body.output))
    sequences = [y if k == 0 and body.output_is_state else like.new_empty(rows, width_of(call, s))
                 for k, s in enumerate(body.states)]
    kept = like.new_empty(rows, sum(call.width(w) for w in plan.kept_widths))
    final = tuple(like.new_empty(schedule.batch, width_of(call, s)) for s in body.states)
    values.update({f"new{k}": t.data_ptr() for k, t in enumerate(sequences)})
    values.update({f"final{k}": t.data_ptr() for k, t in enumerate(final)})
    values.update({"keep": int(keep), "kept": kept.data_ptr(), "output": y.data_ptr()})
    invoke(code.forward, code.forward_slots, values)
    buffers = (*sequences[1 if body.output_is_state else 0:], *kept_streams, kept) if keep else ()
    del streams
    return Result(y, final, buffers)


def _hoisted(call: Call, values: dict[str, int]) -> tuple[list[Tensor], list[Tensor]]:
    """Products with the input for all steps at once; for indices one row of a table each. Kept values take the place of
    a product's columns, so those are a buffer of their own only where rows come from a table."""
    streams, kept = [], []
    for g, (weights, operand) in enumerate(zip(call.hoisted, call.operands)):
        if operand.is_floating_point():
            stream = torch.mm(operand, weights.t())
            keep, index = stream, 0
        else:
            stream, index = weights.t().contiguous(), operand.data_ptr()
            keep = stream.new_empty(call.schedule.total, stream.shape[1])
        values.update({f"x{g}": stream.data_ptr(), f"k{g}": keep.data_ptr(), f"x{g}_index": index})
        streams.append(stream)
        kept.append(keep)
    return streams, kept
