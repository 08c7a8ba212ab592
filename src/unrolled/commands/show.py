"""`unrolled show CELL`: one cell, from its equations to C."""

from __future__ import annotations

import json
from pathlib import Path

from ..cell import Cell
from ..cell_file import find_cell
from ..errors import UsageError
from ..latex import made_of_python, python_of_file
from ..plan.plan import plan_of
from ..terminal import say
from ..views.listing import listing
from ..views.plans.describe import describe
from ..views.plans.gradients import gradients
from .show_options import ShowOptions

STAGES = ("equations", "latex", "picture", "listing", "graph", "backward", "plan", "c", "gradient-flow")


def show(
    wanted: str | Cell,
    stage: str = "equations",
    *,
    out: Path | None = None,
    widths: tuple[str, ...] = (),
) -> str:
    """The text of one stage of a cell.

    wanted   a name, "FILE.py:FUNCTION", or a Cell
    stage    equations: what the author wrote, parameters, counts; latex: the same as a paper prints them;
             picture: the computational graph, or another view, as SVG; listing: every array, FLOPs, BibTeX;
             graph: node by node; backward: the equations of backpropagation through time; plan: what is
             done before, in and after the loop; c: the C of both directions; gradient-flow: how much of a
             loss reaches earlier states
    out      a file that the text goes to instead; of a picture .svg, .png or .pdf
    widths   of a listing: ("I=28", "H=64")

    Raises UsageError for an unknown cell, stage or width, CellError for equations with a mistake.

    >>> print(show("elman").splitlines()[2].strip())
    h[t] = tanh(W @ x[t] + U @ h[t-1] + b)      # hidden state
    """
    return _one(wanted, ShowOptions(stage=stage, out=out, widths=widths))


def _one(wanted: str | Cell, options: ShowOptions) -> str:
    stage, out, widths = options.stage, options.out, options.widths
    if stage not in STAGES:
        raise UsageError(f"there is no stage {stage!r}: choose one of {', '.join(STAGES)}.")
    cell = find_cell(wanted)
    if widths and stage != "listing":
        raise UsageError(
            f"--widths {' '.join(widths)} is of --stage listing, and --stage {stage} has none. Leave it out."
        )
    if stage == "gradient-flow":
        return _gradient_flow([cell], options)
    if stage == "picture":
        picture = cell.picture(
            out, view=options.view, steps=options.steps, layers=options.layers, parts=options.parts
        )
        return f"{out}: {cell.name}" if out else picture
    text = _text(cell, stage, widths)
    if out is None:
        return text
    if not out.parent.is_dir():
        raise UsageError(f"--out {out}: the folder {out.parent} does not exist: make it, or write elsewhere.")
    out.write_text(text + "\n", encoding="utf-8")
    return f"{out}: {cell.name}"


def show_all(wanted: tuple[str | Cell, ...], options: ShowOptions) -> str:
    """What the command line shows: one cell, or several side by side where the stage compares them.

    Raises UsageError for no cell, several where one is shown, and JSON of a stage that has none.
    """
    if not wanted:
        raise UsageError("show was given no cell: write unrolled show lstm. `unrolled cells` lists them.")
    stage = options.stage
    if stage == "gradient-flow":
        return _gradient_flow(wanted, options)
    given = next((f"--{name}" for name in ("text", "at") if getattr(options, name) is not None), None)
    if given:
        raise UsageError(f"{given} belongs to --stage gradient-flow, not to {stage}: leave it out.")
    if options.as_json:
        raise UsageError(f"--json belongs to --stage gradient-flow, not to {stage}: leave it out.")
    if len(wanted) > 1:
        raise UsageError(
            f"--stage {stage} shows one cell, and {len(wanted)} were named: {', '.join(wanted)}. "
            "Name one; --stage gradient-flow compares several."
        )
    return _one(wanted[0], options)


def _gradient_flow(wanted, options: ShowOptions) -> str:
    from . import gradient_flow as flow  # torch, which the other stages do not need
    from .sentence import sentence

    out, place = options.out, sentence(options.text, options.at)
    if options.as_json and out is not None:
        raise UsageError(
            f"--json and --out {out}: the numbers are printed and the figure is drawn apart. Leave one out."
        )
    return json.dumps(flow.as_json(wanted, place)) if options.as_json else flow.report(wanted, out, place=place)


def _text(cell: Cell, stage: str, widths: tuple[str, ...]) -> str:
    if stage == "equations":
        return str(cell)
    if stage == "latex":
        return cell.latex()
    if stage == "listing":
        return cell.listing(dict(map(_width, widths)))
    if stage == "graph":
        return listing(cell.graph)
    if stage == "c":
        return _source(cell)
    return (gradients if stage == "backward" else describe)(plan_of(cell.graph))


def _width(given: str) -> tuple[str, int]:
    letter, _, number = given.partition("=")
    if not letter or not number.isdigit():
        raise UsageError(f"--widths {given} is not a width: write a letter and a whole number, such as H=64.")
    return letter, int(number)


def _source(cell: Cell) -> str:
    """The C in float32, without the header of micro-kernels that every file begins with."""
    from ..kernels.c.emit.emit import (
        emit,  # torch comes with the kernels: a second that the other stages do not need
    )

    return emit(plan_of(cell.graph), "float32", with_header=False).rstrip("\n")


def pasted(file: Path | str, to):
    """The cell of a file of LaTeX equations; prints the Python function that was understood."""
    source, name = python_of_file(file)
    say(source, to)
    return made_of_python(source, name)
