"""What the writers of modules share: the net, its time and its lengths, and what the caller wants."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from ..cell import Cell
from .matrices import Matrices
from .net import OnnxGraph

EVERY_STEP = 2**63 - 1  # the length that stands for all steps where none is given
LENGTHS = ("optional", "required", "none")


@dataclass(frozen=True)
class Wire:
    """A value that goes from one module to the next: (T, B, width), or where it is
    indices or a number (T, B).
    """

    name: str
    width: int
    indices: bool = False
    number: bool = False


@dataclass
class Steps:
    """Which rows run at which step.

    lengths  int64 (B,), or (1,) for all rows; None where every row has every step
    active   (T, B or 1, 1), true where a row has that step; None likewise
    """

    net: OnnxGraph
    time: str  # T and B, int64 vectors of one number
    batch: str
    lengths: str | None = None
    active: str | None = None

    def runs(self, ahead: int) -> str:
        """(T, B or 1, 1): whether a row has the step that is so many after each."""
        net = self.net
        zero, one = (net.constant(torch.tensor(n), "place") for n in (0, 1))
        places = net.op("Range", zero, net.op("Squeeze", self.time), one)
        places = net.op("Add", places, net.whole(ahead)) if ahead else places
        columns, rows = (
            net.op("Unsqueeze", places, net.whole(1)),
            net.op("Unsqueeze", self.lengths, net.whole(0)),
        )
        return net.op("Unsqueeze", net.op("Less", columns, rows), net.whole(-1), name="active")

    def masked(self, y: str) -> str:
        """y (T, B, width) with zeros past each row's length: chosen, for padding may hold NaN."""
        return y if self.active is None else self.net.op("Where", self.active, y, self.net.number(0.0))


def steps_of(net: OnnxGraph, x: str, batch_first: bool, lengths: str) -> Steps:
    """The steps of a call, from its first input; `lengths` is one of LENGTHS."""
    steps = Steps(net, net.axis(x, int(batch_first)), net.axis(x, int(not batch_first)))
    if lengths == "none":
        return steps
    every = torch.tensor([EVERY_STEP]) if lengths == "optional" else None
    shape = ["rows" if lengths == "optional" else "batch"]
    steps.lengths = net.input("lengths", torch.int64, shape, default=every)
    steps.active = steps.runs(0)
    return steps


@dataclass
class ModuleWriting:
    """A module on its way into a net.

    generic  every cell as a loop over its equations, the standard ones too
    keeps    states are inputs and outputs of the file, so that a sequence may come in chunks;
             otherwise each call begins afresh
    made     which operator each layer became, by its path
    cells    of every recurrent module, the lowest first
    starts   each state's first value, by the input's name
    """

    net: OnnxGraph
    steps: Steps
    matrices: Matrices
    generic: bool
    keeps: bool = True
    made: dict[str, str] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)
    starts: dict[str, float] = field(default_factory=dict)
