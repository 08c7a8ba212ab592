"""One layer in one direction: what leaves the loop before it, then a Scan over the cell's equations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from ..graph.node import Dim, Graph, size
from ..layers.weights import Named
from ..plan.body import Body, width_of
from ..plan.plan import plan_of
from ..transform.resets import RESETS
from .equations import CellNodes
from .writing import ModuleWriting, Steps, Wire


def write_direction(
    writing: ModuleWriting,
    graph: Graph,
    sizes: Mapping[Dim, int],
    weights: Named,
    given: Sequence[Wire],
    state: Sequence[str],
    reverse: bool,
    path: str,
) -> tuple[str, list[str]]:
    """given: the cell's inputs; state: (B, width) each. The output's name, (T, B, width), and
    those of the last states.
    """
    net, body = writing.net, plan_of(graph).body
    if reverse and RESETS in graph.inputs:
        at = graph.inputs.index(RESETS)
        given = [*given[:at], _one_step_sooner(writing.steps, given[at]), *given[at + 1 :]]
    sources = {name: tensor for names, tensor in weights.items() for name in names}

    def stack(tensors, names):
        return writing.matrices.stack(tensors, names, sources, path)

    hyper = dict(graph.hyper)
    called = {n.index: path + n.value for n in body.outer if n.op in ("parameter", "hyper")}
    before = CellNodes(net, body.outer, sizes, hyper, stack, given[0].name, 2, called)
    _give_outer(before, graph, weights, given)
    streams = {leaf: body.nodes[leaf].value for h in body.hoisted for leaf in h.streams}
    before.write([*streams.values(), *(body.nodes[w].value for w in body.weights)])
    inner = net.inside(path) if body.states else net
    named = {at: graph.name_of(i) for i, at in body.made if graph.name_of(i) and body.nodes[at].args}
    loop = CellNodes(inner, body.nodes, sizes, hyper, stack, "", 1 if body.states else 2, named)
    _give_weights(loop, body, before)
    in_time = {leaf: before.wires[node] for leaf, node in streams.items()}
    places = {n.value: n.index for n in body.outer if n.op == "input"}
    in_time.update({leaf: before.wire(places[name]) for name, leaf in body.streams})
    if not body.states:
        return _at_once(writing, loop, body, in_time, given[0].name), []
    return _scanned(writing, loop, body, in_time, state, reverse)


def _give_outer(before: CellNodes, graph: Graph, weights: Named, given: Sequence[Wire]) -> None:
    """Parameters and inputs."""
    values = {}
    for names, tensor in weights.items():
        tensor = tensor.detach().cpu()
        leaves = [next(n for n in before.nodes if n.op == "parameter" and n.value == name) for name in names]
        rows = [size(leaf.shape[0], dict(before.sizes)) for leaf in leaves] if len(names) > 1 else []
        values.update(zip(names, tensor.split(rows) if rows else [tensor]))
    for node in before.nodes:
        if node.op == "parameter":
            before.known[node.index], before.parameters[node.index] = values[node.value], node.value
        elif node.op == "input":
            wire = given[graph.inputs.index(node.value)]
            if wire.indices:
                before.lookups[node.index] = wire.name
            else:
                before.give(node.index, wire.name, wire.width)


def _give_weights(loop: CellNodes, body: Body, before: CellNodes) -> None:
    """What the loop reads of parameters."""
    for leaf in body.weights:
        node = body.nodes[leaf].value
        loop.known[leaf] = before.known[node]
        if node in before.parameters:
            loop.named[leaf], loop.parameters[leaf] = before.named[node], before.parameters[node]


def _at_once(writing: ModuleWriting, loop: CellNodes, body: Body, in_time: Mapping[int, str], x: str) -> str:
    """A cell without a state: all steps at once."""
    loop.like = x
    for leaf, wire in in_time.items():
        loop.give(leaf, wire, size(width_of(body, leaf), dict(loop.sizes)))
    loop.write([body.output])
    return writing.steps.masked(loop.full(body.output, size(width_of(body, body.output), dict(loop.sizes))))


def _scanned(
    writing: ModuleWriting,
    loop: CellNodes,
    body: Body,
    in_time: Mapping[int, str],
    state: Sequence[str],
    reverse: bool,
) -> tuple[str, list[str]]:
    net, inner, steps = writing.net, loop.net, writing.steps

    def width(index: int) -> int:
        return size(width_of(body, index), dict(loop.sizes))

    widths = [width(s) for s in body.states]
    for leaf, w in zip(body.states, widths):
        loop.give(leaf, inner.input(f"{body.nodes[leaf].value}_before", net.dtype, ("batch", w)), w)
    loop.like = loop.wires[body.states[0]]
    for leaf in in_time:
        loop.give(leaf, inner.input(f"in_{leaf}", net.dtype, ("batch", width(leaf))), width(leaf))
    active = None if steps.active is None else inner.input("active", torch.bool, ("rows", 1))
    loop.write([*body.new_states, body.output])
    new = [loop.full(n, w) for n, w in zip(body.new_states, widths)]
    y = new[0] if body.output_is_state else loop.full(body.output, width(body.output))
    if active is not None:  # chosen and not multiplied: what a finished row computes may be NaN
        new = [inner.op("Where", active, n, loop.wires[old]) for n, old in zip(new, body.states)]
    for leaf, value, w in zip(body.states, new, widths):
        inner.output(f"{body.nodes[leaf].value}_after", value, net.dtype, ("batch", w))
    inner.output("y_each", y, net.dtype, ("batch", width(body.output)))
    read = [*in_time.values(), *([] if steps.active is None else [steps.active])]
    *last, y = net.ops(
        "Scan",
        [*state, *read],
        len(state) + 1,
        {
            "body": inner,
            "num_scan_inputs": len(read),
            "scan_input_directions": [int(reverse)] * len(read),
            "scan_output_directions": [int(reverse)],
        },
        f"{inner.prefix}scan",
    )
    return steps.masked(y), last


def _one_step_sooner(steps: Steps, resets: Wire) -> Wire:
    """Resets lie between two steps: going back they are met one step sooner, and a row's last step has none; as
    layers/resets.py does."""
    net = steps.net
    zero = net.op("Expand", net.number(0.0), net.joined([net.whole(1), steps.batch, net.whole(1)], 0))
    later = net.op("Slice", resets.name, net.whole(1), net.whole(2**62), net.whole(0))
    moved = net.op("Slice", net.joined([later, zero], 0), net.whole(0), steps.time, net.whole(0))
    if steps.active is not None:
        moved = net.op("Where", steps.runs(1), moved, net.number(0.0))
    return Wire(moved, resets.width)
