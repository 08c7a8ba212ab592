"""A layer above the first, when only one step is made at a time: its input is the output of
the layer below, just made.

Nothing is known before the step then, so no product can leave the loop. Seen as one more state, which the layer
below rewrites, the input's products become products of the step like those of the other states.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from ..graph.node import Graph, Node


@lru_cache(maxsize=64)
def with_input_as_state(graph: Graph) -> Graph:
    """The graph of a cell with one input, with that input as its last state; as it is where
    the equations never use it.
    """
    name = graph.inputs[0]
    leaf = graph.leaf("input", name)
    if leaf is None:
        return graph
    nodes = tuple(replace(n, op="state") if n is leaf else n for n in graph.nodes)
    kept = Node(len(nodes), "alias", (leaf.index,), shape=leaf.shape)
    return replace(
        graph,
        nodes=(*nodes, kept),
        inputs=(),
        states=(*graph.states, name),
        new_states=(*graph.new_states, kept.index),
    )
