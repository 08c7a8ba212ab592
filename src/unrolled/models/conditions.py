"""What a sequence is to be like, told to a network at every step: conditions beside its characters."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Conditions(nn.Module):
    """Characters as one-hot rows, with what is asked for beside each of them.

    characters  V
    conditions  K, how many numbers say what is asked for

        x       (T, B) or (B,) int64, characters
        given   (B, K) float, the same at every step: 1 at each value that is asked for, 0 elsewhere
        result  (T, B, V + K) or (B, V + K) float

    The columns by which a recurrent layer multiplies a row's last K numbers are the values' embeddings, added
    to what it makes of the character: the static features of conditional generation as in Li et al., A
    persona-based neural conversation model (2016), equation 6.

    >>> Conditions(3, 2)(torch.tensor([[1], [0]]), torch.tensor([[0.0, 1.0]]))[:, 0].tolist()
    [[0.0, 1.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0, 1.0]]
    """

    per_sequence = ("given",)  # inputs without an axis of time

    def __init__(self, characters: int, conditions: int):
        super().__init__()
        self.characters, self.conditions = characters, conditions

    def forward(self, x: Tensor, given: Tensor) -> Tensor:
        one_hot = nn.functional.one_hot(x, self.characters).to(given.dtype)
        return torch.cat([one_hot, given.expand(*x.shape, -1)], -1)
