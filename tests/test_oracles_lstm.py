"""Cells of the LSTM family against torch's LSTMs, put together as their papers say.

The equations themselves are run (the cell as the function that it is), in float64 with random biases and
states; that the kernels compute the same is tested for every cell in test_cells.py.
"""

from __future__ import annotations

import pytest
import torch
from torch import nn

import unrolled
from unrolled.cells import REGISTRY
from unrolled.cells.hyper import hyper_lstm
from unrolled.errors import CellError
from unrolled.graph.node import size

I, H, O = 3, 4, 2
GATES = "ifgo"
CLOSE = {"rtol": 1e-12, "atol": 1e-12}


def drawn(name: str, **hyper):
    """The cell, and random values of its inputs, states and parameters by name."""
    torch.manual_seed(3)
    cell = (hyper_lstm if name == "hyper_lstm" else REGISTRY[name]).using(**hyper)
    sizes = {"I": I, "H": H, "O": O}

    def values(kind, names):
        return {
            n: 0.6 * torch.randn([size(d, sizes) for d in cell.graph.shape(kind, n)], dtype=torch.float64)
            for n in names
        }

    return (
        cell,
        [*values("input", cell.inputs).values(), *values("state", cell.states).values()],
        values("parameter", cell.parameters),
    )


def lstm_cell(input_weights, state_weights, biases) -> nn.LSTMCell:
    """torch's cell with these weights, gates in the order i, f, g, o."""
    made = nn.LSTMCell(input_weights[0].shape[1], state_weights[0].shape[1], dtype=torch.float64)
    with torch.no_grad():
        made.weight_ih.copy_(torch.cat(tuple(input_weights)))
        made.weight_hh.copy_(torch.cat(tuple(state_weights)))
        made.bias_ih.copy_(torch.cat(tuple(biases)))
        made.bias_hh.zero_()
    return made


def of_gates(p, letter: str):
    return [p[f"{letter}_{gate}"] for gate in GATES]


def equal(found, expected):
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, **CLOSE)


def test_the_projected_lstm_is_torchs():
    """Values and gradients of a whole sequence, with torch.nn.LSTM's proj_size."""
    torch.manual_seed(0)
    theirs = nn.LSTM(I, H, proj_size=O, dtype=torch.float64)
    ours = unrolled.Recurrent(
        REGISTRY["lstm_projected"].using(O=O), I, H, backend="reference", dtype=torch.float64
    )
    with torch.no_grad():
        for letter, tensor in (
            ("W", theirs.weight_ih_l0),
            ("U", theirs.weight_hh_l0),
            ("b", theirs.bias_ih_l0),
        ):
            for gate, part in zip(GATES, tensor.chunk(4)):
                getattr(ours.layers[0], f"{letter}_{gate}").copy_(part)
        theirs.bias_hh_l0.zero_()
        ours.layers[0].P.copy_(theirs.weight_hr_l0)
    x = torch.randn(5, 2, I, dtype=torch.float64, requires_grad=True)
    state = (torch.randn(1, 2, O, dtype=torch.float64), torch.randn(1, 2, H, dtype=torch.float64))
    (y, last), (z, final) = ours(x, state), theirs(x, state)
    equal([y, *last], [z, *final])
    equal(
        torch.autograd.grad(y.cos().sum(), [x, ours.layers[0].P, ours.layers[0].U_f]),
        [
            *torch.autograd.grad(z.cos().sum(), [x, theirs.weight_hr_l0], retain_graph=True),
            torch.autograd.grad(z.cos().sum(), [theirs.weight_hh_l0])[0].chunk(4)[1],
        ],
    )


def test_a_mogrifier_of_no_rounds_is_an_lstm_and_rounds_gate_in_turn():
    cell, (x, h, c), p = drawn("mogrifier_lstm", rounds=3)
    for k, matrix in enumerate(p["M"]):
        x, h = ((2 * (matrix @ h).sigmoid() * x, h), (x, 2 * (matrix.T @ x).sigmoid() * h))[k % 2]
    step = lstm_cell(of_gates(p, "W"), of_gates(p, "U"), of_gates(p, "b"))
    cell, given, p = drawn("mogrifier_lstm", rounds=3)
    equal(cell(*given, **p), step(x, (h, c)))


def test_a_nested_lstm_is_an_lstm_in_an_lstm():
    cell, (x, h, c, inner), p = drawn("nested_lstm")
    i, f, g, o = (W @ x + U @ h + b for W, U, b in zip(of_gates(p, "W"), of_gates(p, "U"), of_gates(p, "b")))
    step = lstm_cell(of_gates(p, "V"), of_gates(p, "R"), of_gates(p, "d"))
    memory, inner_new = step(i.sigmoid() * g.tanh(), (f.sigmoid() * c, inner))
    equal(cell(x, h, c, inner, **p), (o.sigmoid() * memory.tanh(), memory, inner_new))


@pytest.mark.parametrize("fast", (2, 3))
def test_a_fast_slow_network_is_lstms_in_a_row(fast):
    cell, (x, h, c, h_slow, c_slow), p = drawn("fast_slow_rnn", fast=fast)
    given = (x, h, c, h_slow, c_slow)
    h, c = lstm_cell(p["W"], p["U"][0], p["b"][0])(x, (h, c))
    h_slow, c_slow = lstm_cell(p["W_slow"], p["U_slow"], p["b_slow"])(h, (h_slow, c_slow))
    h, c = lstm_cell(p["V"], p["U"][1], p["b"][1])(h_slow, (h, c))
    for k in range(2, fast):  # a cell without an input
        h, c = lstm_cell(torch.zeros_like(p["V"]), p["U"][k], p["b"][k])(torch.zeros_like(h), (h, c))
    equal(cell(*given, **p), (h, c, h_slow, c_slow))


def test_a_multiplicative_network_is_a_tensor_one_in_factors():
    """Each input picks a recurrent matrix out of a tensor, which the factors
    decompose (Sutskever et al. 2011).
    """
    cell, (x, h), p = drawn("multiplicative_rnn")
    tensor = torch.einsum("kf,fj,fi->kji", p["V"], p["U_m"], p["W_m"])
    equal([cell(x, h, **p)], [torch.tanh(torch.einsum("kji,j,i->k", tensor, h, x) + p["W"] @ x + p["b"])])


def test_master_gates_are_monotone_and_leave_an_lstm_where_they_are_open():
    cell, (x, h, c), p = drawn("on_lstm")
    step = lstm_cell(of_gates(p, "W"), of_gates(p, "U"), of_gates(p, "b"))
    open_at = {**p, "W_mf": 0 * p["W_mf"], "U_mf": 0 * p["U_mf"], "W_mi": 0 * p["W_mi"], "U_mi": 0 * p["U_mi"]}
    first, last = torch.full((H,), -80.0).double(), torch.full((H,), -80.0).double()
    first[0] = last[-1] = 0.0
    ours = cell(x, h, c, **{**open_at, "b_mf": first, "b_mi": last})  # forget 1, input 1 but for the last
    expected = step(x, (h, c))
    equal([v[:-1] for v in ours], [v[:-1] for v in expected])
    kept = cell(x, h, c, **{**open_at, "b_mf": first, "b_mi": first})  # no input: all is kept
    torch.testing.assert_close(kept[1], c, **CLOSE)


def test_the_lstm_of_1997_is_todays_with_the_forget_gate_open_and_curves_stretched():
    """2 s(v) - 1 is tanh(v / 2), so its state is twice that of an LSTM whose candidate sees half."""
    cell, (x, h, c), p = drawn("lstm_1997")
    today = {**p, "W_f": 0 * p["W_i"], "U_f": 0 * p["U_i"], "b_f": 0 * p["b_i"] + 80.0}
    today |= {f"{k}_g": p[f"{k}_g"] / 2 for k in ("W", "U", "b")}
    found, expected = cell(x, h, c, **p), REGISTRY["lstm"](x, h, c / 2, **today)
    equal(found, (expected[0], 2 * expected[1]))


@pytest.mark.parametrize("scaled_by", ("last", "new"))
def test_a_hyper_lstm_scales_the_rows_of_anothers_weights(scaled_by):
    """Its weights written out: the rows of W and U times their scales, then a
    layer-normalised LSTM with them.
    """
    cell, (x, h, c, h_hyper, c_hyper), p = drawn("hyper_lstm", scaled_by=scaled_by)

    def normalised(v, gain, shift):
        return nn.functional.layer_norm(v, v.shape, gain, shift)

    def step(nets, c, gain, shift):
        i, f, g, o = (normalised(net, gain[k], shift[k]) for k, net in enumerate(nets))
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * normalised(c, gain[4], shift[4]).tanh(), c

    seen = torch.cat((x, h, h_hyper))
    nets = [torch.cat([p[f"{letter}_hyper"][k] for letter in "WUV"], 1) @ seen for k in range(4)]
    small, c_small = step(nets, c_hyper, p["gain_hyper"], p["shift_hyper"])
    source = small if scaled_by == "new" else h_hyper
    nets = []
    for k in range(4):
        z_x, z_h, z_b = (
            p["Z_x"][k] @ source + p["z_x"][k],
            p["Z_h"][k] @ source + p["z_h"][k],
            p["Z_b"][k] @ source,
        )
        W, U = torch.diag(p["D_x"][k] @ z_x) @ p["W"][k], torch.diag(p["D_h"][k] @ z_h) @ p["U"][k]
        nets.append(W @ x + U @ h + p["D_b"][k] @ z_b + p["b"][k])
    equal(cell(x, h, c, h_hyper, c_hyper, **p), (*step(nets, c, p["gain"], p["shift"]), small, c_small))


@pytest.mark.parametrize("name, setting", [("lstm_1997", "squash"), ("nas", "fourth"), ("scrn", "fed_back")])
def test_a_form_that_is_not_there_is_an_error_that_names_those_that_are(name, setting):
    with pytest.raises(CellError, match="choose "):
        REGISTRY[name].using(**{setting: "nothing"}).graph
