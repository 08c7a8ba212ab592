"""First values of a layer's parameters: a uniform draw, then what the cell asks for by number or by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from ..cell import Cell
from ..errors import UsageError
from .chrono import fill_chrono, is_chrono
from .distributions import FORMS, distribution
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


MATRICES = ("identity", "orthogonal", "xavier")  # what needs rows and columns,
# And as many of these as of those.
SQUARE = ("reservoir", "antisymmetric", "rotations", "cyclic", "clockwork_mask")


def check_initial(cell: Cell) -> None:
    """UsageError where a cell's `init` names no parameter of its own, no initialisation,
    or one that does not fit.
    """
    for name, value in cell.init.items():
        if name not in cell.parameters:
            raise UsageError(
                f"{cell.name}: init has {name!r}, which is not a parameter of it. "
                f"It has {', '.join(cell.parameters)}."
            )
        if callable(value):
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise UsageError(
                f"{cell.name}: init[{name!r}] is {value!r}, which is neither a number, nor the name of an"
                " initialisation, nor a function that fills a tensor."
            )
        if isinstance(value, str):
            _check_named(cell, name, value)


def _check_named(cell: Cell, name: str, value: str) -> None:
    drawn = distribution(value)
    if value not in INITIAL and not is_chrono(value) and drawn is None:
        raise UsageError(
            f"{cell.name}: init[{name!r}] is {value!r}, which is not an initialisation. "
            f"Give a number, a function, or one of {', '.join(INITIAL)}, {FORMS}, chrono(T), -chrono(T)."
        )
    rank = len(cell.graph.shape("parameter", name))
    if rank < 2 and (value in (*MATRICES, *SQUARE) or (drawn is not None and drawn[0])):
        raise UsageError(
            f"{cell.name}: init[{name!r}] is {value!r}, which is for matrices, and {name} is a "
            f"{('number', 'vector')[rank]}. Give it a number, or normal(0.1), or uniform(-1, 1)."
        )


def _fill(cell: Cell, name: str, number: float, tensor: Tensor) -> None:
    most = torch.finfo(tensor.dtype).max
    if math.isfinite(number) and abs(number) > most:
        raise UsageError(
            f"{cell.name}: init[{name!r}] is {number}, and {tensor.dtype} ends at {most:.1e}. Give a smaller"
            " number."
        )
    tensor.fill_(number)


@torch.no_grad()
def initialise(cell: Cell, hidden_size: int, values: Mapping[str, Tensor]) -> None:
    """Fills a layer's parameters in place, drawing in the order in which the cell declares them.

    Every parameter is drawn from U(-1/sqrt(H), 1/sqrt(H)), torch.nn's choice for recurrent layers;
    then `cell.init` has its say: a number, a name of `INITIAL`, a distribution with its numbers, or
    a function of the tensor.
    """
    if any(tensor.is_meta for tensor in values.values()):
        return  # shapes alone have no values
    bound = 1.0 / math.sqrt(hidden_size)
    for tensor in values.values():
        tensor.uniform_(-bound, bound)
    given, values = values, {name: _computable(tensor) for name, tensor in values.items()}
    periods, earlier = None, {}
    for name, tensor in values.items():
        chosen = cell.init.get(name)
        if callable(chosen):
            _by_function(cell, name, chosen, tensor)
        elif not isinstance(chosen, str):
            if chosen is not None:
                _fill(cell, name, chosen, tensor)
        elif is_chrono(chosen):
            fill_chrono(tensor, chosen, earlier)
        elif chosen in INITIAL:
            _check_square(cell, name, chosen, tensor)
            INITIAL[chosen](tensor, periods)
            periods = tensor if chosen in LEFT_FOR_OTHERS else periods
        else:
            distribution(chosen)[1](tensor)
    for name, tensor in given.items():
        if values[name] is not tensor:
            tensor.copy_(values[name])


def _computable(tensor: Tensor) -> Tensor:
    """The tensor, or a copy of one of half precision: eigenvalues and orthogonal
    matrices are made in float32.
    """
    return tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()


def _by_function(cell: Cell, name: str, function: Callable, tensor: Tensor) -> None:
    """The function fills the tensor, or returns what is to stand in it."""
    made = function(tensor)
    if made is None or made is tensor:
        return
    made = torch.as_tensor(made, dtype=tensor.dtype, device=tensor.device)
    if made.shape not in (tensor.shape, ()):
        raise UsageError(
            f"{cell.name}: the function of init[{name!r}] returned {_said(made)} numbers, and {name} has"
            f" {_said(tensor)}. Fill the tensor that it is given, or return one of that shape."
        )
    tensor.copy_(made)


def _check_square(cell: Cell, name: str, chosen: str, tensor: Tensor) -> None:
    if chosen in SQUARE and (tensor.dim() != 2 or len(set(tensor.shape)) > 1):
        raise UsageError(
            f"{cell.name}: init[{name!r}] is {chosen!r}, which is for square matrices, and {name} is"
            f" {_said(tensor)} here. Give it another first value."
        )


def _said(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "1"
