"""Cells that are special cases of others: what no other library has is held against a cell that one has.

A row says how the parameters of the first cell become arguments of the second, so that both compute the same.
The functions run on plain tensors; that the kernels agree with the functions is test_cells.py's business.
"""

from __future__ import annotations

import pytest
import torch

from unrolled.cells import REGISTRY
from unrolled.graph.node import size

H = 5
ALWAYS = 1e3  # what a sigmoid takes to 1; minus it, to 0
EYE = torch.eye(H, dtype=torch.float64)
NOTHING = torch.zeros(H, dtype=torch.float64)
NO_MATRIX = torch.zeros(H, H, dtype=torch.float64)


def turned(p, *names):
    """The same parameters with these negated: a gate that overwrites at 1 becomes one that keeps at 1."""
    return {**p, **{name: -p[name] for name in names}}


RELATIONS = [
    ("irnn", "elman", lambda p: {**p, "nonlinearity": "relu"}),
    ("jozefowicz_gru", "gru_reset_before", lambda p: p),
    ("mut2", "gru_reset_before", lambda p: turned(p, "W_z", "U_z", "b_z")),
    ("mgu1", "mgu", lambda p: {**p, "W_f": NO_MATRIX}),
    ("mgu2", "mgu1", lambda p: {**p, "b_f": NOTHING}),
    ("mgu3", "mgu1", lambda p: {**p, "U_f": NO_MATRIX}),
    ("gru1", "mut2", lambda p: {**p, "W_r": NO_MATRIX, "W_z": NO_MATRIX}),
    ("gru2", "gru1", lambda p: {**p, "b_r": NOTHING, "b_z": NOTHING}),
    ("gru3", "gru1", lambda p: {**p, "U_r": NO_MATRIX, "U_z": NO_MATRIX}),
    ("miru2", "gru3", lambda p: {"W_n": p["W"], "U_n": p["U"], "b_n": p["b"], "b_r": NOTHING, "b_z": NOTHING}),
    (
        "antisymmetric_rnn",
        "lipschitz_rnn",
        lambda p: {
            "M_A": NO_MATRIX,
            "M_U": p["U"],
            "W": p["W"],
            "b": p["b"],
            "beta_U": 1.0,
            "gamma_A": 0.0,
            "gamma_U": 0.01,
            "epsilon": 0.1,
        },
    ),
    ("elman", "fast_rnn", lambda p: {**p, "alpha": ALWAYS * EYE[0, 0], "beta": -ALWAYS * EYE[0, 0]}),
    (
        "light_ru",
        "brc",
        lambda p: {
            "W_a": NO_MATRIX,
            "u_a": NOTHING,
            "b_a": NOTHING - ALWAYS,
            "W_c": -p["W_f"],
            "u_c": -p["U_f"].diagonal(),
            "b_c": -p["b_f"],
            "W_h": p["W_h"],
            "b_h": p["b_h"],
        },
    ),
]


def random_parameters(name: str) -> dict[str, torch.Tensor]:
    graph, sizes = REGISTRY[name].graph, {"I": H, "H": H}
    return {
        p: torch.randn([size(d, sizes) for d in graph.shape("parameter", p)], dtype=torch.float64)
        for p in graph.parameters
    }


@pytest.mark.parametrize("special, general, arguments", RELATIONS, ids=[f"{a} in {b}" for a, b, _ in RELATIONS])
def test_special_cases(special, general, arguments):
    torch.manual_seed(0)
    x, h = torch.randn(2, H, dtype=torch.float64)
    parameters = random_parameters(special)
    if special == "light_ru":  # brc's units see themselves alone
        parameters["U_f"] = parameters["U_f"].diagonal().diag()
    torch.testing.assert_close(
        REGISTRY[special](x, h, **parameters), REGISTRY[general](x, h, **arguments(parameters))
    )


def test_mut1_with_the_identity_is_the_papers():
    torch.manual_seed(0)
    x, h = torch.randn(2, H, dtype=torch.float64)
    p = {**random_parameters("mut1"), "W_x": EYE, "b_x": NOTHING}
    z = torch.sigmoid(p["W_z"] @ x + p["b_z"])
    r = torch.sigmoid(p["W_r"] @ x + p["U_r"] @ h + p["b_r"])
    paper = torch.tanh(p["U_n"] @ (r * h) + torch.tanh(x) + p["b_n"]) * z + h * (1 - z)
    torch.testing.assert_close(REGISTRY["mut1"](x, h, **p), paper)


def test_a_chaos_free_network_falls_to_zero_without_input():
    torch.manual_seed(0)
    p = {**random_parameters("cfn"), "b_h": NOTHING}
    h = torch.randn(H, dtype=torch.float64)
    for _ in range(2000):
        h = REGISTRY["cfn"](NOTHING, h, **p)
    assert h.abs().max() < 0.05  # at worst as 1 / sqrt(t), where a forget gate is 1


def test_an_antisymmetric_network_turns_and_neither_grows_nor_fades():
    torch.manual_seed(0)
    U = torch.randn(H, H, dtype=torch.float64)
    p = {"W": NO_MATRIX, "U": U, "b": NOTHING, "epsilon": 1e-4, "gamma": 0.0}
    jacobian = torch.func.jacrev(lambda h: REGISTRY["antisymmetric_rnn"](NOTHING, h, **p))(NOTHING)
    torch.testing.assert_close(
        torch.linalg.svdvals(jacobian), torch.ones(H, dtype=torch.float64), rtol=0, atol=1e-6
    )


def test_brc_is_bistable_where_its_feedback_exceeds_one():
    """Vecoven et al. 2021: with a > 1 two states hold each other apart without input, with
    a < 1 both come to zero.
    """
    for strength, apart in ((1.5, True), (0.5, False)):
        p = {name: torch.zeros_like(value) for name, value in random_parameters("brc").items()}
        p["b_a"] = NOTHING + torch.atanh(torch.tensor(strength - 1, dtype=torch.float64))
        low, high = NOTHING - 0.1, NOTHING + 0.1
        for _ in range(200):
            low, high = REGISTRY["brc"](NOTHING, low, **p), REGISTRY["brc"](NOTHING, high, **p)
        assert bool((high - low > 1).all()) is apart


def test_unicornn_keeps_its_energy():
    """The Hamiltonian z^2 / 2 + alpha y^2 / 2 + log cosh(u y + b) / u of each unit does
    not drift without input.
    """
    torch.manual_seed(0)
    p = random_parameters("unicornn")
    p.update(W=NO_MATRIX, u=p["u"].abs() + 0.5, b=p["b"])
    y, z = torch.randn(2, H, dtype=torch.float64)

    def energy():
        return z * z / 2 + y * y / 2 + torch.log(torch.cosh(p["u"] * y + p["b"])) / p["u"]

    before = energy()
    for _ in range(5000):
        y, z = REGISTRY["unicornn"](NOTHING, y, z, **p, dt=0.01, alpha=1.0)
    torch.testing.assert_close(energy(), before, rtol=0.02, atol=0.02)
