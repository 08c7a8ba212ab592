"""The program of one step backward."""

from __future__ import annotations

from .body import Body, width_of
from .carry import carry_products, group_of
from .draft import PlanDraft
from .program import Place, Product
from .stages import Scheduler


def schedule_backward(draft: PlanDraft) -> None:
    """The program of one step backward."""
    body, base, where = draft.body, draft.base, draft.where
    found = {**base, **draft.kept_places}
    for k, index in enumerate(body.new_states):
        found.setdefault(index, Place("new", k, (), width_of(body, index)))
    for k, index in enumerate(body.carries):
        found[index] = Place("carry", k, (), width_of(body, index))
    if body.above is not None:
        found[body.above] = Place("above", 0, (), width_of(body, body.above))
    of = body.backward.of
    roots = [*of.values(), *(index for index, _ in where)]
    schedule = Scheduler(body.nodes, roots, found)
    for (index, _), place in where.items():
        schedule.store(index, place, readable=True)
    for k, (_, leaf) in enumerate(body.streams):
        schedule.store(of[leaf], Place("dinput", k, (), width_of(body, leaf)))
    for leaf in draft.vectors:
        if body.nodes[of[leaf]].op != "constant":
            schedule.accumulate(of[leaf], base[leaf], number=False)
    for leaf in draft.numbers:
        schedule.accumulate(of[leaf], base[leaf], number=True)
    joined = carry_products(body, draft.groups, schedule, frozenset(index for index, _ in where))
    _other_products(body, draft.groups, schedule, joined)
    draft.backward = schedule.program(joined)


def gradients_are_stored(draft: PlanDraft) -> bool:
    """Every column that a product after the loop reads is written in the loop."""
    stored = {place for segment in draft.backward.segments for _, place in segment.stores}
    return set(draft.where.values()) <= stored


def _other_products(body: Body, groups, schedule: Scheduler, joined: set[int]) -> None:
    for index in schedule.wanted:
        if body.nodes[index].op == "products_t" and index not in joined:
            place = schedule.z.new(width_of(body, index))
            schedule.found[index] = place
            schedule.product(schedule.stage[index], Product(group_of(groups, body, index), None, place))
