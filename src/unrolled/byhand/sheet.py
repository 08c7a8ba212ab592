"""A file of numbers for a net: one line for each vector, or row of a matrix, its name first.

x, 1, 4, 5
target, 0.1, 0.05
W, 0.1, 0.3, 0.5
W, 0.2, 0.4, 0.6
b, 0.5, 0.5
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

from ..cell import Cell
from ..errors import NotYet, UsageError
from .numbers import Array

if TYPE_CHECKING:
    from .worked import Worked

MOST_BYTES = 1_000_000
TARGET = "target"


@dataclass
class Sheet:
    """Numbers by name, as `worked` takes them; `targets` are None where the file has none."""

    inputs: dict[str, list] = field(default_factory=dict)
    parameters: dict[str, list] = field(default_factory=dict)
    state: dict[str, list] = field(default_factory=dict)
    targets: list | None = None


def read_sheet(file: str | Path, cell: Cell) -> Sheet:
    """The numbers of a CSV file (commas, semicolons or tabs) for a cell's inputs, parameters and first states.

    Lines of an input are its time steps, or its examples, in order; so are those of the target, where a
    line without numbers means that there is none. Lines of a matrix are its rows. Empty lines and those
    with # first are skipped.

    Raises UsageError naming file, line and name where a number is missing or is not a
    number, or a name is unknown.
    """
    graph, made = cell.graph, Sheet()
    ranks = {
        n: (kind, len(graph.shape(kind, n)))
        for kind, names in (("input", graph.inputs), ("state", graph.states), ("parameter", graph.parameters))
        for n in names
    }
    found: dict[str, list[list[float]]] = {}
    for number, name, cells in _lines(Path(file)):
        if name not in ranks and name != TARGET:
            raise UsageError(
                f"{file}, line {number}: {cell.name} has nothing called {name!r}. Lines begin with one of "
                f"{', '.join([*ranks, TARGET])}."
            )
        rows = found.setdefault(name, [])
        place = f"{name}[{len(rows) + 1},{{}}]" if ranks.get(name, ("", 1))[1] == 2 else f"{name}[{{}}]"
        rows.append(
            [
                _number(cell_text, f"{file}, line {number}", place.format(k))
                for k, cell_text in enumerate(cells, 1)
            ]
        )
    for name, rows in found.items():
        _put(made, name, rows, ranks, str(file), len(graph.nodes[graph.output].shape))
    most = max(map(len, made.inputs.values()), default=0)
    # One for all rows.
    made.inputs.update({n: rows[0] for n, rows in made.inputs.items() if len(rows) == 1 < most})
    return made


def written_sheet(worked: Worked) -> str:
    """The numbers of a worked net as such a file, to be changed and read again."""
    given = worked.given
    lines = [f"# {worked.cell.name}: a line for each row, its name first"]
    for name, rows in given.inputs.items():
        lines += [
            _line(name, row) for row in (rows if len(set(rows)) > 1 or worked.given.rows == 1 else rows[:1])
        ]
    if any(target is not None for target in given.targets):
        lines += [TARGET if target is None else _line(TARGET, target) for target in given.targets]
    for name, one in (*given.states.items(), *given.parameters.items()):
        if len(one.shape) > 2:
            raise NotYet(f"{name} is a stack of matrices, which a file of numbers cannot hold yet.")
        lines += [_line(name, row) for row in (one.rows() if len(one.shape) == 2 else [one])]
    return "\n".join(lines)


def _line(name: str, row: Array) -> str:
    return ", ".join([name, *(f"{c!r}" if c != int(c) else str(int(c)) for c in row.cells)])


def _lines(file: Path) -> list[tuple[int, str, list[str]]]:
    try:
        if file.stat().st_size > MOST_BYTES:
            raise UsageError(
                f"{file} has {file.stat().st_size:,} bytes: a net worked by hand has fewer numbers. Take a"
                " smaller file."
            )
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror or error}. Check the path.") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file} is not UTF-8 text: save it as CSV.") from None
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        mark = next((m for m in ",;\t" if m in line), ",")
        cells = [c.strip() for c in next(csv.reader([line], delimiter=mark), [])]
        while cells and not cells[-1]:
            cells.pop()
        if cells and not cells[0].startswith("#"):
            found.append((number, cells[0], cells[1:]))
    if not found:
        raise UsageError(f"{file} has no numbers in it: write lines such as x, 1, 4, 5.")
    return found


def _number(text: str, where: str, place: str) -> float:
    if not text:
        raise UsageError(f"{where}: {place} is missing. Write a number between the commas.")
    try:
        value = float(text)
    except ValueError:
        raise UsageError(
            f"{where}: {place} is {text!r}, which is not a number. Write it like 0.5 or -1e-3."
        ) from None
    if not isfinite(value):
        raise UsageError(
            f"{where}: {place} is {text}: a net is worked by hand with finite numbers. Give it one."
        )
    return value


def _put(made: Sheet, name: str, rows: list[list[float]], ranks: dict, file: str, output_rank: int) -> None:
    if name == TARGET:
        made.targets = [None if not row else row if output_rank else row[0] for row in rows]
        return
    kind, rank = ranks[name]
    if rank == 3:
        raise NotYet(
            f"{file}: {name} is a stack of matrices, which a file of numbers cannot hold yet. Use worked(...)"
            " in Python."
        )
    empty = next((k for k, row in enumerate(rows, 1) if not row), None)
    if empty is not None:
        raise UsageError(f"{file}: line {empty} of {name} has no numbers. Write them behind the name.")
    shaped = [row if rank else row[0] for row in rows]
    if kind == "input":
        made.inputs[name] = shaped
    elif rank < 2 and len(rows) > 1:
        raise UsageError(
            f"{file}: {name} is {'a vector' if rank else 'a number'} and has {len(rows)} lines. Write it in"
            " one."
        )
    else:
        target = made.parameters if kind == "parameter" else made.state
        target[name] = shaped if rank == 2 else shaped[0]
