"""What a derived cell is called, what its sentence says, and which papers stand behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..cell import Cell
from ..graph.node import Graph
from ..noise import Noise
from ..references import year_of

# Where each change comes from: keys of cells/references.bib.
PAPERS = {
    "layer_norm": "ba2016",
    "zoneout": "krueger2017",
    "recurrent_dropout": "gal2016",
    "weight_drop": "merity2018",
    "residual": "prakash2016",
    "multiplicative": "krause2016",
}


def derived(
    cell: Cell,
    graph: Graph,
    phrase: str,
    change: str | None = None,
    *,
    init: Mapping[str, float | str] | None = None,
    noise: Mapping[str, Noise] | None = None,
) -> Cell:
    """A cell of changed equations, with all that still holds of the cell it was made from.

    phrase  what was changed, put behind the cell's first sentence
    change  the change's name in `PAPERS`, if it is of a paper
    """
    made = cell.made_of(graph, noise={**cell.noise, **(noise or {})})
    return replace(
        made,
        doc=extended(cell.doc, phrase),
        init={**made.init, **(init or {})},
        cite=tuple(dict.fromkeys([*cell.cite, *([PAPERS[change]] if change else [])])),
    )


def extended(doc: str, phrase: str) -> str:
    """The docstring with a phrase behind its first sentence: "Minimal gated unit; residual." """
    first, *rest = doc.split("\n", 1)
    return "\n".join(
        [f"{first.rstrip('. ')}; {phrase}." if first else f"{phrase[:1].upper()}{phrase[1:]}.", *rest]
    )


def documented(
    cell: Cell,
    doc: str,
    *,
    name: str | None = None,
    cite: tuple[str, ...] | None = None,
    family: str | None = None,
    year: int | None = None,
) -> Cell:
    """The same equations under another name, sentence or paper: what `@cell` takes from a
    function, for a derived cell.

    Other papers bring another year, the first one's, unless `year` says it.

    lstm_cifg = documented(replace(lstm, i=lambda f: 1 - f), "LSTM whose input gate is what
    the forget gate leaves.")
    """
    name = name or cell.name
    stored = None if cell.stored is None else replace(cell.stored, name=name)
    return replace(
        cell,
        name=name,
        doc=doc,
        stored=stored,
        cite=cell.cite if cite is None else cite,
        family=cell.family if family is None else family,
        year=year or (cell.year if cite is None else year_of(cite)),
    )
