"""Two checks that need no data: gradients against finite differences, and an untrained model against log V."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from .cell import Cell
from .errors import CellError, UsageError
from .graph.node import size
from .layers.recurrent import Recurrent
from .models.language import LanguageModel

WIDTHS = ((3, 4), (4, 4))  # I and H; the second where the equations need both equal
STEP = 1e-6  # of the differences, about the cube root of float64's precision
GRADIENT_LIMIT = 1e-6  # relative to the largest entry of the tensor's gradient
LOSS_LIMIT = 0.3  # nats above log V


@dataclass(frozen=True)
class Checked:
    """What `check_cell` found.

    gradients  for each tensor the largest error of its gradient, relative to the gradient's largest entry
    nats       the loss of an untrained model on random characters, None where the cell
               takes more than characters
    log_v      what it would be if the model found all characters equally likely
    """

    cell: str
    gradients: dict[str, float]
    nats: float | None
    log_v: float

    @property
    def passed(self) -> bool:
        right = all(error <= GRADIENT_LIMIT for error in self.gradients.values())
        return right and (self.nats is None or abs(self.nats - self.log_v) <= LOSS_LIMIT)

    def to_json(self) -> dict:
        return asdict(self) | {"passed": self.passed}


def check_cell(cell: Cell, *, characters: int = 65, hidden: int = 64, layers: int = 1) -> Checked:
    """Both checks for a cell: the same numbers each time.

    >>> from unrolled import find
    >>> check_cell(find("lstm")).passed
    True
    """
    nats = None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        gradients = gradient_errors(cell)
        if len(cell.inputs) == 1:
            try:
                nats = untrained_nats(LanguageModel(characters, cell, hidden, layers))
            except CellError:  # the equations need the input as wide as the state, and characters are not
                nats = None
    return Checked(cell.name, gradients, nats, math.log(characters))


def untrained_nats(model: LanguageModel) -> float:
    """The loss of a model on 512 random characters."""
    text = torch.randint(model.characters, (33, 16))
    was_training = model.training
    with torch.no_grad():
        nats, _ = model.eval().nats(text[:-1], text[1:])
    model.train(was_training)
    return nats.item()


def gradient_errors(cell: Cell) -> dict[str, float]:
    """The error of each gradient of a small random layer, two rows and four steps long, in float64."""
    layer = _layer(cell)
    with torch.no_grad():
        for weight in layer.parameters():
            weight.add_(torch.randn_like(weight) * 0.1)  # zeros as biases hide mistakes
    inputs = _inputs(cell, layer)
    state = tuple(torch.randn_like(part) * 0.5 for part in layer(inputs)[1])
    named = {name: weight for name, weight in layer.named_parameters()}
    named |= {f"input {name}": value for name, value in zip(cell.inputs, inputs)}
    named |= {f"state {name}": value for name, value in zip(cell.states, state)}
    for tensor in named.values():
        tensor.requires_grad_(True)
    weighing: list[Tensor] = []

    def loss() -> Tensor:
        with torch.random.fork_rng(devices=[], enabled=bool(cell.noise)):
            if cell.noise:
                torch.manual_seed(1)  # the same masks each time
            y, last = layer(inputs, state)
        results = (y, *last)
        if not weighing:
            weighing.extend(torch.randn_like(result) for result in results)
        return sum((result * weight).sum() for result, weight in zip(results, weighing))

    exact = torch.autograd.grad(loss(), list(named.values()), allow_unused=True)
    return {name: _error(tensor, gradient, loss) for (name, tensor), gradient in zip(named.items(), exact)}


def _layer(cell: Cell) -> Recurrent:
    for widths in WIDTHS:
        try:
            return Recurrent(cell, *widths, dtype=torch.float64)
        except CellError:
            if widths == WIDTHS[-1]:
                raise
    raise UsageError(f"{cell.name} fits no width")


def _inputs(cell: Cell, layer: Recurrent) -> tuple[Tensor, ...]:
    """(4, 2, width) each, (4, 2) where the equations take a number."""
    sizes = {"I": layer.input_size, "H": layer.hidden_size, **cell.widths}
    shapes = [cell.graph.shape("input", name) for name in cell.inputs]
    return tuple(
        torch.randn(4, 2, *(size(dim, sizes) for dim in shape), dtype=torch.float64) for shape in shapes
    )


def _error(tensor: Tensor, exact: Tensor | None, loss: Callable[[], Tensor]) -> float:
    exact = torch.zeros_like(tensor) if exact is None else exact
    differences = torch.empty_like(exact).reshape(-1)
    with torch.no_grad():
        entries = tensor.view(-1)
        for place in range(len(entries)):
            before = entries[place].item()
            entries[place] = before + STEP
            above = loss().item()
            entries[place] = before - STEP
            below = loss().item()
            entries[place] = before
            differences[place] = (above - below) / (2 * STEP)
    largest = max(exact.abs().max().item(), 1e-3)
    return (differences - exact.reshape(-1)).abs().max().item() / largest
