"""The graph of one time step: numbered nodes, immutable once built.

Identity of nodes carries the meaning, names are for reading: `c = f * c + i * g` has two nodes called c.
Nodes are numbered in the order in which the author's lines made them, so two processes get the same graph.
"""

from __future__ import annotations

import math
import re
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

from ..errors import ShapeError, quote
from ..ops import LEAVES

Dim = str  # "H", "I", "3", "H+I", "H/4", "A*B"
Shape = tuple[Dim, ...]  # () a number, (H,) a vector, (H, I) a matrix


@dataclass(frozen=True)
class Node:
    """One value: a leaf (input, state, parameter, hyper, constant, width) or a primitive of `ops.OPS`
    applied to earlier nodes.
    """

    index: int
    op: str
    args: tuple[int, ...] = ()
    value: object = None  # a leaf's name, a constant's number, which layer of a stack, which columns
    shape: Shape | None = None

    @property
    def is_leaf(self) -> bool:
        return self.op in LEAVES


@dataclass(frozen=True)
class Statement:
    """One line of the author's: `name` was bound to node `index`; `count` tells repeated
    names apart (1, 2, ...).
    """

    name: str
    index: int
    line: int | None = None
    comment: str | None = None
    count: int = 1


@dataclass(frozen=True)
class Clash:
    """Two widths that node `index` makes equal: bound to different numbers they are an error there."""

    left: Dim
    right: Dim
    index: int
    message: str  # with {left} and {right} for the numbers
    line: int | None = None
    text: str | None = None
    column: int | None = None


@dataclass(frozen=True)
class Graph:
    """A cell's equations as data.

    `outputs` is the output's node and `new_states` the states' nodes in order; `leaves`
    maps (kind, name) to nodes.
    """

    name: str
    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    states: tuple[str, ...]
    parameters: tuple[str, ...]
    hyper: tuple[tuple[str, float], ...]
    output: int
    new_states: tuple[int, ...]
    statements: tuple[Statement, ...] = ()
    clashes: tuple[Clash, ...] = ()

    def __hash__(self) -> int:
        return hash((self.name, len(self.nodes), self.hyper))  # cheap: looked up at every call of a layer

    def leaf(self, kind: str, name: str) -> Node | None:
        """The leaf of that kind and name; None where the equations never use it."""
        # torch 2.8 compiles no next(..., None).
        found = [n for n in self.nodes if n.op == kind and n.value == name]
        return found[0] if found else None

    def shape(self, kind: str, name: str) -> Shape:
        node = self.leaf(kind, name)
        return ("H",) if node is None or node.shape is None else node.shape

    def name_of(self, index: int) -> str | None:
        """The author's name of a node, with (2) for the second value of that name."""
        for s in self.statements:
            if s.index == index:
                return s.name if s.count == 1 else f"{s.name}({s.count})"
        node = self.nodes[index]
        return str(node.value) if node.is_leaf and node.op != "constant" else None

    @property
    def dims(self) -> tuple[Dim, ...]:
        """Every width letter in use, in order of appearance."""
        found: dict[Dim, None] = {}
        for node in self.nodes:
            for dim in node.shape or ():
                found |= dict.fromkeys(letters_of(dim))
        return tuple(found)


def size(dim: Dim, sizes: dict[str, int]) -> int:
    """The number a width stands for: size("H+I", {"H": 3, "I": 2}) == 5, size("H/2", {"H": 6}) == 3.

    Raises ShapeError where a width is not a multiple of what it is divided by.
    """
    if "+" in dim:
        return sum(size(part, sizes) for part in dim.split("+"))
    if "*" in dim:
        return math.prod(size(part, sizes) for part in dim.split("*"))
    whole, _, divisor = dim.partition("/")
    number, parts = int(whole) if whole.isdigit() else sizes[whole], int(divisor or 1)
    if number % parts:
        raise ShapeError(
            f"{SAID.get(whole, whole)}={number} is not a multiple of {parts}, and the cell has a width {dim}."
            f" Choose {SAID.get(whole, whole)}={max(1, number // parts) * parts} or"
            f" {(number // parts + 1) * parts}."
        )
    return number // parts


def product_of(a: Dim, b: Dim) -> Dim:
    """As many as there are pairs: product_of("H", "I") == "H*I"."""
    return "+".join(f"{left}*{right}" for left in a.split("+") for right in b.split("+"))


def times(count: Dim, dim: Dim) -> Dim:
    """So many times a width: times("4", "H/4") == "H", times("4", "H") == "4*H"."""
    if count.isdigit() and dim.isdigit():
        return str(int(count) * int(dim))
    return dim.removesuffix(f"/{count}") if count == "1" or dim.endswith(f"/{count}") else f"{count}*{dim}"


SAID = {"H": "hidden_size", "I": "input_size"}


def letters_of(dim: Dim) -> list[str]:
    """The letters in a width: ["H", "I"] in "H+I", ["H"] in "H/4", none in "3"."""
    return [part for part in re.split(r"[+*/]", dim) if not part.isdigit()]


def quote_clash(graph: Graph, clash: Clash, left: int, right: int) -> str:
    """The message for two widths that an equation needs equal and that were bound to different numbers."""
    message = clash.message.replace(f"{{{clash.left}}}", str(left)).replace(f"{{{clash.right}}}", str(right))
    return quote(graph.name, clash.line, clash.text, clash.column, message)


def needed(nodes: Sequence[Node], roots: Iterable[int], ends: Container[int] = ()) -> list[int]:
    """Every node that the roots rest on, roots included, in order of number; what `ends`
    rest on is not looked at.
    """
    found, todo = set(), list(roots)
    while todo:
        index = todo.pop()
        if index not in found:
            found.add(index)
            todo.extend(() if index in ends else nodes[index].args)
    return sorted(found)
