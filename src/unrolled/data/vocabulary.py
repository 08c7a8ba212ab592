"""The characters that a model knows, and their indices."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy
import torch

from unrolled.errors import UsageError


def spell(character: str) -> str:
    """A character so that a reader can find it: quoted, with its code point.

    >>> spell("é")
    "'é' (U+00E9)"
    """
    return f"{character!r} (U+{ord(character):04X})"


@dataclass(frozen=True)
class Vocabulary:
    """Characters in a fixed order; the index of each is its place.

    >>> v = Vocabulary.of("hello")
    >>> v.characters
    ('e', 'h', 'l', 'o')
    >>> v.encode("hole").tolist(), v.decode([1, 3, 2, 0])
    ([1, 3, 2, 0], 'hole')
    """

    characters: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Vocabulary:
        """The vocabulary of a text: its distinct characters, sorted by code point."""
        return cls(tuple(sorted(set(text))))

    def __len__(self) -> int:
        return len(self.characters)

    @cached_property
    def _table(self) -> numpy.ndarray:
        """Code point -> index, -1 where unknown."""
        table = numpy.full(max(map(ord, self.characters)) + 1, -1, dtype=numpy.int64)
        table[[ord(character) for character in self.characters]] = numpy.arange(len(self))
        return table

    def encode(self, text: str, what: str = "the text") -> torch.Tensor:
        """The indices of a text's characters, int64 (len(text),).

        Raises UsageError naming the characters that are unknown; `what` names the text in it.
        """
        points = numpy.frombuffer(text.encode("utf-32-le"), dtype=numpy.uint32).astype(numpy.int64)
        indices = numpy.where(
            points < len(self._table), self._table[numpy.minimum(points, len(self._table) - 1)], -1
        )
        if (indices < 0).any():
            raise UsageError(self._unknown(text, what))
        return torch.from_numpy(indices)

    def decode(self, indices) -> str:
        """The text of a sequence of indices (a list or an int64 tensor (n,))."""
        return "".join(self.characters[int(index)] for index in indices)

    def _unknown(self, text: str, what: str) -> str:
        strange = Counter(character for character in text if character not in set(self.characters))
        named = ", ".join(spell(character) for character, _ in strange.most_common(5))
        more = f" and {len(strange) - 5} more" if len(strange) > 5 else ""
        return (
            f"{what} has characters that the training text never had: {named}{more} "
            f"({sum(strange.values())} of {len(text)}). Remove or replace them; the {len(self)} known ones "
            "are in the run's encoding.json."
        )

    def to_json(self) -> dict:
        """The characters in a JSON object."""
        return {"characters": list(self.characters)}

    @classmethod
    def of_json(cls, stored: dict) -> Vocabulary:
        """Read what `to_json` made; raises ValueError where it is anything else."""
        characters = stored.get("characters")
        good = isinstance(characters, list) and all(isinstance(c, str) and len(c) == 1 for c in characters)
        if not good or not characters or len(set(characters)) != len(characters) or len(stored) != 1:
            raise ValueError("not a list of distinct characters")
        return cls(tuple(characters))
