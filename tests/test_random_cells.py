"""Random cells: reference = C = the plain function, values and all gradients, in float64."""

from __future__ import annotations

import pytest
import torch
from generated import Program, programs
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from instances import WAYS, check, instance, meaning, needs_compiler, way

from unrolled.errors import NotYet
from unrolled.kernels import Schedule

SCHEDULES = (Schedule(3, 3), Schedule(1, 1), Schedule(4, 2, None, True), Schedule(3, 4, (4, 2, 1)), Schedule(2, 5))


@st.composite
def runs(draw):
    """A random cell with sizes, a schedule, whether its input is indices, and how threads share the work."""
    sizes = {letter: draw(st.sampled_from((3, 1, 2, 5, 9))) for letter in "IHOP"}
    return (draw(programs()), sizes, draw(st.sampled_from(SCHEDULES)), draw(st.sampled_from((False, False, True))),
            draw(st.sampled_from(WAYS)))


def made_instance(program: Program, sizes, schedule, indices):
    """The random values of a cell whose meaning stays finite and moderate."""
    made = instance(program.cell(), sizes, schedule, indices=indices)
    results = meaning(made)
    assume(all(torch.isfinite(r).all() and r.abs().max() < 1e3 for r in results))
    return made


def check_reference(case) -> None:
    program, sizes, schedule, indices, _ = case
    check(made_instance(program, sizes, schedule, indices), "reference", 1e-8)


def check_c(case) -> None:
    program, sizes, schedule, indices, each = case
    made = made_instance(program, sizes, schedule, indices)
    with way(*each):
        try:
            check(made, "c", 1e-8)
        except NotYet as error:
            assert "op `concat`" in str(error)      # a concatenation that no product takes apart


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
