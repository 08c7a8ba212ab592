"""What each value of a graph is called in print: the author's name, with the time step at which it is made."""

from __future__ import annotations

from ..graph.node import Graph, Statement

NOW, BEFORE = "[t]", "[t-1]"
OUTPUT = f"output{NOW}"


def varies(graph: Graph) -> list[bool]:
    """Whether each node may differ from step to step: it rests on an input or a state."""
    found: list[bool] = []
    for node in graph.nodes:
        found.append(node.op in ("input", "state") or any(found[a] for a in node.args))
    return found


def names_of(graph: Graph) -> dict[int, str]:
    """Node -> what it is called: leaves, and what the author bound to a name.

    x[t] and h[t] belong to this step, h[t-1] is the state that the step found. A name that a loop binds
    repeatedly is numbered, s(1), s(2), ...; so is one that would be mistaken for an argument or for a new state.
    """
    moving, names = varies(graph), {}
    for node in graph.nodes:
        if node.is_leaf and node.op != "constant":
            names[node.index] = f"{node.value}{ {'input': NOW, 'state': BEFORE}.get(node.op, '') }"
    times = {s.name: max(o.count for o in graph.statements if o.name == s.name) for s in graph.statements}
    for s in graph.statements:
        number = f"({s.count})" if times[s.name] > 1 or _mistakable(graph, s) else ""
        names.setdefault(s.index, f"{s.name}{number}{NOW if moving[s.index] else ''}")
    return names


def timeless(text: str, graph: Graph) -> str:
    """A text with names, without the time step where there is none: in a net that has no state."""
    return text if graph.states else text.replace(NOW, "")


def _mistakable(graph: Graph, statement: Statement) -> bool:
    """Whether the bare name means something else: an input, a parameter, or a state whose new value is another."""
    if statement.name in graph.states:
        return graph.new_states[graph.states.index(statement.name)] != statement.index
    return statement.name in (*graph.inputs, *graph.parameters, *(name for name, _ in graph.hyper))


def results_of(graph: Graph) -> list[tuple[str, int]]:
    """(name, node) of everything that leaves the step: the output unless it is the first state, then the new states."""
    states = [(f"{name}{NOW}", node) for name, node in zip(graph.states, graph.new_states)]
    if graph.states and graph.output == graph.new_states[0]:
        return states
    return [(OUTPUT, graph.output), *states]
