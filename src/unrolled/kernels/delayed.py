"""States that only hand the input on to the next step: the last input of a QRNN, or of a strongly typed GRU.

Such a state is the input one step late, known before the loop. Given to the kernel as one more input, its
products leave the loop with all others, and a cell that was linear but for it is found to be so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor

from ..graph.node import Graph
from .call import StepRows


@dataclass(frozen=True)
class Delayed:
    """`graph` has the states at places `states` as further inputs; each is input `inputs[k]` one step late."""

    graph: Graph
    states: tuple[int, ...]
    inputs: tuple[int, ...]

    def given(self, inputs: Sequence[Tensor], state: Sequence[Tensor], step_rows: StepRows):
        """Inputs and states for `graph`, from those for the cell."""
        late = [_late(inputs[i], state[k], step_rows) for k, i in zip(self.states, self.inputs)]
        return [*inputs, *late], [s for k, s in enumerate(state) if k not in self.states]

    def final(
        self, found: Sequence[Tensor], inputs: Sequence[Tensor], state: Sequence[Tensor], step_rows: StepRows
    ) -> tuple[Tensor, ...]:
        """Final states of the cell, from those of `graph`."""
        rest = iter(found)
        source = dict(zip(self.states, self.inputs))
        return tuple(
            _last(inputs[source[k]], state[k], step_rows) if k in source else next(rest)
            for k in range(len(state))
        )


@lru_cache(maxsize=512)
def delayed_of(graph: Graph) -> Delayed | None:
    """The cell's graph with such states as inputs; None where it has none, or nothing else."""
    found: list[tuple[int, int]] = []
    for k, new in enumerate(graph.new_states):
        node = graph.nodes[new]
        while node.op == "alias":
            node = graph.nodes[node.args[0]]
        if node.op == "input" and graph.output != new:
            found.append((k, graph.inputs.index(node.value)))
    if not found or len(found) == len(graph.states):
        return None
    names = [graph.states[k] for k, _ in found]
    nodes = tuple(replace(n, op="input") if n.op == "state" and n.value in names else n for n in graph.nodes)
    keep = [k for k, name in enumerate(graph.states) if name not in names]
    changed = replace(
        graph,
        nodes=nodes,
        inputs=(*graph.inputs, *names),
        states=tuple(graph.states[k] for k in keep),
        new_states=tuple(graph.new_states[k] for k in keep),
    )
    return Delayed(changed, tuple(k for k, _ in found), tuple(i for _, i in found))


def _late(x: Tensor, state: Tensor, step_rows: StepRows) -> Tensor:
    """(N, width): at every step what the step before it read, at the first the state."""
    if step_rows.sizes is None:
        rest = x[step_rows.batch :] if step_rows.reverse else x[: -step_rows.batch]
        return torch.cat([rest, state] if step_rows.reverse else [state, rest])
    parts = x.split(list(step_rows.sizes))
    return torch.cat([state[: step_rows.sizes[0]], *(p[:n] for p, n in zip(parts, step_rows.sizes[1:]))])


def _last(x: Tensor, state: Tensor, step_rows: StepRows) -> Tensor:
    """(B, width): what each row read last; its state where it read nothing."""
    if step_rows.sizes is None:
        return (
            x[: step_rows.batch] if step_rows.reverse else x[-step_rows.batch :]
        ).clone()  # no view of the caller's input
    parts = x.split(list(step_rows.sizes))
    # Rows that go no further, the longest at the end.
    ends = [p[n:] for p, n in zip(parts, (*step_rows.sizes[1:], 0))]
    return torch.cat([*reversed(ends), state[step_rows.sizes[0] :]])
