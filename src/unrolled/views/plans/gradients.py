"""The backward equations of a cell's step as text, in the notation of the forward ones."""

from __future__ import annotations

from ...graph.node import needed
from ...plan.body import Body
from ...plan.plan import Plan
from ..columns import printable, shape_text
from ..expression import constant, expression
from .names import all_names, bracketed, forward_names, gradient_of, outer_text, unnamed_kept


def gradients(plan: Plan) -> str:
    """What one step of backpropagation through time works out, from the last step to the first.

    d... is a gradient; delta_i[t] is that of what stands inside the line of i[t], before its nonlinearity.
    """
    body = plan.body
    names = all_names(body)
    given = ", ".join(f"{names[i]} {shape_text(body.nodes[i].shape)}" for i in _given(body)) or "nothing"
    forward = forward_names(body)
    worked = [f"{names[i]} = {expression(body.nodes, i, forward)}" for i in unnamed_kept(body, forward)]
    parts = [
        (f"given, from the steps after t and from the loss: {given}", []),
        ("in the loop, from the last step to the first", _loop(body, names)),
        ("added up over the steps, in the loop", _sums(body, names)),
        ("after the loop, one product each over all steps", _after(body, names)),
    ]
    if any(line.startswith("d(") for line in parts[-1][1]):
        parts.append(("then by autograd", ["from each d(...) to the parameters and inputs within"]))
    if worked:
        parts.insert(1, ("from the forward pass, which gave them no name", worked))
    blocks = [
        "\n".join([head, *(f"    {printable(line)}" for line in lines)])
        for head, lines in parts
        if lines or head.startswith("given")
    ]
    return "\n\n".join(blocks)


def _given(body: Body) -> list[int]:
    return [*body.carries, *([] if body.above is None else [body.above])]


def _text(body: Body, index: int, names: dict[int, str]) -> str:
    """A value by its name, or as an expression."""
    node = body.nodes[index]
    if node.op == "constant":
        return constant(node.value)
    return names.get(index) or expression(body.nodes, index, names)


def _loop(body: Body, names: dict[int, str]) -> list[str]:
    """Every named gradient in the order of its making, then what the step before it is handed."""
    backward = body.backward
    made = needed(body.nodes, [*backward.of.values(), *(o.gradient for o in backward.outers)])
    lines = [
        f"{names[i]} = {expression(body.nodes, i, names)}"
        for i in made
        if i >= body.forward_count and i in names and body.nodes[i].args
    ]
    given = [(f"d{name}[t-1]", leaf) for name, leaf in zip(body.graph.states, body.states)]
    given += [(f"d{name}[t]", leaf) for name, leaf in body.streams]
    return lines + [f"{name} = {_text(body, backward.of[leaf], names)}" for name, leaf in given]


def _sums(body: Body, names: dict[int, str]) -> list[str]:
    """Parameters that are vectors or numbers: their gradient of every step and row, added."""
    small = [w for w in body.weights if w in body.backward.of]
    return [f"{gradient_of(names[w])} += {_text(body, body.backward.of[w], names)}" for w in small]


def _after(body: Body, names: dict[int, str]) -> list[str]:
    """Matrices: outer products summed over time; then the input's gradient."""
    begun = {f"d{name}[t]" for name, _ in body.streams}
    lines = []

    def line(name: str, text: str) -> None:
        lines.append(f"{name} {'+=' if name in begun else '='} {text}")
        begun.add(name)

    for outer in body.backward.outers:
        gradient, operand = _text(body, outer.gradient, names), _text(body, outer.operand, names)
        line(gradient_of(names[outer.matrix]), f"sum over t of outer({gradient}, {operand})")
    for group in body.hoisted:
        operand = outer_text(body, group.operand)
        pairs = [
            (outer_text(body, m), _text(body, body.backward.of[s], names))
            for m, s in zip(group.matrices, group.streams)
        ]
        for matrix, gradient in pairs:
            line(gradient_of(matrix), f"sum over t of outer({gradient}, {operand})")
        line(gradient_of(operand), " + ".join(f"{bracketed(m)}.T @ {bracketed(g)}" for m, g in pairs))
    return lines
