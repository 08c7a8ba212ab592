"""What a cell weighs at given sizes, counted from its graph: parameters, arithmetic and bytes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import lcm, prod

from ..graph.node import Dim, Graph, Node, size
from ..graph.simplify import split_concatenations
from ..ops import OPS

USUAL = 128  # width at which counts are printed
PRODUCTS = ("product", "product_t", "bilinear")


@dataclass(frozen=True)
class CellCount:
    """Numbers for one layer at given widths.

    parameters   trained or not, one copy of each
    flops        of one row in one step, forward: 2 for each multiply-add of a product, the
                 rest by the table of ops
    products     how many of the flops are those of products of a matrix with a vector
    bytes        of the parameters in float32
    state_bytes  of one row's states in float32
    """

    parameters: int
    flops: int
    products: int
    bytes: int
    state_bytes: int


def count(graph: Graph, sizes: Mapping[Dim, int]) -> CellCount:
    """The numbers of a cell with widths `sizes`, which names every letter of `graph.dims`.

    What is made of parameters alone is worked out once per call, not per step, and is not in `flops`.
    """
    widths = dict(sizes)
    parameters = sum(_elements(graph.leaf("parameter", name), widths) for name in graph.parameters)
    states = sum(_elements(graph.leaf("state", name), widths) for name in graph.states)
    nodes, moved = split_concatenations(graph)
    each = [nodes[i] for i in _each_step(nodes, [moved[i] for i in (graph.output, *graph.new_states)])]
    products = sum(_flops(nodes, node, widths) for node in each if node.op in PRODUCTS)
    rest = sum(_flops(nodes, node, widths) for node in each if node.op not in PRODUCTS)
    return CellCount(parameters, products + rest, products, 4 * parameters, 4 * states)


def widths_at(graph: Graph, given: Mapping[Dim, int], usual: int) -> dict[Dim, int]:
    """A number for every letter: what the cell says, else `usual`, or a little more where the
    letter is divided (`H/3`).
    """
    by: dict[Dim, int] = {}
    for dim in (dim for node in graph.nodes for dim in node.shape or ()):
        for letter, divisor in re.findall(r"([A-Za-z_]\w*)/(\d+)", dim):
            by[letter] = lcm(by.get(letter, 1), int(divisor))
    return {
        letter: given.get(letter, -(-usual // by.get(letter, 1)) * by.get(letter, 1))
        for letter in (*graph.dims, "I", "H")
    }


def _elements(leaf: Node | None, sizes: dict[Dim, int]) -> int:
    return 0 if leaf is None else prod(size(dim, sizes) for dim in leaf.shape)


def _each_step(nodes: Sequence[Node], roots: Iterable[int]) -> list[int]:
    """What a step computes: all that the roots need, short of what is made of parameters alone."""
    moving: list[bool] = []
    parametric: list[bool] = []
    for node in nodes:
        moving.append(node.op in ("input", "state") or any(moving[a] for a in node.args))
        parametric.append(node.op == "parameter" or any(parametric[a] for a in node.args))
    found, todo = set(), list(roots)
    while todo:
        index = todo.pop()
        if index not in found and nodes[index].args and (moving[index] or not parametric[index]):
            found.add(index)
            todo += nodes[index].args
    return sorted(found)


def _flops(nodes: Sequence[Node], node: Node, sizes: dict[Dim, int]) -> int:
    if node.op in PRODUCTS:
        return 2 * _elements(nodes[node.args[0]], sizes)
    return OPS[node.op].flops * _elements(node, sizes)
