"""Rows of short strings, each with its conditions: from a table, a file of lines, a folder of such files, or Python itself."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ..errors import UsageError
from .bad_rows import BadRows
from .split import grouped
from .strings import LONGEST, MOST_COMBINATIONS, MOST_VALUES, Strings, Values
from .tables import read_table
from .text import read_text, standard_library

DEFINITION = re.compile(r"^( *)(class|def|async def) +(\w+)|^([A-Z][A-Z0-9_]+) *=[^=]", re.M)
EXCEPTION = re.compile(r"(Error|Exception|Warning)$")


class Example(NamedTuple):
    """A string as its indices, and the values of its conditions."""

    text: tuple[int, ...]
    values: Values


@dataclass(frozen=True)
class Rows:
    """Distinct rows, in the order of the data.

    names       of the conditions
    conditions  each row's values, in the order of the names
    notes       what is to be said of the data: rows that were left out, and why
    """

    source: str
    texts: list[str]
    names: tuple[str, ...]
    conditions: list[Values]
    notes: tuple[str, ...] = ()

    def some(self, places: Sequence[int]) -> Rows:
        texts, conditions = [self.texts[k] for k in places], [self.conditions[k] for k in places]
        return Rows(self.source, texts, self.names, conditions)

    @property
    def digest(self) -> str:
        rows = zip(self.texts, self.conditions)
        return hashlib.sha256(repr((self.names, list(rows))).encode("utf-8", "surrogatepass")).hexdigest()


def read_rows(
    path: str | Path,
    text: str = "text",
    by: Sequence[str] | None = None,
    skip_bad: bool = False,
    option: str = "--data",
) -> Rows:
    """The rows of a file or folder; a row that stands there already is left out, and counted.

    path      a table (.csv, .tsv, .jsonl: see `read_table`); any other file has a string in each line and no conditions; a
              folder has a .txt file for each value of the condition "label", called after it
    text      the table's column of strings
    by        its columns of conditions; without it all others
    skip_bad  leave out rows that cannot be read
    option    what named the file, for messages

    Raises UsageError for what cannot be read, for columns that are not there, and for a column of too many values.
    """
    path = Path(path)
    if path.is_dir():
        rows, names, bad = _folder(path, option)
    elif path.suffix.lower() in (".csv", ".tsv", ".tab", ".jsonl", ".ndjson"):
        rows, names, bad = _table(path, text, by, skip_bad, option)
    else:
        rows, names, bad = [(line, ()) for line in _lines(path, option)], (), BadRows(path)
    return _distinct(str(path), rows, names, bad)


def identifiers() -> Rows:
    """Names that Python's standard library defines, by their kind: class, exception, function, method, constant.

    >>> rows = identifiers()
    >>> rows.names, ("ArithmeticError" in rows.texts, "OrderedDict" in rows.texts)
    (('kind',), (False, True))
    """
    rows = []
    for found in DEFINITION.finditer(str(standard_library())):
        inside, keyword, name, constant = found.groups()
        if constant:
            rows.append((constant, ("constant",)))
        elif keyword == "class":
            rows.append((name, ("exception" if EXCEPTION.search(name) else "class",)))
        elif not name.startswith("__"):
            rows.append((name, ("method" if inside else "function",)))
    source = "names in Python's standard library"
    made = _distinct(source, rows, ("kind",), BadRows(source))
    return Rows(source, made.texts, made.names, made.conditions)  # that names repeat says nothing of a library


def split(rows: Rows, share: float) -> tuple[Rows, Rows]:
    """Rows to learn from, and a share held out; rows of one string are on one side.

    A row with a character or a value that no row to learn from has is not held out, but learned from.
    """
    places = grouped(rows.texts, share, labels=rows.conditions)
    training = rows.some(places.training)
    characters = set("".join(training.texts))
    values = [set(column) for column in zip(*training.conditions)]

    def strange(place: int) -> bool:
        unknown = any(value not in known for value, known in zip(rows.conditions[place], values))
        return unknown or not characters.issuperset(rows.texts[place])

    moved = {rows.texts[place] for place in places.held_out if strange(place)}
    held_out = [place for place in places.held_out if rows.texts[place] not in moved]
    if not held_out:
        raise UsageError(
            f"{rows.source}: no row could be held out, for each has a character or a value that no other row has. Give more data."
        )
    apart = set(held_out)
    return rows.some([k for k in range(len(rows.texts)) if k not in apart]), rows.some(held_out)


def examples(encoding: Strings, rows: Rows) -> list[Example]:
    """Rows in a model's numbers. Raises UsageError for characters and values that it does not know."""
    names = tuple(column.name for column in encoding.columns)
    if rows.names != names:
        raise UsageError(
            f"{rows.source} has the conditions {', '.join(rows.names) or 'none'}, and the model {', '.join(names) or 'none'}. "
            "Name the model's with --by."
        )
    encoding.vocabulary.encode(
        "".join(rows.texts), rows.source
    )  # one message for all characters that are unknown
    for column, found in zip(encoding.columns, zip(*rows.conditions)):
        for value in sorted(set(found) - set(column.values)):
            encoding.check(column.name, value)
    return [Example(encoding.encode(text), values) for text, values in zip(rows.texts, rows.conditions)]


def _table(path: Path, text: str, by: Sequence[str] | None, skip_bad: bool, option: str):
    table = read_table(path, skip_bad=skip_bad, option=option)
    names = tuple(name for name in table.columns if name != text) if by is None else tuple(by)
    table.require(text, *names)
    if text in names or len(set(names)) != len(names):
        raise UsageError(
            f"--by {' '.join(names)} names a column twice, or the strings' own, {text!r}: leave it out."
        )
    rows = []
    for row in table.rows:
        with table.bad.reading(row.line):
            rows.append((row.text(text), tuple(row.text(name) for name in names)))
    return rows, names, table.bad


def _folder(path: Path, option: str):
    files = sorted(path.glob("*.txt"))
    if not files:
        raise UsageError(f"{option} {path} has no .txt files: give one a label, with a string in each line.")
    return [(line, (file.stem,)) for file in files for line in _lines(file, option)], ("label",), BadRows(path)


def _lines(path: Path, option: str) -> list[str]:
    return [line.strip() for line in str(read_text(path, option)).splitlines() if line.strip()]


def _distinct(source: str, rows: list[tuple[str, Values]], names: tuple[str, ...], bad: BadRows) -> Rows:
    distinct = list(dict.fromkeys(rows))
    notes = [bad.said()] if bad.found else []
    if len(distinct) < len(rows):
        notes.append(f"{len(rows) - len(distinct):,} rows stand there more than once: each counts once")
    texts, conditions = [text for text, _ in distinct], [values for _, values in distinct]
    if not texts:
        raise UsageError(f"{source} has no strings. {bad.said()}".rstrip())
    longest = max(texts, key=len)
    if len(longest) > LONGEST:
        raise UsageError(f"{source} has a string of {len(longest):,} characters: {LONGEST:,} are allowed.")
    for k, name in enumerate(names):
        count = len({values[k] for values in conditions})
        if count > MOST_VALUES:
            raise UsageError(
                f"{source}: the column {name!r} has {count:,} different values, and a condition has at most {MOST_VALUES:,}. "
                "Name the conditions with --by, and leave it out."
            )
    if len(set(conditions)) > MOST_COMBINATIONS:
        raise UsageError(
            f"{source}: {' and '.join(names)} have {len(set(conditions)):,} combinations, and {MOST_COMBINATIONS:,} are "
            "allowed. Name fewer columns with --by."
        )
    return Rows(source, texts, names, conditions, tuple(notes))
