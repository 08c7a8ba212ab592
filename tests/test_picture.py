"""Pictures and accounts: what stands in them, that they are well formed, and what happens to those
who ask for what is not.
"""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from unrolled import Cell, cell, layer_norm, sigmoid, tanh
from unrolled.byhand import wires as single_numbers
from unrolled.byhand import worked
from unrolled.cells import REGISTRY
from unrolled.commands.show import show
from unrolled.errors import UsageError
from unrolled.references import bibtex, parse
from unrolled.views import background
from unrolled.views.account import backward_flops
from unrolled.views.count import count
from unrolled.views.diagram import Diagram, diagram
from unrolled.views.drawing import draw
from unrolled.views.ink import INK
from unrolled.views.runs import TextRun
from unrolled.views.scene import Scene, TextLine
from unrolled.views.shapes import LOOKS
from unrolled.views.symbols import markup_name

SVG = "{http://www.w3.org/2000/svg}"


def plain(markup: str) -> str:
    return re.sub(r"<[^>]*>", "", markup)


def wires(made: Diagram) -> list[str]:
    """Wires as text, parts by what stands in them."""
    said = {key: plain(part.label) for key, part in made.parts.items()}
    return [f"{said[w.source]} -> {said[w.target]}" for w in made.wires]


def test_elman_rolled_up():
    made = diagram(REGISTRY["elman"].graph)
    assert wires(made) == [
        "xt -> W xt + U ht−1 + b",
        "ht−1 -> W xt + U ht−1 + b",
        "W xt + U ht−1 + b -> tanh",
        "tanh -> ht",
    ]


def test_elman_in_parts():
    made = diagram(REGISTRY["elman"].graph, parts=True)
    assert wires(made) == [
        "W -> ×",
        "xt -> ×",
        "U -> ×",
        "ht−1 -> ×",
        "× -> +",
        "× -> +",
        "+ -> +",
        "b -> +",
        "+ -> tanh",
        "tanh -> ht",
    ]


def test_the_lstm_has_the_decks_five_kinds():
    kinds = Counter(part.kind for part in diagram(REGISTRY["lstm"].graph).parts.values())
    assert kinds == {"input": 1, "state": 4, "product": 4, "sigmoid": 3, "tanh": 2, "mul": 3, "add": 1}
    parts = Counter(part.kind for part in diagram(REGISTRY["lstm"].graph, parts=True).parts.values())
    assert parts == {
        "input": 1,
        "state": 4,
        "parameter": 12,
        "product": 8,
        "sigmoid": 3,
        "tanh": 2,
        "mul": 3,
        "add": 9,
    }
    five = [(LOOKS[k].shape, LOOKS[k].colour) for k in ("product", "add", "mul", "sigmoid", "tanh")]
    assert len({shape for shape, _ in five}) == len({colour for _, colour in five}) == 5


def test_a_sum_keeps_what_waits_out_of_its_box():
    made = diagram(REGISTRY["gru"].graph)
    boxes = {plain(p.label) for p in made.parts.values() if p.kind == "product"}
    assert boxes == {"Wn xt + bn", "Wr xt + Ur ht−1 + br", "Un ht−1 + cn", "Wz xt + Uz ht−1 + bz"}
    assert "Wn xt + bn -> +" in wires(made) and "1 − -> ⊙" in wires(made)


@pytest.mark.parametrize("name", REGISTRY)
def test_a_box_says_how_it_is_made_and_not_its_own_name(name):
    for part in diagram(REGISTRY[name].graph).parts.values():
        assert part.kind != "product" or not part.name or plain(part.name) != plain(part.label), part


def test_signs_numbers_and_forms():
    def signs(x, h, *, W, U, b, dt=0.5):
        a = layer_norm(W @ x - U @ h)
        c = a - sigmoid(h) - b
        h = 2 * c * c + dt * tanh(h / b) - (1 - h)
        return h

    made = diagram(cell(signs).graph)
    said = [plain(p.label) for p in made.parts.values()]
    assert {"W xt − U ht−1", "LN", "2 ×", "dt ×", "÷", "1 −"} <= set(said), said
    notes = {(plain(made.parts[w.source].label), w.note) for w in made.wires if w.note}
    assert ("σ", "−") in notes and ("b", "÷") in notes and ("1 −", "−") in notes


def test_steps_share_their_weights_and_hand_on_their_states():
    made = diagram(REGISTRY["elman"].graph, steps=4, parts=True)
    weights = [part for part in made.parts.values() if part.kind == "parameter"]
    assert [plain(part.label) for part in weights] == ["W", "U", "b"]
    assert all(sum(w.source == part.key for w in made.wires) == 4 for part in weights)
    states = [plain(part.label) for part in made.parts.values() if part.kind == "state"]
    assert sorted(states) == ["h0", "h1", "h2", "h3", "h4"]
    rolled = diagram(REGISTRY["elman"].graph, steps=2)
    assert "h1 -> W x2 + U h1 + b" in wires(rolled)
    assert "weights, the same in every step" in REGISTRY["elman"].picture(steps=2)


def reached(made: Diagram) -> set[str]:
    """Parts from which something that leaves the step is reached."""
    found = {key for key, part in made.parts.items() if part.made}
    for wire in list(made.wires)[::-1] * 2:
        if wire.target in found:
            found.add(wire.source)
    return found


@pytest.mark.parametrize("name", REGISTRY)
@pytest.mark.parametrize("parts", [False, True])
def test_every_cell_is_whole(name, parts):
    """Every weight, input and state stands in the picture; everything in it leads somewhere;
    nothing is its own cause.
    """
    graph = REGISTRY[name].graph
    made = diagram(graph, parts=parts)
    text = " ".join(part.label for part in made.parts.values())
    for parameter in graph.parameters:
        base = markup_name(parameter)
        bound = [s.name for s in graph.statements]  # a weight may stand under a name made of it
        assert base in text or bound, f"{name}: {parameter}"
    assert [plain(p.label) for p in made.parts.values() if p.made], name
    assert reached(made) == set(made.parts), {made.parts[k].label for k in set(made.parts) - reached(made)}
    assert all(part.kind in LOOKS for part in made.parts.values())
    below: dict[str, list[str]] = {}
    for wire in made.wires:
        below.setdefault(wire.source, []).append(wire.target)
    done: set[str] = set()

    def visit(key, trail):
        assert key not in trail, f"{name}: a circle"
        for after in below.get(key, []) if key not in done else []:
            visit(after, trail | {key})
        done.add(key)

    for key in made.parts:
        visit(key, frozenset())


def test_the_same_text_in_every_process():
    code = (
        "from unrolled.cells import REGISTRY\nimport sys\n"
        "print(*(c.picture() + c.latex() + c.listing() for c in REGISTRY.values()))\n"
        "assert 'torch' not in sys.modules"
    )
    texts = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert texts[0] == texts[1] and len(texts[0]) > 100_000


# --- drawn ----------------------------------------------------------------------------------------------------


def drawn(name: str, **how) -> ElementTree.Element:
    return ElementTree.fromstring(REGISTRY[name].picture(**how))


@pytest.mark.parametrize("name", ["elman", "lstm", "gru", "lem", "rhn", "nas", "phased_lstm"])
def test_svg_is_well_formed_and_its_colours_have_twins(name):
    picture = drawn(name)
    assert picture.tag == f"{SVG}svg" and picture.find(f"{SVG}title").text == f"Computational graph of {name}"
    light = {pair[0] for pair in INK.values()} | {"none", "transparent"}
    used = {
        value
        for element in picture.iter()
        for key, value in element.attrib.items()
        if key in ("fill", "stroke")
    }
    assert used <= light, used - light
    texts = [run for element in picture.iter(f"{SVG}text") for run in list(element) or [element]]
    assert texts and all(element.get("baseline-shift") is None for element in texts), "Firefox does not know it"
    assert all(element.get("fill") for element in texts), "a text without a colour stays black in the dark"


def test_a_line_of_a_label_is_one_text_in_the_middle_of_its_shape():
    """Apart, letters would lie on each other wherever a font is not as wide as Times."""
    picture = drawn("lstm")
    boxes = [
        r for r in picture.iter(f"{SVG}rect") if r.get("fill") == INK["blue"][0] and float(r.get("height")) > 20
    ]
    middles = {round(float(r.get("x")) + float(r.get("width")) / 2, 2) for r in boxes}
    found = {}
    for line in picture.iter(f"{SVG}text"):
        if line.get("text-anchor") == "middle":
            found["".join(line.itertext())] = line
    for gate in "ifgo":
        for text in (f"W{gate} xt", f"+ U{gate} ht−1 + b{gate}"):
            assert round(float(found[text].get("x")), 2) in middles
    low = [3.3, -3.3]
    lowered = [float(run.get("dy", 0)) for run in found["+ Uf ht−1 + bf"]]
    assert lowered == [0, 0, *low, 0, 3.3, 0, -3.3, 0, 3.3]


def test_an_svg_follows_its_reader_or_one_theme():
    text = REGISTRY["elman"].picture()
    assert "@media screen and (prefers-color-scheme:dark)" in text, "and not in print"
    dark = REGISTRY["elman"].picture(theme="dark")
    assert "prefers-color-scheme" not in dark and not any(pair[0] in dark for pair in INK.values())
    assert "prefers-color-scheme" not in REGISTRY["elman"].picture(theme="light")


def test_colours_are_told_apart():
    for side in (0, 1):
        colours = [pair[side] for pair in INK.values()]
        assert len(set(colours)) == len(colours)
    for name, pair in INK.items():  # letters upon what they stand on: 4.5 is WCAG's AA
        if not name.endswith("_line") and name not in ("text", "soft", "line", "frame", "weight"):
            assert all(contrast(INK["text"][side], pair[side]) > 7 for side in (0, 1)), name
            if name in ("page", "panel", "blue"):
                assert all(contrast(INK["weight"][side], pair[side]) > 4.5 for side in (0, 1)), name


def contrast(one: str, other: str) -> float:
    def luminance(colour):
        parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_files_by_their_ending(tmp_path):
    for ending, magic in (("svg", b"<svg"), ("png", b"\x89PNG"), ("pdf", b"%PDF")):
        path = tmp_path / f"elman.{ending}"
        text = REGISTRY["elman"].picture(path)
        assert text.startswith("<svg") and path.read_bytes().startswith(magic)
    assert (tmp_path / "elman.svg").read_text(encoding="utf-8") == REGISTRY["elman"].picture()


def test_names_cannot_break_a_picture():
    graph, name = REGISTRY["mgu"].graph, 'W"]; <b> & <script>x</script>'
    nodes = tuple(replace(n, value=name) if n.value == "W_f" else n for n in graph.nodes)
    odd = Cell('mgu"<b>&', stored=replace(graph, nodes=nodes))
    picture = odd.picture(parts=True)
    ElementTree.fromstring(picture)
    assert "<script" not in picture and "&lt;script&gt;" in picture


@pytest.mark.slow
@pytest.mark.parametrize("name", REGISTRY)
def test_every_cell_is_drawn(name):
    for steps, parts in ((1, False), (2, False), (1, True)):
        picture = drawn(name, steps=steps, parts=parts)
        assert float(picture.get("width").removesuffix("pt")) > 100


# --- errors ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"steps": 0}, "steps=0: a picture shows from 1 to 64 steps, a whole number."),
        ({"steps": 2.5}, "steps=2.5: a picture shows from 1 to 64 steps, a whole number."),
        (
            {"view": "side"},
            (
                "view='side' is not a view of a cell: choose one of graph, unrolled, rolled, conveyor, neurons,"
                " modes."
            ),
        ),
        ({"layers": 0}, "layers=0: a picture shows from 1 to 12 layers, a whole number."),
        (
            {"layers": 2},
            (
                "layers belongs to view='unrolled' and view='rolled', and view='graph' has none. Leave one of"
                " the two out."
            ),
        ),
        (
            {"view": "unrolled", "parts": True},
            "parts belongs to view='graph', and view='unrolled' has none. Leave one of the two out.",
        ),
        ({"theme": "blue"}, "theme='blue' is not a theme: choose one of auto, light, dark."),
        ({"file": "a.bmp"}, "a.bmp: .bmp is not a format of a picture: write a.svg, a.png or a.pdf."),
        (
            {"file": "lstm"},
            (
                "lstm: a name without an ending is not a format of a picture: write lstm.svg, lstm.png or"
                " lstm.pdf."
            ),
        ),
        (
            {"file": "no/where/a.svg"},
            "no/where/a.svg: the folder no/where does not exist: make it, or write elsewhere.",
        ),
    ],
)
def test_what_cannot_be_drawn_is_said(how, message):
    with pytest.raises(UsageError) as raised:
        REGISTRY["elman"].picture(**how)
    assert str(raised.value) == message


def test_a_view_draws_what_it_is_called():
    words = {
        "unrolled": "gru, unrolled",
        "rolled": "gru with its loop",
        "conveyor": "gru: a state on its belt, and the gates",
        "neurons": "gru as units and weights",
        "modes": "What recurrent nets are used for: one or many inputs, one or many outputs",
    }
    pictures = {view: drawn("gru", view=view) for view in words}
    assert {view: picture.get("aria-label") for view, picture in pictures.items()} == words
    assert len({ElementTree.tostring(picture) for picture in pictures.values()}) == 5


def test_an_svg_needs_no_graphviz_and_a_png_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(background, "find_spec", lambda name: None)
    monkeypatch.setattr(background.shutil, "which", lambda name: None)
    assert REGISTRY["elman"].picture(tmp_path / "e.svg").startswith("<svg")
    with pytest.raises(UsageError) as raised:
        REGISTRY["elman"].picture(tmp_path / "e.png")
    assert str(raised.value) == (
        'a PNG or PDF is written by Graphviz, which is not installed: pip install "unrolled[pictures]" '
        "(or pip install pygraphviz, or your system's package graphviz). An SVG needs nothing."
    )


def test_a_long_picture_and_odd_letters_become_a_png(tmp_path):
    """What is handed to Graphviz is longer than the longest text that it reads in one piece,
    and holds its own signs.
    """
    REGISTRY["lstm"].picture(tmp_path / "o.png", steps=3, parts=True)
    assert (tmp_path / "o.png").read_bytes().startswith(b"\x89PNG")
    scene = Scene([TextLine(0, 0, (TextRun('"]; \\ <b> ⊙ "'),))])
    assert "&lt;b&gt;" in draw(scene, tmp_path / "s.pdf", theme="dark")
    assert (tmp_path / "s.pdf").read_bytes().startswith(b"%PDF")


# --- in a notebook --------------------------------------------------------------------------------------------


def test_a_notebook_shows_a_cell_a_picture_and_a_worked_net(monkeypatch):
    lstm = REGISTRY["lstm"]
    assert lstm._repr_svg_() == lstm.picture() == lstm.picture()._repr_svg_() and type(lstm._repr_svg_()) is str
    assert lstm._repr_latex_() == lstm.latex() and lstm.latex() in lstm._repr_markdown_()
    html = lstm._repr_html_()
    assert (
        "<svg" in html and "\\begin{align*}" in html and "Long short-term memory" in html and "&amp;=" in html
    )
    one = worked("elman", [1, 2], {"W": [[0.1, 0.2]], "U": [[0.3]], "b": [0.4]}, target=[1])
    assert one._repr_markdown_() == one.markdown() and one._repr_svg_() == one.picture()
    monkeypatch.setattr(single_numbers, "MOST_NUMBERS", 3)
    assert one._repr_svg_() is None, "too many numbers for one picture: the text is shown"


# --- accounts -------------------------------------------------------------------------------------------------


def test_the_account_of_an_lstm():
    text = REGISTRY["lstm"].listing({"I": 28, "H": 64})
    lines = text.splitlines()
    assert lines[2] == "at I = 28, H = 64"
    assert "            b_f   (H,)    64            64     256  1" in lines
    assert "parameters  W_i   (H, I)  64 x 28    1,792   7,168  uniform, +-1/sqrt(H)" in lines
    assert "in all     23,808 parameters, 95,232 bytes; 512 bytes of state for each row" in lines
    assert "forward    51,968 FLOPs a row and step, 47,104 of them in matrix products" in lines
    assert text.endswith(bibtex(["hochreiter1997", "gers2000"])) and "@article{gers2000," in text


@pytest.mark.parametrize("name", REGISTRY)
def test_every_cell_has_an_account(name):
    made = REGISTRY[name]
    text = made.listing()
    assert [paper.key for paper in parse(text[text.index("\n@") + 1 :])] == list(made.cite)
    for parameter in made.parameters:
        assert re.search(rf"^.{{12}}{parameter} ", text, re.MULTILINE), parameter


def test_backward_products_are_twice_the_forward_ones():
    """One product with the transposed weights and one outer product for each: what is
    above it is elementwise.
    """
    graph = REGISTRY["elman"].graph
    sizes = {"I": 5, "H": 7}
    elementwise = 2 * 7 + 7  # 1 - h * h, times the gradient
    assert backward_flops(graph, sizes) == 2 * count(graph, sizes).products + elementwise


def test_a_wrong_width_is_named():
    for sizes, message in (
        ({"Q": 3}, "gru.listing({'Q': 3}): widths of gru are H, I, whole numbers from 1 on."),
        ({"H": 0}, "gru.listing({'H': 0}): widths of gru are H, I, whole numbers from 1 on."),
    ):
        with pytest.raises(UsageError) as raised:
            REGISTRY["gru"].listing(sizes)
        assert str(raised.value) == message


# --- the command, and the page in docs ------------------------------------------------------------------------


def test_the_command_writes_files(tmp_path):
    assert show("elman", "picture", out=tmp_path / "e.svg") == f"{tmp_path / 'e.svg'}: elman"
    assert (tmp_path / "e.svg").read_text(encoding="utf-8").startswith("<svg")
    assert show("elman", "latex", out=tmp_path / "e.tex") == f"{tmp_path / 'e.tex'}: elman"
    assert (tmp_path / "e.tex").read_text(encoding="utf-8") == REGISTRY["elman"].latex() + "\n"
    assert show("elman", "listing", widths=("I=3", "H=4")).splitlines()[2] == "at I = 3, H = 4"
    for out, widths, message in (
        (None, ("H",), "--widths H is not a width: write a letter and a whole number, such as H=64."),
        (Path("no/x.tex"), (), "--out no/x.tex: the folder no does not exist: make it, or write elsewhere."),
    ):
        with pytest.raises(UsageError) as raised:
            show("elman", "listing", out=out, widths=widths)
        assert str(raised.value) == message


def test_the_page_in_docs_runs(tmp_path, monkeypatch, capsys):
    page = (Path(__file__).parent.parent / "docs" / "pictures.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(block, scope)
    printed = capsys.readouterr().out
    assert re.search(r"```latex\n(.*?)```", page, re.DOTALL)[1] in printed and "23,808 parameters" in printed
    assert {path.name for path in tmp_path.iterdir()} == {
        "lstm.svg",
        "unrolled.svg",
        "parts.png",
        "deep.svg",
        "rolled.svg",
    }
