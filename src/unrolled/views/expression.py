"""One node as the text of its expression, in the cell language, up to the nodes that have names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..graph.node import Node
from ..ops import COMPARISONS, OPS, Op
from .printer import ATOM, Notation, Printed, Printer

POWER = 5
# Written after its argument, so that the argument needs brackets of its own: W.T, U[0], g[:, I:I+H].
POSTFIX = ("transpose", "index", "part", "columns", "product_t")
SIGNS = {row.text[4]: row.precedence for row in OPS.values() if row.text[:4] == "{0} "}  # + - * / @ < == & ...


def expression(nodes: Sequence[Node], index: int, names: Mapping[int, str]) -> str:
    """How node `index` is made of the named nodes: the name of the node itself is not
    used, that of any other is.
    """
    return Printer(LANGUAGE, nodes, names).made(index)[0]


def constant(value: float) -> str:
    """A number as one would type it: 1, 0.5, 0.001, inf."""
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)


def precedence_of(text: str) -> float:
    """Precedence of a name that is an expression itself, such as W - W.T or W_i @ x[t];
    that of an atom for others.
    """
    depth, least = 0, ATOM
    for k, c in enumerate(text):
        depth += (c in "([") - (c in ")]")
        if depth == 0 and c == " " and text[k + 1] in SIGNS:
            least = min(least, SIGNS[text[k + 1]])
    return least


def _operation(p: Printer, node: Node, row: Op) -> Printed:
    inner = [p.bracketed(a, _least(node, k)) for k, a in enumerate(node.args)]
    precedence = ATOM if _is_call(row) else row.precedence
    return row.text.format(*inner, all=", ".join(inner), value=_value(node)), precedence


def _special(p: Printer, node: Node) -> Printed | None:
    """The customary way to write a few forms: a**2 for a * a, a - b for a + -b."""
    if node.op == "products_t":
        return p.sum_of_products(node, lambda matrix: f"{p.bracketed(matrix, ATOM)}.T", " @ ")
    if node.op == "mul" and node.args[0] == node.args[1]:
        return f"{p.bracketed(node.args[0], ATOM)}**2", POWER
    if node.op == "add" and (pair := p.subtraction(node)):
        return _operation(p, Node(len(p.nodes), "sub", pair), OPS["sub"])
    return None


def _least(node: Node, k: int) -> float:
    """The lowest precedence at which argument k needs no brackets."""
    row = OPS[node.op]
    if _is_call(row):
        return 0
    if node.op in POSTFIX and k == 0:
        return ATOM
    groups_left = row.text.startswith("{0} ") and node.op not in COMPARISONS  # a - b - c is (a - b) - c
    return row.precedence if k == 0 and groups_left else row.precedence + 1


def _is_call(row: Op) -> bool:
    """Whether the spelling brackets its own arguments: tanh(v), max(a, b)."""
    return row.text.endswith(")")


def _value(node: Node) -> str:
    """What an op knows besides its arguments: the layer of a stack, or columns as start:end."""
    if not isinstance(node.value, tuple):
        return str(node.value)
    start, width = node.value
    return f":{width}" if start == "0" else f"{start}:{start}+{width}"


LANGUAGE = Notation(
    template=lambda row: row.text,
    number=constant,
    sign=OPS["neg"].precedence,
    leaf=lambda node: str(node.value),
    name=precedence_of,
    brackets=lambda text: f"({text})",
    special=_special,
    operation=_operation,
)
