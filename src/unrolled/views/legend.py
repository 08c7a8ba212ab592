"""The line below a picture that says what its shapes mean."""

from __future__ import annotations

from collections.abc import Iterable

from .letters import width
from .runs import TextRun, line_width, lines_of
from .scene import Outline, Piece, TextLine, moved
from .shapes import LOOKS

TYPE, HIGH, ROW = 13.0, 19.0, 27.0  # of the letters; of a chip; from row to row
BETWEEN = 14.0


def legend(kinds: Iterable[str], weights: str, left: float, right: float, top: float) -> list[Piece]:
    """Chips with words, in as many rows as fit between left and right, each in the middle.

    kinds    those of the parts; weights: what is said of the weights, "" where there are none
    """
    present = set(kinds)
    entries = [_chip(look) for kind, look in LOOKS.items() if kind in present and look.sign]
    if weights:
        entries.append(_letters(weights))
    rows: list[list[tuple[float, list[Piece]]]] = [[]]
    for entry in entries:
        used = sum(wide + BETWEEN for wide, _ in rows[-1])
        if rows[-1] and used + entry[0] > right - left:
            rows.append([])
        rows[-1].append(entry)
    found: list[Piece] = []
    for k, row in enumerate(rows):
        total = sum(wide for wide, _ in row) + BETWEEN * (len(row) - 1)
        at = (left + right - total) / 2
        for wide, pieces in row:
            found += moved(pieces, at, top + ROW * k + ROW / 2)
            at += wide + BETWEEN
    return found


def _chip(look) -> tuple[float, list[Piece]]:
    """A small box with the sign, and its words; places from the left of its middle line."""
    sign = lines_of(look.sign)[0]
    wide = line_width(sign, TYPE) + 10
    said = width(look.words, TYPE)
    box = Outline("rounded", wide / 2, 0, wide, HIGH, look.colour, f"{look.colour}_line", 1.0, 4.0)
    return wide + 5 + said, [
        box,
        TextLine(wide / 2, 0.33 * TYPE, sign, TYPE),
        TextLine(wide + 5, 0.33 * TYPE, (TextRun(look.words),), TYPE, "start"),
    ]


def _letters(words: str) -> tuple[float, list[Piece]]:
    sign = (TextRun("W", slanted=True, colour="weight"),)
    wide = line_width(sign, TYPE)
    return wide + 5 + width(words, TYPE), [
        TextLine(0, 0.33 * TYPE, sign, TYPE, "start"),
        TextLine(wide + 5, 0.33 * TYPE, (TextRun(words),), TYPE, "start"),
    ]
