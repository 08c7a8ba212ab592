"""Other people's code for the zoo: ncps, minGRU-pytorch, accelerated-scan, keras; values
and gradients in float64.

Where none runs here (reservoirpy, mc-lstm, the sru library), their formula is written out by hand in tensors.
"""

from __future__ import annotations

import os

import pytest
import torch
from instances import BACKENDS, compare, gradients

from unrolled.cells import REGISTRY
from unrolled.kernels import StepRows, run

T, B, I, H = 6, 3, 5, 7
BOTH = pytest.mark.parametrize("backend", BACKENDS)


def draw(*shape, seed: int = 0, scale: float = 0.6):
    made = torch.Generator().manual_seed(seed)
    return (torch.randn(shape, generator=made, dtype=torch.float64) * scale).requires_grad_()


def randomise(module):
    """Biases too: other libraries begin with zeros, which hide a bias at the wrong place."""
    made = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.double().parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=made, dtype=torch.float64) * 0.4)
    return module


def ours(name: str, backend: str, inputs, state, parameters, **hyper):
    cell = REGISTRY[name].using(**hyper)
    sizes, packed = {"I": inputs[0].shape[-1], "H": state[0].shape[-1]}, [x.reshape(T * B, -1) for x in inputs]
    y, final, _ = run(
        cell.graph,
        sizes,
        packed,
        list(state),
        {(k,): v for k, v in parameters.items()},
        StepRows(T, B),
        backend=backend,
    )
    return [y.view(T, B, -1), *final]


def agree(found, expected, leaves, tolerance: float = 1e-12) -> None:
    compare(found, expected, [f"result {k}" for k in range(len(found))], tolerance)
    names = [f"gradient {k}" for k in range(len(leaves))]
    compare(gradients(found, leaves), gradients(expected, leaves), names, tolerance)


def split(module, *names):
    """W_<name> and b_<name> of a linear layer whose rows are stacked."""
    weights = module.weight.chunk(len(names))
    biases = [w.new_zeros(len(w)) for w in weights] if module.bias is None else module.bias.chunk(len(names))
    return {**{f"W_{n}": w for n, w in zip(names, weights)}, **{f"b_{n}": b for n, b in zip(names, biases)}}


@pytest.mark.parametrize("mode", ("default", "no_gate", "pure"))
@BOTH
def test_cfc_is_that_of_ncps(backend, mode):
    ncps = pytest.importorskip("ncps.torch", reason="ncps is not installed")
    module = randomise(ncps.CfCCell(I, H, mode=mode, backbone_units=H))
    x, dt, h = draw(T, B, I), draw(T, B, 1, seed=2), draw(B, H, seed=3)
    outputs, state = [], h
    for x_t, dt_t in zip(x.unbind(0), dt.unbind(0)):
        state, _ = module(x_t, state, dt_t)
        outputs.append(state)
    backbone = module.backbone[0]
    named = {"W": backbone.weight[:, :I], "U": backbone.weight[:, I:], "b": backbone.bias}
    if mode == "pure":
        named |= {"W_f": module.ff1.weight, "b_f": module.ff1.bias, "w_tau": module.w_tau[0], "A": module.A[0]}
        found = ours("cfc_pure", backend, (x, dt), (h,), named, form="ncps")
    else:
        named |= {
            "W_g": module.ff2.weight,
            "b_g": module.ff2.bias,
            "W_h": module.ff1.weight,
            "b_h": module.ff1.bias,
            "W_f": -module.time_a.weight,
            "b_f": -module.time_a.bias,
            "W_s": module.time_b.weight,
            "b_s": module.time_b.bias,
        }
        found = ours("cfc", backend, (x, dt), (h,), named, mode=mode)
    agree(found, [torch.stack(outputs), state], [x, dt, h, *module.parameters()])


@BOTH
def test_cfc_with_mixed_memory_is_that_of_ncps(backend):
    ncps = pytest.importorskip("ncps.torch", reason="ncps is not installed")
    module = randomise(ncps.CfC(I, H, mixed_memory=True, backbone_units=H, batch_first=False))
    x, h, c = draw(T, B, I), draw(B, H, seed=3), draw(B, H, seed=4)
    y, (last, memory) = module(x, (h, c))  # an elapsed time of 1 each
    backbone, cell = module.rnn_cell.backbone[0], module.rnn_cell
    named = split(module.lstm.input_map, "n", "i", "m", "o")
    named |= {f"U_{n}": part for n, part in zip("nimo", module.lstm.recurrent_map.weight.chunk(4))}
    named["b_m"] = named["b_m"] + 1.0
    named |= {
        "W": backbone.weight[:, :I],
        "U": backbone.weight[:, I:],
        "b": backbone.bias,
        **split(cell.ff2, "g"),
        **split(cell.ff1, "h"),
        **split(cell.time_b, "s"),
        "W_f": -cell.time_a.weight,
        "b_f": -cell.time_a.bias,
    }
    found = ours("cfc_mixed_memory", backend, (x, torch.ones(T, B, 1, dtype=torch.float64)), (h, c), named)
    agree(found, [y, last, memory], [x, h, c, *module.parameters()])


def test_the_cfc_layer_of_ncps_gives_times_to_units_and_not_to_rows():
    """It squeezes (B, 1) elapsed times to (B,): an error unless B = H, and then one time a
    unit. Its cell is right.
    """
    ncps = pytest.importorskip("ncps.torch", reason="ncps is not installed")
    module = randomise(ncps.CfC(I, H, backbone_units=H, batch_first=False))
    x, h, dt = draw(1, H, I).detach(), draw(H, H, seed=3).detach(), draw(1, H, 1, seed=2).detach()
    wrong, right = module(x, h, dt)[0][0], module.rnn_cell(x[0], h, dt[0])[0]
    compare([wrong], [module.rnn_cell(x[0], h, dt[0, :, 0])[0]], ["one time a unit"], 1e-12)
    assert (wrong - right).abs().max() > 0.01, "the peer is repaired: compare its layer"


def in_parallel(module, x, h=None):
    """The peer's scan over time, in logarithms; it wants the batch first."""
    y, last = module(x.transpose(0, 1), None if h is None else h[:, None], return_next_prev_hidden=True)
    return [y.transpose(0, 1), last[:, 0]]


@BOTH
def test_mingru_is_that_of_mingru_pytorch(backend):
    peer = pytest.importorskip("minGRU_pytorch.minGRU", reason="minGRU-pytorch is not installed")
    module = randomise(peer.minGRU(H))
    x, h = draw(T, B, H), draw(B, H, seed=3).detach().abs().requires_grad_()  # its states are positive
    found = ours(
        "mingru", backend, (x,), (h,), split(module.to_hidden_and_gate, "n", "z"), candidate="positive"
    )
    agree(found, in_parallel(module, x, h), [x, h, *module.parameters()], 1e-11)


@BOTH
def test_minlstm_is_that_of_mingru_pytorch_from_zero(backend):
    peer = pytest.importorskip("minGRU_pytorch.minLSTM", reason="minGRU-pytorch is not installed")
    module = randomise(peer.minLSTM(H))
    x, zero = draw(T, B, H), torch.zeros(B, H, dtype=torch.float64)
    named = split(module.to_hidden_and_f_i_gate, "n", "f", "i")
    found = ours("minlstm", backend, (x,), (zero,), named, candidate="positive")
    agree(found, in_parallel(module, x), [x, *module.parameters()], 1e-11)


def test_minlstm_goes_on_where_the_peer_does_not():
    """Its parallel branch takes log g(state) for log state, so chunks differ from the
    whole. Single steps are right.
    """
    peer = pytest.importorskip("minGRU_pytorch.minLSTM", reason="minGRU-pytorch is not installed")
    module = randomise(peer.minLSTM(H))
    x, h = draw(T, B, H), draw(B, H, seed=3).detach().abs()
    named = split(module.to_hidden_and_f_i_gate, "n", "f", "i")
    y, last = ours("minlstm", "reference", (x,), (h,), named, candidate="positive")
    state, steps = h[:, None], []
    for x_t in x.unbind(0):
        out, state = module(x_t[:, None], state, return_next_prev_hidden=True)
        steps.append(out[:, 0])
    compare([y, last], [torch.stack(steps), state[:, 0]], ["y", "h"], 1e-12)
    assert (in_parallel(module, x, h)[0] - y).abs().max() > 0.01, "the peer is repaired: compare its chunks too"


@pytest.mark.parametrize("name", ("mingru", "minlstm", "qrnn"))
@BOTH
def test_a_linear_state_is_a_scan(backend, name):
    """accelerated-scan's reference: state_t = a_t state_t-1 + b_t, with a and b of the input alone."""
    peer = pytest.importorskip("accelerated_scan.ref", reason="accelerated-scan is not installed")
    x, h = draw(T, B, I), draw(B, H, seed=3)
    w = {
        n: draw(H, I, seed=10 + k)
        for k, n in enumerate(("W_z", "W_n", "W_f", "W_i", "W_o", "V_z", "V_f", "V_o"))
    }
    b = {n: draw(H, seed=30 + k) for k, n in enumerate(("b_z", "b_n", "b_f", "b_i", "b_o"))}
    named = {k: v for k, v in {**w, **b}.items() if k in REGISTRY[name].parameters}
    state = (h,)
    if name == "mingru":
        z = torch.sigmoid(x @ w["W_z"].T + b["b_z"])
        a, new = 1 - z, z * (x @ w["W_n"].T + b["b_n"])
    elif name == "minlstm":
        f, i = (torch.sigmoid(x @ w[f"W_{g}"].T + b[f"b_{g}"]) for g in "fi")
        a, new = f / (f + i), i / (f + i) * (x @ w["W_n"].T + b["b_n"])
    else:
        state = (h, draw(B, I, seed=4))
        before = torch.cat([state[1][None], x[:-1]])
        z, f, o = (x @ w[f"W_{g}"].T + before @ w[f"V_{g}"].T + b[f"b_{g}"] for g in "zfo")
        a, new = torch.sigmoid(f), (1 - torch.sigmoid(f)) * torch.tanh(z)
    first = torch.cat([a[:1] * h + new[:1], new[1:]])
    states = peer.scan(a.permute(1, 2, 0).contiguous(), first.permute(1, 2, 0).contiguous()).permute(2, 0, 1)
    y = torch.sigmoid(o) * states if name == "qrnn" else states
    expected = [y, states[-1], *([x[-1]] if name == "qrnn" else [])]
    agree(ours(name, backend, (x,), state, named), expected, [x, *state, *named.values()])


@BOTH
def test_lru_is_a_complex_diagonal(backend):
    x, re, im = draw(T, B, I), draw(B, H, seed=3), draw(B, H, seed=4)
    w = {n: draw(H, seed=10 + k) for k, n in enumerate(("nu", "theta", "gamma"))}
    w |= {n: draw(H, I, seed=20 + k) for k, n in enumerate(("B_re", "B_im", "D"))}
    w |= {n: draw(H, H, seed=30 + k) for k, n in enumerate(("C_re", "C_im"))}
    eigenvalue = torch.exp(torch.complex(-w["nu"].exp(), w["theta"].exp()))
    read, write = torch.complex(w["C_re"], w["C_im"]), torch.complex(w["B_re"], w["B_im"])
    state, outputs = torch.complex(re, im), []
    for x_t in x.unbind(0):
        state = eigenvalue * state + w["gamma"].exp() * (x_t.to(write.dtype) @ write.T)
        outputs.append((state @ read.T).real + x_t @ w["D"].T)
    expected = [torch.stack(outputs), state.real, state.imag]
    agree(ours("lru", backend, (x,), (re, im), w), expected, [x, re, im, *w.values()])


@BOTH
def test_leaky_esn_is_that_of_reservoirpy(backend):
    """reservoirpy 0.4, nodes.Reservoir: (1 - lr) h + lr tanh(W h + Win x + bias); its W
    has the spectral radius sr.
    """
    x, h, W, U, b = draw(T, B, I), draw(B, H, seed=3), draw(H, I, seed=4), draw(H, H, seed=5), draw(H, seed=6)
    leak, radius, scale = 0.25, 1.25, 0.5
    state, outputs = h, []
    for x_t in x.unbind(0):
        state = (1 - leak) * state + leak * torch.tanh(state @ (radius * U).T + x_t @ (scale * W).T + b)
        outputs.append(state)
    found = ours(
        "leaky_esn", backend, (x,), (h,), {"W": W, "U": U, "b": b}, leak=leak, radius=radius, scale=scale
    )
    agree(found, [torch.stack(outputs), state], [x, h, W, U, b])


@BOTH
def test_sru_is_that_of_its_library(backend):
    """sru 2.6: one stacked product, then gates that see the state unit by unit, and a skip by 1 - r."""
    x, c = draw(T, B, H), draw(B, H, seed=3)
    stacked, v, bias = draw(3 * H, H, seed=4), draw(2, H, seed=5), draw(2, H, seed=6)
    alpha, state, outputs = 1.5, c, []
    for x_t in x.unbind(0):
        u, seen_f, seen_r = (x_t @ stacked.T).chunk(3, -1)
        f, r = torch.sigmoid(seen_f + v[0] * state + bias[0]), torch.sigmoid(seen_r + v[1] * state + bias[1])
        state = u + (state - u) * f
        outputs.append((state - x_t * alpha) * r + x_t * alpha)
    W, W_f, W_r = stacked.chunk(3)
    named = {
        "W": W,
        "W_f": W_f,
        "W_r": W_r,
        "v_f": v[0],
        "v_r": v[1],
        "b_f": bias[0],
        "b_r": bias[1],
        "W_h": torch.eye(H, dtype=torch.float64),
    }
    agree(
        ours("sru", backend, (x,), (c,), named, alpha=alpha),
        [torch.stack(outputs), state],
        [x, c, stacked, v, bias],
    )


@pytest.fixture(scope="module")
def keras():
    """Only with torch below it; imported with another one it stays so. Its cells
    round to float32 on the way.
    """
    os.environ.setdefault("KERAS_BACKEND", "torch")
    found = pytest.importorskip("keras", reason="keras is not installed")
    if found.config.backend() != "torch":
        pytest.skip("keras does not run on torch here")
    return found


def of_keras(cell, x, state):
    cell.build((None, I))
    made = torch.Generator().manual_seed(1)
    for weight in cell.weights:
        weight.assign(torch.randn(tuple(weight.shape), generator=made, dtype=torch.float64) * 0.4)
    outputs = []
    for x_t in x.detach().unbind(0):
        y, state = cell(x_t, state)
        state = list(state) if isinstance(state, (list, tuple)) else [state]
        outputs.append(y)
    return torch.stack(outputs), state[0]


@BOTH
def test_gru_reset_before_is_that_of_keras(keras, backend):
    x, h = draw(T, B, I), draw(B, H, seed=3)
    cell = keras.layers.GRUCell(H, reset_after=False, dtype="float64")
    expected = of_keras(cell, x, [h.detach()])
    kernel, recurrent, bias = (
        w.value.detach().mT if len(w.shape) == 2 else w.value.detach()
        for w in (cell.kernel, cell.recurrent_kernel, cell.bias)
    )
    named = {
        f"{p}_{g}": part
        for p, w in (("W", kernel), ("U", recurrent), ("b", bias))
        for g, part in zip("zrn", w.chunk(3))
    }
    compare(ours("gru_reset_before", backend, (x,), (h,), named), expected, ["y", "h"], 1e-6)


@BOTH
def test_elman_is_the_simple_rnn_of_keras(keras, backend):
    x, h = draw(T, B, I), draw(B, H, seed=3)
    cell = keras.layers.SimpleRNNCell(H, dtype="float64")
    expected = of_keras(cell, x, [h.detach()])
    named = {
        "W": cell.kernel.value.detach().T,
        "U": cell.recurrent_kernel.value.detach().T,
        "b": cell.bias.value.detach(),
    }
    compare(ours("elman", backend, (x,), (h,), named), expected, ["y", "h"], 1e-6)
