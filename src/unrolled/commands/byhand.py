"""`unrolled byhand WHAT [NUMBERS.csv]`: a worked example of the decks, or a net of one's
own with one's own numbers.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

from ..byhand import Worked, worked
from ..byhand.document import Paragraph, Piece
from ..byhand.examples import EXAMPLES, Shown
from ..byhand.excerpt import as_exercise, only
from ..byhand.given import MOST_ROWS
from ..byhand.invented import invented
from ..byhand.numbers import digits_of
from ..byhand.page import page
from ..byhand.plot import plot
from ..byhand.render import as_latex, as_markdown, as_text
from ..byhand.sheet import read_sheet, written_sheet
from ..cell import Cell
from ..cell_file import find_cell
from ..cells import REGISTRY
from ..errors import UsageError
from ..views.columns import columns
from .byhand_options import ByhandOptions

FORMATS = ("text", "markdown", "latex", "fragment", "beamer", "json")


def listed() -> str:
    """All worked examples, a line each."""
    return "\n".join(columns([e.name, e.deck, e.sentence] for e in EXAMPLES.values()))


def byhand(
    what: str, numbers: Path | None, options: ByhandOptions, colour: bool = False, cell: Cell | None = None
) -> str:
    """The text that is printed. `what` is an example's name, a cell's, or
    FILE.py:FUNCTION; or `cell` is the cell.

    Raises UsageError for what does not exist, and whatever `worked` finds wrong with the numbers.
    """
    if options.format not in FORMATS:
        raise UsageError(f"there is no format {options.format!r}: choose one of {', '.join(FORMATS)}.")
    if options.view != "numbers" and options.picture is None:
        raise UsageError(f"--view {options.view} is of a picture: say where it goes, --picture FILE.svg.")
    with digits_of(options.digits):
        if cell is None and _is_example(what, numbers):
            shown = _example(what, options)
        else:
            shown = _own(what, numbers, options, cell or _cell(what))
        said = [] if options.csv is None else [_kept(options.csv, "--csv", _sheet(what, shown))]
        if options.picture is not None:
            said.append(_draw(what, shown, options))
        if options.exercise is not None:
            said.append(_kept(options.exercise, "--exercise", _in_format(what, shown, options, False)))
            shown = replace(shown, pieces=tuple(as_exercise(only(shown.pieces, options.only))))
            said.append(_written(_in_format(what, shown, replace(options, only=None), colour), options))
        elif options.out is not None or options.picture is None and options.csv is None:
            said.append(_written(_in_format(what, shown, options, colour), options))
    return "\n".join(said)


def _sheet(what: str, shown: Shown) -> str:
    if shown.worked is None:
        raise UsageError(f"--csv: {what} is not a net and has no numbers of its own.")
    return written_sheet(shown.worked)


def _is_example(what: str, numbers: Path | None) -> bool:
    """With numbers of one's own, lstm is the cell; without, the worked example of that name."""
    return what in EXAMPLES and numbers is None


def _rows(options: ByhandOptions) -> tuple[int, ...] | None:
    """ "1,3" and "2-4" as numbers of rows; none for "none"."""
    if options.rows is None:
        return None
    found: list[int] = []
    for part in options.rows.split(",") if options.rows != "none" else ():
        first, dash, last = part.strip().partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            raise UsageError(f"--rows {options.rows}: write rows as 1 or 1,3 or 2-4, or none.")
        if dash and int(last) < int(first):
            raise UsageError(f"--rows {options.rows} ends before it begins. Write {last}-{first}.")
        if int(last or first) > MOST_ROWS:
            raise UsageError(f"--rows {options.rows}: a net is worked by hand over {MOST_ROWS} rows at most.")
        found += range(int(first), int(last or first) + 1)
    return tuple(found)


def _example(what: str, options: ByhandOptions) -> Shown:
    own = [f"--{n}" for n in ("loss", "rate", "steps") if getattr(options, n) is not None]
    own += ["--mean"] * options.mean + ["--train"] * (options.train != 1)
    if own:
        raise UsageError(
            f"{what} is a worked example with numbers of its own, and {own[0]} would change them. "
            "Leave it out, or give a net and a file of numbers: unrolled byhand FILE.py:FUNCTION NUMBERS.csv."
        )
    return EXAMPLES[what].make(_rows(options), options.every)


def _cell(what: str) -> Cell:
    """With numbers of one's own an example's name means its net."""
    if what in EXAMPLES and what not in REGISTRY:
        made = EXAMPLES[what].make(None, False).worked
        if made is None:
            raise UsageError(f"{what} is not a net that numbers could be given to.")
        return made.cell
    if ".py" not in what and what not in REGISTRY:
        raise UsageError(
            f"there is neither a worked example nor a cell called {what!r}. Examples: {', '.join(EXAMPLES)}; "
            "`unrolled cells` lists the cells."
        )
    return find_cell(what)


def _own(what: str, numbers: Path | None, options: ByhandOptions, cell: Cell) -> Shown:
    if options.steps is not None and not 1 <= options.steps <= MOST_ROWS:
        raise UsageError(
            f"--steps {options.steps}: a net is worked by hand over 1 to {MOST_ROWS} steps. Give such a number."
        )
    cell = cell.evaluation
    more = {
        "loss": options.loss,
        "rate": options.rate,
        "optimiser": options.optimiser,
        "train": options.train,
        "mean": options.mean,
    }
    pieces: tuple[Piece, ...] = ()
    if numbers is None:
        given = invented(cell, options.steps or 3)
        made = worked(cell, given["inputs"], given["parameters"], target=given["target"], **more)
        pieces = (Paragraph(f"The numbers are invented; for your own: unrolled byhand {what} NUMBERS.csv."),)
    else:
        sheet = read_sheet(numbers, cell)
        if not sheet.inputs:
            raise UsageError(
                f"{numbers} has no line for the input {cell.inputs[0]}: write one for each step,"
                f" {cell.inputs[0]}, 1, 0, ..."
            )
        made = worked(
            cell,
            sheet.inputs,
            sheet.parameters,
            target=sheet.targets,
            state=sheet.state,
            steps=options.steps,
            **more,
        )
    return Shown(made, (*pieces, *page(made, _rows(options), options.every)), (), {})


def _draw(what: str, shown: Shown, options: ByhandOptions) -> str:
    if shown.worked is None:
        plot(options.picture, theme=options.theme)
        return f"{options.picture}: activation functions"
    arguments = dict(shown.picture)
    if options.view != "numbers":
        arguments = {"view": options.view}
    if options.of is not None:  # another number: what suits the example's own may not suit it
        arguments = {"view": options.view, "of": options.of}
    given = {"row": options.row, "leaves": options.leaves, "opened": options.opened}
    arguments.update({name: value for name, value in given.items() if value})
    shown.worked.picture(options.picture, theme=options.theme, **arguments)
    return f"{options.picture}: {what}"


def _in_format(what: str, shown: Shown, options: ByhandOptions, colour: bool) -> str:
    if options.format == "json":
        made = shown.worked.to_json() if isinstance(shown.worked, Worked) else {}
        slides = [
            {"place": s.place, "printed": s.printed, "right": s.right, "wrong": s.wrong, "why": s.why}
            for s in shown.slides
        ]
        return json.dumps({**made, "slides": slides})
    pieces = only(shown.pieces, options.only)
    if options.format == "markdown":
        return as_markdown(pieces).rstrip("\n")
    if options.format in ("latex", "fragment", "beamer"):
        style = "document" if options.format == "latex" else options.format
        return as_latex(pieces, what, style).rstrip("\n")
    width = min(shutil.get_terminal_size((100, 24)).columns, 120)
    return as_text(pieces, width, colour and options.out is None)


def _written(text: str, options: ByhandOptions) -> str:
    return text if options.out is None else _kept(options.out, "--out", text)


def _kept(file: Path, option: str, text: str) -> str:
    """The text in a file, and the line that says so. Raises UsageError where it cannot be written."""
    if not file.parent.is_dir():
        raise UsageError(
            f"{option} {file}: the folder {file.parent} does not exist: make it, or write elsewhere."
        )
    try:
        file.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{option} {file}: it cannot be written: {error.strerror or error}.") from None
    return f"{file}: written"
