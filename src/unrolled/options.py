"""Options: the numbers and texts that a user gives, each with its bounds, checked in one place.

A task's options are the fields of frozen dataclasses. Their types say what they may be; the command line,
Python and a run's folder are all held to the same bounds, with the same words.
"""

from __future__ import annotations

import dataclasses
import math
import sys
import types
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from msgspec import Meta

from .errors import UsageError

Count = Annotated[int, Meta(ge=1, le=2**31)]
Natural = Annotated[int, Meta(ge=0, le=2**31)]
Positive = Annotated[float, Meta(gt=0)]
Nonnegative = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, lt=1)]
Seed = Annotated[int, Meta(ge=0, le=2**63 - 1)]

Options = TypeVar("Options")
STANDARD_INPUT = "-"  # in place of a file


def check_options(options: Any) -> None:
    """Raise UsageError for a field of a dataclass (or of one inside it) that its type does not allow.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Net:
    ...     hidden: Count = 256
    >>> check_options(Net(0))
    Traceback (most recent call last):
    unrolled.errors.UsageError: --hidden 0 is below 1: give a whole number from 1 up.
    """
    for name, kind, value in _fields(options):
        if dataclasses.is_dataclass(value):
            check_options(value)
        else:
            _check(_option(name), kind, value)


def completed(options: Options, standard: Options) -> Options:
    """The options, with those of `standard` where they say None; dataclasses inside them likewise.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Net:
    ...     cell: str = "lstm"
    ...     hidden: Count | None = None
    >>> completed(Net("gru"), Net(hidden=256))
    Net(cell='gru', hidden=256)
    """
    found = {}
    for name, _, value in _fields(options):
        usual = getattr(standard, name)
        if dataclasses.is_dataclass(value) and type(value) is type(usual):
            found[name] = completed(value, usual)
        elif value is None:
            found[name] = usual
    return dataclasses.replace(options, **found)


def like(options: Options, other: Options) -> Options:
    """The options with the sizes and choices of another run's where they say None; what is said of data stays:
    paths, and texts such as the names of columns.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Task:
    ...     text: Path | None = None
    ...     width: Count | None = None
    >>> like(Task(), Task("a.txt", 64))
    Task(text=None, width=64)
    """
    found = {}
    for name, kind, value in _fields(options):
        its = getattr(other, name)
        if dataclasses.is_dataclass(value) and type(value) is type(its):
            found[name] = like(value, its)
        elif value is None and _plain(kind)[0] not in (Path, str):
            found[name] = its
    return dataclasses.replace(options, **found)


def with_absolute_paths(options: Options) -> Options:
    """The options with every path made absolute, so that they mean the same in any folder."""
    found = {}
    for name, kind, value in _fields(options):
        if dataclasses.is_dataclass(value):
            found[name] = with_absolute_paths(value)
        elif value is not None and _plain(kind)[0] is Path and str(value) != STANDARD_INPUT:
            found[name] = Path(value).resolve()
    return dataclasses.replace(options, **found)


def standard_input_options(options: Any) -> list[str]:
    """The options of data, fields of a dataclass that are paths, that are standard input.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Texts:
    ...     text: Path | None = None
    ...     valid: Path | None = None
    >>> standard_input_options(Texts(text="-"))
    ['--text']
    """
    return [_option(name) for name in data_fields(options) if str(getattr(options, name)) == STANDARD_INPUT]


def with_file(options: Options, file: Path) -> Options:
    """The options with a file in place of standard input."""
    piped = [name for name in data_fields(options) if str(getattr(options, name)) == STANDARD_INPUT]
    return dataclasses.replace(options, **{name: file for name in piped})


def data_fields(options: Any) -> list[str]:
    """The fields that name data: those that are paths."""
    return [name for name, kind, _ in _fields(options) if _plain(kind)[0] is Path]


def with_other_data(options: Options, given: Callable[[str], bool]) -> Options:
    """The options without what they say of data, where some of these are given anew: a held-out
    file goes with its text.
    """
    fields = data_fields(options)
    if not any(given(_option(name)) for name in fields):
        return options
    usual = type(options)()
    return dataclasses.replace(options, **{name: getattr(usual, name) for name in fields})


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def differing(options: Options, usual: Options) -> Iterator[tuple[str, Any, Any, Options]]:
    """The options that are not as in `usual`: the option, what it is here, what it is there,
    and `usual` with it alone.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Net:
    ...     hidden: int = 256
    ...     layers: int = 1
    >>> list(differing(Net(512), Net()))
    [('--hidden', 512, 256, Net(hidden=512, layers=1))]
    """
    for name, kind, value in _fields(options):
        other = getattr(usual, name)
        if dataclasses.is_dataclass(kind):
            for option, mine, its, alone in differing(value, other):
                yield option, mine, its, dataclasses.replace(usual, **{name: alone})
        elif value != other:
            yield _option(name), value, other, dataclasses.replace(usual, **{name: value})


def _fields(options: Any) -> Iterator[tuple[str, Any, Any]]:
    hints = _hints(type(options))
    for field in dataclasses.fields(options):
        yield field.name, hints[field.name], getattr(options, field.name)


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _plain(kind: Any) -> tuple[Any, bool, list[Any]]:
    """A field's type itself, whether None is allowed too, and the bounds."""
    optional, bounds = False, []
    while True:
        if get_origin(kind) in (types.UnionType, Union):
            optional = type(None) in get_args(kind)
            kind = next(one for one in get_args(kind) if one is not type(None))
        elif get_origin(kind) is Annotated:  # inside of the choice, or around it
            kind, *said = get_args(kind)
            bounds += [each for each in said if isinstance(each, Meta)]
        else:
            return kind, optional, bounds


def _check(option: str, kind: Any, value: Any) -> None:
    kind, optional, bounds = _plain(kind)
    if value is None and optional:
        return
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise UsageError(f"{option} {value} is not there: choose one of {', '.join(get_args(kind))}.")
    elif kind is int and (isinstance(value, bool) or not isinstance(value, int)):
        raise UsageError(f"{option} {value!r} is a {type(value).__name__}: give a whole number.")
    elif kind is float and (isinstance(value, bool) or not isinstance(value, (int, float))):
        raise UsageError(f"{option} {value!r} is a {type(value).__name__}: give a number.")
    elif (
        kind is float and not abs(value) <= sys.float_info.max
    ):  # nor is what is not a number, or too large an int
        raise UsageError(f"{option} {value} is not a finite number: give one.")
    elif kind is bool and not isinstance(value, bool):
        raise UsageError(f"{option} {value!r} is a {type(value).__name__}: give True or False.")
    elif kind is Path and not isinstance(value, (str, Path)):
        raise UsageError(f"{option} {value!r} is a {type(value).__name__}: give a path.")
    if kind in (int, float):
        for bound in bounds:
            _check_bounds(option, kind, bound, value)


def _check_bounds(option: str, kind: type, bound: Any, value: float) -> None:
    """Raise UsageError where a number is outside of what a Meta allows."""
    if bound.lt == 1 and not 0 <= value < 1:
        raise UsageError(f"{option} {value} is not a share: give a number from 0 up to, not including, 1.")
    if bound.gt is not None and not bound.gt < value < math.inf:
        raise UsageError(f"{option} {value} is not above {bound.gt}: give a positive number.")
    if bound.ge is not None and not bound.ge <= value < math.inf:
        what = f"a whole number from {bound.ge} up" if kind is int else f"{bound.ge} or a positive number"
        raise UsageError(f"{option} {value} is below {bound.ge}: give {what}.")
    for most, beyond in ((bound.le, "above"), (bound.lt, "not below")):
        if most is not None and (value > most or (value == most and beyond == "not below")):
            raise UsageError(f"{option} {value} is {beyond} {most}: give a smaller number.")
