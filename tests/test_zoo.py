"""What the papers say of their cells beside the equations: which cell is which other's
special case, what is kept.
"""

from __future__ import annotations

import pytest
import torch
from instances import check, compare, instance
from zoo import BOTH, DOUBLE, draw, ran, randomly

from unrolled.cells import REGISTRY
from unrolled.errors import UnrolledError
from unrolled.kernels import StepRows

VARIANTS = (
    ("ctrnn", {"method": "rk4"}),
    ("cfc", {"mode": "no_gate"}),
    ("cfc_pure", {"form": "ncps"}),
    ("mingru", {"candidate": "positive"}),
    ("minlstm", {"candidate": "positive"}),
    ("recurrent_mlp", {"depth": 3}),
    ("deep_rnn", {"above": 3}),
    ("narx_rnn", {"delay": 1}),
    ("liquid_time_constant", {"unfolds": 1, "nonlinearity": "softplus"}),
)


@pytest.mark.parametrize("name, values", VARIANTS, ids=str)
@BOTH
def test_variants(name, values, backend, built_quickly):
    check(instance(REGISTRY[name].using(**values), {"I": 4, "H": 6, "O": 3}, StepRows(3, 2)), backend)


@pytest.mark.parametrize(
    "name, values, expected",
    (
        ("ctrnn", {"method": "heun"}, "method='heun' is not a step of ctrnn; choose euler or rk4"),
        (
            "cfc",
            {"mode": "pure"},
            "mode='pure' is not a form of cfc; choose default or no_gate, or the cell cfc_pure",
        ),
        ("cfc_pure", {"form": "x"}, "form='x' is not a form of cfc_pure; choose paper or ncps"),
        ("mingru", {"candidate": "log"}, "candidate='log' is not known; choose plain or positive"),
    ),
)
def test_a_form_that_does_not_exist(name, values, expected):
    with pytest.raises(UnrolledError, match=expected):
        REGISTRY[name].using(**values).graph


@BOTH
def test_fully_recurrent_is_one_matrix_over_inputs_and_units(backend):
    """Williams and Zipser's W stands for Elman's [W U]."""
    cell, p = randomly("fully_recurrent", 3, 4)
    x, y = draw(5, 2, 3), draw(2, 4, seed=1)
    expected = ran(
        REGISTRY["elman"].using(nonlinearity="sigmoid"),
        [x],
        [y],
        {"W": p["W"][:, :3], "U": p["W"][:, 3:], "b": p["b"]},
        H=4,
    )
    compare(ran(cell, [x], [y], p, backend, H=4), expected, ["y", "h"], 1e-12)


@BOTH
def test_a_deep_rnn_is_a_stack_of_layers(backend):
    """Deck 004's formula: layer l reads layer l - 1 of the same step and itself one step before."""
    cell, p = randomly("deep_rnn", 3, 4, above=2)
    x, state = draw(5, 2, 3), [draw(2, 4, seed=k) for k in range(3)]
    y, final = x, []
    for k, h in enumerate(state):
        layer = (
            {"W": p["V"][k - 1], "U": p["U_up"][k - 1], "b": p["b_up"][k - 1]}
            if k
            else {n: p[n] for n in "WUb"}
        )
        y, last = ran(REGISTRY["elman"], [y], [h], layer, H=4)
        final.append(last)
    compare(ran(cell, [x], state, p, backend, H=4), [y, *final], ["y", *cell.states], 1e-12)


@BOTH
def test_a_dilated_rnn_is_several_that_take_turns(backend):
    """With a dilation of 3 every third step is an Elman network of its own."""
    cell, p = randomly("dilated_rnn", 3, 4, dilation=3)
    x, past = draw(9, 2, 3), [draw(2, 4, seed=k) for k in range(3)]
    turns = [ran(REGISTRY["elman"], [x[k::3]], [past[k]], p, H=4) for k in range(3)]
    y, *final = ran(cell, [x], past, p, backend, H=4)
    compare(
        [*(y[k::3] for k in range(3)), *final],
        [*(t[0] for t in turns), *(t[1] for t in turns)],
        ["y"] * 3 + list(cell.states),
        1e-12,
    )


@BOTH
def test_narx_with_one_delay_is_a_jordan_network_with_a_linear_output(backend):
    cell, p = randomly("narx_rnn", 3, 4, delay=1)
    x, y = draw(6, 2, 3), draw(2, 4, seed=1)
    outputs, last = [], y
    for x_t in x.unbind(0):
        last = torch.tanh(x_t @ p["W"].T + last @ p["U"][0].T + p["b_h"]) @ p["V"].T + p["b_y"]
        outputs.append(last)
    compare(ran(cell, [x], [y], p, backend, H=4, O=4), [torch.stack(outputs), last], ["y", "past_1"], 1e-12)


@BOTH
def test_narx_weighs_the_oldest_output_first(backend):
    cell, p = randomly("narx_rnn", 3, 4, delay=3)
    past = [draw(2, 4, seed=k).requires_grad_() for k in range(3)]
    p["U"][1:] = 0.0
    y, *_ = ran(cell, [draw(3, 2, 3)], past, p, backend, H=4, O=4)
    for k in range(3):
        slopes = torch.autograd.grad(
            y[k].sum(), past, retain_graph=True, materialize_grads=True, allow_unused=True
        )
        assert [bool(g.any()) for g in slopes] == [j == k for j in range(3)]


@BOTH
def test_a_cascaded_network_is_a_second_order_one(backend):
    """Pollack's network is Giles's with one more input and one more unit that are always on.

    A unit whose weights are all zero is sigmoid(0) = 1/2 for ever, exactly, so the weights
    that read it are doubled.
    """
    cascaded, p = randomly("sequential_cascaded", 3, 4)
    weights = torch.zeros(5, 5, 4, **DOUBLE)  # next unit, unit, input
    weights[:4, :4, :3], weights[:4, :4, 3] = p["C"], p["U"]
    weights[:4, 4, :3], weights[:4, 4, 3] = 2 * p["V"], 2 * p["b"]
    x, z = draw(6, 2, 3), draw(2, 4, seed=1)
    always_on, half = torch.ones(6, 2, 1, **DOUBLE), torch.full((2, 1), 0.5, **DOUBLE)
    y, last = ran(cascaded, [x], [z], p, backend, H=4)
    found = ran(
        REGISTRY["second_order_rnn"],
        [torch.cat([x, always_on], -1)],
        [torch.cat([z, half], -1)],
        {"W": weights, "b": torch.zeros(5, **DOUBLE)},
        backend,
        H=5,
    )
    compare([v[..., :4] for v in found], [y, last], ["y", "z"], 1e-12)


@BOTH
def test_mass_is_conserved(backend):
    """What came in is what is stored and what was put out, whatever the weights; nothing is ever negative."""
    cell, p = randomly("mass_conserving_lstm", 3, 6)
    x, mass, c = draw(30, 4, 3), draw(30, 4, 1, seed=1).abs(), draw(4, 6, seed=2).abs()
    h, last = ran(cell, [x, mass], [c], p, backend, H=6)
    torch.testing.assert_close(h.sum((0, 2)) + last.sum(-1), mass.sum((0, 2)) + c.sum(-1), rtol=1e-12, atol=0.0)
    assert (h >= 0).all() and (last >= 0).all()
    kept = torch.softmax(p["B"], 0)
    torch.testing.assert_close(kept.sum(0), torch.ones(6, **DOUBLE))


def test_rows_of_a_mass_conserving_lstm_do_not_meet():
    """neuralhydrology divides by the norm over the whole batch; here a row alone is the row in a batch."""
    cell, p = randomly("mass_conserving_lstm", 3, 6)
    x, mass, c = draw(5, 4, 3), draw(5, 4, 1, seed=1).abs(), draw(4, 6, seed=2).abs()
    together, alone = ran(cell, [x, mass], [c], p, H=6), ran(cell, [x[:, :1], mass[:, :1]], [c[:1]], p, H=6)
    compare(alone, [together[0][:, :1], together[1][:1]], ["h", "c"], 1e-14)


@BOTH
def test_an_orthogonal_network_keeps_lengths(backend):
    """With modReLU's bias at zero and no input the state turns and never shrinks, whatever A is."""
    cell, p = randomly("orthogonal_rnn", 3, 6)
    h = draw(2, 6)
    y, _ = ran(cell, [draw(200, 2, 3)], [h], {**p, "W": p["W"] * 0, "b": p["b"] * 0}, backend, H=6)
    torch.testing.assert_close(y.norm(dim=-1), h.norm(dim=-1).expand(200, 2))
    turn = torch.matrix_exp(p["A"] - p["A"].T)
    torch.testing.assert_close(y[0], h @ turn.T)
    dull, _ = ran(cell, [draw(200, 2, 3)], [h], {**p, "W": p["W"] * 0, "b": p["b"] * 0 - 100}, backend, H=6)
    assert not dull.any(), "a large negative bias keeps every unit at zero"
