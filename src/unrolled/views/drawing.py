"""A scene becomes a picture: SVG text, and a file where one is named. The SVG is ours;
PNG and PDF need Graphviz.
"""

from __future__ import annotations

from pathlib import Path

from ..errors import UsageError
from .background import rendered
from .scene import Scene
from .svg import svg_text

FORMATS, THEMES = ("svg", "png", "pdf"), ("auto", "light", "dark")


def draw(scene: Scene, file: str | Path | None = None, *, theme: str = "auto", title: str = "") -> str:
    """Returns a scene as SVG text, and writes it.

    file    where to write it, too: .svg, .png or .pdf; the last two have the page's colour behind them
    theme   "auto": an SVG follows the reader's light or dark setting, and is light in print; "light", "dark"
    title   what a reader who cannot see it is told

    Raises UsageError for another suffix or theme, for a folder that does not exist, and for a PNG or PDF where
    Graphviz is not installed.

    >>> draw(Scene(), title="nothing")[:53]
    '<svg class="unrolled-picture" role="img" aria-label="'
    """
    kind = format_of(file, theme)
    picture = svg_text(scene, theme=theme, title=title)
    if kind == "svg":
        Path(file).write_text(picture, encoding="utf-8", newline="\n")
    elif kind:
        Path(file).write_bytes(rendered(scene, kind, theme))
    return picture


def format_of(file: str | Path | None, theme: str) -> str:
    """svg, png or pdf, from the file's name; "" for no file.

    Raises UsageError for another ending, for a folder that does not exist, and for another theme.

    >>> format_of("f.svg", "auto")
    'svg'
    """
    kind = ""
    if file is not None:
        path = Path(file)
        kind = path.suffix.lower().lstrip(".")
        if kind not in FORMATS:
            raise UsageError(
                f"{path}: {f'.{kind}' if kind else 'a name without an ending'} is not a format of a picture:"
                f" write {path.stem}.svg, {path.stem}.png or {path.stem}.pdf."
            )
        if not path.parent.is_dir():
            raise UsageError(f"{path}: the folder {path.parent} does not exist: make it, or write elsewhere.")
    if theme not in THEMES:
        raise UsageError(f"theme={theme!r} is not a theme: choose one of {', '.join(THEMES)}.")
    return kind
