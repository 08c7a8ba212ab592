"""A graph as plain JSON data and back: how runs keep their cell, and how cells pickle."""

from __future__ import annotations

from ..ops import OPS
from .node import Clash, Graph, Node, Statement


def graph_to_json(graph: Graph) -> dict:
    """Lists and numbers only. Infinite constants use JSON's customary Infinity."""
    return {
        "name": graph.name,
        "nodes": [[n.op, list(n.args), _plain(n.value), list(n.shape or ())] for n in graph.nodes],
        "inputs": list(graph.inputs),
        "states": list(graph.states),
        "parameters": list(graph.parameters),
        "hyper": [list(pair) for pair in graph.hyper],
        "output": graph.output,
        "new_states": list(graph.new_states),
        "statements": [[s.name, s.index, s.line, s.comment, s.count] for s in graph.statements],
        "clashes": [[c.left, c.right, c.index, c.message, c.line, c.text, c.column] for c in graph.clashes],
    }


def graph_from_json(data: dict) -> Graph:
    """The graph that `graph_to_json` wrote; equal to it in every field. Raises KeyError, TypeError or ValueError."""
    nodes = tuple(
        Node(i, op, tuple(args), tuple(value) if isinstance(value, list) else value, tuple(shape))
        for i, (op, args, value, shape) in enumerate(data["nodes"])
    )
    for node in nodes:
        if any(not 0 <= a < node.index for a in node.args):
            raise ValueError(f"node {node.index} rests on a later one")
        arity = 0 if node.is_leaf else OPS[node.op].arity  # KeyError where there is no such primitive
        if arity not in (-1, len(node.args)):
            raise ValueError(f"node {node.index} has {len(node.args)} arguments and {node.op} takes {arity}")
    roots = [data["output"], *data["new_states"]]
    if any(not 0 <= r < len(nodes) for r in roots):
        raise ValueError("a result is none of the nodes")
    return Graph(
        data["name"],
        nodes,
        tuple(data["inputs"]),
        tuple(data["states"]),
        tuple(data["parameters"]),
        tuple((k, float(v)) for k, v in data["hyper"]),
        data["output"],
        tuple(data["new_states"]),
        tuple(Statement(*s) for s in data["statements"]),
        tuple(Clash(*c) for c in data["clashes"]),
    )


def _plain(value):
    return list(value) if isinstance(value, tuple) else value
