"""Tables and names for a worked net's document."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ..views.symbols import latex_name
from .document import Grid, Lines, Piece, Said, WorkedLine
from .label import Label, units
from .numbers import Array, shown

if TYPE_CHECKING:
    from .worked import Quantity, Worked

WIDE = 96  # letters that a table may have


def side_by_side(
    corner: Said, rows: Sequence[Said], columns: Sequence[tuple[Said, Sequence[str]]]
) -> Iterable[Grid]:
    """A table, or several below each other where it would be too wide. Short columns end early."""
    chunk, room = [], WIDE
    for title, cells in [*columns, (None, ())]:
        width = 0 if title is None else 2 + max(map(len, [title.text, *cells]))
        if chunk and (title is None or width > room):
            yield Grid(
                corner,
                tuple(t for t, _ in chunk),
                tuple((row, tuple(c[k] if k < len(c) else "" for _, c in chunk)) for k, row in enumerate(rows)),
            )
            chunk, room = [], WIDE
        if title is not None:
            chunk.append((title, cells))
            room -= width


def grids(title: Said, name: str, one: Array, worked: Worked) -> Iterable[Piece]:
    """An array as tables: one for a matrix, one line for a vector, a table each for the matrices of a stack."""
    if len(one.shape) > 2:
        for place, matrix in _stacked(one):
            yield from grids(Said(f"{title.text}[{place}]", f"{title.latex}[{place}]"), name, matrix, worked)
        return
    if not one.shape:
        yield Lines((WorkedLine(title, (number(one.cells[0]),)),))
        return
    places = units(name, (0, 0)[: len(one.shape)], worked.first)
    heads = tuple(Said(str(k), str(k)) for k in range(places[-1], places[-1] + one.shape[-1]))
    rows = [one] if len(one.shape) == 1 else one.rows()
    names = [str(places[0] + k) if len(one.shape) == 2 else "" for k in range(len(rows))]
    yield Grid(
        title, heads, tuple((Said(n, n), tuple(shown(c) for c in row.cells)) for n, row in zip(names, rows))
    )


def _stacked(one: Array) -> Iterable[tuple[str, Array]]:
    """The matrices of a stack, or of a stack of stacks, with their places: "1", "0,1"."""
    for k, part in enumerate(one.rows()):
        if len(part.shape) == 2:
            yield str(k), part
        else:
            yield from ((f"{k},{place}", matrix) for place, matrix in _stacked(part))


def loss_name(worked: Worked) -> Said:
    return name_of(worked.called)


def name_of(name: str) -> Said:
    return Said(name, latex_name(name))


def said(label: Label) -> Said:
    return Said(str(label), label.latex)


def number(value: float) -> Said:
    text = shown(value)
    digits, exponent, power = text.partition("e")
    return Said(text, rf"{digits} \cdot 10^{{{int(power)}}}" if exponent else text)


def slope(above: Said, below: Said) -> Said:
    return Said(f"d{above.text}/d{below.text}", rf"\frac{{\partial {above.latex}}}{{\partial {below.latex}}}")


def at_row(worked: Worked, row: int) -> str:
    if worked.recurrent:
        return f", step {row}"
    return f", row {row}" if worked.given.rows > 1 else ""


def vectors(found: Sequence[Quantity]) -> list[list[Quantity]]:
    groups: dict[Label, list[Quantity]] = {}
    for q in found:
        groups.setdefault(q.label.whole, []).append(q)
    return list(groups.values())
