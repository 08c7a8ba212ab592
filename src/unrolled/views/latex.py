r"""A cell's equations as a paper prints them: `f_{t} &= \sigma(W_{f} x_{t} + U_{f} h_{t-1} + b_{f})`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from ..graph.node import Graph, Shape, needed
from .latex_expression import latex_expression
from .latex_lines import CONTINUED, latex_broken, latex_width
from .names import NOW, OUTPUT, TIMES, Called, names_of, results_of, timeless
from .shapes_said import unsaid_shapes
from .symbols import latex_name, latex_text

WIDE = 60  # letters, about, after which a long sum goes on in a line of its own: a telephone shows no more


def latex(
    graph: Graph, *, comments: bool = False, numbered: bool = False, symbols: Mapping[str, str] | None = None
) -> str:
    r"""The equations of a step as one `align*` environment, in the author's order, ready for
    LaTeX, KaTeX and MathJax.

    comments   the author's comments as a column of words to the right
    numbered   `align`, which numbers its lines, instead of `align*`
    symbols    names with parts that stand above, {"W_h": "W^h"}

    Values of this step carry t, the states it found t-1; a net without states has no time. Matrix
    products stand side by side, products element by element have \odot; several-letter names are upright;
    a name bound several times is numbered, s^{(2)}_{t}. Shapes that the equations do not tell stand below
    them, \beta \in \mathbb{R}.
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


def _rows(graph: Graph, called: Callable[[Called], str]) -> list[tuple[str, str, str | None]]:
    """(name, what it is, comment) of every equation; the output in a row of its own where a reader of the
    equations would take another value for it."""
    names = {index: called(timeless(said, graph)) for index, said in names_of(graph).items()}
    used = frozenset(needed(graph.nodes, [graph.output, *graph.new_states]))
    rows = [
        (names[s.index], latex_expression(graph.nodes, s.index, names), s.comment)
        for s in graph.statements
        if s.index in used
    ]
    results = results_of(graph)
    states = [called(Called(name, time=NOW)) for name in graph.states]
    for said, index in results:
        name = called(timeless(said, graph))
        if index not in names or (names[index] != name and said != OUTPUT):
            rows.append((name, names.get(index) or latex_expression(graph.nodes, index, names), None))
    said, index = results[0]
    wanted = names.get(index) if said == OUTPUT else called(said)
    if wanted is not None and wanted != _taken_for_output(
        rows, states, [called(Called(letter, time=NOW)) for letter in "hy"]
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


def _shapes(graph: Graph, called: Callable[[Called], str]) -> list[tuple[str, str]]:
    """Rows that say shapes, several names of one shape together."""
    together: dict[str, list[list[str]]] = {}
    for (kind, said), shape in unsaid_shapes(graph).items():
        name = called(timeless(Called(said, time=NOW if kind in TIMES else None), graph))
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
