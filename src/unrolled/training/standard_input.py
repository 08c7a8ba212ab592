"""Data from standard input: "-" in place of a file. They are kept in the run's folder, so
that a resumed run has them.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import UsageError
from ..options import STANDARD_INPUT, standard_input_options, with_file
from ..task import Task
from .parallel import Team

BLOCK = 2**20  # bytes that are copied at a time


@contextmanager
def spooled(suffix: str = "") -> Iterator[Path]:
    """Standard input, to its end, as a file that is gone after the `with` block. Errors
    about the file are about "-".
    """
    with tempfile.TemporaryDirectory(prefix="unrolled-") as folder:
        file = Path(folder) / f"standard-input{suffix}"
        source = getattr(sys.stdin, "buffer", None)
        if source is None:
            raise UsageError("standard input is not a stream of bytes here: give a file in place of -.")
        try:
            with file.open("wb") as kept:
                while block := source.read(BLOCK):
                    kept.write(block)
        except OSError as error:
            raise UsageError(
                f"standard input could not be kept in {tempfile.gettempdir()} ({error.strerror}): make room"
                " there, or set TMPDIR to a folder on another disk."
            ) from None
        try:
            yield file
        except UsageError as error:
            raise type(error)(str(error).replace(str(file), STANDARD_INPUT)) from None


@contextmanager
def readable(task: Task, team: Team) -> Iterator[tuple[Task, Path | None]]:
    """The task with a file in place of "-", and that file; the task itself and None where nothing is "-".

    Raises UsageError where more than one option is "-", and where several processes would share standard input.
    """
    options = standard_input_options(task)
    if not options:
        yield task, None
        return
    if len(options) > 1:
        raise UsageError(f"{' and '.join(options)} are both -: standard input can be read once. Give files.")
    if not team.alone:
        raise UsageError(
            f"{options[0]} - is read by one process, and here are {team.part.size}: write it into a file first."
        )
    with spooled() as file:
        yield with_file(task, file), file
