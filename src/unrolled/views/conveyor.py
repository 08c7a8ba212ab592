"""A gated cell as Olah draws it (Understanding LSTM Networks, 2015): one state on a belt above, gates below it.

The belt is a state that reaches its new value through products and sums alone. What is made of it afterwards,
such as h = o * tanh(c), hangs at its end. A gate that sees the new state, as an output gate's peephole does
(Gers and Schmidhuber 2000), is entered by a line from the belt's end, which goes down and comes in from below.
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil

from ..errors import UsageError
from ..graph.node import Graph
from .diagram import DiagramPart, diagram
from .legend import legend
from .placed import placed
from .rows import Sketch
from .runs import lines_of
from .scene import Outline, Piece, Polyline, Scene, TextLine
from .shapes import Shape, shape_of
from .symbols import markup_name
from .wired import Wired, wired

CARRIES = ("mul", "add", "number")
SQUASHES = ("sigmoid", "tanh", "function", "over")
SEEN = "< belt"  # the new state where gates read it
ROOM, OUT = 38.0, 14.0  # from the end of the rows to what hangs there; from the frame to a state


def conveyor_scene(graph: Graph) -> Scene:
    """One step with its belt. Raises UsageError where no state has one, or where too much hangs at its end."""
    made = _contracted(graph)
    name, belt = _belt(graph, made)
    _peepholes(made, name, belt[-1])
    tail = _tail(graph, made, name, belt)
    return _Drawn(graph, made, name, belt, tail).scene()


def _contracted(graph: Graph) -> Wired:
    """A step in which a gate's sum and its squashing are one part."""
    made = wired(graph, diagram(graph))
    for key in [k for k, p in made.parts.items() if p.kind == "product"]:
        users = made.after(key)
        alone = len(users) == 1 and len(made.sources[users[0]]) == 1
        if alone and made.parts[users[0]].kind in SQUASHES:
            made.sources[users[0]] = [(source, "") for source, _ in made.sources.pop(key)]
            del made.parts[key]
    return made


def _belt(graph: Graph, made: Wired) -> tuple[str, list[str]]:
    """A state and the parts through which it goes, from its old value to its new one."""

    def back(key: str, state: str) -> list[str] | None:
        if key == state:
            return []
        if key in made.parts and made.parts[key].kind in CARRIES:
            notes = made.notes(key)
            first = 1 if any(notes) else None  # what is subtracted, or divided by, comes from below
            for source in made.entering(key)[:first] if len(notes) < 3 or not any(notes) else ():
                found = back(source, state)
                if found is not None:
                    return [*found, key]
        return None

    for state, key in made.states.items():
        found = back(key, state)
        if found:
            return state, found
    raise UsageError(
        f"view='conveyor': no state of {graph.name} is carried on by products and sums alone, so there is no"
        " belt. Use view='graph'."
    )


def _peepholes(made: Wired, name: str, end: str) -> None:
    """What is squashed after it has read the belt's end is part of a gate: it reads
    the new state from below.
    """
    users = made.after(end)
    gates = [u for u in users if any(made.parts[key].kind in SQUASHES for key in made.reached(u))]
    if 0 < len(gates) < len(users):
        made.parts[SEEN] = DiagramPart(SEEN, "input", markup_name(f"{name}[t]"))
        for key in gates:
            made.sources[key] = [(SEEN if s == end else s, note) for s, note in made.sources[key]]


def _tail(graph: Graph, made: Wired, name: str, belt: list[str]) -> list[str]:
    """What hangs at the belt's end, one thing after another."""
    tail, at = [], belt[-1]
    while users := [u for u in made.after(at) if u not in belt]:
        if len(users) > 1 or len(tail) > 3:
            raise _too_much(graph)
        at = users[0]
        tail.append(at)
    others = [s for key in tail for s in made.entering(key) if s not in tail and s != belt[-1]]
    inner = {u for key in belt[:-1] for u in made.after(key)} - set(belt)
    apart = any(part.made for part in made.parts.values())  # an output that is not a state
    if len(others) > 1 or inner or apart or (tail and at not in made.states.values()):
        raise _too_much(graph)
    return tail


def _too_much(graph: Graph) -> UsageError:
    return UsageError(
        f"view='conveyor': in {graph.name} more is made of the state on the belt than hangs at its end. Use"
        " view='graph'."
    )


class _Drawn:
    """The belt's places: rows below it from the layered drawing, the rest by hand."""

    def __init__(self, graph: Graph, made: Wired, name: str, belt: list[str], tail: list[str]):
        self.graph, self.made, self.name, self.belt, self.tail = graph, made, name, belt, tail
        self.shapes = {k: self._shape(k) for k in made.parts}
        self.gate = next(
            (s for key in tail for s in made.entering(key) if s not in tail and s != belt[-1]), None
        )
        self.tailed = next((s for s, key in made.states.items() if tail and key == tail[-1]), None)
        self.places = placed(self._sketch(0.0))
        if self.gate:  # what hangs between the belt and the gated product needs room
            need = sum(self.shapes[k].height + 18 for k in tail[: tail.index(self._last_gated())])
            need += self.shapes[self._last_gated()].height / 2 + 18
            have = self.places.at[f"> {self.tailed}"][1] - self.places.at[belt[0]][1]
            if have < need:
                self.places = placed(self._sketch(float(ceil(need - have))))

    def _shape(self, key: str) -> Shape:
        part, notes = self.made.parts[key], self.made.notes(key)
        if key not in self.belt:
            return shape_of([part], notes)
        label = "−" if part.kind == "add" and any(notes) else part.label
        return shape_of([replace(part, name="", label=label)])

    def _sketch(self, lift: float) -> Sketch:
        made = self.made
        inside = made.in_order(self.tail)
        carried = dict(zip(self.belt, [self.name, *self.belt]))
        sources = {k: [s for s in made.entering(k) if s != carried.get(k)] for k in inside}
        known = {*inside, *made.states, *made.inputs()} - {self.belt[-1]}
        right = {s: k for s, k in made.states.items() if s != self.name and k in known}
        if self.tailed and self.gate:
            right[self.tailed] = self.gate
        return Sketch(
            spots={k: self.shapes[k].spot for k in inside},
            sources=sources,
            below={k: self.shapes[k].spot for k in made.inputs()},
            left={s: self.shapes[s].spot for s in made.states if s in made.parts},
            right=right,
            belt=tuple(self.belt),
            carried=self.name,
            lift=lift,
        )

    def scene(self) -> Scene:
        scene, (left, top, right, bottom) = Scene(), self.places.frame
        self.height = self.places.at[self.belt[0]][1]
        self.hang = right + ROOM
        if SEEN in self.made.parts:  # its line goes down before what hangs there
            self.hang += max(self.shapes[key].width for key in self._hanging()[0] or self.tail) / 2
        across = sum(self.shapes[key].width + 16 for key in self._hanging()[1])
        self.left, self.edge = left, self.hang + ROOM + across if self.tail else right
        self.low = self.height + 62.0 * max(len(self.tail), 1)
        if self.gate:
            self.low = self.places.at[f"> {self.tailed}"][1]
        middle, high = (left + self.edge) / 2, (top + bottom) / 2
        scene.add(
            Outline("rounded", middle, high, self.edge - left, bottom - top, "panel", "frame", 1.0),
            *self._lines(),
            *self._tail_pieces(),
            *self._seen_pieces(right + OUT),
            *self._states(),
        )
        for key, (x, y) in self.places.at.items():
            if key[0] != ">":
                scene.add(*self.shapes[key].pieces(x, y))
            if key in self.belt and self.made.parts[key].name:  # beside it runs the belt
                line = lines_of(self.made.parts[key].name, "soft")[0]
                scene.add(TextLine(x, y - self.shapes[key].height / 2 - 5, line, 12.0))
        left, _, right, bottom = scene.box
        words = "gates weigh what enters them"
        scene.add(*legend([p.kind for p in self.made.parts.values()], words, left, right, bottom + 8.0))
        return scene

    def _lines(self) -> list[Piece]:
        """Lines of the rows; then the belt, thick."""
        found: list[Piece] = []
        for source, target, points in sorted(self.places.lines, key=lambda line: line[0]):
            if target[0] != ">":
                y = self.shapes[target].entered(*self.places.at[target], points[-1][0])
                points = (*points[:-1], (points[-1][0], y))
            elif self.gate and target == f"> {self.tailed}":
                points = (*points, (self.hang - self.shapes[self._last_gated()].width / 2, points[-1][1]))
            else:
                points = (*points, (self.edge + OUT, points[-1][1]))
            found.append(Polyline(points, arrow=True, net=source))
        out = self._wide(self.name) / 2
        ends = [self.left - OUT - out, *(self.places.at[key][0] for key in self.belt), self.edge + OUT + out]
        halves = [out, *(self.shapes[key].width / 2 for key in self.belt), out]
        for k in range(len(ends) - 1):
            begun, end = ends[k] + halves[k], ends[k + 1] - halves[k + 1]
            found.append(
                Polyline(((begun, self.height), (end, self.height)), weight=2.4, arrow=True, net=self.name)
            )
        return found

    def _last_gated(self) -> str:
        return next(k for k in self.tail if self.gate in self.made.entering(k))

    def _tail_pieces(self) -> list[Piece]:
        """What hangs at the belt's end: down to where a gate meets it, then out to the right."""
        found: list[Piece] = []
        down, across = self._hanging()
        at = self.height
        for k, key in enumerate(down):
            y = self.height + (self.low - self.height) * (k + 1) / len(down)
            shape = self.shapes[key]
            found.append(Polyline(((self.hang, at), (self.hang, y - shape.height / 2)), arrow=True, net="tail"))
            found += shape.pieces(self.hang, y)
            at = y + shape.height / 2
        if not down:
            return found
        begun = self.hang + self.shapes[down[-1]].width / 2
        for key in across:
            shape = self.shapes[key]
            middle = begun + 16 + shape.width / 2
            found.append(Polyline(((begun, self.low), (begun + 16, self.low)), arrow=True, net="tail"))
            found += shape.pieces(middle, self.low)
            begun = middle + shape.width / 2
        found.append(Polyline(((begun, self.low), (self.edge + OUT, self.low)), arrow=True, net="tail"))
        return found

    def _seen_pieces(self, beside: float) -> list[Piece]:
        """The line from the belt's end to the gates that read the new state: down, and in from below."""
        if SEEN not in self.made.parts:
            return []
        x, y = self.places.at[SEEN]
        shape, others = self.shapes[SEEN], [k for k in self.made.inputs() if k != SEEN]
        if all(self.places.at[k][0] < x for k in others):
            way = ((beside, y), (x + shape.width / 2, y))
        else:
            under = OUT + max(self.places.at[k][1] + self.shapes[k].height / 2 for k in (SEEN, *others))
            way = ((beside, under), (x, under), (x, y + shape.height / 2))
        return [Polyline(((beside, self.height), *way), arrow=True, net=SEEN)]

    def _hanging(self) -> tuple[list[str], list[str]]:
        """What hangs down, and what follows to the right of where a gate meets it."""
        if not self.gate:
            return self.tail, []
        cut = self.tail.index(self._last_gated()) + 1
        return self.tail[:cut], self.tail[cut:]

    def _wide(self, state: str) -> float:
        return max(self.shapes[state].width if state in self.shapes else 34.0, 34.0)

    def _states(self) -> list[Piece]:
        """Old ones at the left, at the heights of their lines; new ones at the right."""
        found: list[Piece] = []
        begun = {source: points[0][1] for source, _, points in self.places.lines}
        for state, key in self.made.states.items():
            out = OUT + self._wide(state) / 2
            old = self.height if state == self.name else begun.get(state)
            if old is not None and state in self.shapes:
                found += self.shapes[state].pieces(self.left - out, old)
                if state != self.name:
                    found.append(Polyline(((self.left - OUT, old), (self.left, old)), net=state))
            new = self.height if state == self.name else self.low
            if f"> {state}" in self.places.at:
                new = self.places.at[f"> {state}"][1]
            elif key == self.belt[-1] and state != self.name:
                found.append(
                    Polyline(
                        ((self.edge - 10, self.height), (self.edge - 10, new), (self.edge + OUT, new)),
                        arrow=True,
                    )
                )
            found += self._new(state).pieces(self.edge + out, new)
        return found

    def _new(self, state: str) -> Shape:
        """The shape of a state's new value."""
        label = markup_name(f"{state}[t]")
        shape = shape_of([DiagramPart(f"> {state}", "state", label)])
        return replace(shape, width=self._wide(state))
