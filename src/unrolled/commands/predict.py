"""`unrolled predict RUN [INPUT ...]`: what a trained model makes of inputs: arguments, or lines of standard input."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .. import tasks
from ..runs.folder import RunFolder
from ..runs.run import open_run
from ..terminal import printable, say
from .options import Json, Positional, about, parse

PREDICT = """usage: unrolled predict RUN [INPUT ...]

What a trained model makes of each INPUT, or of the lines of standard input with -. The options are those of the run's
task: unrolled predict RUN --help lists them, and so does unrolled predict TASK --help."""

ALIASES = {"sample": "char-lm"}  # of predict, and the task whose options are shown where no run is named


def predict(folder: Path, inputs: Iterable[str], ask: Any, as_json: bool = False) -> None:
    """Writes the predictions to standard output as they come; a remark on the options asked for, to standard error.

    inputs  texts; "-" stands for the lines of standard input
    """
    run = open_run(folder)
    for prediction in run.predict(_lines(inputs), ask):
        if as_json:
            say(json.dumps(prediction.to_json()))
        else:
            _show(prediction.pieces())
    remark = run.task.remark(run.model, ask)
    if remark:
        say(remark, sys.stderr)


def _lines(inputs: Iterable[str]) -> Iterator[str]:
    for text in inputs:
        if text == "-":
            yield from (line.rstrip("\n") for line in sys.stdin)
        else:
            yield text


def _show(pieces: Iterator[str]) -> None:
    clean = printable if sys.stdout.isatty() else str
    for piece in pieces:
        sys.stdout.write(clean(piece))
        sys.stdout.flush()
    sys.stdout.write("\n")


def command(name: str, arguments: list[str]) -> int | None:
    """What a trained model makes of inputs. The options are those of the run's task."""
    kind = _asked(name, arguments)
    if kind is None:
        say(PREDICT)
        return 0 if arguments else 2

    def asked(run: Positional[Path], inputs: Positional[tuple[str, ...]] = (), *, ask, as_json: Json = False):
        predict(run, inputs, ask, as_json)

    asked.__annotations__["ask"] = kind.Ask
    asked.__doc__ = f"What a trained model says: {about(kind.Ask)}"
    return parse(asked, f"unrolled {name}", arguments)


def _asked(command: str, arguments: list[str]) -> type | None:
    """The task whose options are meant: the one of the run that is named first; None where none is."""
    named = next((argument for argument in arguments if not argument.startswith("-")), None)
    if named is None:
        return tasks.find(ALIASES[command]) if command in ALIASES and arguments else None
    if named in tasks.names() and not Path(named).exists():
        return tasks.find(named)
    return tasks.find(RunFolder.open(named).settings().task)
