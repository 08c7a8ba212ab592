"""`unrolled byhand`: the decks' examples against the slides, one's own nets and numbers,
every error as one message.
"""

from __future__ import annotations

import doctest
import importlib
import json
import math
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import unrolled.byhand
from unrolled.byhand import worked
from unrolled.byhand.examples import EXAMPLES
from unrolled.byhand.examples.layers import three_nets
from unrolled.byhand.examples.lstm import lstm_worked
from unrolled.byhand.examples.next_character import NEXT, READ, trained
from unrolled.byhand.slides import number_slide
from unrolled.cli import main

DOCS = Path(__file__).parent.parent / "docs" / "byhand.md"
NET = """from unrolled import sigmoid, softmax, tanh

def net(x, h, *, W, U, V, b):
    h = tanh(W @ x + U @ h + b)
    p = softmax(V @ h)
    return p, h

def point(x, *, w, k):
    y = sigmoid(w * x) * k
    return y

def stacked(x, *, W):
    return W @ x
"""
NUMBERS = """# a net that reads two letters
x, 1, 0
x, 0, 1
target
target, 0, 1, 0
W, 0.5, -0.5
W, 0.25, 1
U, 0.1, 0.2
U, 0.3, -0.1
V, 1, 0
V, 0, 1
V, 0.5, 0.5
b, 0, 0.1
"""


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "numbers.csv").write_text(NUMBERS)
    return tmp_path


def said(capsys, *arguments: str, code: int = 0) -> str:
    assert main(["byhand", *arguments]) == code
    captured = capsys.readouterr()
    return captured.out if code == 0 else captured.err


# --- the examples ---------------------------------------------------------------------------------------------


def test_the_list_names_every_example(capsys):
    text = said(capsys, "--list")
    assert (
        [line.split()[0] for line in text.splitlines()] == list(EXAMPLES)
        and "deck003" in EXAMPLES
        and "hello" in EXAMPLES
    )
    assert text == said(capsys)


def test_deck003_against_its_slides():
    """Right and wrong as recomputed: all of c1, c2 and w1*, one of six in w2*, the rounded .0775."""
    slides = EXAMPLES["deck003"].make(None, False).slides
    numbers = {s.place: s for s in slides if re.fullmatch(r"-?\d*\.\d+", s.printed)}
    assert len(numbers) == 7 + 3 + 8 + 6 + 8 + 6
    assert [place for place, s in numbers.items() if s.judged == "rounded"] == ["dE/dw2[0,1]"]
    assert {place for place, s in numbers.items() if s.wrong} == {
        "w2*[0,2]",
        "w2*[1,1]",
        "w2*[1,2]",
        "w2*[2,1]",
        "w2*[2,2]",
    }
    assert {
        p: numbers[p].right for p in ("dE/dw2[0,1]", "w2*[0,2]", "w2*[1,1]", "w2*[1,2]", "w2*[2,1]", "w2*[2,2]")
    } == {
        "dE/dw2[0,1]": ".0776",
        "w2*[0,2]": ".4952",
        "w2*[1,1]": ".6971",
        "w2*[1,2]": ".7958",
        "w2*[2,1]": ".8971",
        "w2*[2,2]": ".0958",
    }
    assert len([s for s in slides if s.wrong]) == 5 + 10


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_is_wrong_on_a_slide_has_a_reason(name):
    for slide in EXAMPLES[name].make(None, False).slides if name != "next-character" else ():
        assert bool(slide.why) == (slide.wrong or slide.rounded), slide
        assert (
            not slide.why or (slide.why[0].isupper() or slide.why[0].islower()) and slide.why.endswith(".")
        ), slide


def test_a_slide_is_rounded_as_it_is_printed():
    assert [
        number_slide("", p, v).right
        for p, v in ((".5932", 0.593245), ("4.3", 4.2999999), ("-.2929", -0.292919), (".0020", 0.00198))
    ] == [".5932", "4.3", "-.2929", ".0020"]


def test_deck003_is_printed_like_the_slides(capsys):
    text = said(capsys, "deck003")
    for line in (
        "= 0.5 * 1 + 0.1 * 1 + 0.3 * 4 + 0.5 * 5",
        "= 4.3",
        "0.986613",
        "= 2.086159",
        "0.889551",
        "= 0.593245",
        "= 0.150209",
        "= 0.001984",
        "dE/dw2[0,1]   .0775   .0776  rounded",
        "w2*[0,2]      .0039   .4952    WRONG",
        "w1*[3,2]      .5989   .5989    right",
        "The slides are wrong in 15 places",
    ):
        assert line in text, line


def test_hello_is_printed(capsys):
    text = said(capsys, "hello", "--rows", "none")
    assert "L_total = L[1] + L[2] + L[3] + L[4] = 1.537442 + 1.27226 + 1.151593 + 2.005011 = 5.966307" in text
    assert "0.244108   0.025879  0.086945  0" in text and "Forward" not in text
    assert "dL[4]/dW = sum over k = 1..4 of dL[4]/dp[4] * dp[4]/dh[4] * dh[4]/dh[k] * dh[k]/dW" in text


def test_the_sum_over_time_falls_off(capsys):
    text = said(capsys, "bptt")
    norms = [float(found) for found in re.findall(r"^    [321] +([\d.]+) +\(", text, re.MULTILINE)]
    assert len(norms) == 3 and norms[0] == 1 and norms == sorted(norms, reverse=True)


def test_a_recurrent_net_is_layers_that_share_their_weights():
    recurrent, shared, own = three_nets()
    assert recurrent.values("p", 4) == pytest.approx(shared.values("p"), abs=1e-15)
    for name in ("W_xh", "W_hh", "W_hy"):
        assert recurrent.gradients[name].cells == pytest.approx(shared.gradients[name].cells, abs=1e-14)
    for k in range(1, 5):  # a layer's own gradient is the term of that step
        term = next(lag for lag in recurrent.through_time[0].lags if lag.k == k).terms["W_hh"]
        assert own.gradients[f"W_{k}"].cells == pytest.approx(term.cells, abs=1e-14)


def test_a_state_resolves_what_a_letter_leaves_open():
    """After an l the perceptron says p and o alike, 2 log 2 is its floor; with a state
    each prefix gets its letter.
    """
    (perceptron, first), (recurrent, second) = trained()
    assert 2 * math.log(2) < first.losses[-1] < 1.42 and second.losses[-1] < 0.02
    assert perceptron.values("p", 3) == perceptron.values("p", 4)
    by_letter = dict(zip("helop", perceptron.values("p", 3)))
    assert by_letter["p"] == pytest.approx(0.5, abs=0.01) and by_letter["o"] == pytest.approx(0.5, abs=0.01)
    for t in range(1, len(READ) + 1):
        said_next = dict(zip("helop", recurrent.values("p", t)))
        assert max(said_next, key=said_next.get) == NEXT[t - 1] and said_next[NEXT[t - 1]] > 0.99
    assert perceptron.loss == pytest.approx(first.losses[-1], rel=1e-12)


def test_along_the_cell_state_only_the_forget_gate_counts():
    made = lstm_worked()
    edges = {
        (str(made.chains.program.labels[e.user]), str(made.chains.program.labels[e.of])): e
        for e in made.chains.edges
    }
    for t in (2, 3):
        slope = edges[f"c[{t}][1]", f"c[{t - 1}][1]"]
        assert slope.value == made[f"f[{t}][1]"].value and 0.7 < slope.value < 0.75


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_in_every_format(name, capsys, tmp_path):
    if name == "next-character":  # trains; its numbers are tested above
        return
    assert said(capsys, name, "--format", "text")
    markdown = said(capsys, name, "--format", "markdown")
    assert markdown.count("$$") % 2 == 0 and "\\end{align*}" not in markdown
    latex = said(capsys, name, "--format", "latex", "--out", str(tmp_path / "f.tex"))
    assert latex == f"{tmp_path / 'f.tex'}: written\n" and "\\end{document}" in (tmp_path / "f.tex").read_text()
    assert "slides" in json.loads(said(capsys, name, "--format", "json"))


def test_activations_are_plotted(capsys, tmp_path):
    pytest.importorskip("matplotlib")
    file = tmp_path / "f.svg"
    assert said(capsys, "activations", "--picture", str(file)) == f"{file}: activation functions\n"
    assert "prefers-color-scheme:dark" in file.read_text() and "sigmoid" in said(capsys, "activations")


def test_by_hand_needs_no_torch():
    code = (
        "import sys\nfrom unrolled.cli import main\nmain(['byhand', 'deck003'])\nmain(['byhand', 'elman'])\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_the_same_text_in_every_process():
    texts = {
        subprocess.run(
            [sys.executable, "-m", "unrolled.cli", "byhand", "lstm"],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(texts) == 1


# --- one's own ------------------------------------------------------------------------------------------------


def test_a_net_and_a_file_of_numbers(capsys, files):
    text = said(capsys, "net.py:net", "numbers.csv", "--loss", "cross-entropy", "--rate", "0.5")
    made = json.loads(
        said(
            capsys, "net.py:net", "numbers.csv", "--loss", "cross-entropy", "--rate", "0.5", "--format", "json"
        )
    )
    from net_of_the_test import net

    again = worked(
        net,
        [[1, 0], [0, 1]],
        {
            "W": [[0.5, -0.5], [0.25, 1]],
            "U": [[0.1, 0.2], [0.3, -0.1]],
            "b": [0, 0.1],
            "V": [[1, 0], [0, 1], [0.5, 0.5]],
        },
        target=[None, [0, 1, 0]],
        loss="cross-entropy",
        rate=0.5,
    )
    assert made["loss"] == again.loss and made["gradients"]["U"] == [
        list(row) for row in again.gradients["U"].nested()
    ]
    assert (
        f"The loss was {again.step.loss_before:.6f}".rstrip("0") in text
        and "Through time: the loss of step 2" in text
    )


@pytest.fixture(autouse=True)
def _module(tmp_path, monkeypatch):
    (tmp_path / "net_of_the_test.py").write_text(NET)
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("net_of_the_test", None)
    yield
    sys.modules.pop("net_of_the_test", None)


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_what_spreadsheets_write(capsys, files, mark):
    lines = [line.replace(", ", mark) + mark * 2 for line in NUMBERS.splitlines()[1:]]
    (files / "sheet.csv").write_text("\ufeff" + "\r\n".join(lines) + "\r\n", encoding="utf-8")
    assert said(capsys, "net.py:net", "sheet.csv", "--format", "json") == said(
        capsys, "net.py:net", "numbers.csv", "--format", "json"
    )


def test_numbers_that_are_no_vectors(capsys, files):
    (files / "n.csv").write_text("x, 1, 2\nw, 0.5, 0.5\nk, 3, 3\ntarget, 1, 1\n")
    made = json.loads(said(capsys, "net.py:point", "n.csv", "--format", "json"))
    assert made["gradients"]["k"] and made["loss"] > 0


def test_a_cell_without_numbers_gets_some(capsys):
    text = said(capsys, "elman", "--steps", "2")
    assert (
        text.startswith("The numbers are invented; for your own: unrolled byhand elman NUMBERS.csv.")
        and "step 2" in text
    )
    assert "step 3" not in text


def test_rows_and_pictures(capsys, files):
    assert "Forward, step 2" in said(capsys, "net.py:net", "numbers.csv", "--rows", "2")
    assert "Forward, step 1" not in said(capsys, "net.py:net", "numbers.csv", "--rows", "2")
    pytest.importorskip("pygraphviz")
    for arguments in (
        ["deck003-graph"],
        ["deck003", "--of", "a2[1]", "--leaves", "a1"],
        ["hello"],
        ["lstm"],
        ["net.py:net", "numbers.csv", "--of", "h[1][1]"],
    ):
        text = said(capsys, *arguments, "--picture", "p.svg")
        assert text == f"p.svg: {arguments[0]}\n" and "value above the line" in (files / "p.svg").read_text()


def wrong(line: int, text: str) -> str:
    lines = NUMBERS.splitlines()
    lines[line - 1] = text
    return "\n".join(lines)


WRONG = [
    (wrong(6, "W, 0.5,, 1"), "n.csv, line 6: W[1,2] is missing. Write a number between the commas."),
    (wrong(3, "x, , 1"), "n.csv, line 3: x[1] is missing. Write a number between the commas."),
    (
        wrong(7, "W, 0.25, one"),
        "n.csv, line 7: W[2,2] is 'one', which is not a number. Write it like 0.5 or -1e-3.",
    ),
    (
        wrong(7, "W, 0.25, inf"),
        "n.csv, line 7: W[2,2] is inf: a net is worked by hand with finite numbers. Give it one.",
    ),
    (wrong(7, "W, 0.25"), "W: its row 1 has 2 numbers and its row 2 has 1 number. Make them equally long."),
    (wrong(13, ""), "net is worked with numbers for W, U, V, b, and b is missing. Give b, (H,)."),
    (
        wrong(13, "c, 0, 1"),
        "n.csv, line 13: net has nothing called 'c'. Lines begin with one of x, h, W, U, V, b, target.",
    ),
    (wrong(13, "b, 0, 1\nb, 0, 1"), "n.csv: b is a vector and has 2 lines. Write it in one."),
    (wrong(4, "target, 1, 0"), "target: its row 1"),
    (
        wrong(5, "target, 0, 1"),
        "target in row 2 has 2 numbers and the output of net has 3 numbers. Give one for each.",
    ),
    (wrong(13, "b"), "n.csv: line 1 of b has no numbers. Write them behind the name."),
    ("", "n.csv has no numbers in it: write lines such as x, 1, 4, 5."),
    ("W, 1, 2\n", "n.csv has no line for the input x: write one for each step, x, 1, 0, ..."),
    (
        wrong(5, ""),
        "target has 1 row and the inputs have 2. Give one for each, None where a row has no target.",
    ),
]


@pytest.mark.parametrize("text, message", WRONG, ids=[m[:40] for _, m in WRONG])
def test_bad_files_are_named_with_their_place(capsys, files, text, message):
    (files / "n.csv").write_text(text)
    found = said(capsys, "net.py:net", "n.csv", code=2)
    if message == "target: its row 1":  # two rows of targets that differ in length: the output decides
        message = "target in row 1 has 2 numbers and the output of net has 3 numbers. Give one for each."
    assert found.split(": ", 1)[1] == message + "\n"


def test_widths_that_clash_are_shown_in_the_line(capsys, files):
    (files / "one.py").write_text("def one(x, *, W):\n    y = W @ x\n    return y\n")
    (files / "n.csv").write_text("x, 1, 2\nW, 0.5,\n")  # the second number of W is missing
    assert said(capsys, "one.py:one", "n.csv", code=2) == (
        "CellError in one, line 2:   y = W @ x\n"
        "                                ^\n"
        "W is 1 wide and x 2, and this line needs them equal. Make the two numbers the same.\n"
    )


ARGUMENTS = [
    (
        ["deck004"],
        (
            "there is neither a worked example nor a cell called 'deck004'. Examples: deck003, deck003-graph,"
            " next-character, hello, bptt, layers, lstm, activations; `unrolled cells` lists the cells."
        ),
    ),
    (
        ["deck003", "--rate", "0.1"],
        (
            "deck003 is a worked example with numbers of its own, and --rate would change them. Leave it out, "
            "or give a net and a file of numbers: unrolled byhand FILE.py:FUNCTION NUMBERS.csv."
        ),
    ),
    (["deck003", "--rows", "a"], "--rows a: write rows as 1 or 1,3 or 2-4, or none."),
    (["deck003", "--rows", "7"], "rows=(7,): there is no row 7; they go from 1 to 6."),
    (
        ["deck003", "--format", "html"],
        "there is no format 'html': choose one of text, markdown, latex, fragment, beamer, json.",
    ),
    (
        ["deck003", "--out", "no/f.md"],
        "--out no/f.md: the folder no does not exist: make it, or write elsewhere.",
    ),
    (
        ["deck003", "--picture", "f.gif"],
        "f.gif: .gif is not a format of a picture: write f.svg, f.png or f.pdf.",
    ),
    (["deck003", "--picture", "f.svg", "--of", "q"], "no number is called 'q' in row 1. There are a0[0], "),
    (
        ["activations", "--picture", "no/f.svg"],
        "no/f.svg: the folder no does not exist: make it, or write elsewhere.",
    ),
    (["net.py:net", "missing.csv"], "missing.csv cannot be read: No such file or directory. Check the path."),
    (["net.py:other"], "net.py:other: net.py has no 'other'; it has no cell. Check the function's name."),
    (
        ["net.py:net", "numbers.csv", "--loss", "hinge"],
        "there is no loss called 'hinge': choose one of half-squared-error, ",
    ),
    (["gru", "--steps", "0"], "--steps 0: a net is worked by hand over 1 to 64 steps. Give such a number."),
    (
        ["orthogonal_rnn"],
        "matrix_exp is a function of a whole matrix, and is not written out number by number yet. ",
    ),
]


@pytest.mark.parametrize("arguments, message", ARGUMENTS, ids=[" ".join(a) for a, _ in ARGUMENTS])
def test_what_cannot_be_is_one_message(capsys, files, arguments, message):
    text = said(capsys, *arguments, code=2)
    found = text.split(": ", 1)[1]
    assert found.startswith(message) and "Traceback" not in text, text


# --- the page -------------------------------------------------------------------------------------------------


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("block", blocks("console"), ids=lambda b: b.splitlines()[0][2:])
def test_the_page_shows_what_is_printed(block, capsys, files):
    """Each line below a command is a line of what it prints, in that order; ... stands for what is left out."""
    for command, shown in re.findall(r"\$ unrolled byhand (.*)\n((?:(?!\$ ).*\n)*)", block):
        printed = iter(said(capsys, *command.split()).splitlines())
        for line in shown.splitlines():
            assert line.strip() in ("", "...") or line in printed, f"{command}: {line!r}"


def test_the_examples_in_docstrings_run():
    for module in pkgutil.walk_packages(unrolled.byhand.__path__, "unrolled.byhand."):
        assert not doctest.testmod(importlib.import_module(module.name)).failed, module.name


def test_the_pages_python_runs():
    scope: dict = {}
    for block in blocks("python"):
        exec(block, scope)
