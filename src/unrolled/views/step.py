"""One step of a cell with places: states from left to right on lines of their own, inputs below, what is made of them above.

A picture of several steps is this step again and again, moved by its width.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..graph.node import Graph
from .diagram import Diagram, Part, diagram
from .names import results_of
from .placed import Placed, placed
from .rows import Sketch
from .shapes import Shape, shape_of


@dataclass(frozen=True)
class Step:
    """A step's places, the shapes of its parts, and their parts in every step that is drawn.

    shapes  key -> shape, with the texts of the time t
    states  names of the states, in order; their nodes are "> NAME"
    """

    places: Placed
    shapes: dict[str, Shape]
    states: tuple[str, ...]
    twins: dict[str, tuple[Part, ...]]
    notes: dict[str, list[str]]

    def shape(self, key: str, number: int) -> Shape:
        """A shape with the texts of step `number`, from 0 on; all have the same size."""
        shape, twins = self.shapes[key], self.twins[key]
        if len(twins) < 2:
            return shape
        own = shape_of([twins[number]], self.notes.get(key, ()))
        return replace(shape, lines=own.lines, beside=own.beside)

    @property
    def gap(self) -> float:
        """Room for a state between one step and the next."""
        wide = max((self.shapes[f"> {name}"].width for name in self.states), default=0.0)
        return wide + 2 * 14.0


def step_of(graph: Graph, steps: int, parts: bool) -> Step:
    """One step of a picture of `steps` steps; labels have room for those of every step."""
    one = diagram(graph, parts=parts)
    all_of = diagram(graph, steps=steps, parts=parts) if steps > 1 else one
    results = {f"sresult{n}": name for n, (name, _) in enumerate(results_of(graph))}
    first = len(results) - len(graph.states)
    new = {f"sresult{first + n}": name for n, name in enumerate(graph.states)}
    old = {
        key: _state_of(graph, key) for key, part in one.parts.items() if part.kind == "state" and not part.made
    }
    twins = {key: tuple(_twins(key, all_of, steps)) for key in one.parts}
    return _placed(graph, one, new, old, twins)


def _state_of(graph: Graph, key: str) -> str:
    return str(graph.nodes[int(key.rpartition("n")[2])].value)


def _twins(key: str, all_of: Diagram, steps: int) -> list[Part]:
    """A part as it is called in each step; weights are the same in all."""
    if steps == 1 or not key.startswith("s"):
        return [all_of.parts[key]]
    return [all_of.parts[f"s{k}{key[1:]}"] for k in range(1, steps + 1) if f"s{k}{key[1:]}" in all_of.parts]


def _placed(graph: Graph, one: Diagram, new: dict, old: dict, twins: dict) -> Step:
    """The sketch of a step: results that go on as states leave to the right, and others read what made them."""
    made_by = {w.target: w.source for w in one.wires if w.target in new}

    def source(key: str) -> str:
        while key in made_by:
            key = made_by[key]
        return old.get(key, key)

    wires: dict[str, list[tuple[str, str]]] = {}
    for wire in one.wires:
        if wire.target not in new:
            wires.setdefault(wire.target, []).append((source(wire.source), wire.note))
    notes = {key: [note for _, note in found] for key, found in wires.items()}
    shapes = {key: shape_of(twins[key], notes.get(key, ())) for key in one.parts}
    inside = _in_order(
        [k for k in one.parts if k not in new and k not in old and one.parts[k].kind != "input"], wires
    )
    sketch = Sketch(
        spots={key: shapes[key].spot for key in inside},
        sources={key: [s for s, _ in wires.get(key, ())] for key in inside},
        below={key: shapes[key].spot for key, part in one.parts.items() if part.kind == "input"},
        left={name: shapes[key].spot for key, name in old.items()},
        right={name: source(key) for key, name in new.items()},
        top=tuple(key for key in inside if one.parts[key].made),
    )
    wide = max((shapes[key].width for key in (*new, *old)), default=0.0)
    for names, before in ((new, "> "), (old, "")):  # a state is called by its name, and "> h" once it is new
        shapes |= {before + name: replace(shapes[key], width=wide) for key, name in names.items()}
        twins |= {before + name: twins[key] for key, name in names.items()}
    return Step(placed(sketch), shapes, graph.states, twins, notes)


def _in_order(keys: list[str], wires: dict[str, list[tuple[str, str]]]) -> list[str]:
    """Sources before what they enter."""
    found: dict[str, None] = {}

    def visit(key: str) -> None:
        if key in wanted and key not in found:
            for source, _ in wires.get(key, ()):
                visit(source)
            found[key] = None

    wanted = set(keys)
    for key in keys:
        visit(key)
    return list(found)
