"""A cell's equations as ONNX operators: what is known when the file is written is worked out by
torch, the rest is spelled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..errors import NotYet
from ..graph.node import Dim, Node, needed, size
from ..kernels.reference.spell import evaluate
from ..ops import OPS
from .matrices import Matrix
from .net import OnnxGraph
from .spell import SPELL


@dataclass
class CellNodes:
    """Nodes of a graph and what is known of them.

    known    values that are known now: parameters, numbers, and what is made of them
    wires    names of values that a call of the model brings: (..., width) each
    last     how wide each wire is; a number is one wide
    lookups  inputs that are indices, int64, by the node that they stand for as one-hot rows
    like     the name of a value with all axes before the width, of which there are so many: `axes`
    stack    makes one matrix of those of several products; a name for each that is a
             parameter itself, else None
    named    what the author calls a node
    """

    net: OnnxGraph
    nodes: Sequence[Node]
    sizes: Mapping[Dim, int]
    hyper: Mapping[str, float]
    stack: Callable[[Sequence[Tensor], Sequence[str | None]], Matrix]
    like: str
    axes: int
    named: Mapping[int, str]
    known: dict[int, Tensor] = field(default_factory=dict)
    wires: dict[int, str] = field(default_factory=dict)
    last: dict[int, int] = field(default_factory=dict)
    lookups: dict[int, str] = field(default_factory=dict)
    parameters: dict[int, str] = field(default_factory=dict)  # names of nodes that are a parameter as it is

    def give(self, index: int, name: str, width: int) -> None:
        """A value that a call brings."""
        self.wires[index], self.last[index] = name, width

    def write(self, roots: Sequence[int]) -> None:
        """Spells every node that the roots rest on."""
        ends = {*self.known, *self.wires, *self.lookups}
        wanted = [i for i in needed(self.nodes, roots, ends) if i not in ends]
        for node in (self.nodes[i] for i in wanted):
            if node.is_leaf or all(a in self.known for a in node.args):
                self.known[node.index] = self._now(node)
        wanted = [i for i in wanted if i not in self.known]
        products = [self.nodes[i] for i in wanted if self.nodes[i].op == "product"]
        for index in wanted:
            node = self.nodes[index]
            if node.op == "product" and index not in self.wires:
                self._together([p for p in products if p.args[1] == node.args[1]])
            elif index not in self.wires:
                made = self._spelled(node)
                if index in self.named and made not in self.wires.values():  # `h = c` is c itself
                    made = self.net.call(made, self.named[index])
                self.give(index, made, self._width(node))

    def _now(self, node: Node) -> Tensor:
        if node.op in ("constant", "hyper"):
            value = node.value if node.op == "constant" else self.hyper[node.value]
            return torch.tensor(value, dtype=self.net.dtype)
        if node.op == "width":
            return torch.tensor(float(size(node.value, dict(self.sizes))), dtype=self.net.dtype)
        return evaluate(node, [self.known[a] for a in node.args], dict(self.sizes))

    def _together(self, products: Sequence[Node]) -> None:
        """All products with one operand, as one, in the order of their matrices."""
        products, operand = sorted(products, key=lambda p: p.args[0]), products[0].args[1]
        tensors = [self.known[p.args[0]] for p in products]
        matrix = self.stack(tensors, [self.parameters.get(p.args[0]) for p in products])
        if operand in self.lookups:
            made = matrix.looked_up(self.lookups[operand])
        else:
            made = self.net.op("MatMul", self.full(operand, tensors[0].shape[1]), matrix.whole())
        widths = [len(t) for t in tensors]
        for product, part, width in zip(products, self.net.split(made, widths), widths):
            self.give(product.index, part, width)

    def _spelled(self, node: Node) -> str:
        if node.op == "concat":
            parts = [self.full(a, size(self.nodes[a].shape[0], dict(self.sizes))) for a in node.args]
            return self.net.joined(parts, -1)
        if node.op not in SPELL:
            raise NotYet(f"{OPS[node.op].name} of values that change with time has no spelling in ONNX yet.")
        made = SPELL[node.op](self.net, *(self.wire(a) for a in node.args))
        if node.op == "kron":
            shape = self.net.whole(*[0] * self.axes, self._width(node))  # 0 is the axis as it is
            made = self.net.op("Reshape", made, shape)
        return made

    def _width(self, node: Node) -> int:
        if node.op in ("sum", "largest"):
            return 1
        widths = [self.width(a) for a in node.args]
        if node.op == "concat":
            return sum(size(self.nodes[a].shape[0], dict(self.sizes)) for a in node.args)
        return widths[0] * widths[1] if node.op == "kron" else max(widths)

    def width(self, index: int) -> int:
        """How wide a value is."""
        if index in self.lookups:
            shape = self.nodes[index].shape
            return size(shape[0], dict(self.sizes)) if shape else 1
        if index in self.known:
            return self.known[index].shape[-1] if self.known[index].dim() else 1
        return self.last[index]

    def wire(self, index: int) -> str:
        """The name of a value, whatever it is."""
        if index in self.known:
            return self.net.constant(self.known[index].to(self.net.dtype), self.named.get(index, "constant"))
        if index in self.lookups and index not in self.wires:
            self.give(index, one_hot(self.net, self.lookups[index], self.width(index)), self.width(index))
        return self.wires[index]

    def full(self, index: int, width: int) -> str:
        """The name of a value with every axis: (..., width)."""
        made = self.wire(index)
        if index not in self.known and self.width(index) == width:
            return made
        lead = self.net.op("Shape", self.like, attributes={"start": 0, "end": self.axes})
        return self.net.op("Expand", made, self.net.joined([lead, self.net.whole(width)], 0))


def one_hot(net: OnnxGraph, indices: str, width: int) -> str:
    """(...) int64 to (..., width): onnxruntime has no OneHot of float64."""
    places = net.constant(torch.arange(width), "places")
    equal = net.op("Equal", net.op("Unsqueeze", indices, net.whole(-1)), places)
    return net.op("Cast", equal, attributes={"to": net.dtype}, name="one_hot")
