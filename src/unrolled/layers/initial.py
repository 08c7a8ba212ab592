"""First values of a layer's parameters: a uniform draw, then what the cell asks for by number or by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from ..cell import Cell
from ..errors import UsageError
from .chrono import fill_chrono, is_chrono
from .draws import DRAWS

LONGEST_PERIOD = 1000.0  # of a phased unit, in the unit of the time input (Neil et al. 2016, section 4)


def _each_layer(function: Callable[[Tensor], object]) -> Callable[[Tensor, Tensor | None], None]:
    """A function of one matrix, applied to every matrix of a stack of weights."""

    def fill(tensor: Tensor, periods: Tensor | None) -> None:
        for matrix in tensor if tensor.dim() == 3 else (tensor,):
            function(matrix)

    return fill


def _phase(tensor: Tensor, periods: Tensor | None) -> None:
    tensor.uniform_(0.0, math.log(LONGEST_PERIOD)).exp_()


def _shift(tensor: Tensor, periods: Tensor | None) -> None:
    tensor.uniform_(0.0, 1.0)
    if periods is not None:
        tensor.mul_(periods)


INITIAL: dict[str, Callable[[Tensor, Tensor | None], object]] = {
    "zeros": lambda tensor, periods: tensor.zero_(),
    "ones": lambda tensor, periods: tensor.fill_(1.0),
    "identity": _each_layer(nn.init.eye_),
    "orthogonal": _each_layer(nn.init.orthogonal_),
    "xavier": _each_layer(nn.init.xavier_uniform_),
    "phase": _phase,  # exp(U(0, log 1000))
    "shift": _shift,  # U(0, 1) times the period, so it is drawn after the phase
    **DRAWS,
}
LEFT_FOR_OTHERS = ("phase", "ring")  # what later draws of the same cell depend on


def check_initial(cell: Cell) -> None:
    """UsageError where a cell's `init` names no parameter of its own, or no initialisation of the table."""
    for name, value in cell.init.items():
        if name not in cell.parameters:
            raise UsageError(
                f"{cell.name}: init has {name!r}, which is no parameter of it. "
                f"It has {', '.join(cell.parameters)}."
            )
        if isinstance(value, str) and value not in INITIAL and not is_chrono(value):
            raise UsageError(
                f"{cell.name}: init[{name!r}] is {value!r}, which is no initialisation. "
                f"Give a number or one of {', '.join(INITIAL)}, chrono(T), -chrono(T)."
            )


@torch.no_grad()
def initialise(cell: Cell, hidden_size: int, values: Mapping[str, Tensor]) -> None:
    """Fills a layer's parameters in place, drawing in the order in which the cell declares them.

    Every parameter is drawn from U(-1/sqrt(H), 1/sqrt(H)), torch.nn's choice for recurrent layers; then `cell.init`
    has its say, a number or a name of `INITIAL`.
    """
    bound = 1.0 / math.sqrt(hidden_size)
    for tensor in values.values():
        tensor.uniform_(-bound, bound)
    periods, earlier = None, {}
    for name, tensor in values.items():
        chosen = cell.init.get(name)
        if isinstance(chosen, str) and is_chrono(chosen):
            fill_chrono(tensor, chosen, earlier)
        elif isinstance(chosen, str):
            INITIAL[chosen](tensor, periods)
            periods = tensor if chosen in LEFT_FOR_OTHERS else periods
        elif chosen is not None:
            tensor.fill_(chosen)
