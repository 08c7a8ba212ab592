"""A cell as a picture: its computational graph, a step or several equal ones side by
side, and the other views.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path as File
from types import MappingProxyType

from ..errors import UsageError
from ..graph.node import Graph
from .conveyor import conveyor_scene
from .drawing import draw
from .legend import legend
from .modes import modes_scene
from .network import rolled_scene, unrolled_scene
from .neurons import Known, neurons_scene
from .scene import Outline, Piece, Polyline, Scene, moved
from .step import PlacedStep, step_of

MOST_STEPS = 64
NARROWEST = 300.0  # for the legend


def graph_scene(graph: Graph, steps: int, parts: bool) -> Scene:
    """The computational graph of `steps` equal steps; time runs to the right."""
    step = step_of(graph, steps, parts)
    left, top, right, bottom = step.places.frame
    scene = Scene()
    pace = right - left + step.gap
    for number in range(steps):
        scene.add(*moved(_inside(step, number), pace * number, 0.0))
    _between(scene, step, steps, pace)
    _legend(scene, step, steps)
    return scene


def _inside(step: PlacedStep, number: int) -> list[Piece]:
    """The panel of one step: lines below shapes."""
    left, top, right, bottom = step.places.frame
    inner = [(k, x, y) for k, (x, y) in step.places.at.items() if not k.startswith("> ")]
    panel = Outline(
        "rounded", (left + right) / 2, (top + bottom) / 2, right - left, bottom - top, "panel", "frame", 1.0
    )
    found: list[Piece] = [panel]
    for source, target, points in sorted(step.places.lines, key=lambda line: line[0]):
        if target in step.shapes and target[0] != ">":
            x, y = points[-1][0], step.shapes[target].entered(*step.places.at[target], points[-1][0])
            points = (*points[:-1], (x, y))
        weight = source in step.shapes and step.shapes[source].part.kind == "parameter"
        found.append(
            Polyline(points, "weight" if weight else "line", arrow=target[0] != ">", dashed=weight, net=source)
        )
    for key, x, y in inner:
        found += step.shape(key, number).pieces(x, y)
    return found


def _between(scene: Scene, step: PlacedStep, steps: int, pace: float) -> None:
    """The states: what the first step finds, and what each one leaves behind."""
    left, _, right, _ = step.places.frame
    read = {source for source, _, _ in step.places.lines}
    for name in step.states:
        y = step.places.at[f"> {name}"][1]
        half = step.shapes[f"> {name}"].width / 2
        for number in range(steps + 1):
            middle = left - step.gap / 2 + pace * number
            if number:
                end = (right + pace * (number - 1), y)
                scene.add(Polyline((end, (middle - half, y)), arrow=True, net=name))
                scene.add(*step.shape(f"> {name}", number - 1).pieces(middle, y))
            elif name in read:
                scene.add(*step.shapes[name].pieces(middle, y))
            if number < steps and name in read:
                scene.add(Polyline(((middle + half, y), (left + pace * number, y)), net=name))


def _legend(scene: Scene, step: PlacedStep, steps: int) -> None:
    left, _, right, bottom = scene.box
    middle, half = (left + right) / 2, max(right - left, NARROWEST) / 2
    kinds = [shape.part.kind for shape in step.shapes.values()]
    words = "weights, the same in every step" if steps > 1 else "weights"
    weights = words if any(shape.part.weights for shape in step.shapes.values()) else ""
    scene.add(*legend(kinds, weights, middle - half, middle + half, bottom + 8.0))


VIEWS = ("graph", "unrolled", "rolled", "conveyor", "neurons", "modes")
UNROLLED, MOST_LAYERS = 4, 12


class Picture(str):
    """SVG text that a notebook shows as the picture that it is."""

    __slots__ = ()

    def _repr_svg_(self) -> str:
        return str(self)


def picture(
    graph: Graph,
    file: str | File | None = None,
    *,
    view: str = "graph",
    steps: int | None = None,
    layers: int = 1,
    parts: bool = False,
    theme: str = "auto",
    widths: Mapping[str, int] = MappingProxyType({}),
) -> Picture:
    """See `Cell.picture`."""
    _check(view, steps, layers, parts)
    scene = {
        "graph": lambda: graph_scene(graph, steps or 1, parts),
        "unrolled": lambda: unrolled_scene(graph, steps or UNROLLED, layers),
        "rolled": lambda: rolled_scene(graph, layers),
        "conveyor": lambda: conveyor_scene(graph),
        "neurons": lambda: neurons_scene(graph, Known(widths)),
        "modes": modes_scene,
    }[view]()
    return Picture(draw(scene, file, theme=theme, title=_title(graph, view, steps)))


def _title(graph: Graph, view: str, steps: int | None) -> str:
    said = {
        "graph": f"Computational graph of {graph.name}",
        "unrolled": f"{graph.name}, unrolled",
        "rolled": f"{graph.name} with its loop",
        "conveyor": f"{graph.name}: a state on its belt, and the gates",
        "neurons": f"{graph.name} as units and weights",
        "modes": "What recurrent nets are used for: one or many inputs, one or many outputs",
    }[view]
    return said + (f", {steps} steps" if steps and steps > 1 else "")


def _check(view: str, steps: int | None, layers: int, parts: bool) -> None:
    """Raises UsageError for a view that there is not, and for what does not belong to it."""
    if view not in VIEWS:
        raise UsageError(f"view={view!r} is not a view of a cell: choose one of {', '.join(VIEWS)}.")
    if steps is not None and (not isinstance(steps, int) or not 1 <= steps <= MOST_STEPS):
        raise UsageError(f"steps={steps!r}: a picture shows from 1 to {MOST_STEPS} steps, a whole number.")
    if not isinstance(layers, int) or not 1 <= layers <= MOST_LAYERS:
        raise UsageError(f"layers={layers!r}: a picture shows from 1 to {MOST_LAYERS} layers, a whole number.")
    for name, given, views in (
        ("steps", steps is not None, ("graph", "unrolled")),
        ("layers", layers != 1, ("unrolled", "rolled")),
        ("parts", parts, ("graph",)),
    ):
        if given and view not in views:
            said = " and ".join(f"view={v!r}" for v in views)
            raise UsageError(f"{name} belongs to {said}, and view={view!r} has none. Leave one of the two out.")
