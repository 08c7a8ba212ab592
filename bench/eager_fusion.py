"""What a careful person sees in a cell's equations before he writes its loop in eager torch.

A sum such as `W @ x + U @ h + b` is one call: the bias goes into the product that leaves the loop,
and the product in the loop adds the result itself. Where the same activation follows for several
gates, they share one call.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from unrolled.graph.node import needed
from unrolled.plan.plan import Plan
from unrolled.plan.program import Group

ACTIVATIONS = ("sigmoid", "tanh", "relu", "softplus", "sin", "exp")


@dataclass(frozen=True)
class Fusion:
    """What belongs together; all numbers are nodes of the plan's body. A sum's head is its
    product, else its stream.

    uses    how often each node that is needed is read
    added   product -> the hoisted stream that is added to it
    biases  stream (else product) -> the vector that is added to it
    rest    sum -> its head, and the terms that nothing above accounts for
    active  product -> the activation that follows its sum at once
    early   nodes that wait for no state; `timed`: those of them that differ from step to step
    inner   additions inside a longer sum
    """

    uses: Counter
    added: dict[int, int] = field(default_factory=dict)
    biases: dict[int, int] = field(default_factory=dict)
    rest: dict[int, tuple[int, tuple[int, ...]]] = field(default_factory=dict)
    active: dict[int, int] = field(default_factory=dict)
    early: frozenset[int] = frozenset()
    timed: frozenset[int] = frozenset()
    inner: set[int] = field(default_factory=set)


def fusion_of(plan: Plan) -> Fusion:
    """Finds all of it in a plan's forward equations."""
    body = plan.body
    nodes, roots = body.nodes, {*body.new_states, body.output}
    live = needed(nodes, roots)
    users: dict[int, list[int]] = {i: [] for i in live}
    for i in live:
        for a in nodes[i].args:
            users[a].append(i)
    late = _depending(nodes, live, ("state",))
    found = Fusion(
        Counter({i: len(users[i]) + (i in roots) for i in live}),
        early=frozenset(live) - late,
        timed=_depending(nodes, live, ("stream",)) - late,
    )
    for i in live:
        within = found.uses[i] == 1 and users[i] and nodes[users[i][0]].op == "add"
        if within and nodes[i].op == "add":
            found.inner.add(i)
        elif not within and nodes[i].op in ("add", "product", "stream"):
            _fuse(plan, found, i)
    for total, (head, others) in found.rest.items():
        follows = [u for u in users[total] if nodes[u].op in ACTIVATIONS]
        if nodes[head].op == "product" and follows and not others and found.uses[total] == 1:
            found.active[head] = follows[0]
    return found


def _depending(nodes, live: list[int], kinds: tuple[str, ...]) -> frozenset[int]:
    found: set[int] = set()
    for i in live:
        if nodes[i].op in kinds or any(a in found for a in nodes[i].args):
            found.add(i)
    return frozenset(found)


def _fuse(plan: Plan, found: Fusion, total: int) -> None:
    """One sum: its product, its hoisted stream and its bias, where each is used for nothing else."""
    nodes = plan.body.nodes
    hoisted = {s for h in plan.body.hoisted for s in h.streams}
    terms = _terms(nodes, found.uses, total)
    alone = [t for t in terms if found.uses[t] == 1 or t == total]
    product = next((t for t in alone if nodes[t].op == "product"), None)
    stream = next((t for t in alone if t in hoisted), None)
    vector = next((t for t in alone if t in plan.vectors), None)
    head = stream if product is None else product
    if head is None:
        return
    if vector is not None:
        found.biases[product if stream is None else stream] = vector
    if product is not None and stream is not None:
        found.added[product] = stream
    found.rest[total] = head, tuple(t for t in terms if t not in (product, stream, vector))


def _terms(nodes, uses: Counter, index: int) -> list[int]:
    """What a chain of additions adds up."""
    result: list[int] = []
    for a in nodes[index].args if nodes[index].op == "add" else ():
        if nodes[a].op != "constant" or nodes[a].value != 0:  # nobody would write + 0
            result += _terms(nodes, uses, a) if nodes[a].op == "add" and uses[a] == 1 else [a]
    return result or [index]


def runs_of(plan: Plan, fusion: Fusion, group: Group) -> list[list[int]]:
    """A group's products, in an order that puts those side by side that are treated alike."""
    runs: dict[tuple, list[int]] = {}
    for product in group.outputs:
        if product in fusion.uses:
            active = fusion.active.get(product)
            key = source_group(plan, fusion, product), active and plan.body.nodes[active].op
            runs.setdefault(key, []).append(product)
    return list(runs.values())


def source_group(plan: Plan, fusion: Fusion, product: int) -> int | None:
    """Which hoisted group is added to a product, if one is."""
    stream = fusion.added.get(product)
    return next((g for g, h in enumerate(plan.body.hoisted) if stream in h.streams), None)


def twins_of(plan: Plan) -> dict[int, int]:
    """Node of the outer graph -> node of the body with the same value: an operand of a product before the loop
    that the loop reads as well is made once."""
    body = plan.body
    made = {(n.op, n.args, n.value): n.index for n in body.nodes[: body.forward_count]}
    streams = {(h.operand, m): s for h in body.hoisted for m, s in zip(h.matrices, h.streams)}
    inputs, found = dict(body.streams), {}
    for node in body.outer:
        if node.op == "product" and (node.args[1], node.args[0]) in streams:
            twin = streams[node.args[1], node.args[0]]
        elif node.op == "input":
            twin = inputs.get(node.value)
        else:
            twin = made.get(("weight", (), node.index))
            if twin is None and all(a in found for a in node.args):
                twin = made.get((node.op, tuple(found[a] for a in node.args), node.value))
        if twin is not None:
            found[node.index] = twin
    return found
