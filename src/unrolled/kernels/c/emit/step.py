"""One step of a cell in C, for the loop that generates text: as the forward function's
step, with thin products.

Weights are packed beforehand, states change places from step to step instead of being copied, and what a step
needs besides stands in a struct.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from ....plan.plan import Plan
from ....plan.program import Product, Segment
from .direction import Direction, shares
from .segment import RowPointers, SegmentText, extent, extent_local, low, share
from .struct import Fields, letters, longs, reals

WORKER = """/* A thread's part in a step. `odd`: which of each state's two buffers is the old one. */
typedef struct {
    long batch, first, stride, count;
    int split, odd, me, team;
    const int64_t *token;              /* each row's character */
    real *work;                        /* this thread's own */
    barrier_t *barrier;
} worker;
"""


@dataclass(frozen=True)
class Layer:
    """The plan of a layer's step. `below`: which state is the output of the layer below; None for the first
    layer, which looks its input up by the row's character."""

    plan: Plan
    below: int | None = None


@lru_cache(maxsize=64)
def step_fields(layer: Layer, number: int) -> Fields:
    """What a step is given. state, new: a state's two buffers; x: tables of products with the input, k:
    values kept in their place."""
    plan, body = layer.plan, layer.plan.body
    names = ["vectors", "numbers", "kept", "output"]
    names += [f"weights{g}" for g in range(len(plan.groups))]
    names += [f"input{k}" for k in range(len(body.streams))]
    names += [f"{kind}{k}" for k in range(len(body.states)) for kind in ("state", "new")]
    names += [f"{kind}{g}" for g in range(len(body.hoisted)) for kind in "xk"]
    return Fields(f"step_{number}_arguments", [*longs(*letters(plan)), ("double", "hyper"), *reals(*names)])


def step_text(layer: Layer, number: int) -> list[str]:
    """The functions `step_NUMBER` and `pack_NUMBER`."""
    struct = step_fields(layer, number)
    write = Direction(layer.plan, layer.plan.forward, True, struct)
    return [*struct.text(), "", *_pack(layer, write, number), "", *_step(layer, write, number), ""]


def _pack(layer: Layer, write: Direction, number: int) -> list[str]:
    """Weights in the order in which the step multiplies by them."""
    plan, lines = layer.plan, []
    for product in (step for step in _ordered(layer) if isinstance(step, Product)):
        group, g = plan.groups[product.group], product.group
        source, depth, width = f"weights{g}", extent(group.depth), group.widths[0]
        whole = (
            f"size += thin_pack(to ? to + size : 0, {source}, {extent(group.widths)}, {depth},"
            f" {extent(group.widths)}, 0);"
        )
        mine = (
            f"size += thin_pack(to ? to + size : 0, {source} + {low(width)} * ({depth}), {len(group.widths)} *"
            f" {share(width)}, {depth}, {share(width)} ? {share(width)} : 1, {extent(width)});"
        )
        lines += [f"if (slices > 1) {mine}", f"else {whole}"] if len(set(group.widths)) == 1 else [whole]
    inside = [
        *write.struct.unpacked(),
        *shares(plan, "1", "slice", "slices"),
        "long size = 0;",
        *lines,
        "return size;",
    ]
    return [
        f"static long pack_{number}(const {write.struct.name} *a, weight *to, int slice, int slices)",
        "{",
        *_indent(inside),
        "}",
    ]


def _step(layer: Layer, write: Direction, number: int) -> list[str]:
    plan, program = layer.plan, layer.plan.forward
    lines = [
        *write.struct.unpacked(),
        "const int split = w->split;",
        (
            "const long batch = w->batch, first = w->first, stride = w->stride, count = w->count, off = 0, base"
            " = 0, low = 0;"
        ),
        *shares(plan, "split", "w->me", "w->team"),
        *_states(layer),
        *(f"const int64_t *index{g} = w->token;" for g in range(len(plan.body.hoisted))),
        f"const long z_width = {extent_local(program.z)}, scratch_width = {extent_local(program.scratch)};",
        "real *z = w->work, *scratch = z + count * z_width;",
        "const weight *from = *packed;",
    ]
    lines += _work(layer, write)
    body = plan.body
    lines += [
        "(void)batch, (void)off, (void)base, (void)low, (void)scratch;",
        "*packed = from;",
        f"return {'now0' if body.output_is_state else 'output'};",
    ]
    return [
        (
            f"static const real *step_{number}(const worker *w, const {write.struct.name} *a, const real"
            " *below, const weight **packed)"
        ),
        "{",
        *_indent(lines),
        "}",
    ]


def _ordered(layer: Layer) -> list[Product | Segment]:
    """The step's products and segments, but for keeping what came from below; of the products that come first,
    those of the step before's states in front."""
    steps = list(filter(None, (_without_below(layer, step) for step in layer.plan.forward.steps)))
    first = next((k for k, step in enumerate(steps) if not isinstance(step, Product)), len(steps))
    return sorted(steps[:first], key=lambda product: not _known(layer, product)) + steps[first:]


def _without_below(layer: Layer, step: Product | Segment) -> Product | Segment | None:
    """The state that the layer below rewrites has no new value to be stored."""
    if layer.below is None or isinstance(step, Product):
        return step
    new = layer.plan.body.new_states[layer.below]
    nodes, stores = (
        tuple(i for i in step.nodes if i != new),
        tuple(pair for pair in step.stores if pair[0] != new),
    )
    return replace(step, nodes=nodes, stores=stores) if nodes or stores else None


def _known(layer: Layer, step: Product | Segment) -> bool:
    """Whether a product only needs what was there before this step: every thread has passed a barrier since."""
    return isinstance(step, Product) and step.source.buffer == "state" and step.source.number != layer.below


def _work(layer: Layer, write: Direction) -> list[str]:
    """Products and segments, with a barrier before what reads other threads' results: the characters drawn or
    the layer below at first, then before each product."""
    lines, rows, wait, begun = [], _rows(write), True, False
    for step in _ordered(layer):
        product = isinstance(step, Product)
        if wait and (product or not begun) and (begun or not _known(layer, step)):
            lines.append("if (split) barrier_wait(w->barrier, w->me, w->team);")
            wait, begun = False, True
        lines += (
            _product(write, step) if product else SegmentText(layer.plan, layer.plan.forward, step, rows).text()
        )
        wait = wait or not product
    return lines


def _states(layer: Layer) -> list[str]:
    lines = []
    for k in range(len(layer.plan.body.states)):
        if k == layer.below:
            lines.append(f"real *old{k} = (real *)below;")
        else:
            lines.append(f"real *old{k} = w->odd ? new{k} : state{k}, *now{k} = w->odd ? state{k} : new{k};")
    return lines


def _rows(write: Direction) -> RowPointers:
    """As in the forward function, but an input used as it is stands in a table, too."""
    rows = write.row_pointers()
    at = dict(rows.pointers)
    for k, (_, leaf) in enumerate(write.body.streams):
        shape = write.body.nodes[leaf].shape
        at[f"input{k}"] = f"input{k} + w->token[r] * ({extent(shape) if shape else '1'})"
    return RowPointers(at, rows.names)


def _product(write: Direction, product: Product) -> list[str]:
    group = write.plan.groups[product.group]
    source, row = write.operand_rows(product.source)
    columns, depth = extent_local(group.widths), extent(group.depth)
    return [
        (
            f"thin_product(count, {columns}, {depth}, {source}, stride * ({row}), from, z +"
            f" {extent_local(product.to.start)}, z_width);"
        ),
        f"from += thin_size({columns}, {depth});",
    ]


def _indent(lines: list[str]) -> list[str]:
    return ["    " + line for line in lines]
