"""English text that every machine has: the documentation that comes with the running Python."""

from __future__ import annotations

import ast
import sysconfig
import warnings
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from ..errors import UsageError
from .text import Text

LIMIT = 1_500_000  # characters


def documentation(limit: int = LIMIT) -> Text:
    """The language reference of Python's `help`, and the docstrings of its standard library, in sorted order,
    cut after `limit` characters; lines that are ASCII only, and the same Python gives the same text. Raises
    UsageError where there is none.

    >>> str(documentation(2000))[:1000] == str(documentation(1000))
    True
    """
    parts, length = [], 0
    for part in _parts():
        parts.append(
            "".join(line for line in f"{part.strip()}\n\n".splitlines(keepends=True) if line.isascii())
        )
        length += len(parts[-1])
        if length >= limit:
            break
    if not length:
        raise UsageError("this Python comes without documentation: give a text with --text FILE.")
    return Text.of("".join(parts)[:limit], "Python's documentation")


def _parts() -> Iterator[str]:
    try:
        topics = import_module("pydoc_data.topics").topics
    except ImportError:  # some systems keep it in a package of its own
        topics = {}
    yield from (topics[name] for name in sorted(topics))
    folder = Path(sysconfig.get_paths()["stdlib"])
    for file in sorted(folder.glob("*.py")):
        if not file.name.startswith("_sysconfigdata"):  # differs from machine to machine
            yield from _docstrings(file.read_text(encoding="utf-8", errors="replace"))


def _docstrings(source: str) -> Iterator[str]:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    with warnings.catch_warnings(action="ignore"):  # of old spellings in that source
        tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, kinds) and (found := ast.get_docstring(node)):
            yield found
