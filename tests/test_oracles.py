"""Other people's code for the same equations: torch.nn and torchrecurrent, values and gradients in float64."""

from __future__ import annotations

import pytest
import torch
from instances import BACKENDS, compare, gradients

from unrolled.cells import REGISTRY
from unrolled.kernels import StepRows, run

T, B, I, H = 6, 3, 5, 7


def given(seed: int = 0):
    made = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return (torch.randn(shape, generator=made, dtype=torch.float64) * 0.6).requires_grad_()

    return draw(T, B, I), draw(B, H), draw(B, H)


def randomise(module):
    """Biases too: other libraries begin with zeros, which hide a bias at the wrong place."""
    made = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=made, dtype=torch.float64) * 0.4)
    return module


def ours(name: str, backend: str, x, state, parameters, **hyper):
    y, final, _ = run(
        REGISTRY[name].using(**hyper).graph,
        {"I": I, "H": H},
        [x.reshape(T * B, I)],
        list(state),
        {(k,): v for k, v in parameters.items()},
        StepRows(T, B),
        backend=backend,
    )
    return [y.view(T, B, H), *final]


def agree(found, expected, leaves) -> None:
    compare(found, expected, [f"result {k}" for k in range(len(found))], 1e-12)
    compare(
        gradients(found, leaves),
        gradients(expected, leaves),
        [f"gradient {k}" for k in range(len(leaves))],
        1e-12,
    )


def gates(weights, names: str, prefix: str) -> dict:
    """Weights stacked along their rows, cut and named: gates(w, "ifgo", "W_")."""
    return {f"{prefix}{n}": part for n, part in zip(names, weights.chunk(len(names)))}


@pytest.mark.parametrize("backend", BACKENDS)
def test_lstm_is_torchs(backend):
    module, (x, h, c) = randomise(torch.nn.LSTM(I, H, dtype=torch.float64)), given()
    y, (hn, cn) = module(x, (h[None], c[None]))
    parameters = {
        **gates(module.weight_ih_l0, "ifgo", "W_"),
        **gates(module.weight_hh_l0, "ifgo", "U_"),
        **gates(module.bias_ih_l0 + module.bias_hh_l0, "ifgo", "b_"),
    }
    agree(ours("lstm", backend, x, (h, c), parameters), [y, hn[0], cn[0]], [x, h, c, *module.parameters()])


@pytest.mark.parametrize("backend", BACKENDS)
def test_gru_is_torchs(backend):
    module, (x, h, _) = randomise(torch.nn.GRU(I, H, dtype=torch.float64)), given()
    y, hn = module(x, h[None])
    b_r, b_z, b_n = module.bias_ih_l0.chunk(3)
    c_r, c_z, c_n = module.bias_hh_l0.chunk(3)
    parameters = {
        **gates(module.weight_ih_l0, "rzn", "W_"),
        **gates(module.weight_hh_l0, "rzn", "U_"),
        "b_r": b_r + c_r,
        "b_z": b_z + c_z,
        "b_n": b_n,
        "c_n": c_n,
    }
    agree(ours("gru", backend, x, (h,), parameters), [y, hn[0]], [x, h, *module.parameters()])


@pytest.mark.parametrize("nonlinearity", ("tanh", "relu"))
@pytest.mark.parametrize("backend", BACKENDS)
def test_elman_is_torchs(backend, nonlinearity):
    module, (x, h, _) = randomise(torch.nn.RNN(I, H, nonlinearity=nonlinearity, dtype=torch.float64)), given()
    y, hn = module(x, h[None])
    parameters = {
        "W": module.weight_ih_l0,
        "U": module.weight_hh_l0,
        "b": module.bias_ih_l0 + module.bias_hh_l0,
    }
    agree(
        ours("elman", backend, x, (h,), parameters, nonlinearity=nonlinearity),
        [y, hn[0]],
        [x, h, *module.parameters()],
    )


torchrecurrent = pytest.importorskip("torchrecurrent", reason="torchrecurrent is not installed")


def stepped(module, x, state):
    """Their cell, one step after the other."""
    outputs, pair = [], len(state) == 2
    current = tuple(state) if pair else state[0]
    for value in x.unbind(0):
        current = module(value, current)
        outputs.append(current[0] if pair else current)
    return [torch.stack(outputs), *(current if pair else (current,))]


@pytest.mark.parametrize("backend", BACKENDS)
def test_peephole_lstm_is_torchrecurrents(backend):
    module, (x, h, c) = randomise(torchrecurrent.PeepholeLSTMCell(I, H).double()), given()
    parameters = {
        **gates(module.weight_ih, "ifgo", "W_"),
        **gates(module.weight_hh, "ifgo", "U_"),
        **gates(module.bias_ih + module.bias_hh, "ifgo", "b_"),
        **gates(module.weight_ph, "ifo", "p_"),
    }
    agree(
        ours("peephole_lstm", backend, x, (h, c), parameters),
        stepped(module, x, (h, c)),
        [x, h, c, *module.parameters()],
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_mgu_is_torchrecurrents(backend):
    module, (x, h, _) = randomise(torchrecurrent.MGUCell(I, H).double()), given()
    parameters = {
        **gates(module.weight_ih, "fn", "W_"),
        **gates(module.weight_hh, "fn", "U_"),
        **gates(module.bias_ih + module.bias_hh, "fn", "b_"),
    }
    agree(ours("mgu", backend, x, (h,), parameters), stepped(module, x, (h,)), [x, h, *module.parameters()])


@pytest.mark.parametrize("nonlinearity", ("tanh", "relu"))
@pytest.mark.parametrize("backend", BACKENDS)
def test_indrnn_is_torchrecurrents(backend, nonlinearity):
    act = getattr(torch, nonlinearity)
    module, (x, h, _) = randomise(torchrecurrent.IndRNNCell(I, H, nonlinearity=act).double()), given()
    parameters = {"W": module.weight_ih, "u": module.vector_u, "b": module.bias_ih + module.bias_hh}
    agree(
        ours("indrnn", backend, x, (h,), parameters, nonlinearity=nonlinearity),
        stepped(module, x, (h,)),
        [x, h, *module.parameters()],
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_lem_is_torchrecurrents_but_for_the_new_z(backend):
    """Equation (3) of the paper, arXiv 2110.04744, feeds the new z into y; torchrecurrent 0.2.5 feeds the old
    one. So z agrees after one step, and y agrees where the step of z is zero (dt = 0 does not make a LEM, hence
    W_1, V_1, b_1 that close its gate)."""
    module, (x, y0, z0) = randomise(torchrecurrent.LEMCell(I, H, dt=0.5).double()), given()
    v_2, v_1, v_z, v_y = module.weight_ih.chunk(4)
    w_2, w_1, w_z = module.weight_hh.chunk(3)
    b_2, b_1, b_z, b_y = module.bias_ih.chunk(4)
    c_2, c_1, c_z = module.bias_hh.chunk(3)
    parameters = {
        "W_1": w_1,
        "V_1": v_1,
        "b_1": b_1 + c_1,
        "W_2": w_2,
        "V_2": v_2,
        "b_2": b_2 + c_2,
        "W_z": w_z,
        "V_z": v_z,
        "b_z": b_z + c_z,
        "W_y": module.weight_ch,
        "V_y": v_y,
        "b_y": b_y + module.bias_ch,
    }

    def first_step(values):
        y, final, _ = run(
            REGISTRY["lem"].using(dt=0.5).graph,
            {"I": I, "H": H},
            [x[0]],
            [y0, z0],
            {(k,): v for k, v in values.items()},
            StepRows(1, B),
            backend=backend,
        )
        return final

    their_y, their_z = module(x[0], (y0, z0))
    y, z = first_step(parameters)
    torch.testing.assert_close(z, their_z, rtol=1e-12, atol=1e-12)
    assert (y - their_y).abs().max() > 1e-3
    shut = torch.full((H,), -60.0, dtype=torch.float64)
    with torch.no_grad():
        module.bias_ih[H : 2 * H] = shut
    y, _ = first_step({**parameters, "b_1": shut + c_1})
    torch.testing.assert_close(y, module(x[0], (y0, z0))[0], rtol=1e-9, atol=1e-12)
