"""The reference backend: the loop in torch operations, node by node. Any device, any order of derivative."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import embedding, linear

from ..call import Call
from .spell import evaluate


def run(call: Call) -> tuple[Tensor, tuple[Tensor, ...], dict[int, Tensor]]:
    """Output (N, width), final states (B, width) each, and the values of the nodes in `watch`, (N, width) each."""
    return run_and_watch(call, ())


def run_and_watch(call: Call, watch: tuple[int, ...]) -> tuple[Tensor, tuple[Tensor, ...], dict[int, Tensor]]:
    body, schedule = call.plan.body, call.schedule
    loop = _Loop(call)
    state = call.state
    outputs: list[Tensor] = []
    seen: dict[int, list[Tensor]] = {w: [] for w in watch}
    order = range(schedule.steps - 1, -1, -1) if schedule.reverse else range(schedule.steps)
    for t in order:
        rows = schedule.rows(t)
        values = loop.step(t, tuple(s[:rows] for s in state))
        new = tuple(_rows(values[i], rows, call.width(_dim(body, i))) for i in body.new_states)
        state = tuple(n if rows == schedule.batch else torch.cat([n, s[rows:]]) for n, s in zip(new, state))
        outputs.append(_rows(values[body.output], rows, call.width(_dim(body, body.output))))
        for index, kept in seen.items():
            kept.append(_rows(values[index], rows, call.width(_dim(body, index))))
    if schedule.reverse:
        outputs.reverse()
        for kept in seen.values():
            kept.reverse()
    width = call.width(_dim(body, body.output))
    empty = call.vectors.new_empty(0, width)
    return (torch.cat(outputs) if outputs else empty), state, {w: torch.cat(v) for w, v in seen.items() if v}


def _dim(body, index: int) -> str:
    shape = body.nodes[index].shape
    return shape[0] if shape else "1"


def _rows(value, rows: int, width: int) -> Tensor:
    return value if value.shape == (rows, width) else value.expand(rows, width)


class _Loop:
    """Everything one step reads: streams cut by time once (`unbind`, whose backward is linear in time), parameters."""

    def __init__(self, call: Call):
        self.call, self.nodes, self.sizes = call, call.plan.body.nodes, dict(call.sizes)
        self.fixed: dict[int, object] = {}
        self.streams: dict[int, tuple[Tensor, ...]] = {}
        self._parameters()
        for group, weights, operand in zip(call.plan.body.hoisted, call.hoisted, call.operands):
            product = linear(operand, weights) if operand.is_floating_point() else embedding(operand, weights.t())
            for leaf, part in zip(group.streams, product.split([call.width(w) for w in group.widths], -1)):
                self.streams[leaf] = self._by_time(part)
        for (_, leaf), tensor in zip(call.plan.body.streams, call.inputs):
            self.streams[leaf] = self._by_time(tensor)
        self.todo = [n for n in self.nodes[:call.plan.body.forward_count] if n.args]

    def _by_time(self, packed: Tensor) -> tuple[Tensor, ...]:
        schedule = self.call.schedule
        if schedule.sizes is None:
            return packed.view(schedule.steps, schedule.batch, packed.shape[-1]).unbind(0)
        return packed.split(list(schedule.sizes))

    def _parameters(self) -> None:
        call, plan, width = self.call, self.call.plan, self.call.width
        names = [name for name, _ in plan.graph.hyper]
        for node in self.nodes:
            if node.op == "constant":
                self.fixed[node.index] = call.vectors.new_tensor(node.value)
            elif node.op == "hyper":
                self.fixed[node.index] = call.vectors.new_tensor(call.hyper[names.index(node.value)])
        for group, weights in zip(plan.groups, call.weights):
            for k, part in zip(group.matrices, weights.split([width(w) for w in group.widths])):
                self.fixed[(k, group.operand)] = part
        widths = [width(self.nodes[v].shape[0]) for v in plan.vectors]
        self.fixed.update(zip(plan.vectors, call.vectors.split(widths) if widths else ()))
        self.fixed.update(zip(plan.numbers, call.numbers.unbind(0)))

    def step(self, t: int, state: tuple[Tensor, ...]) -> dict:
        values = dict(self.fixed)
        values.update(zip(self.call.plan.body.states, state))
        values.update((leaf, parts[t]) for leaf, parts in self.streams.items())
        for node in self.todo:
            args = [values[(a, node.args[1])] if node.op == "product" and i == 0 else values[a] for i, a in enumerate(node.args)]
            values[node.index] = evaluate(node, args, self.sizes)
        return values
