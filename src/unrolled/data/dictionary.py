"""A dictionary learned from pairs of sentences, and what it makes of others word by word: what a translation
model is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy

from .words import join_words, split_words

ROUNDS = 5
MOST = 50_000  # pairs that are looked at
LONGEST = 100  # words of a sentence


@dataclass(frozen=True)
class Dictionary:
    """The likeliest word for each word, by IBM model 1 (Brown, Della Pietra, Della Pietra and
    Mercer, The mathematics of statistical machine translation, 1993, section 4.2): expectation
    maximisation from a uniform start.

    >>> pairs = [("the house", "das haus"), ("the book", "das buch"), ("a book", "ein buch")]
    >>> Dictionary.of(pairs).translate("a house")
    'ein haus'
    """

    words: dict[str, str]

    @classmethod
    def of(cls, pairs: Sequence[tuple[str, str]]) -> Dictionary:
        """Learned from pairs of texts, the first 50,000 of them."""
        sources, targets = _Numbers(), _Numbers()
        rows = [
            (sources.of(split_words(source)[:LONGEST]), targets.of(split_words(target)[:LONGEST]))
            for source, target in pairs[:MOST]
        ]
        # Each word of a target beside each of its source: which target word it is, one after the other,
        # and which pair of words.
        counts = [(len(source), len(target)) for source, target in rows if source and target]
        written = numpy.repeat(
            numpy.arange(sum(t for _, t in counts)),
            numpy.repeat([s for s, _ in counts], [t for _, t in counts]),
        )
        beside = numpy.concatenate([numpy.tile(source, len(target)) for source, target in rows])
        words = numpy.concatenate([numpy.repeat(target, len(source)) for source, target in rows])
        couples, couple = numpy.unique(beside.astype(numpy.int64) * len(targets) + words, return_inverse=True)
        chances = _learned(written, couple, couples // len(targets), len(sources))
        best = couples[numpy.lexsort((couples, chances))]  # the likeliest of each source word comes last
        spoken, said = list(sources.places), list(targets.places)
        return cls({spoken[k // len(said)]: said[k % len(said)] for k in best.tolist()})

    def translate(self, text: str) -> str:
        """Word by word, in the order of the source; a word that is not known stays as it is."""
        return join_words(self.words.get(word, word) for word in split_words(text))


def _learned(written: numpy.ndarray, couple: numpy.ndarray, source: numpy.ndarray, count: int) -> numpy.ndarray:
    """p(target word | source word) of each pair of words. source: the source word of each."""
    chances = numpy.ones(len(source))
    for _ in range(ROUNDS):
        each = chances[couple]
        each /= numpy.bincount(written, each)[written]  # how much of a target's word is said by which source's
        expected = numpy.bincount(couple, each, len(source))
        chances = expected / numpy.bincount(source, expected, count)[source]
    return chances


class _Numbers:
    """Words numbered as they come."""

    def __init__(self):
        self.places: dict[str, int] = {}

    def of(self, words: Sequence[str]) -> list[int]:
        return [self.places.setdefault(word, len(self.places)) for word in words]

    def __len__(self) -> int:
        return len(self.places)
