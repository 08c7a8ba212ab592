"""The backward pass: buffers for gradients, and the call."""

from __future__ import annotations

import torch
from torch import Tensor

from ...call import Call, Operands, grouped
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
    """Gradients of `call.tensors`, None where `needed` is false. `above`: y's gradient;
    `carries`: the final states'.
    """
    call, prepared = contiguous(call), prepared_of(call)
    values, struct = prepared.backward[:], prepared.code.backward_struct
    hyper = address_call(call, values, struct)
    first = [y] if call.plan.body.output_is_state else []
    count = len(prepared.states) - len(first)
    sequences, streams, kept = [*first, *buffers[:count]], buffers[count:-1], buffers[-1]
    carry = [
        torch.zeros_like(s) if c is None else c.resolve_neg().clone()
        for c, s in zip(carries, call.operands.state)
    ]
    vectors = call.operands.vectors
    gradient = buffer(vectors, call.step_rows.total, prepared.gradient)
    found = _Found(call, prepared, needed)
    # Where nothing comes from above: one row of zeros, read again and again.
    above, stride = (
        (vectors.new_zeros(prepared.output), 0) if above is None else (dense(above), prepared.output)
    )
    for name, tensors in (
        ("new", sequences),
        ("k", streams),
        ("carry", carry),
        ("dw", found.hoisted),
        ("doperand", found.factors),
        ("dweights", found.weights),
        ("dinput", found.inputs),
    ):
        address(values, struct, name, tensors)
    at = struct.at
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
        given, wanted = call.operands, grouped(call.plan, needed)
        self.call, self.prepared, self.needed, self.wanted = call, prepared, needed, wanted
        self.tables = [not f.is_floating_point() for f in given.factors]
        self.blas = [blas and not table for blas, table in zip(prepared.blas, self.tables)]
        self.hoisted = [
            self._weights(*each) for each in zip(wanted.hoisted, self.blas, self.tables, given.hoisted)
        ]
        self.factors = self._buffers(wanted.factors, self.blas, given.factors)
        self.weights = self._buffers(wanted.weights, prepared.loop_blas, given.weights)
        self.vectors, self.numbers = [torch.empty_like(t) for t in (given.vectors, given.numbers)]
        self.inputs = [buffer(t, *t.shape) for t in given.inputs]

    @staticmethod
    def _buffers(wanted, blas, tensors: tuple[Tensor, ...]) -> list[Tensor | None]:
        """For gradients that the kernel makes: those that are wanted and not left to BLAS."""
        return [buffer(t, *t.shape) if w and not b else None for w, b, t in zip(wanted, blas, tensors)]

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
        call, given, wanted = self.call, self.call.operands, self.wanted
        for g in [g for g, blas in enumerate(self.blas) if blas]:
            runs = call.plan.hoisted_runs[g]
            if wanted.hoisted[g]:
                self.hoisted[g] = summed(call, gradient, runs, given.factors[g])
            if wanted.factors[g]:
                self.factors[g] = operand_gradient(call, gradient, runs, given.hoisted[g])
        for g in [g for g, blas in enumerate(self.prepared.loop_blas) if blas and wanted.weights[g]]:
            self.weights[g] = loop_weights(call, gradient, g, sequences, streams, kept)

    def results(self, carry: list[Tensor]) -> tuple[Tensor | None, ...]:
        hoisted = [d.t() if table and d is not None else d for d, table in zip(self.hoisted, self.tables)]
        found = Operands(hoisted, self.factors, self.weights, self.vectors, self.numbers, self.inputs, carry)
        return tuple([t if n else None for t, n in zip(found.flat, self.needed)])
