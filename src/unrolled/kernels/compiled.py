"""One custom operator, for all cells, that stands for a run while torch.compile traces a model.

The compiler sees one opaque operator with known result shapes; when it runs, it runs what an eager call runs. Its
backward pass runs the forward pass again, so that nothing about a cell has to be told to the compiler.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from ..graph.node import Dim, Graph, size
from .call import Parameters, Schedule
from .eager import run

GRAPHS: dict[str, Graph] = {}  # key -> graph, filled when a layer is made


def known(graph: Graph) -> str:
    """A key under which the operator finds the graph again."""
    for number in range(len(GRAPHS) + 1):
        key = f"{graph.name}-{number}"
        if GRAPHS.setdefault(key, graph) == graph:
            return key
    raise AssertionError("more keys than graphs")


def run_compiled(
    key: str,
    graph: Graph,
    sizes: Mapping[Dim, int],
    inputs: Sequence[Tensor],
    state: Sequence[Tensor],
    parameters: Parameters,
    schedule: Schedule,
    backend: str,
    recompute: bool,
    mixed: bool,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The same results as `kernels.run`, as one operator of a traced graph."""
    names = ",".join("|".join(stack) for stack in parameters)
    results = torch.ops.unrolled.run(
        list(inputs),
        list(state),
        list(parameters.values()),
        key,
        ",".join(sizes),
        list(sizes.values()),
        names,
        schedule.steps,
        schedule.batch,
        list(schedule.sizes or (0,)),
        schedule.reverse,
        backend,
        recompute,
        mixed,
    )
    return results[0], tuple(results[1:])


@torch.library.custom_op("unrolled::run", mutates_args=())
def _run(
    inputs: list[Tensor],
    state: list[Tensor],
    parameters: list[Tensor],
    key: str,
    dims: str,
    widths: list[int],
    names: str,
    steps: int,
    batch: int,
    rows: list[int],
    reverse: bool,
    backend: str,
    recompute: bool,
    mixed: bool,
) -> list[Tensor]:
    y, final = _eager(
        inputs,
        state,
        parameters,
        key,
        dims,
        widths,
        names,
        steps,
        batch,
        rows,
        reverse,
        backend,
        recompute,
        mixed,
    )
    return [y, *(f.clone() for f in final)]


def _eager(
    inputs, state, parameters, key, dims, widths, names, steps, batch, rows, reverse, backend, recompute, mixed
):
    schedule = Schedule(
        steps, batch, tuple(rows) if rows[0] else None, reverse
    )  # no empty lists: autograd's trees trip over them
    named = {tuple(stack.split("|")): tensor for stack, tensor in zip(names.split(","), parameters)}
    y, final, _ = run(
        GRAPHS[key],
        dict(zip(dims.split(","), widths)),
        inputs,
        state,
        named,
        schedule,
        backend=backend,
        recompute=recompute,
        mixed=mixed,
    )
    return y, final


@_run.register_fake
def _shapes(
    inputs, state, parameters, key, dims, widths, names, steps, batch, rows, reverse, backend, recompute, mixed
):
    graph = GRAPHS[key]
    shape = graph.nodes[graph.output].shape
    width = size(shape[0], dict(zip(dims.split(","), widths))) if shape else 1
    total = sum(rows) if rows[0] else steps * batch
    like = state[0] if state else parameters[0]
    return [like.new_empty(total, width), *(torch.empty_like(s) for s in state)]


@torch.library.custom_op("unrolled::run_backward", mutates_args=())
def _run_backward(
    gradients: list[Tensor],
    inputs: list[Tensor],
    state: list[Tensor],
    parameters: list[Tensor],
    key: str,
    dims: str,
    widths: list[int],
    names: str,
    steps: int,
    batch: int,
    rows: list[int],
    reverse: bool,
    backend: str,
    recompute: bool,
    mixed: bool,
) -> list[Tensor]:
    with _recording():
        leaves = [
            [t.detach().requires_grad_(t.is_floating_point()) for t in group]
            for group in (inputs, state, parameters)
        ]
        y, final = _eager(
            *leaves, key, dims, widths, names, steps, batch, rows, reverse, backend, recompute, mixed
        )
        wanted = [t for group in leaves for t in group if t.requires_grad]
        found = torch.autograd.grad([y, *final], wanted, gradients, allow_unused=True)
    return [torch.zeros_like(t) if g is None else g.clone() for g, t in zip(found, wanted)]


@contextmanager
def _recording():
    """Autograd records again: inside an operator it is switched off below the level that `enable_grad` reaches, and
    whatever torch does to parameters before they reach a kernel would have no gradient."""
    with torch._C._PreserveDispatchKeyGuard(), torch.enable_grad():
        for key in (torch._C.DispatchKey.AutogradFunctionality, torch._C.DispatchKey.ADInplaceOrView):
            torch._C._dispatch_tls_set_dispatch_key_excluded(key, False)
        yield


@_run_backward.register_fake
def _backward_shapes(gradients, inputs, state, parameters, *rest):
    return [torch.empty_like(t) for t in (*inputs, *state, *parameters) if t.is_floating_point()]


def _remember(ctx, inputs, output) -> None:
    given, state, parameters, *ctx.rest = inputs
    ctx.counts = len(given), len(state), len(parameters)
    ctx.save_for_backward(*given, *state, *parameters)


def _backward(ctx, gradients):
    tensors = list(ctx.saved_tensors)
    a, b, c = ctx.counts
    groups = tensors[:a], tensors[a : a + b], tensors[a + b :]
    found = iter(torch.ops.unrolled.run_backward(gradients, *groups, *ctx.rest))
    back = [[next(found) if t.is_floating_point() else None for t in group] for group in groups]
    return (*back, *(None for _ in ctx.rest))


_run.register_autograd(_backward, setup_context=_remember)
