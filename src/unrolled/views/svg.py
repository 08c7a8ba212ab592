"""A scene as SVG text: colours that follow the reader's light or dark setting, letters that
stay together in any font.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import groupby

from .ink import INK, following
from .runs import SMALL, TextRun, places
from .scene import Dot, Outline, Piece, Point, Polyline, Scene, TextLine, corners, shortened, turns

LOWER, HIGHER = 0.22, 0.38  # how far below and above the line small letters stand, in the line's size
FONT = "'STIX Two Text', 'Times New Roman', Times, 'Liberation Serif', serif"
PAD = 4.0


def svg_text(scene: Scene, *, theme: str = "auto", title: str = "") -> str:
    """The scene as an SVG element. With theme "auto" the colours are light ones that a style sheet turns."""
    left, top, right, bottom = (edge + pad for edge, pad in zip(scene.box, (-PAD, -PAD, PAD, PAD), strict=True))
    size = f"{_short(right - left)} {_short(bottom - top)}"
    wide, tall = size.split()
    said = escape(title)
    head = (
        f'<svg class="unrolled-picture" role="img"{f" aria-label={chr(34)}{said}{chr(34)}" if title else ""} '
        f'width="{wide}pt" height="{tall}pt" viewBox="{_short(left)} {_short(top)} {size}" '
        'xmlns="http://www.w3.org/2000/svg" xml:space="preserve">'
    )
    body = [_piece(pieces, theme == "dark") for pieces in _together(scene.pieces)]
    named = [f"<title>{said}</title>"] if title else []
    return "\n".join([head, *named, f"<style>{_style(theme)}</style>", *body, "</svg>\n"])


def _together(pieces: list[Piece]) -> Iterator[list[Piece]]:
    """The lines of one source are one path: where they lie on each other nothing is drawn twice."""
    return (
        list(group)
        for _, group in groupby(
            pieces,
            lambda p: (p.net, p.colour, p.weight, p.dashed) if isinstance(p, Polyline) and p.net else id(p),
        )
    )


def _piece(pieces: list[Piece], dark: bool) -> str:
    piece = pieces[0]
    if isinstance(piece, TextLine):
        return _text(piece, dark)
    if isinstance(piece, Polyline):
        return _paths(pieces, dark)
    if isinstance(piece, Dot):
        return (
            f'<circle cx="{_short(piece.x)}" cy="{_short(piece.y)}" r="{_short(piece.radius)}" '
            f'fill="{_ink(piece.colour, dark)}"/>'
        )
    return _outline(piece, dark)


def _outline(shape: Outline, dark: bool) -> str:
    left, top, right, bottom = shape.box
    look = f'fill="{_ink(shape.fill, dark)}" stroke="{_ink(shape.line, dark)}" stroke-width="{shape.weight:g}"'
    place = (
        f'x="{_short(left)}" y="{_short(top)}" width="{_short(shape.width)}" height="{_short(shape.height)}"'
    )
    if shape.kind == "ellipse":
        return (
            f'<ellipse cx="{_short(shape.x)}" cy="{_short(shape.y)}" rx="{_short(shape.width / 2)}" '
            f'ry="{_short(shape.height / 2)}" {look}/>'
        )
    if shape.kind in ("box", "rounded"):
        return f"<rect {place}{f' rx={chr(34)}{shape.radius:g}{chr(34)}' * (shape.kind == 'rounded')} {look}/>"
    if shape.kind == "double":
        inner = (
            f'x="{_short(left + 2.5)}" y="{_short(top + 2.5)}" width="{_short(shape.width - 5)}" '
            f'height="{_short(shape.height - 5)}"'
        )
        return (
            f"<rect {place} {look}/>\n<rect {inner}"
            f" {look.replace(look.split()[0], 'fill=' + chr(34) + 'none' + chr(34), 1)}/>"
        )
    return f'<polygon points="{_places(corners(shape))}" {look}/>'


def _paths(paths: list[Polyline], dark: bool) -> str:
    first, said, heads = paths[0], "", ""
    colour = _ink(first.colour, dark)
    for path in paths:
        points, tip = shortened(path.points) if path.arrow else (path.points, [])
        said += _rounded(points, path.radius)
        heads += f'\n<polygon points="{_places(tip)}" fill="{colour}" stroke="none"/>' if tip else ""
    dashes = ' stroke-dasharray="5 3"' if first.dashed else ""
    return f'<path d="{said}" fill="none" stroke="{colour}" stroke-width="{first.weight:g}"{dashes}/>{heads}'


def _rounded(points: tuple[Point, ...], radius: float) -> str:
    """Straight lines whose corners are round."""
    said = [f"M{_short(points[0][0])} {_short(points[0][1])}"]
    for (ax, ay), (x, y), (bx, by) in turns(points, radius):
        said.append(f"L{_short(ax)} {_short(ay)}Q{_short(x)} {_short(y)} {_short(bx)} {_short(by)}")
    return "".join([*said, f"L{_short(points[-1][0])} {_short(points[-1][1])}"])


def _text(text: TextLine, dark: bool) -> str:
    """One text element for a line, so that a letter follows the last one in whatever font the reader has."""
    spans, lowered, expected = [], 0.0, 0.0
    for run, place in zip(text.line, places(text.line, text.size)[0]):
        wanted = {0: 0.0, -1: LOWER, 1: -HIGHER}[run.rise] * text.size
        back = f' dx="{_short(place - expected)}"' if abs(place - expected) > 0.01 else ""
        moved = f' dy="{_short(wanted - lowered)}"' if wanted != lowered else ""
        spans.append(f"<tspan{back}{moved}{_look(run, text.size, dark)}>{escape(run.text)}</tspan>")
        lowered, expected = wanted, place + run.width(text.size)
    return (
        f'<text text-anchor="{text.anchor}" x="{_short(text.x)}" y="{_short(text.y)}">{"".join(spans)}</text>'
    )


def _look(run: TextRun, size: float, dark: bool) -> str:
    slant = ' font-style="italic"' if run.slanted else ""
    small = _short(size * SMALL if run.rise else size)
    return f'{slant} font-size="{small}" fill="{_ink(run.colour, dark)}"'


def _ink(name: str, dark: bool) -> str:
    return "none" if name == "none" else INK[name][dark]


def _places(points) -> str:
    return " ".join(f"{_short(x)},{_short(y)}" for x, y in points)


def _short(number: float) -> str:
    return f"{round(number, 2) + 0.0:g}" if abs(number) < 1e5 else f"{number:.2f}"


def _style(theme: str) -> str:
    font = (
        ".unrolled-picture{max-width:100%;height:auto}.unrolled-picture"
        f" text{{font-family:{FONT};white-space:pre}}"
    )
    if theme != "auto":
        return font
    return font + following("unrolled-picture", '[{what}="{colour}"]{{{what}:var(--{name})}}')
