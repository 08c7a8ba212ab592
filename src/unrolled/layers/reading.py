"""Whole sequences read with weights that stay as they are: put below each other as a kernel wants
them once, not at each call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..kernels.call import stacks_of
from ..plan.plan import plan_of
from .lengths import all_rows, rows_of
from .recurrent import Recurrent
from .stack import run_stack
from .weights import Named

Reader = Callable[[Tensor, Sequence[int]], Tensor]


@torch.no_grad()
def reader(rnn: Recurrent) -> Reader:
    """The output (T, B, width) that a layer has in evaluation mode for x (T, B, I) with the length of each row.

    For weights that stay as they are: make another one when they have changed. Short sequences otherwise wait
    for the copies of weights, at each call as many bytes as the steps read.

    >>> rnn, x = Recurrent("gru", 3, 4, bidirectional=True), torch.randn(5, 2, 3)
    >>> torch.equal(reader(rnn)(x, [5, 2]), rnn(x, None, [5, 2])[0])
    True
    """
    if rnn.watchers or rnn.head is not None:
        return lambda x, lengths: rnn(x, None, torch.tensor(lengths))[0]
    stack = rnn.evaluated
    weights = [_stacked(rnn, each.named()) for each in rnn._weights()]

    @torch.no_grad()
    def read(x: Tensor, lengths: Sequence[int]) -> Tensor:
        steps, batch = x.shape[:2]
        whole = all(length == steps for length in lengths)
        rows = all_rows(steps, batch) if whole else rows_of(lengths, steps, batch, x.device, "the encoder")
        y, _ = run_stack(stack, [rows.pack(x)], rnn._start(batch, x), weights, rows)
        return rows.unpack(y)

    return read


def _stacked(rnn: Recurrent, named: Named) -> Named:
    """Parameters by name, and beside them those that a plan wants below each other."""
    stacks = stacks_of(plan_of(rnn.evaluated.graph))
    plain = {names: tensor.detach() for names, tensor in named.items()}
    wanted = [each.names for each in (*stacks.hoisted, *stacks.weights, stacks.vectors) if each.names]
    return plain | {names: torch.cat([plain[name,] for name in names]) for names in wanted if len(names) > 1}
