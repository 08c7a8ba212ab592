"""The translation model and its beam search: what padding, batches and backends must not
change, and what is the best.
"""

from __future__ import annotations

import math
import random
from itertools import product

import pytest
import torch
from instances import needs_compiler

from unrolled.errors import UsageError
from unrolled.kernels.c.call.ways import Way, fixed
from unrolled.layers.reading import reader
from unrolled.models import decoding
from unrolled.models import search as searching
from unrolled.models.attention import Attention
from unrolled.models.decoding import finder
from unrolled.models.draw import NoNumbers
from unrolled.models.search import END, START, Beam, search
from unrolled.models.translation import Translator

KINDS = {
    "luong": {},
    "bahdanau": {"attention": "bahdanau"},
    "fed": {"input_feeding": True},
    "three layers": {"layers": 3},
    "all": {"layers": 2, "attention": "bahdanau", "input_feeding": True},
}
CELLS = ("lstm", "gru", "lstm_projected")
BEAMS = (Beam(1), Beam(4), Beam(5, penalty=0.4, distinct=2))


@pytest.fixture(autouse=True)
def soon_over(monkeypatch):
    """Models of these tests seldom come to an end by themselves."""
    for module in (searching, decoding):
        monkeypatch.setattr(module, "longest", lambda length: length + 4)


def made(cell: str = "lstm", symbols: int = 30, **options) -> Translator:
    """A model with opinions: weights and biases are larger than first ones, so that what it writes
    changes from step to step.
    """
    torch.manual_seed(7)
    model = Translator(25, symbols, cell, 12, embedding=10, **options).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(3.0).add_(torch.randn_like(weight) * 0.3)
        model.target.weight.copy_(torch.randn_like(model.target.weight) * 2)
        model.bias[END] += 2.0
    return model


def sentences(count: int, seed: int = 0) -> list[list[int]]:
    drawn = random.Random(seed)
    return [[drawn.randrange(3, 25) for _ in range(drawn.randint(1, 11))] for _ in range(count)]


def side_by_side(rows: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    padded = torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows])
    return padded, torch.tensor([len(row) for row in rows])


def symbols(found) -> list[list[tuple[int, ...]]]:
    return [[one.symbols for one in each] for each in found]


def test_luongs_scores_are_the_papers():
    attention = Attention("luong", 4, 6)
    values, query = torch.randn(1, 3, 6), torch.randn(1, 2, 4)
    context, weights = attention(query, attention.memory(values, torch.tensor([3])))
    for t in range(2):
        scores = [query[0, t] @ attention.W_a.weight @ values[0, s] for s in range(3)]
        expected = torch.stack(scores).softmax(0)
        assert torch.allclose(weights[0, t], expected, atol=1e-6)
        assert torch.allclose(context[0, t], expected @ values[0], atol=1e-5)


def test_bahdanaus_scores_are_the_papers():
    attention = Attention("bahdanau", 4, 6)
    values, query = torch.randn(1, 3, 6), torch.randn(1, 2, 4)
    _, weights = attention(query, attention.memory(values, torch.tensor([3])))
    for t in range(2):
        asked = attention.W_q(query[0, t])
        scores = [attention.v_a @ torch.tanh(asked + attention.W_a.weight @ values[0, s]) for s in range(3)]
        assert torch.allclose(weights[0, t], torch.stack(scores).softmax(0), atol=1e-6)


@pytest.mark.parametrize("score", ["luong", "bahdanau"])
def test_padding_gets_no_weight_and_no_gradient(score):
    attention = Attention(score, 4, 6)
    values = torch.randn(2, 5, 6, requires_grad=True)
    context, weights = attention(torch.randn(2, 3, 4), attention.memory(values, torch.tensor([5, 2])))
    assert (weights[1, :, 2:] == 0).all() and torch.allclose(weights.sum(-1), torch.ones(2, 3))
    context.square().sum().backward()
    assert (values.grad[1, 2:] == 0).all() and (values.grad[1, :2] != 0).all()


def test_a_sentence_without_a_place_gives_no_nan():
    attention = Attention("luong", 4, 6)
    context, _ = attention(torch.randn(1, 2, 4), attention.memory(torch.randn(1, 3, 6), torch.tensor([0])))
    assert (context == 0).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cell", CELLS)
def test_all_steps_at_once_are_the_steps_one_by_one(cell, kind):
    model = made(cell, **KINDS[kind])
    source, lengths = side_by_side(sentences(5))
    written = torch.randint(3, 30, (6, 5))
    with torch.no_grad():
        memory, first = model.read(source, lengths)
        said, weights = model.say(written, memory, first)
        state = first
        for step in range(6):
            logits, looked, state = model.step(written[step], memory, state)
            assert torch.allclose(logits, model.logits(said[step]), atol=2e-4)
            assert torch.allclose(looked, weights[:, step], atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_nothing(kind):
    model = made(**KINDS[kind])
    rows = sentences(6)
    written = torch.randint(3, 30, (4, 6))
    with torch.no_grad():
        together, _ = model.say(written, *model.read(*side_by_side(rows)))
        for number, row in enumerate(rows):
            alone, _ = model.say(written[:, number : number + 1], *model.read(*side_by_side([row])))
            assert torch.allclose(alone[:, 0], together[:, number], atol=1e-5)


@pytest.mark.parametrize(
    "kind,beam", [*(("luong", beam) for beam in BEAMS), *((kind, BEAMS[2]) for kind in KINDS)]
)
def test_a_batch_of_one_finds_what_a_batch_of_many_finds(kind, beam):
    """Elsewhere the size of a batch is worth 9 BLEU (OpenNMT-py, issue 137)."""
    model, rows = made(**KINDS[kind]), sentences(64)
    together = search(model, *side_by_side(rows), beam)
    alone = [search(model, *side_by_side([row]), beam)[0] for row in rows]
    assert symbols(together) == symbols(alone)
    order = torch.randperm(64).tolist()
    shuffled = search(model, *side_by_side([rows[k] for k in order]), beam)
    assert symbols(shuffled) == [symbols(together)[k] for k in order]


@needs_compiler
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cell", CELLS)
def test_c_finds_what_torch_finds(cell, kind):
    model, rows = made(cell, **KINDS[kind]), sentences(40)
    for beam in BEAMS:
        assert decoding._maker(model, beam) is not None
        by_torch, by_c = search(model, *side_by_side(rows), beam), finder(model, beam)(rows)
        assert symbols(by_c) == symbols(by_torch)
        for ours, theirs in zip(by_c, by_torch):
            for one, other in zip(ours, theirs):
                assert one.total == pytest.approx(other.total, abs=2e-3) and one.finished == other.finished
                assert one.weights.shape == other.weights.shape
                assert torch.allclose(one.weights, other.weights, atol=2e-3)


@needs_compiler
def test_in_c_a_rows_numbers_do_not_depend_on_its_batch():
    model, rows = made(layers=2), sentences(70)
    find = finder(model, Beam(5))
    together, alone = find(rows), [find([row])[0] for row in rows]
    assert symbols(together) == symbols(alone)
    totals = ([one.total for each in found for one in each] for found in (together, alone))
    # What reads one sentence adds up in another order.
    assert next(totals) == pytest.approx(next(totals), abs=5e-5)


def the_same(found, others) -> None:
    """But for what rounding does to units that no vector holds."""
    assert symbols(found) == symbols(others)
    for ours, theirs in zip(found, others, strict=True):
        assert [one.total for one in ours] == pytest.approx([one.total for one in theirs], abs=1e-4)
        assert all(torch.allclose(one.weights, other.weights, atol=1e-4) for one, other in zip(ours, theirs))


@needs_compiler
@pytest.mark.parametrize("team", [2, 3])
@pytest.mark.parametrize("cell,kind", [("lstm", kind) for kind in KINDS] + [("lstm_projected", "three layers")])
def test_a_team_finds_what_one_thread_finds(cell, kind, team):
    """Threads share out the columns of products, and the rows of a cell whose units they cannot share."""
    model, rows = made(cell, **KINDS[kind]), sentences(7)
    for beam in (Beam(1), Beam(5, distinct=2)):
        found = []
        for threads in (1, team):
            with fixed(Way(threads, threads > 1, 64)):
                find = finder(model, beam)
                found.append([*find(rows), *find(rows[:1])])
        the_same(*found)


def wide(symbols: int = 701, alike: bool = False) -> Translator:
    """Many symbols, of which some are the same but for their numbers, or all are nearly alike."""
    model = made(symbols=symbols, attention="bahdanau")
    with torch.no_grad():
        model.target.weight.mul_(1e-6 if alike else 1.0).add_(1.0 if alike else 0.0)
        model.target.weight[300:330] = model.target.weight[100:130]
        model.bias[300:330] = model.bias[100:130]
    return model


@needs_compiler
@pytest.mark.parametrize("beam", [Beam(1), Beam(1, distinct=2)], ids=str)
@pytest.mark.parametrize(
    "model", [wide(), wide(1500), wide(alike=True), made()], ids=["701", "1500", "alike", "30"]
)
def test_a_sentence_alone_is_screened_and_finds_the_same(model, beam):
    """Beside another one all logits are made; alone, those of the few symbols that 8 bits do not rule out."""
    decoder, encode = decoding._maker(model, beam)(), reader(model.encoder)
    for row in sentences(40):
        source, lengths = side_by_side([row])
        with torch.no_grad():
            memory, state = model.begun(encode(model.source(source), [len(row)]), lengths)
        given = (memory.values[0], memory.keys[0], len(row) + 4)
        states = decoding._by_layer(model, state)
        twice = [tuple(part.repeat(2, 1) for part in layer) for layer in states]
        (alone,), (beside, _) = decoder.find([given], states), decoder.find([given] * 2, twice)
        for one, other in zip(alone, beside, strict=True):
            assert (one.symbols, one.total) == (other.symbols, other.total)
            assert torch.equal(one.weights, other.weights)


@needs_compiler
@pytest.mark.parametrize("cell", CELLS)
def test_what_is_looked_up_is_what_is_made_at_each_step(cell, monkeypatch):
    model, rows = made(cell, layers=2), sentences(9)
    looked_up = finder(model, Beam(3))(rows)
    monkeypatch.setattr(decoding, "TABLE", 0)
    the_same(looked_up, finder(model, Beam(3))(rows))


@needs_compiler
@pytest.mark.parametrize("double", [False, True], ids=["float32", "float64"])
@pytest.mark.parametrize("cell,kind", [("lstm", "three layers"), ("gru", "all"), ("lstm_projected", "luong")])
def test_a_sentence_is_read_in_one_call_as_it_is_in_many(cell, kind, double):
    model = made(cell, **KINDS[kind])
    model = model.double() if double else model
    near = {"atol": 1e-10 if double else 2e-4}
    for team in (1, 2, 3):
        with fixed(Way(team, team > 1, 64)), torch.no_grad():
            alone = decoding._reader_maker(model)()
            for row in [*sentences(3), [5] * 150]:
                values, keys, first = alone.read(row)
                memory, state = model.read(*side_by_side([row]))
                assert torch.allclose(values, memory.values[0], **near) and torch.allclose(
                    keys, memory.keys[0], **near
                )
                begun = model.first_state(first[None])
                assert all(torch.allclose(*pair, **near) for pair in zip(begun, state, strict=True))


@needs_compiler
def test_c_in_double_precision():
    model, rows = made().double(), sentences(12)
    for ours, theirs in zip(finder(model, Beam(3))(rows), search(model, *side_by_side(rows), Beam(3))):
        assert [one.total for one in ours] == pytest.approx([one.total for one in theirs], abs=1e-9)


def test_a_hypothesis_is_worth_what_its_symbols_are(monkeypatch):
    model, rows = made(), sentences(8)
    for row, found in zip(rows, search(model, *side_by_side(rows), Beam(4, penalty=0.7))):
        assert len(found) == 4 and len({one.symbols for one in found}) == 4
        assert [one.value for one in found] == sorted((one.value for one in found), reverse=True)
        for one in found:
            written = torch.tensor([START, *one.symbols, *([END] if one.finished else [])])[:, None]
            with torch.no_grad():
                said, weights = model.say(written[:-1], *model.read(*side_by_side([row])))
                chances = model.logits(said[:, 0]).double().log_softmax(-1)
            total = chances.gather(1, written[1:]).sum().item()
            assert one.total == pytest.approx(total, abs=1e-3)
            assert one.value == pytest.approx(total / ((5 + len(written) - 1) / 6) ** 0.7, abs=1e-3)
            assert torch.allclose(one.weights, weights[0, : len(one.symbols)], atol=1e-4)


@pytest.mark.parametrize("backend", ["torch", pytest.param("c", marks=needs_compiler)])
def test_a_wide_beam_finds_the_best_of_all_there_are(backend, monkeypatch):
    """Every sequence of up to three of four words, by its probability."""
    for module in (searching, decoding):
        monkeypatch.setattr(module, "longest", lambda length: 4)
    model = made(symbols=7)
    words, row = range(3, 7), [5, 9, 4]
    totals = {}
    for length in range(4):
        for chosen in product(words, repeat=length):
            written = torch.tensor([START, *chosen, END])[:, None]
            with torch.no_grad():
                said, _ = model.say(written[:-1], *model.read(*side_by_side([row])))
                totals[chosen] = model.logits(said[:, 0]).log_softmax(-1).gather(1, written[1:]).sum().item()
    beam = Beam(200, penalty=0.0)
    found = (finder(model, beam)([row]) if backend == "c" else search(model, *side_by_side([row]), beam))[0]
    ended = [one for one in found if one.finished]
    assert [one.symbols for one in ended[:20]] == sorted(totals, key=lambda each: -totals[each])[:20]


@pytest.mark.parametrize("beam", BEAMS, ids=str)
def test_what_has_ended_is_never_gone_on_with(beam):
    found = search(made(), *side_by_side(sentences(30)), beam)
    for each in found:
        assert len(each) == beam.width
        for one in each:
            assert END not in one.symbols and START not in one.symbols and 0 not in one.symbols
            assert len(one.weights) == len(one.symbols)


def test_no_two_words_stand_there_twice():
    model = made()
    rows = sentences(30)
    free = [each[0].symbols for each in finder(model, Beam(3))(rows)]
    bound = [each[0].symbols for each in finder(model, Beam(3, distinct=2))(rows)]
    assert any(len(set(zip(s, s[1:]))) < len(s) - 1 for s in free)
    assert all(len(set(zip(s, s[1:]))) == max(0, len(s) - 1) for s in bound)


def test_the_longer_penalty_prefers_longer_ones():
    model, rows = made(), sentences(30)
    lengths = [
        sum(len(each[0].symbols) for each in finder(model, Beam(5, penalty=penalty))(rows))
        for penalty in (0.0, 3.0)
    ]
    assert lengths[0] < lengths[1]


@pytest.mark.parametrize("backend", ["torch", pytest.param("c", marks=needs_compiler)])
def test_no_numbers_are_an_error(backend):
    for name, number in product(("bias", "target.weight", "W_o.weight"), (math.nan, math.inf)):
        model = made()
        with torch.no_grad():
            model.get_parameter(name)[4] = number
        for beam in (Beam(1), Beam(2)):
            with pytest.raises(NoNumbers):
                if backend == "c":
                    finder(model, beam)([[4, 5]])
                else:
                    search(model, *side_by_side([[4, 5]]), beam)


def test_a_cell_with_two_inputs_is_refused():
    with pytest.raises(UsageError, match="cfc reads 2"):
        Translator(5, 5, "cfc", 4)


def test_training_reaches_every_weight():
    for options in KINDS.values():
        model = Translator(25, 30, "gru", 12, embedding=10, dropout=0.1, **options)
        said, _ = model.say(torch.randint(3, 30, (4, 3)), *model.read(*side_by_side(sentences(3))))
        model.logits(said).log_softmax(-1)[..., 5].sum().backward()
        assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in model.parameters())
