"""A net over its rows as one list of single numbers: what is given, what is made of it, the loss at the end.

Rows are time steps where the net has a state, the parameters being the same numbers in all of them;
examples where it has none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..errors import UsageError
from ..graph.node import Node, needed
from .formula import Formula, formula, result, softmax_slope
from .label import Label
from .numbers import Array


@dataclass(frozen=True)
class Edge:
    """Number `user` is made of number `of`, among others; `slope` is d user / d of, and `value` its value."""

    user: int
    of: int
    slope: Formula
    value: float = 0.0


@dataclass
class NetNumbers:
    """All numbers of a net. `labels`, `kinds` and `rows` speak of those that have names; row
    0 is what all rows share.

    leaves      node -> what was given
    softmaxes   node of a softmax's value -> (all values of it, what it is taken of)
    new_states  for each row, the numbers of all states that it leaves behind; for row 0, the first ones
    losses      row -> its loss; `loss` is their sum or mean
    """

    nodes: list[Node]
    labels: dict[int, Label] = field(default_factory=dict)
    kinds: dict[int, str] = field(default_factory=dict)
    rows: dict[int, int] = field(default_factory=dict)
    leaves: dict[int, float] = field(default_factory=dict)
    softmaxes: dict[int, tuple[tuple[int, ...], tuple[int, ...]]] = field(default_factory=dict)
    parameters: dict[str, Array] = field(default_factory=dict)
    new_states: dict[int, tuple[int, ...]] = field(default_factory=dict)
    outputs: dict[int, Array] = field(default_factory=dict)
    losses: dict[int, int] = field(default_factory=dict)
    loss: int | None = None

    def values(self, leaves: Mapping[int, float] | None = None) -> list[float]:
        """Every number worked out, from what was given or from other `leaves`.

        Raises UsageError naming the number that cannot be worked out: a logarithm of 0,
        a division by 0, e^1000.
        """
        given = self.leaves if leaves is None else leaves
        made: list[float] = []
        for node in self.nodes:
            if node.index in given:
                made.append(given[node.index])
                continue
            try:
                made.append(result(node, made))
            except (ArithmeticError, ValueError):
                raise UsageError(self._impossible(node, made)) from None
        return made

    def _impossible(self, node: Node, made: Sequence[float]) -> str:
        user = next(
            (
                str(self.labels[k])
                for k in range(node.index, len(self.nodes))
                if k in self.labels and node.index in needed(self.nodes, [k])
            ),
            "the net",
        )
        arguments = ", ".join(f"{made[a]:g}" for a in node.args)
        return (
            f"{user} cannot be worked out: {node.op}({arguments}) has no finite value. Give it other numbers."
        )

    def formulas(self) -> tuple[dict[int, Formula], list[Edge]]:
        """How each named number is made of other named ones, and the edges between them."""
        made: dict[int, Formula] = {}
        edges: list[Edge] = []
        for index in sorted(self.labels):
            if self.nodes[index].is_leaf:
                continue
            made[index], slopes = formula(self.nodes, index, self.labels)
            group, of = self.softmaxes.get(index, ((), ()))
            if group and all(i in self.labels for i in (*group, *of)):
                slopes = {z: softmax_slope(index, p) for z, p in zip(of, group)}
            edges += [Edge(index, of, slope) for of, slope in slopes.items()]
        return made, edges
