"""One step of all layers as calls of a kernel, prepared once for many steps: how text is generated."""

from __future__ import annotations

import torch
from torch import Tensor

from ..kernels import Call, StepRows, prepare
from ..kernels.input_as_state import with_input_as_state
from .recurrent import Recurrent


@torch.no_grad()
def step_calls(rnn: Recurrent, state: tuple[Tensor, ...], each: Tensor) -> tuple[Call, ...]:
    """Per layer, a call of one step in evaluation mode, with everything evaluated that does not depend on the input.

    state  (L, B, width) each, as `rnn` returns it
    each   every input that the first layer may be given, in order: (V,) indices or (V, I) rows
    A layer above has the output of the one below as its last state (kernels/input_as_state.py).
    """
    stack, batch = rnn.evaluated, state[0].shape[1] if state else 1
    weights = [{names: w.detach() for names, w in layer.named().items()} for layer in rnn.layers]
    parts = rnn._cut([tuple(s[k] for s in state) for k in range(rnn.num_layers)])
    calls = [prepare(stack.graph, stack.sizes[0], [each], parts[0], weights[0], StepRows(1, batch))]
    fed = with_input_as_state(stack.graph)
    for k in range(1, rnn.num_layers):
        below = [parts[k][0].new_zeros(batch, stack.sizes[k]["I"])] if not fed.inputs else []
        given = [] if below else [calls[0].operands.vectors.new_zeros(batch, stack.sizes[k]["I"])]
        calls.append(prepare(fed, stack.sizes[k], given, (*parts[k], *below), weights[k], StepRows(1, batch)))
    return tuple(calls)
