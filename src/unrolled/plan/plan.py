"""The plan of a cell: everything a backend needs to know to run it, and nothing about how it spells it.

A plan lists what is made before the loop (hoisted products), the programs of one step forward and one step backward,
the layout of the buffers that carry values between them, and what is made after the loop (weight gradients).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from ..graph.node import Dim, Graph
from ..ops import ALONG_UNITS, OF_WHOLES, OVER_UNITS
from .body import Body, body_of, gradient_of, width_of
from .carry import carry_products, group_of
from .keep import kept_values, operands
from .program import Columns, Group, Place, Product, Program, Run
from .stages import Scheduler


@dataclass(frozen=True, eq=False)
class Plan:
    """What to make before, in and after the loop over time.

    `kept`: nodes whose values the forward pass leaves for the backward pass. `gradient`: columns of the buffer of
    gradients that the weight gradients are made of. `hoisted_runs[g]`: where the gradients of hoisted group g stand
    in it. `vectors`, `numbers`: parameter leaves of rank 1 and 0, in the order in which they are packed.
    """

    body: Body
    groups: tuple[Group, ...]
    vectors: tuple[int, ...]
    numbers: tuple[int, ...]
    kept: tuple[int, ...]
    kept_widths: tuple[Dim, ...]  # columns of the extra buffer of kept values
    gradient: tuple[Dim, ...]
    hoisted_runs: tuple[tuple[Run, ...], ...]
    forward: Program
    backward: Program
    splits_units: bool  # whether cores may share a row: no sums over units

    @property
    def graph(self) -> Graph:
        return self.body.graph


@lru_cache(maxsize=512)
def plan_of(graph: Graph) -> Plan:
    """Plans a traced cell."""
    body = body_of(graph)
    vectors = tuple(w for w in body.weights if len(body.nodes[w].shape) == 1)
    numbers = tuple(w for w in body.weights if len(body.nodes[w].shape) == 0)
    base = _parameter_places(body, vectors, numbers)
    groups = _groups(body)
    kept = kept_values(body)
    forward, kept_places, kept_widths = _forward(body, groups, kept, base)
    columns, where = _gradient_columns(body, groups)
    groups = tuple(
        replace(
            g,
            runs=_runs(
                [where[gradient_of(body, m, g.operand), w] for m, w in zip(g.matrices, g.widths)], g.widths
            ),
        )
        for g in groups
    )
    hoisted_runs = tuple(
        _runs([where[body.backward.of[s], w] for s, w in zip(h.streams, h.widths)], h.widths)
        for h in body.hoisted
    )
    backward = _backward(body, groups, kept_places, base, where, vectors, numbers)
    whole = any(n.op in (*OVER_UNITS, *ALONG_UNITS, *OF_WHOLES, "spread") for n in body.nodes)
    whole = whole or numbers or _single(body, forward, backward, kept_widths)
    return Plan(
        body,
        groups,
        vectors,
        numbers,
        kept,
        kept_widths,
        tuple(columns.widths),
        hoisted_runs,
        forward,
        backward,
        not whole,
    )


def _single(body: Body, forward: Program, backward: Program, kept_widths: tuple[Dim, ...]) -> bool:
    """Whether a state or a stored value is one number per row, which two cores would both write."""
    narrow = any(n.shape == ("1",) for n in body.nodes)
    return narrow or "1" in (
        *(width_of(body, s) for s in body.states),
        *forward.scratch,
        *backward.scratch,
        *kept_widths,
    )


def _parameter_places(body: Body, vectors, numbers) -> dict[int, Place]:
    """Leaves that both directions read the same way."""
    places: dict[int, Place] = {}
    packed = Columns("vectors")
    for leaf in vectors:
        places[leaf] = packed.new(body.nodes[leaf].shape[0])
    for k, leaf in enumerate(numbers):
        places[leaf] = Place("numbers", k)
    hyper = [name for name, _ in body.graph.hyper]
    for node in body.nodes:
        if node.op == "hyper":
            places[node.index] = Place("hyper", hyper.index(node.value))
        elif node.op == "constant":
            places[node.index] = Place("constant")
        elif node.op == "width":
            places[node.index] = Place("width", 0, (node.value,))
    for k, (_, leaf) in enumerate(body.streams):
        places[leaf] = Place("input", k, (), width_of(body, leaf))
    for k, leaf in enumerate(body.states):
        places[leaf] = Place("state", k, (), width_of(body, leaf))
    return places


def _groups(body: Body) -> tuple[Group, ...]:
    groups = []
    for operand in operands(body):
        pairs = sorted(
            (n.args[0], n.index)
            for n in body.nodes[: body.forward_count]
            if n.op == "product" and n.args[1] == operand
        )
        pairs.sort(key=lambda p: body.nodes[p[0]].value)  # the order of the author's signature
        shapes = [body.nodes[m].shape for m, _ in pairs]
        groups.append(
            Group(
                operand,
                tuple(m for m, _ in pairs),
                tuple(p for _, p in pairs),
                tuple(s[0] for s in shapes),
                shapes[0][1],
            )
        )
    return tuple(groups)


def _hoisted_places(body: Body) -> dict[int, Place]:
    places = {}
    for g, group in enumerate(body.hoisted):
        columns = Columns(f"x{g}", g)
        for leaf, width in zip(group.streams, group.widths):
            places[leaf] = columns.new(width)
    return places


def _forward(body: Body, groups, kept, base):
    found = {**base, **_hoisted_places(body)}
    roots = [*body.new_states, body.output, *kept]
    schedule = Scheduler(body.nodes, roots, found)
    for k, index in enumerate(body.new_states):
        schedule.store(index, Place("new", k, (), width_of(body, index)), readable=True)
    if not body.output_is_state:
        schedule.store(body.output, Place("output", 0, (), width_of(body, body.output)))
    kept_places, kept_widths = _place_kept(body, schedule, kept)
    for index, place in kept_places.items():
        schedule.store(index, place, readable=True)
    for g, group in enumerate(groups):
        first = schedule.z
        places = [first.new(w) for w in group.widths]
        for output, place in zip(group.outputs, places):
            schedule.found[output] = place
        live = [o for o in group.outputs if o in schedule.stage]
        if live:
            source = kept_places.get(group.operand, schedule.found[group.operand])
            schedule.product(schedule.stage[live[0]], Product(g, source, places[0]))
    return schedule.program(), kept_places, kept_widths


def _place_kept(body: Body, schedule: Scheduler, kept) -> tuple[dict[int, Place], tuple[Dim, ...]]:
    """Columns for kept values: where a hoisted stream of the same width has been read by then, its column is reused."""
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


def _gradient_columns(body: Body, groups) -> tuple[Columns, dict[tuple[int, Dim], Place]]:
    """One column for each gradient that a product needs, in the order of the hoisted streams, then of the loop's matrices."""
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


def _runs(places: list[Place], widths: tuple[Dim, ...]) -> tuple[Run, ...]:
    """Places that stand side by side, joined."""
    runs: list[Run] = []
    for k, (place, width) in enumerate(zip(places, widths)):
        if runs and place.start == (*runs[-1].start, *runs[-1].widths):
            runs[-1] = Run(runs[-1].start, (*runs[-1].widths, width), runs[-1].first)
        else:
            runs.append(Run(place.start, (width,), k))
    return tuple(runs)


def _backward(body: Body, groups, kept_places, base, where, vectors, numbers) -> Program:
    found = {**base, **kept_places}
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
    for leaf in vectors:
        if body.nodes[of[leaf]].op != "constant":
            schedule.accumulate(of[leaf], base[leaf], number=False)
    for leaf in numbers:
        schedule.accumulate(of[leaf], base[leaf], number=True)
    joined = carry_products(body, groups, schedule, frozenset(index for index, _ in where))
    _other_products(body, groups, schedule, joined)
    return schedule.program(joined)


def _other_products(body: Body, groups, schedule: Scheduler, joined: set[int]) -> None:
    for index in schedule.wanted:
        if body.nodes[index].op == "products_t" and index not in joined:
            place = schedule.z.new(width_of(body, index))
            schedule.found[index] = place
            schedule.product(schedule.stage[index], Product(group_of(groups, body, index), None, place))
