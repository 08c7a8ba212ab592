"""Examples with their labels, from any kind of file that holds such: tables, fastText's lines, folders, .ts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from ..errors import UsageError
from .bad_rows import BadRows
from .tables import Row, Table, finite, listed, read_table
from .text import read_text
from .ts import MISSING, read_ts

Kind = Literal["text", "series", "numbers"]
FASTTEXT = "__label__"
LABELS = ("label", "class")  # columns that are taken for labels where none is named
INPUTS = ("text", "series")


class LabelColumns(NamedTuple):
    """Which columns of a table are what, and what is to become of its values.

    label       the labels' column; one called label or class without
    input       the texts' or the series' column; one called text or series, or all others without
    channels    numbers of a row are steps of so many values each, not one example without time
    multilabel  an example may have several labels or none
    skip_bad    leave out rows that cannot be read
    """

    label: str | None = None
    input: str | None = None
    channels: int | None = None
    multilabel: bool = False
    skip_bad: bool = False


class LabelledExample(NamedTuple):
    """A value, and what it is.

    value   a text; a series (T, channels) float32, NaN where a value is missing; numbers (1, width) likewise
    labels  one, or any number of a multi-label example
    """

    value: str | Tensor
    labels: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Labelled:
    """Examples of one kind.

    kind   what the values are
    notes  what was left out, and why
    """

    source: str
    kind: Kind
    examples: list[LabelledExample]
    notes: tuple[str, ...] = ()

    def digest(self) -> str:
        """SHA-256 of values and labels, hexadecimal."""
        digest = hashlib.sha256(self.kind.encode())
        for value, labels in self.examples:
            content = key(value)
            shape = b"" if isinstance(value, str) else repr(tuple(value.shape)).encode()
            for part in (*(label.encode("utf-8", "surrogatepass") for label in labels), shape, content):
                digest.update(len(part).to_bytes(8, "little") + part)
        return digest.hexdigest()


def key(value: str | Tensor) -> bytes:
    """What two examples that are the same have in common."""
    if isinstance(value, str):
        return value.strip().encode("utf-8", "surrogatepass")
    return value.contiguous().numpy().tobytes()


def read_labelled(
    path: str | Path, columns: LabelColumns = LabelColumns(), *, option: str = "--data"
) -> Labelled:
    """The examples of a file or a folder.

    path  .ts; a CSV, TSV or JSONL file with a header, of labels beside texts, numbers, or (JSONL) lists of
          numbers; a text whose lines begin with __label__x (fastText); a folder with a folder of texts for each
          label; or a folder with LABEL.txt for each label, a text a line

    Raises UsageError with file, line and what was expected.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "names.txt"
    >>> _ = file.write_text("__label__Greek Onassis\\n__label__Dutch 't Hooft\\n")
    >>> read_labelled(file).examples[0]
    LabelledExample(value='Onassis', labels=('Greek',))
    """
    path = Path(path)
    if path.is_dir():
        return _folder(path, columns, option)
    if path.suffix.lower() == ".ts":
        rows, bad = read_ts(path, skip_bad=columns.skip_bad, option=option)
        return _made(path, "series", [LabelledExample(series, (label,)) for _, series, label in rows], bad)
    if path.suffix.lower() not in (".csv", ".tsv", ".jsonl") and _is_fasttext(path, option):
        return _fasttext(path, columns, option)
    return _table(read_table(path, skip_bad=columns.skip_bad, option=option), columns)


def read_values(path: str | Path, columns: LabelColumns, *, option: str = "--data") -> Labelled:
    """The same of a file whose rows need no labels: those of a table are not looked at."""
    path = Path(path)
    if path.is_dir() or path.suffix.lower() == ".ts":
        return read_labelled(path, columns, option=option)
    if path.suffix.lower() not in (".csv", ".tsv", ".jsonl") and _is_fasttext(path, option):
        return _fasttext(path, columns, option)
    return _table(read_table(path, skip_bad=columns.skip_bad, option=option), columns, needed=False)


def _made(path: Path, kind: Kind, examples: list[LabelledExample], *bad: BadRows) -> Labelled:
    notes = tuple(said for one in bad if (said := one.said()))
    if not examples:
        raise UsageError(f"{path} has no examples that can be read. {' '.join(notes)}".rstrip())
    return Labelled(str(path), kind, examples, notes)


def _is_fasttext(path: Path, option: str) -> bool:
    first = next((block for block in read_text(path, option).blocks()), "")
    return first.lstrip().startswith(FASTTEXT)


def _fasttext(path: Path, columns: LabelColumns, option: str) -> Labelled:
    bad, examples = BadRows(path, columns.skip_bad), []
    for line, content in enumerate(str(read_text(path, option)).split("\n"), 1):
        if content.strip():
            with bad.reading(line):
                examples.append(_fasttext_line(content, columns.multilabel))
    return _made(path, "text", examples, bad)


def _fasttext_line(content: str, multilabel: bool) -> LabelledExample:
    labels, rest = [], content.strip()
    while rest.startswith(FASTTEXT):
        word, _, rest = rest.partition(" ") if " " in rest else (rest, "", "")
        labels.append(word.removeprefix(FASTTEXT))
        rest = rest.lstrip()
    for label in labels:
        if not label or label.endswith(","):
            raise ValueError(
                f"its label is {label!r}: labels are separated by spaces, and have no comma at their end"
            )
    if not rest:
        raise ValueError("it has no text: labels and then a text are expected")
    return LabelledExample(rest, _counted(labels, multilabel))


def _counted(labels: Sequence[str], multilabel: bool) -> tuple[str, ...]:
    """Raises ValueError where there are not as many labels as there may be."""
    if not multilabel and len(labels) != 1:
        shown = f"{len(labels)} labels, {listed(labels, 3)}" if labels else "no label"
        raise ValueError(f"it has {shown}: one is expected (--multilabel allows any number)")
    return tuple(dict.fromkeys(labels))


def _folder(path: Path, columns: LabelColumns, option: str) -> Labelled:
    """A folder a label, a text a file; or a file a label, a text a line."""
    found = sorted(each for each in path.iterdir() if not each.name.startswith("."))
    folders = [each for each in found if each.is_dir()]
    if not found:
        raise UsageError(f"{option} {path} is empty: give a folder with a folder of texts for each label.")
    examples, bad = [], []
    if folders:
        for folder in folders:
            bad.append(BadRows(folder, columns.skip_bad))
            texts = _texts(folder, bad[-1], option)
            examples += [LabelledExample(text, (folder.name,)) for text in texts]
    else:
        for file in found:
            lines = str(read_text(file, option)).splitlines()
            examples += [LabelledExample(line.strip(), (file.stem,)) for line in lines if line.strip()]
    return _made(path, "text", examples, *bad)


def _texts(folder: Path, bad: BadRows, option: str) -> Iterator[str]:
    """The texts of a label's files; of one that cannot be read the file's number stands for the line."""
    for number, file in enumerate(sorted(folder.iterdir()), 1):
        if file.name.startswith("."):
            continue
        try:
            text = str(read_text(file, option))
        except UsageError as error:
            if not bad.skip:
                raise
            bad.add(number, str(error).strip().rstrip("."))
            continue
        if text.strip():
            yield text


def _table(table: Table, columns: LabelColumns, needed: bool = True) -> Labelled:
    named = _label_column(table, columns, needed)
    others = [name for name in table.columns if name != named]
    if columns.input is not None:
        table.require(columns.input)
        others = [columns.input]
    elif usual := [name for name in others if name in INPUTS]:
        others = usual[:1]
    if not others:
        raise UsageError(f"{table.file} has nothing but labels: add a column text, or columns of numbers.")
    kind, value = _reader(table, others, columns)
    examples = []
    for row in table.rows:
        with table.bad.reading(row.line):
            labels = _labels(row, named, columns.multilabel) if needed else ()
            examples.append(LabelledExample(value(row), labels))
    return _made(table.file, kind, examples, table.bad)


def _label_column(table: Table, columns: LabelColumns, needed: bool) -> str | None:
    if columns.label is not None:
        if needed:
            table.require(columns.label)
        return columns.label if columns.label in table.columns else None
    found = next((name for name in table.columns if name.lower() in LABELS), None)
    if found is None and needed:
        raise UsageError(
            f"{table.file} has no column called {' or '.join(LABELS)}: its columns are {listed(table.columns)}."
            " Name the labels' one with --label."
        )
    return found


def _labels(row: Row, column: str, multilabel: bool) -> tuple[str, ...]:
    """One label; several are a list in JSON, and separated by semicolons elsewhere."""
    value = row.value(column)
    if isinstance(value, list):
        return _counted([str(each) for each in value], multilabel)
    if multilabel:
        parts = (part.strip() for part in str(value).split(";"))
        return _counted([part for part in parts if part], multilabel)
    return (row.text(column).strip(),)


def _reader(
    table: Table, names: list[str], columns: LabelColumns
) -> tuple[Kind, Callable[[Row], str | Tensor]]:
    """What the values are, by the first row, and how a row's is read."""
    first = {name: _first(table, name) for name in names}
    if len(names) == 1 and isinstance(first[names[0]], list):
        return "series", lambda row: _list(row.value(names[0]), names[0], columns.channels)
    strange = [name for name in names if not _is_number(first[name])]
    if len(names) == 1 and strange:
        return "text", lambda row: row.text(names[0])
    if strange:
        raise UsageError(
            f"{table.file}: the column {strange[0]} begins with {first[strange[0]]!r}, which is no number, and"
            f" there are others: {listed([n for n in names if n != strange[0]])}. Name the texts' column with"
            " --input."
        )
    if columns.channels is None:
        return "numbers", lambda row: torch.tensor([[_number(row, name) for name in names]])
    return "series", lambda row: _steps([_number(row, name) for name in names], columns.channels)


def _first(table: Table, name: str) -> Any:
    """The first value of a column that is there."""
    return next((row.fields[name] for row in table.rows if not _is_missing(row.fields.get(name))), "")


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value.strip().lower() in MISSING)


def _is_number(value: Any) -> bool:
    try:
        finite(value, "")
        return True
    except ValueError:
        return False


def _number(row: Row, name: str) -> float:
    value = row.value(name)
    if _is_missing(value):
        return float("nan")
    return finite(value, name)


def _steps(numbers: list[float], channels: int) -> Tensor:
    if len(numbers) % channels:
        raise ValueError(f"it has {len(numbers)} numbers, which are no whole steps of --channels {channels}")
    return torch.tensor(numbers).view(-1, channels)


def _list(value: Any, name: str, channels: int | None) -> Tensor:
    """A list of numbers, or of lists of them, one a step; null is missing."""
    if not isinstance(value, list) or not value:
        raise ValueError(f"{name} is {str(value)[:40]!r}: a list of numbers is expected")
    steps = value if isinstance(value[0], list) else [[each] for each in value]
    if not all(isinstance(step, list) and len(step) == len(steps[0]) for step in steps) or not steps[0]:
        raise ValueError(f"{name} has steps of unequal widths: lists of one length are expected")
    flat = [float("nan") if each is None else finite(each, name) for step in steps for each in step]
    width = len(steps[0])
    return _steps(flat, channels if channels is not None and width == 1 else width)
