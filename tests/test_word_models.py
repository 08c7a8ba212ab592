"""Models of words: the fused cross-entropy, softmaxes, and n-grams that add up to one."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from unrolled import cell_from_latex, find
from unrolled.errors import UsageError
from unrolled.models import softmax
from unrolled.models.kneser_ney import KneserNey
from unrolled.models.softmax import cross_entropy
from unrolled.models.word_heads import Adaptive, Tied, cutoffs
from unrolled.models.words import WordModel


@pytest.mark.parametrize("room", [2**22, 40, 1], ids=["at once", "three rows at a time", "row by row"])
def test_fused_cross_entropy_is_torchs(room, monkeypatch):
    monkeypatch.setattr(softmax, "ROOM", room)
    torch.manual_seed(0)
    y, weight, bias = (torch.randn(*shape, dtype=torch.float64) for shape in ((11, 6), (13, 6), (13,)))
    targets = torch.randint(13, (11,))
    targets[[3, 7]] = -100
    found = []
    for made in (
        lambda y, w, b: cross_entropy(y, w, b, targets),
        lambda y, w, b: functional.cross_entropy(functional.linear(y, w, b), targets, reduction="sum"),
    ):
        leaves = [tensor.clone().requires_grad_() for tensor in (y, weight, bias)]
        total = made(*leaves)
        (total * 0.3).backward()
        found.append([total.detach(), *(leaf.grad for leaf in leaves)])
        with torch.no_grad():
            torch.testing.assert_close(made(y, weight, bias), total.detach())
    torch.testing.assert_close(*found)
    assert cross_entropy(y, weight, bias, torch.full((11,), -100)) == 0


def test_cross_entropy_of_pairs_is_near_and_says_no_to_what_it_cannot():
    torch.manual_seed(1)
    y, weight, bias = torch.randn(64, 32), torch.randn(500, 32) / 6, torch.randn(500) / 6
    weight.requires_grad_()
    targets = torch.randint(500, (64,))
    exact = cross_entropy(y, weight, bias, targets)
    (gradient,) = torch.autograd.grad(exact, weight, retain_graph=True)
    with pytest.raises(RuntimeError, match="differentiate its result once"):
        torch.autograd.grad(exact, weight)
    with torch.autocast("cpu", torch.bfloat16):
        near = cross_entropy(y, weight, bias, targets)
    assert abs(near - exact) < 2e-3 * exact
    (rough,) = torch.autograd.grad(near, weight)
    assert (rough - gradient).norm() < 0.02 * gradient.norm()
    with pytest.raises(RuntimeError, match="does not require grad|once_differentiable"):
        (once,) = torch.autograd.grad(cross_entropy(y, weight, bias, targets), weight, create_graph=True)
        torch.autograd.grad(once.sum(), weight)


def test_adaptive_softmax_is_torchs_and_adds_up_to_one():
    torch.manual_seed(2)
    ours = Adaptive(16, 100, (10, 40))
    peer = torch.nn.AdaptiveLogSoftmaxWithLoss(16, 100, [10, 40], div_value=4.0, head_bias=True)
    with torch.no_grad():
        peer.head.weight.copy_(ours.first.weight)
        peer.head.bias.copy_(ours.first.bias)
        for tail, narrow, group in zip(peer.tail, ours.narrow, ours.groups):
            tail[0].weight.copy_(narrow.weight)
            tail[1].weight.copy_(group.weight)
            group.bias.zero_()
    y, targets = torch.randn(50, 16), torch.randint(100, (50,))
    torch.testing.assert_close(ours(y), peer.log_prob(y))
    torch.testing.assert_close(ours.total(y, targets), -peer(y, targets).output.sum())
    torch.testing.assert_close(ours(y).exp().sum(-1), torch.ones(50))
    targets[::3] = -100
    due = functional.nll_loss(ours(y), targets, reduction="sum")
    torch.testing.assert_close(ours.total(y, targets), due)


@pytest.mark.parametrize("words", [1, 2, 3, 2000, 2200, 50_000, 10**6])
def test_groups_of_rare_words_are_never_empty(words):
    places = (0, *cutoffs(words), max(2, words))
    assert all(begin < end for begin, end in zip(places, places[1:]))


SIZES = [("tied", 8, None), ("tied", 8, 5), ("full", 8, 5), ("adaptive", 8, None), ("adaptive", 8, 12)]


@pytest.mark.parametrize(("kind", "hidden", "width"), SIZES)
def test_step_by_step_in_chunks_and_scored_is_the_whole(kind, hidden, width):
    torch.manual_seed(3)
    model = WordModel(50, "gru", hidden, 2, width=width, softmax=kind, dropout=0.5, weight_drop=0.5).eval()
    x = torch.randint(50, (9, 3))
    whole, last = model(x)
    first, state = model(x[:4])
    second, state = model(x[4:], state)
    torch.testing.assert_close(torch.cat([first, second]), whole)
    torch.testing.assert_close(state, last)
    state = None
    for t in range(9):
        y, state = model.step(x[t], state)
        torch.testing.assert_close(y, whole[t])
    due = functional.cross_entropy(whole[:-1].flatten(0, 1), x[1:].flatten(), reduction="sum")
    total, _ = model.nats(x[:-1], x[1:])
    torch.testing.assert_close(total, due)
    alone, _ = model(x[:, :1])
    torch.testing.assert_close(alone, whole[:, :1])


def test_a_tied_matrix_is_one_and_learns_from_both_ends():
    model = WordModel(20, "elman", 6)
    assert isinstance(model.head, Tied) and model.head.weight is model.embedding.weight
    assert sorted(model.state_dict())[:2] == ["embedding.weight", "head.bias"]
    torch.manual_seed(0)
    x, targets = torch.tensor([[1], [2]]), torch.tensor([[3], [3]])
    model.nats(x, targets)[0].backward()
    assert (model.embedding.weight.grad.abs().sum(1) > 0).all(), "of the softmax every row has a gradient"
    assert model.undecayed() == [] and WordModel(20, "elman", 6, softmax="full").undecayed()


def test_each_dropout_drops_while_training_only():
    torch.manual_seed(4)
    x = torch.randint(30, (6, 2))
    for options in ({"dropout": 0.5}, {"input_dropout": 0.5}, {"weight_drop": 0.5}):
        model = WordModel(30, "lstm", 16, 2, **options)
        assert not torch.equal(model(x)[0], model(x)[0]), options
        model.eval()
        assert torch.equal(model(x)[0], model(x)[0])
    model = WordModel(30, "lstm", 16, 2, input_dropout=0.25)
    model.set_dropout(0.5)
    assert (model.inputs.probability, model.outputs.probability, model.rnn.dropout) == (0.25, 0.5, 0.5)


def test_cells_that_a_word_model_cannot_take_are_refused_and_an_output_layer_is_the_softmax():
    with pytest.raises(UsageError, match="one input, the word's vector, and cfc reads 2"):
        WordModel(20, "cfc", 6)
    made = cell_from_latex(r"s_t = \tanh(U x_t + W s_{t-1}) \\ o_t = \operatorname{softmax}(V s_t)")
    model = WordModel(20, made, 6, 2)
    assert "its matrix is V" in model.note and model(torch.zeros(3, 1, dtype=torch.int64))[0].shape == (
        3,
        1,
        20,
    )
    assert WordModel(20, find("lstm"), 6).note is None


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=60),
    st.lists(st.integers(0, 5), min_size=1, max_size=6),
    st.integers(1, 5),
)
def test_chances_of_words_after_any_context_add_up_to_one(text, context, order):
    counted = KneserNey.of(torch.tensor(text), 6, order)
    whole = sum(math.exp(-counted.nats(torch.tensor([*context, word]))[-1]) for word in range(6))
    assert whole == pytest.approx(1, abs=1e-12)


def test_chances_of_a_text_are_those_of_its_words_one_by_one():
    draw = torch.Generator().manual_seed(0)
    text = (torch.randn(400, generator=draw).abs() * 3).long().clamp(max=9)
    counted = KneserNey.of(text[:300], 10)
    at_once = counted.nats(text[300:])
    for k in range(1, 100):
        before = text[300 + max(0, k - 4) : 301 + k]
        assert counted.nats(before)[-1] == pytest.approx(at_once[k - 1].item(), abs=1e-12)


def test_bigrams_by_hand():
    """a b c b: b stands after two words, c after one, and a at the start, after one that nobody knows."""
    counted = KneserNey.of(torch.tensor([0, 1, 2, 1]), 3, order=2)
    first = [(1 - 0.5) / 4, (2 - 1.0) / 4, (1 - 0.5) / 4]  # less the usual discounts, for so short a text
    first = [chance + (0.5 + 1.0 + 0.5) / 4 / 3 for chance in first]
    after_b = [0.5 * lower for lower in first]
    after_b[2] += (1 - 0.5) / 1
    for word, due in enumerate(after_b):
        assert math.exp(-counted.nats(torch.tensor([1, word]))[-1]) == pytest.approx(due)
    assert sum(first) == pytest.approx(1) and sum(after_b) == pytest.approx(1)
