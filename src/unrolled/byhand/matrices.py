"""A sum of products written out in brackets, as on a slide: [W] [x] + [U] [h] + [b] = [s]."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..graph.node import Node
from ..ops import OPS
from ..views.names import names_of
from .document import Brackets, Said
from .label import Label
from .numbers import Array, shown
from .tables import said

if TYPE_CHECKING:
    from .worked import Worked

MOST = 8  # columns of a matrix that is written out


def in_brackets(worked: Worked, row: int) -> Iterable[Brackets]:
    """One for each equation of a row that is a sum of matrices times vectors, or a function of such a sum."""
    graph = worked.cell.graph
    names = names_of(graph)
    for statement in graph.statements:
        node, function = graph.nodes[statement.index], None
        row_of = OPS[node.op] if not node.is_leaf else None
        if row_of and row_of.arity == 1 and row_of.shape == "same" and node.op not in ("alias", "neg"):
            function, node = node.op, graph.nodes[node.args[0]]
        if node.index in names and function:
            continue  # the sum has a line of its own
        terms = _terms(worked, node, row)
        name = names[statement.index].name
        result = _named(worked, name, row)
        if terms is None or result is None or not any(len(term) > 1 for term in terms):
            continue
        pieces: list = [said(Label(name, row if worked.recurrent else None)), Said("=", "=")]
        if function:
            pieces.append(Said(f"{function}(", rf"\mathrm{{{function}}}\Bigl("))
        made = set()
        for k, term in enumerate(terms):
            pieces += [Said("+", "+")] * (k > 0)
            for one, given in term:
                made |= set() if given else {len(pieces)}
                pieces.append(_cells(one))
        if function:
            pieces.append(Said(")", r"\Bigr)"))
        yield Brackets((*pieces, Said("=", "="), _cells(result)), frozenset({*made, len(pieces) + 1}))


def _terms(worked: Worked, node: Node, row: int) -> list[tuple[tuple[Array, bool], ...]] | None:
    """The addends, each a matrix and a vector or a vector alone, with whether it is given; None where
    one is something else."""
    nodes = worked.cell.graph.nodes
    if node.op == "add":
        left, right = (_terms(worked, nodes[a], row) for a in node.args)
        return None if left is None or right is None else [*left, *right]
    if node.op == "product":
        matrix, vector = (_array(worked, nodes[a], row) for a in node.args)
        fits = matrix is not None and vector is not None and matrix.shape[1] <= MOST and matrix.shape[0] <= MOST
        given = _is_given(nodes[node.args[1]], row)
        return [((matrix, True), (vector, given))] if fits else None
    one = _array(worked, node, row)
    return (
        None
        if one is None or len(one.shape) != 1 or len(one.cells) > MOST
        else [((one, _is_given(node, row)),)]
    )


def _is_given(node: Node, row: int) -> bool:
    return node.op in ("parameter", "input") or node.op == "state" and row == 1


def _array(worked: Worked, node: Node, row: int) -> Array | None:
    """The numbers of a leaf, of a transposed matrix, of a value with a name."""
    graph = worked.cell.graph
    if node.op == "transpose":
        inner = _array(worked, graph.nodes[node.args[0]], row)
        return inner.T if inner is not None and len(inner.shape) == 2 else None
    if node.op == "parameter":
        return worked.given.parameters.get(str(node.value))
    if node.op == "input":
        return worked.given.inputs[str(node.value)][row - 1]
    if node.op == "state":
        return _named(worked, str(node.value), row - 1)
    called = names_of(graph).get(node.index)
    return _named(worked, called.name, row) if called else None


def _named(worked: Worked, name: str, row: int) -> Array | None:
    step = row if worked.recurrent else None
    kinds = ("value", "state") if worked.recurrent else ("value",)
    found = [
        q.value
        for q in worked.quantities
        if q.label.name == name and q.label.step == step and q.kind in kinds and q.label.units
        and (worked.recurrent or q.row == row)
    ]  # fmt: skip
    return Array((len(found),), tuple(found)) if found else None


def _cells(one: Array) -> tuple[tuple[str, ...], ...]:
    """Rows; a vector is a column."""
    return tuple(tuple(shown(c) for c in row.cells) for row in one.rows())
