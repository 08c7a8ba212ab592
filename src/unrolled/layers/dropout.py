"""Dropout whose mask costs little: eight elements of it from each 64-bit number that torch draws.

torch's own draws a number an element, one after the other: at 512 units that takes a
seventh of a training step.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

LEVELS = 256  # a byte an element: the probability is rounded to a 256th


def dropped(x: Tensor, probability: float) -> Tensor:
    """x with each element zero with that probability (to the nearest 256th), and the others
    scaled so that the mean stays.

    x  any shape, floating point. The mask comes from torch's generator, so `torch.manual_seed` repeats it.

    >>> _ = torch.manual_seed(0)
    >>> kept = dropped(torch.ones(100_000), 0.25)
    >>> round(kept.mean().item(), 1)
    1.0
    """
    keep = round((1 - probability) * LEVELS)
    if keep == LEVELS:
        return x
    if torch.jit.is_tracing():  # knows no other way of looking at bytes
        return dropout(x, 1 - keep / LEVELS)
    drawn = torch.randint(-(2**63), 2**63 - 1, ((x.numel() + 7) // 8,), device=x.device)
    mask = (drawn.view(torch.uint8)[: x.numel()] < keep).view(x.shape)
    return x * mask.to(x.dtype).mul_(LEVELS / max(keep, 1))


class Dropout(nn.Module):
    """`dropped` while training; nothing otherwise."""

    def __init__(self, probability: float):
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        return dropped(x, self.probability) if self.training and self.probability else x

    def extra_repr(self) -> str:
        return f"{self.probability:g}"
