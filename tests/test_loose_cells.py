"""Cells that leave shapes out, declare wrong ones, and put numbers where vectors are due: refused in our own
words, or the same values and gradients from the plain function, the reference and C."""

from __future__ import annotations

import contextlib

import pytest
import torch
from generated import LANGUAGE
from hypothesis import given as draws
from hypothesis import settings
from hypothesis import strategies as st
from instances import BACKENDS, StepRows, check, compare, gradients, instance, meaning, needs_compiler, ways
from loose import accepted, built_together, loose_programs

from unrolled.cell import Cell, cell
from unrolled.errors import CellError, UnrolledError
from unrolled.kernels.c.emit.spell import unspelled
from unrolled.kernels.call import check_sizes
from unrolled.plan.plan import plan_of

STEP_ROWS = (StepRows(3, 3), StepRows(4, 2, None, True), StepRows(3, 4, (4, 2, 1)))
SIZES = (
    {"I": 3, "H": 5, "O": 2, "P": 4, "Z": 6},
    {"I": 5, "H": 5, "O": 5, "P": 5, "Z": 10},
    dict.fromkeys("IHOPZ", 3),
)
CASES = st.tuples(loose_programs(), st.sampled_from(SIZES), st.sampled_from(STEP_ROWS))


def moderate(results) -> bool:
    return all(torch.isfinite(r).all() and r.abs().max() < 1e4 for r in results if r.numel())


def check_all(cases, backend: str) -> None:
    """Those that are accepted, their kernels built as one file."""
    found = [made for case in cases if (made := accepted(*case)) is not None and moderate(meaning(made))]
    with built_together(found) if backend == "c" and found else contextlib.nullcontext():
        for made in found:
            if backend == "reference":
                check(made, backend, 1e-8)
                assert Cell.from_json(made.cell.to_json()).graph == made.cell.graph
                continue
            if unspelled(plan_of(made.cell.graph)):
                continue
            expected, mine = made.run("reference"), made.run("c")
            names = ["y", *made.cell.states]
            compare(mine, expected, names, 1e-8)
            compare(gradients(mine, made.leaves), gradients(expected, made.leaves), made.named, 1e-8)


@settings(max_examples=120)
@draws(CASES)
def test_what_is_accepted_is_the_plain_function(case):
    check_all([case], "reference")


@needs_compiler
@settings(max_examples=6)
@draws(st.lists(CASES, min_size=12, max_size=12))
def test_what_is_accepted_is_the_same_in_c(cases):
    check_all(cases, "c")


@pytest.mark.slow
@settings(max_examples=2000)
@draws(CASES)
def test_what_is_accepted_is_the_plain_function_thousands_of_times(case):
    check_all([case], "reference")


@pytest.mark.slow
@needs_compiler
@settings(max_examples=150)
@draws(st.lists(CASES, min_size=12, max_size=12))
def test_what_is_accepted_is_the_same_in_c_thousands_of_times(cases):
    check_all(cases, "c")


# Cells that were once accepted and wrong, as small as they could be made; their declared
# shapes; whether they run today.
FOUND = {
    "a number spread to two widths": ("def made(x, /, h): return h + total(x) + total(h)", {}, True),
    "a number gate of both": ("def made(x, /, h, *, W): return sigmoid(total(x)) * h + sigmoid(total(h)) * (W @ x)", {}, True),
    "two vectors by one number's gradient": (
        "def made(x, /, h, *, W): return tanh(W @ (x * total(h)) + h * total(x) + total(h * total(x)))",
        {},
        True,
    ),
    "a number as a state that is a vector": ("def made(x, /, h, n, *, W): return tanh(W @ x + h + n), mean(h)", {}, False),
    "a constant as a state that is a vector": ("def made(x, /, h, n, *, W): return tanh(W @ x + h + n), 0.0", {}, False),
    "a total as the only state": ("def made(x, /, h): return total(x) + 0 * total(h)", {}, False),
    "the same, declared": ("def made(x, /, h, n, *, W): return tanh(W @ x + h + n), mean(h)", {"n": ()}, True),
    "a sum whose part is known later": (
        "def made(x, n, /, h, *, V, W, u): return tanh(V @ concat(x, n) + W @ n + h + total(u * concat(x, n)))",
        {"u": ("Z",)},
        False,
    ),
    "a sum that is as wide as its part": ("def made(x, /, h, *, b, W): return tanh(W @ x + total(b * concat(x, b)) + h)", {}, False),
    "a vector of two widths by way of a sum": (
        "def made(x, /, h, *, W, u, v): return tanh(W @ x + h + total(u * concat(x, v)) + total(u * concat(h, v)))",
        {},
        False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("what", FOUND)
def test_what_was_found_stays_found(what, backend, built_quickly):
    source, shapes, runs = FOUND[what]
    space = dict(LANGUAGE)
    exec(source, space)
    made, sizes = cell(shapes=shapes)(space["made"]), {"I": 3, "H": 4, "Z": 40}
    if not runs:
        with pytest.raises(CellError):
            check_sizes(made.graph, sizes)
        return
    for step_rows in STEP_ROWS:
        for each in ways(backend):
            check(instance(made, sizes, step_rows), backend, way=each)


def test_a_sum_of_widths_that_fits_is_accepted():
    source, shapes, _ = FOUND["a sum whose part is known later"]
    space = dict(LANGUAGE)
    exec(source, space)
    made = cell(shapes=shapes)(space["made"])
    check_sizes(made.graph, {"I": 3, "H": 4, "Z": 7})
    check(instance(made, {"I": 3, "H": 4, "Z": 7}, StepRows(3, 2)), "reference")
    with pytest.raises(UnrolledError, match="40"):
        check_sizes(made.graph, {"I": 3, "H": 4, "Z": 40})
