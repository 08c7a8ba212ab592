"""The gradient through time as a figure: its norm against the step that it reaches, and
for every pair of steps.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .figure import figure

LINES = ("red_line", "yellow_line", "blue_line", "teal_line", "violet_line", "green_line", "grey_line")
WIDTH, CURVES, MAP = 10.0, 3.6, 2.5  # inches: of all, height of the curves, height of a row of maps
ACROSS = 4  # maps in a row
MOST_TICKS = 60  # characters that have room below the curves
LOWEST = 1e-30  # what is smaller is left out


@dataclass(frozen=True)
class Curve:
    """One net: `norms` at every step k for the one loss, the same `clipped`, and
    `pairs`, [t][k], of all losses.
    """

    name: str
    norms: Sequence[float]
    clipped: Sequence[float]
    pairs: Sequence[Sequence[float]]


def flow_figure(
    curves: Sequence[Curve], text: str, step: int, file: str | Path, *, theme: str = "auto"
) -> None:
    """Draws the curves over the text's characters, and a map of all pairs (t, k) for each net.

    step   the t of the curves: text[step] is the last character that was read
    file   .svg, .png or .pdf
    theme  "auto" (an SVG follows the reader's light or dark setting, light elsewhere), "light" or "dark"

    Raises UsageError for another suffix or theme, a folder that does not exist, and where
    matplotlib is not installed.
    """
    rows = math.ceil(len(curves) / ACROSS)

    def fill(made, ink: dict[str, str]) -> None:
        above, below = made.subfigures(2, 1, height_ratios=(CURVES, MAP * rows), hspace=0.06)
        _curves(above.subplots(), curves, text, step, ink)
        _maps(below, below.subplots(rows, min(ACROSS, len(curves)), squeeze=False), curves, ink)

    figure(
        file,
        (WIDTH, CURVES + MAP * rows),
        fill,
        theme=theme,
        look={"font.size": 9, "axes.titlesize": 10},
        tight=True,
        title="Gradient through time",
    )


def _curves(axes, curves: Sequence[Curve], text: str, step: int, ink: dict[str, str]) -> None:
    """Norms on a log scale, clipped ones dashed; the text stands below, one character a step."""
    for number, curve in enumerate(curves):
        colour = ink[LINES[number % len(LINES)]]
        axes.plot(range(step + 1), _drawable(curve.norms[: step + 1]), color=colour, lw=1.8, label=curve.name)
        axes.plot(range(step + 1), _drawable(curve.clipped[: step + 1]), color=colour, lw=1.0, ls=(0, (3, 2)))
    axes.set_yscale("log")
    axes.set_facecolor("none")
    axes.set_xlim(-0.5, step + 0.5)
    axes.set_xticks(*_ticks(text[: step + 1]))
    axes.tick_params(length=0)
    axes.grid(axis="y", color=ink["frame"], lw=0.6)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(ink["frame"])
    axes.set_ylabel("‖∂L/∂state‖ after each character")
    axes.set_title(
        f"Gradient of the loss at “{text[step + 1]}” after “{text[max(0, step - 6) : step + 1]}” with respect"
        " to earlier states (dashed: clipped)",
        loc="left",
        color=ink["text"],
    )
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5), labelcolor=ink["text"])


def _ticks(read: str) -> tuple[list[int], list[str]]:
    """Every character where there is room for it; of a longer text each word that does not touch another."""
    if len(read) <= MOST_TICKS:
        return list(range(len(read))), ["␣" if c.isspace() else c for c in read]
    places, labels, free = [], [], 0.0
    for found in re.finditer(r"\S+", read):
        middle, half = (found.start() + found.end() - 1) / 2, len(found[0]) * len(read) / MOST_TICKS / 2
        if middle - half >= free:
            places.append(round(middle))
            labels.append(found[0])
            free = middle + half
    return places, labels


def _maps(below, places, curves: Sequence[Curve], ink: dict[str, str]) -> None:
    """log10 of the norm for every pair, one scale for all nets."""
    image = None
    for axes, curve in zip(places.flat, curves):
        values = [
            [math.log10(max(v, LOWEST)) if k <= t else math.nan for k, v in enumerate(row)]
            for t, row in enumerate(curve.pairs)
        ]
        image = axes.imshow(values, vmin=-12, vmax=4, cmap="RdYlBu_r", interpolation="nearest")
        axes.set_title(curve.name, color=ink["text"])
        axes.set_facecolor("none")
        axes.set_xlabel("state after step k")
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    for axes in list(places.flat)[len(curves) :]:
        axes.set_visible(False)
    for row in places:
        row[0].set_ylabel("loss at step t")
    bar = below.colorbar(image, ax=list(places.flat), ticks=range(-12, 5, 4), shrink=0.8, pad=0.01)
    bar.ax.set_yticklabels([f"$10^{{{tick}}}$" for tick in range(-12, 5, 4)])
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0)


def _drawable(values: Sequence[float]) -> list[float]:
    return [v if v > LOWEST else math.nan for v in values]
