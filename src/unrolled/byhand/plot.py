"""Activation functions as a figure, each with its derivative."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import ceil, nan
from pathlib import Path

from ..errors import UsageError
from ..views.drawing import FORMATS, INK, THEMES
from .examples.activations import SHOWN, curve

REACH, POINTS, ACROSS, JUMP = 4.0, 321, 2, 0.5
WIDTH, HEIGHT = 3.6, 2.4              # inches, of one panel


def plot(file: str | Path, names: Sequence[str] = SHOWN, *, theme: str = "auto") -> None:
    """Draws g(x) as a line and g'(x) dashed from -4 to 4, a panel for each function; .svg, .png or .pdf.

    theme   "auto" (an SVG follows the reader's light or dark setting, light elsewhere), "light" or "dark"

    Raises UsageError for another suffix or theme, a folder that does not exist, and where matplotlib is not installed.
    """
    file = Path(file)
    kind = _checked(file, theme)
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError('the figure is drawn by matplotlib, which is not installed: pip install "unrolled[figures]" '
                         "(or pip install matplotlib).") from None
    ink = {name: pair[theme == "dark"] for name, pair in INK.items()}
    look = {"font.family": "serif", "font.size": 10, "text.color": ink["text"], "axes.edgecolor": ink["line"],
            "xtick.color": ink["soft"], "ytick.color": ink["soft"], "svg.fonttype": "path", "svg.hashsalt": "unrolled",
            "font.serif": ["STIXGeneral"], "mathtext.fontset": "stix"}
    with matplotlib.rc_context(look):
        rows = ceil(len(names) / ACROSS)
        figure = Figure((WIDTH * ACROSS, HEIGHT * rows + 0.35), layout="constrained")
        figure.set_facecolor("none" if kind == "svg" else ink["page"])
        panels = figure.subplots(rows, ACROSS, squeeze=False)
        for axes, name in zip(panels.flat, names):
            _panel(axes, name, ink)
        for axes in list(panels.flat)[len(names):]:
            axes.set_visible(False)
        figure.legend(*panels[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
        figure.savefig(file, dpi=200, metadata={"Date": None} if kind == "svg" else None)
    if kind == "svg":
        _follow_reader(file, theme)


def _panel(axes, name: str, ink: dict[str, str]) -> None:
    points = [REACH * (2 * k / (POINTS - 1) - 1) for k in range(POINTS)]
    values, slopes = curve(name, points)
    axes.axhline(0, color=ink["frame"], lw=0.8)
    axes.axvline(0, color=ink["frame"], lw=0.8)
    axes.plot(points, values, color=ink["blue_line"], lw=1.9, label="$g(x)$")
    for k in range(POINTS - 1):
        if abs(slopes[k + 1] - slopes[k]) > JUMP:
            slopes[k] = nan                               # a jump is no slope that there is
    axes.plot(points, slopes, color=ink["red_line"], lw=1.5, ls=(0, (4, 2)), label="$g'(x)$")
    axes.set_title(name, color=ink["text"], fontsize=11)
    axes.set_facecolor("none")
    axes.set_xlim(-REACH, REACH)
    axes.tick_params(length=2)
    axes.spines[["top", "right"]].set_visible(False)


def _checked(file: Path, theme: str) -> str:
    kind = file.suffix.lower().lstrip(".")
    if kind not in FORMATS:
        raise UsageError(
            f"{file}: {f'.{kind}' if kind else 'a name without an ending'} is no format of a picture: write "
            f"{file.stem}.svg, {file.stem}.png or {file.stem}.pdf."
        )
    if not file.parent.is_dir():
        raise UsageError(f"{file}: the folder {file.parent} does not exist: make it, or write elsewhere.")
    if theme not in THEMES:
        raise UsageError(f"theme={theme!r} is no theme: choose one of {', '.join(THEMES)}.")
    return kind


def _follow_reader(file: Path, theme: str) -> None:
    """Colours that follow the reader's light or dark setting, found again by their numbers."""
    svg = re.sub(r"^.*?(?=<svg)", "", file.read_text(encoding="utf-8"), count=1, flags=re.DOTALL)
    if theme == "auto":
        rules = "".join(f'.unrolled-plot [style*="{what}: {light}"]{{{what}:{dark}!important}}'
                        for light, dark in INK.values() if light in svg for what in ("fill", "stroke"))
        svg = re.sub(
            r"(<svg[^>]*>)",
            lambda found: f"{found[1]}<style>@media screen and (prefers-color-scheme:dark){{{rules}}}</style>",
            svg,
            count=1,
        )
    svg = svg.replace(
        "<svg ", '<svg class="unrolled-plot" role="img" aria-label="Activation functions and their derivatives" ', 1
    )
    file.write_text(svg, encoding="utf-8", newline="\n")
