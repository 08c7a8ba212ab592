"""The parameters of one layer in one direction, under the names their author gave them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..cell import Cell
from ..errors import ShapeError, UsageError
from ..graph.node import Dim, size
from .initial import initialise

Named = dict[tuple[str, ...], Tensor]  # what a kernel takes: names stacked along the first axis -> tensor


class Weights(nn.Module):
    """One tensor for each parameter of a cell; those the cell calls `fixed` are
    buffers, the others are trained.

    sizes   what each width letter stands for, {"I": 3, "H": 5, ...}

    Raises UsageError where a parameter has a name that every torch module uses for itself.

        weights = Weights(find("mgu"), {"I": 3, "H": 5})
        weights.W_f.shape      # (5, 3)
    """

    def __init__(self, cell: Cell, sizes: Mapping[Dim, int], device=None, dtype: torch.dtype | None = None):
        super().__init__()
        self._named = tuple(cell.parameters)
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
        self._shapes = [getattr(self, name).shape for name in self._named]

    def draw(self, cell: Cell, hidden_size: int) -> None:
        """Fills all parameters with first values."""
        initialise(cell, hidden_size, {name: getattr(self, name) for name in self._named})

    def forward(self) -> Named:
        """The tensors as they are now, whoever put them there: functional_call, parametrizations, pruning and
        replicas all exchange them.

        Straight from torch's own table where that is whole, because `getattr` on a module costs ten times as
        much. Raises ShapeError where one has another shape than the cell's equations give it.
        """
        found = self._parameters
        if tuple(found) != self._named:
            found = {name: getattr(self, name) for name in self._named}
        try:
            fits = [tensor.shape for tensor in found.values()] == self._shapes
        except AttributeError:  # None, say
            fits = False
        if not fits:
            self._refuse(found)
        return {(name,): tensor for name, tensor in found.items()}

    def named(self) -> Named:
        """`forward`, behind the hooks that are registered here: weight norm, pruning and
        others renew a tensor there.
        """
        return self() if self._forward_pre_hooks or self._forward_hooks else self.forward()

    def _refuse(self, found: Mapping[str, Tensor | None]) -> None:
        for (name, tensor), shape in zip(found.items(), self._shapes):
            if not isinstance(tensor, Tensor):
                raise UsageError(f"the parameter {name} is {tensor!r}. Give a tensor of shape {tuple(shape)}.")
            if tensor.shape != shape:
                raise ShapeError(
                    f"the parameter {name} has shape {tuple(tensor.shape)}, and the layer was made with "
                    f"{tuple(shape)}. Give one of that shape, or make a layer of other sizes."
                )

    def extra_repr(self) -> str:
        return ", ".join(f"{name} {tuple(getattr(self, name).shape)}" for name in self._named)
