"""What a node of ours in autograd's graph keeps of a call, and what it leaves to the reference backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..plan.plan import Plan
from .call import Call, StepRows
from .reference.run import run as run_reference


class CallSpec(NamedTuple):
    """A call without its tensors, so that keeping it keeps no tensor alive behind autograd's back; `total`: how many."""

    plan: Plan
    sizes: tuple
    step_rows: StepRows
    hyper: tuple[float, ...]
    mixed: bool
    total: int

    @staticmethod
    def of(call: Call) -> CallSpec:
        return CallSpec(call.plan, call.sizes, call.step_rows, call.hyper, call.mixed, len(call.tensors))

    def filled(self, tensors: Sequence[Tensor]) -> Call:
        """The call on these tensors, in the order of `Call.tensors`."""
        body = self.plan.body
        g, w, i = len(body.hoisted), len(self.plan.groups), len(body.streams)
        at = 2 * g + w
        return Call(
            *self[:4],
            tuple(tensors[:g]),
            tuple(tensors[g : 2 * g]),
            tuple(tensors[2 * g : at]),
            tensors[at],
            tensors[at + 1],
            tuple(tensors[at + 2 : at + 2 + i]),
            tuple(tensors[at + 2 + i : self.total]),
            self.mixed,
        )


def differentiable(
    call: Call, gradients: Sequence[Tensor | None], needed: Sequence[bool]
) -> tuple[Tensor | None, ...]:
    """Gradients of `call.tensors` as a differentiable function, by running the reference again; None where not needed.

    `gradients`: those of the output and of the final states.
    """
    again = torch.is_grad_enabled()  # somebody wants gradients of these gradients
    with torch.enable_grad():
        call = CallSpec.of(call).filled(
            [t.view_as(t) for t in call.tensors]
        )  # one tensor given twice counts twice
        y, final, _ = run_reference(call)
        pairs = [(o, g) for o, g in zip((y, *final), gradients) if g is not None and o.requires_grad]
        wanted = [t for t, n in zip(call.tensors, needed) if n]
        found = iter(
            torch.autograd.grad(
                [o for o, _ in pairs], wanted, [g for _, g in pairs], create_graph=again, allow_unused=True
            )
            if pairs
            else [None] * len(wanted)
        )
    return tuple(next(found) if n else None for n in needed)
