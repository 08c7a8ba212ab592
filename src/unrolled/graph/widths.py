"""Every width follows from use: vectors added together are equally wide, a matrix is as wide as what it multiplies.

Union-find over unknown widths. A class that ends with one letter has that width; with none it is H; with two, the
letters must be bound to the same number, and a `Clash` remembers the line that says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ..errors import CellError, quote
from ..ops import CONDITIONS, OPS
from .declared import Declared
from .node import Clash, Graph, Node, needed, times

Place = Callable[[int], tuple]  # node -> (line, text, column)


@dataclass
class Widths:
    """Unknown widths are numbers, known ones letters; `up` is the union-find forest, `letters` what a class is called."""

    up: list[int] = field(default_factory=list)
    letters: list[str | None] = field(default_factory=list)
    sums: dict[int, tuple[int, ...]] = field(default_factory=dict)
    clashes: list[tuple[str, str, int, int, int]] = field(default_factory=list)
    later: list[tuple[tuple[int, ...], tuple[int, ...], int, int, int]] = field(default_factory=list)

    def new(self, letter: str | None = None) -> int:
        self.up.append(len(self.up))
        self.letters.append(letter)
        return len(self.up) - 1

    def find(self, d: int) -> int:
        while self.up[d] != d:
            self.up[d] = self.up[self.up[d]]
            d = self.up[d]
        return d

    def same(self, a: int, b: int, where: tuple[int, int, int]) -> None:
        """a and b are one width, says node where[0] of its arguments where[1] and where[2]."""
        a, b = self.find(a), self.find(b)
        if a == b:
            return
        left, right = self.letter(a), self.letter(b)
        if left and right and left != right:
            self.clashes.append((left, right, *where))
        elif a in self.sums or b in self.sums:  # of parts that may not be known yet
            self.later.append((self.parts(a), self.parts(b), *where))
        if self.within(a, b) or self.within(b, a):
            return
        keep, drop = (b, a) if right == "H" or not left else (a, b)
        self.up[drop] = keep
        if drop in self.sums:
            self.sums.setdefault(keep, self.sums[drop])

    def parts(self, d: int) -> tuple[int, ...]:
        """The widths that a width is the sum of; itself where it is none."""
        return self.sums.get(d, (d,)) if self.letters[d] is None else (d,)

    def within(self, d: int, whole: int) -> bool:
        """Whether `whole` is a sum that d is part of, so that they cannot be one."""
        return any(self.find(p) == d or self.within(d, self.find(p)) for p in self.sums.get(whole, ()))

    def settled(self) -> None:
        """The clashes of sums that were met before all of their parts were known."""
        for left, right, *where in self.later:
            pair = tuple("+".join(self.resolved(p) for p in side) for side in (left, right))
            if pair[0] != pair[1]:
                self.clashes.append((*pair, *where))

    def letter(self, d: int) -> str | None:
        d = self.find(d)
        if d in self.sums and self.letters[d] is None:
            parts = [self.letter(p) for p in self.sums[d]]
            return "+".join(parts) if all(parts) else None
        return self.letters[d]

    def resolved(self, d: int) -> str:
        d = self.find(d)
        if d in self.sums and self.letters[d] is None:
            return "+".join(self.resolved(p) for p in self.sums[d])
        return self.letters[d] or "H"


def infer(graph: Graph, declared: Declared, place: Place) -> Graph:
    """The same graph with every node's shape, and the clashes that binding numbers to letters could show."""
    widths = Widths()
    ranks = _ranks(graph, declared)
    shapes: list[tuple[int, ...]] = []
    for node in graph.nodes:
        shapes.append(
            _leaf_shape(node, widths, ranks, declared, graph)
            if node.is_leaf
            else _shape(node, shapes, widths, graph, place, declared)
        )
    _fit_states(graph, shapes, widths, declared, place)
    widths.settled()
    nodes = tuple(_known(n, s, shapes, widths) for n, s in zip(graph.nodes, shapes))
    clashes = tuple(_clash(graph, nodes, c, place) for c in widths.clashes)
    return replace(graph, nodes=nodes, clashes=clashes)


def _fit_states(graph: Graph, shapes: list, widths: Widths, declared: Declared, place: Place) -> None:
    """A state's new value has its shape, and what comes out is a number or a vector."""
    for state, new in zip(graph.states, graph.new_states):
        leaf = graph.leaf("state", state).index
        if len(shapes[new]) == len(shapes[leaf]) == 1:
            widths.same(shapes[leaf][0], shapes[new][0], (new, leaf, new))
        elif len(shapes[new]) != len(shapes[leaf]) or len(shapes[new]) > 1:
            said = "is declared" if state in declared else "is, for nothing is declared,"
            remedy = {
                0: f"Declare it a number: @cell(shapes={{{state!r}: ()}}), or return a vector",
                1: f"Take that out of shapes, so that {state} is a vector, or return a number",
            }.get(len(shapes[new]), "Multiply it with a vector by @")
            message = (
                f"the state {state} {said} a {_kind(shapes[leaf])}, and its new value {_called(graph, new)} is a "
                f"{_kind(shapes[new])}. {remedy}"
            )
            raise CellError(quote(graph.name, *place(new), message))
    if len(shapes[graph.output]) > 1:
        message = (
            f"the output {_called(graph, graph.output)} is a {_kind(shapes[graph.output])}, and a cell puts out a "
            "vector. Multiply it with a vector by @"
        )
        raise CellError(quote(graph.name, *place(graph.output), message))


def _known(node: Node, shape: tuple[int, ...], shapes: list, widths: Widths) -> Node:
    """The node with its shape in letters. How many units a vector has is its width, and needs no vector any more."""
    if node.op == "size":
        return Node(node.index, "width", (), widths.resolved(shapes[node.args[0]][0]), ())
    return replace(node, shape=tuple(widths.resolved(d) for d in shape))


def _ranks(graph: Graph, declared: Declared) -> dict[int, int]:
    """Rank of each undeclared parameter: a matrix where it (or what is made of it) multiplies from the left."""
    rank: dict[int, int] = {}
    for node in reversed(graph.nodes):
        if node.op in ("product", "product_t"):
            rank[node.args[0]] = 2
        elif node.index in rank and not node.is_leaf and OPS[node.op].shape != "scalar":
            deeper = rank[node.index] + (node.op in ("index", "block_diagonal"))
            for a in node.args:
                rank[a] = max(rank.get(a, 0), deeper)
        elif node.op == "bilinear":
            rank[node.args[0]] = 3
        elif node.op in ("matrix_exp", "softmax_columns"):
            rank[node.args[0]] = max(rank.get(node.args[0], 0), 2)
        elif node.op == "index":
            rank[node.args[0]] = max(rank.get(node.args[0], 0), 2)
    return rank


def _leaf_shape(node: Node, widths: Widths, ranks, declared: Declared, graph: Graph) -> tuple[int, ...]:
    if node.op in ("constant", "hyper", "width"):
        return ()
    if node.value in declared:
        return tuple(widths.new(str(letter)) for letter in declared[node.value])
    if node.op == "input":
        return (widths.new("I" if node.value == graph.inputs[0] else None),)
    if node.op == "state":
        return (widths.new("H"),)
    return tuple(widths.new() for _ in range(ranks.get(node.index, 1)))


def _shape(
    node: Node, shapes: list, widths: Widths, graph: Graph, place: Place, declared: Declared
) -> tuple[int, ...]:
    given = [shapes[a] for a in node.args]
    rule = OPS[node.op].shape

    def wrong(message: str):
        raise CellError(quote(graph.name, *place(node.index), message))

    if rule in ("product", "product_t"):
        matrix, vector = given if rule == "product" else (given[0][::-1], given[1])
        if len(matrix) != 2:
            left, remedy = _called(graph, node.args[0]), _product_remedy(graph, node, given, declared)
            wrong(f"{left} stands left of @ and is no matrix. {remedy}")
        if len(vector) != 1:
            wrong(
                f"{_called(graph, node.args[1])} stands right of @ and is no vector. `@` is matrix times vector"
            )
        widths.same(matrix[1], vector[0], (node.index, node.args[0], node.args[1]))
        return (matrix[0],)
    if rule == "concat":
        if any(len(s) != 1 for s in given):
            wrong("concat joins vectors only")
        whole = widths.new()
        widths.sums[whole] = tuple(s[0] for s in given)
        return (whole,)
    if rule == "transpose":
        return given[0][::-1]
    if rule == "index":
        if len(given[0]) < 2:
            name = _called(graph, node.args[0])
            remedy = (
                f"If {name} is a stack, say so: @cell(shapes={{{name!r}: ('2', 'H', 'H')}})"
                if graph.nodes[node.args[0]].op == "parameter"
                else f"For one unit multiply with a fixed vector that is 1 there and 0 elsewhere: total(e * {name})"
            )
            wrong(
                f"{name} is a {_kind(given[0])} and [{node.value}] picks one layer of a stack of weights. {remedy}"
            )
        return given[0][1:]
    if rule in ("scalar", "along"):
        if len(given[0]) != 1:
            remedy = "Multiply a matrix with a vector by @ first" if given[0] else "Use it as it is"
            wrong(
                f"{OF_A_VECTOR[node.op]} a vector, and {_called(graph, node.args[0])} is a {_kind(given[0])}. {remedy}"
            )
        return () if rule == "scalar" else given[0]
    if rule == "bilinear":
        return _bilinear(node, given, widths, wrong, graph)
    if OPS[node.op].once:
        return _of_parameters(node, given[0], widths, wrong, graph)
    return _elementwise(node, given, widths, wrong, graph)


def _product_remedy(graph: Graph, node: Node, given: list, declared: Declared) -> str:
    """What to write for `left @ right` where left is no matrix."""
    weight, rank = graph.nodes[node.args[1]], len(given[0])
    left, right = (_called(graph, a) for a in node.args)
    if rank == 0:
        return f"A number multiplies by *: {left} * {right}"
    if rank > 2:
        return f"Pick one matrix of the stack: {left}[0] @ {right}"
    if graph.nodes[node.args[0]].op == "product":
        return f"Python reads a @ b @ v from the left: write {left.replace(' @ ', ' @ (', 1)} @ {right})"
    if weight.op == "parameter" and len(declared.get(weight.value, "WU")) == 2:
        return f"Write the weight first: {right} @ {left}"
    return f"The product of two vectors is total({left} * {right})"


def _bilinear(node: Node, given: list, widths: Widths, wrong, graph: Graph) -> tuple[int, ...]:
    """One number for each matrix of a stack: as many as it is deep."""
    stack, *vectors = given
    name = _called(graph, node.args[0])
    if len(stack) != 3:
        wrong(f"bilinear takes a stack of matrices, (H, A, B), and two vectors, and {name} is a {_kind(stack)}")
    for k, (vector, a) in enumerate(zip(vectors, node.args[1:]), 1):
        if len(vector) != 1:
            wrong(f"bilinear takes two vectors, and {_called(graph, a)} is a {_kind(vector)}")
        widths.same(stack[k], vector[0], (node.index, node.args[0], a))
    return stack[:1]


def _of_parameters(node: Node, given: tuple[int, ...], widths: Widths, wrong, graph: Graph) -> tuple[int, ...]:
    """The shape of what is worked out once per call: functions of whole matrices."""
    name = _called(graph, node.args[0])
    moving = next(
        (graph.nodes[i] for i in needed(graph.nodes, node.args) if graph.nodes[i].op in ("input", "state")),
        None,
    )
    if moving is not None:
        wrong(
            f"{node.op} is worked out once per call, from parameters alone, and {name} rests on the {moving.op} {moving.value}. "
            f"Use parameters only inside {node.op}(...)"
        )
    if OPS[node.op].shape == "blocks":
        letters = [widths.letter(d) for d in given]
        if len(given) != 3 or None in letters or letters[1] != letters[2]:
            wrong(
                f"block_diagonal sets a stack of square blocks, and {name} is none. Say that it is: "
                f"@cell(shapes={{{name!r}: ('heads', 'H/heads', 'H/heads')}}) with heads=4 among the keywords"
            )
        whole = times(letters[0], letters[1])
        return widths.new(whole), widths.new(whole)
    if len(given) != 2:
        wrong(f"{node.op} takes a matrix, and {name} is a {_kind(given)}")
    if OPS[node.op].shape == "square":
        widths.same(*given, (node.index, node.args[0], node.args[0]))
    return given


def _elementwise(node, given, widths: Widths, wrong, graph: Graph) -> tuple[int, ...]:
    if node.op in ("both", "either"):
        odd = next((a for a in node.args if not _is_condition(graph, a)), None)
        if odd is not None:
            sign = OPS[node.op].text[4]
            wrong(
                f"{_called(graph, odd)} stands beside {sign} and is no condition. {sign} binds tighter than a comparison: "
                f"write (a < b) {sign} (c < d)"
            )
    wide = [(s, a) for s, a in zip(given, node.args) if s]
    for (left, a), (right, b) in zip(wide, wide[1:]):
        if len(left) != len(right):
            wrong(
                f"{_called(graph, a)} is a {_kind(left)} and {_called(graph, b)} a {_kind(right)}; "
                "multiply a matrix with a vector by @"
            )
        for d, e in zip(left, right):
            widths.same(d, e, (node.index, a, b))
    return wide[0][0] if wide else ()


def _is_condition(graph: Graph, index: int) -> bool:
    """Whether a node is a comparison or made of such, so that & and | mean on tensors what they mean here."""
    node = graph.nodes[index]
    return _is_condition(graph, node.args[0]) if node.op == "alias" else node.op in (*CONDITIONS, "constant")


OF_A_VECTOR = {
    "sum": "total sums",
    "largest": "largest picks from",
    "size": "mean averages",
    "cumsum": "cumsum runs along",
}


def _kind(shape: tuple) -> str:
    return ("number", "vector", "matrix", "stack of matrices")[min(len(shape), 3)]


def _called(graph: Graph, index: int) -> str:
    name = graph.name_of(index)
    if name:
        return name
    node = graph.nodes[index]
    if node.op == "constant":
        return f"{node.value:g}"
    return _text(graph, index)


def _text(graph: Graph, index: int) -> str:
    """A short spelling of an expression: its primitive with its arguments' names."""
    node = graph.nodes[index]
    inner = [_called(graph, a) for a in node.args]
    return OPS[node.op].text.format(*inner, all=", ".join(inner), value=node.value)


def _clash(graph: Graph, nodes, found: tuple, place: Place) -> Clash:
    left, right, index, a, b = found
    line, text, column = place(index)
    first, second = graph.nodes[a], graph.nodes[b]
    if {first.op, second.op} & {"parameter"} and graph.nodes[index].op != "product":
        leaf, other = (first, b) if first.op == "parameter" else (second, a)
        here, there = (right, left) if leaf is first else (left, right)
        before = next((n.index for n in graph.nodes if leaf.index in n.args), index)
        message = (
            f"{leaf.value} is used for two widths: {{{here}}} here (with {_called(graph, other)}), {{{there}}} in line "
            f"{place(before)[0]}. Give each its own, e.g. {leaf.value}_2."
        )
    else:
        remedy = (
            "Make the two numbers the same."
            if left.isdigit() and right.isdigit()
            else f"Choose {left} = {right}, or bring one to the other's width with a weight, W @ {_bracketed(_called(graph, a))}."
        )
        message = (
            f"{_called(graph, a)} is {{{left}}} wide and {_called(graph, b)} {{{right}}}, and this line needs them equal. "
            + remedy
        )
    return Clash(left, right, index, message, line, text, column)


def _bracketed(text: str) -> str:
    return f"({text})" if " " in text else text
