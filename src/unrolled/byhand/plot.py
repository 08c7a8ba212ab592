"""Activation functions as a figure, each with its derivative."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, nan
from pathlib import Path

from ..views.figure import figure
from .examples.activations import SHOWN, curve

REACH, POINTS, ACROSS, JUMP = 4.0, 321, 2, 0.5
WIDTH, HEIGHT = 3.6, 2.4  # inches, of one panel


def plot(file: str | Path, names: Sequence[str] = SHOWN, *, theme: str = "auto") -> None:
    """Draws g(x) as a line and g'(x) dashed from -4 to 4, a panel for each function; .svg, .png or .pdf.

    theme   "auto" (an SVG follows the reader's light or dark setting, light elsewhere), "light" or "dark"

    Raises UsageError for another suffix or theme, a folder that does not exist, and where
    matplotlib is not installed.
    """
    rows = ceil(len(names) / ACROSS)

    def fill(made, ink: dict[str, str]) -> None:
        panels = made.subplots(rows, ACROSS, squeeze=False)
        for axes, name in zip(panels.flat, names):
            _panel(axes, name, ink)
        for axes in list(panels.flat)[len(names) :]:
            axes.set_visible(False)
        made.legend(
            *panels[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False
        )

    figure(
        file,
        (WIDTH * ACROSS, HEIGHT * rows + 0.35),
        fill,
        theme=theme,
        look={"font.size": 10},
        title="Activation functions and their derivatives",
    )


def _panel(axes, name: str, ink: dict[str, str]) -> None:
    points = [REACH * (2 * k / (POINTS - 1) - 1) for k in range(POINTS)]
    values, slopes = curve(name, points)
    axes.axhline(0, color=ink["frame"], lw=0.8)
    axes.axvline(0, color=ink["frame"], lw=0.8)
    axes.plot(points, values, color=ink["blue_line"], lw=1.9, label="$g(x)$")
    for k in range(POINTS - 1):
        if abs(slopes[k + 1] - slopes[k]) > JUMP:
            slopes[k] = nan  # there is no slope at a jump
    axes.plot(points, slopes, color=ink["red_line"], lw=1.5, ls=(0, (4, 2)), label="$g'(x)$")
    axes.set_title(name, color=ink["text"], fontsize=11)
    axes.set_facecolor("none")
    axes.set_xlim(-REACH, REACH)
    axes.tick_params(length=2)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["bottom", "left"]].set_color(ink["line"])
