"""The addresses that both directions of a kernel take from a call."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

from torch import Tensor

from ...call import Call
from ...gate import dense
from ..emit.struct import Fields


def contiguous(call: Call) -> Call:
    """The call with dense tensors, as C reads them."""
    if not [t for t in call.tensors if t.is_neg() or not t.is_contiguous()]:
        return call
    return call.spec.filled(tuple([dense(t) for t in call.tensors]))


def address_call(call: Call, values: array, struct: Fields) -> array:
    """Puts the addresses of a call's tensors into an argument list. Returns what must live
    until the kernel returns.
    """
    at, given = struct.at, call.operands
    values[at["vectors"]], values[at["numbers"]] = given.vectors.data_ptr(), given.numbers.data_ptr()
    for name, tensors in (
        ("weights", given.weights),
        ("input", given.inputs),
        ("state", given.state),
        ("w", given.hoisted),
    ):
        address(values, struct, name, tensors)
    for g, factor in enumerate(given.factors):
        values[struct.numbered["operand" if factor.is_floating_point() else "index"][g]] = factor.data_ptr()
    hyper = array("d", call.hyper)
    values[at["hyper"]] = hyper.buffer_info()[0]
    return hyper


def address(values: array, struct: Fields, name: str, tensors: Iterable[Tensor | None]) -> None:
    """Addresses of numbered tensors; 0 stays where there is none."""
    for at, tensor in zip(struct.numbered.get(name, ()), tensors):
        if tensor is not None:
            values[at] = tensor.data_ptr()
