"""`unrolled cells`: the zoo as rows, chosen by what a reader asks for. `catalogue.py` prints them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from difflib import get_close_matches

from ..cell import Cell
from ..cells import FAMILIES, REGISTRY
from ..errors import UsageError
from ..kernels.c.build.toolchain import toolchain, why_unusable
from ..kernels.c.emit.spell import unspelled
from ..plan.plan import Plan, plan_of
from ..references import Reference, citations, references
from ..views.columns import paragraphs
from ..views.count import USUAL, count, widths_at
from ..views.plans.describe import stage_count
from .cells_options import WantedCells as WantedCells

BACKENDS = ("c", "reference")


@dataclass(frozen=True)
class CellRow:
    """One cell. `parameters` and `flops` (of one row in one step, forward) are for
    all widths equal to `width`.
    """

    name: str
    family: str
    year: int | None
    cite: tuple[str, ...]
    papers: tuple[Reference, ...]
    inputs: tuple[str, ...]
    states: tuple[str, ...]
    settings: dict[str, float | int | str]
    width: int
    parameters: int
    flops: int
    stages: int  # how often a step waits for a product of matrices
    backend: str
    why: str | None  # why it is not the fast one
    sentence: str
    note: str  # where another library has it otherwise, and the like

    @property
    def paper(self) -> Reference | None:
        """The one that the cell's year is of."""
        return next((p for p in self.papers if p.year == self.year), self.papers[0] if self.papers else None)


SORTS: dict[str, Callable[[CellRow], object]] = {
    "name": lambda row: row.name,
    "family": lambda row: row.family,
    "year": lambda row: row.year or 0,
    "paper": lambda row: row.paper.short if row.paper else "",
    "states": lambda row: len(row.states),
    "parameters": lambda row: row.parameters,
    "flops": lambda row: row.flops,
    "stages": lambda row: row.stages,
    "backend": lambda row: row.backend,
}


def rows(wanted: WantedCells = WantedCells()) -> list[CellRow]:
    """The registered cells that fit, family by family. Raises UsageError for a family,
    year, ... that there is not.
    """
    fits = [check(wanted) for check in (_family, _years, _words, _states, _backend)]  # the cheap ones first
    order = _order(wanted.sort)
    families = list(dict.fromkeys(cell.family for cell in REGISTRY.values()))
    found = [_row(cell) for cell in REGISTRY.values() if all(fit(cell) for fit in fits)]
    return sorted(sorted(found, key=lambda row: (families.index(row.family), row.year or 0)), key=order)


def as_json(wanted: WantedCells = WantedCells()) -> list[dict]:
    """The same as plain data, for `unrolled cells --json`."""
    return [asdict(row) for row in rows(wanted)]


def about_families() -> dict[str, str]:
    """Family -> the sentence at the head of its file."""
    found: dict[str, str] = {}
    for module in FAMILIES:
        for value in vars(module).values():
            if isinstance(value, Cell) and value.name in REGISTRY:
                found.setdefault(value.family, (*paragraphs(module.__doc__ or ""), "")[0])
    return found


def _family(wanted: WantedCells) -> Callable[[Cell], bool]:
    known = sorted({cell.family for cell in REGISTRY.values()})
    if wanted.family is not None and wanted.family not in known:
        near = get_close_matches(wanted.family, known, 1, 0.6)
        raise UsageError(
            f"--family {wanted.family}: there is no such family. "
            + (f"Did you mean {near[0]}?" if near else f"Choose one of {', '.join(known)}.")
        )
    return lambda cell: wanted.family in (None, cell.family)


def _years(wanted: WantedCells) -> Callable[[Cell], bool]:
    first, last = wanted.since, wanted.until
    if wanted.year is not None:
        span = re.fullmatch(r"(\d{4})(?:-(\d{4}))?", wanted.year.strip())
        if span is None:
            raise UsageError(
                f"--year {wanted.year}: that is neither a year nor a span of years. "
                "Write --year 2014 or --year 2014-2016."
            )
        if first is not None or last is not None:
            raise UsageError(
                f"--year {wanted.year} and --{'until' if first is None else 'since'} both say which "
                "years. Leave one of them out."
            )
        first, last = int(span[1]), int(span[2] or span[1])
    if first is not None and last is not None and first > last:
        raise UsageError(f"{first} is after {last}, so no year is between them. Write the earlier one first.")
    return lambda cell: (first or 0) <= (cell.year or 0) and (cell.year or 9999) <= (last or 9999)


def _states(wanted: WantedCells) -> Callable[[Cell], bool]:
    return lambda cell: wanted.states in (None, len(cell.states))


def _words(wanted: WantedCells) -> Callable[[Cell], bool]:
    words = (wanted.search or "").lower().split()

    def fits(cell: Cell) -> bool:
        text = " ".join((cell.name, cell.family, cell.doc, *cell.cite, *citations(cell.cite))).lower()
        return all(word in text for word in words)

    return fits


def _backend(wanted: WantedCells) -> Callable[[Cell], bool]:
    if wanted.backend is not None and wanted.backend not in BACKENDS:
        raise UsageError(
            f"--backend {wanted.backend}: there is no such backend. Choose {' or '.join(BACKENDS)}."
        )
    return lambda cell: wanted.backend in (None, _runs_on(cell))


def _order(sort: str | None) -> Callable[[CellRow], object]:
    if sort is not None and sort not in SORTS:
        raise UsageError(f"--sort {sort}: there is no such column. Choose one of {', '.join(SORTS)}.")
    return SORTS[sort] if sort else lambda row: 0


def _row(cell: Cell) -> CellRow:
    plan, known = plan_of(cell.graph), references()
    counted = count(cell.graph, widths_at(cell.graph, cell.widths, USUAL))
    why = obstacle(plan)
    papers = tuple(known[key] for key in cell.cite if key in known)
    sentence, *notes = paragraphs(cell.doc) or [""]
    return CellRow(
        cell.name,
        cell.family,
        cell.year,
        cell.cite,
        papers,
        cell.inputs,
        cell.states,
        cell.hyper,
        USUAL,
        counted.parameters,
        counted.flops,
        stage_count(plan),
        _runs_on(cell),
        why,
        sentence,
        " ".join(notes),
    )


def _runs_on(cell: Cell) -> str:
    return "reference" if obstacle(plan_of(cell.graph)) else "c"


def obstacle(plan: Plan) -> str | None:
    """Why the C backend cannot run a cell on this machine's CPU; None if it can."""
    missing = unspelled(plan)
    if missing:
        return f"op `{missing}` is not spelled in kernels/c/emit/spell.py"
    return None if toolchain() else f"no compiler works: {why_unusable()}"
