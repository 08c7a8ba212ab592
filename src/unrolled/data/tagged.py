"""Tagged sentences as data to learn from: their tags checked and in one scheme, long ones in
pieces, a part held out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ..errors import UsageError
from .agreement import sentences as generated
from .conll import Layout, Sentence, Tagged, read_tagged
from .spans import OUTSIDE, Scheme, Span, converted, scheme_of, spans, tags_of, wrong_at
from .split import grouped
from .tagging import MOST_TAGS

LONGEST = 512  # words of a sentence that is learned from; a longer one is cut
SHARE = 0.1  # held out, where no file is
GENERATED = 8_000  # sentences
GRAMMAR = "the agreement grammar"
Given = Literal["auto", "plain", "iob1", "bio", "bioes"]
Learned = Literal["same", "bio", "bioes"]


@dataclass(frozen=True)
class Source:
    """How a task's files are read.

    scheme   that their tags are written in; "auto" looks at the training part
    learned  the scheme that a model says, "same" as theirs (BIO for IOB1)
    """

    layout: Layout
    scheme: Given = "auto"
    learned: Learned = "same"
    skip_bad: bool = False

    def read(self, path: Path, option: str) -> Tagged:
        return read_tagged(path, self.layout, skip_bad=self.skip_bad, option=option)

    def settled(self, sentences: Sequence[Sentence], file: str) -> Source:
        """With the schemes of a training part in place of "auto" and "same"."""
        given, learned = self.scheme, self.learned
        if given == "auto":
            try:
                given = scheme_of([sentence.tags for sentence in sentences])
            except ValueError as error:
                raise UsageError(
                    f"{file}: {error}. Mend the file, or say with --scheme plain that its tags are not spans."
                ) from None
        if learned == "same":
            learned = "bio" if given == "iob1" else given
        elif given == "plain" and any(tag != OUTSIDE for sentence in sentences for tag in sentence.tags):
            raise UsageError(
                f"the tags of {file} are not spans, such as B-PER, and spans in {learned.upper()} are to be "
                "learned: give a file with some, or leave --learned out."
            )
        elif given == "plain":
            given = learned  # no span in it
        return replace(self, scheme=given, learned=learned)

    def checked(self, sentences: Iterable[Sentence], file: str) -> list[Sentence]:
        """In the scheme that is learned. Raises UsageError for a tag that may not stand where it does."""
        found = []
        for sentence in sentences:
            place = wrong_at(sentence.tags, self.scheme)
            if place is not None:
                raise UsageError(_wrong(sentence, place, self.scheme, file))
            found.append(sentence._replace(tags=tuple(converted(sentence.tags, self.scheme, self.learned))))
        return found


@dataclass(frozen=True)
class Parts:
    """Sentences to learn from, held out, and kept for the report; their scheme, and
    what is to be said of them.
    """

    training: list[Sentence]
    validation: list[Sentence]
    test: list[Sentence]
    scheme: Scheme
    source: str
    notes: tuple[str, ...]

    @property
    def digest(self) -> str:
        digest = hashlib.sha256()
        for part in (self.training, self.validation, self.test):
            for sentence in part:
                digest.update(repr(sentence[:3]).encode("utf-8", "surrogatepass"))
            digest.update(b"|")
        return digest.hexdigest()


def parts(source: Source, training: Path | None, valid: Path | None, test: Path | None) -> Parts:
    """Of files; without one of a grammar. Raises UsageError with what is wrong with them."""
    if training is None:
        tagged, file = None, GRAMMAR
        learned = generated(GENERATED)
        source = source.settled(learned, GRAMMAR)
    else:
        tagged, file = source.read(training, "--train"), str(training)
        source = source.settled(tagged.sentences, file)
        learned = source.checked(tagged.sentences, file)
    notes = [] if tagged is None else tagged.notes()
    _check_tags(learned, file)
    apart = {}
    for option, path in (("--valid", valid), ("--test", test)):
        if path is not None:
            other = source.read(path, option)
            apart[option] = source.checked(other.sentences, str(path))
            notes += other.notes() + _shared(learned, apart[option], str(path))
    if valid is None:
        split = grouped([" ".join(sentence.words) for sentence in learned], SHARE)
        notes += [f"{split.duplicates:,} sentences stand there again: on one side all"] * (split.duplicates > 0)
        apart["--valid"] = [learned[place] for place in split.held_out]
        learned = [learned[place] for place in split.training]
    pieces = [piece for sentence in learned for piece in in_pieces(sentence, source.learned)]
    if len(pieces) > len(learned):
        notes.append(f"sentences of more than {LONGEST} words are learned from in pieces")
    return Parts(pieces, apart["--valid"], apart.get("--test", []), source.learned, file, tuple(notes))


def in_pieces(sentence: Sentence, scheme: Scheme, longest: int = LONGEST) -> list[Sentence]:
    """A sentence in pieces of at most `longest` words. A span that is cut is one in each piece.

    >>> [piece.tags for piece in in_pieces(Sentence(("a", "b", "c"), ("B-X", "I-X", "I-X")), "bio", 2)]
    [('B-X', 'I-X'), ('B-X',)]
    """
    if len(sentence.words) <= longest:
        return [sentence]
    found = spans(sentence.tags, scheme)
    pieces = []
    for start in range(0, len(sentence.words), longest):
        words = sentence.words[start : start + longest]
        end = start + len(words)
        tags = sentence.tags[start:end]
        if scheme != "plain":
            inside = [
                (max(s.start, start), min(s.end, end), s.type) for s in found if s.start < end and s.end > start
            ]
            tags = tuple(
                tags_of([Span(a - start, b - start, kind) for a, b, kind in inside], len(words), scheme)
            )
        columns = tuple(column[start:end] for column in sentence.features)
        pieces.append(Sentence(words, tags, columns, sentence.line))
    return pieces


def _wrong(sentence: Sentence, place: int, scheme: Scheme, file: str) -> str:
    tags = [*sentence.tags, "the sentence's end"]
    before = tags[place - 1] if place else "the sentence's start"
    return (
        f"{file}: {tags[place]} may not stand behind {before} in {scheme.upper()} (word {place + 1} of the"
        f" sentence that begins in line {sentence.line}). Mend it, or say with --scheme in what its tags are"
        " written."
    )


def _check_tags(sentences: Sequence[Sentence], file: str) -> None:
    tags = {tag for sentence in sentences for tag in sentence.tags}
    if len(tags) > MOST_TAGS:
        raise UsageError(
            f"{file} has {len(tags):,} different tags, such as {min(tags)!r}: say with --tag in which column"
            " the tags are."
        )


def _shared(learned: Sequence[Sentence], others: Sequence[Sentence], file: str) -> list[str]:
    known = {sentence.words for sentence in learned}
    count = sum(sentence.words in known for sentence in others)
    return [f"{count:,} of the {len(others):,} sentences of {file} are learned from, too"] * (count > 0)
