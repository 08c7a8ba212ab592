"""Nothing registered goes untested: every cell, primitive, backend and test module stands in the lists that tests run over."""

from __future__ import annotations

import ast
from pathlib import Path

import generated
import instances
import layer_cases
import pytest
import test_cells
import test_floors
import test_ops
import test_plan
import test_random_cells
from mutants import MUTANTS

import unrolled
from unrolled.cell import Cell
from unrolled.cells import FAMILIES, REGISTRY
from unrolled.kernels import BACKENDS
from unrolled.ops import OPS

TESTS = Path(__file__).parent
ROOT = Path(unrolled.__file__).parent
PROPERTIES = ("test_values_and_gradients", "test_an_index_is_a_one_hot_row", "test_parameters_stacked_as_the_plan_packs_them",
              "test_no_steps_leave_the_state", "test_a_loss_may_use_one_result_only", "test_each_gradient_alone",
              "test_strides_do_not_matter", "test_what_the_caller_gives_is_left_alone")
C_PROPERTIES = ("test_inference_is_the_training_forward", "test_two_forwards_before_a_backward", "test_backward_twice",
                "test_gradients_of_gradients_are_the_references", "test_nan_and_infinity_come_out_where_they_should")


def parametrised(function) -> dict[str, list]:
    """Names of a test's parameters and the values that they run over."""
    found = {}
    for mark in getattr(function, "pytestmark", []):
        if mark.name == "parametrize":
            found[mark.args[0]] = [v.values[0] if hasattr(v, "values") else v for v in mark.args[1]]
    return found


def test_every_cell_of_every_family_is_registered():
    made = {value.name for family in FAMILIES for value in vars(family).values() if isinstance(value, Cell)}
    assert made == set(REGISTRY) and len(FAMILIES) == len(list((ROOT / "cells").glob("*.py"))) - 1


@pytest.mark.parametrize("name", (*PROPERTIES, *C_PROPERTIES))
def test_every_cell_is_in_every_property_test(name):
    assert set(parametrised(getattr(test_cells, name))["name"]) == set(REGISTRY)


@pytest.mark.parametrize("name", PROPERTIES)
def test_every_backend_is_in_every_property_test(name):
    assert set(parametrised(getattr(test_cells, name))["backend"]) == set(BACKENDS)


def test_every_cell_is_in_the_tests_of_the_layers_and_of_the_plan():
    assert set(layer_cases.CELLS) == set(instances.CELLS) == set(test_plan.SHAPES) == set(REGISTRY)


def test_every_backend_is_a_folder_and_every_folder_a_backend():
    folders = {p.name for p in (ROOT / "kernels").iterdir() if (p / "__init__.py").exists()}
    assert folders == set(BACKENDS)
    assert all((ROOT / "kernels" / name / "spell.py").exists() for name in BACKENDS)


def test_every_primitive_is_in_the_tests_of_the_primitives():
    elementwise = {n for n, op in OPS.items() if op.shape == "same" and op.arity > 0}
    assert set(parametrised(test_ops.test_the_gradient_is_autograds)["name"]) == elementwise - {"spread"}
    for name in ("test_c_is_the_reference_in_float64", "test_c_is_the_reference_in_float32", "test_the_reference_is_the_authors_function"):
        assert set(parametrised(getattr(test_ops, name))["name"]) == elementwise
    others = {"product", "product_t", "products_t", "outer", "sum", "spread", "concat", "part", "columns", "transpose", "index"}
    assert set(OPS) == elementwise | others, "a primitive of a new kind needs a test of its own in test_ops.py"


def test_random_cells_know_every_function_of_the_language():
    """What `import unrolled` offers for equations is what the generator may draw."""
    offered = {n.id for n in ast.walk(ast.parse((TESTS / "generated.py").read_text())) if isinstance(n, ast.Name)}
    assert offered and set(generated.LANGUAGE) == {
        name for name, value in vars(unrolled).items()
        if getattr(value, "__module__", "") == "unrolled.ops" and name != "activation"}
    text = " ".join((*generated.UNARY, *generated.BINARY, "concat(", "total("))
    assert all(f"{name}(" in text for name in generated.LANGUAGE)


def test_every_way_of_the_c_backend_is_drawn():
    assert {(split, blas) for _, split, blas in instances.WAYS} >= {(False, False), (True, False), (False, True)}
    assert any(schedule.sizes for schedule in test_random_cells.SCHEDULES)
    assert any(schedule.reverse for schedule in test_random_cells.SCHEDULES)


def test_every_module_stands_on_a_floor():
    assert {test_floors.noun(p) for p in test_floors.FILES} - {"__init__", ""} <= set(test_floors.FLOOR)


def test_every_mutant_names_a_test_that_exists():
    for mutant in MUTANTS:
        file, _, name = mutant.test.partition("::")
        if not name:
            assert (TESTS / file).exists()
            continue
        functions = {n.name for n in ast.walk(ast.parse((TESTS / file).read_text())) if isinstance(n, ast.FunctionDef)}
        assert name.split("[")[0] in functions, mutant.test


def test_mutants_reach_every_lower_floor():
    assert {mutant.file.split("/")[0] for mutant in MUTANTS} >= {"ops.py", "graph", "plan", "kernels", "layers", "cells"}
