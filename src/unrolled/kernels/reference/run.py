"""The reference backend: the loop in torch operations, node by node. Any device, any order of derivative."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import embedding, linear

from ...graph.node import needed
from ...plan.linear import Linear, linear_of
from ..call import Call
from .scan import factors_of, scan
from .spell import evaluate

BLOCKED = 16  # steps from which on a linear recurrence is worked out in blocks of time


def run(call: Call) -> tuple[Tensor, tuple[Tensor, ...], dict[int, Tensor]]:
    """Output (N, width), final states (B, width) each, and the values of the nodes in
    `watch`, (N, width) each.
    """
    return run_and_watch(call, ())


def run_and_watch(call: Call, watch: tuple[int, ...]) -> tuple[Tensor, tuple[Tensor, ...], dict[int, Tensor]]:
    body, step_rows = call.plan.body, call.step_rows
    linear = linear_of(call.plan) if step_rows.sizes is None and step_rows.steps >= BLOCKED else None
    if linear is not None:
        return _all_steps(call, linear, watch)
    loop = _Loop(call)
    state = call.operands.state
    outputs: list[Tensor] = []
    seen: dict[int, list[Tensor]] = {w: [] for w in watch}
    order = range(step_rows.steps - 1, -1, -1) if step_rows.reverse else range(step_rows.steps)
    for t in order:
        rows = step_rows.rows(t)
        values = loop.step(t, tuple(s[:rows] for s in state))
        new = tuple(_rows(values[i], rows, call.width(_dim(body, i))) for i in body.new_states)
        state = tuple(n if rows == step_rows.batch else torch.cat([n, s[rows:]]) for n, s in zip(new, state))
        outputs.append(_rows(values[body.output], rows, call.width(_dim(body, body.output))))
        for index, kept in seen.items():
            kept.append(_rows(values[index], rows, call.width(_dim(body, index))))
    if step_rows.reverse:
        outputs.reverse()
        for kept in seen.values():
            kept.reverse()
    width = call.width(_dim(body, body.output))
    empty = call.operands.vectors.new_empty(0, width)
    return (torch.cat(outputs) if outputs else empty), state, {w: torch.cat(v) for w, v in seen.items() if v}


def _all_steps(call: Call, linear: Linear, watch: tuple[int, ...]):
    """The same for a cell that is linear in its states: a scan in blocks of time, then every
    step's equations at once.
    """
    body, step_rows, loop = call.plan.body, call.step_rows, _Loop(call)
    lead = (step_rows.steps, step_rows.batch)

    def in_time(values: Tensor) -> Tensor:
        return values.flip(0) if step_rows.reverse else values

    def wide(value: Tensor, index: int) -> Tensor:
        return _rows(value, step_rows.total, call.width(_dim(body, index)))

    # What a step adds to a state of zero.
    still = loop.all_steps([torch.zeros_like(s) for s in call.operands.state])
    offsets = [in_time(wide(still[i], i).view(*lead, -1)) for i in body.new_states]
    wanted = [f for row in linear.factors for f in row if f is not None]
    for index in needed(linear.nodes, wanted):
        if index not in still:
            node = linear.nodes[index]
            still[index] = (
                call.operands.vectors.new_tensor(node.value)
                if node.op == "constant"
                else evaluate(node, [still[a] for a in node.args], loop.sizes)
            )
    by_time = {
        f: in_time(wide(still[f], body.new_states[i]).view(*lead, -1))
        for i, row in enumerate(linear.factors)
        for f in row
        if f is not None
    }
    after = scan(factors_of(linear, by_time, [b.shape for b in offsets]), offsets, call.operands.state)
    before = [
        in_time(torch.cat([first.unsqueeze(0), s[:-1]])).flatten(0, 1)
        for first, s in zip(call.operands.state, after)
    ]
    values = loop.all_steps(before)
    new = [wide(values[i], i).view(*lead, -1) for i in body.new_states]
    return (  # an input that goes straight through is not handed back itself
        torch.cat([wide(values[body.output], body.output)]),
        tuple(in_time(n)[-1] for n in new),
        {w: torch.cat([wide(values[w], w)]) for w in watch},
    )


def _dim(body, index: int) -> str:
    shape = body.nodes[index].shape
    return shape[0] if shape else "1"


def _rows(value, rows: int, width: int) -> Tensor:
    return value if value.shape == (rows, width) else value.expand(rows, width)


class _Loop:
    """Everything one step reads: streams cut by time once (`unbind`, whose backward is
    linear in time), parameters.
    """

    def __init__(self, call: Call):
        self.call, self.nodes, self.sizes = call, call.plan.body.nodes, dict(call.sizes)
        self.fixed: dict[int, object] = {}
        self.packed: dict[int, Tensor] = {}
        self._parameters()
        for group, weights, operand in zip(
            call.plan.body.hoisted, call.operands.hoisted, call.operands.factors
        ):
            product = (
                self._rounded(operand, weights)
                if operand.is_floating_point()
                else embedding(operand, weights.t())
            )
            for leaf, part in zip(group.streams, product.split([call.width(w) for w in group.widths], -1)):
                self.packed[leaf] = part
        self.packed.update(
            (leaf, tensor) for (_, leaf), tensor in zip(call.plan.body.streams, call.operands.inputs)
        )
        self.todo = [n for n in self.nodes[: call.plan.body.forward_count] if n.args]

    @cached_property
    def streams(self) -> dict[int, tuple[Tensor, ...]]:
        return {leaf: self._by_time(packed) for leaf, packed in self.packed.items()}

    def _by_time(self, packed: Tensor) -> tuple[Tensor, ...]:
        step_rows = self.call.step_rows
        if step_rows.sizes is None:
            return packed.view(step_rows.steps, step_rows.batch, packed.shape[-1]).unbind(0)
        return packed.split(list(step_rows.sizes))

    def _parameters(self) -> None:
        call, plan, width = self.call, self.call.plan, self.call.width
        names = [name for name, _ in plan.graph.hyper]
        for node in self.nodes:
            if node.op == "constant":
                self.fixed[node.index] = call.operands.vectors.new_tensor(node.value)
            elif node.op == "width":
                self.fixed[node.index] = call.operands.vectors.new_tensor(float(width(node.value)))
            elif node.op == "hyper":
                self.fixed[node.index] = call.operands.vectors.new_tensor(call.hyper[names.index(node.value)])
        for group, weights in zip(plan.groups, call.operands.weights):
            weights = weights.to(torch.bfloat16) if call.mixed else weights
            for k, part in zip(group.matrices, weights.split([width(w) for w in group.widths])):
                self.fixed[(k, group.operand)] = part
        widths = [width(self.nodes[v].shape[0]) for v in plan.vectors]
        self.fixed.update(zip(plan.vectors, call.operands.vectors.split(widths) if widths else ()))
        self.fixed.update(zip(plan.numbers, call.operands.numbers.unbind(0)))

    def step(self, t: int, state: tuple[Tensor, ...]) -> dict:
        """The values of every node at one step."""
        return self._values({leaf: parts[t] for leaf, parts in self.streams.items()}, state)

    def all_steps(self, state: list[Tensor]) -> dict:
        """The values of every node at all steps, from the states before each: (N, width), or
        (B, width) at all of them.
        """
        total, batch = self.call.step_rows.total, self.call.step_rows.batch
        state = [s if len(s) == total else s.repeat(total // batch, 1) for s in state]
        return self._values(self.packed, state)

    def _values(self, streams: dict[int, Tensor], state) -> dict:
        values = {**self.fixed, **streams}
        values.update(zip(self.call.plan.body.states, state))
        for node in self.todo:
            args = [
                values[(a, node.args[1])] if node.op == "product" and i == 0 else values[a]
                for i, a in enumerate(node.args)
            ]
            if node.op == "product" and self.call.mixed:
                values[node.index] = self._rounded(args[1], args[0])
            else:
                values[node.index] = evaluate(node, args, self.sizes)
        return values

    def _rounded(self, operand: Tensor, weights: Tensor) -> Tensor:
        """A product, of bfloat16 operands where precisions are mixed."""
        if not self.call.mixed:
            return linear(operand, weights)
        return linear(operand.to(torch.bfloat16), weights.to(torch.bfloat16)).to(operand.dtype)
