"""Short strings that a character model makes, each from a mark of its beginning to the same mark at its end.

The mark is the model's last character, V - 1. A string is a tuple of the others' indices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from .draw import DrawRule, NoNumbers
from .language import LanguageModel
from .sample import drawing

UNSCORED = -100  # cross_entropy's ignore_index
PART = 8  # characters drawn before it is asked whether all strings have ended
Indices = tuple[int, ...]


@dataclass(frozen=True)
class Wanted:
    """What strings are to be like.

    begin, end  the characters that they begin and end with
    longest     characters of a string, at most
    rule        what may be drawn, and how boldly
    given       (K,) float, the conditions, where the model has some
    """

    longest: int
    rule: DrawRule = DrawRule()
    begin: Indices = ()
    end: Indices = ()
    given: Tensor | None = None


def marked(strings: Sequence[Indices], mark: int) -> tuple[Tensor, Tensor]:
    """Strings side by side as a model reads them and as it should go on: both (T, B) int64, the
    latter UNSCORED past each end.

    >>> marked([(1, 0), ()], 2)
    (tensor([[2, 2],
            [1, 2],
            [0, 2]]), tensor([[   1,    2],
            [   0, -100],
            [   2, -100]]))
    """
    inputs = pad_sequence([torch.tensor((mark, *each)) for each in strings], padding_value=mark)
    targets = pad_sequence([torch.tensor((*each, mark)) for each in strings], padding_value=UNSCORED)
    return inputs, targets


def total_nats(logits: Tensor, targets: Tensor) -> Tensor:
    """The sum of -log p of every character that is scored, a scalar: logits (T, B, V), targets (T, B)."""
    return functional.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), ignore_index=UNSCORED, reduction="sum"
    )


@torch.no_grad()
def nats(model: LanguageModel, strings: Sequence[Indices], given: Tensor | None) -> list[float]:
    """-log p of each string with the mark at its end, under its row of the conditions given (B, K)."""
    inputs, targets = marked(strings, model.characters - 1)
    logits, _ = model(inputs if given is None else (inputs, given))
    lost = functional.cross_entropy(
        logits.double().movedim(-1, 1), targets, ignore_index=UNSCORED, reduction="none"
    )
    return lost.sum(0).tolist()


def strings(model: LanguageModel, wanted: Wanted, seeds: Sequence[int]) -> list[Indices | None]:
    """A string for each seed, which always draws the same one; None for one that had not ended when it was
    `longest`. Without an end that is asked for, see ending.py."""
    columns = drawn(model, wanted, seeds).t().tolist()
    mark = model.characters - 1
    return [(*wanted.begin, *row[: row.index(mark)]) if mark in row else None for row in columns]


def drawn(model: LanguageModel, wanted: Wanted, seeds: Sequence[int]) -> Tensor:
    """The characters that follow the beginning, (T, B) int64; what comes after a
    string's mark means nothing.
    """
    mark = model.characters - 1
    draws = drawing(model, torch.tensor((mark, *wanted.begin)), wanted.rule, seeds, given=wanted.given)
    left, parts = wanted.longest - len(wanted.begin) + 1, []
    ended = torch.zeros(len(seeds), dtype=torch.bool)
    while left > 0 and not ended.all():
        part = draws(min(PART, left))
        if part is None:
            raise NoNumbers
        parts.append(part)
        ended |= (part == mark).any(0)
        left -= len(part)
    return torch.cat([torch.empty(0, len(seeds), dtype=torch.int64), *parts])
