"""A document of a worked net as text for a terminal, as Markdown, as LaTeX."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from textwrap import wrap

from rich.console import Console
from rich.text import Text

from ..errors import UsageError
from ..views.columns import columns, printable
from ..views.latex_lines import CONTINUED, latex_broken, latex_width
from .document import Brackets, Equations, Grid, Heading, Lines, Paragraph, Piece, Said, WorkedLine

DEEP = 4  # columns by which what belongs to a heading is set in
# Letters, about, that a line holds: of a page of our own, of anybody's (and of a web page), of a slide.
WIDE = {"document": 80, "fragment": 60, "beamer": 56}
TOGETHER = 100  # rows of one environment, at most: TeX has all of it in its memory at once
OPEN, CLOSED = "([{", ")]}"
PREAMBLE = r"""\documentclass{article}
\usepackage{amsmath,amssymb}
\usepackage[margin=2cm]{geometry}
\allowdisplaybreaks
\begin{document}
"""


SLIDES = r"""\documentclass[aspectratio=169]{beamer}
\usepackage{amsmath,amssymb}
\setbeamertemplate{navigation symbols}{}
\allowdisplaybreaks
\begin{document}
"""
STYLES = ("document", "fragment", "beamer")


def as_text(pieces: Sequence[Piece], width: int = 100, colour: bool = False) -> str:
    """For a terminal of `width` columns; `colour` adds its control codes."""
    console = Console(
        width=max(width, 40),
        force_terminal=colour,
        color_system="standard" if colour else None,
        highlight=False,
        soft_wrap=True,
    )
    with console.capture() as captured:
        for k, piece in enumerate(pieces):
            if k and not (isinstance(pieces[k - 1], Heading) and not isinstance(piece, Heading)):
                console.print()
            for line in _text_lines(piece, width):
                console.print(line)
    return "\n".join(line.rstrip() for line in captured.get().rstrip("\n").split("\n"))


def _text_lines(piece: Piece, width: int) -> Iterable[Text]:
    if isinstance(piece, Heading):
        yield Text(piece.words, style="bold cyan" if piece.level > 1 else "bold")
    elif isinstance(piece, Paragraph):
        for line in _wrapped(piece.text.replace("`", ""), width):
            yield Text(line)
    elif isinstance(piece, Equations):
        for line in piece.lines:
            yield Text(" " * DEEP + printable(line))
    elif isinstance(piece, Brackets):
        for line in _drawn(piece, width - DEEP):
            yield Text(" " * DEEP + line)
    elif isinstance(piece, Grid):
        head = [piece.title.text, *(c.text for c in piece.columns)]
        rows = [head, *([name.text, *cells] for name, cells in piece.rows)]
        for k, line in enumerate(columns(rows, right=range(1, len(rows[0]) + 1))):
            yield Text(" " * DEEP + line, style="dim" if k == 0 else "")
    else:
        room = min(max((len(line.left.text) for line in piece.lines), default=0), width // 3)
        for line in piece.lines:
            yield from _equation(line, room, width)


def _drawn(piece: Brackets, width: int) -> list[str]:
    """Matrices side by side, in the middle of the highest; in several rows, each begun by a sign,
    where they are too wide.
    """
    high = max(len(p) for p in piece.pieces if not isinstance(p, Said))
    columns: list[list[str]] = []
    for one in piece.pieces:
        if isinstance(one, Said):
            block, middle = [one.text], (high - 1) // 2
        else:
            widths = [max(map(len, column)) for column in zip(*one)]
            block = [f"[{' '.join(cell.rjust(w) for cell, w in zip(row, widths))}]" for row in one]
            middle = (high - len(one)) // 2
        wide = max(map(len, block))
        column = [""] * middle + block
        columns.append([c.ljust(wide) for c in (*column, *[""] * (high - len(column)))])
    groups = [[column for _, column in group] for group in _signed([*zip(piece.pieces, columns)])]
    parts: list[list[list[str]]] = [[]]
    for group in groups:
        if parts[-1] and sum(len(c[0]) + 1 for c in (*parts[-1], *group)) > width:
            parts.append([])
        parts[-1] += group
    lines = [[" ".join(cells).rstrip() for cells in zip(*part)] for part in parts]
    return [line for k, part in enumerate(lines) for line in ([""] * (k > 0) + part)]


def _signed(pieces: Sequence[tuple]) -> list[Sequence[tuple]]:
    """Groups, each from a + or a second = to the next; a piece is the first of its tuple."""
    begins = [
        k for k, (one, *_) in enumerate(pieces) if isinstance(one, Said) and one.text in ("+", "=") and k > 1
    ]
    return [pieces[i:j] for i, j in zip([0, *begins], [*begins, len(pieces)])]


def _brackets(piece: Brackets, wide: int) -> str:
    """LaTeX of the same: in one row, or in several, each begun by a sign."""
    rows, room = [[]], 0.0
    for group in _signed([(one, *_matrix(one)) for one in piece.pieces]):
        width = sum(w for _, _, w in group)
        if rows[-1] and room + width > wide:
            rows.append([])
            room = 0.0
        rows[-1] += [text for _, text, _ in group]
        room += width
    if len(rows) == 1:
        return " ".join(rows[0])
    left, equals, *first = rows[0]
    lines = [" ".join([left, "&" + equals, *first]), *(rf"&\qquad {{}} {' '.join(row)}" for row in rows[1:])]
    return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"


def _matrix(one: Said | tuple[tuple[str, ...], ...]) -> tuple[str, float]:
    """LaTeX of a piece, and how many letters it is wide."""
    if isinstance(one, Said):
        return one.latex, latex_width(one.latex) + 1
    rows = r" \\ ".join(" & ".join(_shown(c) for c in row) for row in one)
    wide = sum(2 + max(map(len, column)) for column in zip(*one))
    return rf"\begin{{bmatrix}} {rows} \end{{bmatrix}}", wide


def _equation(line: WorkedLine, room: int, width: int) -> Iterable[Text]:
    """In one line where it fits, else one for each sign of equality."""
    left, rights = line.left.text.ljust(room), [r.text for r in line.rights]
    whole = " = ".join([left, *rights])
    if len(whole) + DEEP <= width:
        before, after = whole.rsplit(" = ", 1)
        yield Text.assemble(" " * DEEP, before, " = ", (after, "bold"))
        return
    for k, right in enumerate(rights):
        for m, part in enumerate(broken(right, width - DEEP - room - 3)):
            sign = " = " if m == 0 else "   "
            before = left if k == m == 0 else " " * len(left)
            yield Text.assemble(" " * DEEP, before, sign, (part, "bold" if k == len(rights) - 1 else ""))


def broken(text: str, width: int) -> list[str]:
    """A sum in lines, broken before a + or -: where no bracket holds it, or else within as
    few brackets as need be.
    """
    for deepest in range(4):
        lines = _broken(text, width, deepest)
        if max(map(len, lines)) <= width:
            return lines
    return lines


def _broken(text: str, width: int, deepest: int) -> list[str]:
    pieces, depth, start = [], 0, 0
    for k, letter in enumerate(text):
        depth += (letter in OPEN) - (letter in CLOSED)
        if depth <= deepest and letter in "+-" and text[k - 1 : k] == " " and text[k + 1 : k + 2] == " ":
            pieces.append(text[start:k])
            start = k
    lines = [""]
    for piece in [*pieces, text[start:]]:
        if lines[-1] and len((lines[-1] + piece).rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return [line.rstrip() for line in lines]


def _wrapped(text: str, width: int) -> list[str]:
    return wrap(printable(text), width, break_long_words=False, break_on_hyphens=False) or [""]


# --- Markdown -------------------------------------------------------------------------------------------------


def as_markdown(pieces: Sequence[Piece]) -> str:
    return "\n\n".join(_markdown(piece) for piece in pieces) + "\n"


def _markdown(piece: Piece) -> str:
    if isinstance(piece, Heading):
        return f"{'#' * piece.level} {piece.words}"
    if isinstance(piece, Paragraph):
        return piece.text
    if isinstance(piece, Brackets):
        return f"$$\n{_brackets(piece, WIDE['fragment'])}\n$$"
    if isinstance(piece, Equations):
        return f"$$\n{piece.latex.replace('align*', 'aligned')}\n$$"
    if isinstance(piece, Grid):
        head = [_inline(piece.title), *(_inline(c) for c in piece.columns)]
        rows = [
            head,
            ["---"] + ["---:"] * len(piece.columns),
            *([_inline(name), *cells] for name, cells in piece.rows),
        ]
        return "\n".join(f"| {' | '.join(_cell(c) for c in row)} |" for row in rows)
    blocks = _aligned(piece, WIDE["fragment"])
    return "\n\n".join(f"$$\n\\begin{{aligned}}\n{block}\n\\end{{aligned}}\n$$" for block in blocks)


def _inline(said: Said) -> str:
    return f"${said.latex}$" if said.latex else ""


def _cell(text: str) -> str:
    return text.replace("|", r"\vert ") if text.startswith("$") else text.replace("|", r"\|")


def _aligned(piece: Lines, wide: int) -> list[str]:
    """The rows of one environment or, where there are many, of several."""
    blocks: list[list[str]] = [[]]
    for line in piece.lines:
        rows = _latex_line(line, wide)
        if blocks[-1] and sum(block.count("\n") + 1 for block in (*blocks[-1], rows)) > TOGETHER:
            blocks.append([])
        blocks[-1].append(rows)
    return [" \\\\\n".join(block) for block in blocks]


def _latex_line(line: WorkedLine, wide: int) -> str:
    """left &= right, with a line for each sign of equality where they do not fit into one."""
    rights = [r.latex for r in line.rights]
    if sum(map(latex_width, [line.left.latex, *rights])) + 3 * len(rights) <= wide:
        return f"{line.left.latex} &= " + " = ".join(rights)
    room = wide - latex_width(line.left.latex)
    parts = [CONTINUED.join(latex_broken(right, room)) for right in rights]
    return f"{line.left.latex} &= " + " \\\\\n  &= ".join(parts)


# --- LaTeX ----------------------------------------------------------------------------------------------------


def as_latex(pieces: Sequence[Piece], name: str, style: str = "document") -> str:
    """A LaTeX document, a fragment to \\input into one's own, or slides: a frame for each section (beamer).

    Raises UsageError for another style.
    """
    if style not in STYLES:
        raise UsageError(f"there is no style {style!r} of LaTeX: choose one of {', '.join(STYLES)}.")
    if style == "beamer":
        return f"{SLIDES}{_frames(pieces)}\n\\end{{document}}\n"
    body = "\n\n".join(_latex(piece, WIDE[style]) for piece in pieces)
    return f"{body}\n" if style == "fragment" else f"{PREAMBLE}{body}\n\\end{{document}}\n"


def _frames(pieces: Sequence[Piece]) -> str:
    frames: list[list[str]] = []
    for piece in pieces:
        if isinstance(piece, Heading) and piece.level <= 2 or not frames:
            title = _words(piece.words) if isinstance(piece, Heading) else ""
            frames.append([f"\\begin{{frame}}[allowframebreaks]{{{title}}}", "\\footnotesize"])
            if isinstance(piece, Heading):
                continue
        frames[-1].append(_latex(piece, WIDE["beamer"]))
    return "\n\n".join("\n".join([*frame, "\\end{frame}"]) for frame in frames if len(frame) > 2)


def _latex(piece: Piece, wide: int) -> str:
    if isinstance(piece, Heading):
        return f"\\{'sub' * min(piece.level - 1, 2)}section*{{{_words(piece.words)}}}"
    if isinstance(piece, Paragraph):
        return _words(piece.text)
    if isinstance(piece, Brackets):
        return f"\\[{_brackets(piece, wide)}\\]"
    if isinstance(piece, Equations):
        return piece.latex
    if isinstance(piece, Grid):
        rows = [
            [piece.title.latex, *(c.latex for c in piece.columns)],
            *([n.latex, *map(_shown, cells)] for n, cells in piece.rows),
        ]
        lines = [" & ".join(row) + r" \\" for row in rows]
        lines[0] += r" \hline"
        return f"\\[\\begin{{array}}{{l|{'r' * len(piece.columns)}}}\n" + "\n".join(lines) + "\n\\end{array}\\]"
    return "\n".join(f"\\begin{{align*}}\n{block}\n\\end{{align*}}" for block in _aligned(piece, wide))


def _words(text: str) -> str:
    escaped = re.sub(r"([&%$#_{}])", r"\\\1", text.replace("\\", r"\textbackslash "))
    escaped = escaped.replace("^", r"\^{}").replace("~", r"\~{}")
    return re.sub(r"`([^`]*)`", r"\\texttt{\1}", escaped)


def _shown(cell: str) -> str:
    """A table's cell: a number as it is, words upright."""
    return cell if re.fullmatch(r"-?[\d.]*(e-?\d+)?|\([-\d., e]*\)", cell) else rf"\text{{{_words(cell)}}}"
