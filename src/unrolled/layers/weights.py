"""The parameters of one layer in one direction, under the names their author gave them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..cell import Cell
from ..errors import UsageError
from ..graph.node import Dim, size
from .initial import initialise

Named = dict[tuple[str, ...], Tensor]  # what a kernel takes: names stacked along the first axis -> tensor


class Weights(nn.Module):
    """One tensor for each parameter of a cell; those the cell calls `fixed` are buffers, the others are trained.

    sizes   what each width letter stands for, {"I": 3, "H": 5, ...}

    Raises UsageError where a parameter has a name that every torch module uses for itself.

        weights = Weights(find("mgu"), {"I": 3, "H": 5})
        weights.W_f.shape      # (5, 3)
    """

    def __init__(self, cell: Cell, sizes: Mapping[Dim, int], device=None, dtype: torch.dtype | None = None):
        super().__init__()
        self._named = cell.parameters
        self._trained = len([name for name in cell.parameters if name not in cell.fixed])
        for name in cell.parameters:
            if hasattr(self, name):
                raise UsageError(
                    f"{cell.name} has a parameter called {name}, which every torch module already has. "
                    f"Rename it, e.g. {name}_."
                )
            shape = tuple(size(dim, sizes) for dim in cell.graph.shape("parameter", name))
            tensor = torch.empty(shape, device=device, dtype=dtype)
            if name in cell.fixed:
                self.register_buffer(name, tensor)
            else:
                self.register_parameter(name, nn.Parameter(tensor))

    def draw(self, cell: Cell, hidden_size: int) -> None:
        """Fills all parameters with first values."""
        initialise(cell, hidden_size, {name: getattr(self, name) for name in self._named})

    def named(self) -> Named:
        """The tensors as they are now, whoever put them there.

        Looked up at every call: functional_call, parametrizations, pruning and replicas all exchange them. Straight
        from torch's own table where that is whole, because `getattr` on a module costs ten times as much.
        """
        found = self._parameters
        if len(found) == len(self._named) == self._trained:
            return {(name,): tensor for name, tensor in found.items()}
        return {(name,): getattr(self, name) for name in self._named}

    def extra_repr(self) -> str:
        return ", ".join(f"{name} {tuple(getattr(self, name).shape)}" for name in self._named)
