"""The output layer that pasted equations end in: taken off, used as the model's own, once on top of a stack."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch

from unrolled import LanguageModel, Recurrent, cell_from_latex, softmax, tanh
from unrolled.cell import REGISTRY, cell
from unrolled.cli import main
from unrolled.errors import UsageError
from unrolled.models.sample import write
from unrolled.transform.head import split_head, why_no_head

DECK_002 = r"s_t = f(Ux_t + Ws_{t-1}) \\ o_t = \operatorname{softmax}(Vs_t)"
DECK_000 = r"y_t = \text{softmax}(V_t * h_t) \\ h_t = \sigma(U_t * x_t + W * h_{t-1})"
DECK_004 = r"""$$y_t = f(\mathbf{U}h_{t,L} + \mathbf{b}^u)$$
$$h_{t,l} = g(\mathbf{W}_l^h h_{t-1,l} + \mathbf{W}_l^x h_{t,l-1} + \mathbf{b}_l^h)$$
$$h_{t,0} = \mathbf{x}_t$$"""
TEXT = "".join(f"{'abcdefgh'[k % 8]}{'xyz'[k % 3]}" for k in range(400))


@pytest.mark.parametrize(
    ("text", "said", "left"),
    [
        (DECK_002, "o = softmax(V @ s)", ("U", "W")),
        (DECK_000, "y = softmax(V @ h)", ("U", "W")),
        (r"h = \sigma(U * x) \\ y = \text{softmax}(V * h)", "y = softmax(V @ h)", ("U",)),
        (DECK_004, "y = tanh(U @ h + b_u)", ("W_h", "W_x", "b_h")),
        (r"h_t = \tanh(W x_t + U h_{t-1}) \\ y_t = c + V h_t", "y = V @ h + c", ("W", "U")),
        (
            r"h_t = \tanh(W x_t + U h_{t-1}) \\ z_t = V h_t \\ y_t = \sigma(z_t)",
            "y = sigmoid(V @ h)",
            ("W", "U"),
        ),
        (r"c_t = W x_t + c_{t-1} \\ h_t = \tanh(c_t) \\ y_t = V h_t", "y = V @ h", ("W",)),
    ],
)
def test_the_last_equation_is_found(text, said, left):
    whole = cell_from_latex(text)
    part, head = split_head(whole)
    assert (str(head), part.parameters, part.states) == (said, left, whole.states)
    assert split_head(part)[1] is None


@pytest.mark.parametrize(
    "text",
    [
        r"h_t = \tanh(W x_t + U h_{t-1})",
        r"h_t = \tanh(W x_t + U y_{t-1}) \\ y_t = \sigma(V h_t)",  # Jordan: the output goes back in
        r"h_t = \tanh(W x_t + U h_{t-1}) \\ y_t = V h_t + Q x_t",
        r"h_t = \tanh(W x_t + W h_{t-1}) \\ y_t = W h_t",  # one matrix for both
        r"h_t = \tanh(W x_t + U h_{t-1} + b) \\ y_t = V h_t + b",
        r"h_t = \tanh(W x_t + U h_{t-1}) \\ y_t = \alpha \odot h_t",
        r"y_t = \text{softmax}(V x_t)",
    ],
)
def test_others_are_left_whole(text):
    whole = cell_from_latex(text)
    assert split_head(whole) == (whole, None)


def test_no_cell_of_the_zoo_changes():
    assert not [n for n, c in REGISTRY.items() if split_head(c)[1] or why_no_head(c)]


def test_part_and_head_are_the_whole():
    torch.manual_seed(0)
    whole = cell_from_latex(DECK_004)
    part, _ = split_head(whole)
    x, h = torch.randn(3), torch.randn(5)
    own = {"W_h": torch.randn(5, 5), "W_x": torch.randn(5, 3), "b_h": torch.randn(5)}
    U, b = torch.randn(5, 5), torch.randn(5)
    y, new = whole(x, h, **own, U=U, b_u=b)
    torch.testing.assert_close(y, torch.tanh(U @ part(x, h, **own) + b))
    torch.testing.assert_close(new, part(x, h, **own))


@pytest.mark.parametrize("bidirectional", [False, True])
def test_layers_are_stacked_on_the_state(bidirectional):
    """Deck 004: h_{t,l} = g(W_l^h h_{t-1,l} + W_l^x h_{t,l-1} + b_l), y_t = f(U h_{t,L} + b^u)."""
    torch.manual_seed(1)
    rnn = Recurrent(cell_from_latex(DECK_004), 3, 4, num_layers=2, bidirectional=bidirectional)
    with torch.no_grad():
        for weight in rnn.parameters():
            weight.normal_()
    x = torch.randn(6, 2, 3)
    got, last = rnn(x, lengths=[6, 4])

    def layer(w, v):
        h, all_h = torch.zeros(2, 4), []
        for x_t in v:
            h = torch.tanh(h @ w.W_h.T + x_t @ w.W_x.T + w.b_h)
            all_h.append(h)
        return torch.stack(all_h)

    forward = layer(rnn.layers[0], x)
    if bidirectional:
        back = layer(rnn.reversed[0], x.flip(0)).flip(0)
        both = torch.cat([forward, back], -1)
        top = layer(rnn.reversed[1], both.flip(0)).flip(0)
        wanted = torch.tanh(top @ rnn.reversed_head.U.T + rnn.reversed_head.b_u)
        torch.testing.assert_close(got[:, 0, 4:], wanted[:, 0])
        forward = both
    top = layer(rnn.layers[1], forward)
    torch.testing.assert_close(got[:, 0, :4], torch.tanh(top @ rnn.head.U.T + rnn.head.b_u)[:, 0])
    assert got[4:, 1].abs().max() == 0 and rnn.output_size == 4
    if not bidirectional:
        torch.testing.assert_close(last[0][1, 0], top[-1, 0])
        y_t, state = rnn.step(x[0])
        torch.testing.assert_close(y_t, got[0])


def test_the_output_layer_of_a_model_is_the_authors():
    model = LanguageModel(11, cell_from_latex(DECK_002), 6, 2)
    names = dict(model.named_parameters())
    assert names["head.V"].shape == (11, 6) and "rnn.layers.1.U" in names and len(names) == 5
    assert model.note == "The output layer is o = softmax(V @ s), as the equations say."
    linear = LanguageModel(11, cell_from_latex(r"s_t = \tanh(U x_t + W s_{t-1}) \\ o_t = V s_t + c"), 6)
    assert linear.note.endswith("o = V @ s + c, as the equations say and softmax follows it.")
    assert linear.head.bias is linear.head.c
    squashed = LanguageModel(11, cell_from_latex(DECK_004), 6)
    assert "y = tanh(U @ h + b_u), with softmax in place of tanh" in squashed.note
    assert LanguageModel(11, "lstm", 6).note is None


def test_an_output_layer_that_cannot_be_used_says_so():
    with pytest.raises(
        UsageError, match="pasted ends in a softmax, o, which cannot be the model's output layer"
    ):
        LanguageModel(
            11, cell_from_latex(r"s_t = \tanh(U x_t + W s_{t-1}) \\ o_t = \text{softmax}(V s_t + Q x_t)"), 6
        )
    back = r"s_t = \tanh(U x_t + W o_{t-1}) \\ o_t = \text{softmax}(V s_t)"
    with pytest.raises(UsageError, match="the state rests on o"):
        LanguageModel(11, cell_from_latex(back), 6)

    @cell(shapes={"V": ("10", "H")})
    def ten(x, s, *, U, W, V):
        s = tanh(U @ x + W @ s)
        o = softmax(V @ s)
        return o, s

    assert LanguageModel(10, ten, 6).head.V.shape == (10, 6)
    with pytest.raises(UsageError, match=r"o = softmax\(V @ s\) is 10 wide, and 11 outputs are needed"):
        LanguageModel(11, ten, 6)


def learned(made, layers: int) -> float:
    """Nats per character after 120 steps on TEXT."""
    letters = sorted(set(TEXT))
    read = torch.tensor([letters.index(c) for c in TEXT])
    torch.manual_seed(0)
    model = LanguageModel(len(letters), made, 24, layers)
    optimiser = torch.optim.Adam(model.parameters(), 0.01)
    x, y = read[:-1].reshape(17, 47).T, read[1:].reshape(17, 47).T
    for _ in range(120):
        loss, _ = model.nats(x, y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert len(list(write(model, read[:1], 5))) == 5
    return loss.item()


@pytest.mark.parametrize("layers", [1, 2])
def test_deck_002_learns_as_it_does_without_its_second_line(layers):
    shares = [n / len(TEXT) for n in Counter(TEXT).values()]
    unigram = -sum(p * math.log(p) for p in shares)
    for text in (DECK_002, DECK_000, DECK_004):
        whole = cell_from_latex(text)
        alone = learned(split_head(whole)[0], layers)
        assert learned(whole, layers) < min(unigram / 2, alone + 0.1)


def test_gradient_flow_of_a_pasted_net(capsys, tmp_path):
    (tmp_path / "deck2.tex").write_text(DECK_002)
    assert main(["show", "--latex", str(tmp_path / "deck2.tex"), "--stage", "gradient-flow"]) == 0
    assert "deck2, U × 4: one step back" in capsys.readouterr().out


def test_a_run_says_what_its_output_layer_is(capsys, tmp_path):
    (tmp_path / "deck2.tex").write_text(DECK_002)
    (tmp_path / "text.txt").write_text(TEXT)
    files = [
        "--latex",
        str(tmp_path / "deck2.tex"),
        "--text",
        str(tmp_path / "text.txt"),
        "--out",
        str(tmp_path / "run"),
    ]
    small = ["--hidden=8", "--batch=4", "--span=8", "--epochs=0.2", "--layers=2", "--precision=float32"]
    assert main(["train", "char-lm", *files, *small]) == 0
    assert "The output layer is o = softmax(V @ s), as the equations say." in capsys.readouterr().out
    assert main(["sample", str(tmp_path / "run"), "--length=5"]) == 0
