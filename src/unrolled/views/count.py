"""What a cell weighs at given sizes, counted from its graph: parameters, arithmetic and bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from ..graph.node import Dim, Graph, Node, needed, size
from ..ops import OPS

USUAL = 128      # width at which counts are printed


@dataclass(frozen=True)
class Count:
    """Numbers for one layer at given widths.

    parameters   trained or not, one copy of each
    flops        of one row in one step, forward: 2 for each multiply-add of a product, the rest by the table of ops
    bytes        of the parameters in float32
    state_bytes  of one row's states in float32
    """

    parameters: int
    flops: int
    bytes: int
    state_bytes: int


def count(graph: Graph, sizes: Mapping[Dim, int]) -> Count:
    """The numbers of a cell with widths `sizes`, which names every letter of `graph.dims`.

    What is made of parameters alone is worked out once per call, not per step, and is not in `flops`.
    """
    widths = dict(sizes)
    parameters = sum(_elements(graph.leaf("parameter", name), widths) for name in graph.parameters)
    states = sum(_elements(graph.leaf("state", name), widths) for name in graph.states)
    used = needed(graph.nodes, [graph.output, *graph.new_states])
    flops = sum(_flops(graph, graph.nodes[i], widths) for i in used if graph.nodes[i].args and not _once(graph, i))
    return Count(parameters, flops, 4 * parameters, 4 * states)


def widths_at(graph: Graph, given: Mapping[Dim, int], usual: int) -> dict[Dim, int]:
    """A number for every letter: what the cell says, else `usual`."""
    return {letter: given.get(letter, usual) for letter in (*graph.dims, "I", "H")}


def _elements(leaf: Node | None, sizes: dict[Dim, int]) -> int:
    return 0 if leaf is None else prod(size(dim, sizes) for dim in leaf.shape)


def _once(graph: Graph, index: int) -> bool:
    """Whether a node is made of parameters alone, and so worked out once per call."""
    leaves = {graph.nodes[i].op for i in needed(graph.nodes, [index]) if graph.nodes[i].is_leaf}
    return "parameter" in leaves and not leaves & {"input", "state"}


def _flops(graph: Graph, node: Node, sizes: dict[Dim, int]) -> int:
    if node.op in ("product", "product_t"):
        return 2 * _elements(graph.nodes[node.args[0]], sizes)
    return OPS[node.op].flops * _elements(node, sizes)
