"""What a kernel may be handed: it is given addresses, and torch has many tensors that
have none, or not their own.

Fake tensors, wrapper subclasses, batches of a vmap, zeros without memory and what a tracer writes down all look
like plain tensors to Python. Whatever is not surely one goes through the reference backend, whose torch
operations they all understand.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

PLAIN = frozenset((Tensor, nn.Parameter))  # a subclass may keep its numbers anywhere


def why_closed(tensors: Sequence[Tensor]) -> str | None:
    """Why nothing but torch operations may touch these tensors; None where a kernel may read them. Lazily
    negated ones it may read once they are `dense`."""
    return why_observed(tensors) or why_unreadable(tensors)


def why_observed(tensors: Sequence[Tensor]) -> str | None:
    """Who follows torch's operations and would not see a kernel's: a transformation, a mode, a tracer."""
    if torch._C._functorch.peek_interpreter_stack() is not None:
        return "torch.func transforms go through the reference backend"
    if torch._C._len_torch_dispatch_stack() and not _only_counting():
        return (
            "a mode that sees every operation (fake tensors, make_fx, a FLOP counter) goes through the"
            " reference backend"
        )
    if torch._C._get_tracing_state() is not None:
        return "torch.jit.trace goes through the reference backend"
    if forward_ad._current_level >= 0 and any(forward_ad.unpack_dual(t).tangent is not None for t in tensors):
        return "forward-mode derivatives go through the reference backend"
    return None


def _only_counting() -> bool:
    """Whether all modes say that they only count operations, so that a kernel may run unseen beside them."""
    return all(getattr(mode, "counts_only", False) for mode in _get_current_dispatch_mode_stack())


def why_unreadable(tensors: Sequence[Tensor]) -> str | None:
    """Which tensor has no memory of its own to read."""
    try:
        wrong = [t for t in tensors if type(t) not in PLAIN or not t.untyped_storage().data_ptr() and t.numel()]
    except RuntimeError:  # sparse layouts, batches of a vmap, zeros without memory: torch has nothing to show
        return "one of its tensors has no storage"
    if not wrong:
        return None
    kind = f"a {type(wrong[0]).__name__}" if type(wrong[0]) not in PLAIN else "without storage"
    return f"it reads plain tensors, and one is {kind}"


def dense(tensor: Tensor) -> Tensor:
    """As C reads it: one number after the other, with their signs."""
    return (tensor.resolve_neg() if tensor.is_neg() else tensor).contiguous()
