"""The three parts of a text for a word model: to learn from, held out for choices, kept for the report."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..errors import UsageError
from .documentation import documentation
from .text import Text, joint_digest, read_text

MOST_KEPT = 1_500_000  # characters of a part that is not learned from; more would sharpen its figure little


class Texts(NamedTuple):
    """The parts of a text, or texts of their own."""

    training: Text
    held_out: Text
    test: Text | None
    source: str

    @property
    def digest(self) -> str:
        return joint_digest(*(text for text in self[:3] if text is not None))


def texts_of(text: Path | None, valid: Path | None, test: Path | None) -> Texts:
    """What is learned from, held out and kept: files of their own, where they are given. Otherwise the last
    tenth of the text that is left is kept for the report (not where --valid is given, for then the text is to
    be learned from), and the tenth before it is held out; each 1,500,000 characters at most, cut behind a word.

    text   without one, Python's documentation

    Raises UsageError for files that are not texts, and for a text that is too short to be cut.
    """
    whole = documentation() if text is None else read_text(text)
    held_out = None if valid is None else read_text(valid, "--valid")
    kept = None if test is None else read_text(test, "--test")
    source = ", ".join(str(file) for file in (text, valid, test) if file) or whole.name
    if held_out is not None:
        return Texts(whole, held_out, kept, source)
    aside = min(len(whole) // 10, MOST_KEPT)
    shares = [len(whole) - aside] if kept is not None else [len(whole) - 2 * aside, len(whole) - aside]
    training, held_out, *rest = cut(whole, shares)
    return Texts(training, held_out, rest[0] if rest else kept, source)


def cut(text: Text, places: list[int]) -> list[Text]:
    """A text in parts, each of them from the first white space at or after a place on. Raises
    UsageError where one is empty.

    >>> [str(part) for part in cut(Text.of("one two three"), [2, 5])]
    ['one', ' two', ' three']
    """
    found, at, left = [0], 0, list(places)
    for block in text.blocks():
        while left and left[0] < at + len(block):
            space = re.compile(r"\s").search(block, max(0, left[0] - at))
            if space is None:
                break
            found.append(at + space.start())
            left.pop(0)
        at += len(block)
    ends = [*found[1:], at]
    if left or any(end <= begin for begin, end in zip(found, ends)):
        raise UsageError(
            f"{text.name} has {len(text):,} characters, too few or too few words to hold tenths of it out: give"
            " a longer one, or --valid FILE."
        )
    return [Text.in_blocks(lambda b=b, e=e: _slice(text, b, e), text.name) for b, e in zip(found, ends)]


def _slice(text: Text, begin: int, end: int) -> Iterator[str]:
    at = 0
    for block in text.blocks():
        part = block[max(0, begin - at) : max(0, end - at)]
        if part:
            yield part
        at += len(block)
        if at >= end:
            return
