"""What a run says while it goes: one live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time

from rich.console import Console
from rich.status import Status
from rich.table import Table

from ..terminal import printable, writable

PLAIN_EVERY = 10.0  # seconds between plain lines


def duration(seconds: float) -> str:
    """A time as people say it.

    >>> duration(4.2), duration(184), duration(7300)
    ('4 s', '3 min 04 s', '2 h 01 min')
    """
    seconds = max(0, round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"


class Progress:
    """Prints to a stream (standard output unless told); `quiet` prints nothing. Use it in a `with` block."""

    def __init__(self, quiet: bool = False, stream=None):
        self._console = Console(file=stream or sys.stdout, quiet=quiet, highlight=False, markup=False)
        self._live = self._console.is_terminal and not quiet
        self._status = Status("", console=self._console) if self._live else None
        self._last = 0.0

    def __enter__(self) -> Progress:
        if self._status:
            self._status.start()
        return self

    def __exit__(self, *_) -> None:
        if self._status:
            self._status.stop()

    def say(self, text: str) -> None:
        """A line (or several) that stays."""
        self._console.print(self._clean(text), soft_wrap=True)

    def _clean(self, text: str) -> str:
        """Names and texts of a run may be anybody's."""
        return writable(printable(text), self._console.file)

    def show(self, table: Table) -> None:
        """A table that stays."""
        self._console.print(table)

    def now(self, text: str) -> None:
        """What is going on at the moment: the live line, or a line of its own."""
        if self._status:
            self._status.update(self._clean(text))
        else:
            self.say(text)
            self._last = time.monotonic()

    def tick(self, line) -> None:
        """Refresh the live line, or print one now and then; `line()` makes its text only when it is shown."""
        pause = 0.2 if self._live else PLAIN_EVERY
        if time.monotonic() - self._last >= pause:
            self.now(line())
            self._last = time.monotonic()
