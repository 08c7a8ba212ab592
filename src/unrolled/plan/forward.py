"""The program of one step forward, and the columns of what the backward step needs of it."""

from __future__ import annotations

from dataclasses import replace

from ..graph.node import Dim
from ..ops import OF_WHOLES
from .body import Body, width_of
from .draft import PlanDraft
from .keep import kept_values
from .program import Columns, Place, Product
from .stages import Scheduler


def schedule_forward(draft: PlanDraft) -> None:
    """What is kept for the backward step, where it stands, and the step itself."""
    body, kept = draft.body, kept_values(draft.body)
    found = {**draft.base, **_hoisted_places(body)}
    roots = [*body.new_states, body.output, *kept]
    schedule = Scheduler(body.nodes, roots, found)
    for k, index in enumerate(body.new_states):
        schedule.store(index, Place("new", k, (), width_of(body, index)), readable=True)
    if not body.output_is_state:
        schedule.store(body.output, Place("output", 0, (), width_of(body, body.output)))
    kept_places, kept_widths = _place_kept(body, schedule, kept)
    for index, place in kept_places.items():
        schedule.store(index, place, readable=True)
    for g, group in enumerate(draft.groups):
        first = schedule.z
        places = [first.new(w) for w in group.widths]
        for output, place in zip(group.outputs, places):
            schedule.found[output] = place
        live = [o for o in group.outputs if o in schedule.stage]
        if live:
            source = kept_places.get(group.operand, schedule.found[group.operand])
            schedule.product(schedule.stage[live[0]], Product(g, source, places[0]))
    draft.kept, draft.kept_places, draft.kept_widths = kept, kept_places, kept_widths
    draft.forward = schedule.program()


def kept_are_apart(draft: PlanDraft) -> bool:
    """Every kept value has a place of its own."""
    places = set(draft.kept_places.values())
    return set(draft.kept_places) == set(draft.kept) and len(places) == len(draft.kept)


def _hoisted_places(body: Body) -> dict[int, Place]:
    places = {}
    for g, group in enumerate(body.hoisted):
        columns = Columns(f"x{g}", g)
        for leaf, width in zip(group.streams, group.widths):
            places[leaf] = columns.new(width)
    return places


def _place_kept(body: Body, schedule: Scheduler, kept) -> tuple[dict[int, Place], tuple[Dim, ...]]:
    """Columns for kept values: where a hoisted stream of the same width has been read by
    then, its column is reused.
    """
    fixed = frozenset((*kept, *body.new_states, body.output))
    free = [(leaf, place) for leaf, place in _hoisted_places(body).items()]
    extra, places = Columns("kept"), {}
    for index in kept:
        reusable = next(
            (
                pair
                for pair in free
                if pair[1].width == width_of(body, index)
                and schedule.last_read(pair[0], fixed) <= schedule.stage[index] - _early(body, index)
            ),
            None,
        )
        if reusable and body.nodes[index].op != "stream":
            free.remove(reusable)
            places[index] = replace(reusable[1], buffer=f"k{reusable[1].number}")
        else:
            places[index] = extra.new(width_of(body, index))
    return places, tuple(extra.widths)


def _early(body: Body, index: int) -> bool:
    """Whether a value is written before its stage reads others."""
    return body.nodes[index].op in OF_WHOLES
