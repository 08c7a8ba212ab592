"""A plan as text: what is done before the loop, at each stage of a step, what is
kept, and what is done after.
"""

from __future__ import annotations

import re
from textwrap import wrap

from ...graph.node import Dim, size
from ...plan.cost import elementwise_flops, hoisted_flops, loop_flops
from ...plan.plan import Plan
from ...plan.program import Group, Product, Program, Segment
from ..columns import columns, printable
from ..count import USUAL, widths_at
from ..expression import expression
from .names import all_names, bracketed, gradient_of, outer_text

Row = tuple[str, str, str]
WIDTH = 68  # of the middle column


def describe(plan: Plan) -> str:
    """The plan of a cell, one line for each product and each fused block of elementwise work."""
    names = all_names(plan.body)
    rows = [
        *_before(plan),
        *_steps(plan, plan.forward, names, forward=True),
        *_kept(plan, names),
        *_steps(plan, plan.backward, names, forward=False),
        *_after(plan, names),
    ]
    rows = [line for row in rows for line in _wrapped(row)]
    return "\n".join([*(printable(line) for line in columns(rows, gap="   ")), "", _cost(plan)])


def _wrapped(row: Row) -> list[Row]:
    """A row whose middle would be too wide, as several."""
    label, what, how = row
    whole = re.sub(r"(?<![,;+]) (?![+(])", "\0", what)  # break between values, not inside one
    lines = [
        line.replace("\0", " ") for line in wrap(whole, WIDTH, break_long_words=False, break_on_hyphens=False)
    ]
    return [(label, lines[0] if lines else "", how), *(("", line, "") for line in lines[1:])]


def stage_count(plan: Plan) -> int:
    """How many times a step waits for products: 0 for a cell whose loop has elementwise work only."""
    kinds = [isinstance(step, Product) for step in plan.forward.steps]
    return sum(product and not before for product, before in zip(kinds, [False, *kinds]))


def extent(widths: tuple[Dim, ...]) -> str:
    """A sum of widths: 4H, 2H+O, 3(H/4)."""
    counts: dict[str, int] = {}
    for letter in "+".join(widths).split("+"):
        counts[letter] = counts.get(letter, 0) + 1
    return "+".join(
        letter
        if n == 1
        else str(n * int(letter))
        if letter.isdigit()
        else f"{n}{letter}"
        if letter.isidentifier()
        else f"{n}({letter})"
        for letter, n in counts.items()
    )


def _before(plan: Plan) -> list[Row]:
    rows = []
    for group in plan.body.hoisted:
        products = ", ".join(outer_text(plan.body, plan.body.nodes[s].value) for s in group.streams)
        size = f"(T*B, {group.depth}) x ({group.depth}, {extent(group.widths)})"
        rows.append(("before the loop", products, f"one product, {size}"))
    return rows or [("before the loop", "nothing", "")]


def _steps(plan: Plan, program: Program, names: dict[int, str], forward: bool) -> list[Row]:
    """The rows of one direction; a stage begins wherever products stand after elementwise work."""
    way, rows, stage, last = "step" if forward else "step back", [], 0, None
    seen = set() if forward else set(range(plan.body.forward_count))
    for step in program.steps:
        if isinstance(step, Product):
            stage += not isinstance(last, Product)
            what, how = _product(plan, plan.groups[step.group], names, forward)
            rows.append((f"{way}, stage {stage}", _result(plan, step, names) + what, how))
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
    texts = [f"{bracketed(m)}.T @ {names.get(gradients.get(i), '0')}" for m, i in zip(matrices, group.matrices)]
    several = f"{len(group.runs)} products" if len(group.runs) > 1 else "one product"
    return " + ".join(texts), f"{several}, (B, {width}) x ({width}, {group.depth})"


def _result(plan: Plan, product: Product, names: dict[int, str]) -> str:
    """Where a product of the backward pass goes, as the left side of an equation;
    empty where it has no name.
    """
    if product.source is not None:
        return ""
    if product.to.buffer == "carry":
        return f"d{plan.graph.states[product.to.number]}[t-1] {'+=' if product.accumulate else '='} "
    made = next((i for i, place in plan.backward.places if place == product.to), None)
    return f"{names[made]} = " if made in names else ""


def _segment(plan: Plan, segment: Segment, names: dict[int, str], seen: set[int]) -> str:
    """Named values of a fused block and unnamed ones that it stores; apart, what an
    earlier block had made already.
    """
    stored = {i for i, _ in segment.stores}
    shown = [i for i in segment.nodes if plan.body.nodes[i].args and (i in names or i in stored)]
    parts = [", ".join(_called(plan, i, names, first=True) for i in shown if i not in seen)]
    sums = ", ".join(gradient_of(names[leaf]) for leaf in _summed(plan, segment))
    again = ", ".join(_called(plan, i, names) for i in shown if i in seen)
    parts += [f"adding to {sums}"] if sums else []
    parts += [f"({again} made again)"] if again else []
    seen.update(shown)
    return "; ".join(part for part in parts if part)


def _called(plan: Plan, index: int, names: dict[int, str], first: bool = False) -> str:
    """A value's name, or what it is made of; both the first time for a name that the author did not give."""
    made = expression(plan.body.nodes, index, names)
    name = names.get(index, made)
    return f"{name} = {made}" if first and index < plan.body.forward_count and _is_ours(name) else name


def _is_ours(name: str) -> bool:
    return name.startswith("v") and name.endswith("[t]") and name[1:-3].isdigit()


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
        return ", ".join(_called(plan, i, names) for i in indices)

    rows = [("kept", text(inside), "where the products of before the loop stood")] if inside else []
    rows += (
        [("kept", text(apart), f"in a buffer of its own, (T*B, {extent(plan.kept_widths)})")] if apart else []
    )
    states = ", ".join(f"{name}[t]" for name in plan.graph.states)
    rows += [("kept", states, "the states themselves")] if states else []
    return _merged(rows) or [("kept", "nothing", "")]


def _after(plan: Plan, names: dict[int, str]) -> list[Row]:
    rows = []
    for group in plan.groups:
        gradients = ", ".join(gradient_of(names[m]) for m in group.matrices)
        rows.append(
            ("after the loop", gradients, f"one product, ({extent(group.widths)}, T*B) x (T*B, {group.depth})")
        )
    for group in plan.body.hoisted:
        width, what = (
            extent(group.widths),
            ", ".join(gradient_of(outer_text(plan.body, m)) for m in group.matrices),
        )
        rows.append(("after the loop", what, f"one product, ({width}, T*B) x (T*B, {group.depth})"))
        operand = outer_text(plan.body, group.operand)
        size = f"(T*B, {width}) x ({width}, {group.depth})"
        rows.append(("after the loop", gradient_of(operand), f"one product, {size}"))
    return _merged(rows) or [("after the loop", "nothing", "")]


def _cost(plan: Plan) -> str:
    sizes = widths_at(plan.graph, {}, USUAL)

    def width(dim: Dim) -> int:
        return size(dim, sizes)

    hoisted, loop, rest = hoisted_flops(plan, width), loop_flops(plan, width), elementwise_flops(plan, width)
    return (
        f"operations per step and row at {' = '.join(sizes)} = {USUAL}: {hoisted:,} before the loop, "
        f"{loop:,} in products of the loop, {rest:,} elementwise"
    )
