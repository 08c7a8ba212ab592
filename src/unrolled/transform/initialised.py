"""A cell with other first values of its parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..cell import Cell, Initial, find
from ..errors import UsageError
from ..views.equations import initial
from .derived import extended
from .patterns import matching


def initialised(cell: Cell | str | Callable, **first: Initial) -> Cell:
    """The same equations with other first values: what `@cell(init=...)` says, for any cell.

    first   by parameter, or by a stem or pattern for several: a number; the name of an initialisation:
            zeros, ones, identity, orthogonal, xavier, kaiming, xavier_normal, kaiming_normal; a
            distribution with its numbers: normal(deviation), normal(mean, deviation), uniform(bound),
            uniform(low, high), truncated_normal(deviation), orthogonal(gain), xavier(gain), kaiming(slope
            below 0); "chrono(T)" for a gate's bias (Tallec and Ollivier 2018): log of U(1, T - 1), T the
            longest time to remember; "-chrono(T)" is the negative of it, for the input gate; a function
            that fills the tensor it is given, such as those of torch.nn.init, or returns its values. It is
            not stored with the cell: a run keeps the weights.

    A name counts more than a stem or pattern, a later pattern more than an earlier one. Raises UsageError for a
    name that means no parameter; names of initialisations are checked when a layer is made.

        initialised("lstm", U="orthogonal", b_f=1.0)
        initialised("lstm", b_f="chrono(784)", b_i="-chrono(784)")
        initialised("lstm", **{"?_o": "zeros"})
        initialised("lstm", W="normal(0.1)", U=torch.nn.init.orthogonal_)

    >>> print(initialised("mgu", U="orthogonal").init)
    {'U_f': 'orthogonal', 'U_n': 'orthogonal'}
    """
    cell = find(cell)
    said = {n: v.__name__ if callable(v) and hasattr(v, "__name__") else repr(v) for n, v in first.items()}
    who = f"initialised({cell.name}, {', '.join(f'{n}={v}' for n, v in said.items())})"
    found: dict[str, Initial] = {}
    for name, value in sorted(first.items(), key=lambda item: item[0] in cell.parameters):
        if isinstance(value, bool) or not (isinstance(value, (int, float, str)) or callable(value)):
            raise UsageError(
                f"{who}: {name}={value!r} is neither a number, nor the name of an initialisation, nor a"
                " function that fills a tensor."
            )
        found.update(dict.fromkeys(matching(who, name, cell.parameters), value))
    made = replace(cell, name=who, init={**cell.init, **found}, doc=extended(cell.doc, _phrase(first)))
    return made if made.stored is None else replace(made, stored=replace(made.stored, name=who))


def _phrase(first: dict[str, Initial]) -> str:
    return "first values " + ", ".join(f"{n} {initial(v)}" for n, v in first.items())
