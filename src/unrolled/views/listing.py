"""A graph node by node, as it is stored: number, primitive, what it is applied to, shape, the author's name."""

from __future__ import annotations

from ..graph.node import Graph, Node
from .columns import columns, printable, shape_text
from .expression import constant
from .names import names_of, results_of

HEAD = ("node", "op", "of", "shape", "name", "")


def listing(graph: Graph) -> str:
    """One line per node, in the order in which the author's lines made them.

    node  op       of  shape   name
       0  input        (I,)    x[t]
       5  product  2 0  (H,)
    """
    names, comments = (
        {i: str(c) for i, c in names_of(graph).items()},
        {s.index: s.comment for s in graph.statements if s.comment},
    )
    results: dict[int, list[str]] = {}
    for name, index in results_of(graph):
        if names.get(index) != str(name):
            results.setdefault(index, []).append(str(name))
    rows = [HEAD, *(_row(node, names, comments, results) for node in graph.nodes)]
    return "\n".join(printable(line) for line in columns(rows, right=(0,)))


def _row(node: Node, names, comments, results) -> list[str]:
    called = " = ".join([*([names[node.index]] if node.index in names else []), *results.get(node.index, [])])
    if node.op == "constant":
        called = constant(node.value)
    of = " ".join(map(str, node.args))
    if not node.is_leaf and node.value is not None:
        of += f" [{node.value if not isinstance(node.value, tuple) else ':'.join(map(str, node.value))}]"
    comment = comments.get(node.index)
    return [str(node.index), node.op, of, shape_text(node.shape), called, f"# {comment}" if comment else ""]
