"""Plain numbers in the shape of a vector or a matrix, and how they are printed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from ..errors import UsageError

DIGITS = 6
# Of the page or picture that is being made.
_DIGITS: ContextVar[int | None] = ContextVar("digits", default=None)
SMALL = 1e-3  # below it, decimals would hide a number: significant digits instead


@dataclass(frozen=True)
class Array:
    """A number, vector, matrix or stack of matrices: `cells` row by row, numbers or symbols."""

    shape: tuple[int, ...]
    cells: tuple[Any, ...]

    def rows(self) -> tuple[Array, ...]:
        """What stands behind each first index."""
        size = math.prod(self.shape[1:])
        return tuple(Array(self.shape[1:], self.cells[k * size : (k + 1) * size]) for k in range(self.shape[0]))

    def of(self, change: Callable) -> Array:
        return Array(self.shape, tuple(change(c) for c in self.cells))

    @property
    def T(self) -> Array:
        rows, columns = self.shape
        return Array(
            (columns, rows), tuple(self.cells[i * columns + j] for j in range(columns) for i in range(rows))
        )

    def nested(self):
        """The cells in tuples of tuples; a number alone as it is."""
        return tuple(row.nested() for row in self.rows()) if self.shape else self.cells[0]

    def tolist(self):
        """Nested lists, as of a tensor: what was worked out can be given again."""
        return [row.tolist() for row in self.rows()] if self.shape else self.cells[0]

    def places(self) -> tuple[tuple[int, ...], ...]:
        """Each cell's indices, from 0."""
        found: list[tuple[int, ...]] = [()]
        for width in self.shape:
            found = [(*place, k) for place in found for k in range(width)]
        return tuple(found)


def array(
    given: object, name: str, where: str = "", first: int | tuple[int, ...] = 1, at: tuple[int, ...] = ()
) -> Array:
    """An Array of floats from a number, a list of lists, a tensor or an array.

    name, where   for messages: W[2,1] is missing in row 3
    first         what indices begin with in messages

    Raises UsageError naming the place where a number is missing or is not a number, or
    where rows differ in length.

    >>> array([[1, 2], [3, 4]], "W").shape
    (2, 2)
    """
    given = given.tolist() if hasattr(given, "tolist") else given
    place = f"{name}[{','.join(map(str, at))}]" if at else name
    if not isinstance(given, (list, tuple)):
        return Array((), (_number(given, place, where),))
    if not given:
        raise UsageError(f"{place} is empty{where}: give it at least one number.")
    start = first[min(len(at), len(first) - 1)] if isinstance(first, tuple) else first
    parts = [array(part, name, where, first, (*at, k)) for k, part in enumerate(given, start)]
    odd = next((k for k, part in enumerate(parts) if part.shape != parts[0].shape), None)
    if odd is not None:
        raise UsageError(
            f"{place}{where}: its row 1 has {_size(parts[0])} and its row {odd + 1} has {_size(parts[odd])}. "
            "Make them equally long."
        )
    return Array((len(parts), *parts[0].shape), tuple(c for part in parts for c in part.cells))


def _size(part: Array) -> str:
    return said_shape(part.shape) if part.shape else "a single number"


def said_shape(shape: tuple[int, ...]) -> str:
    """ "3 numbers", "3 x 4 numbers", "1 number"."""
    return f"{' x '.join(map(str, shape)) or 1} number{'s' * (math.prod(shape) != 1)}"


def _number(given: object, place: str, where: str) -> float:
    if given is None or given == "":
        raise UsageError(f"{place} is missing{where}: give it a number.")
    try:
        value = float(given)
    except (TypeError, ValueError):
        raise UsageError(
            f"{place}{where} is {given!r}, which is not a number. Write it like 0.5 or -1e-3."
        ) from None
    if not math.isfinite(value):
        raise UsageError(
            f"{place}{where} is {given!r}: a net is worked by hand with finite numbers. Give it one."
        )
    return value


@contextmanager
def digits_of(count: int | None) -> Iterator[None]:
    """While a page is written: its numbers have so many decimals. Raises UsageError
    for a count that cannot be.
    """
    if count is not None and (not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= 15):
        raise UsageError(f"digits={count!r}: numbers are printed with 1 to 15 decimals. Give such a number.")
    token = _DIGITS.set(_DIGITS.get() if count is None else count)
    try:
        yield
    finally:
        _DIGITS.reset(token)


def digits_now(usual: int) -> int:
    """The decimals that `digits_of` says; the usual ones where nobody did."""
    return _DIGITS.get() or usual


def shown(value: float, digits: int | None = None) -> str:
    """A number with `digits` decimals (those of `digits_of` without it), without the zeros at their end; a
    small one with as many significant digits.

    >>> shown(0.5), shown(2 / 3), shown(1 / 3e7), shown(-0.0)
    ('0.5', '0.666667', '3.33333e-08', '0')
    """
    digits = digits_now(DIGITS) if digits is None else digits
    if value == 0 or abs(value) >= SMALL:
        text = f"{value:.{digits}f}".rstrip("0").rstrip(".") if abs(value) < 1e15 else f"{value:g}"
        return "0" if text == "-0" else text
    return f"{value:.{digits}g}"


def vector(values, digits: int | None = None) -> str:
    """(0.5, 1, -2)"""
    return f"({', '.join(shown(v, digits) for v in values)})"
