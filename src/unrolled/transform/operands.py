"""Where a state enters a matrix, and the same equations with something else in its place there."""

from __future__ import annotations

from collections.abc import Callable

from ..graph.node import Graph, Node
from ..graph.replay import Change, Draft
from ..ops import Symbol

PRODUCTS = ("product", "bilinear")
# Of a state's name and value (at the step's beginning or later).
Substitute = Callable[[Draft, str, Symbol], Symbol]


def in_products(graph: Graph, substitute: Substitute) -> Change:
    """The change that puts `substitute(draft, state, value)` in the place of states inside
    the operands of matrices.

    In `U @ (r * h)` that is h, and in `W_y @ z` a state z that the step has renewed already. An operand is
    looked through down to other named values (the gate r is an equation of its own) and down to other products.
    """
    moving = depends(graph, ("state",))
    names = {s.index: s.name for s in graph.statements}
    made: dict[int, Symbol] = {}

    def state_of(node: Node) -> str | None:
        name = node.value if node.op == "state" else names.get(node.index)
        return name if name in graph.states and node.shape else None

    def inside(draft: Draft, index: int, outermost: bool) -> Symbol:
        node, state = graph.nodes[index], state_of(graph.nodes[index])
        if state is not None:
            if index not in made:
                made[index] = substitute(draft, state, draft.value(index))
            return made[index]
        if not moving[index] or node.op in PRODUCTS or (index in names and not outermost):
            return draft.value(index)
        return draft.again(node, [inside(draft, a, False) for a in node.args])

    def change(draft: Draft, node: Node) -> Symbol | None:
        if node.op not in PRODUCTS:
            return None
        return draft.again(node, [draft.value(node.args[0]), *(inside(draft, a, True) for a in node.args[1:])])

    return change


def entering(graph: Graph) -> list[str]:
    """Names of the states that enter matrices, in their order."""
    found: set[str] = set()

    def note(draft: Draft, state: str, value: Symbol) -> Symbol:
        found.add(state)
        return value

    Draft(graph, in_products(graph, note)).all()
    return [name for name in graph.states if name in found]


def recurrent_matrices(graph: Graph) -> list[str]:
    """Names of the parameters whose products have to do with a state, in the order of the signature."""
    moving, found = depends(graph, ("state",)), set()
    todo = [n.args[0] for n in graph.nodes if n.op in PRODUCTS and any(moving[a] for a in n.args[1:])]
    while todo:
        node = graph.nodes[todo.pop()]
        if node.op == "parameter" and len(node.shape) > 1:
            found.add(node.value)
        todo.extend(node.args)
    return [name for name in graph.parameters if name in found]


def depends(graph: Graph, kinds: tuple[str, ...]) -> list[bool]:
    """Whether each node rests on a leaf of these kinds."""
    found: list[bool] = []
    for node in graph.nodes:
        found.append(node.op in kinds or any(found[a] for a in node.args))
    return found
