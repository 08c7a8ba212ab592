"""A sentence, and the place in it whose loss is asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import UsageError

MOST = 400  # characters; every pair of steps has a norm


@dataclass(frozen=True)
class PlacedSentence:
    """A text, and the step t: `text[step]` is the last character that was read,
    `text[step + 1]` the one asked for.
    """

    text: str
    step: int

    @property
    def asked(self) -> str:
        return self.text[self.step + 1]

    @property
    def before(self) -> str:
        """The last characters that were read."""
        return self.text[max(0, self.step - 6) : self.step + 1]

    def ends(self) -> list[int]:
        """The last character of every word, up to the step."""
        return [
            k
            for k in range(self.step + 1)
            if not self.text[k].isspace() and (self.text[k + 1].isspace() or k == self.step)
        ]

    def word(self, k: int) -> str:
        """The word that ends at k."""
        return self.text[: k + 1].split()[-1]


BIRD = "The bird that I really really really liked was flying"  # was, not were, because of bird: deck 003
DEFAULT = PlacedSentence(BIRD, BIRD.index(" was") + 1)  # has read the w of was, and is asked for the a


def sentence(text: str | None = None, at: str | None = None) -> PlacedSentence:
    """The sentence that is meant, and its place: `at` has just been read, and the space after it where one
    follows; the character behind is asked for. Of several places the last counts, whole words before parts of
    words; without `at` it is the last word's first character.

    Raises UsageError where `at` is not in the text or nothing follows it, and for a text too short or too long.

    >>> place = sentence("I grew up in France ... I speak fluent French", "fluent")
    >>> place.before, place.asked
    ('fluent ', 'F')
    """
    if text is None:
        if at is None:
            return DEFAULT
        text = BIRD
    if not 2 <= len(text) <= MOST:
        raise UsageError(
            f"--text has {len(text):,} character{'s' * (len(text) != 1)}: give 2 to {MOST}, a sentence or two."
        )
    return PlacedSentence(text, _last_word(text) if at is None else _after(text, at))


def _last_word(text: str) -> int:
    return max(0, len(text.rstrip()) - len(text.split()[-1]) - 1) if text.split() else len(text) - 2


def _after(text: str, at: str) -> int:
    quoted = re.escape(at)
    found = list(re.finditer(rf"(?<!\w){quoted}(?!\w)", text)) or list(re.finditer(quoted, text))
    if not at or not found:
        raise UsageError(f"--at {at!r} is not in the text {text!r}. Give a word, or a part, of it.")
    end = found[-1].end()
    end += len(text[end:]) - len(text[end:].lstrip())
    if end >= len(text):
        raise UsageError(
            f"--at {at!r}: nothing follows it in the text {text!r}, so that there is no loss there. Give an"
            " earlier word."
        )
    return end - 1
