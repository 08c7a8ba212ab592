"""Every suggestion that an error message makes is followed here: what is advised
works, and is what was wanted.
"""

from __future__ import annotations

import math
import random
import re
from pathlib import Path

import numpy
import pytest
import torch
from instances import BACKENDS, StepRows, check, instance

import unrolled
from unrolled import cell, maximum, round, tanh, total, where
from unrolled.errors import CellError, NotYet
from unrolled.kernels.call import check_sizes
from unrolled.ops import advice, functions

LANGUAGE = {name: getattr(unrolled, name) for name in advice.FUNCTIONS} | {"tanh": tanh}
V, U = torch.tensor([0.3, -0.7, 1.1], dtype=torch.float64), torch.tensor([0.5, 0.2, -0.4], dtype=torch.float64)
W = torch.arange(9, dtype=torch.float64).view(3, 3) / 10
# What torch makes of a vector by the name that the advice is for.
WANTED = {
    "max": lambda v: v.max(),
    "min": lambda v: v.min(),
    "std": lambda v: v.std(correction=0),
    "var": lambda v: v.var(correction=0),
    "pow": lambda v: v.pow(2),
    "clamp": lambda v: v.clamp(-1, 1),
    "clip": lambda v: v.clip(-1, 1),
    "dot": lambda v: torch.dot(U, v),
    "inner": lambda v: torch.inner(U, v),
    "matmul": lambda v: W @ v,
    "mm": lambda v: W @ v,
    "mv": lambda v: W @ v,
    "t": lambda v: W.t() @ v,
    "mT": lambda v: W.mT @ v,
    "transpose": lambda v: W.transpose(0, 1) @ v,
    "sigmoid_": torch.sigmoid,
    "logsigmoid": torch.nn.functional.logsigmoid,
    "cat": lambda v: torch.cat((U, v)),
    "concat": lambda v: torch.cat((U, v)),
    "concatenate": lambda v: torch.cat((U, v)),
    "swish": torch.nn.functional.silu,
    "maximum": lambda v: torch.maximum(U, v),
    "minimum": lambda v: torch.minimum(U, v),
    "where": lambda v: torch.where(U < v, U, v),
}


def test_the_names_of_the_language_are_all_there():
    assert set(advice.FUNCTIONS) == {
        n for n, f in vars(functions).items() if getattr(f, "__module__", "") == functions.__name__
    }
    assert set(advice.FUNCTIONS) <= set(unrolled.__all__)


def test_everything_that_the_package_offers_is_brought_by_a_star():
    written = Path(unrolled.__file__).read_text(encoding="utf-8")
    assert sorted(unrolled.__all__) == sorted(set(re.findall(r"import (\w+) as \1$", written, re.M)))
    space: dict = {}
    exec("from unrolled import *", space)
    assert {"Recurrent", "watch", "cell", "LSTM", "clip"} <= set(unrolled.__all__) <= set(space)


@pytest.mark.parametrize("name", advice.INSTEAD)
def test_what_to_write_instead_works_and_is_meant(name):
    """Followed to the letter: on tensors it is torch's, and in a cell it is an expression."""
    text = advice.INSTEAD[name].split(", or ")[0]
    found = eval(text, {**LANGUAGE}, {"v": V, "u": U, "W": W})
    value, space = f"total({text})" if found.dim() else text, {**LANGUAGE}
    exec(f"def mine(v, h, u, *, W):\n    return {value} + total(W @ v) + h, u\n", space)
    made = cell(shapes={"W": ("3", "3"), "v": ("3",), "u": ("3",)})(space["mine"])
    assert made.graph.states == ("h", "u")
    wanted = WANTED.get(name, lambda v: getattr(v, name)() if hasattr(v, name) else getattr(torch, name)(v))(V)
    torch.testing.assert_close(found, wanted, equal_nan=True)


@pytest.mark.parametrize("name", (*advice.INSTEAD, *advice.FUNCTIONS, *advice.NOTHING, "foo"))
def test_a_method_of_tensors_is_answered(name):
    space: dict = {}
    exec(f"def mine(x, h, *, W):\n    return (W @ x + h).{name}()\n", space)
    with pytest.raises(CellError, match=rf"\.{name} is not part of the cell language; ") as found:
        cell(space["mine"]).graph
    assert str(found.value).endswith(advice.instead_of(name))


@pytest.mark.parametrize("name", (*advice.NOTHING, *advice.INSTEAD, *advice.FUNCTIONS))
def test_an_unknown_name_is_answered(name):
    if name in dir(__builtins__) or (isinstance(__builtins__, dict) and name in __builtins__):
        pytest.skip("a name of Python's")
    space: dict = {}
    exec(f"def mine(x, h, *, W):\n    return {name}(W @ x + h)\n", space)
    with pytest.raises(CellError) as found:
        cell(space["mine"]).graph
    assert str(found.value).endswith(advice.instead_of_name(name))
    assert name not in advice.FUNCTIONS or f"from unrolled import {name}." in str(found.value)


def sum_of_units(x, h, *, W):
    return tanh(W @ x + sum(h))


def sum_advised(x, h, *, W):
    return tanh(W @ x + total(h))


def two_vectors(x, h, u, *, W):
    return tanh(W @ x + u @ h), u


def two_vectors_advised(x, h, u, *, W):
    return tanh(W @ x + total(u * h)), u


def one_bias(x, h, *, W, U, b):
    return tanh(W @ (x + b) + U @ (h + b))


def two_biases(x, h, *, W, U, b, b_2):
    return tanh(W @ (x + b) + U @ (h + b_2))


def without_weight(x, h, *, W):
    return tanh(W @ h + x)


def with_weight(x, h, *, W, V):
    return tanh(W @ h + V @ x)


def unused(x, h, *, W, b):
    return tanh(W @ x + h)


def used(x, h, *, W, b):
    return tanh(W @ x + h + b)


def nothing_returned(x, h, *, W):
    h = tanh(W @ x + h)  # noqa: F841


def something_returned(x, h, *, W):
    h = tanh(W @ x + h)
    return h


def part_returned(x, h, c, *, W):
    c = tanh(W @ x + h) * c
    return c


def all_returned(x, h, c, *, W):
    c = tanh(W @ x + h) * c
    return tanh(c), c


def matrix_added(x, h, *, W, U):
    return tanh((W @ x + U) * (U @ h))


def matrix_multiplied(x, h, *, W, U):
    return tanh((W @ x + U @ h) * (U @ h))


def float_rounds(x, h, *, W, depth=3.0):
    for _ in range(depth):
        h = tanh(W @ x + h)
    return h


def whole_rounds(x, h, *, W, depth=3):
    for _ in range(depth):
        h = tanh(W @ x + h)
    return h


def pythons_math(x, h, *, W):
    return math.tanh(W @ x + h)


def number_first(x, h, *, W):
    return tanh(W @ x + 2.5 @ h)


def number_times(x, h, *, W):
    return tanh(W @ x + 2.5 * h)


def weight_second(x, h, *, W):
    return tanh(x @ W + h)


def weight_first(x, h, *, W):
    return tanh(W @ x + h)


def without_brackets(x, h, *, W, U):
    return tanh(W @ U @ x + h)


def with_brackets(x, h, *, W, U):
    return tanh(W @ (U @ x) + h)


def one_unit(x, h, *, W):
    return tanh(W @ x + h[0])


def one_unit_advised(x, h, *, W, e):
    return tanh(W @ x + total(e * h))


def no_stack(x, h, *, W, S):
    return tanh(W @ x + S[0] + h)


def an_if(x, h, *, W):
    return h if W @ x > h else -h


def a_where(x, h, *, W):
    return where(W @ x > h, h, -h)


def pythons_max(x, h, *, W):
    return max(W @ x, h)


def our_max(x, h, *, W):
    return maximum(W @ x, h)


def chained(x, h, *, W):
    return where(-0.5 < h < 0.5, W @ x, h)


def joined(x, h, *, W):
    return where((-0.5 < h) & (h < 0.5), W @ x, h)


def no_brackets(x, h, *, W):
    return where(0 < h & W @ x, W @ x, h)


def brackets(x, h, *, W):
    return where((0 < h) & (W @ x < 1), W @ x, h)


def digits(x, h, *, W):
    return round(W @ x + h, 1)


def no_digits(x, h, *, W):
    return round((W @ x + h) * 10) / 10


def number_state(x, h, n, *, W):
    return tanh(W @ x + h + n), total(h)


def drawn(x, h, *, W):
    return tanh(W @ x + h + random.random())


def given(x, noise, /, h, *, W):
    return tanh(W @ x + h + noise)


def a_tensor(x, h, *, W):
    return tanh(W @ x + h * torch.tensor(2.0))


def a_number(x, h, *, W):
    return tanh(W @ x + h * 2.0)


# What is wrong, what its message says to do, and the same cell after that was done (with what it declares).
ADVICE = (
    (sum_of_units, "sum a value's units by total(v)", sum_advised, {}),
    (two_vectors, "The product of two vectors is total(u * h)", two_vectors_advised, {}),
    (one_bias, "Give each its own, e.g. b_2", two_biases, {}),
    (without_weight, "or bring one to the other's width with a weight, W @ ", with_weight, {}),
    (without_weight, "Choose H = I", without_weight, {}),
    (unused, "Use it or take it out of the signature", used, {}),
    (unused, "Use it or take it out of the signature", weight_first, {}),
    (nothing_returned, "End it with `return h`", something_returned, {}),
    (part_returned, "Return the 2 new states in order", all_returned, {}),
    (matrix_added, "multiply a matrix with a vector by @", matrix_multiplied, {}),
    (float_rounds, "depth=3, not depth=3.0", whole_rounds, {}),
    (pythons_math, "Use the functions of unrolled: tanh, exp, ...", weight_first, {}),
    (number_first, "A number multiplies by *: 2.5 * h", number_times, {}),
    (weight_second, "Write the weight first: W @ x", weight_first, {}),
    (without_brackets, "write W @ (U @ x)", with_brackets, {}),
    (one_unit, "multiply with a fixed vector that is 1 there and 0 elsewhere: total(e * h)", one_unit_advised, {"fixed": "e"}),
    (an_if, "Use where(condition, a, b)", a_where, {}),
    (pythons_max, "maximum and minimum for Python's max and min", our_max, {}),
    (chained, "(a < b) & (b < c)", joined, {}),
    (no_brackets, "write (a < b) & (c < d)", brackets, {}),
    (digits, "write round(v * 10) / 10", no_digits, {}),
    (number_state, "@cell(shapes={'n': ()})", number_state, {"shapes": {"n": ()}}),
    (drawn, "other random numbers are an input, as in def noisy(x, noise, /, h, *, W)", given, {}),
    (a_tensor, "Write a constant as a plain number, float(t)", a_number, {}),
)  # fmt: skip


@pytest.mark.parametrize("wrong, said, right, declared", ADVICE, ids=[a[0].__name__ for a in ADVICE])
@pytest.mark.parametrize("backend", BACKENDS)
def test_what_a_message_says_to_do_works(wrong, said, right, declared, backend, built_quickly):
    with pytest.raises(CellError, match=re.escape(said)):
        check_sizes(cell(wrong).graph, {"I": 128, "H": 64})
    check(instance(cell(**declared)(right), {"I": 3, "H": 3}, StepRows(3, 2)), backend)


def test_a_stack_is_declared_as_it_says():
    with pytest.raises(CellError, match=r"If S is a stack, say so: @cell\(shapes=\{'S': \('2', 'H', 'H'\)\}\)"):
        cell(shapes={"S": ("H",)})(no_stack).graph
    made = cell(shapes={"S": ("2", "H", "H")})(lambda x, h, *, W, S: tanh(W @ x + S[0] @ h))
    check(instance(made, {"I": 3, "H": 3}, StepRows(3, 2)), "reference")


@pytest.mark.parametrize("make", ("zoneout", "recurrent_dropout", "weight_drop"))
def test_the_noise_that_a_message_names_is_there(make):
    noisy = getattr(unrolled, make)(cell(lambda x, h, *, W, U: tanh(W @ x + U @ h)), 0.5)
    assert noisy.noise


OWN, TORCHS, RNG = random.Random(0), torch.Generator(), numpy.random.default_rng(0)


@pytest.mark.parametrize("whose", ("random", "own", "torch", "torch_own", "numpy", "rng"))
def test_random_numbers_in_a_cell_are_noticed(whose):
    texts = {
        "random": "random.random()",
        "own": "OWN.random()",
        "torch": "torch.rand(()).item()",
        "torch_own": "torch.rand((), generator=TORCHS).item()",
        "numpy": "float(numpy.random.rand())",
        "rng": "RNG.normal()",
    }
    space = {
        "tanh": tanh,
        "random": random,
        "torch": torch,
        "numpy": numpy,
        "OWN": OWN,
        "TORCHS": TORCHS,
        "RNG": RNG,
    }
    exec(f"def mine(x, h, *, W):\n    return tanh(W @ x + h * {texts[whose]})\n", space)
    with pytest.raises(CellError, match="it draws random numbers, .* Noise that a layer draws again"):
        cell(space["mine"]).graph


def test_a_matrix_as_a_state_is_not_built_yet_and_rows_are():
    def whole(x, M, *, W):
        return tanh(W @ x) + M

    with pytest.raises(
        NotYet, match=r"the state M is declared a matrix, \(2, H\).*each a state of its own: M_1, M_2"
    ):
        cell(shapes={"M": ("2", "H")})(whole).graph

    @cell
    def rows(x, M_1, M_2, *, W):
        return tanh(W @ x) + M_1, M_1 * M_2

    check(instance(rows, {"I": 3, "H": 3}, StepRows(3, 2)), "reference")
