r"""`cell.latex()` read again is the same function: names, shapes, and numbers, for every cell of the zoo."""

from __future__ import annotations

import pytest
import torch

from unrolled import cell_from_latex
from unrolled.cell import REGISTRY
from unrolled.errors import UsageError
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


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (r"h_t = \tanh(W_{xh} x_t + W_{hh} h_{t-1} + b_h)", r"h_{t} &= \tanh(W_{xh} x_{t} + W_{hh} h_{t-1} + b_{h})"),
        (r"h_t = g(W^h h_{t-1} + W^x x_t + b^h)", r"h_{t} &= \tanh(W^{h} h_{t-1} + W^{x} x_{t} + b^{h})"),
        (r"c_t = f^{in}_t \odot c_{t-1} \\ f^{in}_t = \sigma(W^f_{in} x_t)",
         r"f^{\mathrm{in}}_{t} &= \sigma(W^{f}_{\mathrm{in}} x_{t})"),
        (r"h_t = (b^u)^2 + s^{(2)}_t + h_{t-1}", r"h_{t} &= (b^{u})^{2} + s_{2,t} + h_{t-1}"),
    ],
)  # fmt: skip
def test_names_come_back_as_they_were_written(text, line):
    made = cell_from_latex(text)
    assert line in made.latex()
    again = cell_from_latex(made.latex())
    assert again.latex() == made.latex()
    assert type(made).from_json(made.to_json()).latex() == made.latex()


def test_symbols_of_a_stored_cell_are_only_parts_of_its_names():
    data = cell_from_latex(r"h_t = W^x x_t + h_{t-1}").to_json()
    data["symbols"] = {"W_x": r"\input{x}^evil^x"}
    text = type(REGISTRY["lstm"]).from_json(data).latex()
    assert "W^{x} x_{t}" in text and "evil" not in text and "input" not in text
    for wrong in ({"W_y": "W^y"}, {"W_x": 3}, []):
        with pytest.raises(UsageError, match="this is not a stored cell: .*symbols"):
            type(REGISTRY["lstm"]).from_json(data | {"symbols": wrong})
