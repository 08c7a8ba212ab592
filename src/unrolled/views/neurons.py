"""A net as circles, one for each unit, layer beside layer, with a line for every weight.

The layers are the vectors between which matrices stand. What a state had in the step before is
a loop around its layer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..errors import UsageError
from ..graph.node import Graph, needed, size
from .names import OUTPUT, Called, leaf_name, names_of, results_of, timeless, varies
from .runs import Line, TextRun, line_width, lines_of
from .scene import Outline, Piece, Point, Polyline, Scene, TextLine
from .symbols import markup_name

RADIUS, PACE, APART = 17.0, 48.0, 128.0  # of a circle; from unit to unit; from layer to layer
NUMBERED = 1.35  # times as far apart where the weights' numbers stand on their lines
SIZE, SMALLER = 14.0, 12.0
DRAWN = 3  # units of a layer whose width nobody said
MOST = 12  # units of a layer, all drawn; of a wider one the first and the last
FEW = 4  # units of two layers, between which every weight's number has room
# Of the way from a unit, where a weight's number stands; the same by how many lines leave it.
PLACE, FAN = (0.26, 0.78)


@dataclass
class Enters:
    """What makes a layer of another one: matrices, how many units they reach, and whether
    the only one is transposed.
    """

    matrices: list[str]
    reached: int
    turned: bool | None = None


@dataclass
class NeuronLayer:
    """A vector: its name, its units, and by which matrices it is made of which vectors."""

    name: Called
    units: int
    enters: dict[Called, Enters] = field(default_factory=dict)  # by the name of the vector
    biases: list[str] = field(default_factory=list)
    loops: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Known:
    """What is known of a net besides its equations: widths by letter, matrices' numbers,
    and a name's first index.
    """

    widths: Mapping[str, int] = field(default_factory=dict)
    numbers: Mapping[str, Sequence] = field(default_factory=dict)
    first: Mapping[str, int] = field(default_factory=dict)


def neurons_scene(graph: Graph, known: Known = Known()) -> Scene:
    """Layers from left to right. Raises UsageError where no matrix stands between two vectors, and
    where layers are not a chain.
    """
    layers = layers_of(graph, known.widths)
    if len(layers) < 2:
        raise UsageError(
            f"view='neurons': no weight matrix of {graph.name} stands between two vectors. Use view='graph'."
        )
    for before, layer in zip([None, *layers], layers):
        if before and list(layer.enters) != [before.name]:
            raise UsageError(
                f"view='neurons': {graph.name} is not a chain of layers, each made of the one before. Use"
                " view='graph'."
            )
    wider = NUMBERED if known.numbers else 1.0
    tallest = max(len(_shown(layer.units)) for layer in layers)
    at = {}
    for k, layer in enumerate(layers):
        units = len(_shown(layer.units))
        at[layer.name] = [(wider * APART * k, wider * PACE * (n - (units - 1) / 2)) for n in range(units)]
    scene = Scene()
    for layer in layers:
        scene.add(*_lines(layer, at, known.numbers))
    low = wider * PACE * (tallest - 1) / 2
    for layer in layers:
        scene.add(*_units(graph, layer, at, low, known.first))
    return scene


def layers_of(graph: Graph, widths: Mapping[str, int]) -> list[NeuronLayer]:
    """The vectors that matrices read, and those that are made of their products, in the
    order in which they are made.
    """
    names, moving, results = names_of(graph), varies(graph), dict(results_of(graph))
    new = {index: name for name, index in results.items()}
    reads = [n for n in graph.nodes if n.op == "product" and not moving[n.args[0]] and moving[n.args[1]]]
    read = {n.args[1] for n in reads}
    called = {}
    for index in sorted(read | set(results.values())):
        name = new.get(index, names.get(index))
        called[index] = names.get(index, name) if name == OUTPUT else name
    made: dict[Called, NeuronLayer] = {}
    for node in graph.nodes:
        if node.op == "input" and node.index in read:
            made[names[node.index]] = NeuronLayer(names[node.index], _width(node.shape, widths))
    for index, name in called.items():
        node = graph.nodes[index]
        if node.is_leaf or not name:
            continue
        layer = NeuronLayer(name, _width(node.shape, widths))
        stop = {i for i in called if i != index and not graph.nodes[i].is_leaf}
        inner = set(needed(graph.nodes, [index], stop))
        for product in reads:
            if product.index in inner and product.args[1] in called:
                _enters(graph, layer, product, called, widths)
        layer.biases = [
            str(graph.nodes[i].value)
            for i in sorted(inner)
            if graph.nodes[i].op == "parameter" and len(graph.nodes[i].shape or ()) == 1
        ]
        if layer.enters or layer.loops:
            made[name] = layer
    return list(made.values())


def _enters(
    graph: Graph, layer: NeuronLayer, product, called: Mapping[int, Called | None], widths: Mapping[str, int]
) -> None:
    left = graph.nodes[product.args[0]]
    inner = [graph.nodes[i] for i in needed(graph.nodes, [left.index])]
    matrices = [str(node.value) for node in inner if node.op == "parameter"]
    source = graph.nodes[product.args[1]]
    if source.op == "state":
        layer.loops += matrices
        return
    name = called.get(source.index) or leaf_name(source)
    turned = {("parameter",): False, ("parameter", "transpose"): True}.get(tuple(node.op for node in inner))
    if name in layer.enters:
        layer.enters[name] = Enters([*layer.enters[name].matrices, *matrices], layer.enters[name].reached)
    else:
        layer.enters[name] = Enters(matrices, _width(product.shape, widths), turned)


def _width(shape, widths: Mapping[str, int]) -> int:
    return size(shape[0], defaultdict(lambda: DRAWN, widths)) if shape else 1


def _shown(units: int) -> list[int]:
    """The units that are drawn; 0 stands for the dots between them."""
    return list(range(1, units + 1)) if units <= MOST else [*range(1, 6), 0, units]


def _lines(
    layer: NeuronLayer, at: Mapping[Called, list[tuple[float, float]]], numbers: Mapping[str, Sequence]
) -> list[Piece]:
    """A line from every unit to every unit that a matrix reaches; a bias unit, the
    first, is reached by none.
    """
    found: list[Piece] = []
    for name, enters in layer.enters.items():
        ends = at[layer.name][-min(enters.reached, len(at[layer.name])) :]
        few = max(len(at[name]), len(ends)) <= FEW and enters.turned is not None
        matrix = numbers.get(enters.matrices[0]) if few else None
        # nearer, and numbers of one unit touch; farther, and those of the next do.
        place = min(PLACE, FAN / len(ends))
        for j, begun in enumerate(at[name]):
            for i, end in enumerate(ends):
                value = None if matrix is None else matrix[j][i] if enters.turned else matrix[i][j]
                found += _line(begun, end, value, place, f"{name} {layer.name}")
    return found


def _line(begun: Point, end: Point, value: float | None, place: float, net: str) -> list[Piece]:
    """From circle to circle; a weight's number stands in a gap of its line."""
    (x, y), (right, high) = begun, end
    long = ((right - x) ** 2 + (high - y) ** 2) ** 0.5
    ux, uy = (right - x) / long, (high - y) / long
    first, last = (x + ux * RADIUS, y + uy * RADIUS), (right - ux * RADIUS, high - uy * RADIUS)
    if value is None:
        return [Polyline((first, last), weight=0.9, net=net)]
    middle = (x + place * (right - x), y + place * (high - y))
    label = TextLine(middle[0], middle[1] + 4, (TextRun(f"{value:g}", colour="weight"),), SMALLER)
    half = min((label.width / 2 + 2) / max(abs(ux), 1e-9), 8.0 / max(abs(uy), 1e-9))
    before = (middle[0] - ux * half, middle[1] - uy * half)
    after = (middle[0] + ux * half, middle[1] + uy * half)
    return [Polyline((first, before), weight=0.9, net=net), label, Polyline((after, last), weight=0.9, net=net)]


def _units(graph: Graph, layer: NeuronLayer, at: Mapping, low: float, first: Mapping[str, int]) -> list[Piece]:
    """Circles with their names; above them the loop, below them the matrices."""
    colour = "blue" if layer.enters else "grey"
    places, found = at[layer.name], []
    begun = first.get(layer.name.name, 1)
    for unit, (x, y) in zip(_shown(layer.units), places):
        if unit:
            found.append(Outline("ellipse", x, y, 2 * RADIUS, 2 * RADIUS, colour, f"{colour}_line"))
        label = _unit(graph, layer.name, unit and str(unit + begun - 1))
        shrunk = min(SIZE, SIZE * (2 * RADIUS - 6) / max(line_width(label, SIZE), 1))
        found.append(TextLine(x, y + 0.33 * shrunk, label, shrunk))
    x, top = places[0]
    if layer.loops:
        y = top - RADIUS
        ways = ((x + 10, y + 3), (x + 10, y - 20), (x - 10, y - 20), (x - 10, y + 3))
        found += [Polyline(ways, arrow=True, radius=9), TextLine(x, y - 26, _names(layer.loops), SMALLER)]
    for name, enters in layer.enters.items():
        found.append(TextLine((x + at[name][0][0]) / 2, low + RADIUS + 24, _names(enters.matrices), SMALLER))
    if layer.biases:
        found.append(
            TextLine(x, low + RADIUS + 24, (TextRun("+ ", colour="soft"), *_names(layer.biases)), SMALLER)
        )
    return found


def _unit(graph: Graph, name: Called, unit: str | int) -> Line:
    if not unit:
        return (TextRun("⋮"),)
    return lines_of(markup_name(timeless(name, graph)._replace(base=f"{name.base}_{unit}")))[0]


def _names(names: list[str]) -> Line:
    """Up to three names; of more the first and the last."""
    names = list(dict.fromkeys(names))
    shown = names if len(names) <= 3 else [names[0], "…", names[-1]]
    line: list[TextRun] = []
    for k, name in enumerate(shown):
        line += [TextRun(", ", colour="weight")] * bool(k)
        line += [TextRun("…", colour="weight")] if name == "…" else lines_of(markup_name(name), "weight")[0]
    return tuple(line)
