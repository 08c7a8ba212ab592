"""The addresses that both directions of a kernel take from a call."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

from torch import Tensor

from ...call import Call
from ...gate import dense
from ..emit.slots import Slots


def contiguous(call: Call) -> Call:
    """The call with dense tensors, as C reads them."""
    if not [t for t in call.tensors if t.is_neg() or not t.is_contiguous()]:
        return call

    def each(tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(dense(t) for t in tensors)

    return Call(
        call.plan,
        call.sizes,
        call.step_rows,
        call.hyper,
        each(call.hoisted),
        each(call.operands),
        each(call.weights),
        dense(call.vectors),
        dense(call.numbers),
        each(call.inputs),
        each(call.state),
        call.mixed,
    )


def address_call(call: Call, values: array, slots: Slots) -> array:
    """Puts the addresses of a call's tensors into an argument list. Returns what must live until the kernel returns."""
    at = slots.at
    values[at["vectors"]], values[at["numbers"]] = call.vectors.data_ptr(), call.numbers.data_ptr()
    for name, tensors in (
        ("weights", call.weights),
        ("input", call.inputs),
        ("state", call.state),
        ("w", call.hoisted),
    ):
        address(values, slots, name, tensors)
    for g, operand in enumerate(call.operands):
        values[slots.numbered["operand" if operand.is_floating_point() else "index"][g]] = operand.data_ptr()
    hyper = array("d", call.hyper)
    values[at["hyper"]] = hyper.buffer_info()[0]
    return hyper


def address(values: array, slots: Slots, name: str, tensors: Iterable[Tensor | None]) -> None:
    """Addresses of numbered tensors; 0 stays where there is none."""
    for at, tensor in zip(slots.numbered.get(name, ()), tensors):
        if tensor is not None:
            values[at] = tensor.data_ptr()
