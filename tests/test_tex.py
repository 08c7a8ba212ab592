"""What the library prints as LaTeX is set by LaTeX itself; skipped where there is no pdflatex (Debian:
texlive-latex-recommended).
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from unrolled import worked
from unrolled.byhand.document import Brackets, Lines, Said, WorkedLine
from unrolled.byhand.render import PREAMBLE, as_latex, as_markdown
from unrolled.cells import REGISTRY
from unrolled.cli import main

pdflatex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex")
END = "\n\\end{document}\n"
EXAMPLES = (
    "deck003",
    "deck003-graph",
    "next-character",
    "hello",
    "bptt",
    "layers",
    "lstm",
    "activations",
    "gru",
)


def overfull(folder: Path, text: str) -> list[float]:
    """Sets the document; by how many points each line is wider than its page. An
    error of LaTeX's is a failure.
    """
    (folder / "a.tex").write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "a.tex"],
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
    )
    at = done.stdout.find("\n!")
    assert done.returncode == 0, done.stdout[at : at + 600]
    lines = [line for line in done.stdout.splitlines() if line.startswith("Overfull \\hbox")]
    return [float(line.partition("(")[2].partition("pt")[0]) for line in lines]


@pdflatex
@pytest.mark.parametrize("comments", [False, True])
def test_the_whole_zoo_in_one_document(tmp_path, comments):
    every = "\n".join(made.latex(comments=comments, numbered=comments) for made in REGISTRY.values())
    wide = overfull(tmp_path, PREAMBLE + every + END)
    assert comments or not wide, wide


@pdflatex
@pytest.mark.parametrize("what", EXAMPLES)
@pytest.mark.parametrize("style", ["latex", "beamer", "fragment"])
def test_worked_numbers(tmp_path, capsys, what, style):
    assert main(["byhand", what, "--format", style]) in (0, None)
    text = capsys.readouterr().out
    wide = overfull(tmp_path, PREAMBLE + text + END if style == "fragment" else text)
    assert max(wide, default=0.0) < 20, wide


@pdflatex
@pytest.mark.parametrize("style", ["document", "beamer"])
def test_exercises_and_steps_of_an_optimiser(tmp_path, style):
    made = worked(
        "elman", [[1], [0]], {"W": [[0.5]], "U": [[0.1]], "b": [0.0]}, target=[[0.5], [0.2]], rate=0.1, train=3
    )
    overfull(tmp_path, made.latex(style=style))
    overfull(tmp_path, made.latex(style=style, exercise=True))


@pdflatex
@pytest.mark.slow
def test_two_steps_of_every_cell(tmp_path, capsys):
    """In fragments, one behind the other. (An exponential of a matrix is not written out.)"""
    parts = []
    for name in REGISTRY:
        if name not in ("orthogonal_rnn", "lstm"):
            assert main(["byhand", name, "--format", "fragment", "--steps", "2"]) in (0, None), name
            parts.append(capsys.readouterr().out)
    overfull(tmp_path, PREAMBLE + "\\newpage\n".join(parts) + END)


def test_a_table_has_a_name_for_each_of_its_columns(capsys):
    """Of a stack of stacks of matrices, too: fast_slow_rnn's U is (2, 4, H, H)."""
    assert main(["byhand", "fast_slow_rnn", "--format", "fragment", "--steps", "1"]) in (0, None)
    text = capsys.readouterr().out
    assert "U[1,3] & 1 & 2" in text
    for columns, rows in re.findall(r"\\begin\{array\}\{l\|(r+)\}\n(.*?)\n\\end\{array\}", text, re.DOTALL):
        assert {row.count("&") for row in rows.splitlines()} == {len(columns)}


def test_many_rows_are_several_environments():
    """TeX has a whole environment in its memory; one of 9,500 rows is too much for it."""
    line = WorkedLine(Said("a", "a"), (Said("1", "1"),))
    text = as_latex([Lines((line,) * 250)], "n", "fragment")
    blocks = re.findall(r"\\begin\{align\*\}\n(.*?)\n\\end\{align\*\}", text, re.DOTALL)
    assert [block.count("&=") for block in blocks] == [100, 100, 50]
    assert as_markdown([Lines((line,) * 250)]).count(r"\begin{aligned}") == 3


def test_matrices_that_do_not_fit_a_column_go_on_below_at_a_sign():
    one = (("0.25", "0.75"), ("-0.5", "0.5"))
    plus, equals = Said("+", "+"), Said("=", "=")
    wide = as_markdown([Brackets((Said("h", "h"), equals, one, one, plus, one, one, plus, one, equals, one))])
    rows = wide.split(r"\begin{aligned}")[1].split("\\\\\n")
    assert rows[0].startswith("\nh &= ") and rows[1].startswith(r"&\qquad {} + ") and len(rows) == 2
    assert "aligned" not in as_markdown([Brackets((Said("h", "h"), equals, one))])


def test_the_factors_of_a_gradient_can_be_broken(capsys):
    r"""Within \left and \right no line may be broken: they are around cases only."""
    assert main(["byhand", "lem", "--format", "fragment", "--steps", "1"]) in (0, None)
    text = capsys.readouterr().out
    assert r"\left(" not in text.split("Backward")[1] and r"\cdot (" in text


def test_no_environment_is_empty(capsys):
    """LaTeX stops at one. second_order_rnn multiplies its weights with two vectors: no
    term is written as products.
    """
    assert main(["byhand", "second_order_rnn", "--format", "fragment", "--steps", "2"]) in (0, None)
    assert not re.search(r"\\begin\{align\*\}\s*\\end", capsys.readouterr().out)
