"""What a classifier's numbers mean: its labels, and the characters, words or scaled numbers that it reads."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, ClassVar, Literal, NamedTuple, get_args

import torch
from torch import Tensor

from ..errors import UsageError
from .labelled import LabelledExample
from .words import bare, split_words

Reads = Literal["characters", "words", "series", "numbers"]
UNKNOWN = 0  # the index of what is not known; symbols have those from 1 on
# A symbol that stands there once among so many is as good as unknown, and teaches what unknown means.
RARE = 200
WORDS = 30_000  # at most
WORDY = 4.0  # words in a text, on average, from which on words are read
LEAST = 0.05  # of the channels' mean deviation: of a channel that hardly moves, noise must not become all
MOST = 2_000_000  # symbols or labels that a run's folder may name
MOST_COUNTED = 100  # labels with n-gram models
LETTERS, MARKS = 5_000_000, 10  # characters of all their texts, with so many marks between two


class Scale(NamedTuple):
    """Of each channel: mean, deviation, and the deviation of the steps' differences."""

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    change: tuple[float, ...]


@dataclass(frozen=True)
class Classes:
    """An encoding of labelled examples.

    labels      in the order of the model's outputs
    reads       what a value is to the model
    multilabel  any number of labels may be right at once
    symbols     characters or words, from index 1 on; index 0 stands for all others
    channels    of series; of numbers, how many there are
    steps       the median length, of the training part
    missing     values may be missing
    scales      of numbers: one, or one for each model of a committee, from what that model learns from
    counted     labels and texts, one of each, of which n-gram models are to be made that vote, too: no place of
                the networks is any of them

    >>> classes = Classes.of([LabelledExample("aab", ("x",)), LabelledExample("ba", ("y",))], ["x", "y"])
    >>> classes.reads, classes.symbols, classes.values("abc").tolist()
    ('characters', ('a', 'b'), [1, 2, 0])
    """

    beside: ClassVar[tuple[str, ...]] = ("counted",)

    labels: tuple[str, ...]
    reads: Reads
    multilabel: bool = False
    symbols: tuple[str, ...] = ()
    channels: int = 0
    steps: int = 1
    missing: bool = False
    scales: tuple[Scale, ...] = ()
    counted: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(
        cls,
        examples: Sequence[LabelledExample],
        labels: Iterable[str],
        *,
        reads: Reads | None = None,
        multilabel: bool = False,
        folds: Sequence[int] = (),
    ) -> Classes:
        """The encoding of the examples that are learned from.

        labels  those there are, in any part
        reads   None: of texts words, where there are 4 or more in one on average, else
                characters; of a series its values
        folds   of each example, where a committee learns: the member that does not see it
        """
        if reads is None:
            reads = _usual(examples)
        known = cls(tuple(labels), reads, multilabel)
        if reads in ("characters", "words"):
            counts = Counter(symbol for value, _ in examples for symbol in known.split(value))
            least = 2 if counts.total() > RARE * len(counts) or reads == "words" else 1
            kept = sorted((s for s in counts if counts[s] >= least), key=lambda s: (-counts[s], s))[:WORDS]
            known = replace(known, symbols=tuple(sorted(kept)))
            lengths = [len(known.split(value)) for value, _ in examples]
            return replace(known, steps=_median(lengths))
        values = [value for value, _ in examples]
        seen = [
            [value for value, fold in zip(values, folds) if fold != member]
            for member in range(max(folds, default=-1) + 1)
        ]
        return replace(
            known,
            channels=values[0].shape[1],
            steps=_median([len(value) for value in values]),
            missing=any(value.isnan().any() for value in values),
            scales=tuple(_scale(some) for some in seen or [values]),
        )

    @cached_property
    def _places(self) -> dict[str, int]:
        return {symbol: place for place, symbol in enumerate(self.symbols, 1)}

    @cached_property
    def _labels(self) -> dict[str, int]:
        return {label: place for place, label in enumerate(self.labels)}

    def split(self, text: str) -> list[str]:
        """A text's characters, or its words in lower case, punctuation apart."""
        return list(text) if self.reads == "characters" else [bare(word) for word in split_words(text.lower())]

    def values(self, value: str | Tensor) -> Tensor:
        """A value as the model reads it: indices (T,) int64, or numbers (T, channels) float32.

        Raises ValueError for a value of another kind or of another number of channels.
        """
        if (self.reads in ("characters", "words")) != isinstance(value, str):
            raise ValueError(f"it is {_kind(value)}, and the model reads {self.reads}")
        if isinstance(value, str):
            return torch.tensor([self._places.get(s, UNKNOWN) for s in self.split(value)] or [UNKNOWN])
        if value.shape[1] != self.channels or (self.reads == "numbers" and len(value) != 1):
            each = "numbers" if self.reads == "numbers" else "channels"
            raise ValueError(f"it has {value.shape[1]} {each}, and the model reads {self.channels}")
        return value

    def target(self, labels: Sequence[str]) -> Any:
        """The index of a label; of a multi-label example (labels,) zeros and ones. Raises
        ValueError for an unknown label.
        """
        for label in labels:
            if label not in self._labels:
                raise ValueError(f"its label is {label!r}, which the model does not know")
        if not self.multilabel:
            return self._labels[labels[0]]
        return [float(label in labels) for label in self.labels]

    def grown(self, examples: Sequence[LabelledExample], labels: Iterable[str]) -> Classes:
        """This encoding with labels and symbols of other examples behind its own: all that
        it means stays as it is.
        """
        other = Classes.of(examples, labels, reads=self.reads, multilabel=self.multilabel)
        if other.channels != self.channels:
            raise UsageError(
                f"the data have {other.channels} channels, and the run was trained on {self.channels}: give"
                " data with as many."
            )
        return replace(
            self,
            labels=tuple(dict.fromkeys((*self.labels, *other.labels))),
            symbols=tuple(dict.fromkeys((*self.symbols, *other.symbols))),
        )

    def counting(self, examples: Sequence[LabelledExample]) -> Classes:
        """This encoding with these texts, too, for n-grams to be counted in; those that a run which is gone on
        from had are not counted again. Raises UsageError where they are no characters with one label, or are
        too many.
        """
        if self.reads != "characters" or self.multilabel or len(self.labels) > MOST_COUNTED:
            what = "several labels each" if self.multilabel else f"{len(self.labels)} labels"
            raise UsageError(
                f"--ngrams counts characters of texts with one label of at most {MOST_COUNTED}; these are "
                f"{self.reads} with {what}. Leave it out."
            )
        known = set(self.counted)
        pairs = ((labels[0], value) for value, labels in examples)
        counted = (*self.counted, *(pair for pair in pairs if pair not in known))
        if _letters(counted) > LETTERS:
            raise UsageError(
                f"--ngrams keeps the texts, and these have over {LETTERS:,} characters: leave it out."
            )
        return replace(self, counted=counted)

    def to_json(self) -> dict:
        return {
            "labels": list(self.labels),
            "reads": self.reads,
            "multilabel": self.multilabel,
            "symbols": list(self.symbols),
            "channels": self.channels,
            "steps": self.steps,
            "missing": self.missing,
            "scales": [[list(part) for part in scale] for scale in self.scales],
            "counted": [list(pair) for pair in self.counted],
        }

    @classmethod
    def of_json(cls, stored: dict) -> Classes:
        """Read what `to_json` made; raises ValueError where it is anything else."""
        if set(stored) != {part.name for part in fields(cls)}:
            raise ValueError("not an encoding of labels")
        labels, symbols = (_texts(stored[name], name) for name in ("labels", "symbols"))
        reads, channels, steps = stored["reads"], stored["channels"], stored["steps"]
        if reads not in get_args(Reads) or not labels:
            raise ValueError("it reads nothing that is known, or has no labels")
        for name in ("multilabel", "missing"):
            if not isinstance(stored[name], bool):
                raise ValueError(f"{name} is neither true nor false")
        for name, number in (("channels", channels), ("steps", steps)):
            if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= 2**31:
                raise ValueError(f"{name} is no whole number")
        textual = reads in ("characters", "words")
        if textual != (channels == 0) or (not textual and symbols):
            raise ValueError("channels and symbols do not go together")
        scales = _scales(stored["scales"], channels)
        if textual == bool(scales):
            raise ValueError("scales belong to numbers")
        counted = _counted(stored["counted"], labels)
        if counted and (reads != "characters" or stored["multilabel"] or len(labels) > MOST_COUNTED):
            raise ValueError("n-grams are counted of characters with one label")
        multilabel, missing = stored["multilabel"], stored["missing"]
        return cls(labels, reads, multilabel, symbols, channels, steps, missing, scales, counted)


def _usual(examples: Sequence[LabelledExample]) -> Reads:
    first = examples[0].value
    if isinstance(first, str):
        words = sum(len(value.split()) for value, _ in examples) / len(examples)
        return "words" if words >= WORDY else "characters"
    return "numbers" if all(len(value) == 1 for value, _ in examples) else "series"


def _kind(value: str | Tensor) -> str:
    if isinstance(value, str):
        return "a text"
    return "a row of numbers" if len(value) == 1 else "a series"


def _median(lengths: list[int]) -> int:
    return max(1, sorted(lengths)[len(lengths) // 2])


def _scale(values: list[Tensor]) -> Scale:
    """Over all steps that are there."""
    joined = torch.cat(values).double()
    changes = torch.cat([value[1:] - value[:-1] for value in values] or [joined[:0]]).double()
    mean = joined.nanmean(0).nan_to_num()
    return Scale(*(tuple(part.tolist()) for part in (mean, _deviation(joined - mean), _deviation(changes))))


def _deviation(values: Tensor) -> Tensor:
    """Root mean square of each channel, not far below the others'; 1 where nothing is there or all is 0."""
    found = (values**2).nanmean(0).nan_to_num().sqrt() if len(values) else torch.zeros(values.shape[1])
    found = found.clamp_min(LEAST * found.mean())
    return torch.where(found > 0, found, 1.0).double()


def _texts(stored: Any, name: str) -> tuple[str, ...]:
    if not isinstance(stored, list) or len(stored) > MOST or not all(isinstance(each, str) for each in stored):
        raise ValueError(f"{name} are no list of texts")
    if len(set(stored)) != len(stored):
        raise ValueError(f"one of the {name} is there twice")
    return tuple(stored)


def _letters(counted: Iterable[tuple[str, str]]) -> int:
    return sum(len(text) + MARKS for _, text in counted)


def _counted(stored: Any, labels: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    known = set(labels)
    good = isinstance(stored, list) and all(
        isinstance(pair, list) and [type(part) for part in pair] == [str, str] and pair[0] in known
        for pair in stored
    )
    if not good:
        raise ValueError("what is counted is no list of labels and texts")
    counted = tuple((label, text) for label, text in stored)
    if _letters(counted) > LETTERS:
        raise ValueError("more is counted than a run keeps")
    return counted


def _scales(stored: Any, channels: int) -> tuple[Scale, ...]:
    good = isinstance(stored, list) and len(stored) <= 1000
    found = []
    for scale in stored if good else ():
        good = good and isinstance(scale, list) and len(scale) == 3
        for part in scale if good else ():
            good = good and isinstance(part, list) and len(part) == channels
            good = good and all(isinstance(n, float) and math.isfinite(n) for n in part)
        if good and any(n <= 0 for part in scale[1:] for n in part):
            good = False
        found.append(scale)
    if not good:
        raise ValueError("scales are no means and deviations of the channels")
    return tuple(Scale(*map(tuple, scale)) for scale in found)
