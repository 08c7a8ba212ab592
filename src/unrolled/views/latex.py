r"""A cell's equations as a paper prints them: `f_{t} &= \sigma(W_{f} x_{t} + U_{f} h_{t-1} + b_{f})`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from ..graph.node import Graph, Node, Shape, needed
from ..ops import OPS
from .idioms import idiom
from .latex_lines import CONTINUED, latex_broken, latex_width
from .names import NOW, OUTPUT, names_of, results_of, timeless
from .shapes_said import unsaid_shapes
from .symbols import latex_name, latex_text

SUM, PRODUCT, ATOM = 2, 3, 9
FORMS = {
    "softmax": r"\mathrm{{softmax}}\left({0}\right)",
    "layer_norm": r"\mathrm{{LN}}\left({0}\right)",
    "mean": r"\mathrm{{mean}}\left({0}\right)",
    "norm": r"\left\lVert {0} \right\rVert",
}
TALL = (r"\frac", r"\begin", r"\sqrt")
MEMBER = r"\left[{all}\right]"
WIDE = 60  # letters, about, after which a long sum goes on in a line of its own: a telephone shows no more


def latex(
    graph: Graph, *, comments: bool = False, numbered: bool = False, symbols: Mapping[str, str] | None = None
) -> str:
    r"""The equations of a step as one `align*` environment, in the author's order, ready for LaTeX, KaTeX and MathJax.

    comments   the author's comments as a column of words to the right
    numbered   `align`, which numbers its lines, instead of `align*`
    symbols    names with parts that stand above, {"W_h": "W^h"}

    Values of this step carry t, the states it found t-1; a net without states has no time. Matrix products stand side by
    side, products element by element have \odot; several-letter names are upright; a name bound several times is
    numbered, s^{(2)}_{t}. Shapes that the equations do not tell stand below them, \beta \in \mathbb{R}.
    """
    called = partial(latex_name, symbols=symbols)
    lines = [
        f"  {left} &= {CONTINUED.join(latex_broken(right, WIDE - latex_width(left)))}"
        + (f" && {latex_text(said)}" if comments and said else "")
        for left, right, said in _rows(graph, called)
    ]
    lines += [f"  {left} &{right}" for left, right in _shapes(graph, called)]
    kind = "align" if numbered else "align*"
    return f"\\begin{{{kind}}}\n" + " \\\\\n".join(lines) + f"\n\\end{{{kind}}}"


def _rows(graph: Graph, called: Callable[[str], str]) -> list[tuple[str, str, str | None]]:
    """(name, what it is, comment) of every equation; the output in a row of its own where a reader of the equations would
    take another value for it."""
    names = {index: called(timeless(said, graph)) for index, said in names_of(graph).items()}
    used = frozenset(needed(graph.nodes, [graph.output, *graph.new_states]))
    rows = [
        (names[s.index], latex_expression(graph.nodes, s.index, names), s.comment)
        for s in graph.statements
        if s.index in used
    ]
    results = results_of(graph)
    states = [called(f"{name}{NOW}") for name in graph.states]
    for said, index in results:
        name = called(timeless(said, graph))
        if index not in names or (names[index] != name and said != OUTPUT):
            rows.append((name, names.get(index) or latex_expression(graph.nodes, index, names), None))
    said, index = results[0]
    wanted = names.get(index) if said == OUTPUT else called(said)
    if wanted is not None and wanted != _taken_for_output(
        rows, states, [called(f"{letter}{NOW}") for letter in "hy"]
    ):
        rows.append((called(timeless(OUTPUT, graph)), wanted, None))
    return rows


def _taken_for_output(
    rows: Sequence[tuple[str, str, str | None]], states: Sequence[str], usual: Sequence[str]
) -> str:
    """What nothing else reads; without one the state h, or y, or the last."""
    given = [name for name, _, _ in rows]
    free = [n for n in given if n not in states and not any(n in right for _, right, _ in rows)]
    last = [n for n in given if n in states]
    plain = [n for n in usual if n in last]
    return [*last[-1:], *plain[:1], *free[-1:]][-1] if free or last else ""


def _shapes(graph: Graph, called: Callable[[str], str]) -> list[tuple[str, str]]:
    """Rows that say shapes, several names of one shape together."""
    moments = {"input": NOW, "state": NOW}
    together: dict[str, list[list[str]]] = {}
    for (kind, said), shape in unsaid_shapes(graph).items():
        name = called(timeless(f"{said}{moments.get(kind, '')}", graph))
        rows = together.setdefault(latex_shape(shape), [[]])
        if rows[-1] and latex_width(", ".join([*rows[-1], name])) > WIDE // 2:
            rows.append([])
        rows[-1].append(name)
    return [(", ".join(row), f"\\in {shape}") for shape, rows in together.items() for row in rows]


def latex_shape(shape: Shape) -> str:
    r"""The set that numbers of a shape are in.

    >>> latex_shape(()), latex_shape(("H", "H/4"))
    ('\\mathbb{R}', '\\mathbb{R}^{H \\times H/4}')
    """
    sides = r" \times ".join(
        "+".join(_dim(part) for part in side.replace("*", r" \cdot ").split("+")) for side in shape
    )
    return rf"\mathbb{{R}}^{{{sides}}}" if shape else r"\mathbb{R}"


def _dim(width: str) -> str:
    return width if len(width) == 1 or not width.isalpha() else rf"\mathrm{{{width}}}"


def latex_expression(nodes: Sequence[Node], index: int, names: Mapping[int, str]) -> str:
    """LaTeX of how node `index` is made of the named nodes; `names` maps nodes to LaTeX. Its own name is not used."""
    return _made(nodes, index, names)[0]


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


def _text(nodes, index: int, names) -> tuple[str, int]:
    return (names[index], ATOM) if index in names else _made(nodes, index, names)


def _made(nodes, index: int, names) -> tuple[str, int]:
    """LaTeX of a node, and the precedence of its outermost operation."""
    node = nodes[index]
    if node.op == "constant":
        return latex_number(node.value), ATOM if node.value >= 0 else SUM
    if not node.args:
        return names.get(index, latex_name(str(node.value))), ATOM
    named = idiom(nodes, index)
    if named:
        return _called(FORMS[named[0]], _text(nodes, named[1], names)[0]), ATOM
    special = SPECIAL.get(node.op)
    made = special(nodes, node, names) if special else None
    if made:
        return made
    row = OPS[node.op]
    given = [_text(nodes, a, names) for a in node.args]
    if row.latex == "{0}":  # an alias, or a number spread over a vector
        return given[0]
    if r"\left" in row.latex or r"\frac" in row.latex or r"\sqrt" in row.latex or r"\lfloor" in row.latex:
        return _called(row.latex, *(text for text, _ in given)), ATOM
    inner = [_bracketed(*g, row.precedence if k == 0 else row.precedence + 1) for k, g in enumerate(given)]
    value = r"\!:\!".join(map(str, node.value)) if isinstance(node.value, tuple) else node.value
    return row.latex.format(*inner, all=", ".join(inner), value=value), row.precedence


def _called(template: str, *arguments: str) -> str:
    r"""A template with brackets of its own; they grow (\left, \right) only around what is tall."""
    tall = any(mark in text for text in arguments for mark in TALL)
    if not tall:
        template = re.sub(r"\\left(?=[(|\[\\])|\\right(?=[)|\]\\])", "", template)
    return template.format(*arguments, all=", ".join(arguments))


def _bracketed(text: str, precedence: int, least: int) -> str:
    if precedence >= least:
        return text
    return rf"\left({text}\right)" if any(mark in text for mark in TALL) else f"({text})"


def _sum(nodes, node: Node, names):
    """a + 0 is a, a + -b is a - b."""
    for this, other in (node.args, node.args[::-1]):
        found = nodes[this]
        if found.op == "constant" and found.value == 0:
            return _text(nodes, other, names)
        if found.op == "neg" and this not in names:
            return _difference(_text(nodes, other, names), _text(nodes, found.args[0], names))
        if found.op == "constant" and found.value < 0:
            return _difference(_text(nodes, other, names), (latex_number(-found.value), ATOM))
    return None


def _difference(left, right) -> tuple[str, int]:
    return f"{_bracketed(*left, SUM)} - {_bracketed(*right, SUM + 1)}", SUM


def _elementwise(nodes, node: Node, names):
    r"""A square; a number before what it multiplies, without a sign; \odot between vectors."""
    a, b = (nodes[k] for k in node.args)
    left, right = (_text(nodes, k, names) for k in node.args)
    for one, other in ((a, right), (b, left)):
        if one.op == "constant" and one.value == 1:
            return other
    if node.args[0] == node.args[1]:
        bare = left[1] == ATOM and "^" not in left[0] and "'" not in left[0]
        return f"{left[0] if bare else _bracketed(left[0], 0, ATOM)}^{{2}}", ATOM - 1
    if b.op == "constant" and a.op != "constant" or b.shape == () and a.shape != ():
        a, b, left, right = b, a, right, left
    first = _bracketed(*left, PRODUCT + (a.op == "product"))
    second = _bracketed(*right, PRODUCT if a.shape == () else PRODUCT + 1)
    if a.shape != () and b.shape != ():
        return rf"{first} \odot {second}", PRODUCT
    if second[0].isdigit() or second[0] == "-":
        return rf"{first} \cdot {second}", PRODUCT
    apart = r" \, " if r"\mathrm" in first or second[0] == "(" else " "
    return f"{first}{apart}{second}", PRODUCT


def _matrix_product(nodes, node: Node, names):
    r"""A matrix that is a product unit by unit, or a quotient, stands in brackets left of its vector."""
    matrix = nodes[node.args[0]]
    left, right = (_text(nodes, k, names) for k in node.args)
    tight = node.args[0] not in names and matrix.op == "mul" and () not in [nodes[a].shape for a in matrix.args]
    return f"{_bracketed(*left, PRODUCT + tight)} {_bracketed(*right, PRODUCT + 1)}", PRODUCT


def _negated(nodes, node: Node, names):
    return f"-{_bracketed(*_text(nodes, node.args[0], names), PRODUCT)}", SUM


def _dot_product(nodes, node: Node, names):
    """The sum of a product of two vectors is an inner product."""
    inner = nodes[node.args[0]]
    vectors = inner.op == "mul" and () not in [nodes[a].shape for a in inner.args]
    if not vectors or node.args[0] in names or inner.args[0] == inner.args[1]:
        return rf"\textstyle\sum {_bracketed(*_text(nodes, node.args[0], names), PRODUCT + 1)}", SUM - 1
    left, right = (_bracketed(*_text(nodes, a, names), ATOM) for a in inner.args)
    return rf"{_liftable(left)}^{{\top}} {right}", PRODUCT


def _transposed(nodes, node: Node, names):
    return rf"{_liftable(_bracketed(*_text(nodes, node.args[0], names), ATOM))}^{{\top}}", ATOM - 1


def _liftable(text: str) -> str:
    """Something that may be given a superscript."""
    return f"{{{text}}}" if "^" in text or "'" in text else text


def _layer(nodes, node: Node, names):
    """U[0][3] is U^{(0,3)}."""
    places = [str(node.value)]
    base = node.args[0]
    while nodes[base].op == "index" and base not in names:
        places.insert(0, str(nodes[base].value))
        base = nodes[base].args[0]
    text = _bracketed(*_text(nodes, base, names), ATOM)
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


def _condition(nodes, index: int, names, within: bool = False) -> str:
    """What is asked, without a sign that makes a number of it: a < b \\land c = 0."""
    node = nodes[index]
    if index in names or node.op not in RELATIONS:
        return rf"{_bracketed(*_text(nodes, index, names), SUM)} \neq 0"
    if node.op in JOINED:
        sides = [
            _condition(nodes, a, names, nodes[a].op in JOINED and nodes[a].op != node.op) for a in node.args
        ]
    else:
        sides = [_bracketed(*_text(nodes, a, names), SUM) for a in node.args]
    said = f" {RELATIONS[node.op]} ".join(sides)
    return f"({said})" if within else said


def _indicator(nodes, node: Node, names):
    """1 where it holds, else 0."""
    others = {k: v for k, v in names.items() if k != node.index}
    return _called(r"\mathbb{{1}}\left[{0}\right]", _condition(nodes, node.index, others)), ATOM


def _power(nodes, node: Node, names):
    base, exponent = (_text(nodes, a, names) for a in node.args)
    bare = base[1] == ATOM and "^" not in base[0] and "'" not in base[0]
    return f"{base[0] if bare else _bracketed(base[0], 0, ATOM)}^{{{exponent[0]}}}", ATOM - 1


def _cases(nodes, node: Node, names):
    choices = [_text(nodes, a, names)[0] for a in node.args[1:]]
    said = _condition(nodes, node.args[0], names)
    rows = rf"{choices[0]} & \text{{if }} {said} \\ {choices[1]} & \text{{otherwise}}"
    return rf"\begin{{cases}} {rows} \end{{cases}}", SUM


def _sum_of_products(nodes, node: Node, names):
    terms = []
    for matrix, gradient in zip(node.args[0::2], node.args[1::2]):
        turned = _liftable(_bracketed(*_text(nodes, matrix, names), ATOM))
        terms.append(rf"{turned}^{{\top}} {_bracketed(*_text(nodes, gradient, names), PRODUCT + 1)}")
    return " + ".join(terms), SUM if len(terms) > 1 else PRODUCT


def _joined(nodes, node: Node, names):
    return _called(MEMBER, *(_text(nodes, a, names)[0] for a in node.args)), ATOM


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
