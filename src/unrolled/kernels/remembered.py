"""Products that the step before has made already: R @ past_1 is what R @ past_2 was,
where past_2 becomes past_1.

Cells with a delay line multiply every one of its states by the same weights, each as often as it moves on. Only
the newest product is made; the others are further states, handed on from step to step like the line itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor

from ..graph.node import Graph


@dataclass(frozen=True)
class Remembered:
    """`graph` has further states: the product of parameter `weights[k]` with state number
    `states[k]` of the cell.
    """

    graph: Graph
    weights: tuple[str, ...]
    states: tuple[int, ...]

    def given(self, state: Sequence[Tensor], weights: Sequence[Tensor]) -> list[Tensor]:
        """States for `graph`, from the cell's, and the matrices called `weights`."""
        with torch.autocast(state[0].device.type, enabled=False):
            return [*state, *(state[k] @ w.t() for k, w in zip(self.states, weights))]


@lru_cache(maxsize=512)
def remembered_of(graph: Graph) -> Remembered | None:
    """The cell's graph with such products as states; None where it has none."""
    places = {name: k for k, name in enumerate(graph.states)}

    def state_of(index: int) -> int | None:
        """The number of the state that a node is, under whatever names."""
        node = graph.nodes[index]
        while node.op == "alias":
            node = graph.nodes[node.args[0]]
        return places[node.value] if node.op == "state" else None

    made: dict[tuple[int, int], int] = {}  # parameter, state -> product
    for node in graph.nodes:
        if node.op == "product" and graph.nodes[node.args[0]].op == "parameter":
            state = state_of(node.args[1])
            if state is not None:
                made.setdefault((node.args[0], state), node.index)
    ends = {graph.output, *graph.new_states}
    found = []
    for (matrix, state), product in made.items():
        before = state_of(graph.new_states[state])
        if before not in (None, state) and (matrix, before) in made and product not in ends:
            found.append((matrix, state, product, made[matrix, before]))
    return _with_states(graph, found) if found else None


def _with_states(graph: Graph, found: list[tuple[int, int, int, int]]) -> Remembered:
    nodes, names = list(graph.nodes), []
    for k, (_, _, product, _) in enumerate(found):
        names.append(f"remembered {k + 1}")  # a name that no author can write
        nodes[product] = replace(nodes[product], op="state", args=(), value=names[-1])
    changed = replace(
        graph,
        nodes=tuple(nodes),
        states=(*graph.states, *names),
        new_states=(*graph.new_states, *(newer for *_, newer in found)),
    )
    weights = tuple(graph.nodes[matrix].value for matrix, *_ in found)
    return Remembered(changed, weights, tuple(state for _, state, *_ in found))
