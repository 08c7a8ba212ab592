"""Asking for cells, hyper-parameters and stored cells that are none: what the answer says."""

from __future__ import annotations

import pytest

from unrolled import Cell, find
from unrolled.cell import register
from unrolled.cells import REGISTRY
from unrolled.errors import CellError, UsageError


def test_an_unknown_cell_is_answered_by_its_neighbours():
    with pytest.raises(UsageError) as raised:
        find("lsmt")
    assert str(raised.value).startswith("there is no cell called 'lsmt'. Did you mean lstm or ")
    with pytest.raises(UsageError) as raised:
        find("transformer-xl")
    assert str(raised.value) == "there is no cell called 'transformer-xl'. `unrolled cells` lists them."


@pytest.mark.parametrize(
    "name, values, expected",
    (
        ("lem", {"d": 3}, "lem.using(d=...): lem has no d. It takes dt."),
        ("gru", {"dt": 3}, "gru.using(dt=...): gru has no dt. It takes no hyper-parameters."),
        ("jordan", {"P": 3}, "jordan.using(P=...): jordan has no P. It takes nonlinearity, O."),
        ("lem", {"dt": "a"}, "lem.using(dt='a'): dt is a number, for instance 1.0."),
        ("rhn", {"depth": 2.5}, "rhn.using(depth=2.5): depth is a whole number, for instance 3."),
        (
            "elman",
            {"nonlinearity": 1},
            "elman.using(nonlinearity=1): nonlinearity is a text, for instance 'tanh'.",
        ),
    ),
)
def test_using_what_a_cell_does_not_have(name, values, expected):
    with pytest.raises(UsageError) as raised:
        REGISTRY[name].using(**values)
    assert str(raised.value) == expected


def test_two_cells_of_one_name():
    with pytest.raises(CellError, match="two cells are called gru; rename one"):
        register(REGISTRY["gru"])


def test_a_stored_cell_runs_node_by_node():
    """It has no Python function; its equations are the function."""
    stored = Cell.from_json(REGISTRY["gru"].to_json())
    with pytest.raises(UsageError) as raised:
        stored(1.0, 2.0)
    assert str(raised.value) == (
        "gru was called without its parameter W_r. Give W_r, U_r, b_r, W_z, U_z, b_z, W_n, U_n, b_n, c_n "
        "by name."
    )
    with pytest.raises(UsageError) as raised:
        stored(1.0)
    assert str(raised.value) == "gru takes x, h: 2 values, and 1 were given."
    mingru = Cell.from_json(REGISTRY["mingru"].to_json())
    with pytest.raises(UsageError) as raised:
        mingru(1.0, 2.0, W_z=1, b_z=1, W_n=1, b_n=1, U=1)
    assert str(raised.value) == "mingru was called with U, which it does not have. It has W_z, b_z, W_n, b_n."


@pytest.mark.parametrize("data", ({}, {"name": "x"}, [], None, 3))
def test_data_that_is_no_cell(data):
    with pytest.raises(UsageError, match="this is not a stored cell"):
        Cell.from_json(data)


@pytest.mark.parametrize(
    "change",
    (
        {"output": 10_000},
        {"output": -1},
        {"new_states": [4, 10_000]},
        {"nodes": [["add", [0, 1], None, []]]},
        {"nodes": 7},
        {"hyper": [["dt", "x"]]},
    ),
)
def test_a_damaged_graph(change):
    data = REGISTRY["lstm"].to_json()
    with pytest.raises(UsageError, match="this is not a stored cell"):
        Cell.from_json({**data, "graph": {**data["graph"], **change}})


def test_an_unknown_primitive_in_a_file():
    data = REGISTRY["elman"].to_json()
    nodes = [["eval" if op == "tanh" else op, *rest] for op, *rest in data["graph"]["nodes"]]
    with pytest.raises(UsageError, match="this is not a stored cell"):
        Cell.from_json({**data, "graph": {**data["graph"], "nodes": nodes}})
