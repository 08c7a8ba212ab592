"""Files of labelled series, .ts: the format of the UCR and UEA archives
(https://www.timeseriesclassification.com).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy
import torch
from torch import Tensor

from ..errors import UsageError
from .bad_rows import BadRows
from .tables import finite, listed
from .text import read_text

MISSING = ("?", "nan", "")
HEADERS = {
    "problemname": "a name",
    "timestamps": "true or false",
    "missing": "true or false",
    "univariate": "true or false",
    "equallength": "true or false",
    "dimension": "a number",
    "dimensions": "a number",
    "serieslength": "a number",
    "classlabel": "true and the labels",
    "targetlabel": "true or false",
}


@dataclass
class Header:
    """What a file says of its series before @data; None where it does not say."""

    values: dict[str, list[str]] = field(default_factory=dict)

    def truth(self, name: str) -> bool | None:
        value = self.values.get(name)
        return None if value is None else value[0].lower() == "true"

    def number(self, *names: str) -> int | None:
        return next((int(self.values[name][0]) for name in names if name in self.values), None)

    @property
    def channels(self) -> int | None:
        return 1 if self.truth("univariate") else self.number("dimensions", "dimension")

    @property
    def labels(self) -> list[str]:
        return self.values.get("classlabel", ["true"])[1:]


def read_ts(path: str | Path, *, skip_bad: bool = False, option: str = "--data") -> tuple[list, BadRows]:
    """The series of a .ts file: (line, series, label) each, a series being (T, channels) float32 with NaN where
    a value is missing ("?" or "NaN"); and the rows that could not be read. Series may have unequal lengths.

    Raises UsageError, with file, line and what was expected, for a file without labels, for one that says of
    itself what is not so (`@equalLength true` over unequal lengths, a label that `@classLabel` does not list),
    and for a series whose channels have unequal lengths.
    """
    path = Path(path)
    lines = enumerate(str(read_text(path, option)).splitlines(), 1)
    header = _header(path, lines)
    bad, rows = BadRows(path, skip_bad), []
    for line, content in _content(lines):
        with bad.reading(line):
            series, label = _row(content, header)
            first = rows[0][1] if rows else series
            _check(series, first, header)
            rows.append((line, series, label))
    if not rows:
        raise UsageError(f"{option} {path} has no series that can be read. {bad.said()}".rstrip())
    return rows, bad


def series_of(text: str) -> Tensor:
    """A series as .ts files write it: values separated by commas, channels by colons; (T, channels) float32.

    Raises ValueError for what is no number, and for channels of unequal lengths.

    >>> series_of("1,2,3:4,?,6")
    tensor([[1., 4.],
            [2., nan],
            [3., 6.]])
    """
    channels = [_channel(values, number) for number, values in enumerate(text.split(":"), 1)]
    lengths = [len(values) for values in channels]
    if len(set(lengths)) > 1:
        raise ValueError(
            f"its channels have unequal lengths, {', '.join(map(str, lengths[:8]))}: all of a series are to"
            " have one length"
        )
    return torch.from_numpy(numpy.stack(channels, 1))


def _channel(text: str, number: int) -> numpy.ndarray:
    values = [value.strip() for value in text.split(",")]
    if values == [""]:
        raise ValueError(f"channel {number} is empty: values separated by commas are expected")
    try:
        found = numpy.array(values, dtype=numpy.float32)  # quickly, where nothing is missing
    except ValueError:
        found = numpy.array(
            [
                numpy.nan if value.lower() in MISSING else finite(value, f"value {place} of channel {number}")
                for place, value in enumerate(values, 1)
            ],
            dtype=numpy.float32,
        )
    if numpy.isinf(found).any():
        raise ValueError(f"channel {number} holds a value that is not finite: finite numbers are expected")
    return found


def _content(lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Lines that are neither empty nor remarks."""
    for line, content in lines:
        content = content.strip()
        if content and content[0] not in "#%":
            yield line, content


def _header(path: Path, lines: Iterator[tuple[int, str]]) -> Header:
    header = Header()
    for line, content in _content(lines):
        if not content.startswith("@"):
            raise UsageError(f"{path}, line {line}: @data is expected before the first series. Add that line.")
        name, *values = content[1:].split()
        name = name.lower()
        if name == "data":
            _check_header(path, header)
            return header
        _check_line(path, line, name, values)
        header.values[name] = values
    raise UsageError(f"{path} has no line @data: is it a .ts file? Give one, or name another.")


def _check_line(path: Path, line: int, name: str, values: list[str]) -> None:
    expected = HEADERS.get(name)
    if expected is None:
        raise UsageError(
            f"{path}, line {line}: @{name} is not known: a .ts file has"
            f" {', '.join('@' + known for known in HEADERS)}."
        )
    good = bool(values)
    if good and expected.startswith("true"):
        good = values[0].lower() in ("true", "false")
    if good and expected == "a number":
        good = values[0].isdecimal() and 0 < int(values[0]) < 2**31
    if not good:
        raise UsageError(f"{path}, line {line}: @{name} {' '.join(values)[:40]}: {expected} is expected.")


def _check_header(path: Path, header: Header) -> None:
    if header.truth("timestamps"):
        raise UsageError(f"{path} says @timeStamps true: series with a time at each value cannot be read yet.")
    if header.truth("targetlabel"):
        raise UsageError(f"{path} says @targetLabel true: its series have numbers to predict, and no classes.")
    if header.truth("classlabel") is False:
        raise UsageError(
            f"{path} says @classLabel false: its series have no labels to learn. Give a file with labels."
        )
    if header.truth("univariate") and (header.number("dimensions", "dimension") or 1) > 1:
        raise UsageError(f"{path} says @univariate true and @dimensions above 1: correct one of them.")


def _row(content: str, header: Header) -> tuple[Tensor, str]:
    values, colon, label = content.rpartition(":")
    label = label.strip()
    if not colon:
        raise ValueError("it has no label: values, a colon and the label are expected")
    if header.labels and label not in header.labels:
        raise ValueError(f"its label is {label!r}, and @classLabel lists {listed(header.labels)}")
    if not label:
        raise ValueError("its label is empty: a label is expected after the last colon")
    return series_of(values), label


def _check(series: Tensor, first: Tensor, header: Header) -> None:
    """Raise ValueError where a series is not what the file says, or unlike its first one."""
    length, channels = series.shape
    if header.channels not in (None, channels):
        raise ValueError(f"it has {channels} channels, and the header says {header.channels}")
    if channels != first.shape[1]:
        raise ValueError(f"it has {channels} channels, and the first series {first.shape[1]}")
    if header.truth("equallength"):
        due = header.number("serieslength") or len(first)
        if length != due:
            raise ValueError(f"it has {length} steps, and @equalLength true means {due}")
    if header.truth("missing") is False and series.isnan().any():
        raise ValueError("a value is missing, and the header says @missing false")
