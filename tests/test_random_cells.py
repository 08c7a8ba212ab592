"""Random cells: reference = C = the plain function, values and all gradients, in float64."""

from __future__ import annotations

import pytest
import torch
from generated import LANGUAGE, Program, programs
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from instances import BACKENDS, WAYS, check, instance, meaning, needs_compiler, ways

from unrolled.cell import cell
from unrolled.kernels import StepRows

STEP_ROWS = (
    StepRows(3, 3),
    StepRows(1, 1),
    StepRows(4, 2, None, True),
    StepRows(3, 4, (4, 2, 1)),
    StepRows(2, 5),
)


@st.composite
def runs(draw):
    """A random cell with sizes, rows at each step, whether its input is indices, and
    how threads share the work.
    """
    sizes = {letter: draw(st.sampled_from((3, 1, 2, 5, 9))) for letter in "IHOP"}
    return (
        draw(programs()),
        sizes,
        draw(st.sampled_from(STEP_ROWS)),
        draw(st.sampled_from((False, False, True))),
        draw(st.sampled_from(WAYS)),
    )


def made_instance(program: Program, sizes, step_rows, indices):
    """The random values of a cell whose meaning stays finite and moderate."""
    made = instance(program.cell(), sizes, step_rows, indices=indices)
    results = meaning(made)
    assume(all(torch.isfinite(r).all() and r.abs().max() < 1e3 for r in results))
    return made


def check_reference(case) -> None:
    program, sizes, step_rows, indices, _ = case
    check(made_instance(program, sizes, step_rows, indices), "reference", 1e-8)


def check_c(case) -> None:
    program, sizes, step_rows, indices, each = case
    made = made_instance(program, sizes, step_rows, indices)
    check(made, "c", 1e-8, each)


# Cells that once went wrong, as small as they could be made: what was wrong, the cell, its declared shapes.
H, N = ("H",), ()
FOUND = {
    "a product that no gradient reaches": ("def made(x, /, s0, *, p0): return step(p0 @ s0)", {}),
    "a product that no gradient reaches beside one that has one": (
        "def made(x, /, s0, *, p0, p1): return step(p0 @ s0) + tanh(p1 @ s0)",
        {},
    ),
    "products with the input that no gradient reaches, of two widths": (
        "def made(x, /, s0, s1, *, p0, p1, p2): return step(p0 @ x) + s0, step(p1 @ x) + tanh(p2 @ s0)",
        {"s0": H, "s1": ("O",)},
    ),
    "a parameter times a hyper-parameter": ("def made(x, /, s0, *, p0, a=0.75): return tanh(p0 * a * s0)", {}),
    "a result that is a plain number": ("def made(x, /, s0, *, a=0.75): return a", {"s0": N}),
    "functions of plain numbers": (
        "def made(x, /, s0, *, a=0.75): return s0 * relu(a) + tanh(a) * where(a, a, 0.25) - absolute(a)",
        {},
    ),
    "a sum that a later stage reads": (
        "def made(x, /, s0, s1):\n v = total(x) * 0.3\n return v, 0.5 * v + 0.5 * s0, v",
        {"s0": N, "s1": N},
    ),
    "a sum beside a value that waits for a product": (
        "def made(x, /, s0, s1, *, p0): return tanh(p0 @ s0) + total(s0), s1 + total(s0)",
        {"s0": H, "s1": N},
    ),
    "states that are numbers, which two cores must not both add to": (
        "def made(x, /, s0, s1): return s0, 0.5 * s1",
        {"s0": N, "s1": H},
    ),
    "a carry that a later stage still reads": (
        "def made(x, /, s0, s1, s2): return 0.5 * s2 + 0.5 * s0, s1 * s2, s2",
        {"s0": N, "s1": H, "s2": N},
    ),
    "a carry that another carry, stored late, still is": (
        "def made(x, /, s0, s1, s2, a, b):\n v = s1 + a\n return v, v, v, b, 1 * a, 1 * a",
        {"s0": H, "s1": H, "s2": N, "a": N, "b": N},
    ),
    "one matrix with two operands": (
        "def made(x, /, s0, s1, *, p0):\n v = tanh(p0 @ s0)\n return p0 @ v, v",
        {"s0": H, "s1": H},
    ),
    "a product whose gradients stand in two places, and nothing else in the carry": (
        "def made(x, /, s0, *, p0, p1, p2, p3): return tanh(p0 @ x + sigmoid(p1 @ x + p3 @ s0) * (p2 @ s0))",
        {},
    ),
    "a comparison of plain numbers in a condition": (
        "def made(x, /, s0, *, a=0.75): return tanh(where(a < s0, a, 0) + s0)",
        {},
    ),
    "one matrix, two states, one gradient": (
        "def made(x, /, s0, s1, *, p0): return relu(p0 @ s1 + p0 @ s0), s1",
        {"s0": H, "s1": H},
    ),
    "a bias whose gradient is that of a state, which ends in a product": (
        "def made(x, /, s0, s1, *, p0, p1):\n v = p0 + s0\n return v, tanh(p1 @ v + s1)",
        {"s0": ("O",), "s1": H},
    ),
    "a function of a hyper-parameter before a product with the input": (
        "def made(x, /, s0, *, p0, a=0.75): return tanh(p0 @ (relu(a) * x) + s0)",
        {},
    ),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("what", FOUND)
def test_what_was_found_stays_found(what, backend, built_quickly):
    source, shapes = FOUND[what]
    space = dict(LANGUAGE)
    exec(source, space)
    made = cell(shapes=shapes)(space["made"])
    for step_rows in STEP_ROWS[:4]:
        for each in ways(backend):
            check(instance(made, {"I": 3, "H": 5, "O": 2}, step_rows), backend, way=each)


@settings(max_examples=60)
@given(runs())
def test_reference_is_the_plain_function(case):
    check_reference(case)


@needs_compiler
@settings(max_examples=25)
@given(runs())
def test_c_is_the_plain_function(built_quickly, case):
    check_c(case)


@pytest.mark.slow
@settings(max_examples=1000)
@given(runs())
def test_reference_is_the_plain_function_a_thousand_times(case):
    check_reference(case)


@pytest.mark.slow
@needs_compiler
@settings(max_examples=1000)
@given(runs())
def test_c_is_the_plain_function_a_thousand_times(built_quickly, case):
    check_c(case)
