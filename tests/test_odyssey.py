"""The LSTMs that are made by exchanging equations, against their equations written out by
hand and the papers' counts.
"""

from __future__ import annotations

import pytest
import torch
from instances import instance

from unrolled import find
from unrolled.kernels import StepRows
from unrolled.views.count import count

GREFF = ("vanilla", "nig", "nfg", "nog", "niaf", "noaf", "cifg", "np", "fgr")
JOZEFOWICZ = ("minus_f", "minus_i", "minus_o", "minus_b")
SIZES = {"I": 4, "H": 6}


def greff(variant, x, h, c, gates, p):
    """One step, as the paper writes it: block input, gates, cell, output, each with its own branch."""

    def before(k, cell):
        a = p[f"W_{k}"] @ x + p[f"U_{k}"] @ h + p[f"b_{k}"]
        if k != "g" and variant != "np":
            a = a + p[f"p_{k}"] * cell
        if k != "g" and variant == "fgr":
            a = a + sum(p[f"R_{j}{k}"] @ last for j, last in zip("ifo", gates))
        return a

    one = torch.ones_like(h)
    g = before("g", c) if variant == "niaf" else torch.tanh(before("g", c))
    i = one if variant == "nig" else torch.sigmoid(before("i", c))
    f = one if variant == "nfg" else 1 - i if variant == "cifg" else torch.sigmoid(before("f", c))
    c = i * g + f * c
    o = one if variant == "nog" else torch.sigmoid(before("o", c))
    h = o * (c if variant == "noaf" else torch.tanh(c))
    return (h, c, i, f, o) if variant == "fgr" else (h, c)


def jozefowicz(variant, x, h, c, gates, p):
    def gate(k):
        return (
            torch.ones_like(h)
            if variant == f"minus_{k}"
            else torch.sigmoid(p[f"W_{k}"] @ x + p[f"U_{k}"] @ h + p[f"b_{k}"])
        )

    c = gate("f") * c + gate("i") * torch.tanh(p["W_g"] @ x + p["U_g"] @ h + p["b_g"])
    return gate("o") * torch.tanh(c), c


@pytest.mark.parametrize("variant", (*GREFF, *JOZEFOWICZ))
def test_the_equations_are_the_papers(variant):
    made = instance(find(f"lstm_{variant}"), SIZES, StepRows(1, 1))
    p = {names[0]: tensor for names, tensor in made.parameters.items()}
    x, h, c, *gates = (v[0] for v in (*made.inputs, *made.state))
    expected = (greff if variant in GREFF else jozefowicz)(variant, x, h, c, gates, p)
    for a, b in zip(made.cell(x, h, c, *gates, **p), expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("variant", GREFF)
def test_parameters_are_those_that_the_variant_leaves(variant):
    """N blocks and M inputs: four times N x M and N x N weights and N biases, three times N peepholes; a gate
    that is missing takes its own along, and full gate recurrence adds nine N x N."""
    N, M = 7, 3
    block, peephole = N * M + N * N + N, N
    expected = {
        "vanilla": 4 * block + 3 * peephole,
        "np": 4 * block,
        "fgr": 4 * block + 3 * peephole + 9 * N * N,
        "niaf": 4 * block + 3 * peephole,
        "noaf": 4 * block + 3 * peephole,
    }.get(variant, 3 * block + 2 * peephole)
    assert count(find(f"lstm_{variant}").graph, {"I": M, "H": N}).parameters == expected


@pytest.mark.parametrize("variant, gates", tuple(zip(JOZEFOWICZ, (3, 3, 3, 4))))
def test_ablations_lose_one_gate(variant, gates):
    assert len(find(f"lstm_{variant}").parameters) == 3 * gates


def test_the_bias_of_the_forget_gate():
    """LSTM-b of Jozefowicz et al. begins with 1 and is `lstm`; the one without is lstm_minus_b."""
    assert find("lstm").init == {"b_f": 1.0} and find("lstm_minus_b").init == {"b_f": 0.0}
    assert (
        find("lstm_minus_i").init == find("lstm_minus_o").init == {"b_f": 1.0} and not find("lstm_minus_f").init
    )
    assert find("lstm_minus_b").graph.nodes == find("lstm").graph.nodes
