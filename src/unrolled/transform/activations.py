"""A cell with other nonlinearities."""

from __future__ import annotations

from collections.abc import Callable

from ..cell import Cell, find
from ..errors import UsageError
from ..graph.node import Node
from ..graph.replay import Draft
from ..ops import ACTIVATIONS, Symbol, activation
from .derived import derived

New = str | Callable[[Symbol], Symbol]


def activations(cell: Cell | str | Callable, **exchanged: New) -> Cell:
    """Every nonlinearity that is named is exchanged for another, all at the same time.

    exchanged   what takes the place of each: the name of another, "identity", or a
                function in the cell language

    Raises UsageError for a nonlinearity that the equations do not have, or an unknown new one.

        activations("lstm", tanh="relu")
        activations("gru", sigmoid=lambda v: maximum(0, minimum(1, 0.2 * v + 0.5)))      # "hard" gates

    >>> print(activations("mgu", tanh="sin").name)
    activations(mgu, tanh=sin)
    """
    cell = find(cell)
    have = [n for n in ACTIVATIONS if any(node.op == n for node in cell.graph.nodes)]
    shown = ", ".join(f"{old}={new if isinstance(new, str) else '...'}" for old, new in exchanged.items())
    who = f"activations({cell.name}, {shown})"
    for old, new in exchanged.items():
        if old not in have:
            raise UsageError(
                f"{who}: the equations of {cell.name} have no {old}. They have {', '.join(have) or 'none'}."
            )
        if not callable(new) and new not in (*ACTIVATIONS, "identity"):
            raise UsageError(
                f"{who}: {new!r} is not an activation. Give a function of the cell language, or one of "
                f"{', '.join(ACTIVATIONS)}, identity."
            )

    def change(draft: Draft, node: Node) -> Symbol | None:
        if node.op not in exchanged:
            return None
        new, value = exchanged[node.op], draft.value(node.args[0])
        return activation(new, value) if isinstance(new, str) else draft.symbol(new(value))

    phrase = "with " + ", ".join(
        f"{new if isinstance(new, str) else 'another function'} for {old}" for old, new in exchanged.items()
    )
    return derived(cell, Draft(cell.graph, change).finish(who), phrase)
