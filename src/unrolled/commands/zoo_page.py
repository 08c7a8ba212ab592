"""The zoo as a page of documentation, docs/zoo.md: the catalogue with links to the
papers and with the notes.
"""

from __future__ import annotations

from itertools import groupby

from ..cells import REGISTRY
from ..kernels.c.emit.spell import unspelled
from ..plan.plan import plan_of
from ..views.count import USUAL
from .catalogue import states_text
from .cells import CellRow, about_families, rows

HEAD = ("cell", "year", "papers", "states", "parameters", "FLOPs", "stages", "what it is")
ALIGN = ("---", "---", "---", "---", "--:", "--:", "--:", "---")
INTRODUCTION = """# The zoo

{cells} cells in {families} families, {first} to {last}. The same on a terminal, with filters: `unrolled cells`;
one cell's equations, graph, gradients or C: `unrolled show CELL`. Parameters, and FLOPs of one row in one step
forward, are with all widths {width}. Stages: how often a step waits for a product of matrices.
"""


def page() -> str:
    """The text of docs/zoo.md; the same on every machine."""
    found, about = rows(), about_families()
    years = [row.year for row in found if row.year]
    lines = [
        INTRODUCTION.format(
            cells=len(found),
            families=len({row.family for row in found}),
            first=min(years),
            last=max(years),
            width=USUAL,
        )
    ]
    for family, members in groupby(found, key=lambda row: row.family):
        members = list(members)
        lines += [
            f"## {family}",
            "",
            about.get(family, ""),
            "",
            _line(HEAD),
            _line(ALIGN),
            *map(_row, members),
            "",
        ]
        notes = [f"- `{row.name}`: {_escaped(row.note)}" for row in members if row.note]
        lines += [*notes, ""] if notes else []
    lines += ["## Not compiled", "", *_uncompiled()]
    return "\n".join(lines) + "\n"


def _row(row: CellRow) -> str:
    papers = ", ".join(f"[{p.short}]({p.url})" if p.url else p.short for p in row.papers)
    return _line(
        (
            f"`{row.name}`",
            str(row.year or ""),
            papers,
            states_text(row.states),
            f"{row.parameters:,}",
            f"{row.flops:,}",
            str(row.stages),
            _escaped(row.sentence),
        )
    )


def _uncompiled() -> list[str]:
    """Cells that no compiler would help, each with the reason."""
    missing = {name: unspelled(plan_of(cell.graph)) for name, cell in REGISTRY.items()}
    found = [f"- `{name}`: C has no spelling of `{op}` yet" for name, op in missing.items() if op]
    if not found:
        return ["None: every cell runs on the C backend."]
    return ["These run on the reference backend only:", "", *found]


def _line(texts: tuple[str, ...]) -> str:
    return f"| {' | '.join(texts)} |"


def _escaped(text: str) -> str:
    """Text in which Markdown sees no signs of its own."""
    for sign in "\\|*<":
        text = text.replace(sign, "\\" + sign)
    return text
