"""One custom operator, for all cells, that stands for a layer's run while torch.compile or
torch.export traces a model.

The compiler sees one opaque operator with known result shapes; when it runs, it checks what it was given, for
nobody did while tracing, and runs what an eager call runs. The cell's equations travel inside, as text, so that
an exported program needs this package and nothing else. Its backward pass runs the forward pass again, so that
nothing about a cell has to be told to the compiler.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import NamedTuple, get_type_hints
from weakref import WeakValueDictionary

import torch
from torch import Tensor

from ..errors import ShapeError, UsageError
from ..graph.json import graph_from_json, graph_to_json
from ..graph.node import Dim, Graph, size
from .check import check_indices
from .direction import run_direction
from .lengths import PackedRows, all_rows, packed_rows, rows_of
from .weights import Named

GRAPHS: WeakValueDictionary[str, Graph] = WeakValueDictionary()  # those of this process's layers, by their text


def text_of(graph: Graph) -> str:
    """The equations as the operator carries them."""
    text = json.dumps(graph_to_json(graph), separators=(",", ":"))
    GRAPHS.setdefault(text, graph)
    return text


def graph_of(text: str) -> Graph:
    return GRAPHS.get(text) or _read(text)


@lru_cache(maxsize=64)
def _read(text: str) -> Graph:
    try:
        return graph_from_json(json.loads(text))
    except (ValueError, RecursionError) as error:  # UsageError is a ValueError
        raise UsageError(
            f"the program holds no cell that can be read: {error}. Export the model again."
        ) from None


class Given(NamedTuple):
    """What the operator takes, in this order; `SCHEMA` says so in torch's words.

    inputs    (T * B, width) each, or int64 (T * B,); packed where there are `rows`
    lengths   (B,) of each row, in the caller's order; None where all rows have all steps or the data is packed
    cell      the graph as JSON
    dims      width letters, and `widths` their numbers
    names     of the parameters, those stacked in one tensor with | between them
    rows      packed data: rows at each step; [0] where it is not (no empty lists:
              autograd's trees trip over them)
    """

    inputs: list[Tensor]
    state: list[Tensor]
    parameters: list[Tensor]
    lengths: Tensor | None
    cell: str
    dims: str
    widths: list[int]
    names: str
    steps: int
    batch: int
    rows: list[int]
    reverse: bool
    backend: str
    recompute: bool
    mixed: bool

    @property
    def graph(self) -> Graph:
        return graph_of(self.cell)

    @property
    def sizes(self) -> dict[Dim, int]:
        return dict(zip(self.dims.split(","), self.widths))

    @property
    def total(self) -> int:
        return sum(self.rows) if self.rows[0] else self.steps * self.batch


TYPES = {
    list[Tensor]: "Tensor[]",
    Tensor | None: "Tensor?",
    list[int]: "SymInt[]",
    int: "SymInt",
    str: "str",
    bool: "bool",
}
SCHEMA = ", ".join(f"{TYPES[kind]} {name}" for name, kind in get_type_hints(Given).items())


def run_traced(
    cell: str,
    sizes: Mapping[Dim, int],
    inputs: Sequence[Tensor],
    state: Sequence[Tensor],
    parameters: Named,
    rows: PackedRows,
    reverse: bool,
    backend: str,
    recompute: bool,
    mixed: bool,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The same results as `run_direction`, as one operator of a traced graph."""
    given = Given(
        list(inputs),
        list(state),
        list(parameters.values()),
        rows.lengths,
        cell,
        ",".join(sizes),
        list(sizes.values()),
        ",".join("|".join(stack) for stack in parameters),
        rows.step_rows.steps,
        rows.step_rows.batch,
        list(rows.step_rows.sizes or (0,)),
        reverse,
        backend,
        recompute,
        mixed,
    )
    results = torch.ops.unrolled.run(*given)
    return results[0], tuple(results[1:])


@torch.library.custom_op("unrolled::run", mutates_args=(), schema=f"({SCHEMA}) -> Tensor[]")
def _run(*arguments) -> list[Tensor]:
    given = Given(*arguments)
    _check(given)
    y, final = _eager(given)
    return [y, *(f.clone() for f in final)]


def _eager(given: Given) -> tuple[Tensor, Sequence[Tensor]]:
    """Output as the inputs are laid out, and final states in the caller's order."""
    graph, lead = given.graph, (given.steps, given.batch)
    if given.lengths is None:
        rows, inputs, state = _laid_out(given), given.inputs, given.state
    else:
        rows = rows_of(given.lengths, *lead, given.inputs[0].device, graph.name)
        inputs = [rows.pack(v.view(*lead, *v.shape[1:])) for v in given.inputs]
        state = [rows.sort(s) for s in given.state]
    if not rows.step_rows.total:
        return given.inputs[0].new_zeros(given.total, _width(given), dtype=_like(given).dtype), given.state
    y, final, _ = run_direction(
        graph,
        given.sizes,
        inputs,
        state,
        {tuple(stack.split("|")): t for stack, t in zip(given.names.split(","), given.parameters)},
        rows,
        given.reverse,
        backend=given.backend,
        recompute=given.recompute,
        mixed=given.mixed,
    )
    if given.lengths is not None:
        y, final = rows.unpack(y).flatten(0, 1), [rows.unsort(s) for s in final]
    return (y.clone() if any(y is v for v in given.inputs) else y), final


def _laid_out(given: Given) -> PackedRows:
    if not given.rows[0]:
        return all_rows(given.steps, given.batch)
    return packed_rows(torch.tensor(given.rows, device="cpu"), None, None, given.inputs[0])


def _width(given: Given) -> int:
    shape = given.graph.nodes[given.graph.output].shape
    return size(shape[0], given.sizes) if shape else 1


def _like(given: Given) -> Tensor:
    return given.state[0] if given.state else given.parameters[0]


def _check(given: Given) -> None:
    """What a layer checks at an eager call, and what nothing else stands for in an exported program: ShapeError
    where a tensor has another shape than the equations give it, UsageError where an index stands for no row."""
    graph, sizes = given.graph, given.sizes

    def expect(kind: str, name: str, tensor: Tensor, lead: tuple[int, ...], shapes) -> None:
        first = sum(size(s[0], sizes) if s else 1 for s in shapes)
        wanted = (*lead, *((first,) if lead or shapes[0] else ()), *(size(d, sizes) for d in shapes[0][1:]))
        if not tensor.is_floating_point() and kind == "input":
            wanted = lead
            check_indices(tensor, graph.name, first)
        if tensor.shape != wanted:
            raise ShapeError(
                f"{graph.name} got {name} of shape {tuple(tensor.shape)} in a compiled program, {wanted}"
                " expected. Compile or export the model again."
            )

    for name, tensor in zip(graph.inputs, given.inputs, strict=True):
        expect("input", name, tensor, (given.total,), [graph.shape("input", name)])
    for name, tensor in zip(graph.states, given.state, strict=True):
        expect("state", name, tensor, (given.batch,), [graph.shape("state", name)])
    for stack, tensor in zip(given.names.split(","), given.parameters):
        expect("parameter", stack, tensor, (), [graph.shape("parameter", n) for n in stack.split("|")])


@_run.register_fake
def _shapes(*arguments):
    given = Given(*arguments)
    like = _like(given)
    return [like.new_empty(given.total, _width(given)), *(torch.empty_like(s) for s in given.state)]


@torch.library.custom_op(
    "unrolled::run_backward", mutates_args=(), schema=f"(Tensor[] gradients, {SCHEMA}) -> Tensor[]"
)
def _run_backward(gradients: list[Tensor], *arguments) -> list[Tensor]:
    given = Given(*arguments)
    with _recording():
        leaves = [
            [t.detach().requires_grad_(t.is_floating_point()) for t in group]
            for group in (given.inputs, given.state, given.parameters)
        ]
        y, final = _eager(given._replace(inputs=leaves[0], state=leaves[1], parameters=leaves[2]))
        wanted = [t for group in leaves for t in group if t.requires_grad]
        pairs = [(r, g) for r, g in zip((y, *final), gradients) if r.requires_grad]
        found = torch.autograd.grad([r for r, _ in pairs], wanted, [g for _, g in pairs], allow_unused=True)
    return [torch.zeros_like(t) if g is None else g.clone() for g, t in zip(found, wanted)]


@contextmanager
def _recording():
    """Autograd records again: inside an operator it is switched off below the level that `enable_grad` reaches,
    and whatever torch does to parameters before they reach a kernel would have no gradient."""
    with torch._C._PreserveDispatchKeyGuard(), torch.enable_grad():
        for key in (torch._C.DispatchKey.AutogradFunctionality, torch._C.DispatchKey.ADInplaceOrView):
            torch._C._dispatch_tls_set_dispatch_key_excluded(key, False)
        yield


@_run_backward.register_fake
def _backward_shapes(gradients, *arguments):
    given = Given(*arguments)
    return [
        torch.empty_like(t) for t in (*given.inputs, *given.state, *given.parameters) if t.is_floating_point()
    ]


def _remember(ctx, inputs, output) -> None:
    given = Given(*inputs)
    ctx.counts = len(given.inputs), len(given.state), len(given.parameters)
    ctx.rest = given[4:]
    lengths = () if given.lengths is None else (given.lengths,)
    ctx.save_for_backward(*given.inputs, *given.state, *given.parameters, *lengths)


def _backward(ctx, gradients):
    tensors = list(ctx.saved_tensors)
    a, b, c = ctx.counts
    groups = tensors[:a], tensors[a : a + b], tensors[a + b : a + b + c]
    lengths = next(iter(tensors[a + b + c :]), None)
    found = iter(torch.ops.unrolled.run_backward(gradients, *groups, lengths, *ctx.rest))
    back = [[next(found) if t.is_floating_point() else None for t in group] for group in groups]
    return (*back, None, *(None for _ in ctx.rest))


_run.register_autograd(_backward, setup_context=_remember)
