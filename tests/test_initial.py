"""First values: distributions with their numbers, functions, and what is said of those that do not fit."""

from __future__ import annotations

import pickle

import pytest
import torch

from unrolled import Cell, Recurrent, cell, initialised, tanh
from unrolled.errors import CellError, UsageError
from unrolled.layers.distributions import DISTRIBUTIONS, FORMS, distribution

SIZE = 200


def halves(tensor):
    tensor.fill_(0.5)


@cell(shapes={"S": ("2", "H", "H")})
def plain(x, h, *, W, U, b, S):
    return tanh(W @ x + U @ h + S[0] @ h + S[1] @ h + b)


def drawn(**first) -> torch.nn.Module:
    torch.manual_seed(0)
    return Recurrent(initialised(plain, **first), SIZE, SIZE).layers[0]


@pytest.mark.parametrize(
    "text, mean, deviation, most",
    (
        ("normal(0.1)", 0.0, 0.1, 1.0),
        ("normal(2, 0.5)", 2.0, 0.5, 6.0),
        ("uniform(0.3)", 0.0, 0.3 / 3**0.5, 0.3),
        ("uniform(1, 3)", 2.0, 2 / 12**0.5, 3.0),
        ("truncated_normal(0.02)", 0.0, 0.02 * 0.8796, 0.04),
        ("xavier(2)", 0.0, 2 / SIZE**0.5, 2 * (3 / SIZE) ** 0.5),
        ("xavier_normal", 0.0, 1 / SIZE**0.5, 1.0),
        ("kaiming", 0.0, (2 / SIZE) ** 0.5, (6 / SIZE) ** 0.5),
        ("kaiming(1)", 0.0, (1 / SIZE) ** 0.5, (3 / SIZE) ** 0.5),
        ("kaiming_normal", 0.0, (2 / SIZE) ** 0.5, 1.0),
    ),
)
def test_a_distribution_with_its_numbers(text, mean, deviation, most):
    """Its mean and deviation, to three standard errors, and its bound; each matrix of a stack by itself."""
    layer = drawn(W=text, S=text)
    for values in (layer.W.detach(), *layer.S.detach()):
        assert abs(values.mean() - mean) < 3 * deviation / SIZE
        assert values.std() == pytest.approx(deviation, rel=0.03)
        assert values.abs().max() <= most + 1e-6


def test_an_orthogonal_matrix_with_a_gain():
    for matrix in (drawn(U="orthogonal(1.5)").U, *drawn(S="orthogonal(1.5)").S):
        torch.testing.assert_close(matrix @ matrix.T, 2.25 * torch.eye(SIZE), atol=1e-4, rtol=0)


def test_every_form_that_a_message_names_is_one():
    assert all(distribution(text) for text in FORMS.replace(", 1)", "; 1)").replace("; 1", ",1").split(", "))
    assert {text.split("(")[0] for text in FORMS.split(", ") if text[0].isalpha()} <= set(DISTRIBUTIONS)


def test_functions_fill_or_return():
    assert (drawn(W=halves).W == 0.5).all()
    torch.testing.assert_close(drawn(W=lambda t: torch.eye(SIZE)).W.detach(), torch.eye(SIZE))
    u = drawn(U=torch.nn.init.orthogonal_).U
    torch.testing.assert_close(u @ u.T, torch.eye(SIZE), atol=1e-4, rtol=0)
    declared = cell(init={"W": halves})(lambda x, h, *, W: tanh(W @ x + h))
    assert (Recurrent(declared, 3, 4).layers[0].W == 0.5).all()


def test_a_function_is_printed_pickled_and_not_stored():
    made = initialised(plain, W=halves, b=0.25)
    assert made.name == "initialised(plain, W=halves, b=0.25)" and "halves(...)" in str(made)
    again = pickle.loads(pickle.dumps(made))
    assert again.init == {"W": halves, "b": 0.25} and (Recurrent(again, 3, 4).layers[0].W == 0.5).all()
    assert Cell.from_json(made.to_json()).init == {"b": 0.25}


@pytest.mark.parametrize(
    "first, said",
    (
        ({"b": "orthogonal"}, "init['b'] is 'orthogonal', which is for matrices, and b is a vector"),
        ({"b": "kaiming"}, "init['b'] is 'kaiming', which is for matrices, and b is a vector"),
        ({"b": "identity"}, "init['b'] is 'identity', which is for matrices, and b is a vector"),
        ({"W": "reservoir"}, "init['W'] is 'reservoir', which is for square matrices, and W is 4 x 3 here"),
        ({"S": "reservoir"}, "init['S'] is 'reservoir', which is for square matrices, and S is 2 x 4 x 4 here"),
        ({"W": "normal"}, "init['W'] is 'normal', which is not an initialisation"),
        ({"W": "normal(-1)"}, "init['W'] is 'normal(-1)', which is not an initialisation"),
        ({"W": "normal(1, 2, 3)"}, "which is not an initialisation"),
        ({"W": "uniform(3, 1)"}, "which is not an initialisation"),
        ({"W": "normal(inf)"}, "which is not an initialisation"),
        ({"W": "normal(1e999)"}, "which is not an initialisation"),
        ({"W": "__import__('os')"}, "which is not an initialisation"),
        ({"W": lambda t: torch.zeros(7)}, "the function of init['W'] returned 7 numbers, and W has 4 x 3"),
    ),
)  # fmt: skip
def test_what_is_said_of_first_values_that_do_not_fit(first, said):
    with pytest.raises(UsageError) as found:
        Recurrent(initialised(plain, **first), 3, 4)
    assert said in str(found.value)


def test_names_that_a_cell_does_not_have():
    def mine(x, h, *, W, U):
        return tanh(W @ x + U @ h)

    for declared, said in (
        ({"fixed": "WU"}, "fixed names 'WU', which is not a parameter of it. Did you mean"),
        ({"fixed": ("W", "V")}, "fixed names 'V', which is not a parameter of it"),
        ({"start": {"c": 1.0}}, "start names 'c', which is not a state of it. It has h."),
        ({"start": {"h": "one"}}, "start['h'] is 'one', and a state's first value is a number"),
        ({"shapes": {"Z": ("H",)}}, "shapes names 'Z', which is not an argument of it. It has x, h, W, U."),
        ({"shapes": {"h": ("H,I",)}}, "shapes['h'] has 'H,I', which is not a width"),
        ({"shapes": {"h": ("0",)}}, "shapes['h'] has '0', which is not a width"),
        ({"init": {"b": 1.0}}, "init names 'b', which is not a parameter of it"),
    ):
        with pytest.raises(CellError) as found:
            cell(**declared)(mine).graph
        assert said in str(found.value)
    assert cell(fixed="W")(mine).fixed == ("W",) and cell(fixed="W")(mine).graph.parameters == ("W", "U")
    assert cell(shapes={"h": "H"})(mine).graph.shape("state", "h") == ("H",)


def test_fixed_is_a_name_and_keeps_the_parameter_from_training():
    made = cell(fixed="WU", init={"WU": 0.5})(lambda x, h, *, WU, b: tanh(WU @ x + b))
    layer = Recurrent(made, 3, 4)
    assert [n for n, p in layer.named_parameters() if p.requires_grad] == ["layers.0.b"]
