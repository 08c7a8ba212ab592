"""Which cell a user means: a registered name, a function in a file, or the cell itself."""

from __future__ import annotations

import importlib.util
import traceback
from pathlib import Path

from .cell import Cell, cell, find
from .errors import UnrolledError, UsageError
from .latex import cell_of_file


def find_cell(wanted, latex: str | Path | None = None) -> Cell:
    """The Cell that is meant.

    wanted  a Cell, a cell function, a registered name ("lstm"), or "FILE.py:FUNCTION"
    latex   a file of LaTeX equations; with it `wanted` is not asked

    A file is executed, as `python FILE.py` would execute it: name only files that you trust. Raises
    UsageError where there is no such cell, file or function, CellError where the function is not a cell or
    the LaTeX cannot be read.

    >>> find_cell("lstm").name
    'lstm'
    """
    if latex is not None:
        return cell_of_file(latex)
    if isinstance(wanted, str) and ".py" in wanted:
        file, colon, function = wanted.rpartition(":")
        if not colon or not function.isidentifier():
            example = f"{wanted.strip(':')}:my_cell"
            raise UsageError(f"{wanted} names no function: write FILE.py:FUNCTION, e.g. {example}")
        return _from_file(Path(file), function)
    return find(wanted)


def _from_file(file: Path, function: str) -> Cell:
    if not file.is_file():
        raise UsageError(f"{file}:{function}: the file {file} does not exist: check the path.")
    module_spec = importlib.util.spec_from_file_location(f"cell_file_{file.stem}", file)
    module = importlib.util.module_from_spec(module_spec)
    try:
        module_spec.loader.exec_module(module)
    except UnrolledError:
        raise
    except Exception as error:  # anything may go wrong in a file that is not ours
        raise UsageError(f"{file}:{function}: {file} cannot be run: {_where(error, file)}") from None
    if not hasattr(module, function):
        made = [name for name, value in vars(module).items() if isinstance(value, Cell)]
        have = f"it has {', '.join(made)}" if made else "it has no cell"
        raise UsageError(f"{file}:{function}: {file} has no {function!r}; {have}. Check the function's name.")
    found = getattr(module, function)
    if not isinstance(found, Cell) and not callable(found):
        raise UsageError(
            f"{file}:{function}: {function!r} is a {type(found).__name__}, not a function: "
            "name the function that holds the cell's equations."
        )
    return found if isinstance(found, Cell) else cell(found)


def _where(error: Exception, file: Path) -> str:
    """The error in one line, with the line of the user's file."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    line = error.lineno if isinstance(error, SyntaxError) else (lines[-1] if lines else None)
    message = error.msg if isinstance(error, SyntaxError) else error
    at = f" in line {line}" if line else ""
    return f"{type(error).__name__}{at}: {message}"
