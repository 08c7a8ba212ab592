"""Texts that a character model writes, as they are drawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch

from .draw import DrawRule
from .language import LanguageModel
from .sample import write, write_many

SIDE_BY_SIDE = 256  # texts that are written together
ROOM = 2**22  # characters of them


@dataclass(frozen=True)
class Writing:
    """What to write, and how freely it is drawn."""

    prime: str | None = None
    """text to go on from; without one, a line's start"""
    length: int = 500
    """how many characters"""
    temperature: float = 0.8
    """below 1 more predictable, above 1 wilder, 0 always the likeliest"""
    top_k: int | None = None
    """draw among the k likeliest characters only"""
    top_p: float | None = None
    """draw among the fewest characters that together have this probability"""
    seed: int = 0
    """the same seed writes the same text"""
    count: int = 1
    """how many texts, of the seeds from --seed on"""
    weights: Literal["float32", "bf16"] = "float32"
    """float32, or bf16 for half the bytes; the loss of both is then said"""
    probabilities: bool = False
    """write nothing; say how probable each character of the text is, and which are
    the likeliest in its place"""

    @property
    def rule(self) -> DrawRule:
        return DrawRule(self.temperature, self.top_k, self.top_p)


@dataclass(frozen=True)
class Written:
    """A text that follows a prime; it is drawn when it is first asked for, and then kept."""

    prime: str
    seed: int
    heading: str
    drawn: Iterator[str]

    @cached_property
    def text(self) -> str:
        """The text without its prime."""
        return "".join(self.drawn)

    def pieces(self) -> Iterator[str]:
        """The prime and the text, character by character as they are drawn."""
        yield self.heading + self.prime
        yield from self.__dict__.get("text", self.drawn)

    def to_json(self) -> dict:
        return {"prime": self.prime, "seed": self.seed, "text": self.text}


def written(model: LanguageModel, encoding: Any, prime: str | None, ask: Writing) -> Iterator[Written]:
    """The texts that are asked for after one prime. `encoding` has `characters`, `encode` and `decode`."""
    begin = prime
    if begin is None:
        begin = "\n" if "\n" in encoding.characters else encoding.characters[0]
    indices: torch.Tensor = encoding.encode(begin, "--prime")
    shown = prime or ""
    if ask.count == 1:
        drawn = write(model, indices, ask.length, ask.rule, seed=ask.seed, weights=ask.weights)
        return iter([Written(shown, ask.seed, "", (encoding.characters[index] for index in drawn))])
    return (
        Written(shown, seed, f"--- seed {seed}\n", iter(encoding.decode(row)))
        for first, rows in _groups(model, indices, ask)
        for seed, row in enumerate(rows.t().tolist(), first)
    )


def _groups(model: LanguageModel, indices: torch.Tensor, ask: Writing) -> Iterator[tuple[int, torch.Tensor]]:
    """Texts a number at a time, so that any number of them fits into memory: the first one's
    seed, and (length, texts).
    """
    most = max(1, min(SIDE_BY_SIDE, ROOM // max(1, ask.length)))
    for first in range(0, max(1, ask.count), most):  # of a count below 1 `write_many` says what is wrong
        count, seed = min(most, ask.count - first), ask.seed + first
        yield (
            seed,
            write_many(model, indices, ask.length, ask.rule, count=count, seed=seed, weights=ask.weights),
        )
