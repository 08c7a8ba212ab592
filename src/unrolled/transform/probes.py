"""Probes: a zero added to every new state, so that a loss's gradient with respect to the probe at step k is its
gradient with respect to the state after step k."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

from ..cell import Cell, find
from ..errors import UsageError
from ..graph.builder import Builder
from ..graph.node import Graph
from .derived import derived


def probed(cell: Cell | str | Callable) -> Cell:
    """The same cell with one more input for each state, `probe_h` for a state h, which is added to the new
    state where it is made: everything that reads the new state, in this step or later, reads it with the probe.

    Zeros change no value, and their gradient is that of the states: one backward pass gives dL/dh at all steps,
    out of any kernel. `unrolled.gradient_flow` does this for whole models.

        rnn = Recurrent(probed("lstm"), 3, 5)
        probes = [torch.zeros(7, 2, 5, requires_grad=True) for _ in range(2)]
        y, state = rnn((x, *probes))
        y[-1].sum().backward()
        probes[0].grad                     # (7, 2, 5): dL/dh after each of the seven steps; probes[1] has dL/dc

    Raises UsageError where the cell has no state.

    >>> print(probed("lstm").inputs)
    ('x', 'probe_h', 'probe_c')
    """
    cell = find(cell)
    if not cell.states:
        raise UsageError(f"probed({cell.name}): {cell.name} has no state to probe. Choose a recurrent cell.")
    graph, names = with_probes(cell.graph)
    masks = tuple(name for name in cell.graph.inputs if name in cell.noise)  # these stay behind all others
    graph = replace(graph, name=f"probed({cell.name})", inputs=(*cell.inputs, *names, *masks))
    return derived(cell, graph, "each new state with a probe")


@lru_cache(maxsize=64)
def with_probes(graph: Graph) -> tuple[Graph, tuple[str, ...]]:
    """The equations with a probe on each new state, and the probes' names: inputs behind all others, in the
    order of the states. Nothing else changes: nodes are built again one by one and none is simplified away."""
    taken = {str(n.value) for n in graph.nodes if n.is_leaf} | {s.name for s in graph.statements}
    names = tuple(_free(f"probe_{state}", taken) for state in graph.states)
    probe_of = dict(zip(graph.new_states, zip(graph.states, names)))
    builder, moved = Builder(), []
    for node in graph.nodes:
        at = builder.add(node.op, [moved[a] for a in node.args], node.value, node.shape)
        if node.index in probe_of:
            state, name = probe_of[node.index]
            at = at + builder.leaf("input", name, graph.shape("state", state))
        moved.append(at.index)
    new = replace(
        graph,
        name=f"probed({graph.name})",
        nodes=tuple(builder.nodes),
        inputs=(*graph.inputs, *names),
        output=moved[graph.output],
        new_states=tuple(moved[k] for k in graph.new_states),
        statements=tuple(replace(s, index=moved[s.index]) for s in graph.statements),
        clashes=tuple(replace(c, index=moved[c.index]) for c in graph.clashes),
    )
    return new, names


def _free(name: str, taken: set[str]) -> str:
    """The name, with underscores more where the author uses it."""
    while name in taken:
        name += "_"
    return name
