"""What a kernel is given: a plan, tensors packed the way the plan asks for, and
which rows run at which step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..errors import CellError, ShapeError
from ..graph.node import Dim, Graph, quote_clash, size
from ..plan.plan import Plan, plan_of
from .reference.spell import evaluate

Parameters = Mapping[tuple[str, ...], Tensor]  # names stacked along the first axis -> tensor


class StepRows(NamedTuple):
    """Which rows run at each step. Sequences are packed: the rows of step 0, then those of step 1, ...

    `sizes`: rows at each step, never increasing, where they differ (rows are sorted by length, longest first);
    None when all `batch` rows run at every step. `reverse` goes through time backwards; ragged rows are
    reversed by the layer instead.
    """

    steps: int
    batch: int
    sizes: tuple[int, ...] | None = None
    reverse: bool = False

    @property
    def total(self) -> int:
        return self.steps * self.batch if self.sizes is None else sum(self.sizes)

    def rows(self, step: int) -> int:
        return self.batch if self.sizes is None else self.sizes[step]


class Operands(NamedTuple):
    """The tensors of a call, or what stands for each of them: whether its gradient is needed, its gradient.

    hoisted  per hoisted group: stacked weights (sum of widths, depth)
    factors  per hoisted group, what they multiply: (N, depth) values, or int64 (N,) indices
             that stand for one-hot rows
    weights  per group of the loop: stacked weights (sum of widths, depth)
    vectors  all parameter vectors of the loop, packed: (sum of widths,)
    numbers  all parameters that are numbers: (count,)
    inputs   inputs used as they are: (N, width)
    state    initial states: (B, width) each
    """

    hoisted: tuple
    factors: tuple
    weights: tuple
    vectors: Any
    numbers: Any
    inputs: tuple
    state: tuple

    @property
    def flat(self) -> tuple:
        """One behind the other: what autograd is given."""
        return (
            *self.hoisted,
            *self.factors,
            *self.weights,
            self.vectors,
            self.numbers,
            *self.inputs,
            *self.state,
        )


@lru_cache(maxsize=512)
def places_of(plan: Plan) -> Operands:
    """Where each of a plan's operands stands in `flat`: slices, and two numbers."""
    body = plan.body
    ends = [
        0,
        *accumulate(map(len, (body.hoisted, body.hoisted, plan.groups, "v", "n", body.streams, body.states))),
    ]
    found = Operands._make(map(slice, ends, ends[1:]))
    return found._replace(vectors=found.vectors.start, numbers=found.numbers.start)


def grouped(plan: Plan, flat: tuple) -> Operands:
    """The inverse of `flat`."""
    return Operands._make([flat[place] for place in places_of(plan)])


class CallSpec(NamedTuple):
    """A call without its tensors, so that keeping it keeps no tensor alive behind autograd's back. `mixed`:
    operands of products in bfloat16, sums and everything else in float32."""

    plan: Plan
    sizes: tuple[tuple[Dim, int], ...]
    step_rows: StepRows
    hyper: tuple[float, ...]
    mixed: bool = False

    @property
    def total(self) -> int:
        """How many tensors."""
        return places_of(self.plan).state.stop

    def filled(self, tensors: tuple[Tensor, ...]) -> Call:
        """The call on these tensors, in the order of `Operands.flat`."""
        return Call(*self, grouped(self.plan, tensors), tensors)


class Call(NamedTuple):
    """One run of a cell over packed sequences: a `CallSpec` with its tensors, in groups
    and one behind the other.
    """

    plan: Plan
    sizes: tuple[tuple[Dim, int], ...]
    step_rows: StepRows
    hyper: tuple[float, ...]
    mixed: bool
    operands: Operands
    tensors: tuple[Tensor, ...]

    @property
    def spec(self) -> CallSpec:
        return CallSpec._make(self[:5])

    def width(self, dim: Dim) -> int:
        return 1 if dim == "1" else size(dim, dict(self.sizes))

    @property
    def dtype(self) -> torch.dtype:
        return (self.operands.state[0] if self.operands.state else self.operands.vectors).dtype

    @property
    def device(self) -> torch.device:
        return self.operands.vectors.device


def prepare(
    graph: Graph,
    sizes: Mapping[Dim, int],
    inputs: Sequence[Tensor],
    state: Sequence[Tensor],
    parameters: Parameters,
    step_rows: StepRows,
    hyper: Mapping[str, float] | None = None,
    mixed: bool = False,
) -> Call:
    """Evaluates what leaves the loop on the parameters' side and packs the rest.

    inputs (N, width) each in the order of the cell's inputs, or int64 (N,) indices; state (B, width) each. A
    stacked tensor under exactly the names that the plan packs together is used as it is, without a copy.
    """
    if graph.clashes:
        check_sizes(graph, sizes)
    plan = plan_of(graph)
    body, stacks = plan.body, stacks_of(plan)
    values = {**dict(graph.hyper), **(hyper or {})}
    outer = _Outer(plan, sizes, dict(zip(graph.inputs, inputs)), parameters, values)
    like = state[0] if state else next(iter(parameters.values()))
    numbers = [outer.value(body.nodes[v].value).reshape(()) for v in plan.numbers]
    used = [outer.given[name] for name, _ in body.streams]
    operands = Operands(
        tuple([outer.stack(s) for s in stacks.hoisted]),
        tuple([outer.value(h.operand) for h in body.hoisted]),
        tuple([outer.stack(s) for s in stacks.weights]),
        outer.stack(stacks.vectors) if plan.vectors else nothing(like),
        torch.stack(numbers) if numbers else nothing(like),
        _as_values(used, body, sizes, like) if used else (),
        tuple(state),
    )
    hyper = tuple([values[n] for n, _ in graph.hyper])
    return Call(plan, tuple(sizes.items()), step_rows, hyper, mixed, operands, operands.flat)


with torch.inference_mode(False):  # one made in inference mode could not be kept for a backward pass
    NOTHING = {dtype: torch.empty(0, dtype=dtype, device="cpu") for dtype in (torch.float32, torch.float64)}


def nothing(like: Tensor) -> Tensor:
    """What stands where a plan packs no vectors or numbers: made once, for allocating is
    slow beside short sequences.
    """
    plain = like.is_cpu and type(like) in (Tensor, torch.nn.Parameter) and like.dtype in NOTHING
    return NOTHING[like.dtype] if plain else like.new_empty(0)


@dataclass(frozen=True)
class Stack:
    """Nodes of the outer graph whose values are put below each other; their names where
    all are plain parameters.
    """

    nodes: tuple[int, ...]
    names: tuple[str, ...] | None
    keys: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Stacks:
    """Everything that a plan wants stacked."""

    hoisted: tuple[Stack, ...]
    weights: tuple[Stack, ...]
    vectors: Stack


@lru_cache(maxsize=512)
def stacks_of(plan: Plan) -> Stacks:
    """Worked out once for a plan: this is asked for at every call of a layer."""
    body = plan.body

    def stack(nodes: tuple[int, ...]) -> Stack:
        plain = all(body.outer[i].op == "parameter" for i in nodes)
        names = tuple(body.outer[i].value for i in nodes) if plain else None
        return Stack(nodes, names, tuple((n,) for n in names or ()))

    return Stacks(
        tuple(stack(h.matrices) for h in body.hoisted),
        tuple(stack(tuple(body.nodes[m].value for m in g.matrices)) for g in plan.groups),
        stack(tuple(body.nodes[v].value for v in plan.vectors)),
    )


def _as_values(inputs: Sequence[Tensor], body, sizes, like: Tensor) -> tuple[Tensor, ...]:
    """Indices that a cell also uses elementwise become one-hot rows."""
    result = []
    for tensor, (_, leaf) in zip(inputs, body.streams):
        if not tensor.is_floating_point():
            tensor = torch.nn.functional.one_hot(tensor, size(body.nodes[leaf].shape[0], sizes)).to(like.dtype)
        result.append(tensor)
    return tuple(result)


def check_sizes(graph: Graph, sizes: Mapping[Dim, int]) -> None:
    """CellError where two widths that an equation needs equal are not, or a stack of
    weights has no such layer.
    """
    for clash in graph.clashes:
        left, right = size(clash.left, dict(sizes)), size(clash.right, dict(sizes))
        if left != right:
            raise CellError(quote_clash(graph, clash, left, right))
    for node in graph.nodes:
        if node.op == "index":
            deep = size(graph.nodes[node.args[0]].shape[0], dict(sizes))
            if not -deep <= node.value < deep:
                raise CellError(
                    f"CellError in {graph.name}: [{node.value}] picks a layer of a stack of {deep}. Count"
                    " from 0"
                )


def parameter(graph: Graph, sizes: Mapping[Dim, int], parameters: Parameters, name: str) -> Tensor:
    """One parameter, out of the stack that it may stand in."""
    return _Outer(plan_of(graph), sizes, {}, parameters, {}).parameter(name)


class _Outer:
    """Values of the outer graph: parameters and what is made of them, inputs and what
    the loop does not wait for.
    """

    def __init__(
        self,
        plan: Plan,
        sizes: Mapping[Dim, int],
        given: dict[str, Tensor],
        parameters: Parameters,
        hyper: Mapping[str, float],
    ):
        self.nodes, self.sizes, self.given, self.parameters, self.hyper = (
            plan.body.outer,
            sizes,
            given,
            parameters,
            hyper,
        )
        self.known: dict[int, Tensor] = {}

    @property
    def like(self) -> Tensor:
        return next(iter((*self.parameters.values(), *self.given.values())))

    def value(self, index: int) -> Tensor:
        node = self.nodes[index]
        if index not in self.known:
            if node.op == "parameter":
                self.known[index] = self.parameter(node.value)
            elif node.op == "input":
                self.known[index] = self.given[node.value]
            elif node.op == "width":
                self.known[index] = self.like.new_tensor(float(size(node.value, self.sizes)))
            elif node.op in ("constant", "hyper"):
                self.known[index] = self.like.new_tensor(
                    node.value if node.op == "constant" else self.hyper[node.value]
                )
            else:
                self.known[index] = evaluate(node, [self._operand(a) for a in node.args], self.sizes)
        return self.known[index]

    def _operand(self, index: int) -> Tensor:
        value = self.value(index)
        if isinstance(value, Tensor) and self.nodes[index].op == "input" and not value.is_floating_point():
            like = next(iter(self.parameters.values()))
            return torch.nn.functional.one_hot(value, size(self.nodes[index].shape[0], self.sizes)).to(
                like.dtype
            )
        return value

    def parameter(self, name: str) -> Tensor:
        for names, tensor in self.parameters.items():
            if name in names:
                return (
                    tensor
                    if len(names) == 1
                    else tensor.split([self._rows(n) for n in names])[names.index(name)]
                )
        raise ShapeError(
            f"the parameter {name} was not given; given are {', '.join(n for k in self.parameters for n in k)}"
        )

    def _rows(self, name: str) -> int:
        """Length of a parameter's first axis."""
        node = next(n for n in self.nodes if n.op == "parameter" and n.value == name)
        return size(node.shape[0], self.sizes)

    def stack(self, stack: Stack) -> Tensor:
        """The values of several nodes below each other."""
        if stack.names in self.parameters:
            return self.parameters[stack.names]
        try:
            values = [self.parameters[key] for key in stack.keys]
        except KeyError:
            values = []
        values = values or [self.value(i) for i in stack.nodes]
        return values[0] if len(values) == 1 else torch.cat(values)
