"""An ONNX graph while it is written: operators, constants, inputs and outputs as plain data;
`proto.py` makes the file of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

Dim = int | str  # a number, or the name of an axis of any length: "time", "batch"


@dataclass(frozen=True)
class Port:
    """An input or output: its name, type and shape."""

    name: str
    dtype: torch.dtype
    shape: tuple[Dim, ...]


@dataclass(frozen=True)
class Operator:
    """One ONNX operator applied to named values; an empty name is an input left out."""

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, object]


@dataclass
class OnnxGraph:
    """A graph being written, or the body of a loop inside one. Values are known by name; no name is used twice,
    nor in bodies, which read constants and values of the graph around them.

    >>> net = OnnxGraph(torch.float32)
    >>> x = net.input("x", torch.float32, ("batch", 3))
    >>> y = net.output("y", net.op("Mul", x, net.number(2.0)), torch.float32, ("batch", 3))
    >>> [operator.kind for operator in net.operators]
    ['Mul', 'Identity']
    """

    dtype: torch.dtype
    prefix: str = ""
    operators: list[Operator] = field(default_factory=list)
    inputs: list[Port] = field(default_factory=list)
    outputs: list[Port] = field(default_factory=list)
    constants: dict[str, Tensor] = field(default_factory=dict)
    taken: dict[str, int] = field(default_factory=dict)  # name -> how often it was asked for
    small: dict[tuple, str] = field(default_factory=dict)  # constants of a few numbers are shared
    truths: dict[str, str] = field(default_factory=dict)  # 0 or 1 as a number -> the same as true or false

    def inside(self, prefix: str) -> OnnxGraph:
        """The body of a loop: operators of its own, names and constants of the whole."""
        return OnnxGraph(self.dtype, prefix, constants=self.constants, taken=self.taken, small=self.small)

    @property
    def bytes(self) -> int:
        """What all constants weigh."""
        return sum(value.nbytes for value in self.constants.values())

    @property
    def ordered_inputs(self) -> list[Port]:
        """The inputs; those that may be left out are last."""
        return sorted(self.inputs, key=lambda port: port.name in self.constants)

    def unique(self, name: str) -> str:
        count = self.taken[name] = self.taken.get(name, 0) + 1
        return name if count == 1 else self.unique(f"{name}_{count}")

    def ops(self, kind: str, inputs: Sequence[str], count: int, attributes=None, name: str = "") -> list[str]:
        """An operator with several outputs: their names."""
        made = [self.unique(f"{self.prefix}{name or kind}") for _ in range(count)]
        self.operators.append(Operator(kind, tuple(inputs), tuple(made), attributes or {}))
        return made

    def op(
        self, kind: str, *inputs: str, attributes: Mapping[str, object] | None = None, name: str = ""
    ) -> str:
        """An operator with one output: its name."""
        return self.ops(kind, inputs, 1, attributes, name)[0]

    def constant(self, value: Tensor, name: str = "constant") -> str:
        """A tensor known now, as an initializer of the whole graph. Equal ones of a few numbers are one."""
        value = value.detach().cpu().contiguous()
        key = (value.dtype, tuple(value.shape), repr(value.flatten().tolist())) if value.numel() <= 8 else None
        if key not in self.small or key is None:
            made = self.unique(name)
            self.constants[made] = value
            if key is None:
                return made
            self.small[key] = made
        return self.small[key]

    def number(self, value: float) -> str:
        return self.constant(torch.tensor(value, dtype=self.dtype), f"{value:g}")

    def whole(self, *values: int) -> str:
        """An int64 vector, for shapes and axes."""
        return self.constant(torch.tensor(values, dtype=torch.int64), "whole")

    def input(self, name: str, dtype: torch.dtype, shape: Sequence[Dim], default: Tensor | None = None) -> str:
        """An input under that name, or one like it where it is taken; with a default it may be left out."""
        made = self.unique(f"{self.prefix}{name}")
        self.inputs.append(Port(made, dtype, tuple(shape)))
        if default is not None:
            self.constants[made] = default
        return made

    def output(self, name: str, value: str, dtype: torch.dtype, shape: Sequence[Dim]) -> str:
        made = self.op("Identity", value, name=name)
        self.outputs.append(Port(made, dtype, tuple(shape)))
        return made

    def call(self, value: str, name: str) -> str:
        """Gives the value that was made last a telling name, where it has none."""
        last = self.operators[-1]
        if last.outputs != (value,):
            return value
        made = self.unique(f"{self.prefix}{name}")
        self.operators[-1] = Operator(last.kind, last.inputs, (made,), last.attributes)
        if value in self.truths:
            self.truths[made] = self.truths.pop(value)
        return made

    def as_number(self, truth: str) -> str:
        """true and false as 1 and 0."""
        made = self.op("Cast", truth, attributes={"to": self.dtype})
        self.truths[made] = truth
        return made

    def as_truth(self, number: str) -> str:
        """Whether a number is not 0."""
        return self.truths.get(number) or self.op("Cast", number, attributes={"to": torch.bool})

    def axis(self, value: str, which: int) -> str:
        """How long an axis is: an int64 vector of one number."""
        return self.op("Shape", value, attributes={"start": which, "end": which + 1}, name="length")

    def at(self, value: str, place: int) -> str:
        """One entry along the first axis, which goes away."""
        return self.op("Gather", value, self.constant(torch.tensor(place), "place"), attributes={"axis": 0})

    def joined(self, values: Sequence[str], axis: int) -> str:
        return values[0] if len(values) == 1 else self.op("Concat", *values, attributes={"axis": axis})

    def split(self, value: str, widths: Sequence[int], axis: int = -1) -> list[str]:
        """A value cut along an axis."""
        if len(widths) == 1:
            return [value]
        return self.ops("Split", [value, self.whole(*widths)], len(widths), {"axis": axis})
