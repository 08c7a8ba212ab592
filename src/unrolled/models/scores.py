"""How well labels were found: accuracy, F1 by class and over all, the confusion of classes,
the score of probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from ..errors import UsageError
from ..views.confusion import class_table, confusion_figure, confusion_text

# Classes of which each is counted against each: the square of a stranger's labels is no small number.
MOST_CONFUSED = 1_000


class ClassRow(NamedTuple):
    """One class: how many of the examples said to be of it are (precision), how many that are of it were said
    to be (recall), the harmonic mean of both, and how many there are."""

    label: str
    precision: float
    recall: float
    f1: float
    count: int


def accuracy(right: Tensor, said: Tensor) -> float:
    """Share of examples whose class was found; of multi-label examples, whose labels all were.

    right, said  (N,) int64; or (N, labels) of zeros and ones
    """
    same = right == said
    return (same if same.dim() == 1 else same.all(1)).double().mean().item()


def confusion(right: Tensor, said: Tensor, classes: int) -> Tensor:
    """How often each class was taken for each: (classes, classes) int64, a row for what was right.

    >>> confusion(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    return torch.bincount(right * classes + said, minlength=classes * classes).view(classes, classes)


def counts(right: Tensor, said: Tensor, classes: int) -> tuple[Tensor, Tensor, Tensor]:
    """Of each class: how often it was found, how often it was said, how often it was right; each (classes,)."""
    if right.dim() == 2:
        return (right * said).sum(0), said.sum(0), right.sum(0)
    found, claimed, there = (part.bincount(minlength=classes) for part in (right[right == said], said, right))
    return found, claimed, there


def class_rows(right: Tensor, said: Tensor, labels: Sequence[str]) -> list[ClassRow]:
    """A row for each class; 0 where nothing divides (as scikit-learn has it)."""
    found, claimed, there = (part.double() for part in counts(right, said, len(labels)))
    parts = (_ratio(found, claimed), _ratio(found, there), _ratio(2 * found, claimed + there), there.long())
    return [ClassRow(label, *row) for label, *row in zip(labels, *(part.tolist() for part in parts))]


def macro_f1(right: Tensor, said: Tensor, classes: int) -> float:
    """Mean F1 over the classes that are there or were said: rare ones count as much as frequent ones.

    >>> macro_f1(torch.tensor([0, 0, 0, 1]), torch.tensor([0, 0, 0, 0]), 3)
    0.42857142857142855
    """
    found, claimed, there = (part.double() for part in counts(right, said, classes))
    seen = claimed + there > 0
    if not seen.any():
        return 0.0
    return _ratio(2 * found, claimed + there)[seen].mean().item()


def micro_f1(right: Tensor, said: Tensor) -> float:
    """F1 over all labels of all multi-label examples together, (N, labels) each."""
    found, claimed, there = (part.sum().double() for part in counts(right, said, right.shape[1]))
    return _ratio(2 * found, claimed + there).item()


def brier(chances: Tensor, right: Tensor) -> float:
    """Mean squared distance of probabilities from what was right, summed over classes (Brier 1950): 0 is
    perfect, 2 is certain and wrong. It is lowest for honest probabilities, and tells models apart that have the
    same accuracy on few examples.

    chances  (N, classes)
    right    (N,) int64, or (N, labels) of zeros and ones
    """
    truth = right if right.dim() == 2 else torch.nn.functional.one_hot(right, chances.shape[1])
    return ((chances - truth) ** 2).sum(1).mean().item()


def _ratio(above: Tensor, below: Tensor) -> Tensor:
    return torch.where(below > 0, above / below.clamp_min(1), 0.0)


@dataclass(frozen=True)
class Report:
    """What can be said of labels beyond one figure, for people and for programs.

    labels  of the classes
    rows    one for each class
    table   the confusion, a row for what was right; none of multi-label examples, and none
            of more than 1,000 classes
    """

    labels: tuple[str, ...]
    rows: list[ClassRow]
    table: list[list[int]] | None

    @classmethod
    def of(cls, right: Tensor, said: Tensor, labels: Sequence[str]) -> Report:
        drawn = right.dim() == 1 and len(labels) <= MOST_CONFUSED
        table = confusion(right, said, len(labels)).tolist() if drawn else None
        return cls(tuple(labels), class_rows(right, said, labels), table)

    def text(self) -> str:
        parts = [class_table(self.rows)]
        if self.table is not None:
            parts.append(confusion_text(self.labels, self.table))
        return "\n\n".join(parts)

    def draw(self, file: str | Path) -> None:
        """The confusion as .svg, .png or .pdf. Raises UsageError where there is none, and what
        `confusion_figure` raises.
        """
        if self.table is None:
            raise UsageError(
                "there is no table of which class was taken for which, of several labels at once or of more"
                f" than {MOST_CONFUSED:,} classes: leave --picture out."
            )
        confusion_figure(self.labels, self.table, file)

    def to_json(self) -> dict:
        rows = {row.label: {k: v for k, v in row._asdict().items() if k != "label"} for row in self.rows}
        return {"classes": rows} | ({} if self.table is None else {"confusion": self.table})
