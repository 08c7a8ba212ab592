"""The page of one cell, from its function alone: equations, picture, cost, a step by hand, C and papers."""

from __future__ import annotations

import contextlib
import inspect
from html import escape
from textwrap import dedent

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import CLexer

from unrolled.byhand import worked
from unrolled.byhand.invented import invented
from unrolled.cell import Cell
from unrolled.commands.show import show
from unrolled.errors import UnrolledError, UsageError
from unrolled.references import bibtex, references

from .embedded import FENCE, figure, raw, tidied, unfolding, unheaded

STATE = (0.3, -0.4, 0.6, -0.2)  # where a step by hand begins: zeros would hide what the state does
LONGEST = 120_000  # letters of a step by hand


def cell_page(cell: Cell) -> str:
    """The Markdown of a cell's page."""
    sentence, *notes = (part.strip() for part in cell.doc.split("\n\n"))
    parts = [
        f"# {cell.name}",
        _flowing(sentence),
        _from(cell),
        "## Equations",
        f"$$\n{cell.latex(comments=True)}\n$$",
        *map(_flowing, notes),
        *_function(cell),
        "## Picture",
        *_pictures(cell),
        "## What it weighs and costs",
        listed(_account(cell)),
        *_by_hand(cell),
        "## Backpropagation through time",
        "Derived from the equations above, for the whole sequence:",
        listed(show(cell, "backward")),
        "## What the machine does",
        "`unrolled show " + cell.name + " --stage plan`:",
        listed(show(cell, "plan")),
        _source(cell),
        "## Papers",
        *_papers(cell),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _pictures(cell: Cell) -> list[str]:
    """One step; on a belt, where the cell has one; unrolled; and every primitive apart."""
    found = [raw(figure(cell.picture(), "One step: inputs below, states from left to right."))]
    with contextlib.suppress(UsageError):
        found.append(
            raw(figure(cell.picture(view="conveyor"), "The state on its belt, and the gates below it."))
        )
    if cell.states:
        found.append(folded("Unrolled", figure(cell.picture(view="unrolled"))))
        found.append(folded("With its loop", figure(cell.picture(view="rolled"))))
    with contextlib.suppress(UsageError):
        found.append(folded("As neurons", figure(cell.picture(view="neurons"))))
    found.append(folded("Every primitive apart", figure(cell.picture(parts=True))))
    return found


def folded(title: str, html: str) -> str:
    return raw(f'<details class="more"><summary>{escape(title)}</summary>\n{html}\n</details>')


def listed(text: str, language: str = "text") -> str:
    return f"{FENCE}{language}\n{text.rstrip()}\n{FENCE}"


def _from(cell: Cell) -> str:
    known = references()
    papers = [
        f"[{known[k].short}]({known[k].url})" if known[k].url else known[k].short
        for k in cell.cite
        if k in known
    ]
    return (
        f"*{cell.family}* · {cell.year or ''} · {', '.join(papers)}"
        if papers
        else f"*{cell.family}* · {cell.year or ''}"
    )


def _flowing(text: str) -> str:
    """A paragraph of a docstring, whose signs are not Markdown."""
    text = " ".join(text.split())
    for sign in "\\*_<$[]":
        text = text.replace(sign, "\\" + sign)
    return text


def _function(cell: Cell) -> list[str]:
    """The author's own lines; a cell made from another one has none."""
    if cell.function is None:
        return []
    try:
        return [
            "The function from which everything on this page is made:",
            listed(dedent(inspect.getsource(cell.function)), "python"),
        ]
    except (OSError, TypeError):
        return []


def _account(cell: Cell) -> str:
    """The listing, without its title and without its papers, which stand elsewhere on the page."""
    text = cell.listing()
    body = text[text.index("\nat ") + 1 :]
    return body.partition("\n@")[0]


def _by_hand(cell: Cell) -> list[str]:
    """One step, forward and backward, on small round numbers."""
    try:
        text = worked_step(cell)
    except UnrolledError as error:
        return ["## One step by hand", f"Not done here: {_flowing(str(error))}"]
    words = (
        "Forward, then backward, on a few invented numbers; every gradient is the product of the factors above"
        f" it. The same on yours: `unrolled byhand {cell.name} NUMBERS.csv`."
    )
    return ["## One step by hand", words, unfolding("The numbers", text)]


def worked_step(cell: Cell) -> str:
    """Markdown without headings, for a place that can be folded.

    Raises UnrolledError where a cell cannot be worked by hand, or only at a length that nobody reads.
    """
    numbers = invented(cell, 1)
    states = {name: values for name, values in _states(cell, numbers).items() if name not in cell.start}
    made = worked(cell, numbers["inputs"], numbers["parameters"], target=numbers["target"], state=states)
    text = tidied(made.markdown())
    if len(text) > LONGEST:
        raise UnrolledError(f"a step of {cell.name} has {len(made.quantities)} numbers, too many to read.")
    return unheaded(text)


def _states(cell: Cell, numbers: dict) -> dict:
    """First values other than zero, of the shapes that the zeros have."""
    plain = worked(cell, numbers["inputs"], numbers["parameters"])
    return {name: _like(array.nested(), 0) for name, array in plain.given.states.items()}


def _like(zeros, at: int):
    return (
        [_like(one, at + k) for k, one in enumerate(zeros)]
        if isinstance(zeros, (list, tuple))
        else STATE[at % len(STATE)]
    )


def _source(cell: Cell) -> str:
    """The C of both directions, folded; a cell that C cannot spell has none."""
    try:
        code = show(cell, "c")
    except UnrolledError as error:
        return f"No C: {_flowing(str(error))}"
    coloured = highlight(code, CLexer(), HtmlFormatter())
    return folded(f"The C that is compiled: {len(code.splitlines())} lines", coloured)


def _papers(cell: Cell) -> list[str]:
    known = references()
    found = [
        (
            f"- {_flowing(known[key].citation)}"
            if not known[key].url
            else f"- {_flowing(known[key].citation.removesuffix(known[key].url).rstrip())} <{known[key].url}>"
        )
        for key in cell.cite
        if key in known
    ]
    entries = bibtex(cell.cite, cell.year)
    return ["\n".join(found) or "None is named.", listed(entries, "bibtex") if entries else ""]
