"""Rows of a batch that end at different steps, packed so that finished rows drop out of the loop.

Packed order is torch's own (PackedSequence): rows sorted by length, longest first; then the rows of step
0, those of step 1 that have not ended, and so on. Padding is never read, so that NaN in it reaches
neither values nor gradients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy
import torch
from torch import Tensor

from ..errors import NotYet, ShapeError, UsageError
from ..kernels import StepRows


@dataclass(frozen=True)
class PackedRows:
    """Which rows run at which step of one call, and how to go between padded and packed.

    step_rows  for the kernel, forward in time
    steps     T of the padded sequences
    take      (N,) places in a padded (T * B, ·) tensor in packed order; None where nothing is
              padded or packed already
    backward  (N,) packed places with every row's time reversed; None where all rows have all steps
    order     (B,) the caller's rows in sorted order; None where they are sorted
    restore   (B,) the other way round
    lengths   (B,) while a compiler traces: their values are looked at when the program runs (operator.py), so
              that until then all rows have all steps
    """

    step_rows: StepRows
    steps: int
    take: Tensor | None = None
    backward: Tensor | None = None
    order: Tensor | None = None
    restore: Tensor | None = None
    lengths: Tensor | None = None

    def pack(self, padded: Tensor) -> Tensor:
        """(T, B, ...) to (N, ...)."""
        flat = padded.flatten(0, 1)
        return flat if self.take is None else flat.index_select(0, self.take)

    def unpack(self, packed: Tensor) -> Tensor:
        """(N, width) to (T, B, width), zero past each row's length; what autograd keeps is never handed out."""
        if self.take is None:
            steps, batch = self.steps, self.step_rows.batch
            # Which checks a trace by one without gradients.
            kept = packed.requires_grad or torch.jit.is_tracing()
            if kept and (steps == 1 or batch == 1):
                return torch.stack([packed], 0 if steps == 1 else 1)  # one operation, where each counts
            padded = packed.view(steps, batch, packed.shape[-1])
            return torch.cat([padded]) if kept else padded
        padded = packed.new_zeros(self.steps * self.step_rows.batch, packed.shape[-1])
        # In place on zeros that nobody else sees: autograd follows, and a second buffer is saved.
        return padded.index_copy_(0, self.take, packed).view(self.steps, self.step_rows.batch, packed.shape[-1])

    def sort(self, state: Tensor) -> Tensor:
        """(B, width) in the caller's order to the kernel's."""
        return state if self.order is None else state.index_select(0, self.order)

    def unsort(self, state: Tensor) -> Tensor:
        """(B, width) in the kernel's order to the caller's."""
        return state if self.restore is None else state.index_select(0, self.restore)


def all_rows(steps: int, batch: int) -> PackedRows:
    """All rows have all steps."""
    return PackedRows(StepRows(steps, batch), steps)


def rows_of(
    lengths: Tensor | Sequence[int], steps: int, batch: int, device: torch.device, who: str
) -> PackedRows:
    """Rows of the given lengths, (B,) whole numbers from 0 to T.

    Raises ShapeError where there is not one for each row or one is out of range, UsageError where they are not
    whole numbers; `who` begins the message.
    """
    given = _whole_numbers(lengths, who)
    if given.shape != (batch,):
        raise ShapeError(
            f"{who} got lengths of shape {tuple(given.shape)} for a batch of {batch}. "
            "Give one length for each row."
        )
    if torch.compiler.is_compiling():
        if torch.onnx.is_in_onnx_export():
            raise NotYet(
                f"{who} got lengths, and torch.onnx.export cannot follow them. Export without lengths."
            )
        return PackedRows(StepRows(steps, batch), steps, lengths=given)
    # Of short sequences torch's operations on indices take as long as a step of the kernel.
    numbers = given.numpy()
    if not batch or numbers.min() == numbers.max() == steps:
        return all_rows(steps, batch)
    if numbers.min() < 0 or numbers.max() > steps:
        row = int(((numbers < 0) | (numbers > steps)).argmax())
        raise ShapeError(
            f"{who} got length {numbers[row]} for row {row} of a sequence of {steps} steps. "
            f"Lengths go from 0 to {steps}."
        )
    order = numpy.argsort(-numbers, kind="stable")
    lengths = numbers[order]
    sizes = batch - numpy.searchsorted(lengths[::-1], numpy.arange(lengths[0]), side="right")
    time, row = _time_and_row(sizes)
    restore = None
    if not (order == numpy.arange(batch)).all():
        restore = numpy.empty_like(order)
        restore[order] = numpy.arange(batch)
    return PackedRows(
        StepRows(int(lengths[0]), batch, tuple(sizes.tolist())),
        steps,
        _index(time * batch + order[row], device),
        _index(_reversed(sizes, time, row, lengths), device),
        None if restore is None else _index(order, device),
        None if restore is None else _index(restore, device),
    )


def packed_rows(batch_sizes: Tensor, order: Tensor | None, restore: Tensor | None, data: Tensor) -> PackedRows:
    """Rows of a torch PackedSequence, whose data are packed already.

    Raises RuntimeError, as torch.nn does, where its parts contradict each other: anybody may put one together.
    """
    sizes, device = _sizes_of(batch_sizes, len(data)), data.device
    steps, batch = len(sizes), sizes[0]
    for name, given in (("sorted_indices", order), ("unsorted_indices", restore)):
        if given is not None and given.shape != (batch,):
            raise RuntimeError(f"the PackedSequence has {name} of shape {tuple(given.shape)} for {batch} rows.")
    if sizes[-1] == batch:
        return PackedRows(StepRows(steps, batch), steps, order=order, restore=restore)
    counts = numpy.array(sizes)
    time, row = _time_and_row(counts)
    lengths = steps - numpy.searchsorted(counts[::-1], numpy.arange(batch), side="right")
    backward = _index(_reversed(counts, time, row, lengths), device)
    return PackedRows(StepRows(steps, batch, tuple(sizes)), steps, None, backward, order, restore)


def _sizes_of(batch_sizes: Tensor, total: int) -> list[int]:
    """How many rows run at each step, without steps at the end at which none do."""
    if batch_sizes.dim() != 1 or batch_sizes.dtype is not torch.int64:
        raise RuntimeError(
            f"the PackedSequence has batch_sizes of shape {tuple(batch_sizes.shape)} and type "
            f"{str(batch_sizes.dtype)[6:]}. One row of int64 expected, as pack_padded_sequence makes it."
        )
    sizes = batch_sizes.tolist()
    growing = any(after > before for before, after in zip(sizes, sizes[1:]))
    if growing or sizes[-1] < 0 or sum(sizes) != total:
        wrong = "grow" if growing else "are negative" if sizes[-1] < 0 else f"add up to {sum(sizes)}"
        raise RuntimeError(
            f"the PackedSequence has {total} rows of data, and its batch_sizes {wrong}. They never grow and add"
            " up to the rows of data, as pack_padded_sequence makes them."
        )
    return [n for n in sizes if n]


def _time_and_row(sizes: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
    """The step and the sorted row of each packed place, for so many rows at each step."""
    time = numpy.repeat(numpy.arange(len(sizes)), sizes)
    return time, numpy.arange(len(time)) - (sizes.cumsum() - sizes)[time]


def _reversed(
    sizes: numpy.ndarray, time: numpy.ndarray, row: numpy.ndarray, lengths: numpy.ndarray
) -> numpy.ndarray:
    """Packed places of each row's steps, last step first; its own inverse."""
    first = sizes.cumsum() - sizes
    return first[lengths[row] - 1 - time] + row


def _index(places: numpy.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(places).to(device)


def _whole_numbers(lengths: Tensor | Sequence[int], who: str) -> Tensor:
    try:
        given = lengths.cpu() if isinstance(lengths, Tensor) else torch.as_tensor(lengths, device="cpu")
    except (TypeError, ValueError, RuntimeError):
        raise UsageError(f"{who} got lengths={lengths!r}. Give whole numbers, one for each row.") from None
    if given.is_floating_point() or given.is_complex() or given.dtype is torch.bool:
        if given.numel():
            raise UsageError(
                f"{who} got lengths of type {str(given.dtype)[6:]}. Give whole numbers, one for each row."
            )
    return given.long()
