"""What is left of all steps of a row, in an ONNX file."""

from __future__ import annotations

import torch

from ..models.classifier import FAR, TimePool
from .writing import ModuleWriting, Wire


def write_pool(writing: ModuleWriting, pool: TimePool, y: Wire) -> Wire:
    """One value for all steps, (B, width). Past a row's length y is zero already."""
    net, steps, found = writing.net, writing.steps, []
    if pool.way != "last":
        whole = net.op("ReduceSum", y.name, net.whole(0), attributes={"keepdims": 0})
        count = net.op("Unsqueeze", net.op("Cast", steps.ends(), attributes={"to": net.dtype}), net.whole(-1))
        found.append(net.op("Div", whole, count))
        inside = y.name if steps.active is None else net.op("Where", steps.active, y.name, net.number(FAR))
        found.append(net.op("ReduceMax", inside, attributes={"axes": [0], "keepdims": 0}))
    if pool.way != "mean and max":
        found.append(write_ends(writing, y, pool.bidirectional))
    return Wire(net.joined(found, -1), pool.width)


def write_ends(writing: ModuleWriting, y: Wire, bidirectional: bool) -> str:
    """What stands at each row's last step, (B, width), and coming back at its first."""
    net = writing.net
    last = _last(writing, y)
    if not bidirectional:
        return last
    halves = [y.width // 2] * 2
    return net.joined([net.split(last, halves)[0], net.split(net.at(y.name, 0), halves)[1]], -1)


def _last(writing: ModuleWriting, y: Wire) -> str:
    """What stands at each row's last step, (B, width)."""
    net, steps = writing.net, writing.steps
    if steps.lengths is None:
        return net.at(y.name, -1)
    count = net.op("Sub", steps.ends(), net.whole(1))  # (B,) or (1,)
    places = net.op(
        "Range",
        *(
            net.constant(torch.tensor(0), "place"),
            net.op("Squeeze", steps.time),
            net.constant(torch.tensor(1), "place"),
        ),
    )
    here = net.op("Equal", net.op("Unsqueeze", places, net.whole(1)), net.op("Unsqueeze", count, net.whole(0)))
    kept = net.op("Where", net.op("Unsqueeze", here, net.whole(-1)), y.name, net.number(0.0))
    return net.op("ReduceSum", kept, net.whole(0), attributes={"keepdims": 0})
