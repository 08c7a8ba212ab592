"""The C backend: what it can run, and its node in autograd's graph."""

from __future__ import annotations

import warnings
from functools import lru_cache

import torch
from torch import Tensor

from ....plan.plan import Plan
from ...call import Call
from ...differentiable import differentiable, is_followed
from ...gate import why_closed
from ..build.compiler import CompilerError
from ..build.toolchain import SlowBackendWarning, toolchain, warn_no_compiler, why_unusable
from ..emit.spell import unspelled
from .backward import backward
from .forward import forward
from .library import functions
from .prepared import precision_of


def obstacle(call: Call) -> str | None:
    """Why C cannot run this call; None if it can."""
    tensors = call.tensors
    dtype = call.dtype
    elsewhere = [t.device for t in tensors if not t.is_cpu]
    if elsewhere:
        return f"it runs on the CPU, and there is a tensor on {elsewhere[0]}"
    if dtype not in (torch.float32, torch.float64):
        return f"it computes in float32 or float64, and this is {dtype}"
    other = [t.dtype for t in tensors if t.dtype is not dtype and t.is_floating_point()]
    if other:
        return f"its tensors are {dtype}, and one is {other[0]}"
    if call.step_rows.total == 0:
        return "there is no step to run"
    missing = unspelled(call.plan)
    if missing:
        return f"op `{missing}` is not spelled in kernels/c/emit/spell.py"
    closed = why_closed(tensors)
    if closed:
        return closed
    if toolchain() is None:
        warn_no_compiler(why_unusable())
        return f"no compiler works: {why_unusable()}"
    return None


def unbuildable(call: Call) -> bool:
    """Whether the kernel of a call that C could run cannot be built; says so once for
    each kernel, as a warning.
    """
    return _unbuildable(call.plan, precision_of(call))


@lru_cache(maxsize=512)
def _unbuildable(plan: Plan, precision: str) -> bool:
    try:
        functions(plan, precision)
    except CompilerError as error:
        warnings.warn(
            f"{error}\nThe reference backend runs {plan.graph.name} instead, roughly 2 to 10 times slower.",
            SlowBackendWarning,
            stacklevel=2,
        )
        return True
    return False


def run(call: Call) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Output (N, width) and final states (B, width)."""
    if torch.is_grad_enabled() and any([t.requires_grad for t in call.tensors]):
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
        ctx.spec = call.spec
        return (result.y, *result.final)

    @staticmethod
    def backward(ctx, above, *carries):
        saved = ctx.saved_tensors
        count = ctx.spec.total
        call = ctx.spec.filled(saved[:count])
        if is_followed((above, *carries), saved):
            return None, *differentiable(call, (above, *carries), ctx.needs_input_grad[1:])
        return None, *backward(call, saved[count], saved[count + 1 :], above, carries, ctx.needs_input_grad[1:])
