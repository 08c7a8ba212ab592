"""Small rewrites that leave the meaning alone: what is times one, plus zero, or an alias of something."""

from __future__ import annotations

import math

from ..ops import OPS, Symbol, on_numbers
from .builder import Builder
from .node import Graph, Node

FOLDED = tuple(
    name for name, op in OPS.items() if op.shape == "same" and name not in ("alias", "where", "held")
)


def folded(op: str, numbers: list[float | None]) -> float | None:
    """The primitive's value on plain numbers, where all are, and it is finite."""
    if op not in FOLDED or None in numbers:
        return None
    try:
        result = float(on_numbers(op, tuple(numbers)))
    except (ArithmeticError, ValueError):  # 1 / 0, the logarithm of a negative number
        return None
    return result if math.isfinite(result) else None


def simple(builder: Builder, op: str, args: tuple) -> Symbol:
    """The node for `op(*args)`, or a simpler one that equals it for every value.

    `0 * v` becomes 0 although v might be infinite: these zeros come from branches that a gradient never takes.
    """
    symbols = [builder.symbol(a) for a in args]
    numbers = [_number(builder, s) for s in symbols]
    if symbols and (value := folded(op, numbers)) is not None:
        return builder.symbol(value)
    if op == "where" and numbers[0] is not None:
        return symbols[1 if numbers[0] else 2]
    if op == "mul" and 1.0 in numbers[:2]:
        return symbols[1 - numbers.index(1.0)]
    if op == "mul" and 0.0 in numbers[:2]:
        return symbols[numbers.index(0.0)]
    if op == "add" and 0.0 in numbers[:2]:
        return symbols[1 - numbers.index(0.0)]
    if op == "sub" and numbers[1] == 0.0:
        return symbols[0]
    if op == "neg" and builder.nodes[symbols[0].index].op == "neg":
        return Symbol(builder, builder.nodes[symbols[0].index].args[0])
    if op == "alias":
        return symbols[0]
    return builder.add(op, [s.index for s in symbols])


def _number(builder: Builder, symbol: Symbol) -> float | None:
    node = builder.nodes[symbol.index]
    return node.value if node.op == "constant" else None


class Simplifying:
    """A builder whose `apply` simplifies; everything else is the builder's."""

    def __init__(self, builder: Builder):
        self.builder = builder

    @property
    def nodes(self) -> list[Node]:
        return self.builder.nodes

    def apply(self, op: str, args: tuple) -> Symbol:
        found = simple(self.builder, op, args)
        return Symbol(self, found.index)

    def symbol(self, value) -> Symbol:
        return Symbol(self, value.index if isinstance(value, Symbol) else self.builder.symbol(value).index)

    def leaf(self, kind: str, value, shape=None) -> Symbol:
        return Symbol(self, self.builder.leaf(kind, value, shape).index)

    def add(self, op: str, args, value=None, shape=None) -> Symbol:
        return Symbol(self, self.builder.add(op, args, value, shape).index)

    def part(self, whole: Symbol, parts, k: int) -> Symbol:
        return Symbol(self, self.builder.part(whole, parts, k).index)


def split_concatenations(graph: Graph) -> tuple[list[Node], list[int]]:
    """The graph's nodes with `W @ concat(a, b)` written as `W[:, a] @ a + W[:, b] @ b`, numbered again.

    So each part can go its own way: the input's product leaves the loop, the state's stays. A bilinear form
    becomes a product. Returns the nodes, and for each old number the new one.
    """
    builder = Builder()
    moved: list[int] = []
    for node in graph.nodes:
        args = [moved[a] for a in node.args]
        if node.is_leaf:
            moved.append(builder.leaf(node.op, node.value, node.shape).index)
        elif node.op == "product" and _plain(builder, args[1]).op == "concat":
            moved.append(_split(builder, args[0], _plain(builder, args[1])).index)
        elif node.op == "bilinear":
            stack, pairs = builder.add("flat", args[:1]), builder.add("kron", args[1:])
            moved.append(builder.add("product", (stack.index, pairs.index)).index)
        elif node.op == "product":
            moved.append(
                builder.add("product", (args[0], _plain(builder, args[1]).index), None, node.shape).index
            )
        else:
            moved.append(builder.add(node.op, args, node.value, node.shape).index)
    return builder.nodes, moved


def _plain(builder: Builder, index: int) -> Node:
    """The node behind aliases."""
    while builder.nodes[index].op == "alias":
        index = builder.nodes[index].args[0]
    return builder.nodes[index]


def _split(builder: Builder, matrix: int, joined: Node) -> Symbol:
    rows = builder.nodes[matrix].shape[0]
    terms, start = [], "0"
    for part in joined.args:
        width = builder.nodes[part].shape[0]
        columns = builder.add("columns", (matrix,), value=(start, width), shape=(rows, width))
        terms.append(builder.add("product", (columns.index, part)))
        start = width if start == "0" else f"{start}+{width}"
    result = terms[0]
    for term in terms[1:]:
        result = builder.add("add", (result.index, term.index))
    return result


__all__ = ["OPS", "Simplifying", "folded", "simple", "split_concatenations"]
