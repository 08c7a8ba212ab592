"""Equations in a paper's look: exact texts, and every cell through a LaTeX parser; KaTeX
itself where node has it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from latex2mathml.converter import convert

from unrolled import (
    Cell,
    absolute,
    cell,
    concat,
    layer_norm,
    maximum,
    norm,
    sigmoid,
    softmax,
    tanh,
    total,
    where,
)
from unrolled.cells import REGISTRY
from unrolled.views.latex import latex
from unrolled.views.latex_expression import latex_number
from unrolled.views.names import Called, names_of
from unrolled.views.symbols import latex_name, latex_text

ROOT = Path(__file__).parent.parent
KATEX = os.environ.get("UNROLLED_KATEX") or next(map(str, ROOT.glob("docs/**/katex.min.js")), None)


def lines_of(made: Cell) -> list[str]:
    """What stands right of each &=."""
    body = made.latex().splitlines()[1:-1]
    return [line.strip().removesuffix(r" \\").split(" &= ")[-1] for line in body]


def test_the_lstm_is_the_papers():
    assert (
        REGISTRY["lstm"].latex()
        == r"""\begin{align*}
  i_{t} &= \sigma(W_{i} x_{t} + U_{i} h_{t-1} + b_{i}) \\
  f_{t} &= \sigma(W_{f} x_{t} + U_{f} h_{t-1} + b_{f}) \\
  g_{t} &= \tanh(W_{g} x_{t} + U_{g} h_{t-1} + b_{g}) \\
  o_{t} &= \sigma(W_{o} x_{t} + U_{o} h_{t-1} + b_{o}) \\
  c_{t} &= f_{t} \odot c_{t-1} + i_{t} \odot g_{t} \\
  h_{t} &= o_{t} \odot \tanh(c_{t})
\end{align*}"""
    )


def test_comments_and_numbers_when_asked_for():
    text = REGISTRY["elman"].latex(comments=True, numbered=True)
    assert text == (
        "\\begin{align}\n  h_{t} &= \\tanh(W x_{t} + U h_{t-1} + b) && \\text{hidden state}\n\\end{align}"
    )


@pytest.mark.parametrize(
    ("printed", "wanted"),
    [
        ("W", "W"),
        ("W_f", "W_{f}"),
        ("h[t-1]", "h_{t-1}"),
        ("h_slow[t]", r"h_{\mathrm{slow},t}"),
        ("alpha", r"\alpha"),
        ("W_beta", r"W_{\beta}"),
        ("W_xi", r"W_{\mathrm{xi}}"),
        ("xi", r"\xi"),
        ("C_tilde[t]", r"\tilde{C}_{t}"),
        ("dt", r"\mathrm{dt}"),
        ("s(2)[t]", "s^{(2)}_{t}"),
        ("h_prime[t]", "h'_{t}"),
        ("W1", "W_{1}"),
        ("b_h_in", r"b_{h,\mathrm{in}}"),
        ("Sigma_o", r"\Sigma_{o}"),
        ("lambda_", r"\lambda"),
        ("a\\b$", r"\text{a\textbackslash{}b\$}"),
    ],
)
def test_names(printed, wanted):
    assert latex_name(printed) == wanted


def test_names_of_a_numbered_step():
    assert (latex_name("h[t]", "3"), latex_name("h[t-1]", "3"), latex_name("W_f", "3")) == (
        "h_{3}",
        "h_{2}",
        "W_{f}",
    )


def test_a_printed_name_is_read_back_and_a_numbered_units_is_set_as_mathematics():
    for made in REGISTRY.values():
        for called in names_of(made.graph).values():
            assert Called.read(str(called)) == called
    for name, letter in (("rhn", "s"), ("recurrent_mlp", "a")):
        picture = str(REGISTRY[name].picture(view="neurons"))
        assert f"{letter}(1)_1" not in picture and ">(1)</tspan>" in picture


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (1.0, "1"),
        (0.5, "0.5"),
        (1e-5, "10^{-5}"),
        (-1e30, "-10^{30}"),
        (2.5e-7, r"2.5 \cdot 10^{-7}"),
        (float("inf"), r"\infty"),
        (1 / 3, "0.3333333333333333"),
    ],
)
def test_numbers(value, wanted):
    assert latex_number(value) == wanted


def brackets(x, h, k, *, W, U, b, c):
    a = h - (k - b) - (c - h)
    d = a / (b * c) * -(a + b)
    e = (U - 2 * U.T) @ (d * k) * c
    f = where(h < a + b, (h + a) * (h + a), -absolute(a - b))
    h = tanh(U @ (W @ x + b)) * (1 - (1 - h)) + maximum(e, f)
    return h, k + total(a * b) - total(a)


def test_brackets_keep_the_authors_grouping():
    assert lines_of(cell(brackets)) == [
        r"h_{t-1} - (k_{t-1} - b) - (c - h_{t-1})",
        r"\frac{a_{t}}{b \odot c} \odot (-(a_{t} + b))",
        r"((U - 2 U^{\top}) (d_{t} \odot k_{t-1})) \odot c",
        (
            r"\begin{cases} (h_{t-1} + a_{t})^{2} & \text{if } h_{t-1} < a_{t} + b \\ -|a_{t} - b| &"
            r" \text{otherwise} \end{cases}"
        ),
        r"\tanh(U (W x_{t} + b)) \odot (1 - (1 - h_{t-1})) + \max(e_{t}, f_{t})",
        r"k_{t-1} + a_{t}^{\top} b - (\textstyle\sum a_{t})",
    ]


def test_forms_have_their_names():
    def forms(x, h, *, W, V, b):
        a = softmax(W @ x)
        n = norm(h - a)
        h = sigmoid(layer_norm(V @ concat(h, x))) * n + b / n
        return h

    assert lines_of(cell(forms)) == [
        r"\mathrm{softmax}(W x_{t})",
        r"\lVert h_{t-1} - a_{t} \rVert",
        r"n_{t} \sigma(\mathrm{LN}(V [h_{t-1}, x_{t}])) + \frac{b}{n_{t}}",
    ]


def test_a_long_sum_goes_on_in_another_line():
    def long(x, h, *, A, B, C, D, b):
        h = (
            A @ tanh(x)
            + B @ sigmoid(h)
            + C @ tanh(sigmoid(h + b))
            + D @ sigmoid(tanh(h - b))
            + (tanh(h) + b) * sigmoid(h)
            - b * h * tanh(x - x)
            + b
        )
        return h

    text = cell(long).latex()
    assert text.count(r"&\qquad {} + ") + text.count(r"&\qquad {} - ") == 1 and text.count("&=") == 1


def test_comments_cannot_break_out():
    data = REGISTRY["mgu"].to_json()
    data["graph"]["statements"][0][3] = "100% of $x_1$ \\input{x} \x1b[2J"
    text = Cell.from_json(data).latex(comments=True)
    assert r"\text{100\% of \$x\_1\$ \textbackslash{}input\{x\} ?[2J}" in text
    convert(text)


def balanced(text: str) -> bool:
    depth = 0
    for mark in re.findall(r"(?<!\\)[{}]", text):
        depth += 1 if mark == "{" else -1
        if depth < 0:
            return False
    return depth == 0


@pytest.mark.parametrize("name", REGISTRY)
def test_every_cell_is_set_by_a_parser(name):
    made = REGISTRY[name]
    text = made.latex(comments=True)
    assert balanced(text) and text.count(r"\left") == text.count(r"\right"), name
    assert "<math" in convert(text)
    for index, printed in names_of(made.graph).items():
        if made.graph.nodes[index].op == "parameter":
            base = latex_name(printed).split("_{")[0]
            assert re.search(rf"(?<![A-Za-z\\]){re.escape(base)}(?![A-Za-z])", text), (
                f"{name}: {printed} is not in its equations"
            )


def test_a_stored_cell_has_the_same_equations():
    for made in REGISTRY.values():
        assert Cell.from_json(made.to_json()).latex() == latex(made.graph)


def test_text_is_escaped():
    assert (
        latex_text("a_b & {c} ~^\\")
        == r"\text{a\_b \& \{c\} \textasciitilde{}\textasciicircum{}\textbackslash{}}"
    )


@pytest.mark.skipif(
    not (KATEX and shutil.which("node")), reason="KaTeX: set UNROLLED_KATEX to a katex.min.js, and install node"
)
def test_every_cell_is_set_by_katex(tmp_path):
    texts = {name: made.latex(comments=True) for name, made in REGISTRY.items()}
    (tmp_path / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    program = (
        "const katex = require(process.argv[1]); const texts ="
        " JSON.parse(require('fs').readFileSync(process.argv[2]));for (const name in texts) try {"
        " katex.renderToString(texts[name], {displayMode: true, strict: 'error'}) }catch (error) {"
        " console.log(name, error.message); process.exitCode = 1 }"
    )
    done = subprocess.run(
        ["node", "-e", program, KATEX, str(tmp_path / "texts.json")],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
