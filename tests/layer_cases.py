"""What the tests of the layers share: a layer of each cell with random values, its inputs, and its meaning."""

from __future__ import annotations

import torch
from instances import (  # noqa: F401  (for other modules)
    BACKENDS,
    CELLS,
    HAS_COMPILER,
    PAIRS,
    POSITIVE,
    TRIPLES,
    fitting,
)

from unrolled.cells import REGISTRY
from unrolled.layers.recurrent import Recurrent

NO_COMPILER = not HAS_COMPILER
CLOSE = {torch.float64: {"rtol": 1e-10, "atol": 1e-10}, torch.float32: {"rtol": 1e-4, "atol": 1e-5}}


def cell_of(name: str):
    """The cell, with 4 for every width that it names itself."""
    own = {letter: 4 for letter in REGISTRY[name].graph.dims if letter.isidentifier() and letter not in "IH"}
    return REGISTRY[name].using(**own) if own else REGISTRY[name]


def stacks(cell) -> bool:
    """Whether a layer may read another's output: not where a state is as wide as the input,
    or the input as the state.
    """
    return not any("I" in cell.graph.shape("state", s) for s in cell.states) and cell.graph.shape(
        "input", cell.inputs[0]
    ) == ("I",)


def make_layer(
    name: str,
    backend: str = "reference",
    dtype=torch.float64,
    hidden_size: int = 5,
    num_layers: int = 1,
    **options,
) -> Recurrent:
    """A layer whose parameters are all random (zeros as biases hide mistakes), as deep as
    wanted where the cell can.
    """
    torch.manual_seed(1)
    cell = cell_of(name)
    sizes = fitting(cell, {"I": 3, "H": hidden_size, **cell.widths})
    layer = Recurrent(
        cell,
        sizes["I"],
        sizes["H"],
        num_layers=num_layers if stacks(cell) else 1,
        backend=backend,
        dtype=dtype,
        **options,
    )
    for path, parameter in layer.named_parameters():
        if path.split(".")[-1] not in POSITIVE:
            torch.nn.init.normal_(parameter, 0.0, 0.4)
    return layer


def type_of(layer: Recurrent) -> torch.dtype:
    return next(t.dtype for t in (*layer.parameters(), *layer.buffers()))


def make_input(layer: Recurrent, steps: int, batch: int, seed: int = 2):
    """Random inputs that need gradients, time first: a tensor, or a tuple for cells with several inputs, of
    which the further ones grow as times do."""
    torch.manual_seed(seed)
    dtype = type_of(layer)
    x = torch.randn(steps, batch, layer.input_size, dtype=dtype, requires_grad=True)
    further = [
        torch.rand(steps, batch, *([] if width == 1 else [width]), dtype=dtype).cumsum(0).requires_grad_()
        for width in layer._input_widths[1:]
    ]
    return (x, *further) if further else x


def make_state(layer: Recurrent, batch: int, seed: int = 3):
    torch.manual_seed(seed)
    dtype = type_of(layer)
    count = layer.num_layers * (2 if layer.bidirectional else 1)
    return tuple(
        (0.5 * torch.randn(count, batch, width, dtype=dtype)).requires_grad_() for width in layer._state_widths
    )


def part(x, *index):
    """The same part of every input."""
    return tuple(v[index] for v in x) if isinstance(x, tuple) else x[index]


def leaves(layer, x, state=()):
    return [*layer.parameters(), *(x if isinstance(x, tuple) else (x,)), *state]


def gradients(results, wanted):
    """Gradients of a fixed random weighting of all results (zeros where nothing depends on a leaf)."""
    torch.manual_seed(4)
    loss = sum((r * torch.randn(r.shape, dtype=r.dtype)).sum() for r in results)
    return torch.autograd.grad(loss, wanted, allow_unused=True, materialize_grads=True) if wanted else ()


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
        current = results[-len(current) :]
    return torch.stack(outputs), tuple(s[None] for s in current)
