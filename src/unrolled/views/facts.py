"""What a picture of a whole net has to know of a cell: what goes in and out, and which weights do it."""

from __future__ import annotations

from dataclasses import dataclass

from ..graph.node import Graph, needed
from .names import NOW, OUTPUT, Called, names_of, results_of, varies


@dataclass(frozen=True)
class Facts:
    """What goes in and out, x[t], h[t], y[t], and which weights do it.

    output     the output; one of the new states, or a value of its own
    into       names of the matrices that stand before an input, and before a state, in the author's order
    """

    inputs: tuple[Called, ...]
    states: tuple[Called, ...]
    output: Called
    own_output: bool
    from_input: tuple[str, ...]
    from_state: tuple[str, ...]


def facts_of(graph: Graph) -> Facts:
    """Reads a cell's equations."""
    first, index = results_of(graph)[0]
    output = names_of(graph).get(index, first) if first == OUTPUT else first
    return Facts(
        tuple(Called(name, time=NOW) for name in graph.inputs),
        tuple(Called(name, time=NOW) for name in graph.states),
        output,
        first == OUTPUT,
        _before(graph, "input"),
        _before(graph, "state"),
    )


def _before(graph: Graph, kind: str) -> tuple[str, ...]:
    """The parameters that are multiplied with leaves of a kind, by the matrix."""
    moving, found = varies(graph), {}
    for node in graph.nodes:
        if node.op != "product" or moving[node.args[0]]:
            continue
        leaves = [
            graph.nodes[i]
            for i in needed(graph.nodes, [node.args[1]])
            if graph.nodes[i].op in ("input", "state")
        ]
        if any(leaf.op == kind for leaf in leaves):
            weights = [
                graph.nodes[i] for i in needed(graph.nodes, [node.args[0]]) if graph.nodes[i].op == "parameter"
            ]
            found.update(dict.fromkeys(str(weight.value) for weight in weights))
    return tuple(found)
