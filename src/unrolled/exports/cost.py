"""What int8 weights cost: the model as it is against the model whose weights were rounded, on random input."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..models.conditions import Conditions
from .matrices import rounded
from .modules import ModuleChain, chain_of, per_sequence, reads

STEPS, ROWS = 50, 4


def with_rounded(model: nn.Module, kept: Sequence[Tensor]) -> nn.Module:
    """A copy of the model in which the tensors of `kept`, parameters of the model, are
    what int8 leaves of them.
    """
    names = {id(t): name for name, t in (*model.named_parameters(), *model.named_buffers())}
    other = copy.deepcopy(model).cpu()
    places = dict((*other.named_parameters(), *other.named_buffers()))
    with torch.no_grad():
        for tensor in kept:
            places[names[id(tensor)]].copy_(rounded(tensor.detach().cpu()))
    return other


def random_inputs(chain: ModuleChain, dtype: torch.dtype) -> tuple[Tensor, ...]:
    """Inputs for a model, drawn with a generator of their own: indices, or from N(0, 1);
    further ones from U(0, 1).
    """
    made, first = torch.Generator().manual_seed(0), chain.modules[0]
    lead = (ROWS, STEPS) if getattr(first, "batch_first", False) else (STEPS, ROWS)
    (_, width), *more = reads(first)
    x = (
        torch.randint(width, lead, generator=made)
        if chain.indices
        else torch.randn(*lead, width, generator=made, dtype=dtype)
    )
    rest = [
        torch.rand(*((ROWS,) if per_sequence(first, name) else lead), w, generator=made, dtype=dtype)
        for name, w in more
    ]
    return x, *rest


@torch.no_grad()
def difference(
    model: nn.Module, other: nn.Module, inputs: tuple[Tensor, ...], indices: bool
) -> tuple[float, float]:
    """The largest difference of the two models' outputs, and the largest output of the first."""
    found = []
    for each in (copy.deepcopy(model).cpu(), other):  # the caller's own keeps its mode
        found.append(_through(chain_of(each.eval(), indices), inputs))
    return (found[0] - found[1]).abs().max().item(), found[0].abs().max().item()


def _through(chain: ModuleChain, inputs: tuple[Tensor, ...]) -> Tensor:
    """What the modules that are written make of inputs, one after the other."""
    for module in chain.modules:
        apart = len(inputs) == 1 or isinstance(module, Conditions)
        y = module(*inputs) if apart else module(inputs)
        inputs = (y[0] if isinstance(y, tuple) else y,)
    return inputs[0]
