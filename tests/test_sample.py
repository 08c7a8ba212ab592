"""Text from a model: C draws what Python draws, the same text whatever way it is
made, the same on every run.
"""

from __future__ import annotations

import ctypes
import math
import os
import subprocess
import sys
import time

import pytest
import torch
from building import COMPILER
from instances import fitting, needs_compiler
from together import STARTERS

from unrolled import find, watch, zoneout
from unrolled.cells import REGISTRY
from unrolled.errors import NotYet, UsageError
from unrolled.kernels.c.call import generate
from unrolled.models import sample
from unrolled.models.draw import DrawRule, NoNumbers, draw, uniform
from unrolled.models.language import LanguageModel
from unrolled.models.sample import rounded, write, write_many

pytestmark = needs_compiler

# Two stages, sums over units, delays, a clock as a state, numbers as states, mass that is
# conserved, input used as it is.
ODD = (
    "tau_gru",
    "mass_conserving_lstm",
    "qrnn",
    "sru",
    "clockwork_rnn",
    "skip_lstm",
    "hyper_lstm",
    "minlstm",
    "residual_lstm",
    "second_order_rnn",
    "lstm_projected",
    "orthogonal_rnn",
    "slstm",
    "miru1",
    "act_rnn",
)
ONE_INPUT = [name for name, cell in REGISTRY.items() if len(cell.inputs) == 1]
USUAL = [name for name in ONE_INPUT if name in (*STARTERS, *ODD)]
WAYS = ((1, False), (2, False), (2, True))
PRIME = torch.tensor([1, 3, 2])
RULES = (
    DrawRule(),
    DrawRule(0.0),
    DrawRule(0.3),
    DrawRule(top_k=1),
    DrawRule(0.7, top_k=4),
    DrawRule(9.0, top_k=20),
    DrawRule(1.5, top_p=0.6),
    DrawRule(1.0, 5, 0.5),
    DrawRule(top_p=1e-9),
    DrawRule(1e-300),
    DrawRule(top_k=1000, top_p=1.0),
)


def made(
    cell, layers: int = 2, hidden: int = 6, characters: int = 5, dtype=torch.float64, backend: str = "auto"
) -> LanguageModel:
    """A model with random biases, and with widths that the cell's equations allow."""
    sizes = fitting(find(cell), {"I": characters, "H": hidden})
    torch.manual_seed(0)
    model = LanguageModel(sizes["I"], cell, sizes["H"], layers, dtype=dtype, backend=backend)
    with torch.no_grad():
        for tensor in model.parameters():
            tensor.add_(0.3 * torch.randn_like(tensor))
    return model.eval()


def by_torch(model: LanguageModel, count: int, length: int = 40, **options) -> torch.Tensor:
    """The same text with the model stepped by the reference backend."""
    other = LanguageModel(
        model.characters,
        model.rnn.cell,
        model.rnn.hidden_size,
        model.rnn.num_layers,
        dtype=model.head.weight.dtype,
        backend="reference",
    )
    other.load_state_dict(model.state_dict())
    return write_many(other, PRIME, length, count=count, **options)


@pytest.fixture
def quickly(monkeypatch):
    monkeypatch.setattr(generate, "OPTIMISE", "-O1")


# --- the draw -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_c_draws_what_python_draws(rule):
    """A model whose logits are its head's bias, so that only the draw is at work."""
    made_by = torch.Generator().manual_seed(3)
    for characters in (1, 2, 9, 70):
        bias = (4 * torch.randn(characters, generator=made_by)).round()  # with some alike
        bias[torch.rand(characters, generator=made_by) < 0.1] = -math.inf
        bias[0] = 0.5
        model = made("elman", 1, 3, characters, torch.float32)
        with torch.no_grad():
            model.head.weight.zero_()
            model.head.bias.copy_(bias)
        found = list(
            write(
                model,
                torch.tensor([0]),
                60,
                rule,
                seed=5,
            )
        )
        expected, state = [], 5
        for _ in range(60):
            index, state = draw(bias.double().tolist(), rule, state)
            expected.append(index)
        assert found == expected


def test_the_generator_is_splitmix64():
    """The first numbers of seed 1234567, as Vigna's reference program prints them."""
    state, found = 1234567, []
    for _ in range(3):
        state, number = uniform(state)
        found.append(number)
    known = (6457827717110365317, 3203168211198807973, 9817491932198370423)
    assert found == [(number >> 11) / 2**53 for number in known]


def test_draws_have_the_nucleus_probabilities():
    """Of 0.5, 0.3, 0.15, 0.05 a nucleus of 0.7 keeps two, drawn 5 to 3; k 3 and p 0.7 of what
    is left keep two as well.
    """
    logits = [math.log(p) for p in (0.15, 0.5, 0.05, 0.3)]
    for rule in (DrawRule(top_p=0.7), DrawRule(top_k=3, top_p=0.7)):
        drawn = [draw(logits, rule, seed)[0] for seed in range(4000)]
        assert set(drawn) == {1, 3} and abs(drawn.count(1) / 4000 - 5 / 8) < 0.03
    assert {draw(logits, DrawRule(top_p=0.81), seed)[0] for seed in range(400)} == {0, 1, 3}
    assert {draw(logits, DrawRule(top_p=0.49), seed)[0] for seed in range(400)} == {1}


@pytest.mark.parametrize(
    "logits", ([0.0, math.nan], [math.nan, 0.0], [0.0, math.inf], [-math.inf, -math.inf]), ids=str
)
def test_bets_that_are_no_numbers_are_an_error_in_both(logits):
    with pytest.raises(NoNumbers):
        draw(logits, DrawRule(), 0)
    model = made("elman", 1, 3, 2, torch.float32)
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.copy_(torch.tensor(logits))
    with pytest.raises(NoNumbers):
        list(write(model, torch.tensor([0]), 3))


# --- the loop -------------------------------------------------------------------------------------------------


def same_in_every_way(cell, monkeypatch, layers: int = 2) -> None:
    try:
        model = made(cell, layers)
    except NotYet:  # a state as wide as the input: not in one stack
        model = made(cell, 1)
    expected = by_torch(model, 3)
    calls = sample.step_calls(model.rnn, model.rnn.first_state(1), torch.arange(model.characters))
    assert generate.why_not(generate.Model(calls, model.head.weight, model.head.bias)) is None
    shares_units = generate.sharing_of_steps([(c.plan, c.width) for c in calls], 10**9, 3, 8, 2)[1]
    for way in WAYS if shares_units else WAYS[:2]:
        monkeypatch.setattr(generate, "sharing_of_steps", lambda *_: way)
        assert torch.equal(write_many(model, PRIME, 40, count=3), expected), way
        monkeypatch.undo()


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize(
    "name", [n if n in USUAL else pytest.param(n, marks=pytest.mark.slow) for n in ONE_INPUT]
)
def test_c_writes_what_torch_writes(name, monkeypatch):
    same_in_every_way(name, monkeypatch)


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize("layers", (1, 3))
def test_one_layer_and_three(layers, monkeypatch):
    same_in_every_way("lem", monkeypatch, layers)


@pytest.mark.usefixtures("quickly")
def test_a_cell_with_noise_writes_without_it(monkeypatch):
    same_in_every_way(zoneout("mgu", 0.3), monkeypatch)


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize(("hidden", "characters"), ((37, 65), (16, 70), (130, 9)))
def test_many_texts_are_each_alone_in_float32(hidden, characters, way, monkeypatch):
    """To the bit: a row's result depends neither on how many rows there are, nor on how they or
    the units are shared out.
    """
    model = made("lstm", 2, hidden, characters, torch.float32)
    alone = [list(write(model, PRIME, 50, DrawRule(2.0), seed=4 + k)) for k in range(13)]
    monkeypatch.setattr(generate, "sharing_of_steps", lambda *_: way)
    many = write_many(model, PRIME, 50, DrawRule(2.0), count=13, seed=4)
    assert many.t().tolist() == alone
    first = write_many(model, PRIME, 50, DrawRule(2.0), count=1, seed=4)
    assert first.t().tolist() == alone[:1]


def test_chunks_do_not_change_the_text():
    model = made("gru", 2, 20, 30, torch.float32)
    with torch.no_grad():
        texts = []
        for size in (1, 7, 64):
            draws = sample.drawing(model, PRIME, DrawRule(), [3, 9], False)
            texts.append(torch.cat([draws(size) for _ in range(-(-128 // size))])[:128])
    assert torch.equal(texts[0], texts[1]) and torch.equal(texts[0], texts[2])


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_rounded_weights_write_what_a_rounded_model_writes(way, monkeypatch):
    """Also where the last panel is half empty."""
    for hidden, characters in ((37, 65), (16, 5), (40, 33)):
        model = made("lstm", 2, hidden, characters, torch.float32)
        expected = by_torch(rounded(model), 5, rule=DrawRule(1.5))
        monkeypatch.setattr(generate, "sharing_of_steps", lambda *_: way)
        assert torch.equal(write_many(model, PRIME, 40, DrawRule(1.5), count=5, weights="bf16"), expected)
        monkeypatch.undo()
    assert not torch.equal(model.head.weight, rounded(model).head.weight)


def test_a_reader_that_watches_sees_every_step():
    model = made("lstm", 1)
    with watch(model) as seen:
        written = list(write(model, PRIME, 6))
        assert seen["rnn.0"].h.shape[-1] == 6
    assert written == list(write(model, PRIME, 6))


def test_the_models_mode_and_the_global_random_state_stay(monkeypatch):
    for backend in ("auto", "reference"):
        model, before = made("lstm", 1, backend=backend).train(), torch.get_rng_state()
        list(write(model, PRIME, 9))
        assert model.training and torch.equal(torch.get_rng_state(), before)


def test_a_new_text_sees_new_weights():
    model = made("lstm", 1)
    before = list(write(model, PRIME, 60))
    with torch.no_grad():
        model.rnn.layers[0].U_g.mul_(-30.0)
    assert list(write(model, PRIME, 60)) != before


def test_cores_share_units_rows_or_nothing():
    """By what a step reads: weights that fit into one core's cache need no second,
    unless there are many rows.
    """

    def shared(cell: str, hidden: int, rows: int, item: int = 4, threads: int = 2) -> tuple[int, bool]:
        calls = sample.step_calls(
            (rnn := made(cell, 2, hidden).rnn), rnn.first_state(1), torch.arange(rnn.input_size)
        )
        return generate.sharing_of_steps(
            [(call.plan, call.width) for call in calls], 5 * hidden, rows, item, threads
        )

    assert shared("lstm", 256, 1) == (2, True) and shared("lstm", 256, 1, threads=1) == (1, False)
    assert shared("lstm", 64, 1) == shared("lstm", 16, 9) == (1, False)
    assert shared("lstm", 128, 1) == (2, True) and shared("lstm", 128, 1, item=2) == (1, False)
    assert (
        shared("lstm", 64, 9) == (2, False)
        and shared("on_lstm", 256, 3) == (2, False)
        and shared("on_lstm", 256, 1) == (1, False)
    )


ALONE = """
import sys, torch
sys.path.insert(0, {tests!r})
from test_sample import *
generate.sharing_of_steps = lambda *_: (2, True)
model = made("lstm", 2, 48, 40, torch.float32)
print(write_many(model, PRIME, 60, DrawRule(2.0), count=3).flatten().tolist())
"""


@pytest.mark.parametrize(
    "settings", ({"OMP_NUM_THREADS": "1"}, {"OMP_NUM_THREADS": "2"}, {"OMP_THREAD_LIMIT": "1"}), ids=str
)
def test_other_processes_and_smaller_teams_write_the_same(settings):
    """Also where fewer threads come than were asked for."""
    here = (
        write_many(made("lstm", 2, 48, 40, torch.float32), PRIME, 60, DrawRule(2.0), count=3).flatten().tolist()
    )
    done = subprocess.run(
        [sys.executable, "-c", ALONE.format(tests=os.path.dirname(__file__))],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **settings, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout == f"{here}\n", done.stderr


def test_threads_of_our_own_write_the_same(monkeypatch):
    model = made("lstm", 2, 48, 40, torch.float32)
    expected = write_many(model, PRIME, 60, count=3)
    monkeypatch.setattr(generate, "runtime", lambda: (0, 0, 0))
    monkeypatch.setattr(generate, "sharing_of_steps", lambda *_: (2, True))
    assert torch.equal(write_many(model, PRIME, 60, count=3), expected)


@pytest.mark.parametrize("half", (False, True))
@pytest.mark.parametrize("target", ("x86-64-v3", "x86-64"))
def test_narrower_vectors_write_the_same(target, half, tmp_path, monkeypatch):
    """AVX2 and SSE2: other panels, other tiles."""

    def build(source: str, *, name: str, optimise: str) -> ctypes.CDLL:
        (tmp_path / "text.c").write_text(source)
        command = [
            COMPILER,
            "-O2",
            "-std=gnu11",
            "-shared",
            "-fPIC",
            f"-march={target}",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-Wno-unused-parameter",
            "-Wno-unused-variable",
            "-Wno-unknown-pragmas",
            "text.c",
            "-o",
            "text.so",
            "-lm",
            "-pthread",
        ]
        built = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        if built.returncode and "march" in built.stderr:
            pytest.skip(f"the compiler does not know -march={target}")
        assert built.returncode == 0, built.stderr
        return ctypes.CDLL(str(tmp_path / "text.so"))

    model = made("lstm", 2, 37, 65, torch.float32)
    expected = by_torch(rounded(model) if half else model, 5)
    generate._library.cache_clear()
    monkeypatch.setattr(generate, "build", build)
    try:
        assert torch.equal(
            write_many(model, PRIME, 40, count=5, weights="bf16" if half else "float32"), expected
        )
    finally:
        generate._library.cache_clear()


# --- what is refused, and how soon it begins ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_p": 0.0}, "--top-p 0.0 is not a share of the probability: give a number above 0, up to 1."),
        ({"top_p": 1.5}, "--top-p 1.5 is not a share of the probability: give a number above 0, up to 1."),
        ({"top_p": math.nan}, "--top-p nan is not a share of the probability: give a number above 0, up to 1."),
        ({"count": 0}, "--count 0 is below 1: give how many texts to write."),
        ({"seed": -1}, "--seed -1 is out of range: give a whole number from 0 up."),
        ({"weights": "int8"}, "--weights int8 is not a way to keep weights: choose float32 or bf16."),
    ],
    ids=str,
)
def test_wrong_wishes_are_refused(options, message):
    with pytest.raises(UsageError) as caught:
        rule = {key: value for key, value in options.items() if key in ("temperature", "top_k", "top_p")}
        more = {key: value for key, value in options.items() if key not in rule}
        write_many(made("elman", 1), PRIME, 5, DrawRule(**rule), **{"count": 2, **more})
    assert str(caught.value) == message


def test_rounding_is_of_float32_models():
    with pytest.raises(NotYet, match="rounds a model of float32, and this one is float64"):
        write(made("elman", 1), PRIME, 5, weights="bf16")


def test_the_first_character_comes_soon(one_thread):
    """With a built kernel; a tenth of this where nothing else runs."""
    model = made("lstm", 2, 256, 65, torch.float32)
    list(write(model, PRIME, 1))  # builds
    took = []
    for _ in range(3):
        began = time.perf_counter()
        next(write(model, PRIME, 10**6))
        took.append(time.perf_counter() - began)
    assert min(took) < 0.3


def test_a_text_is_left_where_the_reader_stops():
    written = write(made("lstm", 1), PRIME, 10**12)
    assert len([next(written) for _ in range(1000)]) == 1000
