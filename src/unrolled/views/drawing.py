"""Graphs in Graphviz's language become pictures: SVG, PNG and PDF, for light and dark pages and for print.

Who draws writes DOT and takes every colour from `INK`; this file lays it out, by the Graphviz that the package pygraphviz
brings along or else by a `dot` that is installed, and gives the colours their dark twins.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from ..errors import UsageError

FORMATS, THEMES = ("svg", "png", "pdf"), ("auto", "light", "dark")
SECONDS = 120
# Name -> (on a light page, on a dark one). No two alike on a side: a colour is found again by its number.
INK = {
    "page": ("#ffffff", "#14171c"),
    "text": ("#1c2430", "#e8ebf0"),
    "soft": ("#5d6776", "#a3acb9"),
    "line": ("#7b8594", "#8b95a5"),
    "frame": ("#d3d8e0", "#3a424e"),
    "panel": ("#f6f7f9", "#1b2027"),
    "weight": ("#a3480b", "#f2ae72"),
    "blue": ("#dbe8fd", "#1d3a63"),
    "blue_line": ("#3a6fc4", "#7caaf0"),
    "green": ("#dcf3e1", "#1c4a2c"),
    "green_line": ("#2f8f4e", "#71c98c"),
    "violet": ("#ece3fb", "#43306b"),
    "violet_line": ("#7a53c0", "#b79bf0"),
    "yellow": ("#fdf0c4", "#554511"),
    "yellow_line": ("#b08312", "#e2bf57"),
    "red": ("#fde0e2", "#632a33"),
    "red_line": ("#c9475a", "#f0909d"),
    "teal": ("#d6f1f1", "#164a4c"),
    "teal_line": ("#20868a", "#66c5c8"),
    "grey": ("#e9ecf0", "#2f3742"),
    "grey_line": ("#68727f", "#9aa4b2"),
}
# Runs apart, so that nothing the C libraries print or do can hurt the process that asked.
DRAW = """import sys, pygraphviz
source = sys.stdin.buffer.read().decode()
sys.stdout.buffer.write(pygraphviz.AGraph(string=source).draw(format=sys.argv[1], prog="dot"))"""
LOWER, HIGHER = 0.22, 0.38  # how far below and above the line indices stand, in their own height over 0.7
NODE = re.compile(r'<g id="node\d+" class="node">.*?</g>', re.DOTALL)
SHAPE = re.compile(
    r'<polygon [^>]*points="([^"]*)"|<ellipse [^>]*cx="([^"]*)" cy="([^"]*)" rx="([^"]*)" ry="([^"]*)"'
)
# Graphviz writes a text for each run of a label in one style; those of a line are as high and stand one behind the other.
RUN = re.compile(
    r'<text text-anchor="\w+" x="([^"]*)" y="([^"]*)" font-family="([^"]*)"([^>]*)>([^<]*)</text>\n'
)
RUNS = re.compile(r'<text [^>]* (y="[^"]*")[^>]*>[^<]*</text>\n(?:<text [^>]* \1[^>]*>[^<]*</text>\n)*')
FONT = "'STIX Two Text', 'Times New Roman', Times, 'Liberation Serif', serif"


def ink(name: str) -> str:
    """A colour by its name, as DOT text has it.

    >>> ink("page")
    '#ffffff'
    """
    return INK[name][0]


def draw(source: str, file: str | Path | None = None, *, theme: str = "auto", title: str = "") -> str:
    """Lays out DOT text whose colours are from `INK`, and returns the picture as SVG text.

    source  DOT text with bgcolor="transparent", for which a PNG and a PDF have the page's colour
    file    where to write it, too: .svg, .png or .pdf
    theme   "auto": an SVG follows the reader's light or dark setting, and is light in print; "light", "dark"
    title   what a reader who cannot see it is told

    Raises UsageError for another suffix or theme, for a folder that does not exist, and where Graphviz is not installed.

    >>> draw('digraph { a -> b }', "edge.svg")      # doctest: +SKIP
    """
    kind = format_of(file, theme)
    if theme == "dark":
        source = _recoloured(source)
    picture = _styled(_laid_out(source, "svg").decode("utf-8"), theme, title)
    if kind == "svg":
        Path(file).write_text(picture, encoding="utf-8", newline="\n")
    elif kind:
        page = INK["page"][theme == "dark"]
        solid = source.replace('bgcolor="transparent"', f'bgcolor="{page}", dpi={200 if kind == "png" else 72}')
        Path(file).write_bytes(_laid_out(solid, kind))
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
                f"{path}: {f'.{kind}' if kind else 'a name without an ending'} is no format of a picture: write "
                f"{path.stem}.svg, {path.stem}.png or {path.stem}.pdf."
            )
        if not path.parent.is_dir():
            raise UsageError(f"{path}: the folder {path.parent} does not exist: make it, or write elsewhere.")
    if theme not in THEMES:
        raise UsageError(f"theme={theme!r} is no theme: choose one of {', '.join(THEMES)}.")
    return kind


def _laid_out(source: str, kind: str) -> bytes:
    if find_spec("pygraphviz"):
        command = [sys.executable, "-I", "-c", DRAW, kind]
    elif shutil.which("dot"):
        command = ["dot", f"-T{kind}"]
    else:
        raise UsageError(
            'pictures are laid out by Graphviz, which is not installed: pip install "unrolled[pictures]" '
            "(or pip install pygraphviz, or your system's package graphviz)."
        )
    try:
        done = subprocess.run(command, input=source.encode("utf-8"), capture_output=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise UsageError(
            f"Graphviz did not lay the picture out within {SECONDS} seconds: draw fewer steps."
        ) from None
    if done.returncode or not done.stdout:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise UsageError(f"Graphviz cannot draw this: {said[-1] if said else f'exit code {done.returncode}'}")
    return done.stdout


def _recoloured(text: str) -> str:
    """Every light colour replaced by its dark twin."""
    twins = dict(INK.values())
    return re.sub(r"#[0-9a-f]{6}\b", lambda found: twins.get(found[0], found[0]), text)


def _styled(picture: str, theme: str, title: str) -> str:
    """SVG for a page: without a prolog, with a style of its own, indices lowered in a way that every browser knows."""
    picture = picture[picture.index("<svg") :]
    picture = re.sub(r"<!--.*?-->\n?", "", picture, flags=re.DOTALL)
    picture = re.sub(
        r"<title>.*?</title>\n?", "", picture
    )  # Graphviz's node names, which browsers show as hints
    picture = picture.replace(' font-family="Times,serif"', "").replace(' xml:space="preserve"', "")
    picture = NODE.sub(_node, picture)
    said = f"<title>{_escaped(title)}</title>\n" if title else ""
    head = f'<svg class="unrolled-picture" role="img"{_label(title)}'
    body = picture[picture.index(">") + 1 :].lstrip("\n")
    return f"{head}{picture[4 : picture.index('>')]}>\n{said}<style>{_style(theme)}</style>\n{body}"


def _label(title: str) -> str:
    return f' aria-label="{_escaped(title)}"' if title else ""


def _node(found: re.Match) -> str:
    """A node's lines of text, in the middle of its shape: letters are not as wide for every reader as for Graphviz."""
    shape = SHAPE.search(found[0])
    places = [tuple(map(float, place.split(","))) for place in shape[1].split()] if shape and shape[1] else []
    if shape and not places:
        cx, cy, rx, ry = map(float, shape.groups()[1:])
        places = [(cx - rx, cy - ry), (cx + rx, cy + ry)]
    return RUNS.sub(lambda line: _line(line[0], places), found[0])


def _line(line: str, shape: Sequence[tuple[float, float]]) -> str:
    """The runs of one line as one text, so that a letter follows the last in whatever font the reader has."""
    runs = RUN.findall(line)
    x, y, family = runs[0][:3]
    at = f'text-anchor="start" x="{x}"'
    if shape and _within(float(x), shape, 0) and _within(float(y), shape, 1):
        ends = [place[0] for place in shape]
        at = f'text-anchor="middle" x="{(min(ends) + max(ends)) / 2:.2f}"'
    lowered, spans = 0.0, []
    for *_, look, text in runs:
        shift, size = (
            re.search(r' baseline-shift="(\w+)"', look),
            float(re.search(r'font-size="([\d.]+)"', look)[1]),
        )
        wanted = size * (LOWER if shift[1] == "sub" else -HIGHER) / 0.7 if shift else 0.0
        moved = f' dy="{wanted - lowered:.2f}"' if wanted != lowered else ""
        spans.append(f"<tspan{moved}{look.replace(shift[0], '') if shift else look}>{text}</tspan>")
        lowered = wanted
    return f'<text {at} y="{y}" font-family="{family}">{"".join(spans)}</text>\n'


def _within(place: float, shape: Sequence[tuple[float, float]], axis: int) -> bool:
    ends = [point[axis] for point in shape]
    return min(ends) <= place <= max(ends)


def _style(theme: str) -> str:
    font = f".unrolled-picture{{max-width:100%;height:auto}}.unrolled-picture text{{font-family:{FONT};white-space:pre}}"
    if theme != "auto":
        return font
    return font + following("unrolled-picture", '[{what}="{colour}"]{{{what}:var(--{name})}}')


def following(kind: str, rule: str) -> str:
    """CSS by which colours follow the reader's light or dark setting. The light ones are found again by their numbers, which
    is all that is seen where style sheets are not known.

    kind   the class of the SVG
    rule   for one colour: {what} is fill or stroke, {colour} the light one's number, {name} its name
    """
    light, dark = ("".join(f"--{name}:{pair[side]};" for name, pair in INK.items()) for side in (0, 1))
    rules = "".join(
        f".{kind} " + rule.format(what=what, colour=pair[0], name=name)
        for name, pair in INK.items()
        for what in ("fill", "stroke")
    )
    return f".{kind}{{{light}}}@media screen and (prefers-color-scheme:dark){{.{kind}{{{dark}}}}}{rules}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
