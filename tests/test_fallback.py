"""A kernel that cannot be built: `auto` goes on with the reference and says so once, `c` is an error."""

from __future__ import annotations

import warnings

import pytest
import torch
from instances import StepRows, check, instance, needs_compiler

from unrolled import Recurrent, cell, tanh
from unrolled.kernels.c.build.build import build
from unrolled.kernels.c.build.compiler import CompilerError
from unrolled.kernels.c.build.toolchain import SlowBackendWarning
from unrolled.kernels.c.call import library

pytestmark = needs_compiler


@pytest.fixture
def refused(monkeypatch):
    """The compiler is given a text that it refuses; how often it was asked."""
    asked = []

    def load(plan, precision):
        asked.append(plan)
        return build("int no_semicolon(void) { return undeclared }\n", name=plan.graph.name)

    monkeypatch.setattr(library, "load", load)
    return asked


def unheard_of():
    """A cell that no other test has built."""
    return cell(lambda x, h, *, W, U, b: tanh(W @ x + U @ h - 7.25 * b))


def test_auto_takes_the_reference_and_says_so_once(refused):
    made = instance(unheard_of(), {"I": 3, "H": 4}, StepRows(3, 2))
    with pytest.warns(SlowBackendWarning) as caught:
        check(made, "auto")
    assert len(caught) == 1 and "The kernel of <lambda> could not be built" in str(caught[0].message)
    assert "The reference backend runs <lambda> instead" in str(caught[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check(made, "auto")
    assert len(refused) == 1, "the compiler is not asked at every call"


def test_c_is_an_error(refused):
    with pytest.raises(
        CompilerError, match=r'(?s)could not be built.*Pass backend="reference" to go on without it'
    ):
        instance(unheard_of(), {"I": 3, "H": 4}, StepRows(3, 2)).run("c")


def test_a_layer_trains_and_steps_without_its_kernel(refused):
    layer = Recurrent(unheard_of(), 3, 4)
    with pytest.warns(SlowBackendWarning):
        y, _ = layer(torch.randn(5, 2, 3))
    y.sum().backward()
    assert all(p.grad is not None for p in layer.parameters())
    layer.step(torch.randn(2, 3))
