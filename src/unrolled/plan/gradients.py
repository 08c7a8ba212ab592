"""The buffer of gradients that products need after the loop: one column each, side by side
where one product reads them.
"""

from __future__ import annotations

from dataclasses import replace

from ..graph.node import Dim
from .body import Body, gradient_of
from .draft import PlanDraft
from .program import Columns, Place, ProductRun


def place_gradients(draft: PlanDraft) -> None:
    """The columns, and where each group's and each hoisted product's gradients stand in them."""
    body = draft.body
    columns, draft.where = _columns(body, draft.groups)
    draft.gradient = tuple(columns.widths)
    draft.groups = tuple(
        replace(
            g,
            runs=_runs(
                [draft.where[gradient_of(body, m, g.operand), w] for m, w in zip(g.matrices, g.widths)],
                g.widths,
            ),
        )
        for g in draft.groups
    )
    draft.hoisted_runs = tuple(
        _runs([draft.where[body.backward.of[s], w] for s, w in zip(h.streams, h.widths)], h.widths)
        for h in body.hoisted
    )


def gradients_are_placed(draft: PlanDraft) -> bool:
    """Every column of a group is in its runs, once and in order."""
    pairs = [*((g.widths, g.runs) for g in draft.groups)]
    pairs += [(h.widths, runs) for h, runs in zip(draft.body.hoisted, draft.hoisted_runs)]
    return all(tuple(w for run in runs for w in run.widths) == tuple(widths) for widths, runs in pairs)


def _columns(body: Body, groups) -> tuple[Columns, dict[tuple[int, Dim], Place]]:
    """One column for each gradient that a product needs, in the order of the hoisted streams,
    then of the loop's matrices.
    """
    columns, where = Columns("gradient"), {}
    for group in body.hoisted:
        for leaf, width in zip(group.streams, group.widths):
            key = (body.backward.of[leaf], width)
            if key not in where:
                where[key] = columns.new(width)
    for group in groups:
        for matrix, width in zip(group.matrices, group.widths):
            key = (gradient_of(body, matrix, group.operand), width)
            if key not in where:
                where[key] = columns.new(width)
    return columns, where


def _runs(places: list[Place], widths: tuple[Dim, ...]) -> tuple[ProductRun, ...]:
    """Places that stand side by side, joined."""
    runs: list[ProductRun] = []
    for k, (place, width) in enumerate(zip(places, widths)):
        if runs and place.start == (*runs[-1].start, *runs[-1].widths):
            runs[-1] = ProductRun(runs[-1].start, (*runs[-1].widths, width), runs[-1].first)
        else:
            runs.append(ProductRun(place.start, (width,), k))
    return tuple(runs)
