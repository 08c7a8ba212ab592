"""Parts of a worked net's document: its forward, backward or optimiser part alone,
and the same as an exercise.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ..errors import UsageError
from .document import Brackets, Grid, Heading, Lines, Paragraph, Piece, Said, WorkedLine

PARTS = ("forward", "backward", "step")
BLANK = Said("______", r"\underline{\qquad\qquad}")
NUMBER = re.compile(r"(?<![\w\[*.])-?\d+(?:\.\d+)?(?:e-?\d+)?(?![\w\]])")


def only(pieces: Sequence[Piece], part: str | None) -> list[Piece]:
    """The title, the equations, what is given, and one part. Raises UsageError for a part that there is not."""
    if part is None:
        return list(pieces)
    if part not in PARTS:
        raise UsageError(f"only={part!r} is not part of a net by hand. Choose one of {', '.join(PARTS)}.")
    kept, now = [], "given"
    for piece in pieces:
        if isinstance(piece, Heading) and piece.level <= 2:
            now = piece.part
        if now in ("given", part):
            kept.append(piece)
    if not any(isinstance(p, Heading) and p.part == part for p in kept):
        remedy = {"forward": "rows that are shown", "backward": "a target", "step": "a target and a rate"}[part]
        raise UsageError(f"there is no {part} part here: it takes {remedy}.")
    return kept


def as_exercise(pieces: Sequence[Piece]) -> list[Piece]:
    """What has to be worked out left blank: formulas stay, numbers that were not given go, and
    so do remarks on slides.
    """
    made, now = [], "given"
    for piece in pieces:
        if isinstance(piece, Heading) and piece.level <= 2:
            now = piece.part
        if now == "slides":
            continue
        made.append(piece if now == "given" else _blank(piece))
    return made


def _blank(piece: Piece) -> Piece:
    if isinstance(piece, Lines):
        return Lines(tuple(line if line.given else _blank_line(line) for line in piece.lines))
    if isinstance(piece, Grid) and not piece.given:
        rows = tuple((name, tuple(BLANK.text if cell else "" for cell in cells)) for name, cells in piece.rows)
        return replace(piece, rows=rows)
    if isinstance(piece, Brackets):
        blank = [
            tuple((BLANK.text,) for _ in one) if k in piece.made else one for k, one in enumerate(piece.pieces)
        ]
        return replace(piece, pieces=tuple(blank))
    if isinstance(piece, Paragraph) and piece.text.startswith("The loss was"):
        return Paragraph(NUMBER.sub(BLANK.text, piece.text))
    return piece


def _blank_line(line: WorkedLine) -> WorkedLine:
    """The formula, if there is one, then a blank for the numbers put in and one for the result."""
    formulas = [r for r in line.rights[:1] if len(line.rights) > 1 and not _is_number(r.text)]
    return WorkedLine(line.left, (*formulas, *(BLANK,) * max(1, min(2, len(line.rights) - len(formulas)))))


def _is_number(text: str) -> bool:
    return NUMBER.fullmatch(text) is not None
