"""The eager peer of a cell: the written loop with its own weights, copied from a layer of ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from unrolled.cell import Cell
from unrolled.graph.node import size
from unrolled.kernels import Call, Schedule, prepare

from .eager_source import Source, source_of


@dataclass(frozen=True)
class Eager:
    """A cell in eager torch.

    source   its loop and how its weights are stacked
    weights  stacked as a person would keep them, one leaf each, float, needing gradients
    run      the loop itself, run(inputs, state, weights, dtype)

        y, state = eager(inputs, state)     # inputs (T, B, width) each, state (B, width) each; y (T, B, width)
    """

    source: Source
    weights: tuple[Tensor, ...]
    run: Callable

    def __call__(self, inputs, state):
        return self.run(inputs, state, self.weights, inputs[0].dtype)


def eager_of(cell: Cell, sizes: dict[str, int], parameters: dict[str, Tensor]) -> Eager:
    """The eager peer with the values of `parameters` (name -> tensor). Raises NotYet where it cannot be written."""
    call = prepared(cell, sizes, parameters)
    source = source_of(call.plan, sizes)
    weights = tuple(w.detach().clone().requires_grad_() for w in stacked(source, call))
    space = {"torch": torch, "F": torch.nn.functional}
    exec(compile(source.text, f"<eager {cell.name}>", "exec"), space)      # our own text, written from the cell's graph
    return Eager(source, weights, space["run"])


def prepared(cell: Cell, sizes: dict[str, int], parameters: dict[str, Tensor]) -> Call:
    """The cell's plan with these parameters, expressions of parameters evaluated; inputs are placeholders."""
    like = next(iter(parameters.values()))

    def zeros(kind: str, name: str) -> Tensor:
        shape = cell.graph.shape(kind, name)
        return like.new_zeros(1, size(shape[0], sizes) if shape else 1)

    inputs, state = [zeros("input", n) for n in cell.inputs], [zeros("state", n) for n in cell.states]
    named = {(name,): tensor for name, tensor in parameters.items()}
    return prepare(cell.graph, sizes, inputs, state, named, Schedule(1, 1))


def stacked(source: Source, call: Call) -> list[Tensor]:
    """The tensors that the loop's weights are made of, in its order, as functions of the parameters."""
    pieces = _pieces(call)
    result = []
    for parts in source.stacks.values():
        tensors = [call.vectors.new_zeros(n) if kind == "zeros" else pieces[kind, n] for kind, n in parts]
        result.append(tensors[0] if len(tensors) == 1 else torch.cat(tensors))
    return result


def _pieces(call: Call) -> dict[tuple[str, int], Tensor]:
    """Each parameter that the body reads, by kind and by the node that it makes or is."""
    plan, found = call.plan, {}
    for hoisted, weights in zip(plan.body.hoisted, call.hoisted):
        parts = weights.split([call.width(w) for w in hoisted.widths])
        found.update((("stream", s), part) for s, part in zip(hoisted.streams, parts))
    for group, weights in zip(plan.groups, call.weights):
        parts = weights.split([call.width(w) for w in group.widths])
        found.update((("product", p), part) for p, part in zip(group.outputs, parts))
    widths = [call.width(plan.body.nodes[v].shape[0]) for v in plan.vectors]
    found.update((("vector", v), part) for v, part in zip(plan.vectors, call.vectors.split(widths) if widths else ()))
    found.update((("number", v), part) for v, part in zip(plan.numbers, call.numbers.unbind(0)))
    return found
