"""What counting reaches on strings: an n-gram model, to compare a network with."""

from __future__ import annotations

from collections.abc import Iterable

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
