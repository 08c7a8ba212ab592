"""The terminal, whatever it is: what is printed cannot steer it, and what it cannot take
is said in one sentence.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import signal
import sys
import threading
import unicodedata
from contextlib import suppress
from typing import Any, TextIO

from .errors import UnrolledError

# Columns that helps and tables are laid out for; below, libraries never come to an end.
NARROWEST, WIDEST = (40, 1000)
COLOUR = re.compile(r"(\x1b\[[0-9;]*m)")


class OutputError(UnrolledError):
    """What was to be printed could not be."""

    exit_code = 1


def printable(text: str) -> str:
    """Text without what would steer a terminal: control characters other than line ends
    and tabs show as \ufffd.

    >>> printable("a" + chr(27) + "[2J") == "a" + chr(0xFFFD) + "[2J"
    True
    """
    return "".join(c if c in "\n\t" or unicodedata.category(c)[0] != "C" else "\ufffd" for c in text)


def say(text: str, to: TextIO | None = None, colours: bool = False, end: str = "\n") -> None:
    """Prints a text that may hold what is not ours. Letters that the stream's encoding has
    not become question marks.

    to       standard output without one
    colours  whether sequences that only choose a colour are ours, and stay
    """
    parts = COLOUR.split(text) if colours else [text]
    clean = "".join(part if k % 2 else printable(part) for k, part in enumerate(parts))
    stream = sys.stdout if to is None else to
    print(writable(clean, stream), file=stream, end=end, flush=True)


def say_json(value: Any) -> None:
    """Prints a value as one line of JSON; a number that JSON has not, as of damaged weights, is null.

    >>> say_json({"nats": math.nan, "characters": 3})
    {"nats": null, "characters": 3}
    """
    say(json.dumps(_finite(value), default=str))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def writable(text: str, stream: TextIO) -> str:
    """Text with a question mark for each letter that the stream's encoding has not."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)


def prepare() -> None:
    """Standard streams and a width that nothing fails at later. Raises OutputError where
    standard output is closed.

    What was not opened for us is opened as nothing: else the next file that is opened would be standard error.
    """
    if sys.stdout is None:
        raise OutputError("standard output is closed: leave it open, or send it to a file or to /dev/null.")
    if sys.stderr is None or sys.stdin is None:
        while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
            pass
        os.close(handle)
        sys.stderr = sys.stderr or open(os.devnull, "w")
        sys.stdin = sys.stdin or open(os.devnull)
    for stream, errors in (
        (sys.stdout, "replace"),
        (sys.stderr, "backslashreplace"),
        (sys.stdin, "surrogateescape"),
    ):
        with suppress(AttributeError, ValueError):  # somebody's own object, which prints as it likes
            stream.reconfigure(errors=errors)
    columns = shutil.get_terminal_size().columns
    if not NARROWEST <= columns <= WIDEST or "COLUMNS" in os.environ:
        os.environ["COLUMNS"] = str(min(max(columns, NARROWEST), WIDEST))


def silence() -> None:
    """Lets what is still to be printed go nowhere: standard output has failed, and would again at the end."""
    with suppress(OSError, ValueError, AttributeError):  # not a file
        number = sys.stdout.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)


def is_command() -> bool:
    """Whether this process is the command `unrolled`, rather than somebody's program
    that imports the package.
    """
    asked = sys.orig_argv
    return os.path.basename(sys.argv[0] if sys.argv else "") in ("unrolled", "unrolled.exe") or (
        ("-m", "unrolled") in zip(asked, asked[1:])
    )


def end_at_once() -> None:
    """From here on Ctrl-C ends the process, as it ends other programs: for while modules are loaded, which do
    not bear an exception at any point. `interruptible` is its end."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) in OURS:
        signal.signal(signal.SIGINT, _end)


def interruptible() -> None:
    """From here on Ctrl-C raises KeyboardInterrupt again."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(number: int, _frame: object) -> None:
    with suppress(OSError):
        os.write(2, b"stopped by Ctrl-C\n")
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


OURS = (signal.default_int_handler, _end)
