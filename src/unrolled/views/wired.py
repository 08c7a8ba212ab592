"""A step's parts and what enters each, with states by their names: what a placed picture is made from.

A new state's own node is not a part here. Who reads it reads what made it, and the state leaves to the right.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..graph.node import Graph
from .diagram import Diagram, DiagramPart
from .names import results_of


@dataclass
class Wired:
    """One step.

    parts    key -> part; an old state's key is its name
    sources  key -> what enters it, with notes on what each is to it
    states   name of a state -> the key of what its new value is made by
    origins  key -> the part's key in the diagram; "> h" for the new value of h
    """

    parts: dict[str, DiagramPart]
    sources: dict[str, list[tuple[str, str]]]
    states: dict[str, str]
    origins: dict[str, str]

    def after(self, key: str) -> list[str]:
        """What a part enters."""
        return [target for target, found in self.sources.items() if any(s == key for s, _ in found)]

    def reached(self, key: str) -> set[str]:
        """Everything that rests on a part."""
        found: set[str] = set()
        todo = [key]
        while todo:
            fresh = [target for target in self.after(todo.pop()) if target not in found]
            found.update(fresh)
            todo += fresh
        return found

    def notes(self, key: str) -> list[str]:
        """What each of a part's sources is to it."""
        return [note for _, note in self.sources.get(key, ())]

    def entering(self, key: str) -> list[str]:
        """A part's sources."""
        return [source for source, _ in self.sources.get(key, ())]

    def inputs(self) -> list[str]:
        return [key for key, part in self.parts.items() if part.kind == "input"]

    def in_order(self, apart: Iterable[str] = ()) -> list[str]:
        """Sources before what they enter, without inputs, old states and what is `apart`."""
        outer = {*self.inputs(), *self.states, *apart}
        found: dict[str, None] = {}

        def visit(key: str) -> None:
            if key in self.parts and key not in found:
                for source in self.entering(key):
                    visit(source)
                found[key] = None

        for key in self.parts:
            visit(key)
        return [key for key in found if key not in outer]


def wired(graph: Graph, one: Diagram) -> Wired:
    """The diagram of a single step, wired."""
    first = len(results_of(graph)) - len(graph.states)
    new = {f"sresult{first + n}": name for n, name in enumerate(graph.states)}
    old = {
        key: str(graph.nodes[int(key.rpartition("n")[2])].value)
        for key, part in one.parts.items()
        if part.kind == "state" and not part.made
    }
    made_by = {wire.target: wire.source for wire in one.wires if wire.target in new}

    def source(key: str) -> str:
        while key in made_by:
            key = made_by[key]
        return old.get(key, key)

    sources: dict[str, list[tuple[str, str]]] = {}
    for wire in one.wires:
        if wire.target not in new:
            sources.setdefault(wire.target, []).append((source(wire.source), wire.note))
    origins = {old.get(key, key): key for key in one.parts if key not in new}
    parts = {key: one.parts[origin] for key, origin in origins.items()}
    origins |= {f"> {name}": key for key, name in new.items()}
    return Wired(parts, sources, {name: source(key) for key, name in new.items()}, origins)
