"""The eager peer of a cell: the written loop with its own weights, copied from a layer of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from unrolled.cell import Cell
from unrolled.graph.node import size
from unrolled.kernels.reference.spell import evaluate
from unrolled.plan.plan import Plan, plan_of

from .eager_source import Source, source_of

# A layer or columns of a parameter, or it itself laid out otherwise.
CUTS = ("index", "columns", "part", "flat")


@dataclass(frozen=True)
class Eager:
    """A cell in eager torch.

    source   its loop and how its weights are stacked
    leaves   stacked as a person would keep them, needing gradients where the layer's are trained; last, the
             parameters that are only read through expressions of them
    origins  the same as functions of the layer's parameters
    weights  leaves -> the loop's weights; works out expressions of parameters
    run      the loop itself, run(inputs, state, weights, dtype)

        y, state = eager(inputs, state)     # inputs (T, B, width) each, state (B, width) each; y (T, B, width)
    """

    source: Source
    leaves: tuple[Tensor, ...]
    origins: tuple[Tensor, ...]
    weights: Callable[[tuple[Tensor, ...]], list[Tensor]]
    run: Callable

    def __call__(self, inputs, state):
        return self.run(inputs, state, self.weights(self.leaves), inputs[0].dtype)


def eager_of(cell: Cell, sizes: dict[str, int], parameters: Mapping[str, Tensor]) -> Eager:
    """The eager peer with the values of `parameters` (name -> tensor). Raises NotYet
    where it cannot be written.
    """
    plan = plan_of(cell.graph)
    source = source_of(plan, sizes)
    values = _Values(plan, sizes, parameters)
    plain = [all(values.is_plain(values.node_of(piece)) for piece in parts) for parts in source.stacks.values()]
    stacks = [_stack(values, parts) for parts, is_plain in zip(source.stacks.values(), plain) if is_plain]
    rest = sorted(
        {
            name
            for parts, is_plain in zip(source.stacks.values(), plain)
            if not is_plain
            for piece in parts
            for name in values.read_by(values.node_of(piece))
        }
    )
    origins = (*stacks, *(parameters[name] for name in rest))
    leaves = tuple(w.detach().clone().requires_grad_(w.requires_grad) for w in origins)

    def weights(leaves: tuple[Tensor, ...]) -> list[Tensor]:
        kept = iter(leaves[: len(stacks)])
        derived = _Values(plan, sizes, dict(zip(rest, leaves[len(stacks) :])))
        return [
            next(kept) if is_plain else _stack(derived, parts)
            for parts, is_plain in zip(source.stacks.values(), plain)
        ]

    space = {"torch": torch, "F": torch.nn.functional}
    # Our own text, written from the cell's graph.
    exec(compile(source.text, f"<eager {cell.name}>", "exec"), space)
    return Eager(source, leaves, origins, weights, space["run"])


def _stack(values: _Values, parts) -> Tensor:
    tensors = [
        values.like.new_zeros(n) if kind == "zeros" else values[values.node_of((kind, n))] for kind, n in parts
    ]
    return tensors[0] if len(tensors) == 1 else torch.cat(tensors)


class _Values:
    """What the loop's weights are made of: nodes of the plan's outer graph, worked
    out when they are asked for.
    """

    def __init__(self, plan: Plan, sizes: dict[str, int], parameters: Mapping[str, Tensor]):
        self.plan, self.nodes, self.sizes, self.parameters = plan, plan.body.outer, sizes, parameters
        self.like = next(iter(parameters.values()), torch.empty(0))
        self.hyper = dict(plan.graph.hyper)
        self.found: dict[int, Tensor] = {}

    def node_of(self, piece: tuple[str, int]) -> int | None:
        """The outer node of a piece; None for zeros."""
        kind, n = piece
        if kind == "stream":
            return next(m for h in self.plan.body.hoisted for m, s in zip(h.matrices, h.streams) if s == n)
        if kind == "product":
            leaf = next(m for g in self.plan.groups for m, p in zip(g.matrices, g.outputs) if p == n)
            return self.plan.body.nodes[leaf].value
        return (
            {"outer": n, "zeros": None}[kind] if kind in ("outer", "zeros") else self.plan.body.nodes[n].value
        )

    def is_plain(self, index: int | None) -> bool:
        """Whether it is a parameter, or cut out of one."""
        return (
            index is None
            or self.nodes[index].op == "parameter"
            or (self.nodes[index].op in CUTS and self.is_plain(self.nodes[index].args[0]))
        )

    def read_by(self, index: int | None) -> set[str]:
        """The parameters that a node rests on."""
        if index is None:
            return set()
        node = self.nodes[index]
        return {node.value} if node.op == "parameter" else {name for a in node.args for name in self.read_by(a)}

    def __getitem__(self, index: int) -> Tensor:
        if index not in self.found:
            node = self.nodes[index]
            if node.op == "parameter":
                self.found[index] = self.parameters[node.value]
            elif node.is_leaf:
                known = {"hyper": self.hyper.get, "width": lambda d: size(d, self.sizes)}.get(
                    node.op, lambda v: v
                )
                self.found[index] = self.like.new_tensor(float(known(node.value)))
            else:
                self.found[index] = evaluate(node, [self[a] for a in node.args], self.sizes)
        return self.found[index]
