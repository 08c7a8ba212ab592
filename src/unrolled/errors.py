"""What goes wrong, in the user's words.

`CellError`: the equations are wrong, and the message quotes the line. `NotYet`: it could be built and is not.
`Never`: it cannot work. `UsageError`: something asked for does not exist or does not fit; `ShapeError` is one
for tensors. All are `UnrolledError`, which the command line prints as one message and exit code 2.
"""

from __future__ import annotations


class UnrolledError(Exception):
    """Base of every error this package raises on purpose; its text is meant for the user."""


class CellError(UnrolledError):
    """A mistake in a cell's equations; quotes the author's line where there is one."""


class UsageError(UnrolledError, ValueError):
    """An argument, a file or a run that does not exist or does not fit."""


class ShapeError(UsageError):
    """Tensors whose sizes clash with the layer or with each other."""


class NotYet(UnrolledError, NotImplementedError):
    """Possible, but not built; says what runs instead."""


class Never(UnrolledError, TypeError):
    """Cannot work, whatever is built; says why."""


def quote(name: str, line: int | None, text: str | None, column: int | None, message: str) -> str:
    """The message of a `CellError`: where it is, the author's line with a caret, then what to do.

    `line` counts from the function's `def` line as 1; `column` counts characters of `text` from 0.
    Without source (a cell made by `exec`) only the sentence remains.
    """
    if line is None:
        return f"CellError in {name}: {message}"
    head = f"CellError in {name}, line {line}:"
    if not text:
        return f"{head} {message}"
    shown = text.strip()
    first = f"{head}   {shown}"
    if column is None:
        return f"{first}\n{message}"
    offset = len(head) + 3 + column - (len(text) - len(text.lstrip()))
    return f"{first}\n{' ' * offset}^\n{message}"
