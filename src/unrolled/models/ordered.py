"""Strings to order, as they are asked for: drawn, and left out where they are not new."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, groupby
from typing import Any, NamedTuple

import torch

from ..errors import UsageError
from .draw import DrawRule, uniform
from .ending import strings_with_end
from .language import LanguageModel
from .strings import Wanted, nats, strings

ROUND, WITH_END = 256, 16  # strings drawn together, and of those with an end that is asked for
ENOUGH = 100  # drawn for each that is asked for; if there are still too few, there are no more
Values = tuple[str, ...]


@dataclass(frozen=True)
class Ordering:
    """What strings to make, and how boldly."""

    count: int = 10
    """how many strings"""
    temperature: float = 0.8
    """below 1 more predictable, above 1 wilder, 0 always the likeliest"""
    top_k: int | None = None
    """draw among the k likeliest characters only"""
    top_p: float | None = None
    """draw among the fewest characters that together have this probability"""
    begin: str | None = None
    """what the strings begin with"""
    end: str | None = None
    """what the strings end with"""
    longest: int | None = None
    """characters of a string, at most; without it those of the longest string learned from"""
    repeats: bool = False
    """strings that were learned from, and the same one again, may come, too"""
    seed: int = 0
    """the same seed makes the same strings"""


@dataclass
class Tally:
    """How many strings were drawn, and what they were.

    drawn  all of them
    valid  those that came to an end, and are not empty
    novel  those of the valid ones that were not learned from
    texts  the valid ones, each once
    given  those that were given out
    """

    drawn: int = 0
    valid: int = 0
    novel: int = 0
    given: int = 0
    texts: set[str] = field(default_factory=set)

    def count(self, text: str, known: bool) -> bool:
        """One more; whether it is a new one, neither learned from nor drawn before."""
        self.drawn += 1
        if not text:
            return False
        new = not known and text not in self.texts
        self.valid += 1
        self.novel += not known
        self.texts.add(text)
        return new

    def shares(self) -> dict[str, float]:
        """Of those drawn the valid ones, and of these the novel ones, and those left if each counts once."""
        valid = max(1, self.valid)
        return {
            "valid": self.valid / max(1, self.drawn),
            "novel": self.novel / valid,
            "distinct": len(self.texts) / valid,
        }


class Made(NamedTuple):
    """A string, and the values of all conditions that it was drawn under."""

    text: str
    values: Values


@dataclass(frozen=True)
class Ordered:
    """The strings that one input asks for; they are drawn when they are asked for.

    asked  conditions by name
    """

    model: LanguageModel
    encoding: Any
    asked: dict[str, str]
    ask: Ordering

    @cached_property
    def strings(self) -> list[Made]:
        return self._whole[0]

    @cached_property
    def tally(self) -> Tally:
        return self._whole[1]

    @cached_property
    def _whole(self) -> tuple[list[Made], Tally]:
        tally = Tally()
        return list(self._made(tally)), tally

    def pieces(self) -> Iterator[str]:
        """A line a string as they are drawn, with the conditions that were left open; at
        the end, what was drawn.
        """
        left_open = [k for k, column in enumerate(self.encoding.columns) if column.name not in self.asked]
        tally = Tally()
        for text, values in self._made(tally):
            yield "\t".join((text, *(values[k] for k in left_open))) + "\n"
        shares = ", ".join(f"{share:.0%} {name}" for name, share in tally.shares().items())
        asked = ", ".join(f"{name}={value}" for name, value in self.asked.items())
        yield f"({asked and f'{asked}: '}{tally.given:,} of {tally.drawn:,} drawn, {shares})"

    def to_json(self) -> dict:
        names, made = [column.name for column in self.encoding.columns], self.strings
        given = torch.stack([self.encoding.given(values) for _, values in made]) if made and names else None
        lost = nats(self.model, [self.encoding.encode(text) for text, _ in made], given)
        rows = [
            {"text": text, "conditions": dict(zip(names, values)), "nats": each}
            for (text, values), each in zip(made, lost)
        ]
        return {"asked": self.asked, "strings": rows, "drawn": self.tally.drawn, **self.tally.shares()}

    def _made(self, tally: Tally) -> Iterator[Made]:
        ask = self.ask
        most = ask.count * (ENOUGH if ask.temperature else 1)
        for made in drawn(self.model, self.encoding, self.asked, ask):
            new = tally.count(made.text, bool(made.text) and self.encoding.is_known(made.text))
            if made.text and (new or ask.repeats):
                tally.given += 1
                yield made
            if tally.given == ask.count or tally.drawn == most:
                return


def ordered(model: LanguageModel, encoding: Any, inputs: Iterable[str], ask: Ordering) -> Iterator[Ordered]:
    """What is asked for by each input, such as "language=Greek"; without inputs, strings of any kind.

    encoding  has `columns`, `asked`, `values_of`, `given`, `encode`, `decode`, `is_known` and `longest`

    Raises UsageError for options out of range, and for conditions and characters that there are not.
    """
    _check(ask)
    for text in list(inputs) or [""]:
        yield Ordered(model, encoding, encoding.asked(text), ask)


def drawn(model: LanguageModel, encoding: Any, asked: dict[str, str], ask: Ordering) -> Iterator[Made]:
    """Strings without end, one a seed, in order; "" for what came to no end. However many are drawn
    together, they are the same."""
    found = encoding.values_of(asked)
    together = WITH_END if ask.end else ROUND
    # So that the strings of two seeds have nothing to do with each other.
    first = int(uniform(ask.seed)[1] * 2**53)
    size = min(together, max(8, ask.count))
    while True:
        seeds = range(first, first + size)
        chosen = sorted((drawn_values(found, seed), seed) for seed in seeds)
        made: dict[int, Made] = {}
        for values, group in groupby(chosen, key=lambda pair: pair[0]):
            mine = [seed for _, seed in group]
            wanted = _wanted(encoding, values, ask)
            rows = strings_with_end(model, wanted, mine) if wanted.end else strings(model, wanted, mine)
            made |= {seed: Made(encoding.decode(row or ()), values) for seed, row in zip(mine, rows)}
        yield from (made[seed] for seed in seeds)
        first, size = first + size, together


def drawn_values(found: list[tuple[Values, int]], seed: int) -> Values:
    """One of some combinations, as often as there are rows of it; the same for the same seed.

    >>> drawn_values([(("f",), 1), (("m",), 3)], 0)
    ('m',)
    """
    if len(found) == 1:
        return found[0][0]
    ends = list(accumulate(count for _, count in found))
    number = uniform(~seed % 2**64)[1] * ends[-1]  # not the number that the first character is drawn with
    return found[next(k for k, end in enumerate(ends) if number < end)][0]


def _wanted(encoding: Any, values: Values, ask: Ordering) -> Wanted:
    begin, end = (
        encoding.encode(text or "", option) for text, option in ((ask.begin, "--begin"), (ask.end, "--end"))
    )
    longest = ask.longest or max(encoding.longest, len(begin) + len(end))
    return Wanted(
        longest,
        DrawRule(ask.temperature, ask.top_k, ask.top_p),
        begin,
        end,
        encoding.given(values) if encoding.columns else None,
    )


def _check(ask: Ordering) -> None:
    DrawRule(ask.temperature, ask.top_k, ask.top_p)
    if ask.count < 1:
        raise UsageError(f"--count {ask.count} is below 1: give how many strings to make.")
    if not 0 <= ask.seed < 2**63:
        raise UsageError(f"--seed {ask.seed} is out of range: give a whole number from 0 up.")
    if ask.longest is not None and not 1 <= ask.longest <= 2**16:
        raise UsageError(
            f"--longest {ask.longest} is out of range: give a number of characters from 1 to {2**16:,}."
        )
    least = max(len(ask.begin or ""), len(ask.end or ""))
    if ask.longest is not None and ask.longest < least:
        raise UsageError(
            f"--longest {ask.longest} is shorter than what the strings are to begin or end with, {least}"
            " characters: give a larger one."
        )
