"""What a picture is made of once everything has its place: outlines, lines and texts, in points, y downwards.

Colours are names of `drawing.INK`. A scene knows no file format; `svg` and `background` write it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from math import cos, pi, sin

from .runs import Line, line_width

Point = tuple[float, float]
ASCENT, DESCENT = 0.75, 0.27  # of the type size
HEAD, WING = 7.5, 2.9  # an arrow's head: length, half its width


@dataclass(frozen=True)
class Outline:
    """A closed shape around its middle: box, rounded, ellipse, diamond, hexagon, octagon, note or double."""

    kind: str
    x: float
    y: float
    width: float
    height: float
    fill: str = "none"
    line: str = "none"
    weight: float = 1.2
    radius: float = 8.0
    title: str = ""

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        half, tall = self.width / 2, self.height / 2
        return self.x - half, self.y - tall, self.x + half, self.y + tall


@dataclass(frozen=True)
class Polyline:
    """A line through points with rounded corners; with `arrow` a head at its end.
    `net` says whose line it is.
    """

    points: tuple[Point, ...]
    colour: str = "line"
    weight: float = 1.1
    arrow: bool = False
    dashed: bool = False
    radius: float = 6.0
    net: str = ""


@dataclass(frozen=True)
class Dot:
    """Where a line divides."""

    x: float
    y: float
    colour: str = "line"
    radius: float = 2.2


@dataclass(frozen=True)
class TextLine:
    """One line of letters; x is its middle, y its base line."""

    x: float
    y: float
    line: Line
    size: float = 15.0
    anchor: str = "middle"

    @property
    def width(self) -> float:
        return line_width(self.line, self.size)

    @property
    def box(self) -> tuple[float, float, float, float]:
        left = self.x - self.width / 2 if self.anchor == "middle" else self.x
        low = DESCENT if any(run.rise < 0 for run in self.line) else 0.22
        return left, self.y - ASCENT * self.size, left + self.width, self.y + low * self.size


Piece = Outline | Polyline | Dot | TextLine


@dataclass
class Scene:
    """Pieces in the order in which they are drawn."""

    pieces: list[Piece] = field(default_factory=list)

    def add(self, *pieces: Piece) -> None:
        self.pieces += pieces

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of all that is drawn."""
        boxes = [extent(piece) for piece in self.pieces] or [(0.0, 0.0, 1.0, 1.0)]
        lefts, tops, rights, bottoms = zip(*boxes)
        return min(lefts), min(tops), max(rights), max(bottoms)


def extent(piece: Piece) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of a piece, its pen's width included."""
    if isinstance(piece, Polyline):
        pen = max(piece.weight, 8.0 if piece.arrow else 0.0) / 2
        xs, ys = zip(*piece.points)
        return min(xs) - pen, min(ys) - pen, max(xs) + pen, max(ys) + pen
    if isinstance(piece, Dot):
        return piece.x - piece.radius, piece.y - piece.radius, piece.x + piece.radius, piece.y + piece.radius
    left, top, right, bottom = piece.box
    pen = piece.weight / 2 if isinstance(piece, Outline) and piece.line != "none" else 0.0
    return left - pen, top - pen, right + pen, bottom + pen


def moved(pieces: Iterable[Piece], right: float, down: float) -> list[Piece]:
    """The same pieces elsewhere."""
    return [
        replace(piece, points=tuple((x + right, y + down) for x, y in piece.points))
        if isinstance(piece, Polyline)
        else replace(piece, x=piece.x + right, y=piece.y + down)
        for piece in pieces
    ]


def corners(shape: Outline) -> list[Point]:
    """An outline as a polygon; what is round has enough corners to look it."""
    left, top, right, bottom = shape.box
    x, y = shape.x, shape.y
    if shape.kind == "ellipse":
        ring = [2 * pi * k / 48 for k in range(48)]
        return [(x + shape.width / 2 * cos(a), y + shape.height / 2 * sin(a)) for a in ring]
    if shape.kind == "diamond":
        return [(left, y), (x, top), (right, y), (x, bottom)]
    if shape.kind == "hexagon":
        cut = min(shape.height * 0.3, shape.width * 0.25)
        ends = [(left + cut, top), (right - cut, top), (right, y)]
        return [*ends, (right - cut, bottom), (left + cut, bottom), (left, y)]
    if shape.kind == "octagon":
        cut = min(shape.height, shape.width) * 0.28
        upper = [(left, top + cut), (left + cut, top), (right - cut, top), (right, top + cut)]
        return [
            *upper,
            (right, bottom - cut),
            (right - cut, bottom),
            (left + cut, bottom),
            (left, bottom - cut),
        ]
    if shape.kind == "note":
        return [(left, top), (right - 7, top), (right, top + 7), (right, bottom), (left, bottom)]
    if shape.kind == "rounded":
        r = min(shape.radius, shape.width / 2, shape.height / 2)
        middles = [(right - r, bottom - r), (left + r, bottom - r), (left + r, top + r), (right - r, top + r)]
        turns = [(m, pi / 2 * q + pi / 2 * k / 8) for q, m in enumerate(middles) for k in range(9)]
        return [(mx + r * cos(a), my + r * sin(a)) for (mx, my), a in turns]
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def edge_below(shape: Outline, x: float) -> float:
    """The y at which a vertical line at x meets the outline from below."""
    out = min(abs(x - shape.x) / (shape.width / 2), 1.0)
    tall = shape.height / 2
    if shape.kind == "ellipse":
        return shape.y + tall * (1 - out * out) ** 0.5
    if shape.kind == "diamond":
        return shape.y + tall * (1 - out)
    return shape.y + tall


def shortened(points: tuple[Point, ...]) -> tuple[tuple[Point, ...], list[Point]]:
    """A line that ends where its arrow's head begins, and the head."""
    (x, y), (bx, by) = points[-1], points[-2]
    long = max(((x - bx) ** 2 + (y - by) ** 2) ** 0.5, 1e-9)
    ux, uy = (x - bx) / long, (y - by) / long
    base = (x - ux * min(HEAD, long), y - uy * min(HEAD, long))
    tip = [(x, y), (base[0] - uy * WING, base[1] + ux * WING), (base[0] + uy * WING, base[1] - ux * WING)]
    return (*points[:-1], base), tip


def turns(points: tuple[Point, ...], radius: float) -> list[tuple[Point, Point, Point]]:
    """Every corner of a line, with the places before and after it between which it is round,
    as far as there is room.
    """
    found = []
    for before, corner, after in zip(points, points[1:], points[2:]):
        reach = min(radius, _length(before, corner) / 2, _length(corner, after) / 2)
        found.append((_towards(corner, before, reach), corner, _towards(corner, after, reach)))
    return found


def softened(points: tuple[Point, ...], radius: float) -> list[Point]:
    """The same line as many short straight ones."""
    found = [points[0]]
    for (ax, ay), (x, y), (bx, by) in turns(points, radius):
        for k in range(5):
            s, t = k / 4, 1 - k / 4
            found.append((t * t * ax + 2 * s * t * x + s * s * bx, t * t * ay + 2 * s * t * y + s * s * by))
    return [*found, points[-1]]


def _length(one: Point, other: Point) -> float:
    return ((one[0] - other[0]) ** 2 + (one[1] - other[1]) ** 2) ** 0.5


def _towards(one: Point, other: Point, reach: float) -> Point:
    share = reach / max(_length(one, other), 1e-9)
    return one[0] + (other[0] - one[0]) * share, one[1] + (other[1] - one[1]) * share
