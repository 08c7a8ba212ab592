"""What makes chances of words from a vector: a full softmax, tied to the embedding or
not, and the adaptive one.

Each has `forward(y)`, logits (or logarithms of chances) of all words, and `total(y, targets)`,
the sum of -log p of some.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from .softmax import UNSCORED, cross_entropy

NARROWER = 4  # each group of rarer words is looked at through a vector so many times narrower


class Full(nn.Linear):
    """A linear layer from E to V, logits of all words."""

    def total(self, y: Tensor, targets: Tensor) -> Tensor:
        return cross_entropy(y, self.weight, self.bias, targets)


class Tied(nn.Module):
    """The same, whose matrix is the embedding's (Press and Wolf 2017; Inan et al. 2017):
    only the bias is its own.
    """

    def __init__(self, embedding: nn.Embedding):
        super().__init__()
        self._embedding = (embedding,)  # in a tuple it is not registered a second time
        self.out_features, self.in_features = embedding.weight.shape
        self.bias = nn.Parameter(embedding.weight.new_zeros(self.out_features))

    @property
    def weight(self) -> Tensor:
        return self._embedding[0].weight

    def forward(self, y: Tensor) -> Tensor:
        return linear(y, self.weight, self.bias)

    def total(self, y: Tensor, targets: Tensor) -> Tensor:
        return cross_entropy(y, self.weight, self.bias, targets)


class Adaptive(nn.Module):
    """Adaptive softmax (Grave et al. 2017): frequent words each have a place in a first softmax,
    which also says to which group any other word belongs; the words of a group share a second
    softmax, of a narrower vector.

    width    E, of the vector that is read
    words    V; the first ones are the most frequent
    cutoffs  where the groups begin, rising, each below V

    >>> head = Adaptive(8, words=100, cutoffs=(10, 40))
    >>> head(torch.randn(5, 8)).exp().sum(-1).allclose(torch.ones(5))
    True
    """

    def __init__(self, width: int, words: int, cutoffs: tuple[int, ...], dtype: torch.dtype | None = None):
        super().__init__()
        self.cutoffs = cutoffs
        self.first = Full(width, cutoffs[0] + len(cutoffs), dtype=dtype)
        self.narrow, self.groups = nn.ModuleList(), nn.ModuleList()
        for k, (begin, end) in enumerate(pairwise((*cutoffs, words)), 1):
            narrow = max(1, width // NARROWER**k)
            self.narrow.append(nn.Linear(width, narrow, bias=False, dtype=dtype))
            self.groups.append(Full(narrow, end - begin, dtype=dtype))

    @property
    def weight(self) -> Tensor:
        return self.first.weight

    def forward(self, y: Tensor) -> Tensor:
        """Logarithms of the chances of all words, (..., V)."""
        first = self.first(y).log_softmax(-1)
        parts = [first[..., : self.cutoffs[0]]]
        for k, (narrow, group) in enumerate(zip(self.narrow, self.groups), self.cutoffs[0]):
            parts.append(first[..., k : k + 1] + group(narrow(y)).log_softmax(-1))
        return torch.cat(parts, -1)

    def total(self, y: Tensor, targets: Tensor) -> Tensor:
        """Only the groups of words that are there are looked at."""
        group = torch.bucketize(targets, torch.tensor(self.cutoffs, device=targets.device), right=True)
        place = torch.where((group > 0) & (targets != UNSCORED), self.cutoffs[0] + group - 1, targets)
        total = self.first.total(y, place)
        for k, (narrow, words) in enumerate(zip(self.narrow, self.groups)):
            (rows,) = (group == k + 1).nonzero(as_tuple=True)
            if len(rows):
                total = total + words.total(narrow(y[rows]), targets[rows] - self.cutoffs[k])
        return total


def cutoffs(words: int) -> tuple[int, ...]:
    """Where rarer words begin: the first softmax has 2,000 words and a twentieth of all, the next
    group three times as many.

    >>> cutoffs(10_000), cutoffs(100_000)
    ((2500,), (7000, 28000))
    """
    first = 2000 + words // 20
    return tuple(at for at in (first, 4 * first) if at < words) or (max(1, words // 2),)
