"""Cells whose states meet the input before their matrices, or after: multiplicative and residual ones."""

from __future__ import annotations

from collections.abc import Callable

from ..cell import Cell, find
from ..errors import UsageError
from ..graph.replay import Draft
from ..ops import Symbol
from .derived import derived
from .operands import entering, in_products


def multiplicative(cell: Cell | str | Callable) -> Cell:
    """Matrices see m = (W_m x) * (U_m h) in the place of the state h, so that each input has its own recurrent
    weights (Krause et al. 2016, for an LSTM).

    m is as wide as the state. Where several states enter matrices each has its own, m_h with W_m_h and U_m_h,
    and a state that enters at several times of a step, as a highway's, has the same weights at all of them.

    Raises UsageError where no state enters a matrix.

    >>> print(multiplicative("elman").graph.shape("parameter", "W_m"))
    ('H', 'I')
    """
    cell = find(cell)
    states = entering(cell.graph)
    if not states:
        raise UsageError(f"multiplicative({cell.name}): no state of {cell.name} enters a matrix.")
    free = Draft(cell.graph).free
    ending = {state: f"_{state}" if len(states) > 1 else "" for state in states}
    names = {state: [free(f"{stem}_m{ending[state]}") for stem in "WU"] for state in states}
    called = {state: free(f"m{ending[state]}") for state in states}

    def multiplied(draft: Draft, state: str, value: Symbol) -> Symbol:
        x = draft.value(cell.graph.leaf("input", cell.inputs[0]).index)
        W, U = (draft.parameter(name) for name in names[state])
        return draft.call((W @ x) * (U @ value), called[state], "in the place of the state")

    graph = Draft(cell.graph, in_products(cell.graph, multiplied)).finish(f"multiplicative({cell.name})")
    return derived(cell, graph, f"multiplicative in {' and '.join(states)}", "multiplicative")


def residual(cell: Cell | str | Callable) -> Cell:
    """The output is the old one plus the input, and the states are what they were (Prakash et al. 2016).

    The two must be equally wide, which shows when a layer is made: input_size=hidden_size for most cells.

    >>> print(residual("elman").graph.output == residual("elman").graph.new_states[0])
    False
    """
    cell = find(cell)
    draft = Draft(cell.graph)
    draft.all()
    x = draft.value(cell.graph.leaf("input", cell.inputs[0]).index)
    y = draft.call(draft.value(cell.graph.output) + x, draft.free("y"), "output, past the step")
    return derived(cell, draft.finish(f"residual({cell.name})", y), "the input added to the output", "residual")
