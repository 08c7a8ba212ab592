"""The forward pass: buffers for what the loop writes, and the call."""

from __future__ import annotations

from array import array
from functools import partial
from typing import NamedTuple

from torch import Tensor

from ...call import Call, nothing
from .arguments import address, address_call, contiguous
from .library import invoke
from .prepared import Prepared, prepared_to_run
from .products import input_products
from .scratch import buffer


class Result(NamedTuple):
    """y (N, width), final states (B, width), and for the backward pass: state sequences (all but an output's),
    then the kept columns of each hoisted group, then the other kept values."""

    y: Tensor
    final: tuple[Tensor, ...]
    buffers: tuple[Tensor, ...]


def forward(call: Call, keep: bool) -> Result:
    """Runs the loop. `keep`: leave everything that the backward pass needs."""
    call = contiguous(call)
    return _run(call, keep, prepared_to_run(call, keep, partial(_run, call, keep)))


def _run(call: Call, keep: bool, prepared: Prepared) -> Result:
    step_rows, like = call.step_rows, call.operands.vectors
    values, struct = prepared.forward[:], prepared.code.forward_struct
    hyper = address_call(call, values, struct)
    # Without a backward pass two steps of a sequence are enough.
    rows = step_rows.total if keep else 2 * step_rows.batch
    y = buffer(like, step_rows.total, prepared.output)
    first = [y] if call.plan.body.output_is_state else []
    sequences = first + [buffer(like, rows, w) for w in prepared.states[len(first) :]]
    final = tuple([like.new_empty(step_rows.batch, w) for w in prepared.states])
    kept = buffer(like, rows, prepared.kept) if prepared.kept else nothing(y)
    kept_streams, alive = _hoisted(call, prepared, values, keep)
    address(values, struct, "new", sequences)
    address(values, struct, "final", final)
    at = struct.at
    values[at["keep"]], values[at["kept"]], values[at["output"]] = int(keep), kept.data_ptr(), y.data_ptr()
    invoke(prepared.code.forward, values)
    del hyper, alive
    return Result(y, final, (*sequences[len(first) :], *kept_streams, kept) if keep else ())


def _hoisted(call: Call, prepared: Prepared, values: array, keep: bool) -> tuple[list[Tensor], list[Tensor]]:
    """Buffers for products with the input; values kept for the backward pass take their place. An
    index stands for a row of a table, the weights' columns: then there is no product, and kept values
    have a buffer of their own."""
    at, kept, alive = prepared.code.forward_struct.numbered, [], []
    rows = call.step_rows.total if keep else prepared.ahead
    for g, (weights, operand) in enumerate(zip(call.operands.hoisted, call.operands.factors)):
        indices = not operand.is_floating_point()
        if keep and prepared.blas[g] and not indices:
            products, values[at["operand"][g]] = input_products(call, g), 0
        else:
            products = buffer(weights, rows, weights.shape[0])
        table = weights.t().contiguous() if indices else products
        values[at["x"][g]], values[at["k"][g]] = table.data_ptr(), products.data_ptr()
        kept.append(products)
        alive.append(table)
    return kept, alive
