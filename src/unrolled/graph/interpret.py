"""A graph run as the function it stands for: node by node, on plain tensors of one example at one step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import UsageError
from ..ops import on_numbers
from .node import Dim, Graph, needed, size


def interpret(graph: Graph, given: Sequence, parameters: Mapping[str, object], widths: Mapping[Dim, int]):
    """What the equations give: the new states in order, after the output where that is not the first of them.

    given       inputs, then states: tensors (width,), or numbers
    parameters  by name; hyper-parameters may be among them
    widths      what a width letter stands for where no tensor tells

    One value is returned as it is, several as a tuple, as an author's function would. Raises UsageError, with
    the names wanted, where values are missing or too many.

        interpret(find("mgu").graph, [x, h], {"W_f": ..., ...}, {})
    """
    known = {("input", n): v for n, v in zip(graph.inputs, given)}
    known.update({("state", n): v for n, v in zip(graph.states, given[len(graph.inputs) :])})
    _check(graph, given, parameters)
    known.update({("parameter", n): parameters[n] for n in graph.parameters})
    known.update({("hyper", n): parameters.get(n, v) for n, v in graph.hyper})
    sizes = {**_sizes(graph, known), **widths}
    output_apart = not graph.new_states or graph.output != graph.new_states[0]
    roots = [*([graph.output] if output_apart else []), *graph.new_states]
    values: dict[int, object] = {}
    for index in needed(graph.nodes, roots):
        values[index] = _value(graph.nodes[index], values, known, sizes)
    results = tuple(values[r] for r in roots)
    return results if len(results) > 1 else results[0]


def _value(node, values: Mapping[int, object], known: Mapping, sizes: dict[Dim, int]):
    if node.op == "constant":
        return node.value
    if node.op == "width":
        return size(node.value, sizes)
    if node.is_leaf:
        return known[(node.op, node.value)]
    args = tuple(values[a] for a in node.args)
    return args[0][node.value] if node.op == "index" else on_numbers(node.op, args)


def _sizes(graph: Graph, known: Mapping) -> dict[Dim, int]:
    """What the given tensors say about width letters."""
    found: dict[Dim, int] = {}
    for node in graph.nodes:
        value = known.get((node.op, node.value)) if node.is_leaf and node.op != "constant" else None
        if hasattr(value, "shape"):
            found.update({d: n for d, n in zip(node.shape or (), value.shape) if d.isidentifier()})
    return found


def _check(graph: Graph, given: Sequence, parameters: Mapping[str, object]) -> None:
    wanted = (*graph.inputs, *graph.states)
    if len(given) != len(wanted):
        raise UsageError(
            f"{graph.name} takes {', '.join(wanted)}: {len(wanted)} values, and {len(given)} were given."
        )
    missing = [n for n in graph.parameters if n not in parameters]
    if missing:
        raise UsageError(
            f"{graph.name} was called without its parameter {missing[0]}. Give {', '.join(missing)} by name."
        )
    unknown = [n for n in parameters if n not in graph.parameters and n not in dict(graph.hyper)]
    if unknown:
        raise UsageError(
            f"{graph.name} was called with {unknown[0]}, which it does not have. "
            f"It has {', '.join([*graph.parameters, *dict(graph.hyper)])}."
        )
