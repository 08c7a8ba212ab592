"""sLSTM against flashrnn's plain backend: values and all gradients, one head and
several, from its zero state.
"""

from __future__ import annotations

import pytest
import torch
from layer_cases import BACKENDS

import unrolled
from unrolled.cells import REGISTRY

vanilla = pytest.importorskip(
    "flashrnn.flashrnn.vanilla", reason="pip install --no-deps flashrnn einops packaging"
)
T, B, I, H = 5, 3, 4, 6
GATES = "ifzo"


def layer(heads: int, backend: str):
    """Ours, with all parameters random: zeros as biases hide mistakes."""
    torch.manual_seed(1)
    made = unrolled.Recurrent(REGISTRY["slstm"].using(heads=heads), I, H, backend=backend, dtype=torch.float64)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, 0.0, 0.5)
    return made


def theirs(weights, x, heads: int):
    """flashrnn's states (T, states, B, H) of the same numbers: its recurrent weights
    are [head, from, gate, to].
    """
    shape = (heads, H // heads)
    seen = torch.stack([x @ getattr(weights, f"W_{g}").T for g in GATES], 2).view(T, B, 4, *shape)
    recurrent = torch.stack([getattr(weights, f"R_{g}").transpose(1, 2) for g in GATES], 2)
    bias = torch.stack([getattr(weights, f"b_{g}") for g in GATES]).view(1, 4, *shape)
    states, _ = vanilla.flashrnn_forward(
        seen,
        x.new_zeros(1, B, 4, *shape),
        recurrent,
        bias,
        vanilla.flashrnn_pointwise_function_registry["slstm"],
    )
    return states.reshape(T, B, 4, H)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("heads", (1, 2))
def test_values_and_gradients_are_flashrnns(heads, backend):
    made = layer(heads, backend)
    x = torch.randn(T, B, I, dtype=torch.float64, requires_grad=True)
    y, last = made(x)
    states = theirs(made.layers[0], x, heads)
    wanted = [x, *made.parameters()]
    for a, b in ((y, states[:, :, 0]), *((mine[0], states[-1, :, k]) for k, mine in enumerate(last))):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)
        weight = torch.randn_like(a)
        found, expected = (
            torch.autograd.grad(
                (v * weight).sum(), wanted, retain_graph=True, allow_unused=True, materialize_grads=True
            )
            for v in (a, b)
        )
        for mine, other in zip(found, expected, strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-10, atol=1e-10)


def test_the_exponential_forget_gate_sums_what_it_weighs():
    """With forget="exp" and gates that see nothing, h is o times the mean of z weighted by exp(i + later f)."""
    cell = REGISTRY["slstm"].using(forget="exp")
    torch.manual_seed(2)
    weights = unrolled.Recurrent(cell, I, H, dtype=torch.float64).layers[0]
    p = {name: torch.zeros_like(value) for name, value in weights.named_parameters()}
    p |= {f"b_{g}": torch.randn(H, dtype=torch.float64) for g in "fo"}
    p |= {f"W_{g}": torch.randn(H, I, dtype=torch.float64) for g in "iz"}
    x = torch.randn(T, I, dtype=torch.float64)
    zeros = torch.zeros(H, dtype=torch.float64)
    state = [zeros, zeros, zeros, zeros - torch.inf]
    for row in x:
        h, *_ = state = cell(row, *state, **p)
    weight = torch.stack([p["W_i"] @ row + (T - 1 - t) * p["b_f"] for t, row in enumerate(x)]).exp()
    z = torch.stack([(p["W_z"] @ row).tanh() for row in x])
    torch.testing.assert_close(
        h, p["b_o"].sigmoid() * (weight * z).sum(0) / weight.sum(0), rtol=1e-12, atol=1e-12
    )
