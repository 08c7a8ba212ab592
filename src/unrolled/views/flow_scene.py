"""A gradient's way through time as a picture: its norm by the number of steps back, and every pair of steps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from .runs import Line, TextRun, lines_of
from .scene import Outline, Piece, Polyline, Scene, TextLine
from .symbols import markup_name

LINES = ("blue_line", "red_line", "teal_line", "yellow_line", "violet_line", "green_line", "grey_line")
WIDE, TALL, SIZE = 300.0, 220.0, 13.0
MOST_PAIRS = 64  # steps of which every pair is shown
LOWEST = 1e-30  # smaller norms are left out
DECADES = 12  # of norms, that the squares tell apart


def flow_scene(by_lag: Mapping[str, Sequence[float]], pairs: Sequence[Sequence[float]], shown: str) -> Scene:
    """Curves on a logarithmic scale, and beside them squares, the larger the more of L_t reaches step k.

    by_lag  the mean norm for each state, by its printed name, at each number of steps back
    pairs   [t][k] of the state that is `shown`
    """
    scene = Scene()
    scene.add(*_curves(by_lag))
    if 1 < len(pairs) <= MOST_PAIRS:
        scene.add(*_squares(pairs, shown, WIDE + 120.0))
    return scene


def _curves(by_lag: Mapping[str, Sequence[float]]) -> list[Piece]:
    values = [v for curve in by_lag.values() for v in curve if LOWEST < v < math.inf] or [1.0]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    high = max(high, low + 1)
    longest = max(len(curve) for curve in by_lag.values()) - 1

    def place(lag: float, value: float) -> tuple[float, float]:
        return WIDE * lag / max(longest, 1), TALL * (high - math.log10(value)) / (high - low)

    found: list[Piece] = []
    every = math.ceil((high - low) / 6)
    for power in range(low, high + 1, every):
        y = place(0, 10.0**power)[1]
        found.append(Polyline(((0, y), (WIDE, y)), "frame", 0.8))
        found.append(
            TextLine(-24, y + 4, lines_of(f"10<SUP>{str(power).replace('-', '−')}</SUP>", "soft")[0], SIZE)
        )
    for lag in sorted({0, longest, *range(0, longest + 1, max(1, math.ceil(longest / 6)))}):
        if lag == longest or longest - lag >= longest / 12:
            found.append(TextLine(place(lag, 1.0)[0], TALL + 18, (TextRun(str(lag), colour="soft"),), SIZE))
    found.append(TextLine(WIDE / 2, TALL + 38, (TextRun("steps back, "), *_slanted("t − k")), SIZE))
    found.append(TextLine(WIDE / 2, -14, _norm("state"), SIZE))
    for n, (name, curve) in enumerate(by_lag.items()):
        colour = LINES[n % len(LINES)]
        points = [place(k, v) for k, v in enumerate(curve) if LOWEST < v < math.inf]
        if points:
            found.append(
                Polyline(tuple(points) if len(points) > 1 else (points[0], points[0]), colour, 1.8, radius=0)
            )
        at = n * 22.0
        found.append(Polyline(((WIDE + 12, at + 6), (WIDE + 30, at + 6)), colour, 1.8))
        found.append(TextLine(WIDE + 36, at + 10, lines_of(markup_name(name))[0], SIZE, "start"))
    return found


def _squares(pairs: Sequence[Sequence[float]], shown: str, left: float) -> list[Piece]:
    pace = TALL / len(pairs)
    top = max((v for row in pairs for v in row), default=0.0)
    found: list[Piece] = [Outline("box", left + TALL / 2, TALL / 2, TALL, TALL, "panel", "frame", 0.8)]
    for t, row in enumerate(pairs):
        for k, value in enumerate(row[: len(pairs)]):
            share = 1 + math.log10(value / top) / DECADES if value > 0 and top > 0 else 0.0
            side = 0.94 * pace * share
            if side > 0.4:
                found.append(Outline("box", left + pace * (k + 0.5), pace * (t + 0.5), side, side, "blue_line"))
    for place in (0, len(pairs) - 1):
        at = pace * (place + 0.5)
        label = (TextRun(str(place), colour="soft"),)
        found += [TextLine(left + at, TALL + 18, label, SIZE), TextLine(left - 12, at + 4, label, SIZE)]
    found.append(TextLine(left + TALL / 2, TALL + 38, (TextRun("state after step "), *_slanted("k")), SIZE))
    found.append(TextLine(left - 14, TALL / 2 + 4, _slanted("t"), SIZE))
    found.append(TextLine(left + TALL / 2, -14, _norm(shown), SIZE))
    return found


def _slanted(text: str) -> Line:
    return (TextRun(text, slanted=True),)


def _norm(state: str) -> Line:
    """||dL_t / dh_k||"""
    name = "state<SUB><I>k</I></SUB>" if state == "state" else markup_name(f"{state}[t]").replace(">t<", ">k<")
    return lines_of(f"‖∂<I>L</I><SUB><I>t</I></SUB> / ∂{name}‖")[0]
