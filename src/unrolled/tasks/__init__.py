"""Tasks: a task is one file with one dataclass, whose fields are the command line's options."""

from __future__ import annotations

import importlib
import pkgutil

from ..errors import UsageError


def names() -> list[str]:
    """The tasks there are: one per file of this folder, `char_lm.py` being "char-lm"."""
    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__))


def find(name: str) -> type:
    """The dataclass of a task. Raises UsageError for a name there is none of.

    >>> find("char-lm").name
    'char-lm'
    """
    if name not in names():
        raise UsageError(f"there is no task {name!r}: choose one of {', '.join(names())}.")
    # Only the file that is asked for is loaded: each brings what its kind of data needs.
    return importlib.import_module(f".{name.replace('-', '_')}", __name__).TASK
