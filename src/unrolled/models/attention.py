"""Attention: which places of a sequence that was read matter for each step of one that is written."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

SCORES = ("luong", "bahdanau")


def in_full(x: Tensor) -> Tensor:
    """Sums and states are float32 at least, also where products are of bfloat16 numbers."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


class Memory(NamedTuple):
    """What was read, ready to be looked at.

    values  (B, S, M), one vector a place
    keys    (B, S, A), what queries are compared with
    absent  (B, S) bool: places of padding, which get no weight
    """

    values: Tensor
    keys: Tensor
    absent: Tensor

    def rows(self, index: Tensor) -> Memory:
        """Some rows of the batch, each as often as it is named."""
        return Memory(*(part.index_select(0, index) for part in self))


class Attention(nn.Module):
    """Weights of the places of a memory for each query, and the mean of its values under them.

    score  "luong": q W_a v (Luong, Pham and Manning 2015, equation 8, general);
           "bahdanau": v_a tanh(W_q q + W_a v) (Bahdanau, Cho and Bengio 2015, appendix A.1.2)
    query  width of q
    value  M, width of the memory's values

        query    (B, T, query)
        context  (B, T, M)
        weights  (B, T, S), which add up to 1; exactly 0 at places of padding

    All steps of a sequence are two products for each row of the batch. A row with no place at all
    gets a context of zeros.

    >>> attention = Attention("luong", 4, 6)
    >>> memory = attention.memory(torch.randn(2, 5, 6), torch.tensor([5, 3]))
    >>> context, weights = attention(torch.randn(2, 7, 4), memory)
    >>> context.shape, weights[1, 0, 3:].tolist()
    (torch.Size([2, 7, 6]), [0.0, 0.0])
    """

    def __init__(self, score: str, query: int, value: int):
        super().__init__()
        self.score = score
        self.W_a = nn.Linear(value, query, bias=False)
        if score == "bahdanau":
            self.W_q = nn.Linear(query, query)
            self.v_a = nn.Parameter(torch.empty(query))
            nn.init.uniform_(self.v_a, -1 / math.sqrt(query), 1 / math.sqrt(query))

    def memory(self, values: Tensor, lengths: Tensor) -> Memory:
        """What is the same for all queries. values (B, S, M), lengths (B,): how many places of each
        row are none of padding.
        """
        places = torch.arange(values.shape[1], device=values.device)
        return Memory(values, self.W_a(values), places >= lengths[:, None])

    def forward(self, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        scores = in_full(self._scores(query, memory.keys))
        weights = scores.masked_fill(memory.absent[:, None], -math.inf).softmax(-1)
        weights = weights.nan_to_num(0.0) if memory.absent.all(-1).any() else weights
        return torch.bmm(weights.to(memory.values.dtype), memory.values), weights

    def _scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """(B, T, S)."""
        if self.score == "luong":
            return torch.bmm(query.to(keys.dtype), keys.transpose(1, 2))
        return torch.tanh(self.W_q(query)[:, :, None] + keys[:, None]) @ self.v_a.to(keys.dtype)

    def extra_repr(self) -> str:
        return self.score
