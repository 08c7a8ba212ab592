"""One step of a cell with places: states from left to right on lines of their own, inputs below,
what is made of them above.

A picture of several steps is this step repeated, each time moved by its width.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..graph.node import Graph
from .diagram import Diagram, DiagramPart, diagram
from .placed import Placed, placed
from .rows import Sketch
from .shapes import Shape, shape_of
from .wired import Wired, wired


@dataclass(frozen=True)
class PlacedStep:
    """A step's places, the shapes of its parts, and their parts in every step that is drawn.

    shapes  key -> shape, with the texts of the time t
    states  names of the states, in order; a state is called so, and "> h" once it is new
    twins   key -> its part in each step; notes: what each of its sources is to it
    """

    places: Placed
    shapes: dict[str, Shape]
    states: tuple[str, ...]
    twins: dict[str, tuple[DiagramPart, ...]]
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


def step_of(graph: Graph, steps: int, parts: bool) -> PlacedStep:
    """One step of a picture of `steps` steps; labels have room for those of every step."""
    one = diagram(graph, parts=parts)
    all_of = diagram(graph, steps=steps, parts=parts) if steps > 1 else one
    made = wired(graph, one)
    twins = {key: tuple(_twins(origin, all_of, steps)) for key, origin in made.origins.items()}
    notes = {key: made.notes(key) for key in made.parts}
    shapes = {key: shape_of(twins[key], notes.get(key, ())) for key in made.origins}
    ends = [key for name in graph.states for key in (name, f"> {name}") if key in shapes]
    wide = max((shapes[key].width for key in ends), default=0.0)
    shapes |= {key: replace(shapes[key], width=wide) for key in ends}
    return PlacedStep(placed(_sketch(made, shapes)), shapes, graph.states, twins, notes)


def _twins(key: str, all_of: Diagram, steps: int) -> list[DiagramPart]:
    """A part as it is called in each step; weights are the same in all."""
    if steps == 1 or not key.startswith("s"):
        return [all_of.parts[key]]
    return [all_of.parts[f"s{k}{key[1:]}"] for k in range(1, steps + 1) if f"s{k}{key[1:]}" in all_of.parts]


def _sketch(made: Wired, shapes: dict[str, Shape]) -> Sketch:
    """States enter from the left and leave to the right, inputs enter from below, an output stands above."""
    inside = made.in_order()
    return Sketch(
        spots={key: shapes[key].spot for key in inside},
        sources={key: made.entering(key) for key in inside},
        below={key: shapes[key].spot for key in made.inputs()},
        left={name: shapes[name].spot for name in made.states if name in made.parts},
        right=made.states,
        top=tuple(key for key in inside if made.parts[key].made),
    )
