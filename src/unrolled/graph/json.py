"""A graph as plain JSON data and back: how runs keep their cell, and how cells pickle.

Reading believes nothing: every field has its type and its bounds here, and graph/check.py has
the rules of the language.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ..errors import UsageError
from .check import MOST_NODES, MOST_TEXT, MOST_WIDTH, checked
from .node import Clash, Graph, Node, Statement

Field = TypeVar("Field")
MOST_LISTED = 4 * MOST_NODES  # of anything


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


def graph_from_json(data: object) -> Graph:
    """The graph that `graph_to_json` wrote; equal to it in every field.

    Raises UsageError, naming the place, for anything that tracing a cell could not have made.
    """
    if not isinstance(data, dict):
        raise UsageError(f"its graph is a {type(data).__name__}")

    def field(name: str, read: Callable[[object, str], Field]) -> Field:
        if name not in data:
            raise UsageError(f"its graph has no {name}")
        return read(data[name], name)

    return checked(
        Graph(
            field("name", text),
            tuple(_node(k, row) for k, row in enumerate(field("nodes", listed))),
            field("inputs", texts),
            field("states", texts),
            field("parameters", texts),
            tuple((text(k, "hyper"), number(v, "hyper")) for k, v in field("hyper", rows_of(2))),
            field("output", whole),
            tuple(whole(i, "new_states") for i in field("new_states", listed)),
            tuple(map(_statement, field("statements", rows_of(5)))),
            tuple(map(_clash, field("clashes", rows_of(7)))),
        )
    )


def text(value: object, place: str) -> str:
    if not isinstance(value, str) or len(value) > MOST_TEXT:
        raise _wrong(value, place, f"a text of at most {MOST_TEXT:,} letters")
    return value


def whole(value: object, place: str) -> int:
    if type(value) is not int or abs(value) > MOST_WIDTH:
        raise _wrong(value, place, "a whole number")
    return value


def number(value: object, place: str) -> float:
    """A float; what other writers of JSON make of 1.0, too."""
    if type(value) is int and abs(value) <= 2**53:
        return float(value)
    if type(value) is not float:
        raise _wrong(value, place, "a number")
    return value


def listed(value: object, place: str) -> list:
    if not isinstance(value, (list, tuple)) or len(value) > MOST_LISTED:
        raise _wrong(value, place, f"a list of at most {MOST_LISTED:,}")
    return list(value)


def texts(value: object, place: str) -> tuple[str, ...]:
    return tuple(text(one, place) for one in listed(value, place))


def rows_of(count: int) -> Callable[[object, str], list[list]]:
    """Reads a list of lists of `count`."""

    def read(value: object, place: str) -> list[list]:
        rows = [listed(row, place) for row in listed(value, place)]
        for row in rows:
            if len(row) != count:
                raise _wrong(row, place, f"a list of {count}")
        return rows

    return read


def maybe(read: Callable[[object, str], Field], value: object, place: str) -> Field | None:
    return None if value is None else read(value, place)


def _node(index: int, row: object) -> Node:
    place = f"nodes[{index}]"
    parts = listed(row, place)
    if len(parts) != 4:
        raise _wrong(row, place, "a primitive, its arguments, its value and its shape")
    op, args, value, shape = parts
    op = text(op, place)
    if not isinstance(value, (str, int, float, type(None))):
        raise _wrong(value, place, "a text, a number or null")
    return Node(
        index,
        op,
        tuple(whole(a, place) for a in listed(args, place)),
        number(value, place) if op == "constant" else value,
        texts(shape, place),
    )


def _statement(row: list) -> Statement:
    name, index, line, comment, count = row
    place = "statements"
    return Statement(
        text(name, place),
        whole(index, place),
        maybe(whole, line, place),
        maybe(text, comment, place),
        whole(count, place),
    )


def _clash(row: list) -> Clash:
    left, right, index, message, line, quoted, column = row
    place = "clashes"
    return Clash(
        text(left, place),
        text(right, place),
        whole(index, place),
        text(message, place),
        maybe(whole, line, place),
        maybe(text, quoted, place),
        maybe(whole, column, place),
    )


def _wrong(value: object, place: str, wanted: str) -> UsageError:
    plain = isinstance(value, (str, float, bool)) or (isinstance(value, int) and abs(value) < 2**64)
    said = repr(value) if plain else f"a {type(value).__name__}" if value is not None else "null"
    return UsageError(f"{place} has {said[:60]}, where {wanted} belongs")


def _plain(value):
    return list(value) if isinstance(value, tuple) else value
