"""What a layer is to those who write a model down by running it: one node to torch.fx, its
equations to torch.jit.trace.

(torch.compile and torch.export see one operator, operator.py; modes such as make_fx see the reference backend.
ONNX files are made by either of two of these ways, and get the equations.)
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from functools import wraps

import torch
from torch import Tensor, nn
from torch.fx import Proxy
from torch.overrides import TorchFunctionMode

from ..errors import NotYet

# Read while torch.jit.trace runs, these give tensors, which a trace may follow and Python cannot count with.
# And numbers that become tensors give warnings.
CONSTANT = {Tensor.shape.__get__, Tensor.size, Tensor.numel, Tensor.__len__, Tensor.new_tensor, torch.as_tensor}


def seen_by_tracers(run: Callable) -> Callable:
    """Wraps what runs whole sequences, `run(layer, x, state, lengths, batch_first)`.

    Raises NotYet for lengths under torch.jit.trace, and where torch.fx would have to look inside a layer.
    """

    @wraps(run)
    def call(layer: nn.Module, x, state, lengths, batch_first: bool):
        if is_proxy(x):
            return as_node(layer, x, state, lengths)
        if torch.jit.is_tracing():
            return _written_down(run, layer, x, state, lengths, batch_first)
        return run(layer, x, state, lengths, batch_first)

    return call


def is_proxy(x: object) -> bool:
    """Whether torch.fx traces, so that there is no tensor yet."""
    return isinstance(x[0] if type(x) is tuple and x else x, Proxy)


def as_node(layer: nn.Module, *arguments):
    """A call of the layer as one node of torch.fx's graph: `call_module`, as for the layers of torch.nn."""
    first = arguments[0]
    tracer = (first[0] if type(first) is tuple else first).tracer
    path = tracer.path_of_module(layer)
    if not path:
        raise NotYet(
            f"torch.fx would look inside {type(layer).__name__}, which is one node of a graph. "
            "Trace a module that holds it, or torch.export.export(layer, (x,))."
        )
    return tracer.create_proxy("call_module", path, arguments, {})


def exports_onnx() -> bool:
    """Whether torch.export runs for torch.onnx.export, which knows no operator of ours."""
    return torch.compiler.is_exporting() and torch.onnx.is_in_onnx_export()


def _written_down(run: Callable, layer: nn.Module, x, state, lengths, batch_first: bool):
    """The equations step by step, for inputs of the shapes that are there now; the trace refuses others."""
    if isinstance(lengths, Tensor):
        raise NotYet(
            f"torch.jit.trace would write these lengths into {type(layer).__name__}'s trace as constants. "
            "Use torch.export.export(model, (x, state, lengths))."
        )
    with _ConstantSizes():
        x = tuple(_of_this_shape(v) for v in x) if type(x) is tuple else _of_this_shape(x)
        state = state if state is None else tuple(_of_this_shape(s) for s in state)
        return run(layer, x, state, lengths, batch_first)


def _of_this_shape(value):
    """The same values; but a trace now unpacks as many parts along both leading axes as there are, or fails."""
    if isinstance(value, Tensor):
        for axis in range(min(2, value.dim())):
            if value.shape[axis]:
                value = torch.stack(value.unbind(axis), axis)
    return value


class _ConstantSizes(TorchFunctionMode):
    """Sizes and constants are numbers while torch.jit.trace runs."""

    def __torch_function__(self, function, types, arguments=(), keywords=None):
        if function not in CONSTANT:
            return function(*arguments, **(keywords or {}))
        with _paused():
            return function(*arguments, **(keywords or {}))


@contextmanager
def _paused():
    tracing = torch._C._get_tracing_state()
    torch._C._set_tracing_state(None)
    try:
        yield
    finally:
        torch._C._set_tracing_state(tracing)
