"""One node as the text of its expression, in the cell language, up to the nodes that have names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..graph.node import Node
from ..ops import COMPARISONS, OPS, Op

ATOM, POWER = 9, 5
# Written after its argument, so that the argument needs brackets of its own: W.T, U[0], g[:, I:I+H].
POSTFIX = ("transpose", "index", "part", "columns", "product_t")
SIGNS = {row.text[4]: row.precedence for row in OPS.values() if row.text[:4] == "{0} "}  # + - * / @ < == & ...
NOTHING_TO = {"add": 0.0, "mul": 1.0}  # operand that leaves the other as it is


def expression(nodes: Sequence[Node], index: int, names: Mapping[int, str]) -> str:
    """How node `index` is made of the named nodes: the name of the node itself is not used, that of any other is.

    Brackets keep the author's grouping; `+ 0` and `* 1`, which the rounds of a loop leave behind, are not shown.
    """
    return _made(nodes, index, names)[0]


def constant(value: float) -> str:
    """A number as one would type it: 1, 0.5, 0.001, inf."""
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)


def _text(nodes: Sequence[Node], index: int, names: Mapping[int, str]) -> tuple[str, float]:
    """Text and precedence of a node within a larger expression."""
    return (names[index], precedence_of(names[index])) if index in names else _made(nodes, index, names)


def precedence_of(text: str) -> float:
    """Precedence of a name that is an expression itself, such as W - W.T or W_i @ x[t]; that of an atom for others."""
    depth, least = 0, ATOM
    for k, c in enumerate(text):
        depth += (c in "([") - (c in ")]")
        if depth == 0 and c == " " and text[k + 1] in SIGNS:
            least = min(least, SIGNS[text[k + 1]])
    return least


def _made(nodes: Sequence[Node], index: int, names: Mapping[int, str]) -> tuple[str, float]:
    node = nodes[index]
    if node.op == "constant":
        return constant(node.value), ATOM if node.value >= 0 else OPS["neg"].precedence
    if not node.args:
        return names.get(index, str(node.value)), ATOM
    shorter = _shorter(nodes, node, names)
    if shorter is not None:
        return shorter
    row = OPS[node.op]
    given = [_text(nodes, a, names) for a in node.args]
    if row.text == "{0}":  # an alias, or a number spread over a vector: what it is made of
        return given[0]
    inner = [_bracketed(text, held, _least(node, k)) for k, (text, held) in enumerate(given)]
    return row.text.format(*inner, all=", ".join(inner), value=_value(node)), ATOM if _is_call(
        row
    ) else row.precedence


def _shorter(nodes: Sequence[Node], node: Node, names: Mapping[int, str]) -> tuple[str, float] | None:
    """The customary way to write a few forms: a**2 for a * a, a - b for a + -b, a for a + 0."""
    if node.op == "products_t":
        return _sum_of_products(nodes, node, names)
    if node.op == "mul" and node.args[0] == node.args[1]:
        return f"{_bracketed(*_text(nodes, node.args[0], names), ATOM)}**2", POWER
    for this, other in (node.args, node.args[::-1]) if node.op in NOTHING_TO else ():
        if nodes[this].op == "constant" and nodes[this].value == NOTHING_TO[node.op]:
            return _text(nodes, other, names)
        if node.op == "add" and nodes[this].op == "neg" and this not in names:
            return _made([*nodes, Node(len(nodes), "sub", (other, nodes[this].args[0]))], len(nodes), names)
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


def _bracketed(text: str, precedence: float, least: float) -> str:
    return text if precedence >= least else f"({text})"


def _value(node: Node) -> str:
    """What an op knows besides its arguments: the layer of a stack, or columns as start:end."""
    if not isinstance(node.value, tuple):
        return str(node.value)
    start, width = node.value
    return f":{width}" if start == "0" else f"{start}:{start}+{width}"


def _sum_of_products(nodes: Sequence[Node], node: Node, names: Mapping[int, str]) -> tuple[str, float]:
    terms = []
    for matrix, gradient in zip(node.args[0::2], node.args[1::2]):
        left = _bracketed(*_text(nodes, matrix, names), ATOM)
        right = _bracketed(*_text(nodes, gradient, names), OPS["product"].precedence + 1)
        terms.append(f"{left}.T @ {right}")
    return " + ".join(terms), OPS["add" if len(terms) > 1 else "product"].precedence
