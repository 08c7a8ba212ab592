"""What is put into a page: pictures as HTML, worked examples as Markdown."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

from unrolled.byhand.examples import find_example
from unrolled.byhand.render import as_markdown
from unrolled.cell import Cell
from unrolled.commands.gradient_flow import nets
from unrolled.latex import cell_from_latex
from unrolled.views.drawing import draw
from unrolled.views.modes import use_scene

FENCE = "~" * 8
BROAD = 1020  # points; what is wider is printed on a page of its own, turned


def raw(html: str) -> str:
    """HTML for Sphinx to pass on as it is."""
    return f"{FENCE}{{raw}} html\n{html}\n{FENCE}"


def figure(svg: str, caption: str = "") -> str:
    """A picture with a line below it. It is as wide as the column at most;
    `static/pictures.js` opens it large.
    """
    said = f"<figcaption>{caption}</figcaption>" if caption else ""
    wide = re.search(r'<svg[^>]* width="([\d.]+)pt"', svg)
    size = f' style="--wide:{float(wide[1]):.0f}pt"' if wide else ""
    kind = "picture broad" if wide and float(wide[1]) > BROAD else "picture"
    return f'<figure class="{kind}"{size}>\n{svg.strip()}\n{said}</figure>'


def tidied(text: str) -> str:
    """Markdown of a worked net as Sphinx reads it: an empty name of a table's row is not an equation."""
    return re.sub(r"\|\s*\$\$\s*\|", "|  |", text)


def equations(cell: Cell) -> str:
    """A cell's equations, set by KaTeX."""
    return f"$$\n{cell.latex()}\n$$"


def unheaded(text: str) -> str:
    """Markdown whose headings are bold lines, and whose title is gone, for a place that can be folded."""
    return re.sub(r"^#+ (.*)", r"**\1**", re.sub(r"^# .*\n+", "", text, flags=re.M), flags=re.M).strip()


def unfolding(title: str, text: str) -> str:
    """Markdown behind a line to click on."""
    return "\n\n".join(
        (raw(f'<details class="more"><summary>{escape(title)}</summary>'), text, raw("</details>"))
    )


def example(name: str, rows: tuple[int, ...] | None = None, title: str = "") -> str:
    """A worked example as part of a page, its headings one level down; with a title it is folded."""
    text = tidied(as_markdown(find_example(name).make(rows, False).pieces))
    if title:
        return unfolding(title, unheaded(text))
    return re.sub(r"^(#+) ", r"#\1 ", re.sub(r"^# .*\n+", "", text, flags=re.M), flags=re.M)


def pasted(page: str) -> Cell:
    """The cell of the first LaTeX that a page of docs/ pastes."""
    text = (Path(__file__).parents[1] / page).read_text(encoding="utf-8")
    return cell_from_latex(re.search(r'text = r"""\n(.*?)"""', text, re.S)[1], "pasted_lstm")


def drawn(name: str) -> str:
    """The SVG that a command of the page has written."""
    return Path(name).read_text(encoding="utf-8")


def flow_picture(name: str) -> str:
    """How far back the gradient reaches in an untrained net of a cell, on the sentence of
    `--stage gradient-flow`.
    """
    return nets([name])[0].flow.picture()


def use_picture(reads: list[str | None], says: list[str | None], fed_back: bool = False) -> str:
    """A net as it is used on one example: what it reads and says at each step, None for nothing, as SVG."""
    said = [" ".join(each for each in row if each) for row in (reads, says)]
    return draw(use_scene(reads, says, fed_back), title=f"A net that reads {said[0]} and says {said[1]}")


def example_picture(name: str, view: str = "numbers") -> str:
    """The picture that shows a worked example best, as SVG; or another view of it."""
    shown = find_example(name).make(None, False)
    return shown.worked.picture(view=view) if view != "numbers" else shown.worked.picture(**shown.picture)
