"""What becomes of a file's rows that cannot be read: the first is an error, or all are
left out, counted and said.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import UsageError

SHOWN = 3  # of the rows that were left out


class BadRow(UsageError):
    """A row that cannot be read, and what can be done: while a model is trained, rows may be left out.

    wrong  the file, the line, and what is wrong with it

    >>> str(BadRow("a.csv, line 2: the label is empty").elsewhere())
    'a.csv, line 2: the label is empty. Mend it, or take it out.'
    """

    def __init__(self, wrong: str, done: str = "Mend it, or leave such rows out with --skip-bad."):
        super().__init__(f"{wrong}. {done}")
        self.wrong = wrong

    def elsewhere(self) -> BadRow:
        """The same where a model that is trained reads: there is no --skip-bad."""
        return BadRow(self.wrong, "Mend it, or take it out.")


@contextmanager
def trained_reading() -> Iterator[None]:
    """Within it a trained model reads: a bad row's message names no option that only training has."""
    try:
        yield
    except BadRow as error:
        raise error.elsewhere() from None


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
            raise BadRow(f"{self.file}, line {line}: {wrong}")
        self.found.append(f"line {line}: {wrong}")

    def said(self) -> str:
        """What was left out, and why; "" for nothing."""
        if not self.found:
            return ""
        count = len(self.found)
        shown = "; ".join(self.found[:SHOWN]) + ("; ..." if count > SHOWN else "")
        return f"{self.file}: {count:,} row{'s' * (count > 1)} left out: {shown}"
