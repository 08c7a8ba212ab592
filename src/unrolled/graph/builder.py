"""Makes the nodes of a graph: equal expressions become one node, and shapes follow
from those of the arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from numbers import Real

from ..errors import Never
from ..ops import LEAVES, OPS, Symbol
from .chance import TENSOR
from .node import Node, Shape
from .shape_rules import RULES, Letters


@dataclass
class Builder:
    """Collects nodes while a graph is made; equal expressions become one node."""

    nodes: list[Node] = field(default_factory=list)
    seen: dict[tuple, int] = field(default_factory=dict)
    on_new: Callable[[int], None] | None = None  # told of each new node, e.g. to note the author's line
    part_of: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def leaf(self, kind: str, value, shape: Shape | None = None) -> Symbol:
        return self._add(kind, (), value, shape)

    def add(self, op: str, args: Iterable[int], value=None, shape: Shape | None = None) -> Symbol:
        return self._add(op, tuple(args), value, shape)

    def apply(self, op: str, args: tuple) -> Symbol:
        return self.add(op, [self.symbol(a).index for a in args])

    def symbol(self, value) -> Symbol:
        """A value as a node: a plain number becomes a constant."""
        if isinstance(value, Symbol):
            return value
        if not isinstance(value, Real):
            what = f"a {type(value).__name__} stands in an equation"
            if hasattr(value, "__float__"):
                raise Never(f"{what}, {TENSOR}")
            raise Never(f"{what}, {value!r}, where a value or a number is due")
        return self.leaf("constant", float(value), ())

    def part(self, whole: Symbol, parts: tuple[Symbol, ...], k: int) -> Symbol:
        """The k-th of `parts` cut out of a vector laid out like their concatenation."""
        widths = tuple(self.nodes[p.index].shape for p in parts)
        start = "+".join(w[0] for w in widths[:k]) or "0"
        return self.add("part", (whole.index,), value=(start, widths[k][0]), shape=widths[k])

    def alias(self, symbol: Symbol) -> Symbol:
        """A node of its own for `h = c`, never merged with another."""
        index = len(self.nodes)
        self.nodes.append(Node(index, "alias", (symbol.index,), shape=self.nodes[symbol.index].shape))
        return Symbol(self, index)

    def _add(self, op, args, value, shape) -> Symbol:
        shape = shape if shape is not None else self._shape(op, args)
        key = same_value(op, args, value, shape)
        if op not in SINGLE and key in self.seen:
            return Symbol(self, self.seen[key])
        index = len(self.nodes)
        self.nodes.append(Node(index, op, args, value, shape))
        self.seen[key] = index
        if self.on_new:
            self.on_new(index)
        return Symbol(self, index)

    def _shape(self, op, args) -> Shape | None:
        shapes = [self.nodes[a].shape for a in args]
        if op in LEAVES or any(s is None for s in shapes):
            return None
        return RULES[OPS[op].shape].result(Letters(), *shapes)


def same_value(op: str, args: tuple[int, ...], value: object, shape: Shape | None) -> tuple:
    """What two nodes agree in that are one: a leaf is its name; the same number spread over
    two widths is two vectors.
    """
    return op, args, repr(value), None if op in LEAVES else shape


SINGLE = ("alias", "products_t")  # never merged: an equation of its own; a product that is added to one place
