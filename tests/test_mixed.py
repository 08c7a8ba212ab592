"""Mixed precision: products of bfloat16 numbers inside, everything else in float32; held against float64."""

from __future__ import annotations

from statistics import median

import pytest
import torch
from instances import BACKENDS, C_CELLS, gradients, meaning, needs_compiler, solved

from unrolled import GRU, LSTM, RNN, Recurrent
from unrolled.kernels import StepRows, multiplies_pairs
from unrolled.layers.stack import mixes

SIZES, SCHEDULE = {"I": 24, "H": 32, "O": 16}, StepRows(6, 8)
BOTH = pytest.mark.parametrize("backend", BACKENDS)
AUTOCAST = lambda: torch.autocast("cpu", torch.bfloat16)  # noqa: E731


def errors(name: str, seed: int, backend: str) -> float:
    """Our error over that of the cell's eager loop under autocast: outputs, states and all
    gradients against float64.
    """
    exact = solved(name, SIZES, SCHEDULE, seed=seed)
    given = solved(name, SIZES, SCHEDULE, torch.float32, seed=seed).given
    with AUTOCAST():
        eager = meaning(given)
    ours = given.run(backend, mixed=True)
    wanted = [*exact.results, *exact.gradients]

    def off(results) -> float:
        found = [*results, *gradients(results, given.leaves)]
        return (
            sum(((a.double() - b).norm() / (b.norm() + 1e-12)).item() ** 2 for a, b in zip(found, wanted))
            ** 0.5
        )

    return off(ours) / max(off(eager), 1e-6)


@needs_compiler
@pytest.mark.parametrize("name", C_CELLS)
def test_errors_are_at_most_twice_those_of_an_eager_loop(name):
    """Where rounding moves a unit over a kink (plrnn, act_rnn), one draw says little: then five are drawn."""
    first = errors(name, 0, "c")
    assert first <= 2 or median([first, *(errors(name, seed, "c") for seed in range(1, 5))]) <= 2


@pytest.mark.parametrize("name", ["elman", "lstm", "mgu", "mingru", "multiplicative_lstm"])
def test_the_reference_rounds_too(name):
    assert 0.1 < errors(name, 0, "reference") <= 2


@BOTH
def test_it_is_another_number_and_nearly_the_same(backend):
    layer, x = (
        Recurrent("lstm", 40, 50, num_layers=2, bidirectional=True, backend=backend),
        torch.randn(9, 4, 40),
    )
    exact, (h, c) = layer(x, lengths=[9, 7, 3, 0])
    with AUTOCAST():
        y, (h_mixed, c_mixed) = layer(x, lengths=[9, 7, 3, 0])
    assert y.dtype is torch.bfloat16 and h_mixed.dtype is c_mixed.dtype is torch.float32
    for a, b in ((y.float(), exact), (h_mixed, h), (c_mixed, c)):
        torch.testing.assert_close(a, b, rtol=0.02, atol=0.02)
    # States are not bfloat16 numbers; products were rounded, but where C has none of bfloat16.
    assert ((c_mixed - c).abs().max() > 1e-5) == (backend == "reference" or multiplies_pairs())


@BOTH
def test_a_sequence_is_its_steps_and_its_chunks(backend):
    """States between calls are float32, so that nothing is lost there."""
    layer, x = Recurrent("gru", 6, 70, backend=backend).eval(), torch.randn(7, 3, 6)
    with AUTOCAST(), torch.no_grad():
        whole, last = layer(x)
        first, state = layer(x[:4])
        second, chunked = layer(x[4:], state)
        state, steps = None, []
        for x_t in x:
            y_t, state = layer.step(x_t, state)
            steps.append(y_t)
    for found in (torch.cat([first, second]), torch.stack(steps)):
        torch.testing.assert_close(found.float(), whole.float(), rtol=0, atol=2**-8)
    for found in (chunked, state):
        torch.testing.assert_close(found[0], last[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", [LSTM, GRU, RNN])
def test_drop_ins_gradients_are_as_near_as_torchs(kind):
    torch.manual_seed(0)
    theirs = getattr(torch.nn, kind.__name__)(64, 96).double()
    ours, x = kind(64, 96), torch.randn(20, 8, 64, dtype=torch.float64)
    ours.load_state_dict(theirs.state_dict())
    theirs(x)[0].sum().backward()
    with AUTOCAST():
        y = ours(x.float())[0]
    y.float().sum().backward()
    for (name, exact), found in zip(theirs.named_parameters(), ours.parameters()):
        assert found.grad.dtype is torch.float32
        off = ((found.grad - exact.grad).norm() / exact.grad.norm()).item()
        assert off < 0.02 and (off > 1e-5) == multiplies_pairs(), (name, off)


@BOTH
def test_gradients_of_gradients_and_checkpoints(backend):
    layer, x = Recurrent("elman", 5, 8, backend=backend), torch.randn(4, 3, 5, requires_grad=True)
    with AUTOCAST():
        y = layer(x)[0]
        again = torch.utils.checkpoint.checkpoint(lambda v: layer(v)[0], x, use_reentrant=False)
    (once,) = torch.autograd.grad(y.float().square().sum(), x, retain_graph=True)
    torch.testing.assert_close(torch.autograd.grad(again.float().square().sum(), x)[0], once)
    # By the reference: rounded elsewhere.
    (kept,) = torch.autograd.grad(y.float().square().sum(), x, create_graph=True)
    torch.testing.assert_close(kept, once, rtol=0.1, atol=0.02)
    assert torch.autograd.grad(kept.square().sum(), x)[0].isfinite().all()


def test_float64_and_float16_are_left_alone():
    layer, x = Recurrent("lstm", 5, 8, dtype=torch.float64), torch.randn(4, 3, 5, dtype=torch.float64)
    with AUTOCAST():
        assert layer(x)[0].dtype is torch.float64 and torch.equal(layer(x)[0], Recurrent.forward(layer, x)[0])
        assert not mixes(x) and mixes(x.float())
    with torch.autocast("cpu", torch.float16):
        assert not mixes(x.float())


def test_compiled_models_round_too():
    layer, x = Recurrent("gru", 24, 32), torch.randn(5, 4, 24)
    with AUTOCAST(), torch.no_grad():
        plain = layer(x)[0]
        compiled = torch.compile(layer, fullgraph=True, backend="eager")(x)[0]
    assert compiled.dtype is torch.bfloat16 and torch.equal(compiled, plain)


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize("hidden", [512, 1024])
def test_wide_layers_keep_their_gradients(hidden):
    """torch.nn.LSTM's own gradients under autocast are wrong from a width of 1024 on,
    where oneDNN's are used.
    """
    torch.manual_seed(0)
    exact, ours = torch.nn.LSTM(hidden, hidden).double(), LSTM(hidden, hidden)
    ours.load_state_dict(exact.state_dict())
    x = torch.randn(30, 16, hidden, dtype=torch.float64)
    exact(x)[0].square().mean().backward()
    with AUTOCAST():
        y = ours(x.float())[0]
    y.float().square().mean().backward()
    for (name, wanted), found in zip(exact.named_parameters(), ours.parameters()):
        assert ((found.grad - wanted.grad).norm() / wanted.grad.norm()).item() < 0.02, name
