"""The state after a sequence's last step alone, where nobody reads what a layer says on the way there."""

from __future__ import annotations

import torch
from torch import Tensor

from .lengths import rows_of
from .recurrent import Recurrent
from .stack import State, run_stack
from .tracers import is_proxy


def last_state(rnn: Recurrent, x: Tensor, lengths: Tensor) -> State:
    """What `rnn(x, lengths=lengths)` returns second, x (T, B, I) or int64 (T, B), in less time: no output is
    padded or put side by side. Raises what the layer raises.

    >>> rnn, x, lengths = Recurrent("gru", 3, 4, bidirectional=True), torch.randn(5, 2, 3), torch.tensor([5, 2])
    >>> torch.equal(last_state(rnn, x, lengths)[0], rnn(x, lengths=lengths)[1][0])
    True
    """
    if _is_seen(rnn, x):
        return rnn(x, lengths=lengths)[1]
    weights = [each.named() for each in rnn._weights()]
    inputs, _ = rnn._inputs(x, next(iter(weights[0].values())), False)
    rows = rows_of(lengths, *x.shape[:2], x.device, rnn._who)
    between = rnn._drop if rnn.training and rnn.dropout else None
    first = rnn._start(x.shape[1], next(iter(weights[0].values())))
    _, last = run_stack(
        rnn.evaluated, [rows.pack(v) for v in inputs], first, weights, rows, between=between, ends=True
    )
    return rnn._final(last, rows, False)


def _is_seen(rnn: Recurrent, x: Tensor) -> bool:
    """Whether somebody follows what the layer does, or it does more than its equations."""
    noisy = rnn.training and rnn.evaluated is not rnn._stack
    followed = is_proxy(x) or torch.jit.is_tracing() or torch.compiler.is_compiling()
    hooked = rnn._forward_hooks or rnn._forward_pre_hooks or rnn._backward_hooks or rnn._backward_pre_hooks
    return bool(
        noisy
        or followed
        or hooked
        or rnn.watchers
        or rnn.batch_first
        or x.dim() < 2
        or not rnn._weights()[0].named()
    )
