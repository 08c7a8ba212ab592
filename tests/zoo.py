"""What the tests of the zoo share: a cell with random parameters, run over sequences of its inputs."""

from __future__ import annotations

import pytest
import torch
from instances import BACKENDS, instance

from unrolled.cells import REGISTRY
from unrolled.kernels import StepRows, run

BOTH = pytest.mark.parametrize("backend", BACKENDS)
DOUBLE = {"dtype": torch.float64}
PLAIN = {**DOUBLE, "backend": "reference"}  # layers that are looked at, not measured


def draw(*shape, seed: int = 0, scale: float = 0.6):
    made = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=made, **DOUBLE) * scale


def ran(cell, inputs, state, parameters, backend: str = "reference", **sizes):
    """Outputs (T, B, .) and final states; inputs are (T, B, .)."""
    steps, batch = inputs[0].shape[:2]
    packed = [x.reshape(steps * batch, -1) for x in inputs]
    y, final, _ = run(
        cell.graph,
        {"I": inputs[0].shape[-1], **sizes},
        packed,
        list(state),
        {(k,): v for k, v in parameters.items()},
        StepRows(steps, batch),
        backend=backend,
    )
    return [y.view(steps, batch, -1), *final]


def randomly(name: str, I: int, H: int, **hyper):
    """A cell and random parameters of it."""
    made = instance(REGISTRY[name].using(**hyper), {"I": I, "H": H, "O": H}, StepRows(1, 1), seed=7)
    return made.cell, {names[0]: tensor.detach() for names, tensor in made.parameters.items()}
