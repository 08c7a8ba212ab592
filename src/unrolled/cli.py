"""The command line: `unrolled COMMAND ...`. Each command loads only what it needs, so that help comes at once."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated

import tyro

from .commands.options import Json, Positional, parse
from .errors import UnrolledError, UsageError
from .terminal import interruptible, prepare, say, silence

OVERVIEW = """usage: unrolled COMMAND ...

Recurrent neural networks from their equations.

  train char-lm       train a character model: on --text FILE, or on Python's own source without one
  train --resume RUN  go on with a run that was stopped
  predict RUN         what a trained model makes of inputs
  sample RUN          let a trained character model write
  evaluate RUN        how good a model is on --data FILE
  export RUN          a trained model as ONNX
  runs                the runs there are, with what differs between them
  plot RUN ...        loss and figures of runs as a picture
  cells               the cells there are
  show CELL           a cell's equations, LaTeX, picture, listing, backward graph, plan or C
  byhand EXAMPLE      a small net by hand: every number, every gradient; --list names the examples
  check CELL|RUN      gradients against finite differences; an untrained model's loss against log V

unrolled COMMAND --help says more. Start with: unrolled train char-lm"""


# Commands that every task shares; each file is loaded when it is asked for, and has a function `command`.
OF_TASKS = {
    "train": "train",
    "predict": "predict",
    "sample": "predict",
    "evaluate": "evaluate",
    "export": "export",
    "runs": "runs",
    "plot": "plot",
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 wrong usage, 130 and 143 interrupted."""
    try:
        return _printed(sys.argv[1:] if arguments is None else arguments)
    except UnrolledError as error:
        say(_message(error), sys.stderr)
        return getattr(error, "exit_code", 2)
    except KeyboardInterrupt:
        say("stopped by Ctrl-C", sys.stderr)
        return 130
    except BrokenPipeError:  # `unrolled sample RUN | head`
        silence()
        return 0
    except OSError as error:
        silence()
        say(f"unrolled: {error.filename or 'standard output'}: {error.strerror or error}", sys.stderr)
        return 1
    except MemoryError:
        say("unrolled: there is not enough memory for that: ask for less", sys.stderr)
        return 1


def _printed(arguments: list[str]) -> int:
    """Runs a command; an error of standard output is raised here, not when the process ends."""
    prepare()
    try:
        if not arguments or arguments[0] in ("-h", "--help", "help"):
            say(OVERVIEW)
            return 0
        return _dispatch(arguments[0], arguments[1:])
    finally:
        sys.stdout.flush()


def _message(error: UnrolledError) -> str:
    text = str(error)
    return text if text.startswith((type(error).__name__, "CellError")) else f"{type(error).__name__}: {text}"


LOADED = {"cells": "commands.catalogue", "show": "commands.show", "byhand": "commands.byhand", "check": "check"}


def _dispatch(command: str, arguments: list[str]) -> int:
    if command in OF_TASKS:
        module = import_module(f".commands.{OF_TASKS[command]}", __package__)
        interruptible()
        return module.command(command, arguments) or 0
    if command == "--version":
        from importlib.metadata import version

        say(f"unrolled {version('unrolled')}")
        return 0
    if command not in LOADED:
        raise UsageError(f"there is no command {command!r}: choose one of {', '.join((*OF_TASKS, *LOADED))}.")
    if not {"-h", "--help"} & {*arguments}:  # help comes at once, whatever its command takes
        import_module(f".{LOADED[command]}", __package__)
    interruptible()
    commands = {"cells": cells, "show": show, "byhand": byhand, "check": check}
    return parse(commands[command], f"unrolled {command}", arguments) or 0


# --- the other commands ----------------------------------------------------------------------------------------


def cells(
    family: str | None = None,
    year: str | None = None,
    since: int | None = None,
    until: int | None = None,
    states: int | None = None,
    search: str | None = None,
    backend: str | None = None,
    sort: str | None = None,
    as_json: Json = False,
) -> None:
    """The cells there are, by family; `unrolled show CELL` prints one.

    Args:
        family: of this family only, e.g. gru
        year: of a year or a span of years, 2014 or 2014-2016
        since: from this year on
        until: up to this year
        states: with so many states
        search: with these words in their name, their sentence, or their papers' authors and titles
        backend: that run on c, or on reference only
        sort: name, family, year, paper, states, parameters, flops, stages or backend; without it family by family
        as_json: print a JSON list
    """
    from .commands.catalogue import table
    from .commands.cells import Wanted
    from .commands.cells import as_json as rows

    wanted = Wanted(family, year, since, until, states, search, backend, sort)
    colour = sys.stdout.isatty()
    say(json.dumps(rows(wanted)) if as_json else table(None, wanted, colour=colour), colours=colour)


def show(
    cell: Positional[tuple[str, ...]] = (),
    stage: str = "equations",
    latex: Path | None = None,
    out: Path | None = None,
    view: str = "graph",
    steps: int | None = None,
    layers: int = 1,
    parts: bool = False,
    widths: tuple[str, ...] = (),
    text: str | None = None,
    at: str | None = None,
    as_json: Json = False,
) -> None:
    """Show one cell: equations, picture, gradients, code.

    Args:
        cell: a cell's name, or FILE.py:FUNCTION; gradient-flow compares several, and takes folders of trained runs
        stage: equations, latex, picture, listing, graph, backward, plan, c or gradient-flow
        latex: a file of LaTeX equations; the Python function that was understood is printed first
        out: write it to this file; a picture as .svg, .png or .pdf
        view: of a picture: graph, unrolled, rolled, conveyor, neurons or modes
        steps: how many steps a picture shows; without it a graph has 1, an unrolled net 4
        layers: of a picture, how many layers stand one above the other
        parts: in a picture, every primitive apart instead of sums of matrix products in one box
        widths: of a listing, such as I=28 H=64
        text: of gradient-flow, the sentence that is read; deck 003's without it
        at: of gradient-flow, the word that was read last: the loss is that of the character behind it
        as_json: of gradient-flow, print one JSON object
    """
    from .commands.show import pasted, show_all

    if latex is not None:
        if cell and stage != "gradient-flow":
            raise UsageError(
                f"--latex {latex} and {cell[0]} are two cells, and --stage {stage} shows one. Leave one out."
            )
        cell = (*cell, pasted(latex, to=sys.stderr if as_json or stage == "picture" else sys.stdout))
    say(
        show_all(
            cell,
            stage,
            out=out,
            view=view,
            steps=steps,
            layers=layers,
            parts=parts,
            widths=widths,
            text=text,
            at=at,
            as_json=as_json,
        )
    )


def byhand(
    what: Positional[str] = "",
    numbers: Positional[Path | None] = None,
    list_examples: Annotated[bool, tyro.conf.arg(name="list"), tyro.conf.FlagCreatePairsOff] = False,
    loss: str | None = None,
    rate: float | None = None,
    optimiser: str = "sgd",
    mean: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    steps: int | None = None,
    rows: str | None = None,
    every: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    format: str = "text",
    out: Path | None = None,
    picture: Path | None = None,
    of: str | None = None,
    row: int | None = None,
    leaves: tuple[str, ...] = (),
    opened: tuple[str, ...] = (),
    theme: str = "auto",
    latex: Path | None = None,
    train: int = 1,
    digits: int | None = None,
    only: str | None = None,
    exercise: Path | None = None,
    csv: Path | None = None,
    view: str = "numbers",
) -> None:
    """A small net worked by hand: every number with its formula, every gradient with its chain of factors.

    Args:
        what: a worked example (--list), a cell's name, or FILE.py:FUNCTION
        numbers: a CSV file for a net of your own; lines such as x, 1, 0 and target, 0.5 and W, 0.1, 0.2
        list_examples: the worked examples there are
        loss: half-squared-error, squared-error, mean-squared-error, absolute-error, cross-entropy or binary-cross-entropy
        rate: of the optimiser's steps; none without it
        optimiser: sgd, momentum, rmsprop, adam or adagrad
        mean: the mean of the rows' losses instead of their sum
        steps: how many rows of the file, or how many invented ones
        rows: which rows or steps are shown line by line: 1 or 1,3 or 2-4 or none
        every: show the chain of every weight, not only of each matrix's first, and the gradients of each row
        format: text, markdown, latex, fragment (LaTeX to put into a paper), beamer (slides) or json
        out: write it to this file
        picture: draw the single numbers, value above and gradient below each edge, as .svg, .png or .pdf
        of: whose gradients the picture shows, such as a2[1] (or a2.1, for shells that read brackets); the row's loss without it
        row: which step or example the picture shows
        leaves: names at which the picture ends, such as a1
        opened: what the picture shows in its parts: sigmoid, tanh, ..., or a number such as a2[1]
        theme: of a picture: auto, light or dark
        latex: a file of LaTeX equations that are the net: byhand --latex eq.tex NUMBERS.csv
        train: how many steps of the optimiser, each shown
        digits: decimals of every number; 6 without it
        only: show one part: forward, backward or step
        exercise: print it with blanks, and the solutions into this file
        view: of a picture: numbers, or neurons for layers of circles with weights
        csv: write the net's numbers into this file, to be changed and worked again
    """
    from .commands.byhand import Wish, listed
    from .commands.byhand import byhand as work

    cell = None
    if latex is not None:
        if numbers is not None:
            raise UsageError(
                f"--latex {latex} and {what} are two nets. Leave one out: byhand --latex eq.tex NUMBERS.csv."
            )
        from .commands.show import pasted

        cell = pasted(latex, sys.stderr)
        what, numbers = f"--latex {latex}", Path(what) if what else None
    if list_examples or not what:
        say(listed())
        return
    wish = Wish(
        loss,
        rate,
        optimiser,
        mean,
        steps,
        rows,
        every,
        format,
        out,
        picture,
        of,
        row,
        leaves,
        opened,
        theme,
        train,
        digits,
        only,
        exercise,
        csv,
        view,
    )
    say(work(what, numbers, wish, colour=sys.stdout.isatty(), cell=cell), colours=sys.stdout.isatty())


def check(what: Positional[str], as_json: Json = False) -> int:
    """Gradients against finite differences in float64, and an untrained model's loss against log V.

    Args:
        what: a cell's name, FILE.py:FUNCTION, or a run's folder
        as_json: print one JSON object
    """
    from .cell_file import find_cell
    from .check import GRADIENT_LIMIT, check_cell

    if Path(what).is_dir():
        from .runs.folder import RunFolder
        from .runs.run import read_parts

        folder = RunFolder.open(what)
        net = read_parts(folder, folder.settings())[0].net
        checked = check_cell(net.cell, hidden=net.hidden, layers=net.layers)
    else:
        checked = check_cell(find_cell(what))
    if as_json:
        say(json.dumps(checked.to_json()))
        return 0 if checked.passed else 1
    for name, error in checked.gradients.items():
        say(
            f"{'right' if error <= GRADIENT_LIMIT else 'WRONG'}  {name:24} {error:.1e} off the finite differences"
        )
    if checked.nats is not None:
        say(f"untrained: {checked.nats:.4f} nats per character, log V is {checked.log_v:.4f}")
    say(f"{checked.cell}: {'all is right' if checked.passed else 'something is WRONG'}")
    return 0 if checked.passed else 1


if __name__ == "__main__":
    sys.exit(main())
