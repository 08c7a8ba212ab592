r"""LaTeX that is pasted: the decks' equations, what papers write, the zoo's own print, and what cannot be read.

UNROLLED_UPDATE_GOLDEN=1 pytest tests/test_latex_reader.py writes the messages in golden/latex_errors.txt again.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

import unrolled
from unrolled import cell_from_latex, python_from_latex
from unrolled.cell import REGISTRY
from unrolled.cli import main
from unrolled.errors import CellError, UnrolledError, UsageError

GOLDEN = Path(__file__).parent / "golden" / "latex_errors.txt"
DECK_001 = r"""
How much to forget?
$$f_t = \sigma (W_f \cdot [h_{t-1}, x_t] + b_f)$$
How much to add?
$$i_t = \sigma(W_i \cdot [h_{t-1}, x_t] + b_i)$$
What info to add?
$$\tilde{C}_t = \tanh(W_C \cdot [h_{t-1}, x_t] + b_C)$$
New cell state.
$$C_t = f_t * C_{t-1} + i_t * \tilde{C}_t$$
How much to output?
$$o_t = \sigma(W_o [h_{t-1}, x_t] + b_o)$$
$$h_t = o_t * \tanh(C_t)$$
"""
DECK_002 = r"""$$s_t = f(Ux_t + Ws_{t-1})$$
$$o_t = \operatorname{softmax}(Vs_t)$$"""
DECK_003 = r"h = \tanh(W_{xh} x + W_{hh} h_{t-1}), \quad \hat{y} = \text{softmax}(W_{yh} h)"
DECK_004 = r"""$$\mathbf{y}_t = f(\mathbf{U}\mathbf{h}_T + \mathbf{b}^u)$$
$$\mathbf{h}_t = g(\mathbf{W}^h\mathbf{h}_{t-1} + \mathbf{W}^x\mathbf{x}_t + \mathbf{b}^h)$$"""
DECK_004_DEEP = r"""$$y_t = f(\mathbf{U}h_{t,L} + \mathbf{b}^u)$$
$$h_{t,l} = g(\mathbf{W}_l^h h_{t-1,l} + \mathbf{W}_l^x h_{t,l-1} + \mathbf{b}_l^h)$$
$$h_{t,0} = \mathbf{x}_t$$"""

# What the reader understands: the lines of the function, without its head.
UNDERSTOOD = {
    DECK_001: [
        "f = sigmoid(W_f @ concat(h, x) + b_f)",
        "i = sigmoid(W_i @ concat(h, x) + b_i)",
        "C_tilde = tanh(W_C @ concat(h, x) + b_C)",
        "C = f * C + i * C_tilde",
        "o = sigmoid(W_o @ concat(h, x) + b_o)",
        "h = o * tanh(C)",
        "return h, C",
    ],
    DECK_002: ["s = tanh(U @ x + W @ s)", "o = softmax(V @ s)", "return o, s"],
    DECK_003: ["h = tanh(W_xh @ x + W_hh @ h)", "y_hat = softmax(W_yh @ h)", "return y_hat, h"],
    DECK_004: ["h = tanh(W_h @ h + W_x @ x + b_h)", "y = tanh(U @ h + b_u)", "return y, h"],
    DECK_004_DEEP: ["h = tanh(W_h @ h + W_x @ x + b_h)", "y = tanh(U @ h + b_u)", "return y, h"],
    r"$$y_t = \text{softmax}(V_t * h_t)$$ and $$h_t = \sigma(U_t * x_t + W * h_{t-1})$$": [
        "h = sigmoid(U @ x + W @ h)",
        "y = softmax(V @ h)",
        "return y, h",
    ],
    "$$y = \\text{softmax}(V * h)$$\n$$h = \\sigma(U * x)$$": [
        "h = sigmoid(U @ x)",
        "y = softmax(V @ h)",
        "return y",
    ],
    r"a^{<t>} = g(W_{aa} a^{<t-1>} + W_{ax} x^{<t>} + b_a)": [
        "a = tanh(W_aa @ a + W_ax @ x + b_a)",
        "return a",
    ],
    r"h^{(t)} = \tanh(b + W h^{(t-1)} + U x^{(t)})": ["h = tanh(b + W @ h + U @ x)", "return h"],
    r"h(t) = \tanh(W x(t) + U h(t-1))": ["h = tanh(W @ x + U @ h)", "return h"],
    r"H_t = \phi(X_t W_{xh} + H_{t-1} W_{hh} + b_h)": ["H = tanh(W_xh @ X + W_hh @ H + b_h)", "return H"],
    "h_t = f(W x_t + U h_{t-1})\nf = \\mathrm{relu}": ["h = relu(W @ x + U @ h)", "return h"],
    "h_t = f(W x_t + U h_{t-1})\nf(x) = \\sigma(x)": ["h = sigmoid(W @ x + U @ h)", "return h"],
    r"h_t = \sigma_g(W x_t) \odot \sigma_h(h_{t-1})": ["h = sigmoid(W @ x) * tanh(h)", "return h"],
    r"h_t = z_t \odot h_{t-1} + (1 - z_t) \odot x_t \\ z_t = \sigma(W x_t)": [
        "z = sigmoid(W @ x)",
        "h = z * h + (1 - z) * x",
        "return h",
    ],
    r"h_t = r_t \circ U h_{t-1} \\ r_t = \sigma(W x_t)": ["r = sigmoid(W @ x)", "h = r * (U @ h)", "return h"],
    r"h_t = \alpha h_{t-1} + (1 - \alpha) \tanh(W x_t + \theta)": [
        "h = alpha * h + (1 - alpha) * tanh(W @ x + theta)",
        "return h",
    ],
    r"h_t = \frac{1}{1 + e^{-(W x_t + u \odot h_{t-1})}}": ["h = 1 / (1 + exp(-(W @ x + u * h)))", "return h"],
    r"h_t = W x_{t-1} + V x_t": ["h = W @ x_before + V @ x", "return h, x"],
    r"c_t = x_t + c_{t-1} \\ h_t = c_{t-1} + h_{t-1}": ["c_new = x + c", "h = c + h", "return h, c_new"],
    "h_t = \\tanh C_t \\quad \\text{output}\nC_t = W x_t\n  + C_{t-1}": [
        "C = W @ x + C",
        "h = tanh(C)  # output",
        "return h, C",
    ],
    r"h_t = σ(W x_t − b) ⊙ h_{t−1}": ["h = sigmoid(W @ x - b) * h", "return h"],
    r"\lambda_t = x_t + \lambda_{t-1} + \mathrm{import}": ["lambda_ = x + lambda_ + import_", "return lambda_"],
    r"h_t = \mathrm{diag}(a) h_{t-1} + W x_t": ["h = a * h + W @ x", "return h"],
    r"h_t = (M \odot U) h_{t-1} + W x_t": ["h = (M * U) @ h + W @ x", "return h"],
    r"h_t = W x_t + U_{\mathrm{t}} h_{t-1}": ["h = W @ x + U_t @ h", "return h"],
    "$h_t = a^{(0)} V^{(1)} x_t + h_{t-1}$\n$V \\in \\mathbb{R}^{2 \\times n \\times d}, a \\in \\mathbb R^{1 \\times n}$": [
        "h = a[0] * (V[1] @ x) + h",
        "return h",
    ],
    # Deck 004: single units; deck 003: w[i, k], s[k] and the three activation functions.
    r"""$$y_i = f\left(\sum_{j=1}^3 u_{ij} * h_j + b_i^u\right)$$
    $$h_i = g\left(\sum_{j=1}^3 w_{ij} * x_j + b_i\right)$$""": [
        "h = tanh(w @ x + b)",
        "y = tanh(u @ h + b_u)",
        "return y",
    ],
    r"s_1[k] = \sum_{i=0}^m w_1[i,k] a_0[i] \quad \text{for } k = 1, 2 \\ a_1[k] = \sigma(s_1[k])": [
        "s_1 = w_1.T @ a_0",
        "a_1 = sigmoid(s_1)",
        "return a_1",
    ],
    r"e_t = \sum_i v_i h_{t,i}, \quad k = 1, \dots, n \\ h_{t,i} = \tanh(\sum_j w_{ij} x_{t,j} + \sum_j u_{ij} h_{t-1,j})": [
        "h = tanh(w @ x + u @ h)",
        "e = total(v * h)",
        "return e, h",
    ],
    r"g(z) = \frac{1}{1+e^{-z}} \\ h_t = g(W x_t + U h_{t-1})": ["h = sigmoid(W @ x + U @ h)", "return h"],
    r"g(z) = \frac{e^z - e^{-z}}{e^z + e^{-z}} \\ h_t = g(W x_t + h_{t-1})": [
        "h = tanh(W @ x + h)",
        "return h",
    ],
    r"g(z) = \max(0, z) \\ h_t = g(W x_t + U h_{t-1})": ["h = relu(W @ x + U @ h)", "return h"],
    r"g(z) = a z + 1 \\ h_t = g(W x_t) + g(h_{t-1})": ["h = a * (W @ x) + 1 + (a * h + 1)", "return h"],
    r"h_0 = 0, c_0 = -1 \\ h_t = W x_t + h_{t-1} \\ c_t = h_t + c_{t-1}": [
        "h = W @ x + h",
        "c = h + c",
        "return h, c",
    ],
    # What LaTeX sets as W_x h is meant as W_{xh}.
    r"h_t = \tanh(W_xz x_t + W_hh h_{t-1})": ["h = tanh(W_xz @ x + W_hh @ h)", "return h"],
    r"h_t = \tanh(W_xx_t + W_hh_{t-1} + U_hh(t-1))": ["h = tanh(W_x @ x + W_h @ h + U_h @ h)", "return h"],
    r"h = \sigma(W_hx) \\ y = W_yh": ["h = sigmoid(W_h @ x)", "y = W_y @ h", "return y"],
    "h_t = 1/4 x_t − 0,25 h_{t−1} + 0{,}5 y_t": ["h = 1 / 4 * x - 0.25 * h + 0.5 * y", "return h"],
    "hₜ = tanh(W xₜ + U hₜ₋₁)² + x^{(0,0)}_t": ["h = tanh(W @ x + U @ h) ** 2 + x_0_0", "return h"],
    r"h[t] = \tanh(W x[t] + U h[t-1]), \quad t = 1, \dots, T": ["h = tanh(W @ x + U @ h)", "return h"],
    r"h_t = W \begin{bmatrix} h_{t-1} \\ x_t \end{bmatrix} + x_t^2": [
        "h = W @ concat(h, x) + x ** 2",
        "return h",
    ],
}


def body(text: str) -> list[str]:
    return [
        " ".join(line.split()).replace(" # ", "  # ")
        for line in python_from_latex(text).split('"""')[2].splitlines()
        if line.strip()
    ]


@pytest.mark.parametrize("text", UNDERSTOOD, ids=range(len(UNDERSTOOD)))
def test_what_is_understood(text):
    assert body(text) == UNDERSTOOD[text]


@pytest.mark.parametrize("text", UNDERSTOOD, ids=range(len(UNDERSTOOD)))
def test_the_printed_function_is_the_cell(text):
    found: dict = {}
    exec(python_from_latex(text, "again"), found)
    assert meaning(found["again"]) == meaning(cell_from_latex(text, "again"))


def meaning(cell) -> dict:
    """Output and new states as nested primitives; aliases, node numbers and the order
    of leaves do not matter.
    """
    graph, known = cell.graph, {}
    for node in graph.nodes:
        args = tuple(known[a] for a in node.args)
        kind = "parameter" if node.op == "hyper" else node.op
        known[node.index] = args[0] if node.op == "alias" else (kind, node.value, *args)
    return {"output": known[graph.output]} | {
        name: known[new] for name, new in zip(graph.states, graph.new_states)
    }


def test_deck_001_is_the_lstm_of_the_zoo():
    """W_f on [h, x] is U_f beside W_f."""
    torch.manual_seed(0)
    pasted, zoo = cell_from_latex(DECK_001), REGISTRY["lstm"]
    x, h, c = torch.randn(3), torch.randn(5), torch.randn(5)
    own = {
        p: torch.randn(5) if p[0] == "b" else torch.randn(5, 3 if p[0] == "W" else 5) for p in zoo.parameters
    }
    joined = {
        f"{k}_{n}": torch.cat((own[f"U_{m}"], own[f"W_{m}"]), 1) if k == "W" else own[f"b_{m}"]
        for n, m in zip("ifCo", "ifgo")
        for k in "Wb"
    }
    for got, wanted in zip(pasted(x, h, c, **joined), zoo(x, h, c, **own)):
        torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize(
    "text,parameters",
    [
        (DECK_004, {"W": "W_x", "U": "W_h", "b": "b_h"}),
        (DECK_004_DEEP, {"W": "W_x", "U": "W_h", "b": "b_h"}),
        (DECK_003, {"W": "W_xh", "U": "W_hh", "b": None}),
        (DECK_002, {"W": "U", "U": "W", "b": None}),
    ],
)
def test_the_other_decks_are_elman(text, parameters):
    torch.manual_seed(0)
    pasted, zoo = cell_from_latex(text), REGISTRY["elman"]
    x, h = torch.randn(3), torch.randn(4)
    own = {
        "W": torch.randn(4, 3),
        "U": torch.randn(4, 4),
        "b": torch.randn(4) if parameters["b"] else torch.zeros(4),
    }
    given = {theirs: own[ours] for ours, theirs in parameters.items() if theirs}
    given |= {
        p: torch.randn(4) if p[0] == "b" else torch.randn(4, 4) for p in pasted.parameters if p not in given
    }
    torch.testing.assert_close(pasted(x, h, **given)[1], zoo(x, h, **own))


BAD = (
    "",
    "h_t + x_t",
    "The hidden state is updated",
    r"h_t = \tanh(W x_t + U h_{t-1} + b",
    r"h_t = \tanh(W x_t + U h_{t-1}) + b)",
    r"h_t = \tanh(W [h_{t-1}, x_t) + b)",
    "f_t = \\sigma(W_f (x_t + b_f)\nh_t = f_t * h_{t-1}",
    "h_t = ",
    r"= \tanh(W x_t)",
    r"h_t = \tanh(W x_t + )",
    r"h_t = * x_t + h_{t-1}",
    r"h_t = \tanh(W x_t) = z_t",
    r"h_t = \tanh()",
    r"h_t = W x_t + h_{t-2}",
    r"h_t = \tanh(W x_t + U h_t-1)",
    r"h_t = f_W(h_{t-1}, x_t)",
    r"h_0 = s \\ h_t = \tanh(W x_t + U h_{t-1})",
    r"h_{t+1} = \tanh(W x_t + U h_t)",
    r"h_{t-1} = \tanh(W x_t)",
    r"h_t = \tanh(W x_t + U s_{t-1})",
    r"h_t = \tanh(W x_t + U h_t)",
    "z_t = W x_t + r_t\nr_t = U z_t + h_{t-1}\nh_t = z_t",
    "h_t = W x_t + h_{t-1}\nh_t = \\tanh(x_t)",
    r"h_t = \tanh(U h_{t-1} + b)",
    r"h_t = \foo(W x_t + U h_{t-1})",
    "h_t = slow_t * x_t + h_{t-1}",
    r"h_t = \mathrm{trace}(R) h_{t-1} + x_t",
    r"h_t = \mathrm{diag}(a) + x_t + h_{t-1}",
    r"h_t = W x_t + h_{t-1} \\ W \in \mathbb{C}^{H \times I}",
    r"h_t = W x_t + h_{t-1} \\ \in \mathbb{R}",
    r"h_t = W x_t + h_{t-1} \\ W \in \mathbb{R}^{H \times }",
    r"h_t = W x_t + h_{t-1} \\ W + x_t \in \mathbb{R}",
    r"h_t = \max(x_t) + h_{t-1}",
    r"h_t = \tanh(x_t, h_{t-1})",
    "h_t = (x_t)^{a} + h_{t-1}",
    r"h_t = \sum_{s=1}^t x_s + h_{t-1}",
    r"h_i = \sum_j w_{ij} / x_j",
    r"h_i = \sum_j \sum_k w_{ijk} x_j x_k",
    r"h_k = \sum_j w_{ij} x_j + c_k",
    r"s_1[1] = w_1[0,1] a_0[0]",
    r"h_t = \max(0,5 x_t) + h_{t-1}",
    "h_t = |x_t + h_{t-1}",
    "$h_t = x_t + h_{t-1}",
    "h_t = x_t ? h_{t-1}",
    "h_t = x_t ⊕ h_{t-1}",
    r"h_t = x_t + \tilde{h_{t-1} + 1}",
    r"\begin{pmatrix} i_t \\ f_t \end{pmatrix} = \sigma(W x_t)",
    r"h_t = \begin{bmatrix} 1 & 2 \\ 3 & 4 \end{bmatrix} x_t",
    r"h_t = \begin{cases} x_t & \text{if } x_t > 0 \end{cases}",
    r"h_t = W x_t + W + h_{t-1}",
    r"h_t = W x_t + W \odot h_{t-1}",
    r"h_t = \tanh + x_t + h_{t-1}",
    "f(x) = f(x) + 1\nh_t = f(x_t) + h_{t-1}",
    "f(2) = 1\nh_t = f(x_t) + h_{t-1}",
    "o_t = W x_t\nq_t = V x_t\nh_t = x_t + h_{t-1}",
    "h_{t,t-1} = x_t",
    "h_t = x_{a:b} + h_{t-1}",
    r"h_t = \mathbb{R} x_t + h_{t-1}",
    "h_t = [x_t, ] + h_{t-1}",
    "W h_t = x_t",
    r"f = \tanh",
    r"h_t = \sqrt[3]{x_t}",
    "h_t = W^{-1} x_t",
    r"h_t = \text{''' import os} x_t",
    "h_t = 1e400 x_t",
    "h_t = x^",
    "\\",
    "h_t = {",
    r"h_t = \begin{cases} x_t \\ 3",
)


def test_what_cannot_be_read_says_where_and_what_to_do():
    told = []
    for text in BAD:
        with pytest.raises(CellError) as raised:
            cell_from_latex(text)
        told.append(f"{text}\n{raised.value}\n")
    now = "\n".join(told)
    if os.environ.get("UNROLLED_UPDATE_GOLDEN"):
        GOLDEN.write_text(now, encoding="utf-8")
    assert len(BAD) > 30 and now == GOLDEN.read_text(encoding="utf-8")


def test_a_first_state_is_kept():
    made = cell_from_latex(r"h_0 = 0, c_0 = -1 \\ h_t = W x_t + h_{t-1} \\ c_t = h_t + c_{t-1}")
    assert dict(made.start) == {"c": -1.0}


def test_the_caret_is_below_the_place():
    with pytest.raises(CellError) as raised:
        cell_from_latex("z_t = \\sigma(W x_t)\n   h_t = z_t * h_{t-2}")
    head, caret, sentence = str(raised.value).split("\n")
    assert head.startswith("CellError in LaTeX, line 2:   h_t") and head[caret.index("^") :].startswith("t-2")
    assert sentence.startswith("t-2 is a moment that a cell does not see")


@pytest.mark.parametrize(
    "text", ["h_t = " + "(" * 3000 + "x_t" + ")" * 3000, "h_t = x_t" + " + x_t" * 9000, "h" * 200_000]
)
def test_too_much_is_an_error_of_ours(text):
    with pytest.raises(UnrolledError):
        cell_from_latex(text)


def test_a_name_that_is_none():
    with pytest.raises(UsageError, match="'tanh' cannot be a cell's name"):
        cell_from_latex("h_t = x_t + h_{t-1}", "tanh")


def test_comments_and_strings_stay_harmless():
    made = cell_from_latex('h_t = x_t + h_{t-1} \\quad \\text{""" + exit(3) # end}')
    assert made.graph.statements[0].comment == '""" + exit(3) # end'


def test_show_prints_the_function_and_the_cell(tmp_path, capsys):
    file = tmp_path / "gate-net.tex"
    file.write_text(DECK_001)
    assert main(["show", "--latex", str(file)]) == 0
    said = capsys.readouterr().out
    assert "def gate_net(x, h, C, *," in said and "C[t] = f[t] * C[t-1] + i[t] * C_tilde[t]" in said


def test_a_bad_file_is_one_message(tmp_path, capsys):
    file = tmp_path / "bad.tex"
    file.write_text("h_t = x_t + h_{t-2}")
    assert main(["show", "--latex", str(file)]) == 2
    assert capsys.readouterr().err.startswith("CellError in bad.tex, line 1:   h_t = x_t + h_{t-2}\n")
    assert main(["show", "--latex", str(tmp_path / "none.tex")]) == 2
    assert "the file cannot be read: No such file" in capsys.readouterr().err
    assert main(["show", "gru", "--latex", str(file)]) == 2
    assert "are two cells" in capsys.readouterr().err


def test_a_run_keeps_the_equations(tmp_path, capsys):
    file, text, run = tmp_path / "net.tex", tmp_path / "verse.txt", tmp_path / "run"
    file.write_text(r"h_t = \tanh(W x_t + U h_{t-1} + b)")
    text.write_text("the quick brown fox jumps over the lazy dog.\n" * 40)
    small = ["--hidden=8", "--batch=4", "--span=8", "--epochs=0.2", "--layers=1"]
    assert main(["train", "char-lm", "--text", str(text), "--latex", str(file), "--out", str(run), *small]) == 0
    assert "h = tanh(W @ x + U @ h + b)" in capsys.readouterr().out
    file.unlink()  # the run has what it needs
    assert main(["sample", str(run), "--length=5"]) == 0
    assert main(["train", "char-lm", "--latex", str(file), "--cell", "gru", *small]) == 2
    assert "both say which cell" in capsys.readouterr().err


def test_the_page_runs():
    page = (Path(__file__).parent.parent / "docs" / "latex.md").read_text(encoding="utf-8")
    exec(page.split("```python\n")[1].split("```")[0], {})
    assert unrolled.cell_from_latex is cell_from_latex
