"""`unrolled cells`: the zoo as a table."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from textwrap import shorten

from ..cell import Cell
from ..cells import REGISTRY
from ..kernels.c.spell import unspelled
from ..kernels.c.toolchain import toolchain, why_unusable
from ..plan.describe import stage_count
from ..plan.plan import Plan, plan_of
from ..views.columns import columns
from ..views.count import USUAL, count, widths_at

HEAD = ("cell", "family", "year", "paper", "states", "parameters", "operations", "stages", "runs on", "")
LEAST_ROOM = 24      # columns below which a sentence says nothing


@dataclass(frozen=True)
class Row:
    """One cell. `parameters` and `operations` (per step and row, forward) are for all widths equal to `width`."""

    name: str
    family: str
    year: int | None
    paper: tuple[str, ...]
    inputs: tuple[str, ...]
    states: tuple[str, ...]
    settings: dict[str, float | int | str]
    width: int
    parameters: int
    operations: int
    stages: int            # how often a step waits for a product of matrices
    backend: str
    why: str | None        # why it is not the fast one
    sentence: str


def rows() -> list[Row]:
    """Every registered cell, in the order of the families."""
    return [_row(cell) for cell in REGISTRY.values()]


def as_json() -> list[dict]:
    """The same as plain data, for `unrolled cells --json`."""
    return [asdict(row) for row in rows()]


def table(width: int | None = None) -> str:
    """The same as text, fitted to `width` columns (the terminal's if None)."""
    width = width or shutil.get_terminal_size((160, 24)).columns
    made = rows()
    lines = columns([HEAD, *(_cells(row)[:-1] for row in made)], right=(5, 6, 7))
    room = width - max(map(len, lines)) - 2
    if room >= LEAST_ROOM:                        # what each cell is, where there is room for it
        lines = columns([HEAD, *([*_cells(row)[:-1], shorten(row.sentence, room, placeholder="...")] for row in made)],
                        right=(5, 6, 7))
    reasons = dict.fromkeys(f"{row.backend}: {row.why}" for row in made if row.why)
    return "\n".join([*lines, "", f"Parameters, and operations per step and row, with all widths {USUAL}. "
                                  "`unrolled show CELL` prints one cell's equations.", *reasons])


def _cells(row: Row) -> list[str]:
    return [row.name, row.family, str(row.year or ""), ", ".join(row.paper), " ".join(row.states),
            f"{row.parameters:,}", f"{row.operations:,}", str(row.stages), row.backend, row.sentence]


def _row(cell: Cell) -> Row:
    plan = plan_of(cell.graph)
    counted = count(cell.graph, widths_at(cell.graph, {}, USUAL))
    why = obstacle(plan)
    sentence = cell.doc.splitlines()[0] if cell.doc else ""
    return Row(cell.name, cell.family, cell.year, cell.cite, cell.inputs, cell.states, cell.hyper, USUAL,
               counted.parameters, counted.flops, stage_count(plan), "reference" if why else "c", why, sentence)


def obstacle(plan: Plan) -> str | None:
    """Why the C backend cannot run a cell on this machine's CPU; None if it can."""
    missing = unspelled(plan)
    if missing:
        return f"op `{missing}` is not spelled in kernels/c/spell.py"
    return None if toolchain() else f"no compiler works: {why_unusable()}"
