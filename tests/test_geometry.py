"""Where things stand in a picture, computed for every cell: nothing runs through a label, all steps
are alike, all is inside.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

import pytest

from unrolled import Cell, cell, sigmoid
from unrolled.byhand.examples import EXAMPLES
from unrolled.byhand.picture import neurons_of, numbers_scene
from unrolled.byhand.wires import wires_of
from unrolled.cells import REGISTRY
from unrolled.errors import UsageError
from unrolled.views.conveyor import conveyor_scene
from unrolled.views.flow_scene import flow_scene
from unrolled.views.modes import modes_scene
from unrolled.views.network import rolled_scene, unrolled_scene
from unrolled.views.neurons import Known, neurons_scene
from unrolled.views.picture import graph_scene
from unrolled.views.placed import placed
from unrolled.views.rows import Sketch, Spot
from unrolled.views.runs import lines_of, places
from unrolled.views.scene import Outline, Polyline, Scene, TextLine, extent
from unrolled.views.svg import svg_text

SCENES = {
    "graph": lambda graph: graph_scene(graph, 1, False),
    "parts": lambda graph: graph_scene(graph, 1, True),
    "unrolled": lambda graph: unrolled_scene(graph, 3, 2),
    "rolled": lambda graph: rolled_scene(graph, 1),
    "conveyor": conveyor_scene,
    "neurons": lambda graph: neurons_scene(graph),
}
WITHOUT = ("conveyor", "neurons")  # views that a cell may not have
SLACK = 0.6  # points: half a pen


def words(text: TextLine) -> str:
    return "".join(run.text for run in text.line)


def shapes(scene: Scene) -> list[Outline]:
    """All but the panel behind a step."""
    return [p for p in scene.pieces if isinstance(p, Outline) and p.fill != "panel"]


def segments(scene: Scene):
    for path in scene.pieces:
        if isinstance(path, Polyline):
            yield from ((path.net, a, b) for a, b in zip(path.points, path.points[1:]))


def inside(a, b, box) -> float:
    """How much of the way from a to b lies within a box (Liang and Barsky 1984)."""
    first, last = 0.0, 1.0
    for k in (0, 1):
        way, low, high = b[k] - a[k], box[k] + SLACK - a[k], box[k + 2] - SLACK - a[k]
        if abs(way) < 1e-9:
            if low > 0 or high < 0:
                return 0.0
            continue
        ends = sorted((low / way, high / way))
        first, last = max(first, ends[0]), min(last, ends[1])
    return max(last - first, 0.0) * ((b[0] - a[0]) ** 2 + (b[1] - a[1]) ** 2) ** 0.5


def crossed(scene: Scene) -> list[str]:
    """Labels and boxes that a line runs through. Into what is not a rectangle a line
    may go as far as its edge.
    """
    boxes = [(words(p), p.box, 0.0) for p in scene.pieces if isinstance(p, TextLine)]
    rounds = {"ellipse": 0.5, "diamond": 0.6, "hexagon": 0.3, "octagon": 0.3}
    for shape in shapes(scene):
        corner = rounds.get(shape.kind, 0.0) * min(shape.width, shape.height)
        boxes.append((f"{shape.kind} at {shape.x:.0f}, {shape.y:.0f}", shape.box, corner))
    boxes.sort(key=lambda named: named[1][0])
    found = []
    for net, a, b in segments(scene):
        left, right, top, bottom = min(a[0], b[0]), max(a[0], b[0]), min(a[1], b[1]), max(a[1], b[1])
        for name, box, corner in boxes:
            if box[0] > right:
                break
            near = box[2] > left and box[3] > top and box[1] < bottom
            if near and inside(a, b, box) > corner + 0.5:
                found.append(f"{net}: {a} to {b} through {name}")
    return found


def overlapping(boxes: list[tuple]) -> list[str]:
    """Pairs of names whose boxes share more than a hair."""
    boxes, found = sorted(boxes, key=lambda named: named[1][0]), []
    for n, (one, a) in enumerate(boxes):
        for other, b in boxes[n + 1 :]:
            if b[0] > a[2]:
                break
            if min(min(a[2], b[2]) - b[0], min(a[3], b[3]) - max(a[1], b[1])) > 2.0:
                found.append(f"{one} and {other}")
    return found


def doubled(scene: Scene) -> list[str]:
    """Pieces of two sources' lines that lie on each other."""
    found, upright = [], {}
    for net, a, b in segments(scene):
        for k in (0, 1):
            if abs(a[k] - b[k]) < 0.01:
                upright.setdefault(k, []).append((net, a[k], *sorted((a[1 - k], b[1 - k]))))
    for lines in upright.values():
        lines.sort(key=lambda line: line[1])
        for n, (net, at, low, high) in enumerate(lines):
            for other, place, begun, end in lines[n + 1 :]:
                if place - at > 1.0:
                    break
                if net != other and min(high, end) - max(low, begun) > 1.0:
                    found.append(f"{net} and {other} at {at:.1f}")
    return found


@cache
def three_steps(name: str) -> Scene:
    return graph_scene(REGISTRY[name].graph, 3, False)


@cache
def drawn(name: str, view: str) -> Scene | None:
    try:
        return SCENES[view](REGISTRY[name].graph)
    except UsageError:
        assert view in WITHOUT
        return None


@pytest.mark.parametrize("view", SCENES)
def test_no_line_runs_through_a_label_or_a_box(view):
    wrong = {name: crossed(scene) for name in REGISTRY if (scene := drawn(name, view))}
    assert not {name: found[:2] for name, found in wrong.items() if found}


@pytest.mark.parametrize("view", ["graph", "parts", "conveyor"])
def test_lines_of_two_sources_never_lie_on_each_other(view):
    wrong = {name: doubled(scene) for name in REGISTRY if (scene := drawn(name, view))}
    assert not {name: found[:2] for name, found in wrong.items() if found}


@pytest.mark.parametrize("view", SCENES)
def test_labels_stay_apart_and_boxes_too(view):
    wrong = {}
    for name in REGISTRY:
        if scene := drawn(name, view):
            texts = [(words(p), p.box) for p in scene.pieces if isinstance(p, TextLine)]
            boxes = [(f"{s.kind} at {s.x:.0f}, {s.y:.0f}", s.box) for s in shapes(scene) if s.width > 10]
            wrong[name] = overlapping(texts) + overlapping(boxes)
    assert not {name: found[:2] for name, found in wrong.items() if found}


@pytest.mark.parametrize("view", SCENES)
def test_nothing_is_outside_the_view_box(view):
    for name in REGISTRY:
        if not (scene := drawn(name, view)):
            continue
        left, top, wide, tall = map(float, re.search(r'viewBox="([^"]*)"', svg_text(scene))[1].split())
        for piece in scene.pieces:
            a, b, c, d = extent(piece)
            assert left <= a and top <= b and c <= left + wide and d <= top + tall, (name, piece)


@pytest.mark.parametrize("name", REGISTRY)
def test_steps_are_drawn_alike(name):
    """The boxes of step k, moved to the right by one pace, are those of step k + 1; so are the lines."""
    scene = three_steps(name)
    panels = [p for p in scene.pieces if isinstance(p, Outline) and p.fill == "panel"]
    assert len(panels) == 3 and len({(p.y, p.width, p.height) for p in panels}) == 1
    pace = panels[1].x - panels[0].x
    assert panels[2].x - panels[1].x == pytest.approx(pace)

    def of(step: int) -> Counter:
        left, _, right, _ = panels[step].box
        found = Counter()
        for piece in scene.pieces:
            a, _, c, _ = extent(piece)
            chip = isinstance(piece, Outline) and piece.weight == 1.0  # of the legend
            if left - 1 <= a and c <= right + 1 and isinstance(piece, (Outline, Polyline)) and not chip:
                places = (
                    piece.points
                    if isinstance(piece, Polyline)
                    else [(piece.x, piece.y), (piece.width, piece.height)]
                )
                kept = places if isinstance(piece, Polyline) else places[:1]
                moved = [(round(x - pace * step, 2), round(y, 2)) for x, y in kept]
                found[(*moved, *(() if isinstance(piece, Polyline) else places[1:]))] += 1
        return found

    assert of(0) == of(1) == of(2) and len(of(0)) > 3


@pytest.mark.parametrize("name", REGISTRY)
def test_states_keep_their_line_and_inputs_stand_below(name):
    graph, scene = REGISTRY[name].graph, three_steps(name)
    rounds = [s for s in shapes(scene) if s.kind == "ellipse" and s.fill == "grey"]
    new = [s for s in rounds if s.weight == 2.0]
    lines = Counter(round(s.y, 2) for s in new)
    outputs = len(new) - sum(n for n in lines.values() if n >= 3)
    assert len([y for y, n in lines.items() if n >= 3]) >= len(graph.states), (
        "three steps, and what the first one finds"
    )
    assert outputs in (0, 3)
    inputs = [s for s in rounds if s.weight != 2.0]
    panel = next(p for p in scene.pieces if isinstance(p, Outline) and p.fill == "panel")
    assert len(inputs) == 3 * len(graph.inputs) and all(s.y > panel.box[3] for s in inputs)


def test_pictures_are_neither_strips_nor_towers():
    """A step is at most three times as wide as high, and as high as wide; a short sequence fits a page."""
    for name in REGISTRY:
        left, top, right, bottom = drawn(name, "graph").box
        least = 0.1 if name == "liquid_time_constant" else 0.3  # six steps of its solver, one after the other
        assert least < (right - left) / (bottom - top) < 3.2, name
    for name, steps, most in (("elman", 4, 4.7), ("lstm", 3, 4.0), ("gru", 3, 3.0)):
        left, top, right, bottom = graph_scene(REGISTRY[name].graph, steps, False).box
        assert (right - left) / (bottom - top) < most, name
    left, top, right, bottom = unrolled_scene(REGISTRY["lstm"].graph, 4, 2).box
    assert right - left < 500 and (right - left) / (bottom - top) < 2


def test_what_is_alone_above_something_stands_right_above_it():
    spots = {"a": Spot(10, 10, 20, 5), "b": Spot(30, 30, 20, 5), "c": Spot(10, 10, 20, 5)}
    made = placed(Sketch(spots, {"b": ["a"], "c": ["b"]}))
    assert made.at["a"][0] == made.at["b"][0] == made.at["c"][0]
    assert made.at["a"][1] > made.at["b"][1] > made.at["c"][1]


def test_what_keeps_its_order_is_entered_in_order():
    """x - y: the line of x comes in to the left of y's, wherever x stands."""

    def signed(x, y, /, h, *, W, U, V):
        h = sigmoid(W @ y + V @ h) - sigmoid(U @ x)
        return h

    scene = graph_scene(cell(signed).graph, 1, False)
    minus = next(p for p in scene.pieces if isinstance(p, TextLine) and words(p) == "−")
    ends = sorted(
        (p.points[-1][0], p.points[0][0])
        for p in scene.pieces
        if isinstance(p, Polyline)
        and p.arrow
        and abs(p.points[-1][0] - minus.x) < 10
        and abs(p.points[-1][1] - minus.y) < 25
    )
    assert len(ends) == 2
    boxes = {words(p)[:4]: p.x for p in scene.pieces if isinstance(p, TextLine) and words(p)[:1] in "WU"}
    assert abs(ends[0][1] - boxes["W yt"]) < 1 and abs(ends[1][1] - boxes["U xt"]) < 1


def test_what_stands_low_stands_below_what_stands_high():
    (line,) = lines_of("<I>s</I><SUP>(2)</SUP><SUB><I>t</I>−1</SUB> + 1")
    begun, total = places(line, 10)
    assert [run.text for run in line] == ["s", "(2)", "t", "−1", " + 1"]
    assert begun[1] == begun[2] < begun[3] < begun[4]
    assert begun[4] == pytest.approx(max(begun[1] + line[1].width(10), begun[3] + line[3].width(10)))
    assert total == pytest.approx(begun[4] + line[4].width(10))
    text = svg_text(Scene([TextLine(0, 0, line, 10)]))
    assert 'dx="-' in text and text.count("<text") == 1


# --- the other views ------------------------------------------------------------------------------------------


def test_the_lstms_belt_goes_through_a_product_and_a_sum():
    scene = conveyor_scene(REGISTRY["lstm"].graph)
    belt = [p for p in scene.pieces if isinstance(p, Polyline) and p.weight > 2]
    heights = {y for p in belt for _, y in p.points}
    assert len(heights) == 1 and len(belt) == 3
    (height,) = heights
    on = sorted((s.x, s.kind) for s in shapes(scene) if s.y == height)
    assert [kind for _, kind in on] == ["ellipse", "diamond", "ellipse", "ellipse"], "c, ⊙, +, c"
    below = [s for s in shapes(scene) if s.kind in ("rounded", "hexagon") and s.height > 20]
    assert len(below) == 5 and all(s.y > height for s in below), "f, i, g and o, and the tanh of c"


def test_which_cells_have_a_belt():
    found = [name for name in REGISTRY if drawn(name, "conveyor")]
    assert len(found) >= 72 and {"lstm", "gru", "mgu", "minlstm", "janet", "ran", "lstm_vanilla"} <= set(found)
    with pytest.raises(UsageError) as raised:
        conveyor_scene(REGISTRY["elman"].graph)
    assert (
        str(raised.value)
        == "view='conveyor': no state of elman is carried on by products and sums alone, so there is no belt."
        " Use view='graph'."
    )
    with pytest.raises(UsageError, match="room for one chain at the belt"):
        conveyor_scene(REGISTRY["intersection_rnn"].graph)


def test_a_gate_that_sees_the_new_state_is_entered_from_the_belts_end():
    """The peephole of an output gate: a line leaves the belt behind its last sum and goes down to p_o * c_t."""
    scene = conveyor_scene(REGISTRY["peephole_lstm"].graph)
    height = next(y for p in scene.pieces if isinstance(p, Polyline) and p.weight > 2 for _, y in p.points)
    last = max(s.x for s in shapes(scene) if s.y == height and s.kind == "ellipse" and s.width < 30)
    down = [
        p for p in scene.pieces if isinstance(p, Polyline) and p.net == "< belt" and p.points[0][1] == height
    ]
    assert len(down) == 1 and down[0].points[0][0] > last
    seen = next(
        s for s in shapes(scene) if s.y > height and abs(s.x - down[0].points[-1][0]) <= s.width / 2 + 1
    )
    above = [p for p in scene.pieces if isinstance(p, Polyline) and p.net == "< belt" and p is not down[0]]
    assert (
        len(above) == 1 and abs(above[0].points[0][0] - seen.x) < seen.width and seen.y > above[0].points[-1][1]
    )


def test_a_belt_says_what_is_subtracted():
    """h - r * h + z: the belt is what something is taken from; where it is taken from
    something, there is no belt.
    """

    def taken(x, h, *, W, U, b):
        h = h - sigmoid(W @ x + U @ h + b)
        return h

    def turned(x, h, *, W, b):
        h = sigmoid(W @ x + b) - h
        return h

    scene = conveyor_scene(cell(taken).graph)
    height = next(y for p in scene.pieces if isinstance(p, Polyline) and p.weight > 2 for _, y in p.points)
    assert [words(p) for p in scene.pieces if isinstance(p, TextLine) and abs(p.y - height) < 9] == [
        "ht−1",
        "ht",
        "−",
    ]
    with pytest.raises(UsageError, match="so there is no belt"):
        conveyor_scene(cell(turned).graph)


def test_neurons_are_units_and_lines_are_weights():
    scene = neurons_scene(REGISTRY["jordan"].graph, Known({"I": 4, "H": 3, "O": 2}))
    assert len(shapes(scene)) == 4 + 3 + 2
    lines = [p for p in scene.pieces if isinstance(p, Polyline) and not p.arrow]
    assert len(lines) == 4 * 3 + 3 * 2
    assert [words(p) for p in scene.pieces if isinstance(p, TextLine)].count("Uh") == 1, (
        "the loop of the fed-back output"
    )


def test_a_worked_nets_weights_stand_on_their_lines():
    """Deck 003's figure: 4, 3 and 2 units with the bias units a0[0] and a1[0], which nothing enters."""
    worked = EXAMPLES["deck003"].make(None, False).worked
    scene = neurons_of(worked)
    assert [
        len([s for s in shapes(scene) if round(s.x) == x]) for x in sorted({round(s.x) for s in shapes(scene)})
    ] == [4, 3, 2]
    said = [words(p) for p in scene.pieces if isinstance(p, TextLine)]
    values = [v for name in ("w1", "w2") for row in worked.given.parameters[name].nested() for v in row]
    assert Counter(t for t in said if t.startswith("0.")) == Counter(f"{v:g}" for v in values)
    assert {"a0,0", "a1,0", "a2,2"} <= set(said)
    for name in ("deck003", "hello"):
        scene = neurons_of(EXAMPLES[name].make(None, False).worked)
        texts = [(words(p), p.box) for p in scene.pieces if isinstance(p, TextLine)]
        assert not crossed(scene) and not overlapping(texts), name


def test_neurons_of_a_feed_forward_net_have_no_loop():
    def perceptron(x, *, W, b, V):
        h = sigmoid(W @ x + b)
        y = sigmoid(V @ h)
        return y

    scene = neurons_scene(cell(perceptron, shapes={"V": ("O", "H")}).graph, Known({"O": 2}))
    assert not [p for p in scene.pieces if isinstance(p, Polyline) and p.arrow]
    assert Counter(round(s.x) for s in shapes(scene)) == {0: 3, 128: 3, 256: 2}


def test_the_modes_have_their_inputs_and_outputs():
    boxes = Counter(s.fill for s in shapes(modes_scene()) if s.width > 20)
    assert boxes == {
        "blue": 1 + 3 + 3 + 5 + 3 + 3,
        "grey": 1 + 1 + 3 + 3 + 3 + 3,
        "green": 1 + 3 + 1 + 3 + 3 + 3,
    }
    assert not crossed(modes_scene())


@pytest.mark.parametrize("name", ["deck003", "deck003-graph", "bptt"])
def test_single_numbers_stay_clear_of_lines(name):
    shown = EXAMPLES[name].make(None, False)
    scene = numbers_scene(wires_of(shown.worked, **shown.picture))
    assert not crossed(scene) and not doubled(scene)


def test_the_central_figure_shows_its_slopes():
    shown = EXAMPLES["deck003-graph"].make(None, False)
    scene = numbers_scene(wires_of(shown.worked, **shown.picture))
    said = [words(p) for p in scene.pieces if isinstance(p, TextLine)]
    assert {"× −0.7913", "× 0.1242", "× −1"} <= set(said), said
    for value in ("0.6906", "0.8955", "2.0862", "−2.0862", "0.1242", "1.1242", "0.8896", "0.7896", "0.3117"):
        assert value in said


def test_a_flow_of_one_step_and_of_zeros_is_drawn():
    for by_lag, pairs in (
        ({"h": [1.0]}, [[1.0]]),
        ({"h": [0.0, 0.0], "c": [1e-40, 2.0]}, [[0.0, 0.0], [1.0, 2.0]]),
    ):
        scene = flow_scene(by_lag, pairs, "h")
        assert svg_text(scene) and not [p for p in scene.pieces if isinstance(p, Outline) and p.width < 0]


def test_a_name_too_long_for_a_line_is_broken():
    made = Cell.from_json({**REGISTRY["elman"].to_json(), "name": "a_net_with_a_very_long_name"})
    scene = unrolled_scene(made.graph, 2, 1)
    assert not crossed(scene)
