"""What a word model says of a text: what may stand in its gap, how it goes on, how probable its words are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..errors import UsageError
from .draw import DrawRule, draw
from .gap import GAP, Ranked, ranked
from .probabilities import Probabilities, probabilities
from .words import WordModel
from .writing import Written

WINDOW = 8  # tokens that say whether a space stands before the next
EXAMPLE = 40  # tokens

Answer = Ranked | Written | Probabilities


@dataclass(frozen=True)
class Saying:
    """What is wanted of a text. Of one with a gap, ___, the words that may stand there, the most probable
    first; of another one, what follows it."""

    among: str | None = None
    """rank these only, with commas between them: French,Spanish"""
    best: int = 10
    """how many candidates for a gap are listed"""
    length: int = 100
    """how many tokens follow a text"""
    temperature: float = 0.8
    """below 1 more predictable, above 1 wilder, 0 always the likeliest"""
    top_k: int | None = None
    """draw among the k likeliest tokens only"""
    top_p: float | None = None
    """draw among the fewest tokens that together have this probability"""
    seed: int = 0
    """the same seed writes the same text"""
    count: int = 1
    """how many texts, of the seeds from --seed on"""
    probabilities: bool = False
    """say how probable each word of the text is, and which are the likeliest in its place"""

    @property
    def rule(self) -> DrawRule:
        return DrawRule(self.temperature, self.top_k, self.top_p)


def answers(model: WordModel, encoding: Any, inputs: Iterable[str], ask: Saying) -> Iterator[Answer]:
    """What is asked of each input; without one, a text from a line's start. `encoding` is
    as data/words.py has it.

    Raises UsageError for more gaps than one, for words that are not known, and for options out of range.
    """
    _check(ask)
    begin = int(encoding.encode("\n")[0])
    for text in list(inputs) or [""]:
        if ask.probabilities:
            yield probabilities(model, encoding, text, "token", begin)
        elif GAP.search(text) or ask.among is not None:
            yield ranked(
                model, encoding, text, begin, None if ask.among is None else ask.among.split(","), ask.best
            )
        else:
            for seed in range(ask.seed, ask.seed + ask.count):
                heading = f"--- seed {seed}\n" if ask.count > 1 else ""
                yield Written(text, seed, heading, _spoken(model, encoding, text, begin, ask, seed))


def example(model: WordModel, encoding: Any, seed: int) -> str:
    """A text of the model's."""
    (made,) = answers(model, encoding, (), Saying(length=EXAMPLE, seed=seed % 2**63))
    return made.text


def _check(ask: Saying) -> None:
    for option, value, least in (("best", ask.best, 1), ("length", ask.length, 0), ("count", ask.count, 1)):
        if value < least:
            raise UsageError(f"--{option} {value} is below {least}: give a whole number from {least} up.")
    if not 0 <= ask.seed <= ask.seed + ask.count < 2**63:
        raise UsageError(f"--seed {ask.seed} is out of range: give a whole number from 0 up.")
    ask.rule  # noqa: B018 - it says what is wrong with it


def _spoken(model: WordModel, encoding: Any, text: str, begin: int, ask: Saying, seed: int) -> Iterator[str]:
    """What follows a text, token by token, with the spaces between them."""
    read = [begin, *encoding.encode(text).tolist()]
    before, after = read[1:][-WINDOW:], []  # shown; and drawn, but perhaps a part of a letter
    spaced = text[-1:].isspace() or not text
    for index in _drawn(model, torch.tensor(read), encoding.never, ask, seed):
        after.append(index)
        old, new = encoding.decode(before), encoding.decode([*before, *after])
        if new.endswith("\N{REPLACEMENT CHARACTER}") and len(after) < WINDOW:
            continue
        more = new[len(old) :]
        yield more.lstrip(" ") if spaced else more
        before, after, spaced = [*before, *after][-WINDOW:], [], False


@torch.no_grad()
def _drawn(model: WordModel, read: Tensor, never: Iterable[int], ask: Saying, seed: int) -> Iterator[int]:
    """Tokens that follow those that were read, each drawn and then read; never one of some."""
    state = model.read(read[:-1, None])[1] if len(read) > 1 else None
    index, rule, never = int(read[-1]), ask.rule, list(never)
    for _ in range(ask.length):
        with torch.no_grad():  # a generator's caller decides what holds while it waits
            logits, state = model.step(torch.tensor([index]), state)
        logits[:, never] = -torch.inf
        index, seed = draw(logits[0].double().tolist(), rule, seed)
        yield index
