"""Figures drawn by matplotlib in the pictures' colours: SVG that follows its reader's light or
dark setting, PNG and PDF.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from ..errors import UsageError
from ..terminal import printable
from .drawing import format_of
from .ink import INK, following

LOOK = {
    "font.family": "serif",
    "font.serif": ["STIXGeneral"],
    "mathtext.fontset": "stix",
    "svg.fonttype": "path",
    "svg.hashsalt": "unrolled",
}


def figure(
    file: str | Path,
    size: tuple[float, float],
    fill: Callable,
    *,
    theme: str = "auto",
    title: str = "",
    look: Mapping[str, object] | None = None,
    tight: bool = False,
) -> None:
    """Writes a figure.

    file   .svg, .png or .pdf
    size   width and height in inches
    fill   is given the empty matplotlib Figure, and the colours of the theme by their names in `ink.INK`
    theme  "auto": an SVG follows the reader's light or dark setting, everything else is light; "light", "dark"
    title  what a reader who cannot see it is told
    look   matplotlib's settings beside those that all figures share
    tight  cut to what is drawn

    Raises UsageError for another suffix or theme, a folder that does not exist, and where
    matplotlib is not installed.

    >>> def line(figure, ink): figure.subplots().plot([1, 2], color=ink["red_line"])
    >>> figure("line.svg", (3, 2), line)  # doctest: +SKIP
    """
    kind, file = format_of(file, theme), Path(file)
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError(
            'the figure is drawn by matplotlib, which is not installed: pip install "unrolled[figures]" '
            "(or pip install matplotlib)."
        ) from None
    ink = {name: pair[theme == "dark"] for name, pair in INK.items()}
    shared = {
        **LOOK,
        "figure.facecolor": "none" if kind == "svg" else ink["page"],
        "text.color": ink["text"],
        "axes.labelcolor": ink["text"],
        "xtick.color": ink["soft"],
        "ytick.color": ink["soft"],
    }
    with matplotlib.rc_context({**shared, **(look or {})}):
        made = Figure(size, layout="constrained")
        fill(made, ink)
        cut = {"bbox_inches": "tight", "pad_inches": 0.12} if tight else {}
        made.savefig(file, dpi=200, metadata={"Date": None} if kind == "svg" else None, **cut)
    if kind == "svg":
        file.write_text(
            _following(file.read_text(encoding="utf-8"), theme, title), encoding="utf-8", newline="\n"
        )


def literal(name: str) -> str:
    """A name as it stands: matplotlib would read what is between dollars as mathematics.

    >>> print(literal("5 $ a week"))
    5 \\$ a week
    """
    return printable(name).replace("$", r"\$")


def _following(svg: str, theme: str, title: str) -> str:
    """An SVG for a page: no prolog, no rules for what is beside it, and colours that
    follow the reader's setting.
    """
    svg = re.sub(r"^.*?(?=<svg)", "", svg, count=1, flags=re.DOTALL)
    svg = svg.replace('<style type="text/css">*{', '<style type="text/css">.unrolled-figure *{', 1)
    svg = svg.replace("<svg ", f'<svg class="unrolled-figure" role="img" aria-label="{title}" ', 1)
    if theme != "auto":
        return svg
    style = following("unrolled-figure", '[style*="{what}: {colour}"]{{{what}:var(--{name})!important}}')
    return re.sub(r"<svg[^>]*>", lambda found: f"{found[0]}<style>{style}</style>", svg, count=1)
