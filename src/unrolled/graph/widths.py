"""Every width follows from use: vectors added together are equally wide, a matrix is as
wide as what it multiplies.

Union-find over unknown widths. A class that ends with one letter has that width; with none it is H; with two,
the letters must be bound to the same number, and a `Clash` remembers the line that says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ..errors import CellError, quote
from ..ops import OPS
from .declared import Declared
from .node import Clash, Graph, Node, product_of, times
from .shape_rules import RULES, Place, Use, called, kind_of


@dataclass
class Widths:
    """Unknown widths are numbers, known ones letters; `up` is the union-find forest,
    `letters` what a class is called.
    """

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
        """The widths that a width is the sum of; itself where it is not a sum."""
        return self.sums.get(d, (d,)) if self.letters[d] is None else (d,)

    def within(self, d: int, whole: int) -> bool:
        """Whether `whole` is a sum that d is part of, so that they cannot be one."""
        return any(self.find(p) == d or self.within(d, self.find(p)) for p in self.sums.get(whole, ()))

    def check_sums(self) -> None:
        """The clashes of sums that were met before all of their parts were known."""
        for left, right, *where in self.later:
            pair = tuple("+".join(self.resolved(p) for p in side) for side in (left, right))
            if pair[0] != pair[1]:
                self.clashes.append((*pair, *where))

    def joined(self, parts: Sequence[int]) -> int:
        """The width of vectors set one behind the other."""
        whole = self.new()
        self.sums[whole] = tuple(parts)
        return whole

    def pairs(self, a: int, b: int) -> int:
        return self.new(product_of(self.resolved(a), self.resolved(b)))

    def times(self, count: int, d: int) -> int:
        return self.new(times(self.resolved(count), self.resolved(d)))

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
            else _result(Use(node, tuple(shapes[a] for a in node.args), widths, graph, place, declared))
        )
    _fit_states(graph, shapes, widths, declared, place)
    widths.check_sums()
    nodes = tuple(_known(n, s, shapes, widths) for n, s in zip(graph.nodes, shapes))
    clashes = tuple(_clash(graph, nodes, c, place) for c in widths.clashes)
    return replace(graph, nodes=nodes, clashes=clashes)


def _result(use: Use) -> tuple[int, ...]:
    """The shape of a primitive's value, after its rule has looked at its arguments."""
    rule = RULES[OPS[use.node.op].shape]
    rule.check(use)
    return rule.result(use.widths, *use.given)


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
                f"the state {state} {said} a {kind_of(shapes[leaf])}, and its new value {called(graph, new)} is"
                f" a {kind_of(shapes[new])}. {remedy}"
            )
            raise CellError(quote(graph.name, *place(new), message))
    if len(shapes[graph.output]) > 1:
        message = (
            f"the output {called(graph, graph.output)} is a {kind_of(shapes[graph.output])}, and a cell puts"
            " out a vector. Multiply it with a vector by @"
        )
        raise CellError(quote(graph.name, *place(graph.output), message))


def _known(node: Node, shape: tuple[int, ...], shapes: list, widths: Widths) -> Node:
    """The node with its shape in letters. How many units a vector has is its width, and
    needs no vector any more.
    """
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


def _clash(graph: Graph, nodes, found: tuple, place: Place) -> Clash:
    left, right, index, a, b = found
    line, text, column = place(index)
    first, second = graph.nodes[a], graph.nodes[b]
    if {first.op, second.op} & {"parameter"} and graph.nodes[index].op != "product":
        leaf, other = (first, b) if first.op == "parameter" else (second, a)
        here, there = (right, left) if leaf is first else (left, right)
        before = next((n.index for n in graph.nodes if leaf.index in n.args), index)
        message = (
            f"{leaf.value} is used for two widths: {{{here}}} here (with {called(graph, other)}), {{{there}}}"
            f" in line {place(before)[0]}. Give each its own, e.g. {leaf.value}_2."
        )
    else:
        remedy = (
            "Make the two numbers the same."
            if left.isdigit() and right.isdigit()
            else (
                f"Choose {left} = {right}, or bring one to the other's width with a weight, W @"
                f" {_bracketed(called(graph, a))}."
            )
        )
        message = (
            f"{called(graph, a)} is {{{left}}} wide and {called(graph, b)} {{{right}}}, and this line needs"
            " them equal. " + remedy
        )
    return Clash(left, right, index, message, line, text, column)


def _bracketed(text: str) -> str:
    return f"({text})" if " " in text else text
