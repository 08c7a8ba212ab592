"""A plan as text: what is done before the loop, at each stage of a step, what is kept, and what is done after."""

from __future__ import annotations

from ..graph.node import Dim
from ..views.columns import columns, printable
from ..views.count import USUAL, widths_at
from ..views.expression import expression
from .cost import elementwise_flops, hoisted_flops, loop_flops
from .names import all_names, outer_text
from .plan import Plan
from .program import Group, Product, Program, Segment

Row = tuple[str, str, str]


def describe(plan: Plan) -> str:
    """The plan of a cell, one line for each product and each fused block of elementwise work."""
    names = all_names(plan.body)
    rows = [*_before(plan), *_steps(plan, plan.forward, names, forward=True), *_kept(plan, names),
            *_steps(plan, plan.backward, names, forward=False), *_after(plan, names)]
    return "\n".join([*(printable(line) for line in columns(rows, gap="   ")), "", _cost(plan)])


def stage_count(plan: Plan) -> int:
    """How many times a step waits for products: 0 for a cell whose loop has elementwise work only."""
    kinds = [isinstance(step, Product) for step in plan.forward.steps]
    return sum(product and not before for product, before in zip(kinds, [False, *kinds]))


def extent(widths: tuple[Dim, ...]) -> str:
    """A sum of widths: 4H, 2H+O."""
    counts: dict[str, int] = {}
    for letter in "+".join(widths).split("+"):
        counts[letter] = counts.get(letter, 0) + 1
    return "+".join(letter if n == 1 else f"{n}{letter}" if not letter.isdigit() else str(n * int(letter))
                    for letter, n in counts.items())


def _before(plan: Plan) -> list[Row]:
    rows = []
    for group in plan.body.hoisted:
        products = ", ".join(outer_text(plan.body, plan.body.nodes[s].value) for s in group.streams)
        rows.append(("before the loop", products, f"one product, (T*B, {group.depth}) x ({group.depth}, {extent(group.widths)})"))
    return rows or [("before the loop", "nothing", "")]


def _steps(plan: Plan, program: Program, names: dict[int, str], forward: bool) -> list[Row]:
    """The rows of one direction; a stage begins wherever products stand after elementwise work."""
    way, rows, stage, last, seen = "step" if forward else "step back", [], 0, None, set()
    for step in program.steps:
        if isinstance(step, Product):
            stage += not isinstance(last, Product)
            rows.append((f"{way}, stage {stage}", *_product(plan, plan.groups[step.group], names, forward)))
        else:
            done = _segment(plan, step, names, seen)
            if done:
                rows.append((way, done, "elementwise") if stage == 0 else ("", f"then {done}", "elementwise"))
        last = step
    return _merged(rows)


def _merged(rows: list[Row]) -> list[Row]:
    """A label that repeats is said once."""
    result, last = [], None
    for label, what, how in rows:
        result.append(("" if label == last else label, what, how))
        last = label or last
    return result


def _product(plan: Plan, group: Group, names: dict[int, str], forward: bool) -> tuple[str, str]:
    matrices, nodes, width = [names[m] for m in group.matrices], plan.body.nodes, extent(group.widths)
    if forward:
        texts = [expression(nodes, o, names) for o in group.outputs]
        return ", ".join(texts), f"one product, (B, {group.depth}) x ({group.depth}, {width})"
    gradients = {o.matrix: o.gradient for o in plan.body.backward.outers if o.operand == group.operand}
    texts = [f"{m}.T @ {names.get(gradients.get(i), '0')}" for m, i in zip(matrices, group.matrices)]
    several = f"{len(group.runs)} products" if len(group.runs) > 1 else "one product"
    return " + ".join(texts), f"{several}, (B, {width}) x ({width}, {group.depth})"


def _segment(plan: Plan, segment: Segment, names: dict[int, str], seen: set[int]) -> str:
    """Named values of a fused block and unnamed ones that it stores; what an earlier block had made is marked."""
    stored = {i for i, _ in segment.stores}
    shown = []
    for index in segment.nodes:
        node = plan.body.nodes[index]
        if node.args and (index in names or index in stored):
            text = names.get(index) or expression(plan.body.nodes, index, names)
            shown.append(f"{text} (again)" if index in seen else text)
            seen.add(index)
    sums = [f"d{names[leaf]}" for leaf in _summed(plan, segment)]
    return ", ".join([*shown, *(f"{name} +=" for name in sums)])


def _summed(plan: Plan, segment: Segment) -> list[int]:
    """Vectors and numbers among the parameters whose gradients this block adds to."""
    of = plan.body.backward.of
    added = {i for i, _ in (*segment.vectors, *segment.numbers)}
    return [w for w in (*plan.vectors, *plan.numbers) if of[w] in added]


def _kept(plan: Plan, names: dict[int, str]) -> list[Row]:
    places = dict(plan.backward.places)
    inside = [i for i in plan.kept if places[i].buffer not in ("kept", "new", "state", "output")]
    apart = [i for i in plan.kept if places[i].buffer == "kept"]

    def text(indices: list[int]) -> str:
        return ", ".join(names.get(i) or expression(plan.body.nodes, i, names) for i in indices)

    rows = [("kept", text(inside), "where the products of before the loop stood")] if inside else []
    rows += [("kept", text(apart), f"in a buffer of its own, (T*B, {extent(plan.kept_widths)})")] if apart else []
    rows += [("kept", ", ".join(f"{name}[t]" for name in plan.graph.states), "the states themselves")] if plan.graph.states else []
    return _merged(rows) or [("kept", "nothing", "")]


def _after(plan: Plan, names: dict[int, str]) -> list[Row]:
    rows = []
    for group in plan.groups:
        gradients = ", ".join(f"d{names[m]}" for m in group.matrices)
        rows.append(("after the loop", gradients, f"one product, ({extent(group.widths)}, T*B) x (T*B, {group.depth})"))
    for group in plan.body.hoisted:
        width, what = extent(group.widths), ", ".join(f"d{outer_text(plan.body, m)}" for m in group.matrices)
        rows.append(("after the loop", what, f"one product, ({width}, T*B) x (T*B, {group.depth})"))
        operand = outer_text(plan.body, group.operand)
        rows.append(("after the loop", f"d{operand}", f"one product, (T*B, {width}) x ({width}, {group.depth})"))
    return _merged(rows) or [("after the loop", "nothing", "")]


def _cost(plan: Plan) -> str:
    sizes = widths_at(plan.graph, {}, USUAL)

    def width(dim: Dim) -> int:
        return sum(int(part) if part.isdigit() else sizes[part] for part in dim.split("+"))

    hoisted, loop, rest = hoisted_flops(plan, width), loop_flops(plan, width), elementwise_flops(plan, width)
    return (f"operations per step and row at {' = '.join(sizes)} = {USUAL}: {hoisted:,} before the loop, "
            f"{loop:,} in products of the loop, {rest:,} elementwise")
