"""`unrolled byhand WHAT [NUMBERS.csv]`: its options, read without loading what the command needs."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ..errors import UsageError
from ..terminal import say
from .options import Flag, Positional, parse


@dataclass(frozen=True)
class ByhandOptions:
    """A small net worked by hand: every number with its formula, every gradient with its chain of factors."""

    what: Positional[str] = ""
    """a worked example (--list), a cell's name, or FILE.py:FUNCTION"""
    numbers: Positional[Path | None] = None
    """a CSV file for a net of your own; lines such as x, 1, 0 and target, 0.5 and W, 0.1, 0.2"""
    list_examples: Annotated[bool, tyro.conf.arg(name="list"), tyro.conf.FlagCreatePairsOff] = False
    """the worked examples there are"""
    loss: str | None = None
    """half-squared-error, squared-error, mean-squared-error, absolute-error,
    cross-entropy or binary-cross-entropy"""
    rate: float | None = None
    """of the optimiser's steps; none without it"""
    optimiser: str = "sgd"
    """sgd, momentum, rmsprop, adam or adagrad"""
    mean: Flag = False
    """the mean of the rows' losses instead of their sum"""
    steps: int | None = None
    """how many rows of the file, or how many invented ones"""
    rows: str | None = None
    """which rows or steps are shown line by line: 1 or 1,3 or 2-4 or none"""
    every: Flag = False
    """show the chain of every weight, not only of each matrix's first, and the gradients of each row"""
    format: str = "text"
    """text, markdown, latex, fragment (LaTeX to put into a paper), beamer (slides) or json"""
    out: Path | None = None
    """write it to this file"""
    picture: Path | None = None
    """draw the single numbers, value above and gradient below each edge, as .svg, .png or .pdf"""
    of: str | None = None
    """whose gradients the picture shows, such as a2[1] (or a2.1, for shells that read brackets);
    the row's loss without it"""
    row: int | None = None
    """which step or example the picture shows"""
    leaves: tuple[str, ...] = ()
    """names at which the picture ends, such as a1"""
    opened: tuple[str, ...] = ()
    """what the picture shows in its parts: sigmoid, tanh, ..., or a number such as a2[1]"""
    theme: str = "auto"
    """of a picture: auto, light or dark"""
    latex: Path | None = None
    """a file of LaTeX equations that are the net: byhand --latex eq.tex NUMBERS.csv"""
    train: int = 1
    """how many steps of the optimiser, each shown"""
    digits: int | None = None
    """decimals of every number; 6 without it"""
    only: str | None = None
    """show one part: forward, backward or step"""
    exercise: Path | None = None
    """print it with blanks, and the solutions into this file"""
    view: str = "numbers"
    """of a picture: numbers, or neurons for layers of circles with weights"""
    csv: Path | None = None
    """write the net's numbers into this file, to be changed and worked again"""


def command(name: str, arguments: list[str]) -> None:
    options = parse(ByhandOptions, f"unrolled {name}", arguments)
    from .byhand import byhand, listed

    what, numbers, cell = options.what, options.numbers, None
    if options.latex is not None:
        if numbers is not None:
            raise UsageError(
                f"--latex {options.latex} and {what} are two nets. Leave one out: byhand --latex eq.tex"
                " NUMBERS.csv."
            )
        from .show import pasted

        cell = pasted(options.latex, sys.stderr)
        what, numbers = f"--latex {options.latex}", Path(what) if what else None
    if options.list_examples or not what:
        say(listed())
        return
    colour = sys.stdout.isatty()
    say(byhand(what, numbers, options, colour=colour, cell=cell), colours=colour)
