"""Nets by hand: the decks' numbers to six digits, gradients against autograd, printed lines recomputed."""

from __future__ import annotations

import math
import random

import pytest
import torch

from unrolled import cell, concat, find, relu, sigmoid, softmax, step, tanh, total, where
from unrolled.byhand import worked
from unrolled.byhand.descent import descend
from unrolled.byhand.examples.activations import curve
from unrolled.byhand.examples.deck003 import FIRST, ROWS, TARGETS, W1, W2, deck003, neuron, perceptron
from unrolled.byhand.examples.hello import WEIGHTS, hello, hello_worked, one_hot
from unrolled.byhand.invented import invented
from unrolled.byhand.losses import LOSSES
from unrolled.byhand.numbers import Array, array, shown
from unrolled.byhand.picture import numbers_scene
from unrolled.byhand.through_time import spectral_norm, step_jacobian
from unrolled.byhand.unrolling import MOST_NUMBERS
from unrolled.byhand.wires import wires_of
from unrolled.cells import REGISTRY
from unrolled.errors import CellError, NotYet, ShapeError, UsageError

NOT_WRITTEN_OUT = {"orthogonal_rnn"}  # e^M of a whole matrix
LARGE = {"hyper_lstm"}


def six(values) -> list[float]:
    return [round(v, 6) for v in values]


def cells_of(nested) -> list[float]:
    return list(array(nested, "it").cells)


# --- deck 003, row by row -------------------------------------------------------------------------------------

FORWARD = {
    1: ((4.3, 5.3), (0.986613, 0.995033), (2.086159, 1.388794), (0.889551, 0.800400), 0.593245),
    2: ((0.51, 0.32), (0.624806, 0.579324), (1.458756, 1.057778), (0.811342, 0.742266), 0.446099),
    3: ((1.8859, 2.4214), (0.868287, 0.918445), (1.934401, 1.286474), (0.873736, 0.783550), 0.549066),
    4: ((7.8, 9.9), (0.999590, 0.999950), (2.099668, 1.399667), (0.890871, 0.802131), 0.585400),
    5: ((1.10315, 2.10378), (0.750850, 0.891270), (1.827738, 1.189807), (0.861492, 0.766707), 0.522095),
    6: ((1.8985, 2.4382), (0.869722, 0.919694), (1.936530, 1.287747), (0.873970, 0.783766), 0.549549),
}
ALONE = {  # c1 and c2 of each row
    1: (
        [[0.001984, 0.000404], [0.001984, 0.000404], [0.007936, 0.001617], [0.009920, 0.002021]],
        [[0.077574, 0.119884], [0.076535, 0.118279], [0.077188, 0.119288]],
    ),
    2: (
        [[0.040484, 0.026151], [0.004048, 0.002615], [-0.202421, -0.130756], [0.121452, 0.078453]],
        [[0.105500, 0.123559], [0.065917, 0.077200], [0.061118, 0.071581]],
    ),
    3: (
        [[0.017849, 0.006615], [0.107092, 0.039692], [-0.098917, -0.036662], [0.087405, 0.032395]],
        [[0.084687, 0.120984], [0.073532, 0.105049], [0.077780, 0.111117]],
    ),
    4: (
        [[0.000060, 0.000004], [0.000242, 0.000016], [0.000483, 0.000032], [0.000544, 0.000037]],
        [[0.076927, 0.117138], [0.076896, 0.117090], [0.076923, 0.117132]],
    ),
    5: (
        [[0.030292, 0.009012], [0.363499, 0.108150], [-0.060583, -0.018025], [0.000191, 0.000057]],
        [[0.089551, 0.124046], [0.067240, 0.093140], [0.079814, 0.110558]],
    ),
    6: (
        [[0.017673, 0.006516], [0.106035, 0.039096], [-0.097199, -0.035838], [0.086543, 0.031909]],
        [[0.084589, 0.120950], [0.073569, 0.105193], [0.077796, 0.111237]],
    ),
}
BATCH = {  # rows -> c1, c2, w1*, w2*, sum of E before and after
    4: (
        [[0.060377, 0.033175], [0.113366, 0.042727], [-0.292919, -0.165768], [0.219320, 0.112906]],
        [[0.344687, 0.481564], [0.292880, 0.417618], [0.293010, 0.419118]],
        [[0.499396, 0.499668], [0.098866, 0.199573], [0.302929, 0.401658], [0.497807, 0.598871]],
        [[0.496553, 0.495184], [0.697071, 0.795824], [0.897070, 0.095809]],
        2.173810,
        2.163122,
    ),
    6: (
        [[0.108341, 0.048703], [0.582900, 0.189973], [-0.450701, -0.219631], [0.306054, 0.144872]],
        [[0.518828, 0.726560], [0.433689, 0.615951], [0.450621, 0.640913]],
        [[0.498917, 0.499513], [0.094171, 0.198100], [0.304507, 0.402196], [0.496939, 0.598551]],
        [[0.494812, 0.492734], [0.695663, 0.793840], [0.895494, 0.093591]],
        3.245453,
        3.217909,
    ),
}


@pytest.fixture(scope="module")
def six_rows():
    return deck003(6)


@pytest.mark.parametrize("row", FORWARD)
def test_deck003_forward(six_rows, row):
    s1, a1, s2, a2, error = FORWARD[row]
    for name, wanted in (("s1", s1), ("a1", (1.0, *a1)), ("s2", s2), ("a2", a2)):
        assert six(six_rows.values(name, row)) == pytest.approx(wanted, abs=1e-9), name
    assert round(six_rows.losses[row], 6) == error


@pytest.mark.parametrize("row", ALONE)
def test_deck003_gradients_of_each_row(six_rows, row):
    for name, wanted in zip(("w1", "w2"), ALONE[row]):
        assert six(six_rows.row_gradients[row][name].cells) == pytest.approx(cells_of(wanted), abs=1e-9)


def test_deck003_row_1_in_between(six_rows):
    alone = worked(
        perceptron,
        {"a0": [(1.0, *ROWS[0])], "one": [1.0]},
        {"w1": W1, "w2": W2},
        target=[TARGETS[0]],
        first=FIRST,
    )
    wanted = {
        "s2[1]": 0.077574,
        "s2[2]": 0.119884,
        "a1[1]": 0.150209,
        "a1[2]": 0.081805,
        "s1[1]": 0.001984,
        "s1[2]": 0.000404,
    }
    assert {name: round(alone[name].gradient, 6) for name in wanted} == wanted
    assert {name: round(six_rows[name, 1].gradient, 6) for name in wanted} == wanted


@pytest.mark.parametrize("rows", BATCH)
def test_deck003_batch_and_step(rows):
    made = deck003(rows)
    c1, c2, w1, w2, before, after = BATCH[rows]
    for found, wanted in (
        (made.gradients["w1"], c1),
        (made.gradients["w2"], c2),
        (made.step.after["w1"], w1),
        (made.step.after["w2"], w2),
    ):
        assert six(found.cells) == pytest.approx(cells_of(wanted), abs=1e-9)
    assert (round(made.step.loss_before, 6), round(made.step.loss_after, 6)) == (before, after)


def test_deck003_with_the_mean_gradient():
    made = worked(
        perceptron,
        {"a0": [(1.0, *row) for row in ROWS], "one": [1.0]},
        {"w1": W1, "w2": W2},
        target=TARGETS,
        rate=0.01,
        mean=True,
        first=FIRST,
    )
    assert six(made.step.after["w1"].cells) == [
        0.499819,
        0.499919,
        0.099029,
        0.199683,
        0.300751,
        0.400366,
        0.499490,
        0.599759,
    ]
    assert six(made.step.after["w2"].cells) == [0.499135, 0.498789, 0.699277, 0.798973, 0.899249, 0.098932]
    assert round(made.loss, 6) == 0.540909


def test_one_epoch_of_single_rows_is_what_stochastic_descent_does():
    weights = {"w1": W1, "w2": W2}
    for row, target in zip(ROWS, TARGETS):
        made = worked(
            perceptron, {"a0": [(1.0, *row)], "one": [1.0]}, weights, target=[target], rate=0.01, first=FIRST
        )
        weights = {name: one.nested() for name, one in made.step.after.items()}
    assert six(cells_of(weights["w1"])) == [
        0.498903,
        0.499511,
        0.094068,
        0.198083,
        0.304572,
        0.402206,
        0.496887,
        0.598543,
    ]
    assert six(cells_of(weights["w2"])) == [0.494789, 0.492713, 0.695655, 0.793838, 0.895476, 0.093576]


# --- hello ----------------------------------------------------------------------------------------------------

H = {
    1: (0.537050, 0.197375, 0.716298),
    2: (0.771500, 0.696799, 0.790296),
    3: (0.718520, 0.967392, 0.500400),
    4: (0.763931, 0.974767, 0.507290),
}
P = {1: 0.214930, 2: 0.280198, 3: 0.316133, 4: 0.134659}
HELLO = {
    "W_xh": [
        [0.244108, 0.025879, 0.086945, 0],
        [0.138638, -0.134567, 0.019341, 0],
        [-0.077036, 0.064646, 0.087535, 0],
    ],
    "W_hh": [[0.077761, 0.082116, 0.069653], [-0.059059, -0.004341, -0.090471], [0.104142, 0.064096, 0.125831]],
    "W_hy": [
        [1.057648, 1.101572, 0.934402],
        [-0.063028, 0.261014, -0.272894],
        [-0.675553, -0.807585, -0.577587],
        [-0.319066, -0.555001, -0.083921],
    ],
}


@pytest.fixture(scope="module")
def said_hello():
    return hello_worked()


def test_hello_forward(said_hello):
    assert {t: round(v, 6) for t, v in said_hello.losses.items()} == {
        1: 1.537442,
        2: 1.272260,
        3: 1.151593,
        4: 2.005011,
    }
    assert round(said_hello.loss, 6) == 5.966307
    for t, target in enumerate("ello", 1):
        assert six(said_hello.values("h", t)) == pytest.approx(H[t], abs=1e-9)
        assert round(said_hello.values("p", t)["helo".index(target)], 6) == P[t]


def test_hello_gradients(said_hello):
    for name, wanted in HELLO.items():
        assert six(said_hello.gradients[name].cells) == pytest.approx(cells_of(wanted), abs=1e-9)
        by_step = map(sum, zip(*(one[name].cells for one in said_hello.row_gradients.values())))
        assert list(by_step) == pytest.approx(said_hello.gradients[name].cells, abs=1e-12)


def test_hello_gradients_of_biases_are_those_of_what_they_would_be_added_to(said_hello):
    assert six(sum(said_hello[f"s[{t}][{k}]"].gradient for t in range(1, 5)) for k in range(1, 4)) == [
        0.356932,
        0.023412,
        0.075144,
    ]
    assert six(sum(said_hello[f"z[{t}][{k}]"].gradient for t in range(1, 5)) for k in range(1, 5)) == [
        1.499561,
        -0.308198,
        -0.845979,
        -0.345384,
    ]


def test_softmax_and_cross_entropy_give_p_minus_y(said_hello):
    for t, target in enumerate(one_hot("ello"), 1):
        for k, (p, y) in enumerate(zip(said_hello.values("p", t), target), 1):
            assert said_hello[f"z[{t}][{k}]"].gradient == pytest.approx(p - y, abs=1e-12)


def torch_hello(t: int) -> tuple[dict, list]:
    weights = {n: torch.tensor(w, dtype=torch.float64, requires_grad=True) for n, w in WEIGHTS.items()}
    state, states = torch.zeros(3, dtype=torch.float64), []
    for x in one_hot("hell")[:t]:
        p, state = hello(torch.tensor(x, dtype=torch.float64), state, **weights)
        state.retain_grad()
        states.append(state)
    loss = -p["helo".index("ello"[t - 1])].log()
    loss.backward()
    return weights, states


@pytest.mark.parametrize("t", [1, 2, 3, 4])
def test_the_sum_over_k_is_each_losses_gradient(said_hello, t):
    found = said_hello.through_time[t - 1]
    weights, states = torch_hello(t)
    assert [lag.k for lag in found.lags] == list(range(t, 0, -1))
    for lag in found.lags:
        assert lag.state == pytest.approx(states[lag.k - 1].grad.tolist(), abs=1e-12)
    for name, weight in weights.items():
        assert found.gradients[name].cells == pytest.approx(weight.grad.flatten().tolist(), abs=1e-12)


def test_a_term_is_the_chain_that_deck_000_writes(said_hello):
    """dL3/dh3 dh3/dhk, times the last factor alone, is the term."""
    found = said_hello.through_time[2]
    at_3 = found.lags[0].state
    for lag in found.lags:
        through = [sum(a * lag.jacobian[i][j] for i, a in enumerate(at_3)) for j in range(3)]
        assert through == pytest.approx(lag.state, abs=1e-12)
        h, before = (
            said_hello.values("h", lag.k),
            said_hello.values("h", lag.k - 1) if lag.k > 1 else (0.0, 0.0, 0.0),
        )
        term = [through[i] * (1 - h[i] ** 2) * before[j] for i in range(3) for j in range(3)]
        assert term == pytest.approx(lag.terms["W_hh"].cells, abs=1e-12)


def test_jacobians_and_their_norms_are_torchs(said_hello):
    weights = {n: torch.tensor(w, dtype=torch.float64) for n, w in WEIGHTS.items()}
    product = torch.eye(3, dtype=torch.float64)
    for t in (4, 3, 2):
        h, x = (
            torch.tensor(v, dtype=torch.float64)
            for v in (said_hello.values("h", t - 1), one_hot("hell")[t - 1])
        )
        jacobian = torch.func.jacrev(lambda s: hello(x, s, **weights)[1])(h)
        assert torch.allclose(
            torch.tensor(step_jacobian(said_hello.chains, t), dtype=torch.float64), jacobian, atol=1e-12
        )
        product = product @ jacobian
        lag = said_hello.through_time[3].lags[5 - t]
        assert lag.k == t - 1 and lag.norm == pytest.approx(
            torch.linalg.matrix_norm(product, 2).item(), rel=1e-9
        )


def test_the_norm_of_awkward_matrices():
    assert spectral_norm([[0.0, 0.0], [0.0, 0.0]]) == 0.0
    assert spectral_norm([[2.0, 0.0], [0.0, -2.0]]) == pytest.approx(2.0)
    drawn = random.Random(0)
    matrix = [[drawn.gauss(0, 1) for _ in range(4)] for _ in range(3)]
    assert spectral_norm(matrix) == pytest.approx(
        torch.linalg.matrix_norm(torch.tensor(matrix, dtype=torch.float64), 2).item(), rel=1e-10
    )


# --- any cell -------------------------------------------------------------------------------------------------


def by_torch(subject, given, made):
    """(loss, gradients, losses by row) of the plain function, under autograd."""

    def tensor(value):
        return torch.tensor(value, dtype=torch.float64)

    weights = {n: tensor(v).requires_grad_() for n, v in given["parameters"].items()}
    states = [tensor(made.given.states[n].nested()) for n in subject.states]
    loss = 0.0
    for t, target in enumerate(given["target"]):
        results = subject(*(tensor(given["inputs"][n][t]) for n in subject.inputs), *states, **weights)
        results = results if isinstance(results, tuple) else (results,)
        states = list(results[-len(subject.states) :]) if subject.states else []
        loss = loss + ((results[0] - tensor(target)) ** 2).sum() / 2
    loss.backward()
    return loss.item(), {n: w.grad for n, w in weights.items()}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(n, marks=pytest.mark.slow) if n in LARGE else n
        for n in REGISTRY
        if n not in NOT_WRITTEN_OUT
    ],
)
def test_every_cell_by_hand_is_autograd(name):
    subject = REGISTRY[name].evaluation
    given = invented(subject, steps=2 if name in LARGE else 3)
    made = worked(subject, given["inputs"], given["parameters"], target=given["target"])
    loss, gradients = by_torch(subject, given, made)
    assert made.loss == pytest.approx(loss, rel=1e-10, abs=1e-12)
    for parameter, gradient in gradients.items():
        wanted = torch.zeros(made.gradients[parameter].shape) if gradient is None else gradient
        assert made.gradients[parameter].cells == pytest.approx(
            wanted.flatten().tolist(), rel=1e-8, abs=1e-10
        ), parameter
    found = [map(sum, zip(*(one.gradients[p].cells for one in made.through_time))) for p in subject.parameters]
    for parameter, cells in zip(subject.parameters, found):
        assert list(cells) == pytest.approx(made.gradients[parameter].cells, rel=1e-8, abs=1e-10), parameter


def test_functions_of_a_whole_matrix_say_so():
    for name in NOT_WRITTEN_OUT:
        with pytest.raises(NotYet, match="function of a whole matrix"):
            worked(name, *list(invented(REGISTRY[name]).values())[:2])


NAMES = {
    "sigmoid": lambda v: 1 / (1 + math.exp(-v)),
    "tanh": math.tanh,
    "exp": math.exp,
    "log": math.log,
    "max": max,
    "min": min,
    "softplus": lambda v: math.log1p(math.exp(v)),
    "relu": lambda v: max(v, 0.0),
    "sqrt": math.sqrt,
    "where": lambda c, a, b: a if c else b,
    "sin": math.sin,
    "cos": math.cos,
}


@pytest.mark.parametrize(
    "name", ["elman", "lstm", "gru", "mgu", "lem", "rhn", "nas", "mut1", "peephole_lstm", "indrnn"]
)
def test_printed_numbers_give_the_printed_value(name):
    """What stands behind each equals sign, computed by Python from the text, is the number."""
    given = invented(find(name), 2)
    made = worked(name, given["inputs"], given["parameters"], target=given["target"])
    checked = 0
    for q in made.quantities:
        if q.formula is not None:
            assert eval(q.formula.numbers(made.chains.values, 17), dict(NAMES)) == pytest.approx(
                q.value, abs=1e-9
            ), str(q.label)
            checked += 1
        for term in q.terms:
            for edge in term.edges:
                assert eval(edge.slope.numbers(made.chains.values, 17), dict(NAMES)) == pytest.approx(
                    edge.value, abs=1e-9
                )
        if q.kind in ("value", "parameter"):
            assert sum(t.value for t in q.terms) == pytest.approx(q.gradient, abs=1e-10), str(q.label)
    assert checked >= 6


def test_the_closed_form_of_softmax_is_the_rule():
    """Where the logits have no name of the author's, they get one."""

    def named(x, *, W):
        z = W @ x
        p = softmax(z)
        return p

    def unnamed(x, *, W):
        return softmax(W @ x)

    numbers = ([1.0, -2.0], {"W": [[0.5, 1.0], [0.2, -0.3], [0.7, 0.1]]})
    first, second = (worked(net, *numbers, target=[0, 1, 0], loss="cross-entropy") for net in (named, unnamed))
    assert first.gradients["W"].cells == pytest.approx(second.gradients["W"].cells, abs=1e-12)
    assert "p[2] * (1 - p[2])" in first.text() and "output" in second.text() and "v1[1]" in second.text()


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_torchs(name):
    p, y = (
        torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64),
        torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64),
    )
    functional = torch.nn.functional
    wanted = {
        "half-squared-error": ((p - y) ** 2).sum() / 2,
        "squared-error": ((p - y) ** 2).sum(),
        "mean-squared-error": functional.mse_loss(p, y),
        "absolute-error": (p - y).abs().sum(),
        "cross-entropy": -p.log()[1],
        "binary-cross-entropy": functional.binary_cross_entropy(p, y, reduction="sum"),
    }[name]

    def identity(x, *, b):
        return x + b

    made = worked(identity, p.tolist(), {"b": [0, 0, 0]}, target=y.tolist(), loss=name)
    assert made.loss == pytest.approx(wanted.item(), abs=1e-12)


@pytest.mark.parametrize(
    "optimiser, make",
    [
        ("sgd", lambda p: torch.optim.SGD(p, lr=0.1)),
        ("adam", lambda p: torch.optim.Adam(p, lr=0.1)),
        ("adagrad", lambda p: torch.optim.Adagrad(p, lr=0.1, eps=1e-8)),
    ],
)
def test_one_step_is_torchs(optimiser, make):
    given = invented(find("elman"))
    made = worked(
        "elman", given["inputs"], given["parameters"], target=given["target"], rate=0.1, optimiser=optimiser
    )
    weights = [torch.nn.Parameter(torch.tensor(v, dtype=torch.float64)) for v in given["parameters"].values()]
    for weight, name in zip(weights, given["parameters"]):
        weight.grad = torch.tensor(made.gradients[name].nested(), dtype=torch.float64)
    make(weights).step()
    for weight, name in zip(weights, given["parameters"]):
        assert made.step.after[name].cells == pytest.approx(weight.detach().flatten().tolist(), abs=1e-6), name
    again = worked(
        "elman", given["inputs"], {n: a.nested() for n, a in made.step.after.items()}, target=given["target"]
    )
    assert made.step.loss_after == pytest.approx(again.loss, rel=1e-12)


def test_descent_is_the_step_again_and_again():
    given = invented(find("elman"))
    weights = given["parameters"]
    losses = []
    for _ in range(3):
        made = worked("elman", given["inputs"], weights, target=given["target"], rate=0.05)
        losses.append(made.loss)
        weights = {n: a.nested() for n, a in made.step.after.items()}
    start = worked("elman", given["inputs"], given["parameters"], target=given["target"])
    descent = descend(start, rate=0.05, steps=3)
    assert descent.losses[:3] == pytest.approx(losses, rel=1e-12)
    assert descent.parameters["U"].cells == pytest.approx(cells_of(weights["U"]), rel=1e-12)


def test_fixed_weights_stay():
    fixed = cell(lambda x, *, W: W @ x, fixed=("W",))
    made = worked(fixed, [1.0], {"W": [[0.5]]}, target=[1], rate=0.1)
    assert made.step.after["W"].cells == (0.5,) and made.gradients["W"].cells == (-0.5,)


def test_choices_and_steps_have_their_gradients():
    def choosing(x, *, a, b):
        y = where(a < b, a * x, relu(b * x)) + step(a)
        return y

    made = worked(choosing, [2.0], {"a": [0.5], "b": [1.5]}, target=[0.0])
    assert made["y[1]"].value == 2.0 and made["a[1]"].gradient == 4.0 and made["b[1]"].gradient == 0.0


def test_weights_made_of_weights_share_their_gradient_over_the_steps():
    def skew(x, h, *, W, V):
        A = W - W.T
        h = tanh(V @ x + A @ h)
        return h

    numbers = {"W": [[0.1, 0.5], [-0.3, 0.2]], "V": [[1.0], [0.5]]}
    made = worked(skew, [[1.0], [0.5], [-1.0]], numbers, target=[[0, 1], [1, 0], [0, 0]])
    _, gradients = by_torch(
        cell(skew),
        {
            "inputs": {"x": [[1.0], [0.5], [-1.0]]},
            "parameters": numbers,
            "target": [[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]],
        },
        made,
    )
    assert made.gradients["W"].cells == pytest.approx(gradients["W"].flatten().tolist(), abs=1e-12)
    sums = [sum(one.gradients["W"].cells[k] for one in made.through_time) for k in range(4)]
    assert sums == pytest.approx(made.gradients["W"].cells, abs=1e-12)
    assert made["A[1,2]"].value == 0.8 and made["A[1,2]"].row == 0


def test_steps_and_rows_without_a_target():
    one = worked("elman", [1.0], {"W": [[0.5]], "U": [[0.5]], "b": [0.0]}, steps=3, target=[None, None, [1.0]])
    assert one.given.rows == 3 and list(one.losses) == [3] and len(one.through_time) == 1
    assert one.values("h", 2)[0] == pytest.approx(math.tanh(0.5 + 0.5 * math.tanh(0.5)))
    forward = worked("elman", [[1.0], [2.0]], {"W": [[0.5]], "U": [[0.5]], "b": [0.0]}, state={"h": [0.25]})
    assert forward.loss is None and forward["h[0][1]"].value == 0.25 and "Backward" not in forward.text()


# --- what is printed, and the picture -------------------------------------------------------------------------


def test_lines_are_those_of_the_slides():
    text = deck003().text(rows=(1,), every=True)
    for line in (
        "= 0.5 * 1 + 0.1 * 1 + 0.3 * 4 + 0.5 * 5",
        "a1[1] = sigmoid(s1[1]) = sigmoid(4.3) = 0.986613",
        "= ((0.889551 - 0.1)**2 + (0.8004 - 0.05)**2) / 2",
        "dE/dw2[0,1] = dE/da2[1] * da2[1]/ds2[1] * ds2[1]/dw2[0,1]",
        "= (a2[1] - y[1]) * (a2[1] * (1 - a2[1])) * a1[0]",
        "= 0.789551 * 0.09825 * 1",
        "dE/da1[1]   = dE/da2[1] * da2[1]/ds2[1] * ds2[1]/da1[1]",
        "dE/dw1[0,1] = dE/da1[1] * da1[1]/ds1[1] * ds1[1]/dw1[0,1]",
    ):
        assert line in text, line


def test_three_renderings_of_one_page():
    made = deck003()
    markdown, latex = made.markdown(), made.latex()
    assert r"\frac{\partial E}{\partial w_{2}[0,1]} &= \frac{\partial E}{\partial a_{2}[1]}" in markdown
    assert "| $0$ | 0.496553 | 0.495184 |" in markdown and markdown.count("$$") % 2 == 0
    assert (
        latex.startswith(r"\documentclass")
        and latex.count(r"\begin{") == latex.count(r"\end{")
        and "0.496553" in latex
    )
    assert "\x1b[" in made.text(colour=True) and "\x1b[" not in made.text()
    data = made.to_json()
    entry = next(q for q in data["quantities"] if q["name"] == "w2[0,1]")
    assert entry["chains"][0]["factors"][-1] == {
        "d": "s2[1]",
        "by": "w2[0,1]",
        "formula": "a1[0]",
        "value": 1.0,
    }
    assert data["step"]["after"]["w2"][0][1] == pytest.approx(0.495184, abs=1e-6)


def test_lines_keep_to_the_width():
    for width in (60, 100):
        assert max(map(len, hello_worked().text(rows=(2,), width=width).split("\n"))) <= max(width, 100)


def by_label(wires, name: str) -> int:
    return next(i for i, label in wires.labels.items() if str(label) == name)


def test_the_figure_of_deck_003():
    """.6906, .8955, 1.586, 2.0862, -2.0862, .1242, 1.1242, .8896, .3117 forward; .0776 backward."""
    hidden = deck003(1).values("a1")[1:]
    made = worked(neuron, [hidden], {"w2": [0.7, 0.9], "b": 0.5}, target=[0.1], target_called="y")
    wires = wires_of(made, opened=("sigmoid",))
    found = {shown(v, 4) for v in wires.values}
    assert {
        "0.6906",
        "0.8955",
        "1.5862",
        "2.0862",
        "-2.0862",
        "0.1242",
        "1.1242",
        "0.8896",
        "0.7896",
        "0.3117",
    } <= found
    chain = [wires.gradients[i] for i in range(len(wires.nodes)) if wires.nodes[i].op in ("neg", "exp", "div")]
    assert [round(v, 4) for v in chain[:3]] == [-0.0776, -0.6248, 0.7896]
    assert round(wires.gradients[by_label(wires, "b")], 6) == 0.077574
    alone = wires_of(made, of="a2", opened=("a2",))
    assert round(alone.gradients[next(n.index for n in alone.nodes if n.op == "exp")], 4) == -0.7913
    assert "sigmoid" not in {n.op for n in wires.nodes} and "sigmoid" in {n.op for n in wires_of(made).nodes}


def test_edges_carry_what_adds_up_to_the_gradient():
    made = deck003(2)
    wires = wires_of(made, row=2)
    for node in wires.nodes:
        shares = [v for (_, of), v in wires.back.items() if of == node.index]
        if shares:
            assert sum(shares) == pytest.approx(wires.gradients[node.index], abs=1e-12)
    assert wires.gradients[by_label(wires, "w2[1,2]")] == pytest.approx(
        made.row_gradients[2]["w2"].nested()[1][1], abs=1e-12
    )


def test_every_opened_part_is_the_whole():
    def opened(x, *, a, b):
        y = tanh(a * x) - sigmoid(b) / (1 + x)
        return y

    made = worked(opened, [0.7], {"a": [0.4], "b": [-0.3]}, target=[1.0])
    plain, parts = wires_of(made), wires_of(made, opened=("tanh", "sigmoid", "sub", "div"))
    assert len(parts.nodes) > len(plain.nodes) and not {"tanh", "sigmoid", "sub"} <= {n.op for n in parts.nodes}
    for name in ("a[1]", "b[1]", "x[1]"):
        assert parts.gradients[by_label(parts, name)] == pytest.approx(
            plain.gradients[by_label(plain, name)], rel=1e-12
        )


def test_the_picture_is_drawn(tmp_path):
    pytest.importorskip("pygraphviz")
    svg = deck003(1).picture(tmp_path / "f.svg", of="a2[1]", leaves=("a1",), opened=("sigmoid",))
    assert (tmp_path / "f.svg").read_text() == svg
    for text in ("0.6906", "0.8955", "−2.0862", "1 + ", "0.0983", "value above the line"):
        assert text in svg, text


def test_the_picture_is_the_same_every_time():
    assert numbers_scene(wires_of(deck003(1))) == numbers_scene(wires_of(deck003(1)))


# --- the primitives' slopes -----------------------------------------------------------------------------------


def test_activation_functions_and_their_derivatives_are_torchs():
    points = [-3.0, -1.0, -0.25, 0.5, 2.0]
    for name in ("sigmoid", "tanh", "relu", "softplus", "sin", "exp"):
        x = torch.tensor(points, dtype=torch.float64, requires_grad=True)
        y = torch.nn.functional.softplus(x) if name == "softplus" else getattr(torch, name)(x)
        y.sum().backward()
        values, slopes = curve(name, points)
        assert values == pytest.approx(y.tolist(), abs=1e-12) and slopes == pytest.approx(
            x.grad.tolist(), abs=1e-12
        ), name


def test_numbers_in_print():
    assert [shown(v) for v in (1.0, -0.0, 4.3000000000000007, 1 / 3, -1e-9, 123456.789, 1e20)] == [
        "1",
        "0",
        "4.3",
        "0.333333",
        "-1e-09",
        "123456.789",
        "1e+20",
    ]
    assert Array((2, 2), (1, 2, 3, 4)).T.nested() == ((1, 3), (2, 4))


# --- what is wrong --------------------------------------------------------------------------------------------

ELMAN = {"W": [[0.5, 0.1]], "U": [[0.2]], "b": [0.0]}
WRONG = [
    (
        lambda: worked("elman", [1, 2], {"W": [[0.5, None]], "U": [[0.2]], "b": [0]}),
        UsageError,
        "W[1,2] is missing: give it a number.",
    ),
    (
        lambda: worked("elman", [[1, 2], [3, ""]], ELMAN),
        UsageError,
        "x[2] is missing in row 2: give it a number.",
    ),
    (
        lambda: worked("elman", [1, "two"], ELMAN),
        UsageError,
        "x[2] is 'two', which is not a number. Write it like 0.5 or -1e-3.",
    ),
    (
        lambda: worked("elman", [1, math.nan], ELMAN),
        UsageError,
        "x[2] is nan: a net is worked by hand with finite numbers. Give it one.",
    ),
    (
        lambda: worked("elman", [1, 2], {"W": [[0.5, 0.1]]}),
        UsageError,
        "elman is worked with numbers for W, U, b, and U, b are missing. Give U, (H, H).",
    ),
    (
        lambda: worked("elman", [1, 2], {**ELMAN, "V": [1]}),
        UsageError,
        "elman has no parameter V. It has W, U, b.",
    ),
    (
        lambda: worked("elman", [1, 2], {**ELMAN, "W": [[0.5, 0.1], [0.2]]}),
        UsageError,
        "W: its row 1 has 2 numbers and its row 2 has 1 number. Make them equally long.",
    ),
    (
        lambda: worked("elman", [1, 2], ELMAN, target=[1, 2]),
        ShapeError,
        "target has 2 numbers and the output of elman has 1 number. Give one for each.",
    ),
    (
        lambda: worked("elman", [[1, 2], [3, 4]], ELMAN, target=[1]),
        UsageError,
        "target has 1 row and the inputs have 2. Give one for each, None where a row has no target.",
    ),
    (
        lambda: worked("elman", [1, 2], ELMAN, loss="cross-entropy"),
        UsageError,
        "the loss cross-entropy is measured against a target, and none is given. Give target=...",
    ),
    (
        lambda: worked("elman", [1, 2], ELMAN, target=[1], loss="hinge"),
        UsageError,
        (
            "there is no loss called 'hinge': choose one of half-squared-error, squared-error,"
            " mean-squared-error, absolute-error, cross-entropy, binary-cross-entropy, or give a function of"
            " the output and the target."
        ),
    ),
    (
        lambda: worked("elman", [1, 2], ELMAN, target=[1], loss=lambda y, t: y - t),
        UsageError,
        (
            "a loss takes the output and the target and returns one number: write it as total(...) or mean(...)"
            " of what the units give."
        ),
    ),
    (
        lambda: worked("elman", [1, 2], ELMAN, target=[1], rate=0.1, optimiser="lion"),
        UsageError,
        "there is no optimiser 'lion' to do by hand: choose one of sgd, momentum, rmsprop, adam, adagrad.",
    ),
    (
        lambda: worked("elman", [[1, 2], [3, 4]], ELMAN, steps=3),
        UsageError,
        "steps=3: there are 2 rows of numbers. Give a whole number from 1 to 2.",
    ),
    (lambda: worked("elman", [1, 2], ELMAN, state={"c": [1]}), UsageError, "elman has no state c. It has h."),
    (
        lambda: worked(perceptron, [1, 2], {}),
        UsageError,
        "perceptron takes the inputs a0, one: give them by name, {'a0': ..., 'one': ...}.",
    ),
    (
        lambda: worked(perceptron, {"a0": [1, 2]}, {}),
        UsageError,
        "perceptron takes the inputs a0, one, and the input one is missing.",
    ),
    (
        lambda: worked(
            "elman", [0], {"W": [[1.0]], "U": [[1.0]], "b": [0.0]}, target=[1], loss="cross-entropy"
        ),
        UsageError,
        "E[1] cannot be worked out: log(0) has no finite value. Give it other numbers.",
    ),
    (
        lambda: worked("elman", [1, 2], ELMAN, called="a b"),
        UsageError,
        "'a b' is not a name for a loss or a target: write it like E or y.",
    ),
    (
        lambda: worked("elman", [1, 2], ELMAN)["k[1]"],
        UsageError,
        "no number is called 'k[1]'. There are x[1][1], x[1][2], h[0][1], h[1][1].",
    ),
    (
        lambda: worked("elman", [1, 2], ELMAN).text(rows=(2,)),
        UsageError,
        "rows=(2,): there is no row 2; they go from 1 to 1.",
    ),
    (
        lambda: descend(worked("elman", [1, 2], ELMAN), rate=1, steps=1),
        UsageError,
        "there is no loss to descend: give worked(..., target=...).",
    ),
    (
        lambda: wires_of(worked("elman", [1, 2], ELMAN), opened=("relu6",)),
        UsageError,
        (
            "opened: 'relu6' has no parts to show. Choose among sigmoid, tanh, softplus, relu, sub, div, or the"
            " name of a number made by one of them, such as a2[1]."
        ),
    ),
    (
        lambda: wires_of(worked("elman", [1, 2], ELMAN), leaves=("a1",)),
        UsageError,
        "leaves: no number is called 'a1'. There are U, W, b, h, x.",
    ),
]


@pytest.mark.parametrize("call, kind, message", WRONG, ids=[message[:30] for _, _, message in WRONG])
def test_what_is_wrong_is_said(call, kind, message):
    with pytest.raises(kind) as raised:
        call()
    assert str(raised.value) == message


def test_widths_that_clash_quote_the_line():
    def net(x, h, *, W, U, b):
        h = tanh(W @ x + U @ h + b)
        return h

    with pytest.raises((ShapeError, CellError)) as raised:
        worked(net, [1, 2, 3], {"W": [[0.5, 0.1], [0.2, 0.3]], "U": [[0, 0], [0, 0]], "b": [0, 0]})
    assert (
        "line 2:   h = tanh(W @ x + U @ h + b)" in str(raised.value)
        and "2" in str(raised.value)
        and "3" in str(raised.value)
    )
    with pytest.raises(ShapeError) as raised:
        worked("elman", [1, 2], {**ELMAN, "W": [[0.5, 0.1, 0.2]]})
    assert "W" in str(raised.value) and "3" in str(raised.value) and "2" in str(raised.value)


def test_widths_follow_from_the_numbers():
    def net(x, h, *, W, U, V):
        h = tanh(W @ x + U @ concat(h, h))
        y = V @ h
        return y, h

    made = worked(
        net,
        [1, 2, 3],
        {
            "W": [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]],
            "U": [[0, 0, 0, 0], [0, 0, 0, 0]],
            "V": [[1, 1], [1, 0], [0, 1], [2, 2]],
        },
        target=[0, 0, 0, 0],
    )
    assert len(made.values("y")) == 4 and made.values("h") == pytest.approx((math.tanh(1.4), math.tanh(3.2)))


def test_too_many_numbers_are_refused():
    def wide(x, *, W):
        return W @ x

    with pytest.raises(UsageError, match=f"more than {MOST_NUMBERS:,} numbers"):
        worked(wide, [1.0] * 120, {"W": [[1.0] * 120] * 120})


def test_losses_of_ones_own():
    def worst(output, target):
        return total((output - target) ** 2 * (output - target) ** 2)

    made = worked(lambda x, *, W: W @ x, [2.0], {"W": [[0.5]]}, target=[3.0], loss=worst)
    assert made.loss == 16.0 and made.gradients["W"].cells == (4 * (-8.0) * 2.0,)
