"""Functions of the language at the edges of their range, as cells: values and gradients are torch's on every
backend, in both precisions; and worked by hand."""

from __future__ import annotations

import math

import pytest
import torch
from instances import BACKENDS, StepRows
from test_ops import EDGES

import unrolled
from unrolled import cell
from unrolled.byhand import worked
from unrolled.errors import UsageError
from unrolled.kernels import run
from unrolled.ops import functions

F = torch.nn.functional
# The function in the cell language -> what it is in torch.
OF_ONE = {
    "sigmoid(x)": torch.sigmoid,
    "tanh(x)": torch.tanh,
    "relu(x)": torch.relu,
    "elu(x)": F.elu,
    "silu(x)": F.silu,
    "gelu(x)": lambda x: 0.5 * x * torch.special.erfc(-x / math.sqrt(2)),  # torch's own loses its tail
    "erf(x)": torch.erf,
    "exp(x)": torch.exp,
    "log(x)": torch.log,
    "softplus(x)": lambda x: F.softplus(x, threshold=40),
    "sin(x)": torch.sin,
    "cos(x)": torch.cos,
    "sqrt(x)": torch.sqrt,
    "abs(x)": torch.abs,
    "sign(x)": torch.sign,
    "floor(x)": torch.floor,
    "round(x)": torch.round,
    "step(x)": lambda x: (x > 0).to(x),
    "clip(x, -1, 2)": lambda x: x.clamp(-1, 2),
    "x ** 0": lambda x: x**0,
    "x ** 0.5": lambda x: x**0.5,
    "x ** 1.5": lambda x: torch.pow(x, torch.full_like(x, 1.5)),  # x**1.5 has sqrt(-inf), NaN, in its slope
    "x ** 2": lambda x: x**2,
    "x ** 3": lambda x: x**3,
    "x ** -1": lambda x: x**-1,
    "x ** -2": lambda x: x**-2,
    "x ** 100": lambda x: x**100,
    "2 ** x": lambda x: 2**x,
    "1 / x": lambda x: 1 / x,
    "maximum(x, 0.5)": lambda x: torch.maximum(x, torch.tensor(0.5).to(x)),
    "minimum(x, 0.5)": lambda x: torch.minimum(x, torch.tensor(0.5).to(x)),
    "where(x > 0.5, x, 0)": lambda x: torch.where(x > 0.5, x, 0),
    "where((x >= 0.5) & (x != 2), x, -x)": lambda x: torch.where((x >= 0.5) & (x != 2), x, -x),
    "where((x < 0.5) | (x == 2), x, -x)": lambda x: torch.where((x < 0.5) | (x == 2), x, -x),
}
OF_TWO = {
    "x / u": lambda x, u: x / u,
    "x * u": lambda x, u: x * u,
    "x ** u": torch.pow,
    "maximum(x, u)": torch.maximum,
    "minimum(x, u)": torch.minimum,
    "clip(x, u, 1)": lambda x, u: torch.clamp(x, u, torch.ones_like(x)),
    "(x <= u) * x": lambda x, u: (x <= u) * x,
    "(x > u) * x": lambda x, u: (x > u) * x,
}
LANGUAGE = {n: f for n, f in vars(functions).items() if getattr(f, "__module__", "") == functions.__name__}
CLOSE = {torch.float64: 1e-12, torch.float32: 2e-5}


def cell_of(texts, inputs: str):
    """A cell that puts each text's value into a state of its own, each of inputs of its own."""
    names = [f"{i}{k}" for k in range(len(texts)) for i in inputs]
    states = [f"s{k}" for k in range(len(texts))]
    lines = [f"def edges({', '.join(names)}, /, {', '.join(states)}):"]
    for k, text in enumerate(texts):
        arguments = ", ".join(f"{i}{k}" for i in inputs)
        lines.append(f"    r{k} = (lambda {', '.join(inputs)}: {text})({arguments})")
    lines.append(f"    return {', '.join(f'r{k}' for k in range(len(texts)))}")
    space = dict(LANGUAGE)
    exec("\n".join(lines), space)
    return cell(shapes=dict.fromkeys(names, ("H",)))(space["edges"])


def check_edges(table, columns, dtype, backend: str) -> None:
    """All functions in one kernel: each one's value, and the gradients of a weighting of it."""
    made = cell_of(list(table), "xu"[: len(columns)])
    width = len(columns[0])
    given = [c.to(dtype)[None].clone().requires_grad_() for _ in table for c in columns]
    state = [torch.zeros(1, width, dtype=dtype) for _ in table]
    weights = torch.linspace(0.5, 2.0, width, dtype=dtype)
    _, final, _ = run(
        made.graph, {"I": width, "H": width}, given, state, {("_",): state[0]}, StepRows(1, 1), backend=backend
    )
    moving = [f for f in final if f.requires_grad]
    mine = torch.autograd.grad(
        moving, given, [weights[None]] * len(moving), allow_unused=True, materialize_grads=True
    )
    wrong = []
    for k, (text, function) in enumerate(table.items()):
        args = [c.to(dtype).clone().requires_grad_() for c in columns]
        y = function(*args)
        slopes = [torch.zeros_like(a) for a in args]
        if y.requires_grad:
            slopes = torch.autograd.grad(y, args, weights, allow_unused=True, materialize_grads=True)
        found = [final[k][0], *(g[0] for g in mine[k * len(columns) : (k + 1) * len(columns)])]
        for what, a, b in zip(("value", "gradient", "second gradient"), found, (y, *slopes)):
            close = torch.isclose(a, b.to(a), rtol=CLOSE[dtype], atol=CLOSE[dtype], equal_nan=True)
            wrong += [
                f"{what} of {text} at {[float(c[i]) for c in columns]}: {a[i].item()} and not {b[i].item()}"
                for i in (~close).nonzero().flatten().tolist()
            ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("dtype", CLOSE, ids=("float64", "float32"))
@pytest.mark.parametrize("backend", BACKENDS)
def test_functions_of_one_value_at_the_edges(backend, dtype, built_quickly):
    check_edges(OF_ONE, [torch.tensor(EDGES, dtype=torch.float64)], dtype, backend)


@pytest.mark.parametrize("dtype", CLOSE, ids=("float64", "float32"))
@pytest.mark.parametrize("backend", BACKENDS)
def test_functions_of_two_values_at_the_edges(backend, dtype, built_quickly):
    pairs = torch.cartesian_prod(*[torch.tensor(EDGES, dtype=torch.float64)] * 2)
    check_edges(OF_TWO, list(pairs.unbind(-1)), dtype, backend)


def test_softplus_is_exact_where_torch_switches_over():
    """torch's own threshold of 20 is 2e-9 off; ours is where both branches round to the same number."""
    for at in (19.9, 20.5, 30.0, 39.9, 40.1, 100.0):
        value = unrolled.softplus(torch.tensor(at, dtype=torch.float64))
        assert float(value) == pytest.approx(max(at, 0) + math.log1p(math.exp(-at)), rel=1e-15)
        assert unrolled.softplus(at) == pytest.approx(float(value), rel=1e-15)


# --- by hand --------------------------------------------------------------------------------------------------

GIVEN = {"w": [[-2.0, -1.0]], "b": [0.5]}
BY_HAND = {
    "sigmoid": torch.sigmoid,
    "softplus": lambda v: F.softplus(v, threshold=40),
    "silu": F.silu,
    "elu": F.elu,
    "gelu": F.gelu,
    "erf": torch.erf,
    "abs": torch.abs,
    "sign": lambda v: torch.sign(v) + v,
    "round": lambda v: torch.round(v) + v,
    "clip": lambda v: v.clamp(-1, 1),
    "power": lambda v: v.abs() ** 1.5,
    "whole power": lambda v: v**3,
    "conditions": lambda v: torch.where((v >= 0) & (v != 1) | (v < -2), v, 2 * v),
}
TEXTS = {
    "sign": "sign(v) + v",
    "round": "round(v) + v",
    "clip": "clip(v, -1, 1)",
    "power": "abs(v) ** 1.5",
    "whole power": "v ** 3",
    "conditions": "where((v >= 0) & (v != 1) | (v < -2), v, 2 * v)",
}


@pytest.mark.parametrize("x", ((255.0, 255.0), (-400.0, -300.25), (0.25, -0.5), (0.125, 0.25)), ids=str)
@pytest.mark.parametrize("name", BY_HAND)
def test_worked_by_hand_is_autograds(name, x):
    """sigmoid(-765) is 0 and softplus(1100) is 1100, with their slopes."""
    space = dict(LANGUAGE)
    exec(
        f"def neuron(x, *, w, b):\n    v = w @ x + b\n    y = {TEXTS.get(name, f'{name}(v)')}\n    return y\n",
        space,
    )
    one = worked(space["neuron"], list(x), GIVEN, target=[1])
    w, b = (torch.tensor(GIVEN[n], dtype=torch.float64, requires_grad=True) for n in "wb")
    y = BY_HAND[name](w @ torch.tensor(x, dtype=torch.float64) + b)
    loss = ((y - 1) ** 2).sum() / 2
    loss.backward()
    assert one["y[1]"].value == pytest.approx(float(y.detach()), rel=1e-9, abs=1e-12)
    assert one["b[1]"].gradient == pytest.approx(float(b.grad), rel=1e-9, abs=1e-12)
    assert one["w[1,2]"].gradient == pytest.approx(float(w.grad[0, 1]), rel=1e-9, abs=1e-12)
    assert one.text() and one.latex() and one.markdown()


def test_what_has_no_finite_value_by_hand_says_so():
    def rooted(x, *, w, b):
        y = unrolled.sqrt(b) + w @ x
        return y

    with pytest.raises(UsageError) as found:
        worked(rooted, [1, 1], {"w": [[1, 1]], "b": [0]}, target=[1])
    assert (
        str(found.value)
        == "the slope of y[1] by b[1] has no finite value where b[1] is 0: 1 / (2 * sqrt(0)). Give it other"
        " numbers."
    )

    def neuron(x, *, w, b):
        y = unrolled.sigmoid(w @ x + b)
        return y

    one = worked(neuron, [255, 255], {"w": [[-2, -1]], "b": [0]}, target=[1])
    with pytest.raises(
        UsageError, match=r"exp\(765\) has no finite value, so that this picture cannot be drawn"
    ):
        one.picture(opened=("sigmoid",))
