"""Cells whose equations are those of ONNX's own operators LSTM, GRU and RNN, and how those want their weights.

Source: onnx, docs/Operators.md. What is compared is the graph, so that a cell of the same lines
under other names is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from ..cell import find
from ..graph.node import Graph
from ..layers.weights import Named
from .equations import one_hot
from .writing import ModuleWriting, Wire


@dataclass(frozen=True)
class Standard:
    """An operator, and a cell with its equations. Gates stand in the operator's order; "" is a bias of zero.

    peepholes  what multiplies the cell state, in the operator's order
    """

    kind: str
    cell: str
    inner: tuple[str, ...]  # W, the input's
    outer: tuple[str, ...]  # R, the state's
    biases: tuple[str, ...]  # Wb, then Rb
    attributes: Mapping[str, object]
    peepholes: tuple[str, ...] = ()
    nonlinearity: str = ""


def _lstm(cell: str, peepholes: tuple[str, ...] = ()) -> Standard:
    gates = "iofg"
    w, u, b = (tuple(f"{letter}_{gate}" for gate in gates) for letter in "WUb")
    return Standard("LSTM", cell, w, u, (*b, "", "", "", ""), {}, peepholes)


def _gru(cell: str, biases: tuple[str, ...], after: int) -> Standard:
    w, u = (tuple(f"{letter}_{gate}" for gate in "zrn") for letter in "WU")
    return Standard("GRU", cell, w, u, biases, {"linear_before_reset": after})


STANDARD = (
    _lstm("lstm"),
    _lstm("peephole_lstm", ("p_i", "p_o", "p_f")),
    _gru("gru", ("b_z", "b_r", "b_n", "", "", "c_n"), 1),
    _gru("gru_reset_before", ("b_z", "b_r", "b_n", "", "", ""), 0),
    *(
        Standard("RNN", "elman", ("W",), ("U",), ("b", ""), {"activations": [name.title()]}, (), name)
        for name in ("tanh", "relu", "sigmoid", "softplus")
    ),
)


@lru_cache(maxsize=512)
def standard_of(graph: Graph) -> tuple[Standard, dict[str, str]] | None:
    """The operator whose equations these are, and what its cell's parameters are called here;
    None where there is none.
    """
    for row in STANDARD:
        cell = find(row.cell)
        cell = cell.using(nonlinearity=row.nonlinearity) if row.nonlinearity else cell
        names = same_equations(cell.graph, graph)
        if names is not None:
            return row, names
    return None


def same_equations(known: Graph, graph: Graph) -> dict[str, str] | None:
    """The second graph's name for each parameter of the first, where they differ in names alone; else None."""
    if len(known.nodes) != len(graph.nodes) or (known.output, known.new_states) != (
        graph.output,
        graph.new_states,
    ):
        return None
    names: dict[str, str] = {}
    for a, b in zip(known.nodes, graph.nodes):
        if (a.op, a.args, a.shape) != (b.op, b.args, b.shape):
            return None
        if a.op == "parameter":
            names[a.value] = b.value
        elif a.op == "state":
            if known.states.index(a.value) != graph.states.index(b.value):
                return None
        elif a.op != "input" and a.value != b.value:
            return None
    return names if len(known.inputs) == len(graph.inputs) else None


def write_standard(
    writing: ModuleWriting,
    found: tuple[Standard, Mapping[str, str]],
    weights: Sequence[Named],
    x: Wire,
    state: Sequence[str],
    hidden: int,
    path: str,
) -> tuple[str, list[str]]:
    """A layer in all its directions: weights for each; x (T, B, I); state (directions, B, H) each.

    The output's name, (T, B, H x directions), and those of the last states.
    """
    (row, names), net = found, writing.net
    named = [_each(w, names) for w in weights]
    values = one_hot(net, x.name, x.width) if x.indices else x.name
    inputs = [
        values,
        _matrices(writing, named, row.inner, path),
        _matrices(writing, named, row.outer, path),
        _vectors(writing, named, row.biases, hidden, f"{path}biases"),
        _row_lengths(writing),
        *state,
    ]
    if row.peepholes:
        inputs.append(_vectors(writing, named, row.peepholes, hidden, f"{path}peepholes"))
    attributes = {"hidden_size": hidden, "direction": "bidirectional" if len(named) == 2 else "forward"}
    activations = {k: v * len(named) for k, v in row.attributes.items() if k == "activations"}
    y, *last = net.ops(
        row.kind, inputs, 1 + len(state), {**attributes, **row.attributes, **activations}, f"{path}{row.kind}"
    )
    y = net.op("Transpose", y, attributes={"perm": [0, 2, 1, 3]})
    y = net.op("Reshape", y, net.whole(0, 0, hidden * len(named)))
    return y, [_or_first(writing, new, old) for new, old in zip(last, state)]


def _each(weights: Named, names: Mapping[str, str]) -> dict[str, tuple[Tensor, Tensor]]:
    """The operator's names -> values, and the tensors that they are cut from."""
    found = {}
    for together, tensor in weights.items():
        for name, part in zip(together, tensor.detach().cpu().chunk(len(together))):
            found[name] = (part, tensor)
    return {known: found[here] for known, here in names.items()}


def _matrices(writing: ModuleWriting, named: Sequence[Mapping], gates: Sequence[str], path: str) -> str:
    """(directions, gates x H, depth)."""
    net = writing.net
    tensors = [each[gate][0] for each in named for gate in gates]
    labels = [f"{gate}{direction or ''}" for direction in range(len(named)) for gate in gates]
    sources = dict(zip(labels, [each[gate][1] for each in named for gate in gates]))
    matrix = writing.matrices.stack(tensors, labels, sources, path)
    return net.op("Reshape", matrix.rows(), net.whole(len(named), -1, tensors[0].shape[1]))


def _vectors(
    writing: ModuleWriting, named: Sequence[Mapping], gates: Sequence[str], hidden: int, name: str
) -> str:
    """(directions, gates x H); zeros where there is no gate."""
    nothing = torch.zeros(hidden, dtype=writing.net.dtype)
    rows = [torch.cat([each[gate][0] if gate else nothing for gate in gates]) for each in named]
    return writing.net.constant(torch.stack(rows), name)


def _row_lengths(writing: ModuleWriting) -> str:
    """int32 (B,), at most T; "" where every row has every step."""
    net, steps = writing.net, writing.steps
    if steps.lengths is None:
        return ""
    ends = net.op("Max", net.op("Min", steps.lengths, steps.time), net.whole(0))
    return net.op(
        "Cast", net.op("Expand", ends, steps.batch), attributes={"to": torch.int32}, name="row_lengths"
    )


def _or_first(writing: ModuleWriting, new: str, old: str) -> str:
    """The last state, (directions, B, H); where a row has no step, for which onnxruntime
    gives zero, the one before.
    """
    net, steps = writing.net, writing.steps
    if steps.lengths is None:
        return new
    ends = net.op("Min", steps.lengths, steps.time)
    runs = net.op("Unsqueeze", net.op("Less", net.whole(0), ends), net.whole(-1))
    return net.op("Where", runs, new, old)
