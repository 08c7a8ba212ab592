"""`unrolled predict RUN [INPUT ...]`: what a trained model makes of inputs: arguments, lines of
files or of standard input.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from .. import tasks
from ..runs.folder import RunFolder
from ..runs.run import open_run
from ..terminal import printable, say, say_json
from .lines import STANDARD_INPUT, groups
from .options import Json, Positional, about, parse

PREDICT = """usage: unrolled predict RUN [INPUT ...]

What a trained model makes of each INPUT, of each line of standard input (-), or of each line of --file FILE. An
answer comes as soon as its line is there. The options are those of the run's task: unrolled predict RUN --help
lists them, and so does unrolled predict TASK --help."""

ASKED = """What a trained model says: {}

Args:
    run: the run's folder
    inputs: what it is asked about; - for the lines of standard input
    file: files whose lines are inputs; - for standard input
    as_json: print one JSON object a line
"""
ALIASES = {"sample": "char-lm"}  # of predict, and the task whose options are shown where no run is named


def predict(
    folder: Path, inputs: Iterable[str], ask: Any, as_json: bool = False, files: Iterable[Path] = ()
) -> None:
    """Writes the predictions to standard output as they come; a remark on the options
    asked for, to standard error.

    inputs  texts; "-" stands for the lines of standard input
    files   whose lines are inputs, too
    """
    run = open_run(folder)
    inputs, files = tuple(inputs), tuple(files)
    if not inputs and not files:
        answers_nothing = getattr(run.task, "unprompted", False) or getattr(ask, "data", None) is not None
        inputs = () if answers_nothing else (STANDARD_INPUT,)
    if STANDARD_INPUT in inputs and sys.stdin.isatty():
        say("one input a line; Ctrl-D ends", sys.stderr)
    there = groups(inputs, files) if inputs or files else iter(((),))
    if getattr(ask, "joined", False):  # inputs that only together are what is asked about
        there = iter((chain.from_iterable(there),))
    for group in there:
        for prediction in run.predict(group, ask):
            if as_json:
                say_json(prediction.to_json())
            else:
                _show(prediction.pieces())
    remark = run.task.remark(run.model, ask)
    if remark:
        say(remark, sys.stderr)


def _show(pieces: Iterator[str]) -> None:
    clean = printable if sys.stdout.isatty() else str
    for piece in pieces:
        sys.stdout.write(clean(piece))
        sys.stdout.flush()
    sys.stdout.write("\n")
    sys.stdout.flush()


def command(name: str, arguments: list[str]) -> int | None:
    """What a trained model makes of inputs. The options are those of the run's task."""
    kind = _asked(name, arguments)
    if kind is None:
        say(PREDICT)
        return 0 if arguments else 2

    def asked(
        run: Positional[Path],
        inputs: Positional[tuple[str, ...]] = (),
        *,
        ask,
        file: tuple[Path, ...] = (),
        as_json: Json = False,
    ):
        predict(run, inputs, ask, as_json, file)

    asked.__annotations__["ask"] = kind.Ask
    asked.__doc__ = ASKED.format(about(kind.Ask))
    return parse(asked, f"unrolled {name}", arguments)


def _asked(command: str, arguments: list[str]) -> type | None:
    """The task whose options are meant: of the first argument that is a run, or a task's name;
    None where nothing is named.
    """
    named = [argument for argument in arguments if not argument.startswith("-")]
    if not named:
        return tasks.find(ALIASES[command]) if command in ALIASES and arguments else None
    meant = next((each for each in named if Path(each).is_dir() or each in tasks.names()), named[0])
    if meant in tasks.names() and not Path(meant).exists():
        return tasks.find(meant)
    return tasks.find(RunFolder.open(meant).settings().task)
