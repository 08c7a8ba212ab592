"""What counting reaches on strings: an n-gram model, to compare a network with."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .kneser_ney import KneserNey
from .strings import Indices


def ngram_nats(training: Iterable[Indices], held_out: Iterable[Indices], order: int, characters: int) -> float:
    """Mean -log p of each character of the strings held out and of the mark at their ends, in nats.

    order       how many characters, the predicted one included, are looked at; none before a string's beginning
    characters  V, how many there are, with the mark, which is the last

    >>> round(ngram_nats([(0, 1), (0, 1)], [(0, 1)], 2, 3), 2)
    0.41
    """
    text, _ = _joined(training, order, characters - 1)
    asked, scored = _joined(held_out, order, characters - 1)
    return KneserNey.of(text, characters, order).nats(asked)[scored[1:]].mean().item()


@dataclass(frozen=True)
class LabelNgrams:
    """Which label a string has, by an n-gram model of each label's strings and by how frequent the label is.

    Called with B strings it gives (B, labels) float64: log of how probable label and string are together.
    Source: Peng and Schuurmans, Combining naive Bayes and n-gram language models for text classification, 2003.

    models  of each label that has strings: log of its share, and what was counted
    order   how many characters, the one that is scored included, are looked at
    mark    of an end, the last of the characters

    >>> counted = LabelNgrams.of([(0, 1), (0, 1), (1, 0)], [0, 0, 1], 2, 2, 3)
    >>> counted([(0, 1), (1, 0)]).argmax(1).tolist()
    [0, 1]
    """

    models: tuple[tuple[float, KneserNey] | None, ...]
    order: int
    mark: int

    @classmethod
    def of(
        cls, strings: Sequence[Indices], labels: Sequence[int], classes: int, order: int, characters: int
    ) -> LabelNgrams:
        """Of strings of indices below V - 1 with labels below `classes`; `characters` is V, with the mark."""
        apart: list[list[Indices]] = [[] for _ in range(classes)]
        for string, label in zip(strings, labels):
            apart[label].append(string)
        models: list[tuple[float, KneserNey] | None] = []
        for its in apart:
            text, _ = _joined(its, order, characters - 1)
            share = math.log(len(its) / len(strings)) if its else -math.inf
            models.append((share, KneserNey.of(text, characters, order)) if its else None)
        return cls(tuple(models), order, characters - 1)

    def __call__(self, strings: Sequence[Indices]) -> Tensor:
        asked, scored = _joined(strings, self.order, self.mark)
        scored = scored[1:]
        owner = torch.arange(len(strings)).repeat_interleave(
            torch.tensor([len(string) + 1 for string in strings])
        )
        found = torch.full((len(strings), len(self.models)), -torch.inf, dtype=torch.float64)
        for label, known in enumerate(self.models):
            if known is not None:
                share, model = known
                nats = model.nats(asked)[scored]
                found[:, label] = share - torch.zeros(len(strings)).double().index_add_(0, owner, nats)
        return found


def _joined(strings: Iterable[Indices], order: int, mark: int) -> tuple[Tensor, Tensor]:
    """Strings one after the other, with so many marks between that none sees another,
    and what of it is theirs.
    """
    between = max(1, order - 1)
    parts, scored = [torch.full((between,), mark)], [torch.zeros(between, dtype=torch.bool)]
    for string in strings:
        parts.append(torch.tensor((*string, *[mark] * between)))
        scored.append(torch.arange(len(parts[-1])) <= len(string))
    return torch.cat(parts), torch.cat(scored)
