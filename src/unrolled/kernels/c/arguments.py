"""The addresses and sizes that both directions of a kernel take from a call."""

from __future__ import annotations

from array import array
from functools import lru_cache

import torch
from torch import Tensor

from ...plan.cost import block_of, sharing
from ..call import Call, Schedule
from .threads import runtime, threads


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


def contiguous(call: Call) -> Call:
    """The call with dense tensors, as C reads them."""
    if all(t.is_contiguous() for t in call.tensors):
        return call

    def dense(tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(t.contiguous() for t in tensors)

    return Call(call.plan, call.sizes, call.schedule, call.hyper, dense(call.hoisted), dense(call.operands),
                dense(call.weights), call.vectors.contiguous(), call.numbers.contiguous(), dense(call.inputs), dense(call.state))


def width_of(call: Call, index: int) -> int:
    """How wide a node of the body is."""
    shape = call.plan.body.nodes[index].shape
    return call.width(shape[0]) if shape else 1


def address(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()


def arguments(call: Call) -> tuple[dict[str, int], list]:
    """Values of the slots that both directions share, and objects that must live until the kernel returns."""
    schedule = call.schedule
    starts, sizes = row_tables(schedule)
    hyper = array("d", call.hyper)
    team, split = sharing(call.plan, call.width, schedule.batch, call.vectors.element_size(), threads())
    gomp, size, me = runtime()
    values = {"steps": schedule.steps, "batch": schedule.batch, "split": int(split), "wanted": team,
              "offset": starts.buffer_info()[0], "rows": sizes.buffer_info()[0], "hyper": hyper.buffer_info()[0],
              "gomp": gomp, "gomp_size": size, "gomp_me": me, "uniform": int(schedule.sizes is None),
              "block": block_of(schedule.batch, team, split), "total": schedule.total,
              "vectors": call.vectors.data_ptr(), "numbers": call.numbers.data_ptr()}
    values.update(call.sizes)
    for name, tensors in (("weights", call.weights), ("input", call.inputs), ("state", call.state), ("w", call.hoisted)):
        for k, tensor in enumerate(tensors):
            values[f"{name}{k}"] = tensor.data_ptr()
    for g, operand in enumerate(call.operands):
        rows = operand.is_floating_point()
        values[f"operand{g}"], values[f"index{g}"] = (operand.data_ptr(), 0) if rows else (0, operand.data_ptr())
    return values, [starts, sizes, hyper]


def is_double(call: Call) -> bool:
    return call.dtype is torch.float64
