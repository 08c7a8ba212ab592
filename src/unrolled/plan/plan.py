"""The plan of a cell: everything a backend needs to know to run it, and nothing about how it spells it.

A plan lists what is made before the loop (hoisted products), the programs of one step forward and one step
backward, the layout of the buffers that carry values between them, and what is made after the loop (weight
gradients). `PASSES` is its page of contents.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from ..graph.node import Dim, Graph
from ..ops import ALONG_UNITS, OF_WHOLES, OVER_UNITS
from .backward import gradients_are_stored, schedule_backward
from .body import Body, body_of, width_of
from .draft import PlanDraft
from .forward import kept_are_apart, schedule_forward
from .gradients import gradients_are_placed, place_gradients
from .leaves import leaves_are_placed, place_leaves
from .products import group_products, products_are_grouped
from .program import Group, ProductRun, Program


@dataclass(frozen=True, eq=False)
class Plan:
    """What to make before, in and after the loop over time.

    `kept`: nodes whose values the forward pass leaves for the backward pass. `gradient`: columns of
    the buffer of gradients that the weight gradients are made of. `hoisted_runs[g]`: where the
    gradients of hoisted group g stand in it. `vectors`, `numbers`: parameter leaves of rank 1 and 0,
    in the order in which they are packed.
    """

    body: Body
    groups: tuple[Group, ...]
    vectors: tuple[int, ...]
    numbers: tuple[int, ...]
    kept: tuple[int, ...]
    kept_widths: tuple[Dim, ...]  # columns of the extra buffer of kept values
    gradient: tuple[Dim, ...]
    hoisted_runs: tuple[tuple[ProductRun, ...], ...]
    forward: Program
    backward: Program
    splits_units: bool  # whether cores may share a row: no sums over units

    @property
    def graph(self) -> Graph:
        return self.body.graph


@lru_cache(maxsize=512)
def plan_of(graph: Graph) -> Plan:
    """Plans a traced cell."""
    draft = PlanDraft(body_of(graph))
    for step in PASSES:
        step.fill(draft)
        if not step.holds(draft):  # a fault of ours, which no kernel may run into
            raise RuntimeError(f"{graph.name}: the plan is wrong after {step.name}. Please report this cell.")
    return Plan(
        draft.body,
        draft.groups,
        draft.vectors,
        draft.numbers,
        draft.kept,
        draft.kept_widths,
        draft.gradient,
        draft.hoisted_runs,
        draft.forward,
        draft.backward,
        draft.splits_units,
    )


def share_units(draft: PlanDraft) -> None:
    """Whether cores may each take some of a row's units."""
    nodes = draft.body.nodes
    whole = any(n.op in (*OVER_UNITS, *ALONG_UNITS, *OF_WHOLES, "spread") for n in nodes)
    draft.splits_units = not (whole or draft.numbers or _single(draft))


def _single(draft: PlanDraft) -> bool:
    """Whether a state or a stored value is one number per row, which two cores would both write."""
    body = draft.body
    narrow = any(n.shape == ("1",) for n in body.nodes)
    return narrow or "1" in (
        *(width_of(body, s) for s in body.states),
        *draft.forward.scratch,
        *draft.backward.scratch,
        *draft.kept_widths,
    )


class Pass(NamedTuple):
    """`fill` writes its part of the draft, `holds` says whether what must be true after it is."""

    name: str
    fill: Callable[[PlanDraft], None]
    holds: Callable[[PlanDraft], bool]


PASSES = (
    Pass("leaves", place_leaves, leaves_are_placed),
    Pass("products", group_products, products_are_grouped),
    Pass("forward", schedule_forward, kept_are_apart),
    Pass("gradients", place_gradients, gradients_are_placed),
    Pass("backward", schedule_backward, gradients_are_stored),
    Pass("sharing", share_units, lambda draft: not (draft.splits_units and draft.numbers)),
)
