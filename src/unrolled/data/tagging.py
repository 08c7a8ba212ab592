"""What a tagger's numbers mean: its words, their letters and shapes, further columns, and its tags;
sentences as batches of them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, get_args

import torch
from torch import Tensor

from ..task import Batch
from .conll import Sentence
from .examples import padded
from .spans import Scheme, Span, between, spans, whole
from .vectors import Vectors

UNKNOWN = "<unk>"  # index 0 of words, letters and shapes
UNSCORED = -100  # the tag of a word whose tag training never saw
LONGEST = 40  # letters that are read of a word: of a longer one its beginning and its end
MOST = 2_000_000  # names in a list of an encoding
MOST_TAGS = 2_000
GROWING = ("letters", "shapes", "outlines", "tags", "ambiguous")


class Reading(NamedTuple):
    """A batch as a model reads it: N distinct words, and which of them stands where.

    places          (T, B) int64, of the distinct words; lengths (B,)
    words           (N, 4) int64: the word, its vector, its shape, its outline
    letters         (L, N) int64, and how many each word has, (N,)
    columns         (F, T, B) int64: further columns
    texts           the distinct words themselves
    """

    places: Tensor
    lengths: Tensor
    words: Tensor
    letters: Tensor
    letter_counts: Tensor
    columns: Tensor
    texts: list[str]


class Gold(NamedTuple):
    """The true tags: (T, B) int64, UNSCORED where training never saw one or no word is; and the
    sentences, in the batch's order.
    """

    indices: Tensor
    sentences: list[Sentence]


def normal(word: str) -> str:
    """As words are looked up: in small letters, digits as 0.

    >>> normal("Boeing-747")
    'boeing-000'
    """
    return re.sub(r"\d", "0", word.lower())


def shape(word: str) -> str:
    """Kinds of letters, of a run at most three: A a 0, other signs as they are.

    >>> shape("McDonald's"), shape("@user2000")
    ("AaAaaa'a", '@aaa000')
    """
    kinds = ("A" if c.isupper() else "a" if c.islower() else "0" if c.isdigit() else c for c in word[:LONGEST])
    return re.sub(r"(.)\1\1\1+", r"\1\1\1", "".join(kinds))


def outline(word: str) -> str:
    """Its shape with a run as one, signs alike.

    >>> outline("McDonald's"), outline("@user2000")
    ('AaAa.a', '.a0')
    """
    return re.sub(r"(.)\1+", r"\1", re.sub(r"[^Aa0]", ".", shape(word)))


@dataclass(frozen=True)
class Tagging:
    """The lists that indices point into. Of words, letters, shapes, outlines and each
    column, 0 is what is not known.

    words    the training part's, normal ones; counts says how often each stands there
    letters  of its words
    tags     all tags that there are, and the scheme that their spans are written in
    ambiguous  words that have several tags in the training part, as they are written there
    vectors  words with pretrained vectors, and how wide these are; `table` holds them where
             they have just been read

    >>> made = Tagging.of([Sentence(("EU", "says"), ("B-ORG", "O"))], "bio")
    >>> made.words, made.tags
    (('<unk>', 'eu', 'says'), ('O', 'B-ORG', 'I-ORG'))
    """

    beside: ClassVar[tuple[str, ...]] = ("counts", "ambiguous")

    words: tuple[str, ...]
    counts: tuple[int, ...]
    letters: tuple[str, ...]
    shapes: tuple[str, ...]
    outlines: tuple[str, ...]
    columns: tuple[tuple[str, ...], ...]
    tags: tuple[str, ...]
    scheme: Scheme
    ambiguous: tuple[str, ...] = ()
    vectors: tuple[str, ...] = ()
    vector_width: int = 0
    table: Tensor | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, training: Sequence[Sentence], scheme: Scheme, rare: int = 1) -> Tagging:
        """Of the part that is learned from alone. Words that stand there fewer than
        `rare` times are not known.
        """
        words = Counter(word for sentence in training for word in sentence.words)
        norms: Counter[str] = Counter()
        for word, count in words.items():
            norms[normal(word)] += count
        known = sorted(word for word, count in norms.items() if count >= rare)
        width = len(training[0].features)
        return cls(
            (UNKNOWN, *(word for word in known if word != UNKNOWN)),
            (0, *(norms[word] for word in known if word != UNKNOWN)),
            (UNKNOWN, *sorted({letter for word in words for letter in word})),
            (UNKNOWN, *sorted({shape(word) for word in words})),
            (UNKNOWN, *sorted({outline(word) for word in words})),
            tuple((UNKNOWN, *sorted({v for s in training for v in s.features[k]})) for k in range(width)),
            whole((tag for sentence in training for tag in sentence.tags), scheme),
            scheme,
            _ambiguous(training),
        )

    def with_vectors(self, vectors: Vectors) -> Tagging:
        return replace(self, vectors=vectors.words, vector_width=vectors.values.shape[1], table=vectors.values)

    def grown(self, other: Tagging) -> Tagging:
        """With what another one of the same scheme has beside, behind its own."""

        def joined(mine: tuple, its: tuple) -> tuple:
            known = set(mine)
            return mine + tuple(each for each in its if each not in known)

        words = joined(self.words, other.words)
        counts = dict(zip(other.words, other.counts))
        return replace(
            self,
            words=words,
            counts=self.counts + tuple(counts[word] for word in words[len(self.words) :]),
            columns=tuple(map(joined, self.columns, other.columns)),
            **{name: joined(getattr(self, name), getattr(other, name)) for name in GROWING},
        )

    @property
    def allowed(self) -> tuple[list[list[bool]], list[bool], list[bool]]:
        return between(self.tags, self.scheme)

    @cached_property
    def _places(self) -> dict[str, dict[str, int]]:
        """From each list's names to their indices."""
        lists = {
            name: getattr(self, name) for name in ("words", "letters", "shapes", "outlines", "tags", "vectors")
        }
        lists |= {f"column {k}": column for k, column in enumerate(self.columns)}
        first = {"vectors": 1}  # 0 stands for no vector
        return {
            name: {each: place for place, each in enumerate(values, first.get(name, 0))}
            for name, values in lists.items()
        }

    @cached_property
    def _known(self) -> dict[str, tuple[list[int], list[int]]]:
        """Words that have been looked up, as `_word` gives them."""
        return {}

    def _word(self, word: str) -> tuple[list[int], list[int]]:
        """The numbers of a word and of its letters."""
        found = self._known.get(word)
        if found is None:
            places, norm = self._places, normal(word)
            vectors = places["vectors"]
            read = word if len(word) <= LONGEST else word[: LONGEST * 3 // 4] + word[-LONGEST // 4 :]
            found = (
                [
                    places["words"].get(norm, 0),
                    vectors.get(word) or vectors.get(word.lower()) or vectors.get(norm, 0),
                    places["shapes"].get(shape(word), 0),
                    places["outlines"].get(outline(word), 0),
                ],
                [places["letters"].get(letter, 0) for letter in read],
            )
            if len(self._known) < MOST:
                self._known[word] = found
        return found

    def gather(self, sentences: list[Sentence]) -> Batch:
        """Sentences side by side."""
        distinct: dict[str, int] = {}
        places = [[distinct.setdefault(word, len(distinct)) for word in each.words] for each in sentences]
        numbers, spelled = zip(*map(self._word, distinct))
        letters, letter_counts = padded(spelled)
        padded_places, lengths = padded(places)
        columns = [
            padded([[known.get(value, 0) for value in each.features[k]] for each in sentences])[0]
            for k, known in enumerate(self._places[f"column {k}"] for k in range(len(self.columns)))
        ]
        reading = Reading(
            padded_places,
            lengths,
            torch.tensor(numbers),
            letters,
            letter_counts,
            torch.stack(columns) if columns else padded_places.new_zeros(0, *padded_places.shape),
            list(distinct),
        )
        return Batch(reading, self._gold(sentences, lengths), len(sentences))

    def _gold(self, sentences: list[Sentence], lengths: Tensor) -> Gold:
        known = self._places["tags"]
        indices = padded(
            [
                [known.get(tag, UNSCORED) for tag in each.tags] or [UNSCORED] * len(each.words)
                for each in sentences
            ]
        )[0]
        return Gold(indices.where(torch.arange(len(indices))[:, None] < lengths, UNSCORED), sentences)

    def names(self, tags: Tensor, lengths: Tensor) -> list[list[str]]:
        """The tags of each row (T, B)."""
        return [
            [self.tags[tag] for tag in row[:length]] for row, length in zip(tags.t().tolist(), lengths.tolist())
        ]

    def spans(self, tags: Sequence[str]) -> list[Span] | None:
        """The spans of a sentence's tags; None where tags are not spans."""
        return None if self.scheme == "plain" else spans(tags, self.scheme)

    def covered(self, sentences: Iterable[Sentence]) -> str:
        """How many of some sentences' words have a pretrained vector."""
        words = Counter(word for sentence in sentences for word in sentence.words)
        there = [word for word in words if self._word(word)[0][1]]
        share, kinds = sum(words[word] for word in there) / words.total(), len(there) / len(words)
        return f"{share:.1%} of the words have a vector ({kinds:.1%} of the distinct ones)"

    def to_json(self) -> dict:
        return {
            "words": list(self.words),
            "counts": list(self.counts),
            "letters": list(self.letters),
            "shapes": list(self.shapes),
            "outlines": list(self.outlines),
            "columns": [list(column) for column in self.columns],
            "tags": list(self.tags),
            "scheme": self.scheme,
            "ambiguous": list(self.ambiguous),
            "vectors": list(self.vectors),
            "vector_width": self.vector_width,
        }

    @classmethod
    def of_json(cls, stored: dict) -> Tagging:
        """Read what `to_json` made; raises ValueError where it is anything else."""
        if set(stored) != {part.name for part in fields(cls)} - {"table"}:
            raise ValueError("its parts are not those of a tagger")
        lists = {
            name: _names(stored[name], name) for name in ("letters", "shapes", "outlines", "words", "tags")
        }
        counts, width = stored["counts"], stored["vector_width"]
        if (
            not isinstance(counts, list)
            or len(counts) != len(lists["words"])
            or not all(map(_is_count, counts))
        ):
            raise ValueError("counts are not one whole number a word")
        if stored["scheme"] not in get_args(Scheme) or not isinstance(stored["columns"], list):
            raise ValueError("scheme or columns are none")
        if len(lists["tags"]) > MOST_TAGS or not _is_count(width) or width > 4096:
            raise ValueError("tags or vectors are too many")
        columns = tuple(_names(column, "a column") for column in stored["columns"])
        vectors, ambiguous = (_names(stored[name], name, least=0) for name in ("vectors", "ambiguous"))
        if any(values[0] != UNKNOWN for values in (*columns, *(lists[k] for k in lists if k != "tags"))):
            raise ValueError("a list does not begin with what is not known")
        if bool(vectors) != bool(width) or len(columns) > 100:
            raise ValueError("vectors or columns are not there")
        return cls(
            counts=tuple(counts),
            columns=columns,
            scheme=stored["scheme"],
            ambiguous=ambiguous,
            vectors=vectors,
            vector_width=width,
            **lists,
        )


def _ambiguous(training: Iterable[Sentence]) -> tuple[str, ...]:
    first: dict[str, str] = {}
    return tuple(
        sorted(
            {
                word
                for each in training
                for word, tag in zip(each.words, each.tags)
                if first.setdefault(word, tag) != tag
            }
        )
    )


def _names(values: Any, what: str, least: int = 1) -> tuple[str, ...]:
    good = isinstance(values, list) and least <= len(values) <= MOST and all(isinstance(v, str) for v in values)
    if not good or len(set(values)) != len(values):
        raise ValueError(f"{what} is not a list of distinct texts")
    return tuple(values)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
