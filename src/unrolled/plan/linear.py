"""Cells that are linear in their states: new = A old + b, unit by unit, A and b known before the loop.

Such a recurrence need not be walked step by step: any number of its steps put together have the same form
(Blelloch 1990, section 1.4; Martin and Cundy 2018), so that blocks of time can be worked out beside each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from ..graph.builder import Builder
from ..graph.node import Node, needed
from ..graph.simplify import Simplifying
from ..ops import Symbol
from .plan import Plan

Slopes = dict[int, Symbol]  # state (its place in the list) -> how a value changes with it


@dataclass(frozen=True)
class Linear:
    """`nodes` are the body's and, behind them, those of the factors; `factors[i][j]` is the node of the factor
    of old state j in new state i, None where it has none."""

    nodes: tuple[Node, ...]
    factors: tuple[tuple[int | None, ...], ...]


@lru_cache(maxsize=512)
def linear_of(plan: Plan) -> Linear | None:
    """The factors of a cell whose new states are linear in the old ones, unit by unit; None for others.

    The output may be anything made of the states, products of matrices too.
    """
    body = plan.body
    if not body.states:
        return None
    builder = Simplifying(Builder(list(body.nodes)))
    slopes: dict[int, Slopes] = {}
    for index in needed(body.nodes, body.new_states):
        found = _slopes(builder, body.nodes[index], slopes, body.states)
        if found is None:
            return None
        slopes[index] = found
    table = tuple(tuple(_node(slopes[new], j) for j in range(len(body.states))) for new in body.new_states)
    shapes = [body.nodes[s].shape for s in body.states]
    mixed = any(
        table[i][j] is not None and shapes[i] != shapes[j]
        for i in range(len(shapes))
        for j in range(len(shapes))
    )
    return None if mixed else Linear(tuple(builder.nodes), table)


def _node(slopes: Slopes, state: int) -> int | None:
    return slopes[state].index if state in slopes else None


def _slopes(
    builder: Simplifying, node: Node, known: dict[int, Slopes], states: tuple[int, ...]
) -> Slopes | None:
    """How a node changes with each state; None where that is not the same for all values of the states."""
    if node.index in states:
        return {states.index(node.index): builder.symbol(1.0)}
    args = [known[a] for a in node.args]
    if not any(args):
        return {}
    values = [Symbol(builder, a) for a in node.args]
    if node.op == "alias":
        return args[0]
    if node.op == "neg":
        return {s: -slope for s, slope in args[0].items()}
    if node.op in ("add", "sub"):
        return _sum(args[0], {s: -slope for s, slope in args[1].items()} if node.op == "sub" else args[1])
    if node.op == "mul" and not (args[0] and args[1]):
        moving, other = (args[0], values[1]) if args[0] else (args[1], values[0])
        return {s: slope * other for s, slope in moving.items()}
    if node.op == "div" and not args[1]:
        return {s: slope / values[1] for s, slope in args[0].items()}
    if node.op == "where" and not args[0]:
        zero = builder.symbol(0.0)
        return {
            s: builder.apply("where", (values[0], args[1].get(s, zero), args[2].get(s, zero)))
            for s in sorted({*args[1], *args[2]})
        }
    return None


def _sum(left: Slopes, right: Slopes) -> Slopes:
    return {
        s: left[s] + right[s] if s in left and s in right else left.get(s, right.get(s))
        for s in sorted({*left, *right})
    }
