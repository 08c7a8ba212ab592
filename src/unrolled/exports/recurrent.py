"""Recurrent layers: their states as inputs and outputs of the file, and each layer as
an operator or as loops.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from ..cell import Cell, find
from ..graph.node import Dim, size
from ..layers.recurrent import Recurrent
from ..layers.torch_calls import named_as_cells
from ..layers.weights import Named
from .loop import write_direction
from .standard import standard_of, write_standard
from .writing import ModuleWriting, Wire


@dataclass(frozen=True)
class Layers:
    """A recurrent module as data: the cell that evaluation runs, and for each layer its widths.

    weights  for each layer and direction: layer 0, layer 0 reversed, layer 1, ...
    """

    cell: Cell
    sizes: tuple[Mapping[Dim, int], ...]
    weights: tuple[Named, ...]
    batch_first: bool

    @property
    def directions(self) -> int:
        return len(self.weights) // len(self.sizes)

    def width(self, kind: str, name: str) -> int:
        return self._wide(self.cell.graph.shape(kind, name))

    def output(self, layer: int) -> int:
        """How wide a layer's output is, in one direction."""
        return self._wide(self.cell.graph.nodes[self.cell.graph.output].shape, layer)

    def _wide(self, shape: Sequence[Dim], layer: int = 0) -> int:
        return size(shape[0], dict(self.sizes[layer])) if shape else 1


def layers_of(module: nn.Module) -> Layers:
    """A `Recurrent`'s, or those of a layer with torch.nn's parameters: LSTM, GRU or RNN."""
    if isinstance(module, Recurrent):
        stack = module.evaluated
        weights = tuple(w.named() for w in module._weights())
        return Layers(module.cell.evaluation, stack.sizes, weights, module.batch_first)
    cell, widths = cell_of_torchs(module)
    above = (module.proj_size or module.hidden_size) * (2 if module.bidirectional else 1)
    sizes = tuple(
        {"I": above if k else module.input_size, "H": module.hidden_size, **widths}
        for k in range(module.num_layers)
    )
    return Layers(cell, sizes, tuple(named_as_cells(module)), module.batch_first)


def cell_of_torchs(module: nn.RNNBase) -> tuple[Cell, dict[Dim, int]]:
    """The cell with the equations of a layer of torch's, and its widths beside I and H."""
    if module.proj_size:
        return find("lstm_projected"), {"O": module.proj_size}
    mode = module.mode.lower()
    if mode.startswith("rnn_"):
        return find("elman").using(nonlinearity=mode.removeprefix("rnn_")), {}
    return find(mode), {}


def write_layers(writing: ModuleWriting, layers: Layers, given: Sequence[Wire], path: str, prefix: str) -> Wire:
    """given: the cell's inputs. The output, (T, B, width x directions), or (B, T, ·) with batch_first.

    path    before the names of weights: "rnn."
    prefix  before the names of states
    """
    net, cell = writing.net, layers.cell
    writing.cells.append(cell)
    given = [_time_first(writing, wire, layers.batch_first) for wire in given]
    state, last = _state_inputs(writing, layers, prefix), {name: [] for name in cell.states}
    for layer, sizes in enumerate(layers.sizes):
        at = slice(layer * layers.directions, (layer + 1) * layers.directions)
        standard = _standard(writing, cell, given[0], sizes["H"])
        if standard is not None:
            mine = [_rows(net, s, at, len(layers.weights)) for s in state]
            y, new = write_standard(
                writing, standard, layers.weights[at], given[0], mine, sizes["H"], f"{path}layers.{layer}."
            )
        else:
            y, new = _loops(writing, layers, layer, given, state, path)
        writing.made[f"{path}layers.{layer}"] = standard[0].kind if standard else "Scan" if new else "equations"
        for name, value in zip(cell.states, new):
            last[name].append(value)
        given = [Wire(y, layers.output(layer) * layers.directions), *given[1:]]
    for name, values in last.items() if writing.keeps else ():
        shape = (len(layers.weights), "batch", layers.width("state", name))
        net.output(f"{prefix}{name}_out", net.joined(values, 0), net.dtype, shape)
    return _time_first(writing, given[0], layers.batch_first)


def _standard(writing: ModuleWriting, cell: Cell, x: Wire, hidden: int):
    """ONNX's own operator for the cell, where one is wanted and would do: onnxruntime's are of float32 only,
    and multiply with one-hot rows where a loop looks products up. Measured on one core, at H 256 and 100 steps,
    LSTM against Scan: 0.9 and 1.7 ms with 65 characters, 1.8 and 1.7 with 1,024, 18 and 1.7 with 16,384."""
    if writing.generic or writing.net.dtype is not torch.float32:
        return None
    found = standard_of(cell.graph)
    return None if found and x.indices and x.width > len(found[0].inner) * hidden else found


def _time_first(writing: ModuleWriting, wire: Wire, batch_first: bool) -> Wire:
    """(B, T, ·) to (T, B, ·), or back."""
    if not batch_first:
        return wire
    perm = [1, 0] if wire.indices or wire.number else [1, 0, 2]
    name = writing.net.op("Transpose", wire.name, attributes={"perm": perm})
    return Wire(name, wire.width, wire.indices, wire.number)


def _state_inputs(writing: ModuleWriting, layers: Layers, prefix: str) -> list[str]:
    """(layers x directions, B, width) each."""
    made = []
    for name in layers.cell.states:
        rows, width = len(layers.weights), layers.width("state", name)
        if not writing.keeps:
            made.append(_first(writing, rows, width, layers.cell.start.get(name, 0.0)))
            continue
        made.append(writing.net.input(f"{prefix}{name}_in", writing.net.dtype, (rows, "batch", width)))
        writing.starts[made[-1]] = layers.cell.start.get(name, 0.0)
    return made


def _first(writing: ModuleWriting, rows: int, width: int, value: float) -> str:
    """A state's first values (rows, B, width)."""
    net = writing.net
    shape = net.joined([net.whole(rows), writing.steps.batch, net.whole(width)], 0)
    return net.op("Expand", net.number(value), shape)


def _rows(net, state: str, at: slice, count: int) -> str:
    """A layer's part of a state, all its directions."""
    if at.stop - at.start == count:
        return state
    return net.op("Slice", state, net.whole(at.start), net.whole(at.stop), net.whole(0))


def _loops(
    writing: ModuleWriting, layers: Layers, layer: int, given, state, path: str
) -> tuple[str, list[str]]:
    """A layer as one loop for each direction: its output, and its last states, (directions, B, width) each."""
    net = writing.net
    given = [Wire(net.op("Unsqueeze", w.name, net.whole(-1)), 1) if w.number else w for w in given]
    outputs, last = [], [[] for _ in state]
    for direction in range(layers.directions):
        at = layer * layers.directions + direction
        y, new = write_direction(
            writing,
            layers.cell.graph,
            layers.sizes[layer],
            layers.weights[at],
            given,
            [net.at(s, at) for s in state],
            direction == 1,
            f"{path}{'reversed' if direction else 'layers'}.{layer}.",
        )
        outputs.append(y)
        for values, value in zip(last, new):
            values.append(net.op("Unsqueeze", value, net.whole(0)))
    return net.joined(outputs, -1), [net.joined(values, 0) for values in last]
