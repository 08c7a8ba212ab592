r"""`cell.latex()` read again is the same function: names, shapes, and numbers, for every cell of the zoo."""

from __future__ import annotations

import pytest
import torch

from unrolled import cell_from_latex
from unrolled.cell import REGISTRY
from unrolled.graph.node import size

# Cells that LaTeX cannot say, each with the reason.
CANNOT: dict[str, str] = {}
WIDTHS = {"I": 3, "H": 4, "O": 2}


def leaves(cell, sizes) -> dict[str, tuple[int, ...]]:
    graph = cell.graph
    settings = {n.value: () for n in graph.nodes if n.op == "hyper"}
    found = {
        name: tuple(size(dim, sizes) for dim in graph.shape(kind, name))
        for kind, names in (("input", cell.inputs), ("state", cell.states), ("parameter", cell.parameters))
        for name in names
    }
    return {**settings, **found}


@pytest.mark.parametrize("name", sorted(set(REGISTRY) - CANNOT.keys()))
def test_the_zoo_is_read_from_its_own_print(name):
    cell = REGISTRY[name]
    again = cell_from_latex(cell.latex(), f"{name}_again")
    sizes = WIDTHS if "I" in cell.graph.dims and cell.graph.clashes == () else {**WIDTHS, "I": 4}
    wanted = leaves(cell, sizes)
    assert leaves(again, sizes) == wanted
    assert set(again.inputs) == set(cell.inputs) and set(again.states) == set(cell.states)
    torch.manual_seed(0)
    values = {n: torch.rand(shape, dtype=torch.float64) - 0.3 for n, shape in wanted.items()}
    values |= {n: torch.tensor(v, dtype=torch.float64) for n, v in cell.hyper.items() if n in wanted}
    values |= {n: values[n].abs() for n in (*cell.inputs, *cell.states)}  # logarithms, and times
    for got, expected in zip(results(again, values), results(cell, values)):
        torch.testing.assert_close(got, expected, equal_nan=True)


def results(cell, values) -> list:
    """The output, then the new states in the order of their names."""
    made = cell(*(values[n] for n in (*cell.inputs, *cell.states)), **{n: values[n] for n in cell.parameters})
    made = made if isinstance(made, tuple) else (made,)
    states = dict(zip(cell.states, made[len(made) - len(cell.states) :]))
    return [made[0], *(states[n] for n in sorted(states))]
