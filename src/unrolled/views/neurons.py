"""A net as circles, one for each unit, layer beside layer, with a line for every weight.

The layers are the vectors between which matrices stand. What a state had in the step before is a loop around its layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..errors import UsageError
from ..graph.node import Graph, needed
from .names import OUTPUT, names_of, results_of, timeless, varies
from .runs import Line, Run, line_width, lines_of
from .scene import Outline, Path, Piece, Scene, Text
from .symbols import markup_name

RADIUS, PACE, APART = 17.0, 48.0, 128.0  # of a circle; from unit to unit; from layer to layer
SIZE, SMALLER = 14.0, 12.0
DRAWN = 3  # units of a layer whose width nobody said
MOST = 12  # units of a layer, all drawn; of a wider one the first and the last


@dataclass
class Layer:
    """A vector: its printed name, its units, and by which matrices it is made of which vectors."""

    name: str
    units: int
    enters: dict[str, list[str]] = field(default_factory=dict)  # name of the vector -> matrices
    biases: list[str] = field(default_factory=list)
    loops: list[str] = field(default_factory=list)


def neurons_scene(graph: Graph, widths: Mapping[str, int]) -> Scene:
    """Layers from left to right. Raises UsageError where no matrix stands between two vectors, and where layers are no chain."""
    layers = layers_of(graph, widths)
    if len(layers) < 2:
        raise UsageError(
            f"view='neurons': no weight matrix of {graph.name} stands between two vectors. Use view='graph'."
        )
    columns = _columns(layers)
    place = {layer.name: k for k, column in enumerate(columns) for layer in column}
    skips = any(place[la.name] - place.get(name, 0) != 1 for la in layers for name in la.enters)
    if skips or any(len(column) > 1 for column in columns):
        raise UsageError(
            f"view='neurons': {graph.name} is no chain of layers, each made of the one before. Use view='graph'."
        )
    tallest = max(len(_shown(layer.units)) for layer in layers)
    scene = Scene()
    at = {}
    for k, layer in enumerate(layers):
        units = len(_shown(layer.units))
        at[layer.name] = [(APART * k, PACE * (n - (units - 1) / 2)) for n in range(units)]
    for layer in layers:
        scene.add(*_lines(layer, at))
    for layer in layers:
        scene.add(*_units(graph, layer, at[layer.name], PACE * (tallest - 1) / 2))
    return scene


def layers_of(graph: Graph, widths: Mapping[str, int]) -> list[Layer]:
    """The vectors that matrices read, and those that are made of their products, in the order in which they are made."""
    names, moving, results = names_of(graph), varies(graph), dict(results_of(graph))
    new = {index: name for name, index in results.items()}
    reads = [n for n in graph.nodes if n.op == "product" and not moving[n.args[0]] and moving[n.args[1]]]
    read = {n.args[1] for n in reads}
    called = {}
    for index in sorted(read | set(results.values())):
        name = new.get(index, names.get(index, ""))
        called[index] = names.get(index, name) if name == OUTPUT else name
    made: dict[str, Layer] = {}
    for node in graph.nodes:
        if node.op == "input" and node.index in read:
            made[names[node.index]] = Layer(names[node.index], _width(node.shape, widths))
    for index, name in called.items():
        node = graph.nodes[index]
        if node.is_leaf or not name:
            continue
        layer = Layer(name, _width(node.shape, widths))
        stop = {i for i in called if i != index and not graph.nodes[i].is_leaf}
        inner = set(needed(graph.nodes, [index], stop))
        for product in reads:
            if product.index in inner and product.args[1] in called:
                _enters(graph, layer, product, called)
        layer.biases = [
            str(graph.nodes[i].value)
            for i in sorted(inner)
            if graph.nodes[i].op == "parameter" and len(graph.nodes[i].shape or ()) == 1
        ]
        if layer.enters or layer.loops:
            made[name] = layer
    return list(made.values())


def _enters(graph: Graph, layer: Layer, product, called: Mapping[int, str]) -> None:
    matrices = [
        str(graph.nodes[i].value)
        for i in needed(graph.nodes, [product.args[0]])
        if graph.nodes[i].op == "parameter"
    ]
    source = graph.nodes[product.args[1]]
    if source.op == "state":
        layer.loops += matrices
    else:
        found = layer.enters.setdefault(called.get(product.args[1]) or f"{source.value}[t]", [])
        found += matrices


def _width(shape, widths: Mapping[str, int]) -> int:
    if not shape:
        return 1
    return int(shape[0]) if shape[0].isdigit() else widths.get(shape[0], DRAWN)


def _columns(layers: list[Layer]) -> list[list[Layer]]:
    """A layer stands one to the right of the last that enters it."""
    place: dict[str, int] = {}
    for layer in layers:
        place[layer.name] = 1 + max((place[name] for name in layer.enters if name in place), default=-1)
    return [[la for la in layers if place[la.name] == k] for k in range(max(place.values()) + 1)]


def _shown(units: int) -> list[int]:
    """The units that are drawn; 0 stands for the dots between them."""
    return list(range(1, units + 1)) if units <= MOST else [*range(1, 6), 0, units]


def _lines(layer: Layer, at: Mapping[str, list[tuple[float, float]]]) -> list[Piece]:
    """A line from every unit to every unit."""
    found: list[Piece] = []
    for name in layer.enters:
        for x, y in at.get(name, ()):
            for end, high in at[layer.name]:
                long = ((end - x) ** 2 + (high - y) ** 2) ** 0.5
                ux, uy = (end - x) / long * RADIUS, (high - y) / long * RADIUS
                found.append(
                    Path(((x + ux, y + uy), (end - ux, high - uy)), weight=0.9, net=f"{name} {layer.name}")
                )
    return found


def _units(graph: Graph, layer: Layer, places: list[tuple[float, float]], low: float) -> list[Piece]:
    """Circles with their names; above them the loop, below them the matrices."""
    colour = "blue" if layer.enters else "grey"
    found: list[Piece] = []
    for unit, (x, y) in zip(_shown(layer.units), places):
        if unit:
            found.append(Outline("ellipse", x, y, 2 * RADIUS, 2 * RADIUS, colour, f"{colour}_line"))
        label = _unit(graph, layer.name, unit)
        shrunk = min(SIZE, SIZE * (2 * RADIUS - 6) / max(line_width(label, SIZE), 1))
        found.append(Text(x, y + 0.33 * shrunk, label, shrunk))
    x, top = places[0]
    if layer.loops:
        y = top - RADIUS
        ways = ((x + 10, y + 3), (x + 10, y - 20), (x - 10, y - 20), (x - 10, y + 3))
        found += [Path(ways, arrow=True, radius=9), Text(x, y - 26, _names(layer.loops), SMALLER)]
    for k, (name, matrices) in enumerate(layer.enters.items()):
        found.append(Text(x - APART / 2, low + RADIUS + 24 + 16 * k, _names(matrices), SMALLER))
    if layer.biases:
        found.append(Text(x, low + RADIUS + 24, (Run("+ ", colour="soft"), *_names(layer.biases)), SMALLER))
    return found


def _unit(graph: Graph, name: str, unit: int) -> Line:
    if not unit:
        return (Run("⋮"),)
    base, bracket, time = timeless(name, graph).partition("[")
    return lines_of(markup_name(f"{base}_{unit}{bracket}{time}"))[0]


def _names(names: list[str]) -> Line:
    """Up to three names; of more the first and the last."""
    names = list(dict.fromkeys(names))
    shown = names if len(names) <= 3 else [names[0], "…", names[-1]]
    line: list[Run] = []
    for k, name in enumerate(shown):
        line += [Run(", ", colour="weight")] * bool(k)
        line += [Run("…", colour="weight")] if name == "…" else lines_of(markup_name(name), "weight")[0]
    return tuple(line)
