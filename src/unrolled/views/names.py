"""What each value of a graph is called: the author's name, its number where he bound it
repeatedly, and its time step.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..graph.node import Graph, Node, Statement

NOW, BEFORE = "t", "t-1"
TIMES = {"input": NOW, "state": BEFORE}  # of a leaf
PRINTED = re.compile(r"(\w+?)(?:\((\d+)\))?(?:\[(t(?:-1)?)\])?")


class Called(NamedTuple):
    """The name of a value, for every notation to print: here as text, in `symbols` as LaTeX and as markup.

    >>> print(Called("s", 2, NOW), Called("W_f"), Called.read("h[t-1]").base)
    s(2)[t] W_f h
    """

    base: str
    number: int | None = None
    time: str | None = None

    @classmethod
    def read(cls, text: str) -> Called:
        """The parts of a printed name; other text is a base as a whole."""
        found = PRINTED.fullmatch(text)
        return cls(found[1], found[2] and int(found[2]), found[3]) if found else cls(text)

    @property
    def name(self) -> str:
        """Without the time: s(2)."""
        return self.base if self.number is None else f"{self.base}({self.number})"

    def __str__(self) -> str:
        return self.name if self.time is None else f"{self.name}[{self.time}]"


OUTPUT = Called("output", time=NOW)


def varies(graph: Graph) -> list[bool]:
    """Whether each node may differ from step to step: it rests on an input or a state."""
    found: list[bool] = []
    for node in graph.nodes:
        found.append(node.op in ("input", "state") or any(found[a] for a in node.args))
    return found


def leaf_name(node: Node) -> Called:
    """x[t], h[t-1], W."""
    return Called(str(node.value), time=TIMES.get(node.op))


def names_of(graph: Graph) -> dict[int, Called]:
    """Node -> what it is called: leaves, and what the author bound to a name.

    x[t] and h[t] belong to this step, h[t-1] is the state that the step found. A name that a loop
    binds repeatedly is numbered, s(1), s(2), ...; so is one that would be mistaken for an
    argument or for a new state.
    """
    moving = varies(graph)
    names = {n.index: leaf_name(n) for n in graph.nodes if n.is_leaf and n.op != "constant"}
    times = {s.name: max(o.count for o in graph.statements if o.name == s.name) for s in graph.statements}
    for s in graph.statements:
        number = s.count if times[s.name] > 1 or _mistakable(graph, s) else None
        names.setdefault(s.index, Called(s.name, number, NOW if moving[s.index] else None))
    return names


def timeless(called: Called, graph: Graph) -> Called:
    """A name, without the time step where there is none: in a net that has no state."""
    return called if graph.states else called._replace(time=None)


def _mistakable(graph: Graph, statement: Statement) -> bool:
    """Whether the bare name means something else: an input, a parameter, or a state
    whose new value is another.
    """
    if statement.name in graph.states:
        return graph.new_states[graph.states.index(statement.name)] != statement.index
    return statement.name in (*graph.inputs, *graph.parameters, *(name for name, _ in graph.hyper))


def results_of(graph: Graph) -> list[tuple[Called, int]]:
    """(name, node) of everything that leaves the step: the output unless it is the first
    state, then the new states.
    """
    states = [(Called(name, time=NOW), node) for name, node in zip(graph.states, graph.new_states)]
    if graph.states and graph.output == graph.new_states[0]:
        return states
    return [(OUTPUT, graph.output), *states]
