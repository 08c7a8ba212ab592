"""Rows of short strings, each with its conditions: from a table, a file of lines, a folder of such
files, or Python itself.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import UsageError
from .bad_rows import BadRows
from .strings import LONGEST, MOST_COMBINATIONS, MOST_VALUES, Values
from .tables import KINDS, read_table
from .text import read_text, standard_library

DEFINITION = re.compile(r"^( *)(class|def|async def) +(\w+)|^([A-Z][A-Z0-9_]+) *=[^=]", re.M)
EXCEPTION = re.compile(r"(Error|Exception|Warning)$")


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

    def of_run(self, names: tuple[str, ...]) -> Rows:
        """With the conditions in the order of a run that is gone on from. Raises
        UsageError where they are others.
        """
        if self.names == names:
            return self
        its = f"{', '.join(names) or 'no conditions'}"
        if new := [name for name in self.names if name not in names]:
            raise UsageError(
                f"{self.source} has the column {new[0]!r}, and the weights to go on from were learned with "
                f"{its}: a new condition cannot be told to them. Leave it out with --by "
                f"{','.join(names) or repr('')}, or train afresh, without --from."
            )
        if missing := [name for name in names if name not in self.names]:
            raise UsageError(
                f"{self.source} has no column {missing[0]!r}, and the weights to go on from were learned with "
                f"{its}: give each row its value, or train afresh, without --from."
            )
        places = [self.names.index(name) for name in names]
        return replace(self, names=names, conditions=[tuple(row[k] for k in places) for row in self.conditions])

    @property
    def digest(self) -> str:
        rows = zip(self.texts, self.conditions)
        return hashlib.sha256(repr((self.names, list(rows))).encode("utf-8", "surrogatepass")).hexdigest()


def read_rows(
    path: str | Path,
    strings: str | None = None,
    by: Sequence[str] | None = None,
    skip_bad: bool = False,
    option: str = "--data",
) -> Rows:
    """The rows of a file or folder; a row that stands there already is left out, and counted.

    path      a table (.csv, .tsv, .jsonl, and any file where columns are named: see `read_table`);
              any other file has a string in each line and no conditions; a folder has LABEL.txt for
              each label, a string a line
    strings   the table's column of strings; without it the one called text
    by        its columns of conditions; without it all others
    skip_bad  leave out rows that cannot be read
    option    what named the file, for messages

    Raises UsageError for what cannot be read, for columns that are not there, and for a
    column of too many values.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "names.csv"
    >>> _ = file.write_text("text,sex\\nanna,f\\notto,m\\nanna,f\\n")
    >>> rows = read_rows(file)
    >>> rows.texts, rows.conditions, rows.notes
    (['anna', 'otto'], [('f',), ('m',)], ('1 row stands there more than once: it counts once',))
    """
    path = Path(path)
    if path.is_dir():
        rows, names, bad = _folder(path, option)
    elif path.suffix.lower() in KINDS or strings or by:
        rows, names, bad = _table(path, strings or "text", by, skip_bad, option)
    else:
        rows, names, bad = [(line, ()) for line in _lines(path, option)], (), BadRows(path)
    return _distinct(str(path), rows, names, bad)


def identifiers() -> Rows:
    """Names that Python's standard library defines, by their kind: class, exception,
    function, method, constant.

    >>> rows = identifiers()
    >>> rows.names, ("ArithmeticError" in rows.texts, "ArgumentParser" in rows.texts)
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
        more = len(rows) - len(distinct)
        notes.append(
            f"{more:,} rows stand there more than once: each counts once"
            if more > 1
            else "1 row stands there more than once: it counts once"
        )
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
                f"{source}: the column {name!r} has {count:,} different values, and a condition has at most"
                f" {MOST_VALUES:,}. Name the conditions with --by, and leave it out."
            )
    if len(set(conditions)) > MOST_COMBINATIONS:
        raise UsageError(
            f"{source}: {' and '.join(names)} have {len(set(conditions)):,} combinations, and"
            f" {MOST_COMBINATIONS:,} are allowed. Name fewer columns with --by."
        )
    return Rows(source, texts, names, conditions, tuple(notes))
