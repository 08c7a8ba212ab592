"""Which values of the forward pass the backward pass finds again, and how: kept, or computed a second time.

States are there anyway (their sequences are the layer's output or are needed step by step). What a
product or a hoisted stream went into must be kept; what follows from kept values and states by cheap
arithmetic, or by a single costly function such as the tanh of an LSTM's cell, is computed again: that
costs less than writing and reading it.
"""

from __future__ import annotations

from ..graph.node import needed
from ..ops import ALONG_UNITS, OF_WHOLES, OPS, OVER_UNITS
from .body import Body

FOUND = ("state", "weight", "hyper", "constant", "width", "carry", "above")  # leaves the backward pass can read
NEVER = float("inf")


def kept_values(body: Body) -> tuple[int, ...]:
    """Forward nodes to keep for the backward pass, in order; operands of the loop's products are always among
    them unless they are states."""
    kept = set(operand for operand in operands(body) if not _is_state(body, operand))
    for index in _wanted(body):
        _ensure(body, index, kept)
    return tuple(sorted(kept))


def operands(body: Body) -> tuple[int, ...]:
    """What the loop's matrices multiply, in order."""
    found = {n.args[1] for n in body.nodes[: body.forward_count] if n.op == "product"}
    return tuple(sorted(found))


def _is_state(body: Body, index: int) -> bool:
    return index in body.states or index in body.new_states


def _wanted(body: Body) -> list[int]:
    """Forward nodes that backward equations read."""
    roots = [*body.backward.of.values(), *(o.gradient for o in body.backward.outers)]
    made = needed(body.nodes, roots)
    read = {a for i in made if i >= body.forward_count for a in body.nodes[i].args} | set(roots)
    return sorted(i for i in read if i < body.forward_count)


def cost_again(body: Body, index: int, kept: set[int]) -> float:
    """How many costly functions it takes to compute a node from what the backward pass
    finds; infinite if impossible.
    """
    node = body.nodes[index]
    if index in kept or _is_state(body, index) or node.op in FOUND:
        return 0
    if node.op == "stream":
        return 0 if any(leaf == index for _, leaf in body.streams) else NEVER
    if node.op in ("product", *OVER_UNITS, *ALONG_UNITS, *OF_WHOLES):
        return NEVER
    return OPS[node.op].costly + sum(cost_again(body, a, kept) for a in node.args)


def _ensure(body: Body, index: int, kept: set[int]) -> None:
    if cost_again(body, index, kept) <= 1:
        return
    node = body.nodes[index]
    hard = [a for a in node.args if cost_again(body, a, kept) > 1]
    if (
        not node.is_leaf
        and node.op in OPS
        and not OPS[node.op].costly
        and len(hard) == 1
        and body.nodes[hard[0]].op in OPS
        and OPS[body.nodes[hard[0]].op].costly
    ):
        kept.add(hard[0])
        return
    kept.add(index)
