"""The forward pass: buffers for what the loop writes, and the call."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..call import Call
from ...plan.cost import large
from .arguments import arguments, contiguous, is_double, width_of
from .library import functions, invoke
from .products import input_products


@dataclass(frozen=True)
class Result:
    """y (N, width), final states (B, width), and for the backward pass: state sequences (all but an output's), then
    the kept columns of each hoisted group, then the other kept values."""

    y: Tensor
    final: tuple[Tensor, ...]
    buffers: tuple[Tensor, ...]


def forward(call: Call, keep: bool) -> Result:
    """Runs the loop. `keep`: leave everything that the backward pass needs."""
    call = contiguous(call)
    plan, body, schedule, like = call.plan, call.plan.body, call.schedule, call.vectors
    values, alive = arguments(call)
    rows = schedule.total if keep else 2 * schedule.batch       # without a backward pass two steps of a sequence are enough
    y = like.new_empty(schedule.total, width_of(call, body.output))
    sequences = [y if k == 0 and body.output_is_state else like.new_empty(rows, width_of(call, s))
                 for k, s in enumerate(body.states)]
    kept = like.new_empty(rows, sum(call.width(w) for w in plan.kept_widths))
    final = tuple(like.new_empty(schedule.batch, width_of(call, s)) for s in body.states)
    ahead = schedule.total if keep else min(schedule.total, values["block"] * schedule.batch)
    kept_streams = _hoisted(call, values, ahead, alive)
    for k, (sequence, last) in enumerate(zip(sequences, final)):
        values[f"new{k}"], values[f"final{k}"] = sequence.data_ptr(), last.data_ptr()
    values["keep"], values["kept"], values["output"] = int(keep), kept.data_ptr(), y.data_ptr()
    code = functions(plan, is_double(call))
    invoke(code.forward, code.forward_slots, values)
    buffers = (*sequences[1 if body.output_is_state else 0:], *kept_streams, kept) if keep else ()
    return Result(y, final, buffers)


def _hoisted(call: Call, values: dict[str, int], rows: int, alive: list) -> list[Tensor]:
    """Buffers for products with the input; values kept for the backward pass take their place. An index stands for a row
    of a table, the weights' columns: then there is no product, and kept values have a buffer of their own."""
    kept = []
    keep = rows == call.schedule.total
    for g, (weights, operand) in enumerate(zip(call.hoisted, call.operands)):
        if keep and operand.is_floating_point() and large(rows, *weights.shape):
            buffer, values[f"operand{g}"] = input_products(call, g), 0
        else:
            buffer = weights.new_empty(rows, weights.shape[0])
        stream = buffer
        if not operand.is_floating_point():
            stream = weights.t().contiguous()
            alive.append(stream)
        values[f"x{g}"], values[f"k{g}"] = stream.data_ptr(), buffer.data_ptr()
        kept.append(buffer)
    return kept
