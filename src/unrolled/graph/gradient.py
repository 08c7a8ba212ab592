"""From the equations of a step to the equations of its backward pass, in the same language.

Reverse accumulation over the nodes, with each primitive's own rule. What leaves the step is listed
apart: products of matrices with vectors give an outer product per step, which the plan sums over time
in one product at the end.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..ops import OPS, Symbol
from .builder import Builder
from .node import needed
from .simplify import Simplifying


@dataclass(frozen=True)
class Outer:
    """A matrix's gradient in one step: `gradient` (a node) times `operand` (a node) transposed."""

    matrix: int
    gradient: int
    operand: int


@dataclass(frozen=True)
class Backward:
    """Gradient nodes of a step: of each leaf asked for (absent: it has none), and the outer
    products of its matrices.
    """

    of: dict[int, int]
    outers: tuple[Outer, ...]


def differentiate(builder: Builder, seeds: list[tuple[int, int]], leaves: list[int]) -> Backward:
    """Adds to `builder` the nodes of the gradients of `leaves`.

    `seeds` pairs a node with the node that holds its incoming gradient. All products that wait for the same
    vector's gradient are gathered into one node `products_t` (matrix, gradient, matrix, gradient, ...).
    """
    sweep = _Sweep(Simplifying(builder), set(leaves), _reaching(builder, leaves))
    for node, seed in seeds:
        sweep.add(node, Symbol(sweep.builder, seed))
    for index in sorted(needed(builder.nodes, [n for n, _ in seeds]), reverse=True):
        sweep.visit(index)
    totals = {i: sweep.total(i) for i in leaves}
    sweep.finish()
    return Backward({i: t.index for i, t in totals.items() if t is not None}, tuple(sweep.outers))


def _reaching(builder: Builder, leaves: list[int]) -> set[int]:
    """Nodes whose value depends on a leaf that wants a gradient."""
    found = set(leaves)
    for node in builder.nodes:
        if any(a in found for a in node.args):
            found.add(node.index)
    return found


class _Sweep:
    """The state of one reverse pass: gradients gathered so far, and products that wait to be joined."""

    def __init__(self, builder: Simplifying, leaves: set[int], reaching: set[int]):
        self.builder, self.leaves, self.reaching = builder, leaves, reaching
        self.sums: dict[int, Symbol] = {}
        self.waiting: dict[int, list[int]] = {}
        self.outers: list[Outer] = []

    def add(self, index: int, gradient: Symbol) -> None:
        gradient = self._fit(gradient, index)
        self.sums[index] = self.sums[index] + gradient if index in self.sums else gradient

    def _fit(self, gradient: Symbol, index: int) -> Symbol:
        """A number that was spread over a vector gets the sum of its gradient; a sum's gradient is spread."""
        given, wanted = self.builder.nodes[gradient.index].shape, self.builder.nodes[index].shape
        if len(given) > len(wanted):
            return self.builder.apply("sum", (gradient,))
        if len(given) < len(wanted):
            return self.builder.add("spread", (gradient.index,), shape=wanted)
        return gradient

    def total(self, index: int) -> Symbol | None:
        """The gradient of a node, once everything that uses it has been visited."""
        pairs = self.waiting.pop(index, None)
        if pairs:
            pairs += self._without_gradient(index, pairs[0::2])
            shape = self.builder.nodes[index].shape
            product = self.builder.add("products_t", pairs, shape=shape)
            self.sums[index] = self.sums[index] + product if index in self.sums else product
        return self.sums.get(index)

    def _without_gradient(self, operand: int, matrices: list[int]) -> list[int]:
        """Other matrices with this operand, whose products no gradient reaches: zero takes its place, so that
        the operand's matrices stay together."""
        result: list[int] = []
        for node in self.builder.nodes:
            if node.op == "product" and node.args[1] == operand and node.args[0] not in matrices:
                result += [node.args[0], self._zero_outer(node.args[0], operand)]
        return result

    def _zero_outer(self, matrix: int, operand: int) -> int:
        zero = self.builder.symbol(0.0).index
        self.outers.append(Outer(matrix, zero, operand))
        return zero

    def finish(self) -> None:
        """A gradient for every matrix."""
        found = {(o.matrix, o.operand) for o in self.outers}
        for node in [n for n in self.builder.nodes if n.op == "product" and n.args not in found]:
            self._zero_outer(*node.args)

    def visit(self, index: int) -> None:
        node = self.builder.nodes[index]
        gradient = self.total(index)
        if gradient is None or node.is_leaf or index in self.leaves or index not in self.reaching:
            return
        args = [Symbol(self.builder, a) for a in node.args]
        if node.op == "product":
            matrix, vector = node.args
            self.outers.append(Outer(matrix, gradient.index, vector))
            if vector in self.reaching:
                self.waiting.setdefault(vector, []).extend((matrix, gradient.index))
            return
        for argument, part in zip(
            node.args, OPS[node.op].gradient(gradient, Symbol(self.builder, index), *args)
        ):
            if part is not None and argument in self.reaching:
                self.add(argument, part if isinstance(part, Symbol) else self.builder.symbol(part))
