"""A scene as PNG or PDF, by Graphviz: nothing is laid out there, the scene is handed over as
drawing instructions (xdot).

Graphviz comes with the package pygraphviz, or as the system's `dot`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import find_spec

from ..errors import UsageError
from .ink import INK
from .runs import SMALL, places
from .scene import Dot, Outline, Piece, Point, Polyline, Scene, TextLine, corners, shortened, softened
from .svg import HIGHER, LOWER, PAD

SECONDS = 120
FAMILY = "Times New Roman,Liberation Serif,Nimbus Roman,Times,serif"
# Runs apart, so that nothing the C libraries print or do can hurt the process that asked.
DRAW = """import sys, pygraphviz
source = sys.stdin.buffer.read().decode()
sys.stdout.buffer.write(pygraphviz.AGraph(string=source).draw(format=sys.argv[1], prog="nop"))"""


def rendered(scene: Scene, kind: str, theme: str) -> bytes:
    """The bytes of a PNG or PDF. Raises UsageError where Graphviz is not installed, and with what it says."""
    if find_spec("pygraphviz"):
        command = [sys.executable, "-I", "-c", DRAW, kind]
    elif shutil.which("nop") or shutil.which("dot"):
        command = ["dot", "-Knop", f"-T{kind}"]
    else:
        raise UsageError(
            'a PNG or PDF is written by Graphviz, which is not installed: pip install "unrolled[pictures]" '
            "(or pip install pygraphviz, or your system's package graphviz). An SVG needs nothing."
        )
    source = xdot(scene, theme == "dark", 200 if kind == "png" else 72)
    try:
        done = subprocess.run(command, input=source.encode("utf-8"), capture_output=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise UsageError(
            f"Graphviz did not write the {kind} within {SECONDS} seconds: draw fewer steps."
        ) from None
    if done.returncode or not done.stdout:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise UsageError(f"Graphviz cannot draw this: {said[-1] if said else f'exit code {done.returncode}'}")
    return done.stdout


def xdot(scene: Scene, dark: bool, dpi: int) -> str:
    """A graph of two invisible corners with the scene as its background; y runs upwards here."""
    left, top, right, bottom = scene.box
    wide, tall = right - left + 2 * PAD, bottom - top + 2 * PAD

    def at(point: Point) -> Point:
        return point[0] - left + PAD, bottom + PAD - point[1]

    said = [" ".join(_instructions(piece, at, dark)) for piece in scene.pieces]
    quoted = [text.replace("\\", "\\\\").replace('"', '\\"') for text in said]
    # One text would be too long for its scanner.
    background = " + ".join(f'"{text} "' for text in quoted) or '""'
    ends = "".join(
        f'{name} [pos="{x:.2f},{y:.2f}", style=invis, shape=point, width=0.001];'
        for name, (x, y) in (("a", (0, 0)), ("b", (wide, tall)))
    )
    return (
        f'digraph {{ graph [bb="0,0,{wide:.2f},{tall:.2f}", bgcolor="{INK["page"][dark]}", pad=0, dpi={dpi}, '
        f"_background={background}]; {ends} }}"
    )


def _instructions(piece: Piece, at, dark: bool) -> list[str]:
    if isinstance(piece, TextLine):
        return _letters(piece, at, dark)
    if isinstance(piece, Polyline):
        points, tip = shortened(piece.points) if piece.arrow else (piece.points, [])
        points = softened(points, piece.radius)
        said = [_pen(piece.colour, dark), _style("dashed" if piece.dashed else "solid", piece.weight)]
        said.append(f"L {len(points)} {_points(points, at)}")
        if tip:
            said += [_fill(piece.colour, dark), _style("solid", 0.5), f"P {len(tip)} {_points(tip, at)}"]
        return said
    if isinstance(piece, Dot):
        ring = corners(Outline("ellipse", piece.x, piece.y, 2 * piece.radius, 2 * piece.radius))
        return [_pen(piece.colour, dark), _fill(piece.colour, dark), f"P {len(ring)} {_points(ring, at)}"]
    return _shape(piece, at, dark)


def _shape(shape: Outline, at, dark: bool) -> list[str]:
    ring = corners(shape)
    line = shape.line if shape.line != "none" else shape.fill
    said = [_pen(line, dark), _style("solid", shape.weight)]
    if shape.fill != "none":
        said.append(_fill(shape.fill, dark))
    said.append(f"{'p' if shape.fill == 'none' else 'P'} {len(ring)} {_points(ring, at)}")
    if shape.kind == "double":
        inner = corners(Outline("box", shape.x, shape.y, shape.width - 5, shape.height - 5))
        said.append(f"p {len(inner)} {_points(inner, at)}")
    return said


def _letters(text: TextLine, at, dark: bool) -> list[str]:
    begun, total = places(text.line, text.size)
    left = text.x - total / 2 if text.anchor == "middle" else text.x
    said = []
    for run, place in zip(text.line, begun):
        low = {0: 0.0, -1: LOWER, 1: -HIGHER}[run.rise] * text.size
        size = text.size * SMALL if run.rise else text.size
        x, y = at((left + place, text.y + low))
        said += [_pen(run.colour, dark), f"F {size:.2f} {_counted(FAMILY)}", f"t {2 if run.slanted else 0}"]
        said.append(f"T {x:.2f} {y:.2f} -1 {run.width(text.size):.2f} {_counted(run.text)}")
    return said


def _pen(name: str, dark: bool) -> str:
    return f"c {_counted(INK[name][dark])}"


def _fill(name: str, dark: bool) -> str:
    return f"C {_counted(INK[name][dark])}"


def _style(kind: str, weight: float) -> str:
    return f"S {_counted(f'setlinewidth({weight:g})')} S {_counted(kind)}"


def _counted(text: str) -> str:
    """A text with the number of its bytes before it."""
    return f"{len(text.encode('utf-8'))} -{text}"


def _points(points, at) -> str:
    return " ".join(f"{x:.2f} {y:.2f}" for x, y in map(at, points))
