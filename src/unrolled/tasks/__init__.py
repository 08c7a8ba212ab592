"""Tasks: a task is one file with one dataclass, whose fields are the command line's options."""

from __future__ import annotations

import importlib
import pkgutil

from ..errors import UsageError

_OWN: dict[str, type] = {}  # those of a program that uses this package


def names() -> list[str]:
    """The tasks there are: one per file of this folder, `char_lm.py` being "char-lm",
    and those that were added.
    """
    files = {module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__)}
    return sorted(files | _OWN.keys())


def add(task: type) -> type:
    """Make a task of one's own known by its name, so that its runs can be opened and gone on with; returns it,
    so that it may stand above the class as `@tasks.add`. Raises UsageError for a name that another task has.
    """
    if task.name in names() and find(task.name) is not task:
        raise UsageError(f"there is a task {task.name!r} already: give yours another name.")
    _OWN[task.name] = task
    return task


def find(name: str) -> type:
    """The dataclass of a task. Raises UsageError for a name there is none of.

    >>> find("char-lm").name
    'char-lm'
    """
    if name not in names():
        raise UsageError(f"there is no task {name!r}: choose one of {', '.join(names())}.")
    if name in _OWN:
        return _OWN[name]
    # Only the file that is asked for is loaded: each brings what its kind of data needs.
    return importlib.import_module(f".{name.replace('-', '_')}", __name__).TASK
