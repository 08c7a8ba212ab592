"""What a layer says about tensors that do not fit it: what was given, what clashes, one thing to do."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from ..errors import ShapeError, UsageError
from ..kernels.gate import why_closed


def type_name(value: object) -> str:
    return str(value.dtype).removeprefix("torch.") if isinstance(value, Tensor) else type(value).__name__


def check_input(x: object, who: str, width: int, batch_first: bool) -> None:
    """x is (T, B, width) or (T, width) float, or int64 indices (T, B) or (T,)."""
    if isinstance(x, PackedSequence):
        raise UsageError(
            f"{who} got a PackedSequence. Give it padded, rnn(x, lengths=lengths); "
            "unrolled.LSTM, GRU and RNN take packed sequences as torch.nn's do."
        )
    if not isinstance(x, Tensor):
        raise UsageError(f"{who} got x of type {type_name(x)}. Give a tensor.")
    shown = "(B, T" if batch_first else "(T, B"
    shape = tuple(x.shape)
    if not x.is_floating_point():
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

    Under autocast it is brought to that type, for what comes out of the layer before may be bfloat16 then. True and
    false become 1 and 0.
    """
    if value.device != like.device:
        raise UsageError(
            f"{who} got {what} on {value.device}, its parameters are on {like.device}. "
            f"Move one: {what}.to({str(like.device)!r}) or rnn.to({str(value.device)!r})."
        )
    if value.dtype is torch.bool:
        return value.to(like.dtype)
    if value.dtype is like.dtype or not value.is_floating_point():
        return value
    if torch.is_autocast_enabled(like.device.type):
        return value.to(like.dtype)
    raise UsageError(
        f"{who} got {what} of type {type_name(value)}, its parameters are {type_name(like)}. "
        f"Convert one: {what}.to({like.dtype}) or rnn.to({value.dtype})."
    )


def check_indices(x: Tensor, who: str, width: int) -> None:
    """Indices are 0 .. width - 1: a kernel reads memory with them. One pass; not where nobody can look at values, for then
    the operator checks when it runs, or the reference backend."""
    if torch.compiler.is_compiling() or why_closed((x,)) or not x.numel():
        return
    low, high = (int(v) for v in x.aminmax())
    if low < 0 or high >= width:
        raise UsageError(
            f"{who} got index {low if low < 0 else high} in x. "
            f"With input_size {width}, indices run from 0 to {width - 1}."
        )


def check_extra(value: object, who: str, name: str, width: int, lead: Sequence[int]) -> Tensor:
    """A further input of the cell as (T, B, width); the last axis may be left out where it is a number."""
    if not isinstance(value, Tensor):
        raise UsageError(f"{who} got {name} of type {type_name(value)}. Give a tensor.")
    lead, shape = tuple(lead), tuple(value.shape)
    if width == 1 and shape == lead:
        return value.unsqueeze(-1)
    if shape != (*lead, width):
        numbers = f"{lead} or " if width == 1 else ""
        raise ShapeError(
            f"{who} got {name} of shape {shape}, but x has {' x '.join(map(str, lead))} steps and rows. "
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
        if not isinstance(value, Tensor):
            raise UsageError(f"{who} got state {name} of type {type_name(value)}. Give a tensor.")
        if value.shape != shape:
            raise ShapeError(
                f"{who} got state {name} of shape {tuple(value.shape)}, {shape} expected. "
                "The axes are layers x directions, batch, width."
            )
    return [of_type(value, like, who, name) for name, value in zip(names, state)]


def _wanted(names: Sequence[str], shapes: Sequence[tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in zip(names, shapes))


def check_sizes(who: str, **sizes: int) -> None:
    """Sizes are whole numbers above 0."""
    for name, value in sizes.items():
        if isinstance(value, bool) or not isinstance(value, int):
            raise UsageError(f"{who}: {name}={value!r} is no whole number. Give 1 or more.")
        if value < 1:
            raise UsageError(f"{who}: {name}={value} is below 1. Give 1 or more.")
