"""A cell's output layer taken apart from its recurrence: o = softmax(V s + c) stands on the
state, once, at the top.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..cell import Cell, find
from ..graph.node import Dim, Graph, needed
from ..graph.replay import Draft
from ..views.idioms import idiom

ACTIVATIONS = ("sigmoid", "tanh", "relu", "softplus", "exp")


@dataclass(frozen=True)
class Head:
    """An output layer, `output` = `activation`(`weight` @ `reads` + `bias`); the names are the author's.

    output, reads  None where the value has no name
    bias           None where there is none
    activation     softmax, identity (a linear layer), sigmoid, tanh, relu, softplus or exp
    width          how wide the output is, as a width letter or a number: "H" where the equations do not say
    """

    output: str | None
    weight: str
    reads: str | None
    bias: str | None
    activation: str
    width: Dim

    def __str__(self) -> str:
        inside = f"{self.weight} @ {self.reads or '...'}" + (f" + {self.bias}" if self.bias else "")
        said = inside if self.activation == "identity" else f"{self.activation}({inside})"
        return f"{self.output or 'output'} = {said}"


def split_head(cell: Cell | str | Callable) -> tuple[Cell, Head | None]:
    """(the recurrent part, the output layer), or (the cell itself, None) where its output is not such a layer.

    It is one if the output is a function of `M @ v` or `M @ v + b`, no state rests on it, `M` and `b` are
    parameters that nothing else uses, and `v` is a value of the step. `v` is then the output of the recurrent
    part. Layers are stacked on it, and a task uses M as its own output layer.

    >>> def deck(x, s, *, U, W, V):
    ...     s = tanh(U @ x + W @ s)
    ...     o = softmax(V @ s)
    ...     return o, s
    >>> from unrolled import softmax, tanh
    >>> part, head = split_head(deck)
    >>> str(head), part.parameters
    ('o = softmax(V @ s)', ('U', 'W'))
    """
    cell = find(cell)
    graph = cell.graph
    found = _found(graph)
    if found is None:
        return cell, None
    read, head = found
    draft = Draft(graph)
    draft.all()
    states = [draft.value(index) for index in graph.new_states]
    part = draft.finish(cell.name, draft.value(read), states)
    return cell.made_of(part), head


def why_no_head(cell: Cell) -> str | None:
    """One sentence on an output that is a softmax and yet no output layer of its
    own; None for other outputs.
    """
    graph = cell.evaluation.graph
    form = idiom(graph.nodes, _original(graph, graph.output))
    if not form or form[0] != "softmax":
        return None
    name = graph.name_of(graph.output) or "the output"
    where = (
        f"the state rests on {name}"
        if graph.output in needed(graph.nodes, graph.new_states)
        else "it is not softmax(V @ s) or softmax(V @ s + b) of one value s, with V and b used nowhere else"
    )
    return (
        f"{cell.name} ends in a softmax, {name}, which cannot be the model's output layer: {where}. "
        "Let the last equation read the state alone, or take it out: the model adds an output layer of its own."
    )


def _original(graph: Graph, index: int) -> int:
    while graph.nodes[index].op == "alias":
        index = graph.nodes[index].args[0]
    return index


def _found(graph: Graph) -> tuple[int, Head] | None:
    """The node that the output layer reads, and the layer."""
    nodes = graph.nodes
    top = _original(graph, graph.output)
    activation, inside = _activation(graph, top)
    inside = _original(graph, inside)
    product, bias = _affine(graph, inside)
    if product is None:
        return None
    matrix, read = nodes[product].args
    if nodes[matrix].op != "parameter" or nodes[read].op in ("input", "parameter"):
        return None
    own = set(needed(nodes, [graph.output], ends=[read])) - {read}
    others = set(needed(nodes, [read, *graph.new_states]))
    if own & others - {n.index for n in nodes if n.op in ("constant", "width")}:
        return None
    head = Head(
        graph.name_of(graph.output),
        str(nodes[matrix].value),
        graph.name_of(read),
        None if bias is None else str(nodes[bias].value),
        activation,
        nodes[matrix].shape[0],
    )
    return read, head


def _activation(graph: Graph, index: int) -> tuple[str, int]:
    """The function around a node, and its argument."""
    form, node = idiom(graph.nodes, index), graph.nodes[index]
    if form and form[0] == "softmax":
        return form
    return (node.op, node.args[0]) if node.op in ACTIVATIONS else ("identity", index)


def _affine(graph: Graph, index: int) -> tuple[int | None, int | None]:
    """(the node M @ v, the node of b or None) of M @ v and M @ v + b."""
    nodes = graph.nodes
    if nodes[index].op == "product":
        return index, None
    if nodes[index].op == "add":
        for this, other in (nodes[index].args, nodes[index].args[::-1]):
            this = _original(graph, this)
            if nodes[this].op == "product" and nodes[other].op == "parameter" and len(nodes[other].shape) == 1:
                return this, other
    return None, None
