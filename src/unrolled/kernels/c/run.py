"""The C backend: what it can run, and its node in autograd's graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd import forward_ad

from ..call import Call
from ..reference.run import run as run_reference
from .backward import backward
from .forward import forward
from .spell import unspelled
from .toolchain import toolchain, warn_no_compiler, why_unusable


def obstacle(call: Call) -> str | None:
    """Why C cannot run this call; None if it can."""
    tensors = call.tensors
    dtype = call.dtype
    if any(t.device.type != "cpu" for t in tensors):
        return f"it runs on the CPU, and there is a tensor on {next(t.device for t in tensors if t.device.type != 'cpu')}"
    if dtype not in (torch.float32, torch.float64):
        return f"it computes in float32 or float64, and this is {dtype}"
    if any(t.is_floating_point() and t.dtype != dtype for t in tensors):
        return f"its tensors are {dtype}, and one is {next(t.dtype for t in tensors if t.is_floating_point() and t.dtype != dtype)}"
    if call.schedule.total == 0:
        return "there is no step to run"
    missing = unspelled(call.plan)
    if missing:
        return f"op `{missing}` is not spelled in kernels/c/spell.py"
    if _transformed(tensors):
        return "torch.func transforms and forward-mode derivatives go through the reference backend"
    if toolchain() is None:
        warn_no_compiler(why_unusable())
        return f"no compiler works: {why_unusable()}"
    return None


def _transformed(tensors: tuple[Tensor, ...]) -> bool:
    """Whether torch.func or forward-mode differentiation is at work on these tensors."""
    if torch._C._functorch.peek_interpreter_stack() is not None:
        return True
    return forward_ad._current_level >= 0 and any(forward_ad.unpack_dual(t).tangent is not None for t in tensors)


def run(call: Call) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Output (N, width) and final states (B, width)."""
    if torch.is_grad_enabled() and any(t.requires_grad for t in call.tensors):
        y, *final = Loop.apply(call, *call.tensors)
        return y, tuple(final)
    result = forward(call, keep=False)
    return result.y, result.final


class Loop(torch.autograd.Function):
    """The loop over time as one node of autograd's graph."""

    @staticmethod
    def forward(ctx, call: Call, *tensors: Tensor):
        result = forward(call, keep=True)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors, result.y, *result.buffers)
        ctx.shell = Shell.of(call)
        return (result.y, *result.final)

    @staticmethod
    def backward(ctx, above, *carries):
        saved = ctx.saved_tensors
        call, count = ctx.shell.filled(saved), ctx.shell.total
        if torch.is_grad_enabled():          # create_graph=True: gradients of gradients come from the reference
            return None, *_differentiable(call, (above, *carries), ctx.needs_input_grad[1:])
        return None, *backward(call, saved[count], saved[count + 1:], above, carries, ctx.needs_input_grad[1:])


@dataclass(frozen=True)
class Shell:
    """A call without its tensors, so that keeping it keeps no tensor alive behind autograd's back; how many of each."""

    fixed: tuple
    counts: tuple[int, ...]

    @staticmethod
    def of(call: Call) -> Shell:
        return Shell((call.plan, call.sizes, call.schedule, call.hyper),
                     tuple([len(call.hoisted), len(call.weights), len(call.inputs)]))

    @property
    def total(self) -> int:
        g, w, i = self.counts
        return 2 * g + w + 2 + i + len(self.fixed[0].body.states)

    def filled(self, tensors: Sequence[Tensor]) -> Call:
        """The call on these tensors, in the order of `Call.tensors`."""
        g, w, i = self.counts
        at = 2 * g + w
        return Call(*self.fixed, tuple(tensors[:g]), tuple(tensors[g:2 * g]), tuple(tensors[2 * g:at]), tensors[at],
                    tensors[at + 1], tuple(tensors[at + 2:at + 2 + i]), tuple(tensors[at + 2 + i:self.total]))


def _differentiable(call: Call, gradients: tuple, needed: tuple[bool, ...]):
    """Gradients as a differentiable function, by running the reference again."""
    with torch.enable_grad():
        call = Shell.of(call).filled([t.view_as(t) for t in call.tensors])      # one tensor given twice counts twice
        y, final, _ = run_reference(call)
        pairs = [(o, g) for o, g in zip((y, *final), gradients) if g is not None and o.requires_grad]
        wanted = [t for t, n in zip(call.tensors, needed) if n]
        found = iter(torch.autograd.grad([o for o, _ in pairs], wanted, [g for _, g in pairs], create_graph=True,
                                         allow_unused=True) if pairs else [None] * len(wanted))
    return tuple(next(found) if n else None for n in needed)
