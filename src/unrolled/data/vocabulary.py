"""The characters that a model knows, and their indices."""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy
import torch

from unrolled.data.text import Text, code_points
from unrolled.errors import UsageError

INDICES = (numpy.uint8, numpy.int16, numpy.int32)
# Bytes of indices; more are in a file, of which the system keeps in memory what there is room for.
IN_MEMORY = 2**27


def spell(character: str) -> str:
    """A character so that a reader can find it: quoted, with its code point.

    >>> spell("é")
    "'é' (U+00E9)"
    """
    if 0xDC80 <= ord(character) <= 0xDCFF:  # how Python hands on a byte that it could not decode (PEP 383)
        return f"the byte 0x{ord(character) - 0xDC00:02x} (not UTF-8)"
    return f"{character!r} (U+{ord(character):04X})"


def is_character(text: str) -> bool:
    """Whether a text is one character that files of text can hold: no half of a surrogate pair."""
    return len(text) == 1 and not 0xD800 <= ord(text) <= 0xDFFF


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
    def of(cls, text: str | Text) -> Vocabulary:
        """The vocabulary of a text: its distinct characters, sorted by code point."""
        return cls(text.alphabet if isinstance(text, Text) else tuple(sorted(set(text))))

    def grown(self, text: str | Text) -> Vocabulary:
        """This vocabulary, with the characters of a text that it lacks behind its own.

        >>> Vocabulary.of("hello").grown("ahoi").characters
        ('e', 'h', 'l', 'o', 'a', 'i')
        """
        return Vocabulary(
            self.characters + tuple(c for c in Vocabulary.of(text).characters if c not in self._known)
        )

    def __len__(self) -> int:
        return len(self.characters)

    def shown(self, index: int) -> str:
        """What an index stands for."""
        return self.characters[index]

    def tokens(self, text: str) -> list[str]:
        """A text's characters, one an index of `encode`."""
        return list(text)

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.characters)

    @cached_property
    def _table(self) -> numpy.ndarray:
        """Code point -> index; 0 where unknown. Indices are of the smallest type that holds them."""
        kind = next(k for k in INDICES if len(self) <= numpy.iinfo(k).max + 1)
        table = numpy.zeros(max(map(ord, self.characters)) + 1, dtype=kind)
        table[[ord(character) for character in self.characters]] = numpy.arange(len(self))
        return table

    def encode(self, text: str | Text, what: str | None = None) -> torch.Tensor:
        """The indices of a text's characters, (len(text),): int64 of a str; of a Text uint8, int16 or
        int32, whatever holds them, and in a mapped temporary file where that is large.
        `tensor[...].long()` is what a model takes.

        Raises UsageError naming the characters that are unknown; `what` names the text in it.
        """
        whole = isinstance(text, Text)
        strange = [c for c in (text.alphabet if whole else sorted(set(text))) if c not in self._known]
        if strange:
            name = what or (text.name if whole else "the text")
            raise UsageError(self._unknown(text.blocks() if whole else [text], set(strange), name))
        if whole:
            return torch.from_numpy(self._encoded(text))
        return torch.from_numpy(self._table[code_points(text)].astype(numpy.int64))

    def _encoded(self, text: Text) -> numpy.ndarray:
        """Read once more, into memory or into a file that is gone with this process. Raises UsageError where
        the text is not what it was when it was first read."""
        kind, digest = self._table.dtype, hashlib.sha256()

        def blocks() -> Iterator[numpy.ndarray]:
            left = len(text)
            for block in text.blocks():
                digest.update(block.encode())
                left -= len(block)
                if left < 0:
                    break
                yield self._table.take(code_points(block), mode="clip")

        made = (
            _mapped(blocks(), len(text), kind)
            if len(text) * kind.itemsize > IN_MEMORY
            else _filled(blocks(), len(text), kind)
        )
        if digest.hexdigest() != text.digest:
            raise UsageError(
                f"{text.name} was changed while it was read: start again when it is as it shall be."
            )
        return made

    def decode(self, indices) -> str:
        """The text of a sequence of indices (a list or an int64 tensor (n,))."""
        return "".join(self.characters[int(index)] for index in indices)

    def _unknown(self, blocks: Iterable[str], strange: set[str], what: str) -> str:
        counts, length = Counter(), 0
        for block in blocks:
            counts.update(character for character in block if character in strange)
            length += len(block)
        named = ", ".join(spell(character) for character, _ in counts.most_common(5))
        more = f" and {len(counts) - 5} more" if len(counts) > 5 else ""
        return (
            f"{what} has characters that the training text never had: {named}{more} "
            f"({sum(counts.values())} of {length}). Remove or replace them; the {len(self)} known ones "
            "are in the run's encoding.json."
        )

    def to_json(self) -> dict:
        """The characters in a JSON object."""
        return {"characters": list(self.characters)}

    @classmethod
    def of_json(cls, stored: dict) -> Vocabulary:
        """Read what `to_json` made; raises ValueError where it is anything else."""
        characters = stored.get("characters")
        good = isinstance(characters, list) and all(isinstance(c, str) and is_character(c) for c in characters)
        if not good or not characters or len(set(characters)) != len(characters) or len(stored) != 1:
            raise ValueError("not a list of distinct characters")
        return cls(tuple(characters))


def _filled(blocks: Iterable[numpy.ndarray], length: int, kind: numpy.dtype) -> numpy.ndarray:
    made, at = numpy.zeros(length, dtype=kind), 0
    for block in blocks:
        made[at : at + len(block)] = block
        at += len(block)
    return made


def _mapped(blocks: Iterable[numpy.ndarray], length: int, kind: numpy.dtype) -> numpy.ndarray:
    """A map of a temporary file that has no name any more. Raises UsageError where
    the disk has no room for it.
    """
    try:
        with tempfile.TemporaryFile(prefix="unrolled-") as file:
            for block in blocks:
                file.write(block.tobytes())
            file.flush()
            file.truncate(length * kind.itemsize)
            return numpy.memmap(file, dtype=kind, mode="c", shape=(length,))
    except OSError as error:
        raise UsageError(
            f"a text of {length:,} characters is kept in a temporary file, and {tempfile.gettempdir()} does not"
            f" take it ({error.strerror}): make room there, or set TMPDIR to a folder on another disk."
        ) from None
