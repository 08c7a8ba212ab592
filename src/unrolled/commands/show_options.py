"""`unrolled show CELL`: its options, read without loading what the command needs."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from ..errors import UsageError
from ..terminal import say
from .options import Json, Positional, parse


@dataclass(frozen=True)
class ShowOptions:
    """Show one cell: equations, picture, gradients, code."""

    cell: Positional[tuple[str, ...]] = ()
    """a cell's name, or FILE.py:FUNCTION; gradient-flow compares several, and takes folders of trained runs"""
    stage: str = "equations"
    """equations, latex, picture, listing, graph, backward, plan, c or gradient-flow"""
    latex: Path | None = None
    """a file of LaTeX equations; the Python function that was understood is printed first"""
    out: Path | None = None
    """write it to this file; a picture as .svg, .png or .pdf"""
    view: str = "graph"
    """of a picture: graph, unrolled, rolled, conveyor, neurons or modes"""
    steps: int | None = None
    """how many steps a picture shows; without it a graph has 1, an unrolled net 4"""
    layers: int = 1
    """of a picture, how many layers stand one above the other"""
    parts: bool = False
    """in a picture, every primitive apart instead of sums of matrix products in one box"""
    widths: tuple[str, ...] = ()
    """of a listing, such as I=28 H=64"""
    text: str | None = None
    """of gradient-flow, the sentence that is read; deck 003's without it"""
    at: str | None = None
    """of gradient-flow, the word that was read last: the loss is that of the character behind it"""
    as_json: Json = False
    """of gradient-flow, print one JSON object"""


def command(name: str, arguments: list[str]) -> None:
    options = parse(ShowOptions, f"unrolled {name}", arguments)
    from .show import pasted, show_all

    cells: tuple = options.cell
    if options.latex is not None:
        if cells and options.stage != "gradient-flow":
            raise UsageError(
                f"--latex {options.latex} and {cells[0]} are two cells, and --stage {options.stage} shows one. "
                "Leave one out."
            )
        aside = options.as_json or options.stage == "picture"
        cells = (*cells, pasted(options.latex, to=sys.stderr if aside else sys.stdout))
    say(show_all(cells, options))
