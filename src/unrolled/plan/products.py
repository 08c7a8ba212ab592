"""Products of weights inside the loop: those of one vector are one product of all their matrices."""

from __future__ import annotations

from .body import Body
from .draft import PlanDraft
from .keep import operands
from .program import Group


def group_products(draft: PlanDraft) -> None:
    draft.groups = _groups(draft.body)


def products_are_grouped(draft: PlanDraft) -> bool:
    """Every product of the forward step is in one group, and one only."""
    body = draft.body
    wanted = [n.index for n in body.nodes[: body.forward_count] if n.op == "product"]
    return sorted(p for group in draft.groups for p in group.outputs) == wanted


def _groups(body: Body) -> tuple[Group, ...]:
    groups = []
    for operand in operands(body):
        pairs = sorted(
            (n.args[0], n.index)
            for n in body.nodes[: body.forward_count]
            if n.op == "product" and n.args[1] == operand
        )
        pairs.sort(key=lambda p: body.nodes[p[0]].value)  # the order of the author's signature
        shapes = [body.nodes[m].shape for m, _ in pairs]
        groups.append(
            Group(
                operand,
                tuple(m for m, _ in pairs),
                tuple(p for _, p in pairs),
                tuple(s[0] for s in shapes),
                shapes[0][1],
            )
        )
    return tuple(groups)
