"""A long text as indices, cut into streams that are read side by side, and into pieces for its evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..task import Batch, Part

ROWS = 32  # parallel pieces of a long text
CONTEXT = 256  # positions each piece reads before its score counts
SPAN = 256  # positions at a time; bounds the memory
UNSCORED = -100  # as torch.nn.functional.cross_entropy has it


@dataclass(frozen=True)
class Streams:
    """A text as indices, cut into `rows` streams that are read side by side, `span` positions a step.

    Every position is an input once an epoch, but for a remainder of less than one batch; each epoch begins at
    another place, so that the remainder and the cuts are not always the same.
    """

    encoding: Any
    training: Tensor
    validation: Tensor
    rows: int
    span: int
    digest: str
    source: str
    kept: Tensor | None = None  # for the report
    notes: tuple[str, ...] = ()  # what is to be said of them

    @property
    def training_size(self) -> int:
        return len(self.training)

    @property
    def held_out_size(self) -> int:
        return len(self.validation)

    @property
    def steps_per_epoch(self) -> int:
        return (len(self.training) - 1) // (self.rows * self.span)

    @property
    def units_per_step(self) -> int:
        return self.rows * self.span

    def batch(self, step: int, part: Part = Part()) -> Batch:
        """Inputs and targets of a step, each (T, B) int64. The same step always gives the same batch."""
        epoch, place = divmod(step, self.steps_per_epoch)
        length = self.steps_per_epoch * self.span  # of one stream
        slack = len(self.training) - 1 - self.rows * length
        first = (epoch * 0.6180339887 % 1.0) * (slack + 1)  # golden ratio: no two epochs alike
        position = int(first) + place * self.span + torch.arange(self.span)[:, None]
        position = position + torch.arange(self.rows)[None, part.rank :: part.size] * length
        inputs, targets = self.training[position], self.training[position + 1]
        return Batch(inputs.long(), targets.long(), targets.numel(), continues=place > 0)

    def held_out(self) -> Iterator[Batch]:
        """The held-out text, every position after the first once."""
        return pieces(self.validation)

    def test(self) -> Iterator[Batch]:
        """The text that is kept for the report, where there is one."""
        return iter(()) if self.kept is None else pieces(self.kept)


def pieces(text: Tensor) -> Iterator[Batch]:
    """A text (n,) of n >= 2 indices in batches of (T, B) that score every position
    after the first exactly once.

    A long text is cut into up to 32 pieces that run side by side, each with the state carried from its start to
    its end. A piece first reads the 256 positions before it, unscored, so that it does not start cold; the
    first piece starts at the text's first position. Texts under 2048 positions run in one piece.

    >>> [(batch.count, batch.continues) for batch in pieces(torch.zeros(600, dtype=torch.int64))]
    [(256, False), (256, True), (87, True)]
    """
    count = len(text) - 1
    rows = max(1, min(ROWS, count // 1024))
    context = CONTEXT if rows > 1 else 0
    length = -(-(count - context) // rows)
    # Row r reads positions r * length .. (r + 1) * length + context and scores all but the first `context`;
    # row 0 scores those too. So the scored parts join without a gap.
    for start in range(0, length + context, SPAN):
        steps = torch.arange(start, min(start + SPAN, length + context))[:, None]
        position = steps + torch.arange(rows)[None, :] * length
        scored = (position < count) & ((steps >= context) | (torch.arange(rows) == 0))
        position = position.clamp_max(count - 1)
        targets = torch.where(scored, text[position + 1].long(), UNSCORED)
        yield Batch(text[position].long(), targets, int(scored.sum()), continues=start > 0)
