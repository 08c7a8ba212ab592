"""The gradients that one step of the backward pass hands to the step before it: one carry for each state.

A carry is overwritten in place, so that whatever still reads it must come first; a product that ends a state's
gradient is added into its carry directly.
"""

from __future__ import annotations

from .body import Body, gradient_of, width_of
from .program import Place, Product
from .stages import Scheduler


def group_of(groups, body: Body, product: int) -> int:
    """The group of matrices whose transposed products with their gradients a node adds up."""
    args = body.nodes[product].args
    pairs = set(zip(args[0::2], args[1::2]))
    return next(
        g
        for g, group in enumerate(groups)
        if pairs == {(m, gradient_of(body, m, group.operand)) for m in group.matrices}
    )


def carry_products(body: Body, groups, schedule: Scheduler, fixed: frozenset[int]) -> set[int]:
    """Stores each old state's gradient into the carry; a product that ends one is added there directly.

    Returns the nodes that need no work of their own: the last sum, and its product.
    """
    counts = {i: sum(i in body.nodes[j].args for j in schedule.wanted) for i in schedule.wanted}
    # What puts it somewhere reads it.
    for index in (*schedule.asked(), *(body.backward.of[leaf] for leaf in body.states)):
        counts[index] = counts.get(index, 0) + 1
    ending = {k: _ending_product(body, body.backward.of[leaf], counts) for k, leaf in enumerate(body.states)}
    direct, last = _carry_stages(body, schedule, ending, fixed)
    joined: set[int] = set()
    for k, leaf in enumerate(body.states):
        index, carry = body.backward.of[leaf], Place("carry", k, (), width_of(body, leaf))
        if k in direct:
            rest = _rest(body, index, ending[k])
            for a in rest:
                schedule.store(a, carry, not_before=last[k])
            schedule.product(
                schedule.stage[ending[k]], Product(group_of(groups, body, ending[k]), None, carry, bool(rest))
            )
            joined |= {index, ending[k]}
        else:
            schedule.store(index, carry, not_before=max(last[k], 0))
    return joined


def _carry_stages(body: Body, schedule: Scheduler, ending: dict[int, int | None], fixed: frozenset[int]):
    """Which states' products are added into the carry directly, and each carry's last reading stage, behind
    which alone it may be overwritten. What is stored late also reads late, other carries perhaps: hence
    again until nothing changes.
    """
    stage, roots = schedule.stage, [body.backward.of[leaf] for leaf in body.states]
    direct = {k for k, product in ending.items() if product is not None}
    while True:
        ends = frozenset(roots[k] for k in direct)
        last = [schedule.last_read(carry, fixed, ends) for carry in body.carries]
        rest = {k: _rest(body, roots[k], ending[k]) for k in direct}
        still = {k for k in direct if max([last[k], *(stage[a] for a in rest[k])]) < stage[ending[k]]}
        put_off: dict[int, int] = {}
        for k, root in enumerate(roots):
            for index in rest[k] if k in still else [root]:
                put_off[index] = max(put_off.get(index, -1), stage[index], last[k])
        if still == direct and put_off == schedule.put_off:
            return direct, last
        direct, schedule.put_off = still, put_off


def _rest(body: Body, index: int, product: int) -> list[int]:
    """What a state's gradient is the sum of besides its product."""
    return [a for a in body.nodes[index].args if a != product] if product != index else []


def _ending_product(body: Body, index: int, counts: dict[int, int]) -> int | None:
    """The product that a state's gradient is, or is the sum of with something else, if
    nobody else reads either.
    """
    node = body.nodes[index]
    if counts[index] > 1:  # somebody besides this state's carry
        return None
    if node.op == "products_t":
        return index
    found = [a for a in node.args if body.nodes[a].op == "products_t" and counts[a] == 1]
    return found[0] if node.op == "add" and found else None
