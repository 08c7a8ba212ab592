"""The backward pass: buffers for gradients, and the call."""

from __future__ import annotations

from torch import Tensor

from ...call import Call
from ...gate import dense
from .arguments import address, address_call, contiguous
from .library import invoke
from .prepared import Prepared, prepared_of
from .products import loop_weights, operand_gradient, summed
from .scratch import buffer


def backward(
    call: Call,
    y: Tensor,
    buffers: tuple[Tensor, ...],
    above: Tensor | None,
    carries: tuple[Tensor | None, ...],
    needed: tuple[bool, ...],
) -> tuple[Tensor | None, ...]:
    """Gradients of `call.tensors`, None where `needed` is false. `above`: y's gradient; `carries`: the final states'."""
    call, prepared = contiguous(call), prepared_of(call)
    values, slots = prepared.backward[:], prepared.backward_slots
    hyper = address_call(call, values, slots)
    first = [y] if call.plan.body.output_is_state else []
    count = len(prepared.states) - len(first)
    sequences, streams, kept = [*first, *buffers[:count]], buffers[count:-1], buffers[-1]
    carry = [
        s.new_zeros(s.shape) if c is None else c.resolve_neg().clone() for c, s in zip(carries, call.state)
    ]
    gradient = buffer(call.vectors, call.step_rows.total, prepared.gradient)
    found = _Found(call, prepared, needed)
    # Where nothing comes from above: one row of zeros, read again and again.
    above, stride = (
        (call.vectors.new_zeros(prepared.output), 0) if above is None else (dense(above), prepared.output)
    )
    for name, tensors in (
        ("new", sequences),
        ("k", streams),
        ("carry", carry),
        ("dw", found.hoisted),
        ("doperand", found.operands),
        ("dweights", found.weights),
        ("dinput", found.inputs),
    ):
        address(values, slots, name, tensors)
    at = slots.at
    for name, tensor in (
        ("kept", kept),
        ("above", above),
        ("gradient", gradient),
        ("dvectors", found.vectors),
        ("dnumbers", found.numbers),
    ):
        values[at[name]] = tensor.data_ptr()
    values[at["above_stride"]] = stride
    invoke(prepared.code.backward, values)
    found.large(gradient, sequences, streams, kept)
    del hyper
    return found.results(carry)


class _Found:
    """Tensors for the gradients that are asked for."""

    def __init__(self, call: Call, prepared: Prepared, needed: tuple[bool, ...]):
        self.call, self.prepared, self.needed = call, prepared, needed
        g, w = len(call.hoisted), len(call.weights)
        self.wanted = needed[:g], needed[g : 2 * g], needed[2 * g : 2 * g + w]
        self.tables = [not o.is_floating_point() for o in call.operands]
        self.blas = [blas and not table for blas, table in zip(prepared.blas, self.tables)]
        self.hoisted = [
            self._weights(*each) for each in zip(self.wanted[0], self.blas, self.tables, call.hoisted)
        ]
        self.operands = [
            buffer(o, *o.shape) if n and not b else None
            for n, b, o in zip(self.wanted[1], self.blas, call.operands)
        ]
        self.weights = [
            buffer(w, *w.shape) if n and not b else None
            for n, b, w in zip(self.wanted[2], prepared.loop_blas, call.weights)
        ]
        self.vectors, self.numbers = [
            t.new_empty(t.shape) if len(t) else t for t in (call.vectors, call.numbers)
        ]
        self.inputs = [buffer(t, *t.shape) for t in call.inputs]

    @staticmethod
    def _weights(wanted: bool, blas: bool, table: bool, weights: Tensor) -> Tensor | None:
        """A table's rows are the weights' columns, and rows are what gradients are added to."""
        if not wanted or blas:
            return None
        return buffer(weights, *weights.shape[::-1]).zero_() if table else buffer(weights, *weights.shape)

    def large(
        self, gradient: Tensor, sequences: list[Tensor], streams: tuple[Tensor, ...], kept: Tensor
    ) -> None:
        """The products that the kernel left to BLAS."""
        call, plan = self.call, self.call.plan
        for g in [g for g, blas in enumerate(self.blas) if blas]:
            if self.wanted[0][g]:
                self.hoisted[g] = summed(call, gradient, plan.hoisted_runs[g], call.operands[g])
            if self.wanted[1][g]:
                self.operands[g] = operand_gradient(call, gradient, plan.hoisted_runs[g], call.hoisted[g])
        for g in [g for g, blas in enumerate(self.prepared.loop_blas) if blas and self.wanted[2][g]]:
            self.weights[g] = loop_weights(call, gradient, g, sequences, streams, kept)

    def results(self, carry: list[Tensor]) -> tuple[Tensor | None, ...]:
        hoisted = [d.t() if table and d is not None else d for d, table in zip(self.hoisted, self.tables)]
        everything = (*hoisted, *self.operands, *self.weights, self.vectors, self.numbers, *self.inputs, *carry)
        return tuple([t if n else None for t, n in zip(everything, self.needed)])
