"""The zoo on a terminal: families under their sentences, numbers in columns, fitted to 80 columns and more."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from itertools import groupby

from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..cells import REGISTRY
from ..views.count import USUAL
from .cells import CellRow, WantedCells, about_families, rows

RIGHT = ("parameters", "FLOPs", "stages")
NARROW = 100  # columns below which states are counted and the backend is a mark
ROOM = 88  # columns that a sentence wants beside its row; else it stands below
PAPER = 24  # of authors; "Hochreiter & Schmidhuber"
GAP = 2
# Its page has it.
SOURCE = re.compile(r" \((?=[^()]*(?:equation|section|appendix|figure|table))[^()]*\)(?=[.]?$)")
NUMBERED = re.compile(r"(\w+)_(\d+)$")


def table(width: int | None = None, wanted: WantedCells = WantedCells(), colour: bool = False) -> str:
    """The cells that fit as text of `width` columns (the terminal's if None)."""
    width = max(width or shutil.get_terminal_size((160, 24)).columns, 60)
    found = rows(wanted)
    console = Console(
        width=width, force_terminal=colour, color_system="standard" if colour else None, highlight=False
    )
    with console.capture() as captured:
        if found:
            console.print(_Layout(found, width, grouped=wanted.sort is None).text())
        console.print(_foot(found), soft_wrap=False)
    return "\n".join(line.rstrip() for line in captured.get().rstrip("\n").split("\n"))


class _Layout:
    """Which columns there are, and how wide, so that the tables of all families stand below each other."""

    def __init__(self, found: Sequence[CellRow], width: int, grouped: bool):
        self.found, self.width, self.grouped, self.narrow = found, width, grouped, width < NARROW
        heads = [
            "cell",
            *(["family"] if not grouped else []),
            "year",
            "paper",
            "states",
            *RIGHT,
            *([] if self.narrow else ["backend"]),
        ]
        cells = [self.cells(row) for row in found]
        self.widths = {head: max(len(head), *(len(c[head]) for c in cells)) for head in heads}
        self.widths["paper"] = min(self.widths["paper"], PAPER)
        over = sum(self.widths.values()) + GAP * (len(heads) - 1) - width
        if over > 0:
            self.widths["paper"] = max(self.widths["paper"] - over, 0)
        if self.widths["paper"] < 8:  # a few letters of a name say nothing
            del self.widths["paper"]
        used = sum(self.widths.values()) + GAP * len(self.widths)
        self.beside = width - used if width - used >= ROOM else 0

    def cells(self, row: CellRow) -> dict[str, str]:
        """The texts of a row by their column."""
        mark = "*" if self.narrow and row.why else ""
        paper = row.paper.short.removesuffix(f" {row.paper.year}") if row.paper else ", ".join(row.cite)
        if self.narrow and row.paper:
            paper = row.paper.authors[0][0] + "+" * (len(row.paper.authors) > 1)
        return {
            "cell": row.name + mark,
            "family": row.family,
            "year": str(row.year or ""),
            "paper": paper,
            "states": str(len(row.states)) if self.narrow else states_text(row.states),
            "parameters": f"{row.parameters:,}",
            "FLOPs": f"{row.flops:,}",
            "stages": str(row.stages),
            "backend": row.backend,
        }

    def text(self) -> Group:
        about = about_families()
        parts: list = [self._table([], header=True)]
        if not self.grouped:
            return Group(parts[0], *self._rows(self.found))
        for family, members in groupby(self.found, key=lambda row: row.family):
            parts += [
                Text(),
                Text.assemble((family, "bold cyan"), f"  {about[family]}" if about.get(family) else ""),
                *self._rows(list(members)),
            ]
        return Group(*parts)

    def _rows(self, members: list[CellRow]) -> list:
        if self.beside:
            return [self._table(members)]
        return [part for row in members for part in (self._table([row]), self._below(row))]

    def _below(self, row: CellRow) -> Padding:
        return Padding(Text(plain(row.sentence), style="dim"), (0, 0, 0, 4))

    def _table(self, members: list[CellRow], header: bool = False) -> Table:
        made = Table(
            box=None, show_header=header, pad_edge=False, padding=(0, GAP, 0, 0), collapse_padding=True
        )
        for head, width in self.widths.items():
            made.add_column(
                Text(head, style="bold"),
                width=width,
                no_wrap=True,
                overflow="ellipsis",
                justify="right" if head in RIGHT else "left",
                style="bold" if head == "cell" else "",
            )
        if self.beside:
            made.add_column("", width=self.beside, no_wrap=True, overflow="ellipsis", style="dim")
        for row in members:
            texts = self.cells(row)
            sentence = [Text(plain(row.sentence))] if self.beside else []
            made.add_row(*(Text(texts[head]) for head in self.widths), *sentence)
        return made


def plain(sentence: str) -> str:
    """A cell's sentence without the numbers of the paper's equations, which its page has."""
    return SOURCE.sub("", sentence)


def states_text(states: Sequence[str]) -> str:
    """h c; those of a delay together, h past_1..5."""
    parts = []
    for stem, members in groupby(states, key=lambda s: m[1] if (m := NUMBERED.match(s)) else s):
        names = list(members)
        parts.append(names[0] if len(names) == 1 else f"{names[0]}..{names[-1].removeprefix(f'{stem}_')}")
    return " ".join(parts) or "none"


def _foot(found: Sequence[CellRow]) -> Group:
    """How many, what the numbers mean, and why some cells are not compiled."""
    families = len({row.family for row in found})
    total = len(REGISTRY)
    number = f"{len(found)} cells" if len(found) == total else f"{len(found)} of {total} cells"
    if not found:
        return Group(Text(f"{number} fit. `unrolled cells` without options lists them all."))
    within = f"{families} famil{'y' if families == 1 else 'ies'}"
    lines = [
        Text(),
        Text(
            f"{number} in {within}. Parameters, and FLOPs of one row in one step "
            f"forward, with all widths {USUAL}; stages: how often a step waits for a product of "
            "matrices. `unrolled show CELL` prints one cell's equations."
        ),
    ]
    reasons: dict[str, list[str]] = {}
    for row in found:
        if row.why:
            reasons.setdefault(row.why, []).append(row.name)
    for why, names in reasons.items():
        listed = "all of them" if len(names) == len(found) > 1 else ", ".join(names)
        lines.append(Text(f"* on the reference backend: {listed}; {why}"))
    return Group(*lines)
