"""A graph of vectors and matrices written out in single numbers, with the same primitives.

A product becomes a sum of products of two numbers, in the order in which one would write it down.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import reduce

from ..errors import NotYet
from ..graph.builder import Builder
from ..graph.node import Dim, Node, size
from ..ops import Symbol, apply_op, exp, maximum, sqrt
from ..views.idioms import idiom
from .numbers import Array

Leaf = Callable[[Node], Array]
# What some primitives are made of, for a picture that opens them.
PARTS = {
    "sigmoid": lambda v: 1 / (1 + exp(-v)),
    "tanh": lambda v: (exp(v) - exp(-v)) / (exp(v) + exp(-v)),
    "softplus": lambda v: apply_op("log", 1 + exp(v)),
    "relu": lambda v: maximum(v, 0),
    "sub": lambda a, b: a + -b,
    "div": lambda a, b: a * apply_op("div", 1, b),
}


def written_out(
    builder: Builder,
    nodes: Sequence[Node],
    wanted: Sequence[int],
    leaf: Leaf,
    sizes: Mapping[Dim, int],
    named: Callable[[int, Array], Array] = lambda index, made: made,
) -> dict[int, Array]:
    """Adds to `builder` the single numbers of the nodes in `wanted`, which stand in order,
    and returns them by node.

    leaf    gives the numbers of an input, state, parameter or hyper-parameter
    named   is told of each node that is made, and returns what later nodes read in its place

    Raises NotYet for a function of a whole matrix.
    """
    made: dict[int, Array] = {}
    forms = {i: f for i in wanted if (f := idiom(nodes, i)) and f[0] in FORMS}
    for index in wanted:
        node = nodes[index]
        if node.op == "constant":
            made[index] = Array((), (builder.symbol(node.value),))
        elif node.op == "width":
            made[index] = Array((), (builder.symbol(float(size(node.value, dict(sizes)))),))
        elif node.is_leaf:
            made[index] = leaf(node)
        elif index in forms:
            form, argument = forms[index]
            made[index] = named(index, FORMS[form](made[argument]))
        else:
            made[index] = named(index, _made(node, [made[a] for a in node.args], builder))
    return made


def _made(node: Node, args: list[Array], builder: Builder) -> Array:
    special = SPECIAL.get(node.op)
    if special:
        return special(node, *args)
    if node.op in ("matrix_exp", "kron_left", "kron_right"):
        raise NotYet(
            f"{node.op} is a function of a whole matrix, and is not written out number by number yet. "
            "Work a cell without it by hand, or watch this one run: unrolled.watch."
        )
    return _each(node.op, args)


def _each(op: str, args: list[Array]) -> Array:
    """An elementwise primitive; a number meets every cell of the others."""
    if op in ("alias", "copy"):
        return args[0]
    widest = max(args, key=lambda a: len(a.shape))
    cells = [a.cells if a.shape else a.cells * len(widest.cells) for a in args]
    return Array(widest.shape, tuple(apply_op(op, *group) for group in zip(*cells)))


def added(terms: Sequence[Symbol]) -> Symbol:
    return reduce(lambda a, b: a + b, terms)


def _product(node: Node, matrix: Array, vector: Array) -> Array:
    return Array(matrix.shape[:1], tuple(_inner(row.cells, vector.cells) for row in matrix.rows()))


def _inner(left: Sequence[Symbol], right: Sequence[Symbol]) -> Symbol:
    """A sum of products, without those of a zero that only fills a matrix up."""
    pairs = [(a, b) for a, b in zip(left, right) if not _is_zero(a)] or list(zip(left, right))[:1]
    return added([a * b for a, b in pairs])


def _is_zero(symbol: Symbol) -> bool:
    node = symbol.builder.nodes[symbol.index]
    return node.op == "constant" and node.value == 0


def _joined(node: Node, *parts: Array) -> Array:
    cells = tuple(c for part in parts for c in part.cells)
    return Array((len(cells),), cells)


def _bilinear(node: Node, stack: Array, a: Array, b: Array) -> Array:
    def one(matrix: Array) -> Symbol:
        return added([w * a.cells[i] * b.cells[j] for w, (i, j) in zip(matrix.cells, matrix.places())])

    return Array(stack.shape[:1], tuple(one(matrix) for matrix in stack.rows()))


def _blocks(node: Node, stack: Array) -> Array:
    count, rows, columns = stack.shape
    zero = stack.cells[0].builder.symbol(0.0)
    cells = {(k * rows + i, k * columns + j): c for (k, i, j), c in zip(stack.places(), stack.cells)}
    shape = (count * rows, count * columns)
    return Array(shape, tuple(cells.get(place, zero) for place in Array(shape, ()).places()))


def _cumulated(node: Node, v: Array) -> Array:
    cells = [v.cells[0]]
    for cell in v.cells[1:]:
        cells.append(cells[-1] + cell)
    return Array(v.shape, tuple(cells))


def _kron(node: Node, a: Array, b: Array) -> Array:
    return Array((len(a.cells) * len(b.cells),), tuple(p * q for p in a.cells for q in b.cells))


def _softmax(v: Array) -> Array:
    """Without the shift by the largest, which cancels."""
    powers = [exp(c) for c in v.cells]
    whole = added(powers)
    return Array(v.shape, tuple(p / whole for p in powers))


def _columns(node: Node, matrix: Array) -> Array:
    columns = tuple(_softmax(column).cells for column in matrix.T.rows())
    return Array(matrix.T.shape, tuple(c for column in columns for c in column)).T


SPECIAL = {
    "product": _product,
    "product_t": lambda node, m, v: _product(node, m.T, v),
    "concat": _joined,
    "bilinear": _bilinear,
    "transpose": lambda node, m: m.T,
    "index": lambda node, stack: stack.rows()[node.value],
    "block_diagonal": _blocks,
    "sum": lambda node, v: Array((), (added(v.cells),)),
    "cumsum": _cumulated,
    "kron": _kron,
    "softmax_columns": _columns,
    "size": lambda node, v: Array((), (v.cells[0].builder.symbol(float(len(v.cells))),)),
    "largest": lambda node, v: Array((), (reduce(maximum, v.cells),)),
    "flat": lambda node, m: Array((m.shape[0], math.prod(m.shape[1:])), m.cells),
}
FORMS = {"softmax": _softmax, "norm": lambda v: Array((), (sqrt(added([c * c for c in v.cells])),))}
