"""A net as lecturers draw it: unrolled over time, layer above layer, or rolled up with its loop.

A box is the whole cell; inputs stand below, outputs above, time runs to the right, and
every step is drawn alike.
"""

from __future__ import annotations

from ..graph.node import Graph
from .facts import facts_of
from .names import BEFORE, Called, timeless
from .runs import TextRun, line_width, lines_of
from .scene import Outline, Piece, Polyline, Scene, TextLine
from .symbols import markup_name

SIZE, SMALLER = 15.0, 12.0
BETWEEN, TALL, RISE = 24.0, 46.0, 40.0  # of two states' lines; a box; from layer to layer
ROUND = 34.0


def unrolled_scene(graph: Graph, steps: int, layers: int) -> Scene:
    """`steps` equal steps of `layers` layers."""
    net = _Net(graph, layers)
    scene = Scene()
    for number in range(steps):
        x = number * net.pace
        scene.add(*net.column(x, str(number + 1), first=number == 0))
    net.words(scene, steps > 1)
    return scene


def rolled_scene(graph: Graph, layers: int) -> Scene:
    """One column whose states go back into it."""
    net = _Net(graph, layers)
    scene = Scene()
    scene.add(*net.column(0.0, None, first=False, loop=True))
    net.words(scene, False)
    return scene


class _Net:
    """Sizes of a net's column, and how it is drawn."""

    def __init__(self, graph: Graph, layers: int):
        self.graph, self.layers, self.facts = graph, layers, facts_of(graph)
        self.title = [(TextRun(word),) for word in titled(graph.name)]
        named = [
            self.line(s, "10", layers) for s in (*self.facts.states, *self.facts.inputs, self.facts.output)
        ]
        self.widest = max(line_width(line, SIZE) for line in named)
        self.box = max(64.0, max(line_width(line, SIZE) for line in self.title) + 20)
        self.tall = max(TALL, 18.0 * len(self.title) + 14, BETWEEN * len(self.facts.states) + 8)
        self.gap = max(self.widest + 22, 46.0) if self.facts.states else 30.0
        self.pace, self.lift = self.box + self.gap, self.tall + RISE

    def line(self, called: Called, step: str | None, layer: int = 1):
        """A name at a step; of several layers the layer's number stands above."""
        name = timeless(called, self.graph)
        if self.layers > 1 and layer and name.time:
            name = name._replace(number=layer)
        return lines_of(markup_name(name, step))[0]

    def column(self, x: float, step: str | None, *, first: bool, loop: bool = False) -> list[Piece]:
        """One step: lines, then what stands on them."""
        found: list[Piece] = []
        for layer in range(1, self.layers + 1):
            y = -self.lift * (layer - 1)
            below = RISE - 6 if layer == 1 else RISE
            found.append(Polyline(((x, y + self.tall / 2 + below), (x, y + self.tall / 2)), arrow=True))
            found += self._loops(x, y, layer) if loop else self._states(x, y, step, layer, first)
            found.append(
                Outline("rounded", x, y, self.box, self.tall, "blue", "blue_line", title=self.graph.name)
            )
            high = y - 9.0 * (len(self.title) - 1) + 0.33 * SIZE
            found += [TextLine(x, high + 18.0 * k, line, SIZE) for k, line in enumerate(self.title)]
        found += self._weights(x)
        return found + self._ends(x, step)

    def _ends(self, x: float, step: str | None) -> list[Piece]:
        """Inputs below, the output above."""
        low = self.tall / 2 + RISE - 6 + ROUND / 2
        high = -self.lift * (self.layers - 1) - self.tall / 2
        found: list[Piece] = [Polyline(((x, high), (x, high - RISE + 12)), arrow=True)]
        inputs = [self.line(name, step, 0) for name in self.facts.inputs]
        joined = inputs[0] + tuple(r for line in inputs[1:] for r in (TextRun(", "), *line))
        for y, line, weight in (
            (low, joined, 1.2),
            (high - RISE + 12 - ROUND / 2, self.line(self.facts.output, step, self.layers), 2.0),
        ):
            wide = max(ROUND, line_width(line, SIZE) + 16)
            found.append(Outline("ellipse", x, y, wide, ROUND, "grey", "grey_line", weight))
            found.append(TextLine(x, y + 0.33 * SIZE, line, SIZE))
        return found

    def _states(self, x: float, y: float, step: str | None, layer: int, first: bool) -> list[Piece]:
        """The states, each on its line, called by their names above it; the first
        step finds those of step 0.
        """
        found: list[Piece] = []
        for n, name in enumerate(self.facts.states):
            height = y + BETWEEN * (n - (len(self.facts.states) - 1) / 2) + 3
            right = x + self.box / 2
            starts = [(right, step)] + [(right - self.pace, "0")] * first
            for left, when in starts:
                begun = left if when != "0" else left + 12
                found.append(Polyline(((begun, height), (left + self.gap, height)), arrow=True))
                middle = (begun + left + self.gap - 6) / 2
                found.append(TextLine(middle, height - 6, self.line(name, when, layer), SMALLER))
                found += self._recurrent(middle, height + 14)
        return found

    def _loops(self, x: float, y: float, layer: int) -> list[Piece]:
        """Out to the right and back in: what is h[t] now is h[t-1] in the next step."""
        found: list[Piece] = []
        count, right = len(self.facts.states), x + self.box / 2
        labels = [self.line(name._replace(time=BEFORE), None, layer) for name in self.facts.states]
        wide = [line_width(label, SMALLER) for label in labels]
        for n, label in enumerate(labels):
            out = y - 7 - (self.tall / 2 - 11) * (count - n) / count if count > 1 else y - 11
            back = 2 * y - out
            reach = right + 18 + sum(wide[n:]) + 14 * (count - n)
            found.append(
                Polyline(((right, out), (reach, out), (reach, back), (right, back)), arrow=True, radius=9)
            )
            found.append(TextLine(reach - wide[n] / 2 - 6, y + 0.33 * SMALLER, label, SMALLER))
            found += self._recurrent(reach + 10, y + 0.33 * SMALLER)
        return found

    @property
    def _plain(self) -> bool:
        """Whether one matrix stands before the input and one before the state, so that
        arrows can carry their names.
        """
        alone = len(self.facts.from_input) == len(self.facts.from_state) == len(self.facts.states) == 1
        return alone and self.layers == 1

    def _weights(self, x: float) -> list[Piece]:
        """The input's matrix beside its arrow."""
        if not self._plain:
            return []
        line = lines_of(markup_name(self.facts.from_input[0]), "weight")[0]
        return [TextLine(x + 7, self.tall / 2 + (RISE - 6) / 2 + 6, line, SMALLER, "start")]

    def _recurrent(self, x: float, y: float) -> list[Piece]:
        """The state's matrix below its arrow."""
        if not self._plain:
            return []
        return [TextLine(x, y, lines_of(markup_name(self.facts.from_state[0]), "weight")[0], SMALLER)]

    def words(self, scene: Scene, several: bool) -> None:
        """What has to be said below."""
        left, _, right, bottom = scene.box
        said = "the same weights in every step" if several else ""
        if said:
            scene.add(TextLine((left + right) / 2, bottom + 20, (TextRun(said, colour="soft"),), 13.0))


def titled(name: str) -> list[str]:
    """A cell's name on lines of at most about ten letters."""
    lines: list[str] = []
    for word in name.split("_"):
        if lines and len(lines[-1]) + len(word) < 10:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
