"""Inputs as they come: arguments, lines of files, lines of standard input, in the groups
in which they are there.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from ..errors import UsageError

STANDARD_INPUT = "-"
BLOCK = 2**16  # bytes that are looked at together, and what a pipe holds
MOST = 256  # lines of a group


def groups(inputs: Iterable[str], files: Iterable[Path] = ()) -> Iterator[list[str]]:
    """Inputs that are there together, so that they may be answered together: the arguments, and of a file
    or of standard input (an argument "-", or a file of that name) the lines that can be read at once. Who
    types gets an answer a line.

    Raises UsageError for a file that cannot be read.
    """
    arguments: list[str] = []
    for text in inputs:
        if text != STANDARD_INPUT:
            arguments.append(text)
            continue
        yield from _grouped(arguments)
        arguments = []
        yield from _of_standard_input()
    yield from _grouped(arguments)
    for file in files:
        yield from _of_standard_input() if str(file) == STANDARD_INPUT else _of_file(file)


def _grouped(lines: list[str]) -> Iterator[list[str]]:
    return (lines[k : k + MOST] for k in range(0, len(lines), MOST))


def _of_standard_input() -> Iterator[list[str]]:
    source = getattr(sys.stdin, "buffer", None)
    if source is None:  # somebody's own object
        return ([line.rstrip("\n")] for line in sys.stdin)
    return _of_stream(source, sys.stdin.encoding or "utf-8")


def _of_file(file: Path) -> Iterator[list[str]]:
    try:
        with open(file, "rb", buffering=BLOCK) as source:
            yield from _of_stream(source, "utf-8")
    except OSError as error:
        raise UsageError(f"--file {file} cannot be read ({error.strerror}): give a file of lines.") from None


def _of_stream(source: BinaryIO, encoding: str) -> Iterator[list[str]]:
    """A read takes what is there and waits only where nothing is. Bytes that are not text
    stay as they are (PEP 383).
    """
    rest = b""
    while block := source.read1(BLOCK):
        *whole, rest = (rest + block).split(b"\n")
        yield from _grouped([_text(line, encoding) for line in whole])
    if rest:
        yield [_text(rest, encoding)]


def _text(line: bytes, encoding: str) -> str:
    return line.removesuffix(b"\r").decode(encoding, "surrogateescape")
