"""What the tests of the layers share: a layer of each cell with random values, its inputs, and its meaning."""

from __future__ import annotations

import pytest
import torch

from unrolled.cells import REGISTRY
from unrolled.kernels.c.toolchain import toolchain
from unrolled.layers.recurrent import Recurrent

CELLS = sorted(REGISTRY)
NO_COMPILER = toolchain() is None
BACKENDS = ["reference", pytest.param("c", marks=pytest.mark.skipif(NO_COMPILER, reason="no C compiler works here"))]
CLOSE = {torch.float64: {"rtol": 1e-10, "atol": 1e-10}, torch.float32: {"rtol": 1e-4, "atol": 1e-5}}


def cell_of(name: str):
    return REGISTRY[name].using(O=4) if name == "jordan" else REGISTRY[name]


def make_layer(name: str, backend: str = "reference", dtype=torch.float64, hidden_size: int = 5,
               **options) -> Recurrent:
    """A layer whose parameters are all random: zeros as biases hide mistakes."""
    torch.manual_seed(1)
    layer = Recurrent(cell_of(name), 3, hidden_size, backend=backend, dtype=dtype, **options)
    for path, parameter in layer.named_parameters():
        if not path.endswith(".tau"):
            torch.nn.init.normal_(parameter, 0.0, 0.4)
    return layer


def make_input(layer: Recurrent, steps: int, batch: int, seed: int = 2):
    """Random inputs that need gradients, time first: a tensor, or a tuple for cells with several inputs."""
    torch.manual_seed(seed)
    dtype = next(layer.parameters()).dtype
    x = torch.randn(steps, batch, layer.input_size, dtype=dtype, requires_grad=True)
    if len(layer.cell.inputs) == 1:
        return x
    times = torch.rand(steps, batch, dtype=dtype).cumsum(0).requires_grad_()
    return x, times


def make_state(layer: Recurrent, batch: int, seed: int = 3):
    torch.manual_seed(seed)
    dtype = next(layer.parameters()).dtype
    count = layer.num_layers * (2 if layer.bidirectional else 1)
    return tuple((0.5 * torch.randn(count, batch, width, dtype=dtype)).requires_grad_()
                 for width in layer._state_widths)


def part(x, *index):
    """The same part of every input."""
    return tuple(v[index] for v in x) if isinstance(x, tuple) else x[index]


def leaves(layer, x, state=()):
    return [*layer.parameters(), *(x if isinstance(x, tuple) else (x,)), *state]


def gradients(results, wanted):
    """Gradients of a fixed random weighting of all results (zeros where nothing depends on a leaf)."""
    torch.manual_seed(4)
    loss = sum((r * torch.randn(r.shape, dtype=r.dtype)).sum() for r in results)
    return torch.autograd.grad(loss, wanted, allow_unused=True, materialize_grads=True)


def assert_close(found, expected, dtype=torch.float64):
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, **CLOSE[dtype])


def plain(layer: Recurrent, x, state):
    """What one layer in one direction means: the author's function under vmap, step by step."""
    cell = layer.cell
    weights = {name: getattr(layer.layers[0], name) for name in cell.parameters}
    inputs = x if isinstance(x, tuple) else (x,)
    current, outputs = tuple(s[0] for s in state), []
    for values in zip(*(v.unbind(0) for v in inputs)):
        results = torch.vmap(lambda i, s: cell(*i, *s, **weights))(values, current)
        results = results if isinstance(results, tuple) else (results,)
        outputs.append(results[0])
        current = results[-len(current):]
    return torch.stack(outputs), tuple(s[None] for s in current)
