"""Layer normalisation inside a cell's step."""

from __future__ import annotations

from collections.abc import Callable

from ..cell import Cell, find
from ..errors import UsageError
from ..graph.node import Graph, Node
from ..graph.replay import Draft
from ..ops import Symbol, mean, sqrt
from .derived import derived
from .operands import depends

EPSILON = 1e-5  # as unrolled.layer_norm and torch's have it


def layer_norm(cell: Cell | str | Callable) -> Cell:
    """The result of each product of a matrix is normalised over its units and has a gain of its own, at first
    1; biases stay where they are (Ba, Kiros and Hinton 2016, equation 4 with its bias being the cell's).

    Ba et al. normalise the products of all gates as one vector, and an LSTM's cell state too, before its tanh:
    here each gate is normalised by itself, as in tensorflow's LayerNormBasicLSTMCell, and for the cell state
    there is `replace(layer_norm("lstm"), h=lambda o, c, *, g, b: o * tanh(g * unrolled.layer_norm(c) + b))`.

    Raises UsageError where the cell has no matrix.

    >>> print(layer_norm("mgu").parameters[-2:])
    ('gain_W_n', 'gain_U_n')
    """
    cell = find(cell)
    moving, gains = depends(cell.graph, ("state", "input")), {}

    def normed(draft: Draft, node: Node) -> Symbol | None:
        if node.op != "product" or not moving[node.args[1]]:
            return None
        name = _label(cell.graph, node.args[0])
        gain = draft.parameter(draft.free(f"gain_{name}"), node.shape)
        gains[draft.builder.nodes[gain.index].value] = 1.0
        product = draft.plain(node.index)
        centred = draft.call(product - mean(product), draft.free(f"centred_{name}"))
        scaled = gain * centred / sqrt(mean(centred * centred) + EPSILON)
        return scaled if node.index in draft.names else draft.call(scaled, draft.free(f"norm_{name}"))

    graph = Draft(cell.graph, normed).finish(f"layer_norm({cell.name})")
    if not gains:
        raise UsageError(f"layer_norm({cell.name}): {cell.name} has no product with a matrix to normalise.")
    return derived(cell, graph, "each product normalised", "layer_norm", init=gains)


def _label(graph: Graph, matrix: int) -> str:
    """What a matrix is called: U_i, U_h_0 for U_h[0], and after its first parameter
    where it is an expression.
    """
    node = graph.nodes[matrix]
    if node.op == "parameter":
        return node.value
    if node.op == "index":
        return f"{_label(graph, node.args[0])}_{node.value}"
    return _label(graph, node.args[0]) if node.args else "product"
