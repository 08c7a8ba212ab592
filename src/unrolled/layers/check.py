"""What a layer says about tensors that do not fit it: what was given, what clashes, one thing to do."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from operator import index

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from ..errors import ShapeError, UsageError
from ..kernels.gate import why_closed
from .direction import autocasts


def type_name(value: object) -> str:
    return str(value.dtype).removeprefix("torch.") if isinstance(value, Tensor) else type(value).__name__


def check_plain(value: object, who: str, what: str) -> None:
    """A dense tensor: neither sparse, nested nor anything else."""
    if not isinstance(value, Tensor):
        raise UsageError(f"{who} got {what} of type {type_name(value)}. Give a tensor.")
    if value.is_nested:
        raise UsageError(
            f"{who} got {what} as a nested tensor. Give {what.split()[-1]}.to_padded_tensor(0.0), and"
            " lengths=... beside it."
        )
    if value.layout is not torch.strided:
        raise UsageError(
            f"{who} got {what} in the layout {str(value.layout)[6:]}. Give {what.split()[-1]}.to_dense()."
        )


def check_input(x: object, who: str, width: int, batch_first: bool) -> None:
    """x is (T, B, width) or (T, width) float, or int64 indices (T, B) or (T,)."""
    if isinstance(x, PackedSequence):
        raise UsageError(
            f"{who} got a PackedSequence. Give it padded, rnn(x, lengths=lengths); "
            "unrolled.LSTM, GRU and RNN take packed sequences as torch.nn's do."
        )
    check_plain(x, who, "x")
    shown = "(B, T" if batch_first else "(T, B"
    shape = tuple(x.shape)
    if not x.is_floating_point():
        if x.is_complex():
            raise UsageError(
                f"{who} got x of type {type_name(x)}. Give real numbers, for instance"
                " torch.view_as_real(x).flatten(-2)."
            )
        if x.dtype is not torch.int64:
            raise UsageError(
                f"{who} got x of type {type_name(x)}. Whole numbers are indices and int64: give x.long(); "
                "values are floating-point: give x.float()."
            )
        if x.dim() not in (1, 2):
            raise ShapeError(f"{who} got indices of shape {shape}. Give {shown}), or (T,) for one sequence.")
        return
    if x.dim() not in (2, 3):
        raise ShapeError(
            f"{who} got x of shape {shape}. Give {shown}, {width}), or (T, {width}) for one sequence."
        )
    if x.shape[-1] != width:
        turned = x.dim() == 3 and not batch_first
        remedy = (
            "Time first is the default; pass batch_first=True for (batch, time, width)."
            if turned
            else f"Give {shown}, {width}), or (T, {width}) for one sequence."
        )
        raise ShapeError(
            f"{who} got x of shape {shape}. The last axis is the input width, {width} expected. {remedy}"
        )


def of_type(value: Tensor, like: Tensor, who: str, what: str) -> Tensor:
    """The value, which must have the parameters' device and, where it is floating-point, their type.

    Under autocast it is brought to that type, for what comes out of the layer before may be bfloat16 then. True
    and false become 1 and 0; indices, which only the first input may be, stay what they are.
    """
    if value.device != like.device:
        raise UsageError(
            f"{who} got {what} on {value.device}, its parameters are on {like.device}. "
            f"Move one: {what}.to({str(like.device)!r}) or rnn.to({str(value.device)!r})."
        )
    if value.dtype is torch.bool:
        return value.to(like.dtype)
    if value.dtype is like.dtype or what == "x" and value.dtype is torch.int64:
        return value
    if value.is_floating_point() and autocasts(like.device.type):
        return value.to(like.dtype)
    other = f" or rnn.to({value.dtype})" if value.is_floating_point() else ""
    raise UsageError(
        f"{who} got {what} of type {type_name(value)}, its parameters are {type_name(like)}. "
        f"Convert {'one' if other else 'it'}: {what}.to({like.dtype}){other}."
    )


def check_indices(x: Tensor, who: str, width: int) -> None:
    """Indices are 0 .. width - 1: a kernel reads memory with them. One pass; not where nobody can look at
    values, for then the operator checks when it runs, or the reference backend."""
    if torch.compiler.is_compiling() or why_closed((x,)) or not x.numel():
        return
    low, high = (int(v) for v in x.aminmax())
    if low < 0 or high >= width:
        raise UsageError(
            f"{who} got index {low if low < 0 else high} in x. "
            f"With input_size {width}, indices run from 0 to {width - 1}."
        )


def check_extra(
    value: object, who: str, name: str, width: int, lead: Sequence[int], batch_first: bool
) -> Tensor:
    """A further input of the cell as (T, B, width); the last axis may be left out where it is a number."""
    check_plain(value, who, name)
    lead, shape = tuple(lead), tuple(value.shape)
    if width == 1 and shape == lead:
        return value.unsqueeze(-1)
    if shape != (*lead, width):
        numbers = f"{lead} or " if width == 1 else ""
        counts = [
            f"{n} {unit}" for n, unit in zip(lead, ("rows", "steps") if batch_first else ("steps", "rows"))
        ]
        counts = counts if len(lead) > 1 else [f"{lead[0]} steps"]
        raise ShapeError(
            f"{who} got {name} of shape {shape}, but x has {' of '.join(counts)}. "
            f"Give {name} as {numbers}{(*lead, width)}."
        )
    return value


def check_state(
    state: object, who: str, names: Sequence[str], shapes: Sequence[tuple[int, ...]], like: Tensor
) -> list[Tensor]:
    """The state's tensors: one for each state of the cell, each (layers x directions, B, width)."""
    if not isinstance(state, (tuple, list)):
        raise UsageError(
            f"{who} got a state of type {type_name(state)}. Give a tuple with {_wanted(names, shapes)}."
        )
    if len(state) != len(names):
        raise ShapeError(
            f"{who} got a state of {len(state)} tensors, the cell has {len(names)}. "
            f"Give {_wanted(names, shapes)}."
        )
    for name, shape, value in zip(names, shapes, state):
        check_plain(value, who, f"state {name}")
        if value.shape != shape:
            raise ShapeError(
                f"{who} got state {name} of shape {tuple(value.shape)}, {shape} expected. "
                "The axes are layers x directions, batch, width."
            )
    return [of_type(value, like, who, name) for name, value in zip(names, state)]


def _wanted(names: Sequence[str], shapes: Sequence[tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in zip(names, shapes))


MOST = 2**31 - 1  # of a width
DEEPEST = 10_000  # layers


def check_size(who: str, name: str, value: object, most: int = MOST) -> int:
    """A whole number from 1 on, of whatever type."""
    try:
        number = index("True" if isinstance(value, bool) else value)
    except (TypeError, ValueError, RuntimeError):
        raise UsageError(f"{who}: {name}={value!r} is not a whole number. Give 1 or more.") from None
    if number < 1:
        raise UsageError(f"{who}: {name}={value} is below 1. Give 1 or more.")
    if number > most:
        raise UsageError(f"{who}: {name}={value} is too many. Give {most} or fewer.")
    return number


def check_flag(who: str, name: str, value: object) -> bool:
    """True or False, and nothing that merely counts as one of them."""
    if type(value).__name__ not in ("bool", "bool_"):  # numpy has its own
        raise UsageError(f"{who}: {name}={value!r} is neither True nor False. Give one of them.")
    return bool(value)


def check_probability(who: str, name: str, value: object) -> float:
    """A number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= value <= 1:
        raise UsageError(f"{who}: {name}={value!r} is not a probability. Give 0 to 1.")
    return float(value)


def check_type(who: str, dtype: object) -> None:
    """A floating-point type of torch's, or None."""
    if dtype is None or isinstance(dtype, torch.dtype) and dtype.is_floating_point:
        return
    raise UsageError(
        f"{who}: dtype={dtype!r} is not a floating-point type. Give torch.float32 or torch.float64."
    )
