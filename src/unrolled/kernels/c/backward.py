"""The backward pass: buffers for gradients, and the call."""

from __future__ import annotations

from torch import Tensor

from ...plan.cost import large
from ..call import Call
from .arguments import address, arguments, contiguous, is_double, width_of
from .library import functions, invoke
from .products import loop_weights, operand_gradient, summed


def backward(call: Call, y: Tensor, buffers: tuple[Tensor, ...], above: Tensor | None, carries: tuple[Tensor | None, ...],
             needed: tuple[bool, ...]) -> tuple[Tensor | None, ...]:
    """Gradients of `call.tensors`, None where `needed` is false. `above`: y's gradient; `carries`: the final states'."""
    call = contiguous(call)
    plan, body, like = call.plan, call.plan.body, call.vectors
    values, alive = arguments(call)
    first = [y] if body.output_is_state else []
    count = len(body.states) - len(first)
    sequences, kept_streams, kept = [*first, *buffers[:count]], buffers[count:-1], buffers[-1]
    carry = [s.new_zeros(s.shape) if c is None else c.clone() for c, s in zip(carries, call.state)]
    gradient = like.new_empty(call.schedule.total, sum(call.width(w) for w in plan.gradient))
    found = _Found(call, needed)
    above, stride = _above(call, above)
    for name, tensors in (("new", sequences), ("k", kept_streams), ("carry", carry), ("dw", found.hoisted),
                          ("doperand", found.operands), ("dweights", found.weights), ("dinput", found.inputs)):
        for k, tensor in enumerate(tensors):
            values[f"{name}{k}"] = address(tensor)
    for g in range(len(kept_streams)):
        values[f"x{g}"] = 0
    values.update({"keep": 1, "kept": kept.data_ptr(), "above": above.data_ptr(), "above_stride": stride,
                   "gradient": gradient.data_ptr(), "dvectors": found.vectors.data_ptr(),
                   "dnumbers": found.numbers.data_ptr()})
    code = functions(plan, is_double(call))
    invoke(code.backward, code.backward_slots, values)
    found.large(gradient, sequences, kept_streams, kept)
    return found.results(carry)


class _Found:
    """Tensors for the gradients that are asked for."""

    def __init__(self, call: Call, needed: tuple[bool, ...]):
        self.needed, left = needed, list(needed)

        def wanted(count: int) -> list[bool]:
            taken, left[:] = left[:count], left[count:]
            return taken

        total = call.schedule.total
        self.call, self.wanted = call, (wanted(len(call.hoisted)), wanted(len(call.operands)), wanted(len(call.weights)))
        self.blas = [o.is_floating_point() and large(total, *w.shape) for w, o in zip(call.hoisted, call.operands)]
        self.loop_blas = [large(total, *w.shape) for w in call.weights]
        self.hoisted = [self._weights(w, o) if n and not b else None
                        for n, b, w, o in zip(self.wanted[0], self.blas, call.hoisted, call.operands)]
        self.operands = [o.new_empty(o.shape) if n and not b else None
                         for n, b, o in zip(self.wanted[1], self.blas, call.operands)]
        self.weights = [w.new_empty(w.shape) if n and not b else None
                        for n, b, w in zip(self.wanted[2], self.loop_blas, call.weights)]
        self.vectors, self.numbers = call.vectors.new_empty(call.vectors.shape), call.numbers.new_empty(call.numbers.shape)
        self.inputs = [t.new_empty(t.shape) for t in call.inputs]
        self.tables = [not o.is_floating_point() for o in call.operands]

    @staticmethod
    def _weights(weights: Tensor, operand: Tensor) -> Tensor:
        """A table's rows are the weights' columns, and rows are what gradients are added to."""
        return weights.new_empty(weights.shape) if operand.is_floating_point() else weights.new_zeros(weights.shape[::-1])

    def large(self, gradient: Tensor, sequences: list[Tensor], streams: tuple[Tensor, ...], kept: Tensor) -> None:
        """The products that the kernel left to BLAS."""
        call, plan = self.call, self.call.plan
        for g in [g for g, blas in enumerate(self.blas) if blas]:
            if self.wanted[0][g]:
                self.hoisted[g] = summed(call, gradient, plan.hoisted_runs[g], call.operands[g])
            if self.wanted[1][g]:
                self.operands[g] = operand_gradient(call, gradient, plan.hoisted_runs[g], call.hoisted[g])
        for g in [g for g, blas in enumerate(self.loop_blas) if blas and self.wanted[2][g]]:
            self.weights[g] = loop_weights(call, gradient, g, sequences, streams, kept)

    def results(self, carry: list[Tensor]) -> tuple[Tensor | None, ...]:
        hoisted = [d.t() if table and d is not None else d for d, table in zip(self.hoisted, self.tables)]
        everything = (*hoisted, *self.operands, *self.weights, self.vectors, self.numbers, *self.inputs, *carry)
        return tuple(t if n else None for t, n in zip(everything, self.needed))


def _above(call: Call, above: Tensor | None) -> tuple[Tensor, int]:
    """The output's gradient and its row length; one row of zeros, read again and again, where there is none."""
    width = width_of(call, call.plan.body.output)
    return (call.vectors.new_zeros(width), 0) if above is None else (above.contiguous(), width)
