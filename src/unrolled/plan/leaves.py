"""Where the leaves stand that both directions read the same way: weights, numbers, inputs, states."""

from __future__ import annotations

from .body import Body, width_of
from .draft import PlanDraft
from .program import Columns, Place


def place_leaves(draft: PlanDraft) -> None:
    """Parameters of rank 1 and 0 are packed, in the order of the author's signature."""
    body = draft.body
    draft.vectors = tuple(w for w in body.weights if len(body.nodes[w].shape) == 1)
    draft.numbers = tuple(w for w in body.weights if len(body.nodes[w].shape) == 0)
    draft.base = _shared_places(body, draft.vectors, draft.numbers)


def leaves_are_placed(draft: PlanDraft) -> bool:
    body = draft.body
    wanted = {*draft.vectors, *draft.numbers, *body.states, *(leaf for _, leaf in body.streams)}
    return wanted <= set(draft.base)


def _shared_places(body: Body, vectors, numbers) -> dict[int, Place]:
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
