r"""The shapes that equations alone do not tell, as a paper says them: `\beta \in \mathbb{R}`,
`C \in \mathbb{R}^{H \times H}`.
"""

from __future__ import annotations

from dataclasses import replace

from ..errors import CellError
from ..graph.node import Graph, Shape
from ..graph.widths import infer
from .symbols import parts_of

LEAVES = ("input", "state", "parameter", "hyper")


def unsaid_shapes(graph: Graph) -> dict[tuple[str, str], Shape]:
    """(kind, name) -> shape, of every leaf that a reader of the equations would take for something else.

    Taken for granted: the first input is (I,), a state (H,), and parameters are as wide as their use
    makes them, where a Greek letter or a word is a number unless it is added to a vector or
    multiplied with one unit by unit.

    >>> from unrolled.cell import REGISTRY
    >>> unsaid_shapes(REGISTRY["janet"].graph), unsaid_shapes(REGISTRY["lstm"].graph)
    ({('parameter', 'beta'): ()}, {})
    """
    leaves = {(n.op, str(n.value)): n for n in graph.nodes if n.op in LEAVES}
    granted = {("state", name): ("H",) for name in graph.states} | {("input", graph.inputs[0]): ("I",)}
    said = {
        key: node.shape
        for key, node in leaves.items()
        if len(node.shape) > 2
        or granted.get(key, node.shape) != node.shape
        or node.op == "parameter"
        and not node.shape
    }
    found = _inferred(graph, said)
    for key, node in leaves.items():
        if key not in said and (found.get(key, node.shape) != node.shape or _taken_otherwise(graph, node)):
            said[key] = node.shape
    return said


def _inferred(graph: Graph, said: dict[tuple[str, str], Shape]) -> dict[tuple[str, str], Shape]:
    """What use makes of the leaves' shapes, where some are said."""
    try:
        plain = infer(
            replace(graph, nodes=tuple(replace(n, shape=None) for n in graph.nodes), clashes=()),
            {name: shape for (_, name), shape in said.items()},
            lambda index: (None, None, None),
        )
    except CellError:  # use alone makes no sense of them
        return {(n.op, str(n.value)): () for n in graph.nodes if n.op in LEAVES[1:]}
    return {(n.op, str(n.value)): n.shape for n in plain.nodes if n.op in LEAVES}


def _taken_otherwise(graph: Graph, node) -> bool:
    """A vector that looks like a number, a number that looks like a vector, a matrix
    without a capital letter.
    """
    if node.op not in ("parameter", "hyper") or len(node.shape) > 2:
        return False
    base = parts_of(str(node.value)).base
    if len(node.shape) == 2:
        return not base[:1].isupper()
    letter = len(base) == 1 or base[:1].isupper()
    users = [n for n in graph.nodes if node.index in n.args]
    beside = any(
        n.op in ("add", "sub", "mul") and graph.nodes[a].shape for n in users for a in n.args if a != node.index
    )
    if node.shape == ():
        added = any(n.op in ("add", "sub", "less", "maximum", "minimum") and n.shape for n in users)
        return letter or added
    return not letter and not beside
