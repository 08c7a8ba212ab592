"""What a step costs, in arithmetic and bytes, and how cores should share it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..graph.node import Dim
from ..ops import OPS
from .plan import Plan

Width = Callable[[Dim], int]


class Way(NamedTuple):
    """How many threads run a call, whether they share out units or rows, and for how many rows each makes
    products with the input ahead of the loop."""

    team: int
    units: bool
    ahead: int


# Measured on 2-core x86 with 1 MB of cache a core: `python -m bench few` holds the choice against the others.
CACHE = 700_000  # bytes of packed weights that stay in one core's cache beside the rest
BARRIER = 15_000  # floating-point operations that a core does while it waits at a barrier


def loop_flops(plan: Plan, width: Width) -> int:
    """Multiplications and additions of one row's matrix products in one step of the loop."""
    return sum(2 * sum(width(w) for w in g.widths) * width(g.depth) for g in plan.groups)


def hoisted_flops(plan: Plan, width: Width) -> int:
    """The same for the products that leave the loop."""
    return sum(2 * sum(width(w) for w in h.widths) * width(h.depth) for h in plan.body.hoisted)


def elementwise_flops(plan: Plan, width: Width) -> int:
    """Arithmetic of one row in one step besides products, by the table of primitives."""
    nodes = plan.body.nodes[: plan.body.forward_count]
    return sum(OPS[n.op].flops * (width(n.shape[0]) if n.shape else 1) for n in nodes if n.op in OPS and n.args)


def step_flops(plan: Plan, width: Width) -> int:
    """All arithmetic of one row in one step."""
    return loop_flops(plan, width) + hoisted_flops(plan, width) + elementwise_flops(plan, width)


def weight_bytes(plan: Plan, width: Width, item: int) -> int:
    """Bytes of the loop's weights."""
    return sum(item * sum(width(w) for w in g.widths) * width(g.depth) for g in plan.groups)


def sharing(plan: Plan, width: Width, batch: int, item: int, threads: int) -> tuple[int, bool]:
    """(threads, split): how many threads, and whether they share out units (True) or rows (False).

    Rows cost no barrier. Units keep each core's part of the weights in its own cache, and are
    the only way for few rows.
    """
    if threads == 1:
        return 1, False
    work = batch * (loop_flops(plan, width) + elementwise_flops(plan, width))
    even = shares_units(plan)
    large = weight_bytes(plan, width, item) > CACHE
    if even and (large or batch < threads or batch <= 2) and work > len(plan.groups) * BARRIER * threads:
        return threads, True
    if batch < 2 or work < 2_000:
        return 1, False
    return min(threads, batch), False


def shares_units(plan: Plan) -> bool:
    """Whether threads can share out units: all gates are equally wide."""
    return plan.splits_units and all(len(set(g.widths)) == 1 for g in plan.groups)


def ways_to_share(plan: Plan, batch: int, threads: int) -> tuple[Way, ...]:
    """All ways that there are: one core, rows, units."""
    rows = [(min(threads, batch), False)] if batch > 1 else []
    units = [(threads, True)] if threads > 1 and shares_units(plan) else []
    return tuple(Way(*way, AHEAD) for way in dict.fromkeys([(1, False), *rows, *units]))


def sharing_of_steps(
    layers: list[tuple[Plan, Width]], more: int, batch: int, item: int, threads: int
) -> tuple[int, bool]:
    """The same for steps of all layers, one after the other, as text is generated; `more`:
    numbers in other weights.

    At a few rows a step is bound by the bytes of its weights. Where they fit into one core's
    cache, it needs no second.
    """
    size = item * more + sum(weight_bytes(plan, width, item) for plan, width in layers)
    even = all(shares_units(plan) for plan, _ in layers)
    if threads == 1:
        return 1, False
    if even and size * (1 + batch // 8) > CACHE:
        return threads, True
    if batch < 2 or size * batch < CACHE:
        return 1, False
    return min(threads, batch), False


def block_of(batch: int, way: Way) -> int:
    """Steps whose input products are made together: some rows for each thread, which stay in its cache."""
    return max(1, way.ahead // max(1, batch if way.units else -(-batch // way.team)))


AHEAD = 64  # rows, unless a timing says otherwise (kernels/c/call/ways.py)


LARGE = 1_000_000_000  # floating-point operations: 256 units wide at 32 rows and 100 steps


def large(total: int, columns: int, depth: int, least: float = LARGE) -> bool:
    """Whether a product over all rows is worth handing to torch's BLAS, which takes
    what is larger than `least`.
    """
    return 2 * total * columns * depth > least
