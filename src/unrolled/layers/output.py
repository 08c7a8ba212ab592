"""The output layer that a cell's equations end in, as a module: it stands on the
recurrent part once, at the top.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..cell import Cell
from ..errors import UsageError
from ..transform.head import Head
from .initial import initialise

FUNCTIONS = {
    "identity": lambda v: v,
    "softmax": lambda v: torch.softmax(v, -1),
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "softplus": lambda v: nn.functional.softplus(v, threshold=1e9),
    "exp": torch.exp,
}


class OutputLayer(nn.Module):
    """activation(M v + b), under the names of the equations.

    head     what `transform.head.split_head` found
    cell     the cell that it was found in, whose `init` and `fixed` hold for M and b
    reads    width of v
    outputs  width of the result

        v            (..., reads)
        forward(v)   (..., outputs)
        linear(v)    the same before the activation: logits

    Raises UsageError where the equations give the output another width.

    >>> from unrolled.cell import find
    >>> layer = OutputLayer(Head("o", "V", "s", None, "softmax", "H"), find("elman"), 4, 3)
    >>> [name for name, _ in layer.named_parameters()], layer(torch.zeros(2, 4)).sum(-1).tolist()
    (['V'], [1.0, 1.0])
    """

    def __init__(
        self, head: Head, cell: Cell, reads: int, outputs: int, device=None, dtype: torch.dtype | None = None
    ):
        super().__init__()
        said = int(head.width) if head.width.isdigit() else cell.widths.get(head.width)
        if said is not None and said != outputs:
            raise UsageError(
                f"{cell.name}: {head} is {said} wide, and {outputs} outputs are needed. "
                f"Leave the width of {head.weight} open, or say {outputs}."
            )
        self.head, self._cell = head, cell
        shapes = {head.weight: (outputs, reads)} | ({head.bias: (outputs,)} if head.bias else {})
        for name, shape in shapes.items():
            if hasattr(self, name):
                raise UsageError(
                    f"{cell.name} has a parameter called {name}, which every output layer already has. "
                    f"Rename it, e.g. {name}_."
                )
            tensor = torch.empty(shape, device=device, dtype=dtype)
            if name in cell.fixed:
                self.register_buffer(name, tensor)
            else:
                self.register_parameter(name, nn.Parameter(tensor))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws M and b again: uniform within 1/sqrt(reads), or as the cell's `init` says."""
        own = {n: t for n, t in ((self.head.weight, self.weight), (self.head.bias, self.bias)) if t is not None}
        initialise(self._cell, self.weight.shape[1], own)

    @property
    def weight(self) -> Tensor:
        """M, (outputs, reads)."""
        return getattr(self, self.head.weight)

    @property
    def bias(self) -> Tensor | None:
        """b, (outputs,), or None."""
        return None if self.head.bias is None else getattr(self, self.head.bias)

    def linear(self, v: Tensor) -> Tensor:
        return nn.functional.linear(v, self.weight, self.bias)

    def forward(self, v: Tensor) -> Tensor:
        return FUNCTIONS[self.head.activation](self.linear(v))

    def extra_repr(self) -> str:
        outputs, reads = self.weight.shape
        return f"{self.head}, {reads} -> {outputs}"
