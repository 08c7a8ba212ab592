"""`resettable`: a cell whose state begins again in the middle of a sequence, where one more input says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..cell import Cell, find
from ..errors import UsageError
from ..graph.builder import Builder
from ..graph.node import Graph, Statement
from ..ops import where
from .derived import derived

RESETS = "resets"  # the input's name; a layer that reads backwards knows it by this name, see layers/resets.py


def resettable(cell: Cell | str | Callable) -> Cell:
    """The same cell with one more input, `resets`: where it is not 0, the state is the first one (zero, or the
    cell's `start`) before that step.

    So sequences may follow each other in one row (episodes, documents) and no state passes from one to the
    next: the results are those of running the pieces apart. The state is chosen and not multiplied, so NaN or
    infinity before a reset does not reach what comes after it.

        rnn = Recurrent(resettable("lstm"), 3, 5)
        y, state = rnn((x, resets), state)            # x (T, B, I), resets (T, B): bool, or 0 and 1
        y_t, state = rnn.step((x_t, resets_t), state)

    resets[t] marks a boundary in time between the steps t - 1 and t. A layer that reads backwards begins again
    at the same boundaries, that is before it reads step t - 1. resets[0] is the boundary before the first step:
    forwards, the state that a call is given is not used there; backwards it says nothing.

    Make a cell resettable last, `resettable(zoneout("lstm", 0.1))`: what comes after it may
    see the state of before.

    Raises UsageError where the cell has no state, or has something called resets already.
    Source: haiku's ResetCore.

    >>> print(resettable("mgu").inputs)
    ('x', 'resets')
    """
    cell = find(cell)
    graph = cell.graph
    if not graph.states:
        raise UsageError(f"resettable({cell.name}): {cell.name} has no state that could begin again.")
    if RESETS in {*graph.inputs, *graph.states, *graph.parameters, *cell.hyper}:
        raise UsageError(
            f"resettable({cell.name}): {cell.name} has something called {RESETS} already. "
            "Rename that, or leave the cell as it is if it can be reset."
        )
    begun = _with_resets(graph, cell, f"resettable({cell.name})")
    return derived(cell, begun, f"begins again where {RESETS} is not 0")


def _with_resets(graph: Graph, cell: Cell, name: str) -> Graph:
    """The graph again, each state s read through where(resets, start of s, s), and nothing else changed: all
    states stay, those too that nobody but themselves reads."""
    builder, moved, statements = Builder(), [], []
    for node in graph.nodes:
        at = builder.add(node.op, [moved[a] for a in node.args], node.value, node.shape)
        if node.op == "state":
            at = where(builder.leaf("input", RESETS, ()), cell.start.get(node.value, 0.0), at)
            name_before = _free(f"{node.value}_before", graph)
            statements.append(Statement(name_before, at.index, None, "the first state at a reset"))
        moved.append(at.index)
    masks = tuple(n for n in graph.inputs if n in cell.noise)
    return replace(
        graph,
        name=name,
        nodes=tuple(builder.nodes),
        inputs=(*cell.inputs, RESETS, *masks),
        output=moved[graph.output],
        new_states=tuple(moved[k] for k in graph.new_states),
        statements=(*statements, *(replace(s, index=moved[s.index]) for s in graph.statements)),
        clashes=tuple(replace(c, index=moved[c.index]) for c in graph.clashes),
    )


def _free(name: str, graph: Graph) -> str:
    """The name, with an underscore more where the author uses it."""
    taken = {s.name for s in graph.statements} | {str(n.value) for n in graph.nodes if n.is_leaf}
    while name in taken:
        name += "_"
    return name
