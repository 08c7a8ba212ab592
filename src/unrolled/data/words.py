"""Words: a text split into them and joined again, and the words that a model knows with their indices."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import chain
from typing import Literal

import torch
from torch import Tensor

from ..errors import UsageError
from .text import BLOCK, Text

PADDING, START, END, UNKNOWN = "<pad>", "<s>", "</s>", "<unk>"
MARKS = (PADDING, START, END)  # those that may be asked for, in the order in which they come
JOINER = "￭"  # U+FFED: on this side of a sign stood no space (OpenNMT's tokenizer writes it so, too)
LONGEST = 200  # letters of a word; a longer one is unknown
MOST = 2_000_000  # words of a vocabulary

Way = Literal["words", "spaces"]


def split_words(text: str) -> list[str]:
    """The words of a text, punctuation apart, each line's end as the word "\\n".

    A sign says on which sides of it no space stood, so that `join_words` gives the text back. Spaces and tabs
    beside each other are one, those around a line's end none; the joiner itself, U+FFED, is read as U+25A0.

    >>> split_words('"Well," he said.')
    ['"￭', 'Well', '￭,', '￭"', 'he', 'said', '￭.']
    """
    words: list[str] = []
    before, end = "\n", -1  # the kind of the word before, and where it ended
    for found in _words().finditer(text.replace(JOINER, "■").replace("\r\n", "\n").replace("\r", "\n")):
        word, kind = found[0], found.lastgroup or "\n"
        if found.start() == end and "\n" not in (kind, before):
            if kind == "word" and before == "sign":
                words[-1] += JOINER
            else:
                word = JOINER + word
        words.append(word)
        before, end = kind, found.end()
    return words


def join_words(words: Iterable[str]) -> str:
    """The text of words: the inverse of `split_words`, but for the width of spaces.

    >>> join_words(split_words("It's 3.5 % (or so) - isn't it?"))
    "It's 3.5 % (or so) - isn't it?"
    """
    parts, joined = [], True
    for word in words:
        if not (joined or word == "\n" or word.startswith(JOINER)):
            parts.append(" ")
        parts.append(bare(word))
        joined = word == "\n" or word.endswith(JOINER)
    return "".join(parts)


def bare(word: str) -> str:
    """A word without what says where no space stands."""
    return word.strip(JOINER)


def split_spaces(text: str) -> list[str]:
    """What stands between spaces, each line's end as the word "\\n": of texts that were split before.

    >>> split_spaces("no it was n't black monday\\n")
    ['no', 'it', 'was', "n't", 'black', 'monday', '\\n']
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    ended = chain.from_iterable((*line.split(), "\n") for line in lines[:-1])
    return [*ended, *lines[-1].split()]


def join_spaces(words: Iterable[str]) -> str:
    """The inverse of `split_spaces`."""
    return re.sub(r" ?\n ?", "\n", " ".join(words))


WAYS = {"words": (split_words, join_words), "spaces": (split_spaces, join_spaces)}


@cache
def _words() -> re.Pattern[str]:
    """A number with points and commas inside, or letters with hyphens and apostrophes inside; a line's end; or
    a sign, as often as it is repeated. Python counts marks that are set on letters (vowels of Devanagari,
    accents) as no letters; here they are."""
    marks = [k for k in range(0x10000) if unicodedata.category(chr(k)) in ("Mn", "Mc", "Me")]
    letter = rf"[\w\u200c\u200d{re.escape(''.join(map(chr, marks)))}]"
    return re.compile(
        rf"(?P<word>\d++(?:[.,]\d++){{1,9}}(?!{letter})|{letter}++(?:[-'’]{letter}++)*+)|\n|(?P<sign>(\S)\3*+)"
    )


@dataclass(frozen=True)
class Words:
    """Words in a fixed order, the most frequent first; before them marks, and the unknown word.

    words   as `split_words` or `split_spaces` gives them
    marks   some of "<pad>", "<s>", "</s>"; their indices come first, then the one of "<unk>"
    split   how texts are split: "words", or at "spaces" only where that has been done
    ranked  how many of the words, the first ones, are in that order: those behind them came later; 0: all are

    No text has a mark in it: what is spelled like one is an unknown word.

    >>> v = Words.of(["to be or not to be"], most=2)
    >>> v.names, v.encode("not to be").tolist(), v.decode([2, 1, 0])
    (('<unk>', 'be', 'to'), [0, 2, 1], 'to be <unk>')
    """

    words: tuple[str, ...]
    marks: tuple[str, ...] = ()
    split: Way = "words"
    ranked: int = 0

    @classmethod
    def of(
        cls,
        texts: str | Text | Iterable[str],
        *,
        most: int | None = None,
        least: int = 1,
        marks: tuple[str, ...] = (),
        split: Way = "words",
    ) -> Words:
        """The vocabulary of texts, of training texts only: the `most` words that are there most often,
        and `least` times at least. Words that are there equally often are sorted. Raises UsageError for
        texts without a word."""
        kept = _frequent(texts, least, split)[: MOST if most is None else most]
        if not kept:
            raise UsageError(f"there is no word that stands there {least} times or more: give a longer text.")
        return cls(tuple(kept), marks, split)

    def grown(self, texts: str | Text | Iterable[str], *, most: int, least: int = 1) -> tuple[Words, int]:
        """These words, and behind them those of other texts that are not among them and stand there
        `least` times at least, the most frequent first, up to `most` words in all; and how many
        words there was no room for.

        >>> old = Words.of(["to be or not to be"], most=2)
        >>> v, left = old.grown(["not to be that is not it that is not"], most=4)
        >>> v.names, v.ranked, left
        (('<unk>', 'be', 'to', 'not', 'is'), 2, 2)
        """
        new = [word for word in _frequent(texts, least, self.split) if word not in self]
        room = max(0, min(most, MOST) - len(self.words))
        if not new[:room]:
            return self, len(new)
        words, ranked = (*self.words, *new[:room]), self.ranked or len(self.words)
        return replace(self, words=words, ranked=ranked), len(new[room:])

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What each index stands for."""
        return (*self.marks, UNKNOWN, *self.words)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {word: place for place, word in enumerate(self.words, len(self.marks) + 1)}

    @property
    def ordered(self) -> int:
        """How many indices, from 0 on, are in the order of their frequency."""
        return len(self.marks) + 1 + (self.ranked or len(self.words))

    @property
    def unknown(self) -> int:
        """The index of all words that are not known."""
        return len(self.marks)

    @property
    def never(self) -> tuple[int, ...]:
        """The indices that no text is to be made of."""
        return tuple(range(len(self.marks) + 1))

    def mark(self, name: str) -> int:
        """The index of "<pad>", "<s>" or "</s>". Raises ValueError where it was not asked for."""
        return self.marks.index(name)

    @property
    def alone(self) -> dict[str, int]:
        """Words with spaces around them, and their indices."""
        return {word: place for word, place in self._places.items() if word[0].isalnum()}

    def shown(self, index: int) -> str:
        """What an index stands for, as a reader sees it."""
        return bare(self.names[index])

    def tokens(self, text: str) -> list[str]:
        """A text's words, one an index of `encode`, as a reader sees them."""
        return [bare(word) for word in WAYS[self.split][0](text)]

    def __len__(self) -> int:
        return len(self.marks) + 1 + len(self.words)

    def __contains__(self, word: str) -> bool:
        return word in self._places

    def indices(self, words: Iterable[str]) -> list[int]:
        """The index of each of some words."""
        places, unknown = self._places, self.unknown
        return [places.get(word, unknown) for word in words]

    def encode(self, text: str | Text) -> Tensor:
        """The indices of a text's words: (n,) int64; of a Text int32, read block by block."""
        if isinstance(text, str):
            return torch.tensor(self.indices(WAYS[self.split][0](text)), dtype=torch.int64, device="cpu")
        return encoded(text, self)

    def decode(self, indices: Iterable[int] | Tensor) -> str:
        """The text of indices; marks are left out."""
        known = (self.names[int(index)] for index in indices if int(index) >= len(self.marks))
        return WAYS[self.split][1](known)

    def to_json(self) -> dict:
        ranked = self.ranked or len(self.words)
        return {"words": list(self.words), "marks": list(self.marks), "split": self.split, "ranked": ranked}

    @classmethod
    def of_json(cls, stored: dict) -> Words:
        """Read what `to_json` made; raises ValueError where it is anything else."""
        words, split, ranked = stored.get("words"), stored.get("split"), stored.get("ranked")
        if split not in list(WAYS) or stored.keys() != {"words", "marks", "split", "ranked"}:
            raise ValueError("not words, marks, how texts are split, and how many words are in order")
        if not isinstance(words, list) or not 0 < len(words) <= MOST or not all(map(_is_word, words)):
            raise ValueError("not a list of words")
        if len(set(words)) != len(words):
            raise ValueError("a word is there twice")
        if type(ranked) is not int or not 0 < ranked <= len(words):
            raise ValueError("there are not so many words in order")
        return cls(tuple(words), checked_marks(stored["marks"]), split, ranked if ranked < len(words) else 0)


def _frequent(texts: str | Text | Iterable[str], least: int, split: Way) -> list[str]:
    """The words that stand in texts so often at least, the most frequent first."""
    counts: Counter[str] = Counter()
    for text in parts(texts):
        counts.update(WAYS[split][0](text))
    fit = (word for word in counts if counts[word] >= least and _is_word(word))
    return sorted(fit, key=lambda word: (-counts[word], word))


def _is_word(word: object) -> bool:
    """Whether a vocabulary may hold it: no mark, no space inside, no half of a surrogate pair, not too long."""
    if not isinstance(word, str) or not 0 < len(word) <= LONGEST or word in (*MARKS, UNKNOWN):
        return False
    return word == "\n" or not any(letter.isspace() or "\ud800" <= letter <= "\udfff" for letter in word)


def checked_marks(marks: object) -> tuple[str, ...]:
    """Marks as a list that a run's folder holds; raises ValueError where they are not some of
    those there are, in order.
    """
    if not isinstance(marks, list) or marks != [mark for mark in MARKS if mark in marks]:
        raise ValueError("not a list of marks")
    return tuple(marks)


def parts(texts: str | Text | Iterable[str]) -> Iterator[str]:
    """Texts one after the other; a long one in parts that begin with white space, so that no word is cut."""
    if not isinstance(texts, (str, Text)):
        yield from texts
        return
    rest = ""
    for block in (texts,) if isinstance(texts, str) else texts.blocks():
        rest += block
        whole = re.match(r".*\S(?=\s)", rest, re.DOTALL)
        end = whole.end() if whole else len(rest) if len(rest) > 8 * BLOCK else 0
        if end:
            yield rest[:end]
        rest = rest[end:]
    if rest:
        yield rest


def encoded(text: Text, encoding) -> Tensor:
    """The indices of a text that need not be in memory: (n,) int32. Raises UsageError where it is not what it
    was when it was first read."""
    found = [encoding.encode(part).int() for part in parts(text)]
    if Text.in_blocks(text.blocks, text.name).digest != text.digest:
        raise UsageError(f"{text.name} was changed while it was read: start again when it is as it shall be.")
    return torch.cat(found) if found else torch.zeros(0, dtype=torch.int32, device="cpu")
