"""Subwords: parts of words by byte-pair encoding (Sennrich, Haddow and Birch 2016), by
the library `tokenizers`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ..errors import UsageError
from .text import Text
from .words import LONGEST, checked_marks, encoded, parts

MOST = 500_000  # parts of a vocabulary
BYTES = 256
# The letters that GPT-2's way to write has for bytes: themselves, where they are seen on a page, and
# the next ones from 256 on.
SEEN = (*range(33, 127), *range(161, 173), *range(174, 256))
LETTERS = frozenset(map(chr, (*SEEN, *range(BYTES, 2 * BYTES - len(SEEN)))))


@dataclass(frozen=True)
class Subwords:
    """Parts of words in a fixed order, made of bytes (as GPT-2's are), so that there is no unknown one.

    pieces  as the library writes them: one letter for a byte, "Ġ" for a space
    merges  indices of two pieces that are put together to a third, the first merge first
    marks   some of "<pad>", "<s>", "</s>"; their indices come before those of the pieces

    The methods are those of `Words`. Raises UsageError, when it is first used, where
    `tokenizers` is not installed.

        v = Subwords.of(["to be or not to be"], size=260)
        v.decode(v.encode("not to be")) == "not to be"
    """

    pieces: tuple[str, ...]
    merges: tuple[tuple[int, int], ...]
    marks: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, texts: str | Text | Iterable[str], *, size: int = 8000, marks: tuple[str, ...] = ()
    ) -> Subwords:
        """Learn the pieces of texts, of training texts only.

        size  how many pieces, 256 at least; marks come beside them
        """
        if not BYTES <= size <= MOST:
            raise UsageError(f"{size} parts of words: give a number from {BYTES} to {MOST:,}.")
        library = _library()
        tokenizer = _empty(library.models.BPE())
        trainer = library.trainers.BpeTrainer(
            vocab_size=size,
            initial_alphabet=library.pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
            max_token_length=LONGEST,
        )
        tokenizer.train_from_iterator(map(_clean, parts(texts)), trainer)
        learned = json.loads(tokenizer.to_str())["model"]
        pieces = sorted(learned["vocab"], key=learned["vocab"].__getitem__)
        merges = tuple((learned["vocab"][a], learned["vocab"][b]) for a, b in learned["merges"])
        return cls(tuple(pieces), merges, marks)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What each index stands for, as a reader sees it."""
        shown = [self._tokenizer.decode([place]) for place in range(len(self.pieces))]
        return (*self.marks, *shown)

    @cached_property
    def _tokenizer(self) -> Any:
        places = {piece: place for place, piece in enumerate(self.pieces)}
        merges = [(self.pieces[a], self.pieces[b]) for a, b in self.merges]
        return _empty(_library().models.BPE(vocab=places, merges=merges))

    def mark(self, name: str) -> int:
        """The index of "<pad>", "<s>" or "</s>". Raises ValueError where it was not asked for."""
        return self.marks.index(name)

    @property
    def never(self) -> tuple[int, ...]:
        """The indices that no text is to be made of."""
        return tuple(range(len(self.marks)))

    @property
    def ordered(self) -> int:
        """How many indices, from 0 on, are in the order of their frequency, or nearly: all."""
        return len(self)

    @property
    def alone(self) -> dict[str, int]:
        """Words, or first parts of words, with a space before them, and their indices."""
        return {
            name[1:]: place for place, name in enumerate(self.names) if name[:1] == " " and name[1:2].isalnum()
        }

    def shown(self, index: int) -> str:
        """What an index stands for, as a reader sees it."""
        return self.names[index]

    def tokens(self, text: str) -> list[str]:
        """A text's pieces, one an index of `encode`, as a reader sees them."""
        return [self.names[index] for index in self.encode(text).tolist()]

    def __len__(self) -> int:
        return len(self.marks) + len(self.pieces)

    def encode(self, text: str | Text) -> Tensor:
        """The indices of a text's pieces: (n,) int64; of a Text int32, read block by block."""
        if isinstance(text, Text):
            return encoded(text, self)
        found = self._tokenizer.encode(_clean(text)).ids
        return torch.tensor(found, dtype=torch.int64, device="cpu") + len(self.marks)

    def decode(self, indices: Iterable[int] | Tensor) -> str:
        """The text of indices; marks are left out, and bytes that are not UTF-8 become U+FFFD."""
        first = len(self.marks)
        return self._tokenizer.decode([int(index) - first for index in indices if int(index) >= first])

    def to_json(self) -> dict:
        return {
            "pieces": list(self.pieces),
            "merges": [list(pair) for pair in self.merges],
            "marks": list(self.marks),
        }

    @classmethod
    def of_json(cls, stored: dict) -> Subwords:
        """Read what `to_json` made; raises ValueError where it is anything else. The library is
        given nothing else of it.
        """
        if stored.keys() != {"pieces", "merges", "marks"}:
            raise ValueError("not pieces, merges and marks")
        pieces, merges = stored["pieces"], stored["merges"]
        if not isinstance(pieces, list) or not BYTES <= len(pieces) <= MOST:
            raise ValueError("not a list of pieces")
        if not all(map(_is_piece, pieces)) or not LETTERS <= set(pieces):
            raise ValueError("a piece is not made of bytes")
        if len(set(pieces)) != len(pieces):
            raise ValueError("a piece is there twice")
        return cls(tuple(pieces), _checked_merges(merges, pieces), checked_marks(stored["marks"]))


def _is_piece(piece: object) -> bool:
    return isinstance(piece, str) and 0 < len(piece) <= LONGEST and set(piece) <= LETTERS


def is_subwords(stored: dict) -> bool:
    """Whether an encoding in a run's folder is one of subwords."""
    return "pieces" in stored


def _checked_merges(merges: object, pieces: list[str]) -> tuple[tuple[int, int], ...]:
    """Pairs of pieces that together are a piece."""
    known, count = set(pieces), len(pieces)
    if not isinstance(merges, list) or len(merges) > count:
        raise ValueError("not a list of merges")
    for pair in merges:
        if (
            not isinstance(pair, list)
            or len(pair) != 2
            or not all(type(k) is int and 0 <= k < count for k in pair)
        ):
            raise ValueError("a merge is not two pieces")
        if pieces[pair[0]] + pieces[pair[1]] not in known:
            raise ValueError("a merge gives no piece")
    return tuple((first, second) for first, second in merges)


def _clean(text: str) -> str:
    """Line ends as "\\n"; halves of surrogate pairs, which no UTF-8 has, as question marks."""
    return text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace").decode()


def _empty(model: Any) -> Any:
    library = _library()
    tokenizer = library.Tokenizer(model)
    tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = library.decoders.ByteLevel()
    return tokenizer


def _library() -> Any:
    try:
        import tokenizers
    except ImportError:
        raise UsageError(
            'parts of words are made by the package tokenizers: pip install "unrolled[subwords]", or take whole'
            " words."
        ) from None
    return tokenizers
