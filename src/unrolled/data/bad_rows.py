"""What becomes of a file's rows that cannot be read: the first is an error, or all are left out, counted and said."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import UsageError

SHOWN = 3  # of the rows that were left out


@dataclass
class BadRows:
    """The rows of one file that cannot be read.

    file  as messages call it
    skip  leave such rows out and count them (--skip-bad)

    >>> bad = BadRows("names.csv", skip=True)
    >>> for line, label in enumerate(["Greek", ""], 2):
    ...     with bad.reading(line):
    ...         if not label:
    ...             raise ValueError("the label is empty")
    >>> bad.said()
    'names.csv: 1 row left out: line 3: the label is empty'
    """

    file: str | Path
    skip: bool = False
    found: list[str] = field(default_factory=list)

    @contextmanager
    def reading(self, line: int) -> Iterator[None]:
        """Within it a ValueError says what is wrong with the row at a line, and what was expected.

        Raises UsageError with the file and the line, unless such rows are to be left out.
        """
        try:
            yield
        except ValueError as error:
            self.add(line, str(error))

    def add(self, line: int, wrong: str) -> None:
        """A row that cannot be read. Raises UsageError unless such rows are to be left out."""
        if not self.skip:
            raise UsageError(
                f"{self.file}, line {line}: {wrong}. Mend it, or leave such rows out with --skip-bad."
            )
        self.found.append(f"line {line}: {wrong}")

    def said(self) -> str:
        """What was left out, and why; "" for nothing."""
        if not self.found:
            return ""
        count = len(self.found)
        shown = "; ".join(self.found[:SHOWN]) + ("; ..." if count > SHOWN else "")
        return f"{self.file}: {count:,} row{'s' * (count > 1)} left out: {shown}"
