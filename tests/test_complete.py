"""Nothing registered goes untested: every cell, primitive, backend and test module stands in the
lists that tests run over.
"""

from __future__ import annotations

import ast
from pathlib import Path

import generated
import instances
import pytest
import test_cells
import test_floors
import test_layers
import test_ops
import test_plan
import test_random_cells
import test_wholes
import together
import torch
from mutants import MUTANTS

import unrolled
from unrolled.cell import Cell
from unrolled.cells import FAMILIES, REGISTRY
from unrolled.kernels import BACKENDS
from unrolled.ops import OPS
from unrolled.references import references

TESTS = Path(__file__).parent
ROOT = Path(unrolled.__file__).parent
PROPERTIES = (
    "test_values_and_gradients",
    "test_an_index_is_a_one_hot_row",
    "test_parameters_stacked_as_the_plan_packs_them",
    "test_no_steps_leave_the_state",
    "test_a_loss_may_use_one_result_only",
    "test_each_gradient_alone",
    "test_strides_do_not_matter",
    "test_what_the_caller_gives_is_left_alone",
)
C_PROPERTIES = (
    "test_inference_is_the_training_forward",
    "test_two_forwards_before_a_backward",
    "test_backward_twice",
    "test_gradients_of_gradients_are_the_references",
    "test_nan_and_infinity_come_out_where_they_should",
    "test_every_case_in_every_way_as_users_build",
)
LAYER_PROPERTIES = (
    "test_a_layer_is_the_authors_function_step_by_step",
    "test_steps_and_chunks_equal_the_sequence",
    "test_two_layers_both_ways_equal_four_single_layers",
    "test_rows_of_different_lengths_equal_each_row_alone",
    "test_padding_of_nan_never_leaks",
    "test_an_index_is_a_one_hot_row",
)
ALL = [
    (backend, name)
    for backend in BACKENDS
    for name in REGISTRY
    if backend != "c" or name not in instances.REFERENCE_ONLY
]


def parametrised(function) -> dict[str, list]:
    """Names of a test's parameters, as they are grouped, and the values that they run over."""
    found = {}
    for mark in getattr(function, "pytestmark", []):
        if mark.name == "parametrize":
            values = [getattr(v, "values", v) for v in mark.args[1]]
            found[mark.args[0]] = [v[0] if isinstance(v, tuple) and len(v) == 1 else v for v in values]
    return found


def runs_over(function, *wanted: str) -> list[tuple]:
    """The combinations of these parameters that a test runs over."""
    ((group, values),) = [
        (k.split(", "), v) for k, v in parametrised(function).items() if wanted[0] in k.split(", ")
    ]
    return [tuple(v[group.index(w)] for w in wanted) if len(group) > 1 else (v,) for v in values]


def test_every_cell_of_every_family_is_registered():
    made = {value.name for family in FAMILIES for value in vars(family).values() if isinstance(value, Cell)}
    files = [path for path in (ROOT / "cells").rglob("*.py") if path.name != "__init__.py"]
    assert made == set(REGISTRY) and len(FAMILIES) == len(files)


def test_a_cells_family_is_its_file_or_folder_and_its_year_that_of_its_first_paper():
    """Nobody types them; one cell's equations are its second paper's."""
    for family in FAMILIES:
        place = Path(family.__file__).relative_to(ROOT / "cells")
        for found in (value for value in vars(family).values() if isinstance(value, Cell)):
            assert found.family == place.with_suffix("").parts[0].replace("_", " "), found.name
            paper = "gers2000" if found.name == "lstm" else found.cite[0]
            assert found.year == references()[paper].year, found.name


@pytest.mark.parametrize("name", PROPERTIES)
def test_every_cell_is_in_every_property_test_on_every_backend(name):
    assert set(runs_over(getattr(test_cells, name), "backend", "name")) == set(ALL)


@pytest.mark.parametrize("name", C_PROPERTIES)
def test_every_cell_is_in_every_property_test_of_the_c_backend(name):
    assert {("c", *found) for found in runs_over(getattr(test_cells, name), "name")} == {
        (b, n) for b, n in ALL if b == "c"
    }


@pytest.mark.parametrize("name", LAYER_PROPERTIES)
def test_every_cell_is_in_every_test_of_the_layers(name):
    assert set(runs_over(getattr(test_layers, name), "backend", "name")) == set(ALL)


@pytest.mark.parametrize(
    "test",
    (test_cells.test_values_and_gradients, test_layers.test_a_layer_is_the_authors_function_step_by_step),
    ids=lambda test: test.__name__,
)
def test_every_cell_runs_in_both_precisions(test):
    assert len(instances.DTYPES) == 2
    assert set(runs_over(test, "backend", "dtype", "name")) == {
        (b, d, n) for b, n in ALL for d in instances.DTYPES
    }


def test_every_cell_is_exported():
    pytest.importorskip("onnxruntime")
    import test_export

    found = parametrised(test_export.test_a_cell_in_onnxruntime_is_the_cell)
    assert found["name"] == sorted(REGISTRY)
    ways = {way[:3] for way in found["dtype, both, generic"]}
    assert {(both, generic) for dtype, both, generic in ways if dtype is torch.float32} == {
        (False, False),
        (False, True),
        (True, False),
        (True, True),
    }


def test_what_c_does_not_run_is_tested_to_be_refused():
    refused = parametrised(test_cells.test_c_refuses_what_it_cannot_spell)["name"]
    assert set(refused) == set(REGISTRY) - set(instances.C_CELLS) and not set(refused) & set(together.STARTERS)


def test_every_starter_is_in_the_tests_of_the_plan():
    assert set(test_plan.SHAPES) >= set(together.STARTERS)
    assert parametrised(test_plan.test_backward_mirrors_forward)["name"] == instances.CELLS


@instances.needs_compiler
@pytest.mark.parametrize("family", sorted(set(together.homes().values())))
def test_every_family_builds_as_one_file(family):
    """Where it does not, its cells would silently be built one by one, which takes many times as long."""
    for precision in ("float64", "float32"):
        assert set(together.family(family, precision)) == {
            graph for graph, home in together.homes().items() if home == family
        }


def test_every_sabotage_finds_its_line():
    for mutant in MUTANTS:
        assert mutant.old in (ROOT / mutant.file).read_text(encoding="utf-8"), mutant


def test_every_backend_is_a_folder_and_every_folder_a_backend():
    folders = {p.name for p in (ROOT / "kernels").iterdir() if (p / "__init__.py").exists()}
    assert folders == set(BACKENDS)
    assert all(list((ROOT / "kernels" / name).rglob("spell.py")) for name in BACKENDS)


def test_every_primitive_is_in_the_tests_of_the_primitives():
    elementwise = {n for n, op in OPS.items() if op.shape == "same" and op.arity > 0}
    assert set(parametrised(test_ops.test_the_gradient_is_autograds)["name"]) == elementwise - {"spread"}
    for name in (
        "test_c_is_the_reference_in_float64",
        "test_c_is_the_reference_in_float32",
        "test_the_reference_is_the_authors_function",
    ):
        assert set(parametrised(getattr(test_ops, name))["name"]) == elementwise
    others = {
        "product",
        "product_t",
        "products_t",
        "outer",
        "sum",
        "spread",
        "concat",
        "part",
        "columns",
        "transpose",
        "index",
        *test_wholes.TORCHS.keys() & OPS.keys(),
        "size",
        "cumsum_back",
        "bilinear",
        "kron",
        "kron_left",
        "kron_right",
        "flat",
        "matrix_exp",
        "softmax_columns",
        "block_diagonal",
    }
    assert set(OPS) == elementwise | others, "a primitive of a new kind needs a test of its own in test_ops.py"


def test_random_cells_know_every_function_of_the_language():
    """What `import unrolled` offers for equations is what the generator may draw."""
    offered = {
        n.id for n in ast.walk(ast.parse((TESTS / "generated.py").read_text())) if isinstance(n, ast.Name)
    }
    assert offered and set(generated.LANGUAGE) == {
        name
        for name, value in vars(unrolled).items()
        if getattr(value, "__module__", "") == "unrolled.ops.functions" and name not in ("activation", "held")
    }
    text = " ".join(
        (*generated.UNARY, *generated.BINARY, *generated.OF_A_VECTOR, *generated.MATRICES, "concat(")
    )
    assert all(f"{name}(" in text for name in generated.LANGUAGE)


def test_every_way_of_the_c_backend_is_drawn():
    assert {(split, blas) for _, split, blas in instances.WAYS} >= {
        (False, False),
        (True, False),
        (False, True),
    }
    assert any(rows.sizes for rows in test_random_cells.STEP_ROWS)
    assert any(rows.reverse for rows in test_random_cells.STEP_ROWS)


def test_every_module_stands_on_a_floor():
    assert {test_floors.noun(p) for p in test_floors.FILES} - {"__init__", ""} <= set(test_floors.FLOOR)


def test_every_mutant_names_a_test_that_exists():
    for mutant in MUTANTS:
        file, _, name = mutant.test.partition("::")
        if not name:
            assert (TESTS / file).exists()
            continue
        functions = {
            n.name for n in ast.walk(ast.parse((TESTS / file).read_text())) if isinstance(n, ast.FunctionDef)
        }
        assert name.split("[")[0] in functions, mutant.test


def test_mutants_reach_every_lower_floor():
    assert {mutant.file.split("/")[0] for mutant in MUTANTS} >= {
        "ops",
        "graph",
        "plan",
        "kernels",
        "layers",
        "cells",
    }
