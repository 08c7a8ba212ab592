"""Strings of the embedded Reber grammar, good ones and bad ones: labelled examples that
the program makes itself.
"""

from __future__ import annotations

import random

from .labelled import Labelled, LabelledExample

# The letters that may follow at each place of the grammar, and where they lead (Reber 1967); E ends it.
PLACES = (
    {"B": 1},
    {"T": 2, "P": 3},
    {"S": 2, "X": 4},
    {"T": 3, "V": 5},
    {"X": 3, "S": 6},
    {"P": 4, "V": 6},
    {"E": 7},
)
END, ENDS = len(PLACES), "TP"
LETTERS = "BTPSXVE"
KINDS = ("good", "slip", "wrong end")


def reber(count: int = 2000, seed: int = 0) -> Labelled:
    """Distinct strings of the embedded grammar, B T ... T E or B P ... P E around a string of Reber's
    (Hochreiter and Schmidhuber 1997, section 5.1), in three kinds: good; with a slip, one letter inside that
    cannot stand there; or with the wrong end, the other letter of T and P than after the first B. A slip shows
    in a few letters beside each other; the wrong end only to who remembers the second letter over all the rest.

    >>> [(text, kind) for text, (kind,) in reber(3).examples]
    [('BPBPTVVEPE', 'good'), ('BPBPETVPXVPSEPE', 'slip'), ('BTBTXSEPE', 'wrong end')]
    """
    drawn, found = random.Random(seed), {}
    while len(found) < count:
        kind = KINDS[len(found) % len(KINDS)]
        found.setdefault(_string(kind, drawn), kind)
    return Labelled(
        "the embedded Reber grammar", "text", [LabelledExample(text, (kind,)) for text, kind in found.items()]
    )


def _string(kind: str, drawn: random.Random) -> str:
    inner = _walk(drawn)
    if kind == "slip":
        inner = _slipped(inner, drawn)
    begin = drawn.choice(ENDS)
    end = begin if kind != "wrong end" else ENDS[1 - ENDS.index(begin)]
    return f"B{begin}{inner}{end}E"


def _walk(drawn: random.Random) -> str:
    place, letters = 0, []
    while place != END:
        letter = drawn.choice(list(PLACES[place]))
        letters.append(letter)
        place = PLACES[place][letter]
    return "".join(letters)


def _slipped(text: str, drawn: random.Random) -> str:
    """With another letter at one place, so that the grammar does not make it."""
    while True:
        at = drawn.randrange(1, len(text) - 1)
        found = text[:at] + drawn.choice(LETTERS) + text[at + 1 :]
        if not is_reber(found):
            return found


def is_reber(text: str) -> bool:
    """Whether Reber's grammar makes a text.

    >>> is_reber("BTXSE"), is_reber("BTXTE")
    (True, False)
    """
    place = 0
    for letter in text:
        if place == END or letter not in PLACES[place]:
            return False
        place = PLACES[place][letter]
    return place == END
