"""One node as LaTeX, up to the nodes that have names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ..graph.node import Node
from ..ops import Op
from .idioms import idiom
from .printer import ATOM, Notation, Printed, Printer
from .symbols import latex_name

SUM, PRODUCT = 2, 3
FORMS = {
    "softmax": r"\mathrm{{softmax}}\left({0}\right)",
    "layer_norm": r"\mathrm{{LN}}\left({0}\right)",
    "mean": r"\mathrm{{mean}}\left({0}\right)",
    "norm": r"\left\lVert {0} \right\rVert",
}
TALL = (r"\frac", r"\begin", r"\sqrt")
MEMBER = r"\left[{all}\right]"


def latex_expression(nodes: Sequence[Node], index: int, names: Mapping[int, str]) -> str:
    """LaTeX of how node `index` is made of the named nodes; `names` maps nodes to LaTeX.
    Its own name is not used.
    """
    return Printer(LATEX, nodes, names).made(index)[0]


def latex_number(value: float) -> str:
    r"""A number as in print.

    >>> latex_number(0.5), latex_number(1e-05), latex_number(float("-inf"))
    ('0.5', '10^{-5}', '-\\infty')
    """
    text = f"{value:g}" if float(f"{value:g}") == value else repr(value)
    if "inf" in text or "nan" in text:
        return text.replace("inf", r"\infty").replace("nan", r"\mathrm{nan}")
    digits, exponent, power = text.partition("e")
    if not exponent:
        return text
    times = {"1": "", "-1": "-"}.get(digits, rf"{digits} \cdot ")
    return f"{times}10^{{{int(power)}}}"


def _special(p: Printer, node: Node) -> Printed | None:
    named = idiom(p.nodes, node.index)
    if named:
        return _called(FORMS[named[0]], p.text(named[1])[0]), ATOM
    special = SPECIAL.get(node.op)
    return special(p, node) if special else None


def _operation(p: Printer, node: Node, row: Op) -> Printed:
    if any(mark in row.latex for mark in (r"\left", r"\frac", r"\sqrt", r"\lfloor")):
        return _called(row.latex, *(p.text(a)[0] for a in node.args)), ATOM
    inner = [p.bracketed(a, row.precedence if k == 0 else row.precedence + 1) for k, a in enumerate(node.args)]
    value = r"\!:\!".join(map(str, node.value)) if isinstance(node.value, tuple) else node.value
    return row.latex.format(*inner, all=", ".join(inner), value=value), row.precedence


def _called(template: str, *arguments: str) -> str:
    r"""A template with brackets of its own; they grow (\left, \right) only around what is tall."""
    tall = any(mark in text for text in arguments for mark in TALL)
    if not tall:
        template = re.sub(r"\\left(?=[(|\[\\])|\\right(?=[)|\]\\])", "", template)
    return template.format(*arguments, all=", ".join(arguments))


def _brackets(text: str) -> str:
    return rf"\left({text}\right)" if any(mark in text for mark in TALL) else f"({text})"


def _sum(p: Printer, node: Node) -> Printed | None:
    """a + -b is a - b."""
    if pair := p.subtraction(node):
        return _difference(p, p.text(pair[0]), p.text(pair[1]))
    for this, other in (node.args, node.args[::-1]):
        found = p.nodes[this]
        if found.op == "constant" and found.value < 0:
            return _difference(p, p.text(other), (latex_number(-found.value), ATOM))
    return None


def _difference(p: Printer, left: Printed, right: Printed) -> Printed:
    return f"{p.held(left, SUM)} - {p.held(right, SUM + 1)}", SUM


def _elementwise(p: Printer, node: Node) -> Printed:
    r"""A square; a number before what it multiplies, without a sign; \odot between vectors."""
    a, b = (p.nodes[k] for k in node.args)
    left, right = (p.text(k) for k in node.args)
    if node.args[0] == node.args[1]:
        bare = left[1] == ATOM and "^" not in left[0] and "'" not in left[0]
        return f"{left[0] if bare else _brackets(left[0])}^{{2}}", ATOM - 1
    if b.op == "constant" and a.op != "constant" or b.shape == () and a.shape != ():
        a, b, left, right = b, a, right, left
    first = p.held(left, PRODUCT + (a.op == "product"))
    second = p.held(right, PRODUCT if a.shape == () else PRODUCT + 1)
    if a.shape != () and b.shape != ():
        return rf"{first} \odot {second}", PRODUCT
    if second[0].isdigit() or second[0] == "-":
        return rf"{first} \cdot {second}", PRODUCT
    apart = r" \, " if r"\mathrm" in first or second[0] == "(" else " "
    return f"{first}{apart}{second}", PRODUCT


def _matrix_product(p: Printer, node: Node) -> Printed:
    r"""A matrix that is a product unit by unit, or a quotient, stands in brackets left of its vector."""
    matrix = p.nodes[node.args[0]]
    left, right = (p.text(k) for k in node.args)
    tight = (
        node.args[0] not in p.names and matrix.op == "mul" and () not in [p.nodes[a].shape for a in matrix.args]
    )
    return f"{p.held(left, PRODUCT + tight)} {p.held(right, PRODUCT + 1)}", PRODUCT


def _negated(p: Printer, node: Node) -> Printed:
    return f"-{p.bracketed(node.args[0], PRODUCT)}", SUM


def _dot_product(p: Printer, node: Node) -> Printed:
    """The sum of a product of two vectors is an inner product."""
    inner = p.nodes[node.args[0]]
    vectors = inner.op == "mul" and () not in [p.nodes[a].shape for a in inner.args]
    if not vectors or node.args[0] in p.names or inner.args[0] == inner.args[1]:
        return rf"\textstyle\sum {p.bracketed(node.args[0], PRODUCT + 1)}", SUM - 1
    left, right = (p.bracketed(a, ATOM) for a in inner.args)
    return rf"{_liftable(left)}^{{\top}} {right}", PRODUCT


def _transposed(p: Printer, node: Node) -> Printed:
    return rf"{_liftable(p.bracketed(node.args[0], ATOM))}^{{\top}}", ATOM - 1


def _liftable(text: str) -> str:
    """Something that may be given a superscript."""
    return f"{{{text}}}" if "^" in text or "'" in text else text


def _layer(p: Printer, node: Node) -> Printed:
    """U[0][3] is U^{(0,3)}."""
    places = [str(node.value)]
    base = node.args[0]
    while p.nodes[base].op == "index" and base not in p.names:
        places.insert(0, str(p.nodes[base].value))
        base = p.nodes[base].args[0]
    text = p.bracketed(base, ATOM)
    below = re.fullmatch(r"([^_^]+)(_\{.*\})", text)
    lifted = f"^{{({','.join(places)})}}"
    return (f"{below[1]}{lifted}{below[2]}" if below else f"{_liftable(text)}{lifted}"), ATOM


RELATIONS = {
    "less": "<",
    "greater": ">",
    "at_most": r"\leq",
    "at_least": r"\geq",
    "equal": "=",
    "unequal": r"\neq",
    "both": r"\land",
    "either": r"\lor",
}
JOINED = ("both", "either")


def _condition(p: Printer, index: int, within: bool = False) -> str:
    """What is asked, without a sign that makes a number of it: a < b \\land c = 0."""
    node = p.nodes[index]
    if index in p.names or node.op not in RELATIONS:
        return rf"{p.bracketed(index, SUM)} \neq 0"
    return _relation(p, node, within)


def _relation(p: Printer, node: Node, within: bool = False) -> str:
    if node.op in JOINED:
        sides = [_condition(p, a, p.nodes[a].op in JOINED and p.nodes[a].op != node.op) for a in node.args]
    else:
        sides = [p.bracketed(a, SUM) for a in node.args]
    said = f" {RELATIONS[node.op]} ".join(sides)
    return f"({said})" if within else said


def _indicator(p: Printer, node: Node) -> Printed:
    """1 where it holds, else 0."""
    return _called(r"\mathbb{{1}}\left[{0}\right]", _relation(p, node)), ATOM


def _power(p: Printer, node: Node) -> Printed:
    base, exponent = (p.text(a) for a in node.args)
    bare = base[1] == ATOM and "^" not in base[0] and "'" not in base[0]
    return f"{base[0] if bare else _brackets(base[0])}^{{{exponent[0]}}}", ATOM - 1


def _cases(p: Printer, node: Node) -> Printed:
    choices = [p.text(a)[0] for a in node.args[1:]]
    said = _condition(p, node.args[0])
    rows = rf"{choices[0]} & \text{{if }} {said} \\ {choices[1]} & \text{{otherwise}}"
    return rf"\begin{{cases}} {rows} \end{{cases}}", SUM


def _sum_of_products(p: Printer, node: Node) -> Printed:
    return p.sum_of_products(node, lambda k: rf"{_liftable(p.bracketed(k, ATOM))}^{{\top}}", " ")


def _joined(p: Printer, node: Node) -> Printed:
    return _called(MEMBER, *(p.text(a)[0] for a in node.args)), ATOM


SPECIAL = {
    "add": _sum,
    "mul": _elementwise,
    "product": _matrix_product,
    "neg": _negated,
    "sum": _dot_product,
    "transpose": _transposed,
    "index": _layer,
    "where": _cases,
    "power": _power,
    **dict.fromkeys(RELATIONS, _indicator),
    "products_t": _sum_of_products,
    "concat": _joined,
}

LATEX = Notation(
    template=lambda row: row.latex,
    number=latex_number,
    sign=SUM,
    leaf=lambda node: latex_name(str(node.value)),
    name=lambda name: ATOM,
    brackets=_brackets,
    special=_special,
    operation=_operation,
)
