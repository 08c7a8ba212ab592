"""Cells with noise in layers: masks are drawn by the layer, as often as they should
be, and not in evaluation.
"""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from instances import BACKENDS

from unrolled import Recurrent, find
from unrolled.check import gradient_errors
from unrolled.errors import ShapeError, UsageError
from unrolled.layers.initial import initialise
from unrolled.layers.lengths import all_rows, rows_of
from unrolled.layers.masks import drawn, mask
from unrolled.noise import Noise
from unrolled.transform import initialised, layer_norm, recurrent_dropout, weight_drop, zoneout

NOISY = {
    "zoneout": zoneout("mgu", 0.4),
    "recurrent_dropout": recurrent_dropout("lstm", 0.4),
    "weight_drop": weight_drop("mgu", 0.4),
    "all": zoneout(weight_drop(recurrent_dropout(layer_norm("gru_reset_before"), 0.3), 0.3), 0.3),
}
EACH = pytest.mark.parametrize("change", NOISY)
BOTH = pytest.mark.parametrize("backend", BACKENDS)
LIKE = torch.zeros(1, dtype=torch.float64)


def layer(change: str, **options) -> Recurrent:
    torch.manual_seed(1)
    return Recurrent(NOISY[change], 3, 5, dtype=torch.float64, **options)


def inputs(steps: int = 6, batch: int = 2):
    torch.manual_seed(2)
    return torch.randn(steps, batch, 3, dtype=torch.float64)


@EACH
@BOTH
def test_a_seed_repeats_a_run_and_without_one_it_is_another(change, backend):
    rnn, x = layer(change, backend=backend), inputs()
    results = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        results.append(rnn(x)[0])
    assert torch.equal(results[0], results[1]) and not torch.allclose(results[0], results[2])
    assert not torch.allclose(rnn(x)[0], rnn(x)[0])


@EACH
def test_both_backends_draw_the_same(change):
    x, results = inputs(), []
    for backend in ("reference", "auto"):
        rnn = layer(change, backend=backend, num_layers=2, bidirectional=True)
        torch.manual_seed(5)
        y, state = rnn(x, lengths=[6, 4])
        results.append((y, *torch.autograd.grad(y.square().sum(), list(rnn.parameters()))))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


@EACH
@BOTH
def test_evaluation_draws_nothing_and_is_the_means(change, backend):
    rnn, x = layer(change, backend=backend, num_layers=2, bidirectional=True).eval(), inputs()
    plain = Recurrent(
        NOISY[change].evaluation, 3, 5, num_layers=2, bidirectional=True, dtype=torch.float64, backend=backend
    )
    plain.load_state_dict(rnn.state_dict())
    before = torch.get_rng_state()
    found, expected = rnn(x, lengths=[6, 4]), plain(x, lengths=[6, 4])
    assert torch.equal(torch.get_rng_state(), before)
    for a, b in zip((found[0], *found[1]), (expected[0], *expected[1])):
        assert torch.equal(a, b)


def test_zoneout_keeps_what_its_mask_says():
    """Every unit of every step is either the old value or what the step makes of it."""
    rnn, x = layer("zoneout"), inputs(40, 8)
    y, _ = rnn(x)
    before = torch.cat([torch.zeros_like(y[:1]), y[:-1]])
    kept = y == before
    assert 0.3 < kept.double().mean() < 0.5
    rows = [rnn.cell.evaluation, find("mgu")]
    weights = {n: p for n, p in rnn.layers[0].named_parameters()}
    new = torch.stack(
        [torch.stack([rows[1](x[t, r], before[t, r], **weights) for r in range(8)]) for t in range(40)]
    )
    torch.testing.assert_close(torch.where(kept, before, new), y)
    assert not torch.equal(kept[0], kept[1]) and not torch.equal(kept[:, 0], kept[:, 1])


@pytest.mark.parametrize("over, same_step, same_row", (("step", False, False), ("sequence", True, False)))
def test_how_often_a_mask_is_drawn(over, same_step, same_row):
    cell = zoneout("mgu", 0.5) if over == "step" else recurrent_dropout("mgu", 0.5)
    ((packed,), weights) = drawn(cell, {"I": 3, "H": 64}, all_rows(4, 3), LIKE)
    made = packed.view(4, 3, 64)
    assert torch.equal(made[0], made[1]) is same_step and torch.equal(made[:, 0], made[:, 1]) is same_row
    assert not weights and not packed.requires_grad and packed.dtype is torch.float64


def test_a_sequence_mask_follows_its_row_where_lengths_differ():
    cell, rows = recurrent_dropout("mgu", 0.5), rows_of([2, 4, 1], 4, 3, LIKE.device, "test")
    ((packed,), _) = drawn(cell, {"I": 3, "H": 64}, rows, LIKE)
    made = rows.unpack(packed)
    assert (
        torch.equal(made[0, 1], made[3, 1])
        and torch.equal(made[0, 0], made[1, 0])
        and not torch.equal(made[0, 0], made[0, 1])
    )
    turned = packed.index_select(0, rows.backward)  # as the reversed direction reads it
    assert torch.equal(turned, packed)


def test_a_mask_of_a_matrix_is_drawn_once_a_call():
    inputs, weights = drawn(NOISY["weight_drop"], {"I": 3, "H": 64}, all_rows(4, 3), LIKE)
    assert inputs == () and {n: tuple(w.shape) for n, w in weights.items()} == {
        ("dropout_U_f",): (64, 64),
        ("dropout_U_n",): (64, 64),
    }
    assert not torch.equal(weights[("dropout_U_f",)], weights[("dropout_U_n",)])
    assert not any(w.requires_grad for w in weights.values())


@pytest.mark.parametrize("rate", (0.0, 0.1, 0.5, 0.9))
def test_masks_have_their_rate_and_mean(rate):
    torch.manual_seed(0)
    keep, drop = (mask((400, 501), Noise(rate, kind), LIKE) for kind in ("keep", "inverted dropout"))
    assert set(keep.unique().tolist()) <= {0.0, 1.0} and abs(keep.mean().item() - rate) < 0.005
    assert (
        set(drop.unique().tolist()) <= {0.0, 1 / (1 - rate)}
        and abs((drop == 0).double().mean().item() - rate) < 0.005
    )
    for values in (keep, drop):
        assert rate in (0.0, 0.9) or abs(torch.corrcoef(values[:2])[0, 1].item()) < 0.2


def test_each_layer_and_direction_has_its_own():
    rnn = layer("weight_drop", num_layers=2, bidirectional=True)
    stack, masks, weights = rnn._with_noise([w.named() for w in rnn._weights()], all_rows(1, 1), LIKE)
    made = [w[("dropout_U_f",)] for w in weights]
    assert len(made) == 4 and all(not torch.equal(made[a], made[b]) for a in range(4) for b in range(a))
    rnn = layer("zoneout", num_layers=2, bidirectional=True)
    _, masks, _ = rnn._with_noise([w.named() for w in rnn._weights()], all_rows(9, 9), LIKE)
    assert len(masks) == 4 and all(
        not torch.equal(masks[a][0], masks[b][0]) for a in range(4) for b in range(a)
    )


@EACH
def test_what_is_saved_holds_no_masks(change):
    rnn = layer(change)
    assert not [n for n in rnn.state_dict() if "dropout_U" in n or "zoneout" in n]
    x = inputs()
    for twin in (copy.deepcopy(rnn), pickle.loads(pickle.dumps(rnn))):
        for mode in (True, False):
            torch.manual_seed(7)
            expected = rnn.train(mode)(x)[0]
            torch.manual_seed(7)
            assert torch.equal(twin.train(mode)(x)[0], expected)


@EACH
def test_single_steps(change):
    """In evaluation a step is the sequence's; in training each draws for itself."""
    rnn, x = layer(change).eval(), inputs()
    state, parts = None, []
    for x_t in x:
        y_t, state = rnn.step(x_t, state)
        parts.append(y_t)
    torch.testing.assert_close(torch.stack(parts), rnn(x)[0])
    rnn.train()
    state = tuple(torch.randn(1, 2, 5, dtype=torch.float64) for _ in rnn.cell.states)
    assert not torch.equal(rnn.step(x[0], state)[0], rnn.step(x[0], state)[0])


@EACH
def test_one_sequence_batch_first_and_no_steps(change):
    rnn = layer(change, batch_first=True)
    torch.manual_seed(3)
    y, _ = rnn(inputs(2, 6))
    assert y.shape == (2, 6, 5) and rnn(inputs()[:, 0])[0].shape == (6, 5)
    y, state = rnn(torch.zeros(2, 0, 3, dtype=torch.float64))
    assert y.shape == (2, 0, 5) and all((s == 0).all() for s in state)


def test_masks_are_not_the_callers():
    with pytest.raises(ShapeError, match="got 2 inputs, the cell has 1. Give one tensor."):
        layer("zoneout")((inputs(), inputs()))


def test_a_compiled_layer_draws(change="all"):
    rnn, x = layer(change), inputs()
    compiled = torch.compile(rnn, backend="eager")
    assert not torch.equal(compiled(x)[0], compiled(x)[0])
    rnn.eval()
    torch.testing.assert_close(compiled(x)[0], rnn(x)[0])


@pytest.mark.parametrize(
    "noise", ((1.0, "keep", "step"), (-0.1, "keep", "step"), (0.5, "add", "step"), (0.5, "keep", "year"))
)
def test_what_is_no_noise(noise):
    with pytest.raises(
        UsageError,
        match="rate is a probability from 0 to below 1, kind one of 'keep', 'inverted dropout', over one of",
    ):
        Noise(*noise)


def test_chrono():
    rnn = Recurrent(initialised("lstm", b_f="chrono(50)", b_i="-chrono(50)", b_o="chrono(9)"), 3, 2000)
    weights = rnn.layers[0]
    assert torch.equal(weights.b_f, -weights.b_i) and not torch.equal(weights.b_o, weights.b_f)
    times = weights.b_f.exp()
    assert 1 <= times.min() < 1.5 and 48.5 < times.max() <= 49 and abs(times.mean() - 25) < 1
    alone = {"b_z": torch.zeros(2000)}
    initialise(initialised("mingru", b_z="-chrono(50)"), 5, alone)
    assert -alone["b_z"].max() >= -1e-6 and -4 < alone["b_z"].min() < -3.8


@pytest.mark.parametrize("value", ("chrono", "chrono(2)", "chrono(x)", "khrono(5)"))
def test_what_is_no_chrono(value):
    with pytest.raises(UsageError) as raised:
        Recurrent(initialised("mgu", b_f=value), 3, 5)
    assert f"init['b_f'] is {value!r}, which is not an initialisation" in str(raised.value)
    assert "chrono(T), -chrono(T)" in str(raised.value)


@EACH
def test_gradients_are_right_while_masks_are_drawn(change):
    """Against finite differences, with the same masks each time."""
    errors = gradient_errors(NOISY[change])
    assert len(errors) > 5 and max(errors.values()) < 1e-6
