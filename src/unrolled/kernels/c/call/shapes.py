"""How large each tensor of a call is, for a kernel is given nothing but addresses."""

from __future__ import annotations

from collections.abc import Sequence

from ....errors import ShapeError
from ....graph.node import Dim, size
from ....plan.plan import Plan
from ...call import Call, StepRows

Shapes = list[tuple[int, ...]]


def shapes_of(
    plan: Plan, sizes: Sequence[tuple[Dim, int]], step_rows: StepRows, indexed: bool = False
) -> Shapes:
    """The shapes of `Operands.flat`, in their order; `indexed`: where the cell's first
    input is given as indices.
    """
    body, table, total = plan.body, dict(sizes), step_rows.total

    def width(dim: Dim) -> int:
        return 1 if dim == "1" else size(dim, table)

    def wide(node: int) -> int:
        shape = body.nodes[node].shape
        return width(shape[0]) if shape else 1

    def is_index(node: int) -> bool:
        leaf = body.outer[node]
        return indexed and leaf.op == "input" and leaf.value == plan.graph.inputs[0]

    return [
        *((sum(map(width, h.widths)), width(h.depth)) for h in body.hoisted),
        *((total,) if is_index(h.operand) else (total, width(h.depth)) for h in body.hoisted),
        *((sum(map(width, g.widths)), width(g.depth)) for g in plan.groups),
        (sum(map(wide, plan.vectors)),),
        (len(plan.numbers),),
        *((total, wide(leaf)) for _, leaf in body.streams),
        *((step_rows.batch, wide(state)) for state in body.states),
    ]


def refuse(call: Call, given: Shapes) -> None:
    """ShapeError for the first tensor that a kernel would misread."""
    indexed = any(not operand.is_floating_point() for operand in call.operands.factors)
    due = shapes_of(call.plan, call.sizes, call.step_rows, indexed)
    names = [
        f"{kind}[{k}]" if isinstance(group, tuple) else kind
        for kind, group in call.operands._asdict().items()
        for k in range(len(group) if isinstance(group, tuple) else 1)
    ]
    for name, shape, wanted in zip(names, given, due):
        if shape != wanted:
            raise ShapeError(
                f"a kernel of {call.plan.graph.name} was given {name} of shape {tuple(shape)}, and it reads "
                f"{wanted}. Give parameters, inputs and states of the widths that the call names."
            )
