"""A node as an expression, whatever the notation: names end it, brackets keep the author's grouping."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..graph.node import Node
from ..ops import OPS, Op

ATOM = 9
NOTHING_TO = {"add": 0.0, "mul": 1.0}  # operand that leaves the other as it is
Printed = tuple[str, float]  # a text, and the precedence of its outermost operation


@dataclass(frozen=True)
class Notation:
    """How expressions are written: the cell language, LaTeX.

    template   a primitive's spelling, with {0}, {1} for its arguments
    number     a number; `sign` is the precedence of a negative one
    leaf       a leaf that has no name
    name       the precedence of a name, which may be an expression itself
    brackets   a text in brackets
    special    op -> what writes it in its own way, or gives None
    operation  what writes every other one
    """

    template: Callable[[Op], str]
    number: Callable[[float], str]
    sign: float
    leaf: Callable[[Node], str]
    name: Callable[[str], float]
    brackets: Callable[[str], str]
    special: Callable[[Printer, Node], Printed | None]
    operation: Callable[[Printer, Node, Op], Printed]


@dataclass(frozen=True)
class Printer:
    """Writes nodes in a notation; `names` are those that are not taken apart."""

    notation: Notation
    nodes: Sequence[Node]
    names: Mapping[int, str]

    def text(self, index: int) -> Printed:
        """A node within a larger expression: by its name if it has one."""
        if index in self.names:
            return self.names[index], self.notation.name(self.names[index])
        return self.made(index)

    def made(self, index: int) -> Printed:
        """How a node is made of named ones; its own name is not used.

        `+ 0` and `* 1`, which the rounds of a loop leave behind, are not shown, nor is
        what only passes a value on.
        """
        node, notation = self.nodes[index], self.notation
        if node.op == "constant":
            return notation.number(node.value), ATOM if node.value >= 0 else notation.sign
        if not node.args:
            return self.names.get(index) or notation.leaf(node), ATOM
        for this, other in (node.args, node.args[::-1]) if node.op in NOTHING_TO else ():
            if self.nodes[this].op == "constant" and self.nodes[this].value == NOTHING_TO[node.op]:
                return self.text(other)
        row = OPS[node.op]
        if notation.template(row) == "{0}":  # an alias, or a number spread over a vector
            return self.text(node.args[0])
        return notation.special(self, node) or notation.operation(self, node, row)

    def bracketed(self, index: int, least: float) -> str:
        """A node's text, in brackets where it binds less than `least`."""
        return self.held(self.text(index), least)

    def held(self, printed: Printed, least: float) -> str:
        text, precedence = printed
        return text if precedence >= least else self.notation.brackets(text)

    def subtraction(self, node: Node) -> tuple[int, int] | None:
        """(a, b) of a + -b, which is written a - b."""
        for this, other in (node.args, node.args[::-1]):
            if self.nodes[this].op == "neg" and this not in self.names:
                return other, self.nodes[this].args[0]
        return None

    def sum_of_products(self, node: Node, turned: Callable[[int], str], times: str) -> Printed:
        """Matrix and vector in turn, each matrix transposed by `turned`."""
        least = OPS["product"].precedence + 1
        terms = [
            f"{turned(matrix)}{times}{self.bracketed(vector, least)}"
            for matrix, vector in zip(node.args[0::2], node.args[1::2])
        ]
        return " + ".join(terms), OPS["add" if len(terms) > 1 else "product"].precedence
