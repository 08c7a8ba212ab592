"""One step of all layers as calls of a kernel, prepared once for many steps: how text is generated."""

from __future__ import annotations

import torch
from torch import Tensor

from ..kernels import Call, StepRows, prepare
from ..kernels.input_as_state import with_input_as_state
from .recurrent import Recurrent


@torch.no_grad()
def step_calls(rnn: Recurrent, state: tuple[Tensor, ...], each: Tensor) -> tuple[Call, ...]:
    """Per layer, a call of one step in evaluation mode, with everything evaluated that does
    not depend on the input.

    state  (L, B, width) each, as `rnn` returns it
    each   every input that the first layer may be given, in order: (V,) indices or (V, I) rows
    A layer above has the output of the one below as its last state (kernels/input_as_state.py).
    """
    stack, batch = rnn.evaluated, state[0].shape[1] if state else 1
    weights = {names: w.detach() for names, w in rnn.layers[0].named().items()}
    first = rnn._cut([tuple(s[k] for s in state) for k in range(rnn.num_layers)])[0]
    call = prepare(stack.graph, stack.sizes[0], [each], first, weights, StepRows(1, batch))
    return call, *fed_calls(rnn, state, 1)


@torch.no_grad()
def fed_calls(rnn: Recurrent, state: tuple[Tensor, ...], first: int = 0) -> tuple[Call, ...]:
    """Of the layers from one on, a call of one step in evaluation mode. What a layer
    reads is its last state.
    """
    stack, batch = rnn.evaluated, state[0].shape[1] if state else 1
    fed, calls, like = with_input_as_state(stack.graph), [], state[0] if state else torch.zeros(())
    parts = rnn._cut([tuple(s[k] for s in state) for k in range(rnn.num_layers)])
    for k in range(first, rnn.num_layers):
        weights = {names: w.detach() for names, w in rnn.layers[k].named().items()}
        zeros = like.new_zeros(batch, stack.sizes[k]["I"])
        given, below = ([zeros], []) if fed.inputs else ([], [zeros])
        calls.append(prepare(fed, stack.sizes[k], given, (*parts[k], *below), weights, StepRows(1, batch)))
    return tuple(calls)


@torch.no_grad()
def reading_calls(rnn: Recurrent) -> tuple[Call, ...]:
    """Per layer and direction, a call of one step in evaluation mode, on a row of zeros."""
    stack, calls = rnn.evaluated, []
    like = next(iter(rnn.layers[0].named().values()))
    for number, (own, state) in enumerate(zip(rnn._weights(), rnn._start(1, like))):
        sizes = stack.sizes[number // stack.directions]
        weights = {names: w.detach() for names, w in own.named().items()}
        calls.append(
            prepare(stack.graph, sizes, [like.new_zeros(1, sizes["I"])], state, weights, StepRows(1, 1))
        )
    return tuple(calls)
