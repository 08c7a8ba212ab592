"""The graph of a worked net's single numbers: on each edge the value above, the
gradient below, as in deck 003.
"""

from __future__ import annotations

from html import escape
from pathlib import Path as File
from typing import TYPE_CHECKING

from ..graph.node import Node, needed
from ..ops import OPS
from ..views.diagram import GLYPHS, KINDS, DiagramPart
from ..views.drawing import draw
from ..views.neurons import Known, neurons_scene
from ..views.picture import Picture
from ..views.placed import placed
from ..views.rows import Sketch, Spot
from ..views.runs import Line, TextRun, line_width, lines_of
from ..views.scene import Outline, Piece, Point, Polyline, Scene, TextLine, edge_below
from ..views.shapes import Shape, shape_of
from .numbers import digits_now, shown
from .wires import Wires, wires_of

if TYPE_CHECKING:
    from .worked import Worked

DIGITS = 4  # where nobody says how many
SIGNIFICANT = 6  # digits of a weight on its line, at most
SIGNS = {"exp": "<I>e</I><SUP><I>x</I></SUP>", "neg": "× −1", "alias": "=", "log": "log", "mul": "×"}
SIZE, SMALLER, ROW = 13.0, 11.0, 14.0  # of numbers; of names and slopes; from line to line
END = "end"


def picture(
    worked: Worked,
    file: str | File | None,
    *,
    of: str | None,
    row: int,
    leaves: tuple[str, ...],
    opened: tuple[str, ...],
    theme: str,
) -> Picture:
    """See `Worked.picture`."""
    wires = wires_of(worked, of=of, row=row, leaves=leaves, opened=opened)
    title = f"The numbers of {wires.labels[wires.root]}, forward and backward"
    return Picture(draw(numbers_scene(wires), file, theme=theme, title=title))


def neurons(worked: Worked, file: str | File | None, theme: str) -> Picture:
    """The net as layers of circles, its weights' numbers on their lines."""
    return Picture(
        draw(neurons_of(worked), file, theme=theme, title=f"{worked.cell.name} as units and weights")
    )


def neurons_of(worked: Worked) -> Scene:
    """Widths, numbers and first indices are those of the worked net."""
    given = worked.given
    widths: dict[str, int] = {}
    for node in worked.cell.graph.nodes:
        arrays = {"parameter": given.parameters, "state": given.states}.get(node.op, {})
        found = arrays.get(node.value)
        if found is not None:
            widths |= {dim: n for dim, n in zip(node.shape or (), found.shape) if dim.isidentifier()}
    numbers = {
        name: array.of(_rounded).nested() for name, array in given.parameters.items() if len(array.shape) == 2
    }
    first = {name: start for name, start in worked.first.items() if isinstance(start, int)}
    return neurons_scene(worked.cell.graph, Known(widths, numbers, first))


def _rounded(value: float) -> float:
    return float(shown(value, digits_now(SIGNIFICANT)))


def numbers_scene(wires: Wires) -> Scene:
    """Numbers from left to right. The layered drawing has its rows from below to
    above; here they are turned.
    """
    nodes = [wires.nodes[i] for i in needed(wires.nodes, [wires.root])]
    nodes = [node for node in nodes if node.op != "constant"]
    shapes = {f"n{node.index}": _shape(wires, node) for node in nodes}
    spots: dict[str, Spot] = {}
    sources: dict[str, list[str]] = {}
    edges: dict[str, tuple[float, float]] = {}
    for node in nodes:
        key = f"n{node.index}"
        for a in dict.fromkeys(a for a in node.args if wires.nodes[a].op != "constant"):
            wire = f"w{a}_{node.index}"
            edges[wire] = wires.values[a], wires.back.get((node.index, a), 0.0)
            spots[wire], sources[wire] = _edge_spot(edges[wire]), [f"n{a}"]
            sources.setdefault(key, []).append(wire)
        spots[key] = _turned(shapes[key], wires, node)
    edges[f"w{END}"] = wires.values[wires.root], 1.0
    spots[f"w{END}"], sources[f"w{END}"] = _edge_spot(edges[f"w{END}"]), [f"n{wires.root}"]
    made = placed(Sketch(spots, sources))
    return _drawn(wires, shapes, edges, made)


def _drawn(wires: Wires, shapes: dict[str, Shape], edges: dict[str, tuple[float, float]], made) -> Scene:
    scene = Scene()
    at = {key: (-y, x) for key, (x, y) in made.at.items()}
    for source, target, points in sorted(made.lines, key=lambda line: line[0]):
        turned = [(-y, x) for x, y in points]
        if source in shapes:  # its name may be wider than its outline
            turned[0] = (at[source][0] + shapes[source].width / 2, turned[0][1])
        if target in shapes:
            turned[-1] = (_entered(shapes[target], at[target], turned[-1][1]), turned[-1][1])
        scene.add(Polyline(tuple(turned), arrow=target in shapes, net=source))
    for key, numbers in edges.items():
        scene.add(*_edge(at[key], spot_width(numbers), numbers, last=key == f"w{END}"))
    for key, shape in shapes.items():
        scene.add(*_node(shape, at[key], wires, int(key[1:])))
    left, _, right, bottom = scene.box
    words = ((TextRun("value above the line, "), TextRun("gradient below", colour="red_line")),)
    if wires.slopes:
        words += ((TextRun("below a box: its own slope, by which the gradient is multiplied", colour="soft"),),)
    for k, line in enumerate(words):
        scene.add(TextLine((left + right) / 2, bottom + 24 + 17 * k, line, SIZE))
    return scene


def _shape(wires: Wires, node: Node) -> Shape:
    """A number's outline with its sign, or a leaf's name."""
    label = wires.labels.get(node.index)
    if node.is_leaf:
        kind = "parameter" if wires.kinds.get(node.index) == "parameter" else "constant"
        return shape_of([DiagramPart(f"n{node.index}", kind, label.markup if label else "")])
    return shape_of([DiagramPart(f"n{node.index}", _kind(node.op), _sign(wires, node))])


def _turned(shape: Shape, wires: Wires, node: Node) -> Spot:
    """Room for a node with its name above it and its slope below it; across is up and down here."""
    spot = shape.spot
    above = ROW if not node.is_leaf and node.index in wires.labels else 0.0
    below = ROW if node.index in wires.slopes else 0.0
    wide = max([spot.left + spot.right, *(line_width(line, SMALLER) for line in _words(wires, node.index))])
    ordered = node.op in ("sub", "div") and len({a for a in node.args if wires.nodes[a].op != "constant"}) == 2
    half = shape.height / 2
    return Spot(half + above, half + below, wide, half * 0.55, (-6.0, 6.0) if ordered else ())


def _words(wires: Wires, index: int) -> list[Line]:
    """A node's name, and its slope."""
    found = []
    if not wires.nodes[index].is_leaf and index in wires.labels:
        found.append(lines_of(wires.labels[index].markup, "soft")[0])
    if index in wires.slopes:
        found.append((TextRun(f"× {_shown(wires.slopes[index])}", colour="red_line"),))
    return found


def _node(shape: Shape, place: Point, wires: Wires, index: int) -> list[Piece]:
    x, y = place
    found = shape.pieces(x, y)
    half = shape.height / 2
    for line in _words(wires, index):
        slope = line[0].colour == "red_line"
        found.append(TextLine(x, y + half + 11 if slope else y - half - 5, line, SMALLER))
    return found


def _entered(shape: Shape, place: Point, y: float) -> float:
    """The x at which a level line meets a shape from the left."""
    x, middle = place
    lying = Outline(shape.look.shape, middle, x, shape.height, shape.width)
    return 2 * x - edge_below(lying, y)


def spot_width(numbers: tuple[float, float]) -> float:
    """How much of a line lies between its two numbers."""
    return max(TextRun(_shown(n)).width(SIZE) for n in numbers) + 4


def _edge_spot(numbers: tuple[float, float]) -> Spot:
    return Spot(15.0, 15.0, spot_width(numbers))


def _edge(place: Point, wide: float, numbers: tuple[float, float], last: bool) -> list[Piece]:
    """A line between its value and its gradient."""
    x, y = place
    end = x + wide / 2 + (12 if last else 0)
    return [
        Polyline(((x - wide / 2, y), (end, y)), arrow=last),
        TextLine(x, y - 4, (TextRun(_shown(numbers[0])),), SIZE),
        TextLine(x, y + 12, (TextRun(_shown(numbers[1]), colour="red_line"),), SIZE),
    ]


def _kind(op: str) -> str:
    return "number" if op in ("neg", "alias") else "mul" if op == "mul" else KINDS.get(op, "function")


def _sign(wires: Wires, node: Node) -> str:
    """What the node does; a constant that it takes stands in it: 1 + x, 1/x."""
    numbers = [wires.nodes[a].value if wires.nodes[a].op == "constant" else None for a in node.args]
    row = OPS[node.op]
    if len(node.args) == 2 and node.args[0] == node.args[1] and node.op == "mul":
        return "<I>x</I><SUP>2</SUP>"
    if any(v is not None for v in numbers) and len(node.args) == 2 and row.text[:4] == "{0} ":
        parts = ["<I>x</I>" if v is None else shown(v, digits_now(DIGITS)) for v in numbers]
        sign = {"add": " + ", "sub": " − ", "mul": " × ", "div": "/"}.get(node.op, f" {row.text[4]} ")
        return escape(sign).join(parts)
    return SIGNS.get(node.op) or GLYPHS.get(node.op) or escape(node.op)


def _shown(value: float) -> str:
    text = shown(value, digits_now(DIGITS))
    digits, exponent, power = text.partition("e")
    return (
        f"{float(digits):.{max(1, digits_now(2) - 1)}f}e{int(power)}".replace("-", "−")
        if exponent
        else text.replace("-", "−")
    )
