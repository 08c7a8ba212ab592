"""Matrices of weights in the file: as they are, or each row in int8 with a scale of its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .net import OnnxGraph

LEVELS = 127  # from -127 to 127, so that a row and its negative are rounded alike


def rows_in_int8(weights: Tensor) -> tuple[Tensor, Tensor]:
    """(rows, depth) to int8 of that shape and a scale for each row: weights are about
    numbers * scales[:, None].

    >>> numbers, scales = rows_in_int8(torch.tensor([[1.0, -0.5], [0.0, 0.0]]))
    >>> numbers.tolist(), scales.tolist()
    ([[127, -64], [0, 0]], [0.007874015718698502, 1.0])
    """
    scales = weights.abs().amax(1) / LEVELS
    scales = torch.where(scales > 0, scales, torch.ones_like(scales))
    return (weights / scales[:, None]).round().clamp(-LEVELS, LEVELS).to(torch.int8), scales


def rounded(weights: Tensor) -> Tensor:
    """What is left of a matrix, or of a stack of them, after it was kept in int8."""
    rows = weights.reshape(-1, weights.shape[-1])
    numbers, scales = rows_in_int8(rows)
    return (numbers.to(weights.dtype) * scales[:, None]).view_as(weights)


@dataclass(frozen=True)
class Matrix:
    """Stacked weights (rows, depth) on their way into a net: turned, (depth, rows),
    where a product wants them.
    """

    net: OnnxGraph
    weights: Tensor
    name: str
    int8: bool

    def whole(self) -> str:
        """The matrix, (depth, rows), to multiply with from the right."""
        if not self.int8:
            return self.net.constant(self.weights.T, self.name)
        numbers, scales = rows_in_int8(self.weights)
        return self._scaled(numbers.T, scales)

    def rows(self) -> str:
        """The matrix as the author has it, (rows, depth)."""
        if not self.int8:
            return self.net.constant(self.weights, self.name)
        numbers, scales = rows_in_int8(self.weights)
        return self._scaled(numbers, scales[:, None])

    def looked_up(self, indices: str) -> str:
        """What it makes of one-hot operands: (...) indices to (..., rows)."""
        return self.net.op("Gather", self.whole(), indices)

    def picked(self, indices: str) -> str:
        """Its rows at (...) indices: (..., depth)."""
        return self.net.op("Gather", self.rows(), indices)

    def _scaled(self, numbers: Tensor, scales: Tensor) -> str:
        """Times the scales, of constants alone: onnxruntime works that out once, when it loads the file.

        Measured on one core at H 512: DequantizeLinear, which it runs at every call, makes a single step
        take 3 to 15 times as long, or is joined with the product into one that rounds the other operand,
        too. MatMulInteger takes a third of the time of a product of float32 numbers, but
        DynamicQuantizeLinear before it rounds all rows of a batch to one scale: a row's result would depend
        on the others, and differ by a hundredth.
        """
        stored = self.net.constant(numbers, f"{self.name}.int8")
        as_number = self.net.op("Cast", stored, attributes={"to": self.net.dtype})
        return self.net.op("Mul", as_number, self.net.constant(scales, f"{self.name}.scale"), name=self.name)


@dataclass
class Matrices:
    """Makes a net's matrices, and remembers which parameters stand there in int8.

    own  ids of the tensors that may: the parameters of the module that is written
    """

    net: OnnxGraph
    int8: bool
    own: Collection[int]
    kept: list[Tensor] = field(default_factory=list)

    def stack(
        self, tensors: Sequence[Tensor], names: Sequence[str | None], sources: Mapping[str, Tensor], path: str
    ) -> Matrix:
        """One matrix of several below each other. What is made of parameters, and has
        no name, stays as it is.
        """
        plain = all(name is not None for name in names)
        from_ = [sources[name] for name in names] if plain else []
        int8 = self.int8 and plain and all(id(tensor) in self.own for tensor in from_)
        if int8:
            self.kept.extend(from_)
        return Matrix(
            self.net, torch.cat(list(tensors)), path + ("+".join(names) if plain else "weights"), int8
        )
