"""What a mistake in a cell says, to the letter: the author's line, a caret, the two things
that clash, one thing to do.
"""

from __future__ import annotations

import math

import pytest
import torch

from unrolled import activation, cell, concat, sigmoid, tanh, total
from unrolled.errors import CellError, Never, NotYet, ShapeError, UnrolledError, UsageError, quote
from unrolled.kernels.call import check_sizes


def message_of(function, **bound) -> str:
    """The error that a cell's first use raises."""
    with pytest.raises(CellError) as raised:
        graph = cell(function).graph
        check_sizes(graph, {"I": 128, "H": 64, **bound})
    return str(raised.value)


def says(function, line: str, at: str, sentence: str) -> None:
    """The message quotes `line` (its number counted from `def`), has the caret below `at`, and
    goes on with the sentence.
    """
    number, text = line.split(":", 1)
    head = f"CellError in {function.__name__}, line {number}:   "
    caret = " " * (len(head) + text.strip().index(at)) + "^"
    assert message_of(function) == f"{head}{text.strip()}\n{caret}\n{sentence}"


def test_an_unknown_name():
    def mine(x, h, *, W, U):
        z = sigmoid(W @ x + Q @ h)  # noqa: F821
        return tanh(U @ z)

    says(
        mine,
        "2:z = sigmoid(W @ x + Q @ h)  # noqa: F821",
        "Q",
        "name 'Q' is not defined. Parameters stand after `*` in the signature; functions are imported from"
        " unrolled.",
    )


def test_a_state_not_returned():
    def mine(x, h, c, *, W):
        h = tanh(W @ x)
        return h

    assert message_of(mine) == (
        "CellError in mine: it has 2 states (h, c) and returns 1 value. Return the 2 new states in order, or "
        "the output first and then the states"
    )


def test_too_many_results():
    def mine(x, h, *, W):
        return tanh(W @ x + h), h, h

    assert message_of(mine) == (
        "CellError in mine: it has one state (h) and returns 3 values. Return its new value, or the output "
        "first and then the state"
    )


def test_a_net_without_state_has_one_result():
    def mine(x, *, W):
        return W @ x, x

    assert message_of(mine) == (
        "CellError in mine: it has no state and returns 2 values. Return the output alone, or name the states "
        "after the first argument"
    )


def test_nothing_returned():
    def mine(x, h, *, W):
        h = tanh(W @ x + h)

    assert message_of(mine) == "CellError in mine: it returns nothing. End it with `return h`"


def test_something_else_returned():
    def mine(x, h, *, W):
        return [tanh(W @ x + h)]

    assert message_of(mine) == "CellError in mine: it returns a list; return the new states in order"


IF = (
    "an `if` or `and` on a value: a cell is the same graph for every value. Use where(condition, a, b), and"
    " maximum and minimum for Python's max and min; an `if` on a whole-number or text hyper-parameter is fine."
    " Conditions are joined by & and |: (a < b) & (b < c)"
)


def test_an_if_on_a_value():
    def mine(x, h, *, W):
        if W @ x > 0:
            return h
        return tanh(h)

    says(mine, "2:if W @ x > 0:", "W", IF)


def test_and_on_values():
    def mine(x, h, *, W):
        return h and tanh(W @ x)

    says(mine, "2:return h and tanh(W @ x)", "h and", IF)


def test_pythons_max():
    def mine(x, h, *, W):
        return max(W @ x, h)

    says(mine, "2:return max(W @ x, h)", "max", IF)


PLAIN = (
    "a plain number is asked for, as by float() or math.tanh, and the value is not known while the cell is"
    " traced. Use the functions of unrolled: tanh, exp, ..."
)


def test_float_of_a_value():
    def mine(x, h, *, W):
        return tanh(h * float(W @ x))

    says(mine, "2:return tanh(h * float(W @ x))", "float", PLAIN)


def test_pythons_math():
    def mine(x, h, *, W):
        return math.tanh(W @ x)

    says(mine, "2:return math.tanh(W @ x)", "math", PLAIN)


def test_torchs_functions():
    def mine(x, h, *, W):
        return torch.tanh(W @ x)

    assert message_of(mine).endswith(". Inside a cell use the functions of unrolled, e.g. tanh(v)")


def test_a_tensors_method():
    def mine(x, h, *, W):
        return (W @ x + h).tanh()

    says(
        mine,
        "2:return (W @ x + h).tanh()",
        "(W",
        ".tanh is not part of the cell language; use the functions of unrolled, e.g. tanh(v)",
    )


LOOP = (
    "a value cannot be unpacked or looped over; loop over range(n) with a whole-number hyper-parameter, and sum"
    " a value's units by total(v)"
)


def test_a_loop_over_a_value():
    def mine(x, h, *, W):
        for v in h:
            x = x + v
        return W @ x

    message = message_of(mine)  # Python's versions differ in the column
    assert message.startswith("CellError in mine, line 2:   for v in h:\n") and message.endswith(f"^\n{LOOP}")


def test_a_value_unpacked():
    def mine(x, h, *, W):
        a, b = W @ x
        return a + b

    says(mine, "2:a, b = W @ x", "a", LOOP)


def test_a_value_as_an_index():
    def mine(x, h, *, W):
        return [1, 2][h] * (W @ x)

    says(
        mine,
        "2:return [1, 2][h] * (W @ x)",
        "[1",
        "a whole number is asked for, as by range() or [...], and this value is not one. A hyper-parameter is a"
        " whole number if its default is: depth=3, not depth=3.0",
    )


def test_a_number_of_times_that_is_no_whole_number():
    def mine(x, h, *, W, depth=3.0):
        for _ in range(depth):
            h = tanh(W @ x + h)
        return h

    assert "depth=3, not depth=3.0" in message_of(mine)


def test_an_unused_parameter():
    def mine(x, h, *, W, U, b):
        return tanh(W @ x + U @ h)

    assert (
        message_of(mine)
        == "CellError in mine: the parameter b is never used. Use it or take it out of the signature"
    )


def test_a_weight_without_at():
    """`W * x` makes W a vector as wide as x: the clash shows where it meets the state."""

    def mine(x, h, *, W, U):
        h = tanh(W * x + U @ h) + h
        return h

    says(
        mine,
        "2:h = tanh(W * x + U @ h) + h",
        "tanh",
        "tanh(W * x + U @ h) is 128 wide and h 64, and this line needs them equal. Choose I = H, or bring one"
        " to the other's width with a weight, W @ (tanh(W * x + U @ h)).",
    )


def test_a_vector_times_a_weight():
    def mine(x, h, *, W, U):
        return tanh(x @ W + U @ h)

    says(
        mine,
        "2:return tanh(x @ W + U @ h)",
        "x",
        "x stands left of @ and is not a matrix. Write the weight first: W @ x",
    )


def test_two_products_without_brackets():
    def mine(x, h, *, W, U):
        return tanh(W @ U @ x + h)

    says(
        mine,
        "2:return tanh(W @ U @ x + h)",
        "W",
        "W @ U stands left of @ and is not a matrix. Python reads a @ b @ v from the left: write W @ (U @ x)",
    )


def test_a_matrix_plus_a_vector():
    def mine(x, h, *, W, U, V):
        a = W @ x + U
        return tanh(a + U @ h + V @ h)

    says(mine, "2:a = W @ x + U", "W", "W @ x is a vector and U a matrix; multiply a matrix with a vector by @")


def test_a_weight_times_a_number():
    def mine(x, h, *, W):
        return W @ 3 + h

    says(mine, "2:return W @ 3 + h", "W", "3 stands right of @ and is not a vector. `@` is matrix times vector")


def test_a_matrix_in_a_concatenation():
    def mine(x, h, *, W, U):
        return tanh(W @ concat(x, h, U) + U @ h)

    says(mine, "2:return tanh(W @ concat(x, h, U) + U @ h)", "concat", "concat joins vectors only")


def test_the_total_of_a_number():
    @cell(shapes={"n": ()})
    def mine(x, h, n, *, W):
        return tanh(W @ x + h), n + total(n)

    with pytest.raises(
        CellError, match=r"line 2:.*\n +\^\ntotal sums a vector, and n is a number. Use it as it is$"
    ):
        mine.graph


def test_a_single_unit():
    def mine(x, h, *, W):
        return W @ x + h[0]

    says(
        mine,
        "2:return W @ x + h[0]",
        "h[0]",
        "h is a vector and [0] picks one layer of a stack of weights. For one unit multiply with a fixed vector"
        " that is 1 there and 0 elsewhere: total(e * h)",
    )


def test_a_slice():
    def mine(x, h, *, W):
        return W[:, 0] * h

    says(
        mine,
        "2:return W[:, 0] * h",
        "W",
        "[...] picks one layer of a stack of weights by a whole number, W[0]; a cell knows no slices and no"
        " single units",
    )


def test_an_unknown_activation():
    def mine(x, h, *, W):
        return activation("swish", W @ x + h)

    says(
        mine,
        '2:return activation("swish", W @ x + h)',
        "activation",
        "'swish' is not an activation; choose one of tanh, relu, sigmoid, softplus, sin, exp, elu, silu, gelu,"
        " identity",
    )


def test_the_input_added_to_the_state():
    def mine(x, h, *, W):
        return tanh(W @ h) + h + x

    says(
        mine,
        "2:return tanh(W @ h) + h + x",
        "tanh",
        "tanh(W @ h) + h is 64 wide and x 128, and this line needs them equal. Choose H = I, or bring one to"
        " the other's width with a weight, W @ (tanh(W @ h) + h).",
    )


def test_a_bias_used_for_two_widths():
    def mine(x, h, *, W_f, U_f, b):
        h = h * sigmoid(W_f @ x + U_f @ h)
        f = h + b
        g = x + b
        return f * sigmoid(W_f @ g)

    says(
        mine,
        "4:g = x + b",
        "x",
        "b is used for two widths: 128 here (with x), 64 in line 3. Give each its own, e.g. b_2.",
    )


def test_widths_that_agree_by_their_numbers_are_fine():
    def mine(x, h, *, W):
        return tanh(W @ h) + x

    check_sizes(cell(mine).graph, {"I": 64, "H": 64})


def test_parameters_that_are_not_named():
    space: dict = {}
    exec("def mine(x, h, **Ws):\n    return h\n", space)
    assert (
        message_of(space["mine"])
        == "CellError in mine: **Ws is not possible in a cell; name each parameter after a single `*`"
    )


def test_states_behind_a_star_whose_number_is_not_said():
    def mine(x, h, *Ws):
        return h

    assert (
        message_of(mine)
        == "CellError in mine: *Ws stands for as many states as a whole number says, and none is named. Write"
        " @cell(shapes={'Ws': ('delay', 'H')}) and delay=5 among the keywords; parameters are named one by"
        " one after a single `*`"
    )


@pytest.mark.parametrize("delay", (0, -2, "H"))
def test_states_behind_a_star_whose_number_is_none(delay):
    @cell(shapes={"past": ("delay", "H")})
    def mine(x, h, *past, W, delay=3):
        return (W @ x, *past[1:], h)

    made = (
        mine.using(delay=delay)
        if isinstance(delay, int)
        else cell(shapes={"past": (delay, "H")})(mine.function)
    )
    with pytest.raises(CellError) as found:
        made.graph
    assert (
        str(found.value)
        == f"CellError in mine: shapes says that *past is {delay} states. Their number is at least 1 and comes"
        " from a keyword with a whole number, such as delay=5: shapes={'past': ('delay', 'H')}"
    )


def test_no_input():
    def mine(*, W):
        return W

    assert (
        message_of(mine)
        == "CellError in mine: the first argument is the input, e.g. def mine(x, h, *, W, U, b)"
    )


def test_a_number_of_states_declared_and_a_vector_returned():
    @cell(shapes={"h": ()})
    def mine(x, h, *, W):
        return tanh(W @ x)

    with pytest.raises(CellError, match="the state h is declared a number, and its new value .* is a vector"):
        mine.graph


def test_without_source_only_the_quotation_is_missing():
    space = {"tanh": tanh}
    exec("def mine(x, h, *, W):\n    return tanh(W @ x + nothing)\n", space)
    assert message_of(space["mine"]) == (
        "CellError in mine, line 2: name 'nothing' is not defined. Parameters stand after `*` in the "
        "signature; functions are imported from unrolled."
    )


def test_a_mistake_in_a_helper_is_shown_at_the_cells_line():
    def helper(v):
        return tanh(v) if v > 0 else v

    def mine(x, h, *, W):
        return helper(W @ x + h)

    says(mine, "2:return helper(W @ x + h)", "helper", IF)


def test_a_lambda_is_its_own_first_line():
    made = cell(lambda x, h, *, W: tanh(W @ x + missing))  # noqa: F821
    with pytest.raises(CellError, match=r"^CellError in <lambda>, line 1:   made = cell\(lambda"):
        made.graph


def test_tracing_leaves_the_debuggers_hook_alone():
    import sys

    def hook(frame, event, argument):
        return None

    before = sys.gettrace()
    sys.settrace(hook)
    try:
        cell(lambda x, h, *, W: tanh(W @ x + h)).graph
        with pytest.raises(CellError):
            cell(lambda x, h, *, W: tanh(W @ x + nothing)).graph  # noqa: F821
        assert sys.gettrace() is hook
    finally:
        sys.settrace(before)


@pytest.mark.parametrize(
    "kind, builtin",
    (
        (CellError, Exception),
        (UsageError, ValueError),
        (ShapeError, ValueError),
        (NotYet, NotImplementedError),
        (Never, TypeError),
    ),
)
def test_every_error_is_ours_and_one_of_pythons(kind, builtin):
    assert issubclass(kind, UnrolledError) and issubclass(kind, builtin)


def test_the_caret_stands_below_its_column_whatever_the_indentation():
    text = "        h = f * c"
    assert (
        quote("mine", 4, text, text.index("c"), "no.")
        == "CellError in mine, line 4:   h = f * c\n" + " " * 37 + "^\nno."
    )
    assert quote("mine", 4, None, None, "no.") == "CellError in mine, line 4: no."
    assert quote("mine", None, None, None, "no.") == "CellError in mine: no."
