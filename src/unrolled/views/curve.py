"""What a run learned as a small picture: the loss in training and on what was held out, by step."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .runs import TextRun, lines_of
from .scene import Piece, Polyline, Scene, TextLine

WIDE, TALL, SIZE = 380.0, 150.0, 13.0
MOST = 200  # points of a line; more are not seen
CURVES = (("training", "blue_line", 1.2), ("held out", "red_line", 1.8))

Points = Sequence[tuple[float, float]]  # (step, loss)


def curve_scene(training: Points, held_out: Points) -> Scene:
    """Both curves on one scale. What is not finite is left out."""
    drawn = [_thinned([p for p in points if math.isfinite(p[1])]) for points in (training, held_out)]
    every = [point for points in drawn for point in points]
    last = max((step for step, _ in every), default=1.0) or 1.0
    low = min((value for _, value in every), default=0.0)
    high = max((value for _, value in every), default=1.0)
    span = (high - low) or 1.0
    scene = Scene()
    scene.add(Polyline(((0, TALL), (WIDE, TALL)), "frame", 0.8), Polyline(((0, 0), (WIDE, 0)), "frame", 0.8))
    for value, y in ((high, 0.0), (low, TALL)) if every else ():
        scene.add(TextLine(-26, y + 4, (TextRun(f"{value:.3f}", colour="soft"),), SIZE))
    scene.add(TextLine(0, TALL + 18, (TextRun("0", colour="soft"),), SIZE))
    scene.add(TextLine(WIDE, TALL + 18, (TextRun(f"{last:,.0f}", colour="soft"),), SIZE))
    scene.add(TextLine(WIDE / 2, TALL + 18, (TextRun("steps", colour="soft"),), SIZE))
    for n, ((name, colour, width), points) in enumerate(zip(CURVES, drawn)):
        if points:
            placed = tuple((WIDE * step / last, TALL * (high - value) / span) for step, value in points)
            scene.add(Polyline(placed if len(placed) > 1 else placed * 2, colour, width, radius=0))
            scene.add(*_legend(name, colour, n))
    return scene


def _legend(name: str, colour: str, n: int) -> tuple[Piece, ...]:
    at = 22.0 * n
    return (
        Polyline(((WIDE + 14, at + 6), (WIDE + 32, at + 6)), colour, 1.8),
        TextLine(WIDE + 38, at + 10, lines_of(name)[0], SIZE, "start"),
    )


def _thinned(points: Points) -> Points:
    """No more than are seen, the first and the last among them."""
    every = math.ceil(len(points) / MOST)
    return [p for n, p in enumerate(points) if n % every == 0 or n == len(points) - 1] if every else points
