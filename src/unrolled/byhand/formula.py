"""How one number is made of others that have names, and how much it changes when one of them does."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..graph.builder import Builder
from ..graph.gradient import differentiate
from ..graph.node import Node, needed
from ..ops import Symbol, on_numbers
from ..views.expression import expression
from ..views.latex_expression import latex_expression
from .label import Label
from .numbers import shown
from .shorter import neat

TWICE = re.compile(r"\(\((-[^()]*)\)\)")  # sigmoid((-0.4)): a call has brackets already


@dataclass(frozen=True)
class Formula:
    """An expression: `nodes` and the number `root` of its outermost one. `at` maps its leaves, and what it
    derives, to the numbers of the net that they stand for."""

    nodes: tuple[Node, ...]
    root: int
    at: Mapping[int, int]

    def text(self, labels: Mapping[int, Label]) -> str:
        """In the cell language, by names: w[1,1] * x[1]."""
        return self._spelled(expression, {k: str(labels[g]) for k, g in self.at.items()})

    def latex(self, labels: Mapping[int, Label]) -> str:
        return self._spelled(latex_expression, {k: labels[g].latex for k, g in self.at.items()})

    def numbers(self, values: Sequence[float], digits: int | None = None) -> str:
        """With the numbers put in: 0.5 * 1."""
        return self._spelled(expression, self._numbers(values, digits))

    def latex_numbers(self, values: Sequence[float], digits: int | None = None) -> str:
        return self._spelled(latex_expression, {k: _power(n) for k, n in self._numbers(values, digits).items()})

    def value(self, values: Sequence[float]) -> float:
        """Worked out, `values` holding the numbers of the net."""
        made: dict[int, float] = {}
        for k in needed(self.nodes, [self.root]):
            made[k] = values[self.at[k]] if k in self.at else result(self.nodes[k], made)
        return made[self.root]

    @property
    def is_plain(self) -> bool:
        """Whether it is one number or name, that needs no brackets anywhere."""
        node = self.nodes[self.root]
        return self.root in self.at or (node.op == "constant" and node.value >= 0)

    @property
    def is_product(self) -> bool:
        return self.nodes[self.root].op in ("mul", "div")

    def _numbers(self, values: Sequence[float], digits: int | None) -> dict[int, str]:
        alone = self.root in self.at
        return {
            k: shown(values[g], digits) if alone or values[g] >= 0 else f"({shown(values[g], digits)})"
            for k, g in self.at.items()
        }

    def _spelled(self, spell: Callable, names: Mapping[int, str]) -> str:
        if self.root in names:
            return names[self.root]
        return TWICE.sub(r"(\1)", spell(self.nodes, self.root, names))


def result(node: Node, made: Mapping[int, float]) -> float:
    """The value of one node of single numbers, those before it being known."""
    return (
        float(node.value)
        if node.op == "constant"
        else float(on_numbers(node.op, tuple(made[a] for a in node.args)))
    )


def _power(number: str) -> str:
    """1e-05 as LaTeX has it."""
    digits, exponent, power = number.strip("()").partition("e")
    if not exponent:
        return number
    text = rf"{digits} \cdot 10^{{{int(power)}}}"
    return f"({text})" if number.startswith("(") else text


def formula(nodes: Sequence[Node], root: int, named: Mapping[int, Label]) -> tuple[Formula, dict[int, Formula]]:
    """(how node `root` is made of named nodes, its derivative by each of them).

    The derivatives come from the primitives' own rules, and are then written shorter: 0.5 * d + 0.5 * d as d.
    """
    builder, local = Builder(), {}
    # Names end it, the root's own does not.
    for index in sorted({root, *needed(nodes, nodes[root].args, named)}):
        node = nodes[index]
        if index in named and index != root or node.is_leaf and node.op != "constant":
            local[index] = builder.leaf("input", str(index), ()).index
        elif node.op == "constant":
            local[index] = builder.symbol(node.value).index
        else:
            local[index] = _grouped_left(builder, node.op, [local[a] for a in node.args]).index
    made = Formula(tuple(builder.nodes), local[root], {local[g]: g for g in local if g in named and g != root})
    at = {**made.at, local[root]: root}
    back = differentiate(builder, [(local[root], builder.symbol(1.0).index)], list(made.at))
    slopes = {made.at[k]: _shorter(builder.nodes, gradient, at) for k, gradient in back.of.items()}
    return made, slopes


def _grouped_left(builder: Builder, op: str, args: list[int]) -> Symbol:
    """a + (b + c) as a + b + c, as one writes it."""
    right = builder.nodes[args[-1]]
    if op == "add" and right.op == "add":
        first = _grouped_left(builder, "add", [args[0], right.args[0]])
        return _grouped_left(builder, "add", [first.index, right.args[1]])
    return builder.add(op, args, None, ())


def softmax_slope(this: int, other: int) -> Formula:
    """d p_this / d z_other of a softmax, by the values themselves: p_i (1 - p_i), or -p_i p_j."""
    builder = Builder()
    p = builder.leaf("input", str(this), ())
    if this == other:
        return Formula(*_rooted(builder, p * (1 - p)), {p.index: this})
    q = builder.leaf("input", str(other), ())
    return Formula(*_rooted(builder, -(p * q)), {p.index: this, q.index: other})


def _rooted(builder: Builder, symbol: Symbol) -> tuple[tuple[Node, ...], int]:
    return tuple(builder.nodes), symbol.index


def _shorter(nodes: Sequence[Node], root: int, at: Mapping[int, int]) -> Formula:
    """The same value; what has a name (a key of `at`) is a leaf."""
    builder, moved, names = Builder(), {}, {}
    for index in needed(nodes, [root], at):
        node = nodes[index]
        if index in at:
            moved[index] = builder.leaf("input", str(at[index]), ())
            names[moved[index].index] = at[index]
        elif node.op == "constant":
            moved[index] = builder.symbol(node.value)
        else:
            moved[index] = neat(builder, node.op, [moved[a] for a in node.args])
    return Formula(tuple(builder.nodes), moved[root].index, names)
