"""What counting reaches on strings: an n-gram model, to compare a network with."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

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


def ngram_labels(
    strings: Sequence[Indices], labels: Sequence[int], others: Sequence[Indices], order: int, characters: int
) -> Tensor:
    """log of the probability of a label and a string together, (others, labels) float64.

    By an n-gram model of each label's strings, and by how frequent the label is (Peng and Schuurmans, Combining
    naive Bayes and n-gram language models for text classification, 2003).

    strings     to learn from, with their labels, 0 and on
    others      to be judged, one at least
    order       how many characters, the one that is scored included, are looked at
    characters  V, how many there are, with the mark of an end, which is the last

    >>> ngram_labels([(0, 1), (0, 1), (1, 0)], [0, 0, 1], [(0, 1), (1, 0)], 2, 3).argmax(1).tolist()
    [0, 1]
    """
    asked, scored = _joined(others, order, characters - 1)
    scored = scored[1:]
    owner = torch.arange(len(others)).repeat_interleave(torch.tensor([len(string) + 1 for string in others]))
    counts = torch.tensor(labels).bincount()
    found = torch.full((len(others), len(counts)), -torch.inf, dtype=torch.float64)
    for label, count in enumerate(counts.tolist()):
        if count:
            text, _ = _joined([s for s, its in zip(strings, labels) if its == label], order, characters - 1)
            nats = KneserNey.of(text, characters, order).nats(asked)[scored]
            total = torch.zeros(len(others), dtype=torch.float64).index_add_(0, owner, nats)
            found[:, label] = math.log(count / len(strings)) - total
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
