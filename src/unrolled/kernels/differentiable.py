"""What a node of ours in autograd's graph leaves to the reference backend: derivatives of its derivatives."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .call import Call
from .gate import why_closed
from .reference.run import run as run_reference


def is_followed(gradients: Sequence[Tensor | None], saved: Sequence[Tensor]) -> bool:
    """Whether a backward pass must be made of torch's operations: create_graph=True, a
    batch of gradients, a tracer.
    """
    given = [g for g in gradients if g is not None]
    return torch.is_grad_enabled() or why_closed([*given, *saved]) is not None


def differentiable(
    call: Call, gradients: Sequence[Tensor | None], needed: Sequence[bool]
) -> tuple[Tensor | None, ...]:
    """Gradients of `call.tensors` as a differentiable function, by running the reference
    again; None where not needed.

    `gradients`: those of the output and of the final states.
    """
    again = torch.is_grad_enabled()  # somebody wants gradients of these gradients
    with torch.enable_grad():
        # One tensor given twice counts twice.
        call = call.spec.filled(tuple([t.view_as(t) for t in call.tensors]))
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
