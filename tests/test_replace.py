"""`replace`: what a name means at a line, what is left out, and what is said where it cannot be."""

from __future__ import annotations

import pytest
import torch
from instances import BACKENDS, check, instance

from unrolled import cell, find, replace
from unrolled.errors import CellError, UsageError
from unrolled.kernels import StepRows, run
from unrolled.ops import relu, sigmoid, tanh
from unrolled.views.equations import equations

SIZES = {"I": 4, "H": 6}
BOTH = pytest.mark.parametrize("backend", BACKENDS)


@cell(init={"b_f": 1.0, "W": 0.5}, start={"c": 2.0}, fixed=("W",))
def small(x, h, c, *, W, U, b_f, dt=0.5):
    """A small cell (equation 1)."""
    f = sigmoid(U @ h + b_f)  # gate
    c = f * c + dt * (W @ x)  # slow
    h = tanh(c)  # fast
    return h, c


def lines(made) -> list[str]:
    return [line.split("      #")[0].rstrip() for line in equations(made.graph)]


@pytest.mark.parametrize(
    "given, expected",
    (
        ({"f": 1}, ["c[t] = c[t-1] + dt * (W @ x[t])", "h[t] = tanh(c[t])"]),
        ({"f": 0}, ["c = dt * (W @ x)", "h = tanh(c)"]),
        (
            {"f": lambda f: 1 - f},
            [
                "f[t] = 1 - sigmoid(U @ h[t-1] + b_f)",
                "c[t] = f[t] * c[t-1] + dt * (W @ x[t])",
                "h[t] = tanh(c[t])",
            ],
        ),
        (
            {"f": lambda c: tanh(c)},
            ["f[t] = tanh(c[t-1])", "c[t] = f[t] * c[t-1] + dt * (W @ x[t])", "h[t] = tanh(c[t])"],
        ),
        (
            {"h": lambda c: relu(c)},
            ["f[t] = sigmoid(U @ h[t-1] + b_f)", "c[t] = f[t] * c[t-1] + dt * (W @ x[t])", "h[t] = relu(c[t])"],
        ),
        (
            {"h": lambda c_last, h_last: c_last + h_last},
            [
                "h[t] = c[t-1] + h[t-1]",
                "f[t] = sigmoid(U @ h[t-1] + b_f)",
                "c[t] = f[t] * c[t-1] + dt * (W @ x[t])",
            ],
        ),
        (
            {"c": lambda c, c_last: c - c_last},
            [
                "f[t] = sigmoid(U @ h[t-1] + b_f)",
                "c[t] = f[t] * c[t-1] + dt * (W @ x[t]) - c[t-1]",
                "h[t] = tanh(c[t])",
            ],
        ),
        (
            {"U": lambda U: U - U.T},
            [
                "f[t] = sigmoid((U - U.T) @ h[t-1] + b_f)",
                "c[t] = f[t] * c[t-1] + dt * (W @ x[t])",
                "h[t] = tanh(c[t])",
            ],
        ),
        (
            {"x": lambda x, *, V: V @ x},
            [
                "f[t] = sigmoid(U @ h[t-1] + b_f)",
                "c[t] = f[t] * c[t-1] + dt * (W @ (V @ x[t]))",
                "h[t] = tanh(c[t])",
            ],
        ),
        (
            {"dt": 1},
            ["f[t] = sigmoid(U @ h[t-1] + b_f)", "c[t] = f[t] * c[t-1] + W @ x[t]", "h[t] = tanh(c[t])"],
        ),
        (
            {"b_f": 0},
            ["f[t] = sigmoid(U @ h[t-1])", "c[t] = f[t] * c[t-1] + dt * (W @ x[t])", "h[t] = tanh(c[t])"],
        ),
    ),
    ids=lambda v: "-".join(v) if isinstance(v, dict) else "",
)
def test_what_the_equations_become(given, expected):
    assert sorted(lines(replace(small, **given))) == sorted(expected)


@pytest.mark.parametrize(
    "given",
    (
        {"f": lambda f: 1 - f},
        {"h": lambda c_last, h_last: c_last + h_last},
        {"U": lambda U: U - U.T},
        {"x": lambda x, *, V: V @ x},
        {"f": lambda f, *, alpha=0.25: alpha * f},
    ),
)
@BOTH
def test_both_backends_run_it(given, backend, built_quickly):
    check(instance(replace(small, **given), SIZES, StepRows(3, 2)), backend)


def test_what_nobody_needs_is_gone():
    made = replace(small, f=0)
    assert (made.parameters, made.states, made.hyper) == (("W",), (), {"dt": 0.5})
    made = replace(small, f=1)
    assert (made.parameters, made.states, made.init, made.start, made.fixed) == (
        ("W",),
        ("c",),
        {"W": 0.5},
        {"c": 2.0},
        ("W",),
    )
    assert made.graph.output != made.graph.new_states[0]  # h is the output still, and no state


def test_names_comments_and_sentence_stay():
    made = replace(small, f=lambda f: 1 - f)
    assert equations(made.graph)[0].endswith("# gate")
    assert made.name == "replace(small, f=1 - sigmoid(U @ h_last + b_f))"
    assert made.doc == "A small cell (equation 1); with f = 1 - sigmoid(U @ h_last + b_f)."
    assert replace(small, c=lambda c: 1 - c).doc.endswith("; with another c.")  # too long a line to be quoted
    short = replace("lstm", i=lambda f: 1 - f)
    assert short.name == "replace(lstm, i=1 - f)" and short.doc.startswith(
        "Long short-term memory with a forget gate; with i = 1 - f."
    )
    assert replace("lstm", "mine", f=1).name == replace("lstm", "mine", f=1).graph.name == "mine"


def test_an_equation_below_may_be_used():
    """The lines then stand in the order in which they can be computed."""
    made = replace("lstm", i=lambda f: 1 - f)
    assert [line[:4] for line in lines(made)] == ["f[t]", "i[t]", "g[t]", "o[t]", "c[t]", "h[t]"]


def test_every_line_of_a_name_in_a_loop():
    made = replace("rhn", t=lambda t, h, *, gain: gain * t * h)
    assert [n for n in made.parameters if n == "gain"] == ["gain"]
    assert sum("gain" in line for line in lines(made)) == 3 and "h(3)[t]" in lines(made)[-3]


def test_new_parameters_and_settings():
    made = replace("mgu", f=lambda f, *, alpha=0.5, gain: alpha * gain * f, n=lambda n, *, gain: gain * n)
    assert (
        made.parameters[-1] == "gain"
        and made.hyper == {"alpha": 0.5}
        and made.using(alpha=1.0).hyper == {"alpha": 1.0}
    )
    assert made.graph.shape("parameter", "gain") == ("H",)
    for scale in (0.5, 2.0):
        # A default of an ordinary argument is the author's own.
        f = replace("mgu", f=lambda f, scale=scale: scale * f)
        assert lines(f)[0].startswith(f"f[t] = {scale:g} * sigmoid")


def test_remembered_equations_are_states():
    made = replace("mgu", remember="f", n=lambda n, f_last, f, *, R: n * (R @ f_last) + f)
    assert made.states == ("h", "f") and made.graph.shape("state", "f") == ("H",)
    assert lines(made)[1].endswith("* (R @ f[t-1]) + f[t]")
    x, h, f = torch.randn(4, 2), torch.randn(6), torch.randn(6)
    p = {n: torch.randn(*(SIZES[d] for d in made.graph.shape("parameter", n))) for n in made.parameters}
    new, gate = made(x[:, 0], h, f, **p)
    torch.testing.assert_close(gate, torch.sigmoid(p["W_f"] @ x[:, 0] + p["U_f"] @ h + p["b_f"]))
    n = torch.tanh(p["W_n"] @ x[:, 0] + p["U_n"] @ (gate * h) + p["b_n"]) * (p["R"] @ f) + gate
    torch.testing.assert_close(new, (1 - gate) * h + gate * n)


def test_a_state_without_a_line_of_its_own():
    @cell
    def plain(x, h, *, W, U):
        return tanh(W @ x + U @ h)

    assert lines(replace(plain, h=lambda h, h_last: h - h_last)) == [
        "h[t] = tanh(W @ x[t] + U @ h[t-1]) - h[t-1]"
    ]


def test_replacing_twice():
    made = replace(replace("lstm", f=1), o=1)
    assert made.name == "replace(replace(lstm, f=1), o=1)" and lines(made)[-1] == "h[t] = tanh(c[t])"


@pytest.mark.parametrize(
    "wrong, kind, message",
    (
        (
            lambda: replace(small, k=1),
            UsageError,
            "replace(small, k=1): k is replaced, and small has no value k. It has x, h, c, f, W, U, b_f, dt.",
        ),
        (
            lambda: replace(small, b=1),
            UsageError,
            "replace(small, b=1): b is replaced, and small has no value b. Did you mean b_f?",
        ),
        (
            lambda: replace(small, f=lambda bf: bf),
            UsageError,
            "replace(small, f=...): f takes bf, and small has no value bf. Did you mean b_f or f?",
        ),
        (
            lambda: replace(small, f="tanh"),
            UsageError,
            (
                "replace(small, f='tanh'): give a number, or a function of the cell's values, e.g. "
                "f=lambda f: 0.5 * f"
            ),
        ),
        (
            lambda: replace(small, f=lambda f: "tanh"),
            UsageError,
            "replace(small, f=...): f gives a str. Return a value of the cell language, or a number.",
        ),
        (
            lambda: replace(small, f=lambda f, *, W: W @ f),
            UsageError,
            (
                "replace(small, f=...): f makes a new parameter W, and small has a W. "
                "Take it as an ordinary argument, or choose another name."
            ),
        ),
        (
            lambda: replace(small, h=lambda f_last: f_last),
            UsageError,
            (
                "replace(small, h=...): an equation takes f_last, and f is not a state of small. Say"
                " remember=('f',) to have its last value."
            ),
        ),
        (
            lambda: replace(small, remember="f", h=1),
            UsageError,
            "replace(small, h=1): f is remembered, and no equation takes f_last.",
        ),
        (
            lambda: replace(small, remember="c", h=1),
            UsageError,
            "replace(small, h=1): c is a state; its last value is c_last already.",
        ),
        (
            lambda: replace(small, remember="g", h=1),
            UsageError,
            (
                "replace(small, h=1): remember names g, and small has no value g. It has x, "
                "h, c, f, W, U, b_f, dt."
            ),
        ),
        (
            lambda: replace("lstm", i=lambda f: 1 - f, f=lambda i: 1 - i),
            CellError,
            (
                "CellError in replace(lstm, i=..., f=...): the equations go in a circle, i needs f, f needs i."
                " Say remember=('i',) and take i_last for the value of the step before."
            ),
        ),
        (
            lambda: replace("lstm", f=lambda o, g: o, g=lambda f: f),
            CellError,
            (
                "CellError in replace(lstm, f=..., g=...): the equations go in a circle, f needs g, g needs f."
                " Say remember=('f',) and take f_last for the value of the step before."
            ),
        ),
        (
            lambda: replace("lstm", f=lambda f: f.sigmoid()),
            CellError,
            (
                "CellError in replace(lstm, f=...): f: .sigmoid is not part of the cell language; use the"
                " functions of unrolled, e.g. sigmoid(v)"
            ),
        ),
        (
            lambda: replace("elman", U=1),
            CellError,
            (
                "CellError in replace(elman, U=1), line 3: 1 stands left of @ and is not a matrix. A number "
                "multiplies by *: 1 * h"
            ),
        ),
        (
            lambda: replace("lstm", f=lambda f, h: f @ h),
            CellError,
            (
                "CellError in replace(lstm, f=...), line 4: sigmoid(W_f @ x + U_f @ h + b_f) stands left of @"
                " and is not a matrix. The product of two vectors is total(sigmoid(W_f @ x + U_f @ h + b_f)"
                " * h)"
            ),
        ),
    ),
)
def test_what_is_said_of_wrong_ones(wrong, kind, message):
    with pytest.raises(kind) as raised:
        wrong()
    assert str(raised.value) == message


def test_a_clash_of_widths_is_quoted():
    made = replace("lstm", g=lambda x: tanh(x))
    example = instance(find("lstm"), SIZES, StepRows(1, 1))
    with pytest.raises(CellError) as raised:
        run(made.graph, SIZES, example.inputs, example.state, example.parameters, example.step_rows)
    assert str(raised.value) == (
        "CellError in replace(lstm, g=tanh(x)), line 7: i is 6 wide and g 4, and this line needs them equal. "
        "Choose H = I, or bring one to the other's width with a weight, W @ i."
    )


def test_what_was_returned_to_be_looked_at_stays():
    """A counter that the output never rested on is not among the states that an exchanged
    equation leaves without use.
    """

    @cell(shapes={"count": ()})
    def counting(x, h, m, count, *, W, U):
        m = 0.5 * m + x
        h = tanh(W @ m + U @ h)
        return h, m, count + 1

    assert replace(counting, m=lambda x: x).states == ("h", "count")
    assert replace(counting, U=0).states == ("m", "count")
