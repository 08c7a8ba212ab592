"""The index of the cells' pages: families with their sentences, cells in the order of their years."""

from __future__ import annotations

from itertools import groupby

from unrolled.commands.catalogue import states_text
from unrolled.commands.cells import CellRow, about_families, rows

from .cell_page import _flowing

HEAD = "| cell | year | states | parameters | what it is |\n| --- | --- | --- | ---: | --- |"


def index_page(wanted: tuple[str, ...]) -> str:
    """Markdown of `cells/index`, with a table of contents for each family of the wanted cells."""
    found, about = [row for row in rows() if row.name in wanted], about_families()
    lines = [
        "# Cells",
        "",
        (
            "Each page is made from the cell's function and from nothing else: equations, picture, cost, one"
            " step by hand, gradients, plan, C and papers. Parameters are with all widths 128."
        ),
        "",
    ]
    for family, members in groupby(found, key=lambda row: row.family):
        members = list(members)
        lines += [
            f"## {family}",
            "",
            _flowing(about.get(family, "")),
            "",
            HEAD,
            *map(_row, members),
            "",
            "```{toctree}",
            ":hidden:",
            "",
            *(row.name for row in members),
            "```",
            "",
        ]
    return "\n".join(lines)


def _row(row: CellRow) -> str:
    return (
        f"| [{row.name}]({row.name}.md) | {row.year or ''} | {_flowing(states_text(row.states))} |"
        f" {row.parameters:,} | {_flowing(row.sentence)} |"
    ).replace(" |  |", " | |")
