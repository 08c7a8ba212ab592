"""C text of what comes after the backward loop: all weight gradients as products over time, and the inputs'."""

from __future__ import annotations

from ....plan.plan import Plan
from ....plan.program import Group, ProductRun
from .segment import extent


def room(plan: Plan) -> str:
    """Working memory that a thread needs afterwards, as a C expression."""
    depths = [
        extent(d) for d in dict.fromkeys([g.depth for g in plan.groups] + [h.depth for h in plan.body.hoisted])
    ]
    return " + ".join(f"outer_room({d})" for d in depths) or "0"


def wide(plan: Plan) -> str:
    """Memory for packed weights that all threads share afterwards: of all inputs' weights."""
    sizes = [
        f"packed_size({extent(h.depth)}, {extent(run.widths)})"
        for h, runs in zip(plan.body.hoisted, plan.hoisted_runs)
        for run in runs
    ]
    return " + ".join(sizes) or "0"


def after(plan: Plan) -> list[str]:
    """Lines that every thread runs once the loop is done."""
    lines = [
        "barrier_wait(&q->barrier, me, team);",
        "if (q->look.stopped) { give(&q->memory, own.memory); return; }",
    ]
    row = extent(plan.gradient)
    for g, (hoisted, runs) in enumerate(zip(plan.body.hoisted, plan.hoisted_runs)):
        lines += _hoisted(g, hoisted, runs, row)
    for g, group in enumerate(plan.groups):
        lines += _loop_weights(plan, g, group, row)
    return [
        *lines,
        "add_up(dvectors, q->vector_sums, vector_count, me, team);",
        "add_up(dnumbers, q->number_sums, number_count, me, team);",
    ]


def _hoisted(g: int, hoisted, runs: tuple[ProductRun, ...], row: str) -> list[str]:
    """Gradients of the weights that multiply the input, and of the input."""
    depth, whole = extent(hoisted.depth), extent(hoisted.widths)
    lines = [f"if (dw{g} && !index{g}) {{", f"    const rows_of b = {{operand{g}, {depth}, {depth}, 0}};"]
    for run in runs:
        lines.append(
            f"    outer_sum(&way, total, dw{g} + ({extent(hoisted.widths[: run.first])}) * ({depth}),"
            f" {extent(run.widths)}, gradient + {extent(run.start)}, {row}, &b, z, me, team);"
        )
    lines += ["}", f"if (dw{g} && index{g}) {{"]
    for run in runs:
        lines.append(
            f"    table_gradient(total, index{g}, gradient + {extent(run.start)}, {row}, dw{g} + "
            f"{extent(hoisted.widths[: run.first])}, {whole}, {extent(run.widths)}, me, team);"
        )
    lines += ["}", f"if (doperand{g}) {{", "    real *wide = q->wide;"]
    for k, run in enumerate(runs):
        size = f"packed_size({depth}, {extent(run.widths)})"
        lines += [
            (
                f"    pack_share(wide, w{g} + ({extent(hoisted.widths[: run.first])}) * ({depth}), 1, {depth},"
                f" {depth}, {extent(run.widths)}, me, team);"
            ),
            "    barrier_wait(&q->barrier, me, team);",
            (
                f"    operand_gradient(total, {depth}, {extent(run.widths)}, gradient + {extent(run.start)},"
                f" {row}, wide, doperand{g}, {int(k > 0)}, me, team);"
            ),
            f"    wide += {size};",
        ]
    return [*lines, "    barrier_wait(&q->barrier, me, team);", "}"]


def _loop_weights(plan: Plan, g: int, group: Group, row: str) -> list[str]:
    """Gradients of the weights that multiply a state, or a value kept at each step."""
    depth = extent(group.depth)
    lines = [f"if (dweights{g}) {{", f"    const rows_of b = {_operand(plan, group)};"]
    for run in group.runs:
        lines.append(
            f"    outer_sum(&way, total, dweights{g} + ({extent(group.widths[: run.first])}) * ({depth}), "
            f"{extent(run.widths)}, gradient + {extent(run.start)}, {row}, &b, z, me, team);"
        )
    return [*lines, "}"]


def _operand(plan: Plan, group: Group) -> str:
    """A `rows_of` for what a group multiplies."""
    body, depth = plan.body, extent(group.depth)
    if group.operand in body.states:
        k = body.states.index(group.operand)
        return f"{{new{k}, {depth}, {depth}, state{k}}}"
    if group.operand in body.new_states:
        return f"{{new{body.new_states.index(group.operand)}, {depth}, {depth}, 0}}"
    place = dict(plan.backward.places)[group.operand]
    row = extent(plan.kept_widths) if place.buffer == "kept" else extent(body.hoisted[place.number].widths)
    return f"{{{place.buffer} + {extent(place.start)}, {depth}, {row}, 0}}"
