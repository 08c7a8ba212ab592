"""Tables: rows of CSV, TSV and JSONL files, whose columns have names."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from ..errors import UsageError
from .bad_rows import BadRows
from .text import read_text

KINDS = {".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
LONGEST = 2**24  # characters of a field


class Row(NamedTuple):
    """One row. The values of a CSV or TSV file are texts; those of a JSONL file whatever JSON has.

    line    where it begins, counted from 1
    fields  values by column
    """

    line: int
    fields: dict[str, Any]

    def value(self, column: str) -> Any:
        """Raises ValueError where the row has no such column."""
        if column not in self.fields:
            raise ValueError(f"it has no {column!r}, only {listed(self.fields)}")
        return self.fields[column]

    def text(self, column: str) -> str:
        """Raises ValueError where the value is not text, or is empty. A whole number or a
        truth is taken for its text.
        """
        value = self.value(column)
        if isinstance(value, (bool, int)):
            value = str(value)
        if not isinstance(value, str):
            raise ValueError(f"{column} is {_shown(value)}: a text is expected")
        if not value.strip():
            raise ValueError(f"{column} is empty: a text is expected")
        return value

    def number(self, column: str) -> float:
        """Raises ValueError where the value is not a finite number."""
        return finite(self.value(column), column)


@dataclass(frozen=True)
class Table:
    """The rows of a file.

    columns  in the file's order; of a JSONL file all that any row has
    bad      rows that could not be read; more of them may be found by who reads the values
    """

    file: Path
    columns: tuple[str, ...]
    rows: list[Row]
    bad: BadRows

    def require(self, *columns: str) -> None:
        """Raises UsageError where the table lacks a column."""
        for column in columns:
            if column not in self.columns:
                raise UsageError(
                    f"{self.file} has no column {column!r}: its columns are {listed(self.columns)}. "
                    "Name one of them, or add it."
                )


def read_table(path: str | Path, *, skip_bad: bool = False, option: str = "--data") -> Table:
    """The rows of a CSV or TSV file with a header, or of a JSONL file with an object a line.

    path      its ending says which kind it is (.csv, .tsv, .jsonl); otherwise its first line does. CSV fields
              may be quoted with " and then hold commas, quotes ("") and line ends; where a header has
              semicolons and no comma, they separate. TSV fields hold no tab and are taken as they stand. UTF-8;
              empty lines are passed over
    skip_bad  leave out rows that cannot be read, and count them in `bad`
    option    what named the file, for messages

    Raises UsageError, with file, line and what was expected, for a file that cannot be read or has no header or
    no rows, and for a row that does not fit the header.

    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "names.csv"
    >>> _ = file.write_text("label,text\\nGreek,Onassis\\nDutch,'t Hooft\\n")
    >>> table = read_table(file)
    >>> table.columns, table.rows[1].text("text"), table.rows[1].line
    (('label', 'text'), "'t Hooft", 3)
    """
    path = Path(path)
    text = str(read_text(path, option))
    bad = BadRows(path, skip_bad)
    kind = KINDS.get(path.suffix.lower()) or _kind(text)
    if kind == "jsonl":
        rows = list(_objects(text, bad))
        columns = tuple(dict.fromkeys(name for row in rows for name in row.fields))
    else:
        columns, rows = _separated(text, kind, path, bad)
    if not rows:
        raise UsageError(f"{option} {path} has no rows that can be read. {bad.said()}".rstrip())
    return Table(path, columns, rows, bad)


def finite(value: object, what: str) -> float:
    """A finite number from a text or a JSON number. Raises ValueError where it is not one."""
    try:
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise ValueError
        number = float(value)
    except (ValueError, OverflowError):
        raise ValueError(f"{what} is {_shown(value)}: a number is expected") from None
    if not -1e300 < number < 1e300:
        raise ValueError(f"{what} is {_shown(value)}: a finite number is expected")
    return number


def listed(names: Iterable[str], most: int = 8) -> str:
    """Names in one line, the first of many."""
    names = list(names)
    return ", ".join(map(repr, names[:most])) + (f" and {len(names) - most} more" if len(names) > most else "")


def _kind(text: str) -> str:
    first = text.lstrip().split("\n", 1)[0]
    if first.startswith("{"):
        return "jsonl"
    return "tsv" if "\t" in first else "csv"


def _objects(text: str, bad: BadRows) -> Iterator[Row]:
    for line, content in enumerate(text.split("\n"), 1):
        if not content.strip():
            continue
        with bad.reading(line):
            try:
                found = msgspec.json.decode(content)
            except (msgspec.MsgspecError, RecursionError) as error:
                raise ValueError(f"it is not JSON ({str(error) or 'nested too deeply'})") from None
            if not isinstance(found, dict):
                raise ValueError(f"it is {_shown(found)}: an object with names is expected")
            yield Row(line, found)


def _separated(text: str, kind: str, path: Path, bad: BadRows) -> tuple[tuple[str, ...], list[Row]]:
    lines = _fields(text, kind, bad)
    first, header = next(lines, (1, []))
    columns = tuple(name.strip() for name in header)
    _check_header(path, first, columns)
    rows = []
    for line, fields in lines:
        with bad.reading(line):
            if len(fields) != len(columns):
                quoted = ' (a field that holds a comma is quoted: "a, b")' if kind == "csv" else ""
                raise ValueError(
                    f"it has {len(fields)} field{'s' * (len(fields) != 1)}, and the header has "
                    f"{len(columns)}: {listed(columns)}{quoted}"
                )
            rows.append(Row(line, dict(zip(columns, fields))))
    return columns, rows


def _fields(text: str, kind: str, bad: BadRows) -> Iterator[tuple[int, list[str]]]:
    """The fields of each row that is not empty, and the line that it begins in."""
    if kind == "tsv":
        for line, content in enumerate(text.split("\n"), 1):
            if content.strip():
                yield line, content.removesuffix("\r").split("\t")
        return
    header = text.split("\n", 1)[0]
    separator = ";" if ";" in header and "," not in header else ","
    csv.field_size_limit(LONGEST)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            bad.add(line, f"its quotes are not those of CSV ({error})")
            continue
        if any(field.strip() for field in fields):
            yield line, fields


def _check_header(path: Path, line: int, columns: tuple[str, ...]) -> None:
    expected = "the first line is to name the columns, such as label,text"
    for number, name in enumerate(columns, 1):
        if not name:
            raise UsageError(f"{path}, line {line}: column {number} has no name: {expected}.")
        if name in columns[: number - 1]:
            raise UsageError(f"{path}, line {line}: two columns are called {name!r}: rename one.")
        if _is_number(name):
            raise UsageError(f"{path}, line {line}: {name!r} is a number: {expected}.")


def _is_number(text: str) -> bool:
    try:
        float(text)
        return True
    except ValueError:
        return False


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 40 else f"{shown[:40]} ..."
