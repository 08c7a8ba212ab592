"""What a translation model's numbers mean on either side: words, parts of words, or characters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from .subwords import Subwords, is_subwords
from .words import MARKS, Words, bare, join_words, split_words

Units = Literal["words", "subwords", "characters"]
SPACE = "␣"  # U+2423, as a character of its own
SAMPLES, SAMPLE = 3, 200  # samples, and characters of one


@dataclass(frozen=True)
class Side:
    """The symbols of one language, with marks for padding, start and end as the first three.

    >>> side = Side.of(["to be or not to be"], "words", 100)
    >>> side.encode("to be?"), side.pieces("to be?"), side.decode([4, 5])
    ([5, 4, 3], ['to', 'be', '?'], 'be to')
    """

    symbols: Words | Subwords
    units: Units

    @classmethod
    def of(cls, texts: Iterable[str], units: Units, size: int, least: int = 1) -> Side:
        """Those of texts to learn from. size: at most so many; least: words that stand
        there less often are unknown.
        """
        if units == "subwords":
            return cls(Subwords.of(map(_begun, texts), size=size, marks=MARKS), units)
        if units == "characters":
            return cls(Words.of(map(_spaced, texts), most=size, marks=MARKS, split="spaces"), units)
        return cls(Words.of(texts, most=size, least=least, marks=MARKS), units)

    def grown(self, texts: Iterable[str], size: int, least: int = 1) -> tuple[Side, int]:
        """This side, with what other texts have beside behind its own, and how much there was no room for.
        Parts of words stay as they are: they spell every text."""
        if isinstance(self.symbols, Subwords):
            return self, 0
        if self.units == "characters":
            texts, least = map(_spaced, texts), 1
        symbols, left = self.symbols.grown(texts, most=size, least=least)
        return replace(self, symbols=symbols), left

    def __len__(self) -> int:
        return len(self.symbols)

    def encode(self, text: str) -> list[int]:
        """The indices of a text's symbols, without marks."""
        way = {"subwords": _begun, "characters": _spaced, "words": str}[self.units]
        return self.symbols.encode(way(text)).tolist()

    def decode(self, indices: Sequence[int], unknown: Sequence[str] = ()) -> str:
        """The text of indices. unknown: what stands for the unknown words, one after the other."""
        if self.units == "subwords":
            return self.symbols.decode(indices).strip()
        names, rest = [], iter(unknown)
        for index in indices:
            if index >= len(MARKS):
                name = self.symbols.names[index]
                names.append(next(rest, name) if index == self.symbols.unknown else name)
        if self.units == "characters":
            return "".join(names).replace(SPACE, " ").strip()
        return join_words(names)

    def pieces(self, text: str) -> list[str]:
        """What the symbols of a text are called, unknown words by their own names."""
        if self.units == "words":
            return [bare(word) for word in split_words(text)]
        if self.units == "characters":
            return _spaced(text).split(" ")
        return [self.symbols.names[index] for index in self.encode(text)]

    def names(self, indices: Iterable[int]) -> list[str]:
        """What indices are called."""
        return [bare(self.symbols.names[index]) for index in indices]

    @property
    def unknown(self) -> int | None:
        """The index of all words that are not known; None where every text can be spelled."""
        return None if isinstance(self.symbols, Subwords) else self.symbols.unknown

    def to_json(self) -> dict:
        return {"units": self.units, "symbols": self.symbols.to_json()}

    @classmethod
    def of_json(cls, stored: object) -> Side:
        """Read what `to_json` made; raises ValueError where it is anything else."""
        if not isinstance(stored, dict) or stored.keys() != {"units", "symbols"}:
            raise ValueError("not units and symbols")
        units, inside = stored["units"], stored["symbols"]
        if units not in ("words", "subwords", "characters") or not isinstance(inside, dict):
            raise ValueError("not units and symbols")
        if is_subwords(inside) != (units == "subwords"):
            raise ValueError(f"the symbols are not {units}")
        symbols = Subwords.of_json(inside) if units == "subwords" else Words.of_json(inside)
        if symbols.marks != MARKS:
            raise ValueError("the marks are missing")
        return cls(symbols, units)


@dataclass(frozen=True)
class Sides:
    """Both sides' symbols, and some sources whose translations are shown while a model learns."""

    source: Side
    target: Side
    samples: tuple[str, ...] = ()

    def to_json(self) -> dict:
        return {
            "source": self.source.to_json(),
            "target": self.target.to_json(),
            "samples": list(self.samples),
        }

    @classmethod
    def of_json(cls, stored: dict) -> Sides:
        """Read what `to_json` made; raises ValueError where it is anything else."""
        if stored.keys() != {"source", "target", "samples"}:
            raise ValueError("not a source, a target and samples")
        samples = stored["samples"]
        if not isinstance(samples, list) or len(samples) > SAMPLES or not all(map(_is_sample, samples)):
            raise ValueError("not a few texts as samples")
        return cls(Side.of_json(stored["source"]), Side.of_json(stored["target"]), tuple(samples))


def _is_sample(text: object) -> bool:
    return isinstance(text, str) and 0 < len(text) <= SAMPLE


def _begun(text: str) -> str:
    """A word is the same at a text's beginning as behind a space."""
    return " " + " ".join(text.split())


def _spaced(text: str) -> str:
    return " ".join(text.replace(SPACE, "?").replace(" ", SPACE))
