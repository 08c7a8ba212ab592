"""What the papers say of time in their cells: orders of solvers, clocks, slow units,
fading memories, eigenvalues.
"""

from __future__ import annotations

import math

import pytest
import torch
from instances import compare
from zoo import BOTH, DOUBLE, PLAIN, draw, ran, randomly

from unrolled.cells import REGISTRY
from unrolled.layers.initial import INITIAL
from unrolled.layers.recurrent import Recurrent


@pytest.mark.parametrize("method, order", (("euler", 1), ("rk4", 4)))
def test_ctrnn_converges_in_the_order_of_its_method(method, order):
    _, p = randomly("ctrnn", 2, 5)
    start = draw(1, 5, seed=2)

    def after(steps: int):
        cell = REGISTRY["ctrnn"].using(method=method, dt=1.0 / steps)
        return ran(cell, [draw(1, 1, 2).expand(steps, 1, 2)], [start], p, H=5)[1]

    exact = after(256) if method == "rk4" else (2 * after(1024) - after(512))
    coarse, fine = ((after(n) - exact).abs().max() for n in (8, 16))
    assert math.log2(coarse / fine) == pytest.approx(order, abs=0.3)


def test_the_liquid_solver_converges_to_its_equation():
    """h' = -(1/tau + f) h + f A over an elapsed time of 1; the fused step is of order 1."""
    _, p = randomly("liquid_time_constant", 2, 5)
    x, dt, h = draw(1, 1, 2), torch.ones(1, 1, 1, **DOUBLE), draw(1, 5, seed=2)
    exact, n = h.clone(), 100

    def slope(h):
        f = torch.sigmoid(x[0] @ p["W"].T + h @ p["U"].T + p["b"])
        return (f * p["A"] - (1 / p["tau"] + f) * h) / n

    for _ in range(n):  # Runge-Kutta
        k_1 = slope(exact)
        k_2 = slope(exact + k_1 / 2)
        k_3 = slope(exact + k_2 / 2)
        exact = exact + (k_1 + 2 * k_2 + 2 * k_3 + slope(exact + k_3)) / 6
    liquid = REGISTRY["liquid_time_constant"]
    errors = [(ran(liquid.using(unfolds=k), [x, dt], [h], p, H=5)[1] - exact).abs().max() for k in (8, 32)]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.25)
    assert errors[1] < 0.02


def test_cfc_goes_from_one_candidate_to_the_other():
    """Without the shift the candidates weigh the same at no elapsed time; where f is
    positive, the late one wins.
    """
    cell, p = randomly("cfc", 2, 4)
    p = {**p, "W_s": p["W_s"] * 0, "b_s": p["b_s"] * 0, "W_f": p["W_f"] * 0, "b_f": p["b_f"] * 0 + 1}
    x, h = draw(1, 1, 2), draw(1, 4, seed=2)
    z = 1.7159 * torch.tanh(0.666 * (x[0] @ p["W"].T + h @ p["U"].T + p["b"]))
    early, late = (torch.tanh(z @ p[f"W_{k}"].T + p[f"b_{k}"]) for k in "gh")
    for dt, expected in ((0.0, (early + late) / 2), (100.0, late), (-100.0, early)):
        compare(
            [ran(cell, [x, torch.full((1, 1, 1), dt, **DOUBLE)], [h], p, H=4)[1]],
            [expected],
            [f"dt={dt}"],
            1e-12,
        )


@BOTH
def test_clockwork_groups_keep_their_periods(backend):
    """A unit changes at multiples of its period only, from the first step on, and reads from no faster unit."""
    _, p = randomly("clockwork_rnn", 3, 8)
    for name in ("tau", "mask"):
        INITIAL[f"clockwork_{'periods' if name == 'tau' else 'mask'}"](p[name], None)
    assert p["tau"].tolist() == [1, 2, 4, 8, 16, 32, 64, 128]
    x, h = draw(20, 1, 3), draw(1, 8, seed=1).requires_grad_()
    y, _, t = ran(REGISTRY["clockwork_rnn"], [x], [h, torch.zeros(1, 1, **DOUBLE)], p, backend, H=8)
    assert t.item() == 20
    changed = torch.cat([h[None], y])[1:] != torch.cat([h[None], y])[:-1]
    wanted = torch.arange(20)[:, None] % p["tau"].long() == 0
    assert torch.equal(changed[:, 0], wanted)
    for unit in range(8):
        reached = torch.autograd.grad(y[0, 0, unit], h, retain_graph=True)[0][0] != 0
        assert torch.equal(reached, torch.arange(8) >= unit)


@pytest.mark.parametrize("name, base", (("skip_lstm", "lstm"), ("skip_gru", "gru_reset_before")))
@BOTH
def test_a_skip_rnn_that_never_skips_is_its_base(name, base, backend):
    cell, p = randomly(name, 3, 4)
    p["w_p"], p["b_p"] = p["w_p"] * 0, torch.tensor(50.0, **DOUBLE)
    x = draw(6, 2, 3)
    state = [draw(2, 4, seed=k) for k in range(len(cell.states) - 1)]
    found = ran(cell, [x], [*state, torch.ones(2, 1, **DOUBLE)], p, backend, H=4)
    expected = ran(
        REGISTRY[base], [x], state, {k: v for k, v in p.items() if k in REGISTRY[base].parameters}, H=4
    )
    compare(found[:-1], expected, ["y", *REGISTRY[base].states], 1e-12)


@pytest.mark.parametrize("name", ("skip_lstm", "skip_gru"))
@BOTH
def test_a_skip_rnn_copies_its_state_where_it_skips(name, backend):
    """p = 0.2: u is 1, then 0.2, 0.4, 0.6: every third step is taken, and the gradient passes the threshold."""
    cell, p = randomly(name, 3, 4)
    p["w_p"] = p["w_p"] * 0
    p["b_p"] = torch.tensor(math.log(0.2 / 0.8), **DOUBLE).requires_grad_()
    state = [draw(1, 4, seed=k) for k in range(len(cell.states) - 1)]
    y, *final = ran(cell, [draw(10, 1, 3)], [*state, torch.ones(1, 1, **DOUBLE)], p, backend, H=4)
    same = (y[1:] == y[:-1]).all(-1)[:, 0]
    assert same.tolist() == [True, True, False] * 3
    assert final[-1].item() == pytest.approx(0.2)
    assert torch.autograd.grad(y.sum(), p["b_p"])[0].abs() > 1e-6


@BOTH
def test_adaptive_computation_stops_where_it_is_sure(backend):
    """With halting numbers near 1 one update is made, near 0 as many as allowed; the
    last weighs what is left.
    """
    cell, p = randomly("act_rnn", 3, 4)
    x, s, none = draw(1, 2, 3), draw(2, 4, seed=1), torch.zeros(2, 1, **DOUBLE)
    updates, state = [], s
    for n in range(5):
        state = torch.tanh(x[0] @ p["W"].T + state @ p["U"].T + p["b"] + (p["first"] if n == 0 else 0))
        updates.append(state)
    for halting, made, weights in (
        (0.995, 1, (1,)),
        (0.6, 2, (0.6, 0.4)),
        (0.3, 4, (0.3, 0.3, 0.3, 0.1)),
        (0.1, 5, (0.1, 0.1, 0.1, 0.1, 0.6)),
    ):
        halts = {**p, "w_p": p["w_p"] * 0, "b_p": torch.tensor(math.log(halting / (1 - halting)), **DOUBLE)}
        y, _, cost = ran(cell, [x], [s, none], halts, backend, H=4)
        expected = sum(w * u for w, u in zip(weights, updates))
        compare([y[0], cost], [expected, none + made + weights[-1]], [f"s, halting {halting}", "cost"], 1e-12)


def test_slow_units_do_not_see_the_input_and_move_slowly():
    """Yamashita and Tani's groups: time constants 5 and 70, the slow quarter behind the fast ones."""
    layer = Recurrent("mtrnn", 3, 16, **PLAIN)
    slow = layer.layers[0].slow.bool()
    assert slow.tolist() == [False] * 12 + [True] * 4
    torch.manual_seed(0)
    x = torch.randn(2, 1, 3, **DOUBLE, requires_grad=True)
    _, (u,) = layer(x[:1])
    assert [bool(torch.autograd.grad(u[0, 0, k], x, retain_graph=True)[0].any()) for k in range(16)] == (
        ~slow
    ).tolist()
    _, (far,) = layer(x, (torch.full((1, 1, 16), 100.0, **DOUBLE),))
    assert (far[0, 0, slow] > 96).all() and (far[0, 0, ~slow] < 70).all()


def test_an_echo_state_network_trains_nothing_and_forgets_its_start():
    torch.manual_seed(3)
    layer = Recurrent("leaky_esn", 2, 60, **PLAIN)
    weights = layer.layers[0]
    assert not list(layer.parameters())
    assert set(weights.W.flatten().tolist()) == {-1.0, 1.0}
    assert torch.linalg.eigvals(weights.U).abs().max().item() == pytest.approx(1.0)
    assert (weights.U != 0).double().mean().item() == pytest.approx(1 / 6, abs=0.03)  # ten a unit
    x = draw(400, 1, 2)
    ends = [layer(x, (draw(1, 1, 60, seed=k),))[1][0] for k in (1, 2)]
    assert (ends[0] - ends[1]).abs().max() < 1e-6
    wild = Recurrent(REGISTRY["leaky_esn"].using(radius=3.0, scale=0.0), 2, 60, **PLAIN)
    ends = [wild(x, (draw(1, 1, 60, seed=k),))[1][0] for k in (1, 2)]
    assert (ends[0] - ends[1]).abs().max() > 1e-2, "a large spectral radius must not forget"


def test_the_orthogonal_part_of_es2n_keeps_the_state():
    torch.manual_seed(3)
    layer = Recurrent(REGISTRY["es2n"].using(proximity=0.0), 2, 20, **PLAIN)
    h = draw(1, 1, 20)
    y, _ = layer(draw(50, 1, 2), (h,))
    torch.testing.assert_close(y.norm(dim=-1), h.norm().expand(50, 1))


def test_the_lru_starts_on_its_ring_and_stays_stable():
    """Eigenvalues fill the unit disk evenly (|.|^2 is uniform), and the gain keeps white
    noise as large as it came.
    """
    torch.manual_seed(0)
    weights = Recurrent("lru", 4, 1000, **DOUBLE).layers[0]
    squared = torch.exp(-2 * torch.exp(weights.nu))
    assert squared.max() < 1
    quarters = [0.25, 0.5, 0.75]
    assert squared.quantile(torch.tensor(quarters, **DOUBLE)).tolist() == pytest.approx(quarters, abs=0.05)
    torch.testing.assert_close(weights.gamma.exp() ** 2, 1 - squared)
    assert weights.theta.exp().max() <= 2 * math.pi
    for nu in (-30.0, 0.0, 5.0):
        assert math.exp(-math.exp(nu)) <= 1.0


@pytest.mark.parametrize(
    "name",
    ("uniform", "signs", "lecun", "half_lecun", "reservoir", "antisymmetric", "rotations", "clockwork_mask"),
)
@pytest.mark.parametrize("size", (1, 2, 5))
def test_draws_of_any_size_are_finite(name, size):
    tensor = torch.full((size, size), float("nan"), **DOUBLE)
    INITIAL[name](tensor, None)
    assert tensor.isfinite().all()
    if name == "antisymmetric":
        torch.testing.assert_close(tensor, -tensor.T)
    if name == "rotations":
        angles = torch.linalg.eigvals(tensor - tensor.T).imag.abs()
        assert size == 1 or 0 < angles.max() <= math.pi
