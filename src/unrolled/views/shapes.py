"""What a part of a picture looks like: shape and colour by its kind, size by its label."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from .diagram import DiagramPart
from .rows import Spot
from .runs import Line, TextRun, line_width, lines_of
from .scene import Outline, Piece, TextLine, edge_below

SIZE, SMALLER, LEAD = 15.0, 12.0, 19.0  # of labels, of the author's names, from line to line
LONGEST = 100.0  # a formula that is wider stands on two lines
BREAK = re.compile(r" [+−] ")


@dataclass(frozen=True)
class Look:
    """Shape, colour, and the sign and words in the legend; `least` is width and height around a short sign."""

    shape: str
    colour: str = ""
    sign: str = ""
    words: str = ""
    least: tuple[float, float] = (34.0, 30.0)
    room: float = 16.0
    weight: float = 1.2


LOOKS = {
    "input": Look("ellipse", "grey", least=(34, 34)),
    "state": Look("ellipse", "grey", least=(34, 34), weight=2.0),
    "parameter": Look("plain", least=(10, 20), room=2),
    "constant": Look("plain", least=(10, 20), room=2),
    "product": Look("box", "blue", "<I>W x</I>", "matrix products", (30, 30)),
    "add": Look("ellipse", "green", "+", "addition", (28, 28)),
    "mul": Look("diamond", "yellow", "⊙", "elementwise product", (36, 36)),
    "sigmoid": Look("rounded", "red", "σ", "sigmoid", (36, 30)),
    "tanh": Look("hexagon", "violet", "tanh", "hyperbolic tangent", (56, 30), 26),
    "function": Look("octagon", "teal", "<I>f</I>", "another function", (40, 30), 22),
    "number": Look("octagon", "grey", "1 −", "with a number", (44, 30), 22),
    "choice": Look("note", "teal", "if", "choice by value", (34, 30), 18),
    "over": Look("double", "teal", "Σ", "over all units", (36, 30), 18),
}


@dataclass(frozen=True)
class Shape:
    """A part ready to be placed: its lines, its outline's size, and its name where that stands beside it."""

    part: DiagramPart
    look: Look
    lines: tuple[tuple[Line, float], ...]  # with their type sizes
    beside: Line = ()
    width: float = 0.0
    height: float = 0.0
    ports: tuple[float, ...] = ()

    @property
    def spot(self) -> Spot:
        half = self.width / 2
        named = line_width(self.beside, SMALLER) + 4 if self.beside else 0.0
        inside = {"ellipse": 0.6, "diamond": 0.5, "hexagon": 0.6, "octagon": 0.7}.get(self.look.shape, 0.0)
        reach = half * inside if inside else max(half - 7, 0.0)
        return Spot(half, half + named, self.height, reach, self.ports)

    def entered(self, x: float, y: float, at: float) -> float:
        """The y at which a line that comes up at `at` meets the outline around a middle."""
        return edge_below(Outline(self.look.shape, x, y, self.width, self.height), at)

    def pieces(self, x: float, y: float) -> list[Piece]:
        """Outline and texts around a middle."""
        look, found = self.look, []
        if look.colour:
            found.append(
                Outline(
                    look.shape, x, y, self.width, self.height, look.colour, f"{look.colour}_line", look.weight
                )
            )
        high = y - LEAD * (len(self.lines) - 1) / 2
        for k, (line, size) in enumerate(self.lines):
            found.append(TextLine(x, high + LEAD * k + 0.33 * SIZE, line, size))
        if self.beside:
            found.append(TextLine(x + self.width / 2 + 3, y + 0.33 * SMALLER, self.beside, SMALLER, "start"))
        return found


def shape_of(parts: Sequence[DiagramPart], notes: Sequence[str] = ()) -> Shape:
    """The shape of a part, as wide as the widest of its twins in other steps needs.

    notes  what each of the lines that enter it is to it, "" where their order does not matter
    """
    part = parts[0]
    look = LOOKS[part.kind]
    label, ports = _signed(part, notes)
    if len(label) > len(part.label) and ports:
        look = Look("rounded", look.colour, least=look.least, room=12)
    shapes = [_sized(p, look, label if label != part.label else p.label) for p in parts]
    widest = max(shapes, key=lambda shape: shape.width)
    return Shape(part, look, shapes[0].lines, shapes[0].beside, widest.width, widest.height, ports)


def _sized(part: DiagramPart, look: Look, label: str) -> Shape:
    colour = "weight" if part.kind == "parameter" else "text"
    named = lines_of(part.name, "soft")[0] if part.name else ()
    if part.kind == "product":
        body = lines_of(broken(f"{part.name} = {part.label}" if part.name else label), colour)
        lines, beside = [(line, SIZE) for line in body], ()
    else:
        inside = look.shape not in ("ellipse", "diamond", "plain")
        lines = [(line, SIZE) for line in lines_of(label, colour)]
        lines += [(named, SMALLER)] if named and inside else []
        beside = named if named and not inside else ()
    width = max(line_width(line, size) for line, size in lines) + look.room
    height = look.least[1] + (LEAD - 4) * (len(lines) - 1)
    return Shape(part, look, tuple(lines), beside, ceil(max(width, look.least[0])), height)


def _signed(part: DiagramPart, notes: Sequence[str]) -> tuple[str, tuple[float, ...]]:
    """The label and the ports of a part whose lines may not change places: a sum's
    signs, or if, then and else.
    """
    if not any(notes) or len(notes) < 2:
        return part.label, ()
    if notes[0] == "if":
        words = [TextRun(word).width(SIZE) for word in notes]
        return "  ".join(notes), _middles(words, 2 * TextRun(" ").width(SIZE))
    if part.kind == "add" and (len(notes) > 2 or notes[0]):
        signs = [note or "+" for note in notes]
        return "   ".join(signs), _middles(
            [TextRun(s).width(SIZE) for s in signs], 3 * TextRun(" ").width(SIZE)
        )
    half = 5.0 * (len(notes) - 1)
    return notes[1] if part.kind == "add" else part.label, tuple(-half + 10.0 * k for k in range(len(notes)))


def _middles(widths: Sequence[float], gap: float) -> tuple[float, ...]:
    """The middles of words in a row, from the middle of the row."""
    total, at, found = sum(widths) + gap * (len(widths) - 1), 0.0, []
    for width in widths:
        found.append(at + width / 2 - total / 2)
        at += width + gap
    return tuple(found)


def broken(markup: str) -> str:
    """A long sum on two lines of about the same width, broken before a sign that stands in no bracket.

    >>> broken("<I>W</I> <I>x</I> + <I>b</I>")
    '<I>W</I> <I>x</I> + <I>b</I>'
    """
    if line_width(lines_of(markup)[0], SIZE) <= LONGEST:
        return markup
    cuts = [m.start() for m in BREAK.finditer(markup) if _depth(markup[: m.start()]) == 0]
    halves = [(markup[:cut], markup[cut + 1 :]) for cut in cuts]
    if not halves:
        return markup
    best = min(halves, key=lambda pair: max(line_width(lines_of(half)[0], SIZE) for half in pair))
    return "<BR/>".join(best)


def _depth(markup: str) -> int:
    text = re.sub(r"<[^>]*>|<SU[BP]>.*?</SU[BP]>", "", markup)
    return text.count("(") - text.count(")")
