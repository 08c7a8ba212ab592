"""Numbers a class can use: several steps, optimisers as torch has them, parts, exercises,
slides, nets from LaTeX.
"""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
import torch

from unrolled import Recurrent, python_from_latex, tanh, worked
from unrolled.byhand.examples import EXAMPLES
from unrolled.byhand.examples.deck003 import deck003
from unrolled.byhand.examples.hello import hello_worked
from unrolled.cli import main
from unrolled.errors import UsageError

NET = {"W": [[0.5, -0.5]], "b": [0.1]}
OPTIMISERS = {
    "sgd": lambda p: torch.optim.SGD(p, 0.1),
    "momentum": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9),
    "rmsprop": lambda p: torch.optim.RMSprop(p, 0.1, alpha=0.9),
    "adam": lambda p: torch.optim.Adam(p, 0.1),
    "adagrad": lambda p: torch.optim.Adagrad(p, 0.1),
}


def neuron(x, *, W, b):
    a = W @ x + b
    return a


@pytest.mark.parametrize("name", OPTIMISERS)
def test_steps_are_torchs(name):
    made = worked(neuron, [[1, 2], [3, -1]], NET, target=[[1], [0]], rate=0.1, optimiser=name, train=4)
    W, b = (torch.tensor(NET[n], dtype=torch.float64, requires_grad=True) for n in "Wb")
    optimiser = OPTIMISERS[name]([W, b])
    x, y = torch.tensor([[1.0, 2.0], [3.0, -1.0]]).double(), torch.tensor([[1.0], [0.0]]).double()
    for k, step in enumerate(made.steps, 1):
        loss = ((x @ W.T + b - y) ** 2).sum() / 2
        assert step.k == k and step.loss_before == pytest.approx(loss.item())
        optimiser.zero_grad()
        loss.backward()
        assert step.gradients["W"].nested() == tuple(map(tuple, W.grad.tolist()))[:1] or step.gradients[
            "W"
        ].cells == pytest.approx(W.grad[0].tolist())
        optimiser.step()
        assert step.after["W"].cells == pytest.approx(W[0].tolist(), abs=1e-6)
        assert step.after["b"].cells == pytest.approx(b.tolist(), abs=1e-6)
    assert len(made.steps) == 4 and made.step is made.steps[0]


def test_what_was_worked_out_goes_in_again():
    twice = worked(neuron, [1, 2], NET, target=[1], rate=0.1, train=2)
    again = worked(neuron, [1, 2], twice.step.after, target=[1], rate=0.1)
    assert again.step.after == twice.steps[1].after
    text = twice.text()
    assert "Step 2 of 2: sgd, rate 0.1" in text and text.count("The loss was") == 2


def test_parts_digits_and_exercises():
    made = hello_worked(rate=0.1)
    forward = made.text(part="forward", digits=4)
    assert "Forward, step 1" in forward and "Backward" not in forward and "One step" not in forward
    assert "0.1974" in forward and "0.197375" not in forward and not re.search(r"\d\.\d{5}", forward)
    assert "Forward" not in made.text(part="backward") and "One step of sgd" in made.text(part="step")
    blank = made.text(exercise=True, rows=(1,))
    assert "s[1][1] = W_xh[1,1] * x[1][1]" in blank and "______" in blank
    assert "0.53705" not in blank and "0.6  0.8  0.4  0.8" in blank
    assert "The loss was ______ and is ______ now." in blank
    with pytest.raises(UsageError, match="only='sideways' is not part"):
        made.text(part="sideways")
    with pytest.raises(UsageError, match="there is no step part here: it takes a target and a rate"):
        hello_worked().text(part="step")
    with pytest.raises(UsageError, match="digits=0: numbers are printed with 1 to 15 decimals"):
        made.text(digits=0)


def test_matrices_stand_in_brackets():
    text = hello_worked().text(rows=(1,))
    assert "    s[1] = [0.2 0.2 0.8 0.7] [0] + [0.5 0.9 0.3] [0] = [0.2]\n" in text
    latex = hello_worked().latex(rows=(1,), style="fragment")
    assert r"\begin{bmatrix} 0.6 & 0.8 & 0.4 & 0.8 \\ 0.2 & 0.2 & 0.8 & 0.7" in latex
    assert "documentclass" not in latex
    # The deck's net, whose matrices are transposed and whose hidden layer has a 1 in front.
    assert "[0.5 0.1 0.3 0.5]" in deck003().text()


def test_softmax_and_cross_entropy_first_as_p_minus_y():
    text = hello_worked().text(rows=(3,))
    short, long = (
        text.index("dL/dz[3][3] = p[3][3] - y[3][3]"),
        text.index("dL/dz[3][3] = dL/dp[3][3] * dp[3][3]"),
    )
    assert short < long
    other = worked(
        EXAMPLES["hello"].make(None, False).worked.cell, [[1, 0, 0, 0]], hello_worked().given.parameters,
        target=[[0, 1, 0, 0]], loss="squared-error",
    )  # fmt: skip
    assert "p[1][1] - target" not in other.text() or "Softmax and cross-entropy" not in other.text()


def test_the_three_products_of_deck_003():
    """dL3/dW_hh, term by term, as the deck writes it; nothing of it for W_hy, which is not in the loop."""
    text = EXAMPLES["bptt"].make(None, False).worked.text()
    assert (
        "dL[3]/dW_hh = dL[3]/dp[3] * dp[3]/dh[3] * dh[3]/dW_hh\n"
        "                  + dL[3]/dp[3] * dp[3]/dh[3] * dh[3]/dh[2] * dh[2]/dW_hh\n"
        "                  + dL[3]/dp[3] * dp[3]/dh[3] * dh[3]/dh[2] * dh[2]/dh[1] * dh[1]/dW_hh\n"
    ) in text
    assert "* dh[3]/dW_hy" not in text
    assert "spectral norm" in text and "is treated as a constant" in text


def run(capsys, *arguments: str, code: int = 0) -> str:
    assert main(["byhand", *arguments]) == code
    captured = capsys.readouterr()
    return captured.err if code else captured.out


def test_deck_003_has_six_rows_and_a_file(capsys, tmp_path):
    text = run(capsys, "deck003", "--rows", "5,6")
    assert "Forward, row 5" in text and "Forward, row 6" in text and "With all six rows" in text
    made = deck003(6)
    assert made["E", 5].value == pytest.approx(
        ((made["a2[1]", 5].value - 0.111) ** 2 + (made["a2[2]", 5].value - 0.0732) ** 2) / 2
    )
    file = tmp_path / "deck003.csv"
    assert run(capsys, "deck003", "--csv", str(file)) == f"{file}: written\n"
    again = run(capsys, "deck003", str(file), "--rate", "0.01", "--only", "step")
    assert "0.499396" in again and "0.697071" in again


def test_a_net_in_latex_with_a_file_of_numbers(capsys, tmp_path):
    (tmp_path / "eq.tex").write_text(r"a = \sigma(W x + b)")
    (tmp_path / "n.csv").write_text("x, 1, 2\ntarget, 1\nW, 0.5, -0.5\nb, 0.1\n")
    text = run(
        capsys, "--latex", str(tmp_path / "eq.tex"), str(tmp_path / "n.csv"), "--rate", "0.1", "--train", "2"
    )
    assert "0.401312" in text and "Step 2 of 2: sgd, rate 0.1" in text
    assert "are two nets" in run(
        capsys, "gru", str(tmp_path / "n.csv"), "--latex", str(tmp_path / "eq.tex"), code=2
    )
    invented = run(capsys, "--latex", str(tmp_path / "eq.tex"))
    assert "Forward" in invented and "for your own: unrolled byhand --latex" in invented


def test_an_exercise_and_its_solutions(capsys, tmp_path):
    solutions = tmp_path / "solutions.txt"
    text = run(capsys, "hello", "--exercise", str(solutions), "--only", "forward", "--digits", "3")
    assert f"{solutions}: written" in text and "______" in text and "0.537" not in text
    assert "0.537" in solutions.read_text() and "Against the slides" not in text
    assert "the folder" in run(capsys, "hello", "--exercise", str(tmp_path / "none" / "a.txt"), code=2)


@pytest.mark.parametrize("format", ["latex", "beamer"])
def test_latex_is_set(capsys, tmp_path, format):
    text = run(capsys, "hello", "--format", format)
    assert text.count("\\begin{document}") == 1
    if format == "beamer":
        assert "\\begin{frame}[allowframebreaks]{Forward, step 1}" in text
        assert text.count("\\begin{frame}") == text.count("\\end{frame}") > 5
    if not shutil.which("pdflatex"):
        pytest.skip("pdflatex is not installed")
    (tmp_path / "a.tex").write_text(text)
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "a.tex"],
        cwd=tmp_path, capture_output=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout.decode()[-2000:]


def elman(x, h, *, W, U, b):
    h = tanh(W @ x + U @ h + b)
    return h


GIVEN = {"W": [[0.5]], "U": [[0.9]], "b": [0.0]}
SAID = [
    (lambda: worked(Recurrent("elman", 1, 1), [1], GIVEN), "a Recurrent is a layer, and its equations are asked for."),
    (lambda: worked(torch.nn.LSTM(1, 1), [1], GIVEN), "LSTM is not a function of one step. Give the cell's name, 'lstm'."),
    (lambda: Recurrent(torch.nn.RNN(1, 1), 1, 1), "RNN is not a function of one step. Give the cell's name, 'elman'."),
    (lambda: worked(None, [1], GIVEN), "None is not a cell. Give a cell, a cell's name such as 'lstm', or a function."),
    (lambda: worked(elman, [[1]], GIVEN, target=[[1]], rate="0.1"), "rate='0.1' is not a number. Give one like 0.1."),
    (lambda: worked(elman, [[1]], GIVEN, target=[[1]], train=2), "no rate is given. Give rate=0.1, say."),
    (lambda: python_from_latex(None), "text=None is not text. Give the equations as a string"),
    (lambda: worked(elman, [[1]], {**GIVEN, "W": 0.5}), "W has 1 number and elman uses it as a matrix (H, I). Write it as [[0.5]]."),
    (lambda: worked("elman", [[1]], {**GIVEN, "U": [0.9]}), "U has 1 number and elman uses it as a matrix (H, H). Write it as [[0.9]]."),
    (lambda: worked(elman, [[1]], {**GIVEN, "W": None}), "W is missing: give it a number."),
    (lambda: worked(elman, [], GIVEN), "the input is empty: give a row of numbers for each step"),
    (lambda: worked(elman, None, GIVEN), "the input is None: give a row of numbers for each step"),
    (lambda: worked(elman, 3, GIVEN), "x has 1 number and elman uses it as a vector (I,). Write it as [3]."),
    (lambda: worked(elman, [[1]], [1, 2]), "parameters=[1, 2] is not a table."),
    (lambda: worked(elman, [[1]], GIVEN, state=[0.5]), "state=[0.5] is not a table."),
    (lambda: worked(elman, [[1], [2]], GIVEN)["h[1]"], "h[1] is not one number. Its numbers are h[1][1]."),
    (lambda: worked(elman, [[1]], GIVEN)["q"], "no number is called 'q'. There are x[1][1], h[0][1], h[1][1]."),
    (lambda: worked(elman, [[1]], GIVEN).text(rows=3), "rows=3 are not rows. Give a tuple such as (1, 3)."),
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), SAID, ids=[m[:40] for _, m in SAID])
def test_what_is_wrong_is_one_sentence(call, message):
    with pytest.raises(UsageError) as raised:
        call()
    assert message in str(raised.value)


def test_fewer_steps_than_rows_cut_the_targets_too():
    made = worked(elman, [[1], [2], [3]], GIVEN, target=[[1], [2], [3]], steps=2)
    assert made.given.rows == 2 and set(made.losses) == {1, 2}


def test_a_picture_begins_where_there_is_a_loss():
    made = worked(elman, [[1], [2]], GIVEN, target=[None, [1]])
    assert made.picture() == made.picture(row=2)


def test_a_number_has_a_spelling_without_brackets(capsys, tmp_path):
    made = deck003(1)
    assert made["a2.1"] is made["a2[1]"] and made["w1.0.1"] is made["w1[0,1]"]
    assert hello_worked()["h.2.1"].value == hello_worked()["h[2][1]"].value
    file = tmp_path / "a.svg"
    assert run(capsys, "deck003", "--picture", str(file), "--of", "a2.1") == f"{file}: deck003\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["byhand", "hello", "--rows", "4-2"], "--rows 4-2 ends before it begins. Write 2-4."),
        (
            ["byhand", "hello", "--rows", "1-99999999"],
            "--rows 1-99999999: a net is worked by hand over 64 rows at most.",
        ),
        (["show", "lstm", "--widths", "I=abc"], "--widths I=abc is of --stage listing"),
        (["show", "lstm", "--stage", "picture", "--widths", "I=3"], "--widths I=3 is of --stage listing"),
    ],
)
def test_nothing_is_silent(capsys, arguments, message):
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_digits_are_those_of_pictures_too(capsys, tmp_path):
    file = tmp_path / "a.svg"
    for more, there, gone in (((), ".8896", ".89<"), (("--digits", "2"), ".89<", ".8896")):
        run(capsys, "deck003-graph", "--picture", str(file), *more)
        text = file.read_text(encoding="utf-8")
        assert there in text and gone not in text
    made = worked(elman, [[1]], {**GIVEN, "W": [[0.123456789]]})
    assert ">0.123457<" in made.picture(view="neurons") and ">0.12<" in made.picture(view="neurons", digits=2)
    assert made.picture(digits=2) == worked(elman, [[1]], {**GIVEN, "W": [[0.123456789]]}).picture(digits=2)


def test_the_command_draws_neurons(capsys, tmp_path):
    file = tmp_path / "a.svg"
    assert run(capsys, "deck003", "--picture", str(file), "--view", "neurons") == f"{file}: deck003\n"
    assert file.read_text(encoding="utf-8") == deck003().picture(view="neurons")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--view", "neurons"], "--view neurons is of a picture: say where it goes, --picture FILE.svg."),
        (["--view", "circles", "--picture", "n.svg"], "view='circles' is not a view of a worked net"),
        (["--view", "neurons", "--of", "E", "--picture", "n.svg"], "of='E' is of view='numbers'"),
    ],
)
def test_views_of_numbers_that_cannot_be(capsys, more, message):
    assert main(["byhand", "deck003", *more]) == 2
    assert message in capsys.readouterr().err
