"""One table of shape rules: what each kind of primitive asks of its arguments' shapes,
and which shape comes out.

A row of `ops.OPS` names its rule. `result` is read twice: with letters, where shapes are known
(`builder`), and with numbered unknown widths while they are found (`widths`). `check` is read only then,
where an author can be told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from ..errors import CellError, quote
from ..ops import CONDITIONS, OPS
from .declared import Declared
from .node import Graph, Node, needed, product_of, times

if TYPE_CHECKING:
    from .widths import Widths

Place = Callable[[int], tuple]  # node -> (line, text, column)


class Use(NamedTuple):
    """A primitive where it stands: what its rule may look at."""

    node: Node
    given: tuple[tuple[int, ...], ...]  # its arguments' shapes, in numbered widths
    widths: Widths
    graph: Graph
    place: Place
    declared: Declared

    def wrong(self, message: str) -> NoReturn:
        raise CellError(quote(self.graph.name, *self.place(self.node.index), message))

    def called(self, k: int) -> str:
        return called(self.graph, self.node.args[k])

    def same(self, left: int, right: int, a: int = 0, b: int = 1) -> None:
        """Two widths are one, say the arguments a and b."""
        self.widths.same(left, right, (self.node.index, self.node.args[a], self.node.args[b]))


class Letters:
    """How widths that are letters are put together."""

    def joined(self, parts: Sequence[str]) -> str:
        return "+".join(parts)

    pairs = staticmethod(product_of)
    times = staticmethod(times)


class ShapeRule(NamedTuple):
    """`check(use)` raises CellError; `result(widths, *shapes)` puts the result's shape together."""

    check: Callable[[Use], None]
    result: Callable[..., tuple]


def _product(use: Use) -> None:
    matrix, vector = use.given
    if len(matrix) != 2:
        use.wrong(f"{use.called(0)} stands left of @ and is not a matrix. {_product_remedy(use)}")
    if len(vector) != 1:
        use.wrong(f"{use.called(1)} stands right of @ and is not a vector. `@` is matrix times vector")
    use.same(matrix[0 if use.node.op == "product_t" else 1], vector[0])


def _product_remedy(use: Use) -> str:
    """What to write for `left @ right` where left is not a matrix."""
    left_node, weight = (use.graph.nodes[a] for a in use.node.args)
    left, right, rank = use.called(0), use.called(1), len(use.given[0])
    if rank == 0:
        return f"A number multiplies by *: {left} * {right}"
    if rank > 2:
        return f"Pick one matrix of the stack: {left}[0] @ {right}"
    if left_node.op == "product":
        return f"Python reads a @ b @ v from the left: write {left.replace(' @ ', ' @ (', 1)} @ {right})"
    if weight.op == "parameter" and len(use.declared.get(weight.value, "WU")) == 2:
        return f"Write the weight first: {right} @ {left}"
    return f"The product of two vectors is total({left} * {right})"


def _vectors(use: Use) -> None:
    if any(len(s) != 1 for s in use.given):
        use.wrong(f"{use.node.op} joins vectors only")


def _index(use: Use) -> None:
    if len(use.given[0]) >= 2:
        return
    name = use.called(0)
    remedy = (
        f"If {name} is a stack, say so: @cell(shapes={{{name!r}: ('2', 'H', 'H')}})"
        if use.graph.nodes[use.node.args[0]].op == "parameter"
        else f"For one unit multiply with a fixed vector that is 1 there and 0 elsewhere: total(e * {name})"
    )
    kind = kind_of(use.given[0])
    use.wrong(f"{name} is a {kind} and [{use.node.value}] picks one layer of a stack of weights. {remedy}")


OF_A_VECTOR = {
    "sum": "total sums",
    "largest": "largest picks from",
    "size": "mean averages",
    "cumsum": "cumsum runs along",
}


def _vector(use: Use) -> None:
    if len(use.given[0]) != 1:
        remedy = "Multiply a matrix with a vector by @ first" if use.given[0] else "Use it as it is"
        kind = kind_of(use.given[0])
        use.wrong(f"{OF_A_VECTOR[use.node.op]} a vector, and {use.called(0)} is a {kind}. {remedy}")


def _bilinear(use: Use) -> None:
    stack, *vectors = use.given
    if len(stack) != 3:
        use.wrong(
            f"bilinear takes a stack of matrices, (H, A, B), and two vectors, and {use.called(0)} is a"
            f" {kind_of(stack)}"
        )
    for k, vector in enumerate(vectors, 1):
        if len(vector) != 1:
            use.wrong(f"bilinear takes two vectors, and {use.called(k)} is a {kind_of(vector)}")
        use.same(stack[k], vector[0], 0, k)


def _of_parameters(use: Use) -> None:
    """What is worked out once per call rests on parameters alone."""
    nodes, op = use.graph.nodes, use.node.op
    moving = next(
        (nodes[i] for i in needed(nodes, use.node.args) if nodes[i].op in ("input", "state")),
        None,
    )
    if moving is not None:
        use.wrong(
            f"{op} is worked out once per call, from parameters alone, and {use.called(0)} rests on the "
            f"{moving.op} {moving.value}. Use parameters only inside {op}(...)"
        )


def _stack(use: Use) -> None:
    _of_parameters(use)
    if len(use.given[0]) != 3:
        use.wrong(f"{use.node.op} takes a stack of matrices, and {use.called(0)} is a {kind_of(use.given[0])}")


def _matrix(use: Use) -> None:
    _of_parameters(use)
    if len(use.given[0]) != 2:
        use.wrong(f"{use.node.op} takes a matrix, and {use.called(0)} is a {kind_of(use.given[0])}")


def _square(use: Use) -> None:
    _matrix(use)
    use.same(*use.given[0], 0, 0)


def _blocks(use: Use) -> None:
    _of_parameters(use)
    letters = [use.widths.letter(d) for d in use.given[0]]
    if len(letters) != 3 or None in letters or letters[1] != letters[2]:
        name = use.called(0)
        use.wrong(
            f"block_diagonal sets a stack of square blocks, and {name} is not one. Say that it is: "
            f"@cell(shapes={{{name!r}: ('heads', 'H/heads', 'H/heads')}}) with heads=4 among the keywords"
        )


def _elementwise(use: Use) -> None:
    if use.node.op in ("both", "either"):
        _conditions(use)
    wide = [(s, k) for k, s in enumerate(use.given) if s]
    for (left, a), (right, b) in zip(wide, wide[1:]):
        if len(left) != len(right):
            use.wrong(
                f"{use.called(a)} is a {kind_of(left)} and {use.called(b)} a {kind_of(right)}; "
                "multiply a matrix with a vector by @"
            )
        for d, e in zip(left, right):
            use.same(d, e, a, b)


def _conditions(use: Use) -> None:
    odd = next((k for k, a in enumerate(use.node.args) if not _is_condition(use.graph, a)), None)
    if odd is not None:
        sign = OPS[use.node.op].text[4]
        use.wrong(
            f"{use.called(odd)} stands beside {sign} and is not a condition. {sign} binds tighter than a"
            f" comparison: write (a < b) {sign} (c < d)"
        )


def _is_condition(graph: Graph, index: int) -> bool:
    """Whether a node is a comparison or made of such, so that & and | mean on tensors what they mean here."""
    node = graph.nodes[index]
    return _is_condition(graph, node.args[0]) if node.op == "alias" else node.op in (*CONDITIONS, "constant")


def _nothing(use: Use) -> None:
    """No author writes these: they are made by gradients and plans."""


def _longest(widths, *shapes: tuple) -> tuple:
    return max(shapes, key=len, default=())


MADE = ("spread", "part", "columns", "kron_left", "kron_right")  # whoever makes these says their shape

RULES: dict[str, ShapeRule] = {
    "same": ShapeRule(_elementwise, _longest),
    **dict.fromkeys(MADE, ShapeRule(_nothing, _longest)),
    "product": ShapeRule(_product, lambda widths, m, v: m[:1]),
    "product_t": ShapeRule(_product, lambda widths, m, v: m[1:]),
    "products_t": ShapeRule(_nothing, lambda widths, m, *more: m[1:]),
    "outer": ShapeRule(_nothing, lambda widths, a, b: (*a, *b)),
    "scalar": ShapeRule(_vector, lambda widths, v: ()),
    "along": ShapeRule(_vector, lambda widths, v: v),
    "concat": ShapeRule(_vectors, lambda widths, *parts: (widths.joined([p[0] for p in parts]),)),
    "transpose": ShapeRule(_nothing, lambda widths, m: m[::-1]),
    "index": ShapeRule(_index, lambda widths, stack: stack[1:]),
    "bilinear": ShapeRule(_bilinear, lambda widths, stack, a, b: stack[:1]),
    "kron": ShapeRule(_vectors, lambda widths, a, b: (widths.pairs(a[0], b[0]),)),
    "flat": ShapeRule(_stack, lambda widths, stack: (stack[0], widths.pairs(*stack[1:]))),
    "matrix": ShapeRule(_matrix, lambda widths, m: m),
    "square": ShapeRule(_square, lambda widths, m: m),
    "blocks": ShapeRule(_blocks, lambda widths, s: (widths.times(s[0], s[1]), widths.times(s[0], s[2]))),
}


def kind_of(shape: tuple) -> str:
    return ("number", "vector", "matrix", "stack of matrices")[min(len(shape), 3)]


def called(graph: Graph, index: int) -> str:
    """The author's name of a node, or a short spelling of it: its primitive with its arguments' names."""
    node = graph.nodes[index]
    if name := graph.name_of(index):
        return name
    if node.op == "constant":
        return f"{node.value:g}"
    inner = [called(graph, a) for a in node.args]
    return OPS[node.op].text.format(*inner, all=", ".join(inner), value=node.value)
