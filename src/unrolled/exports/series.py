"""How a classifier reads series of numbers, in an ONNX file: raw values in, on their scale and
through learned filters.
"""

from __future__ import annotations

from ..models.series import SMALLEST, Filters, RowNorm, Scaled
from .linear import write_convolution
from .net import OnnxGraph
from .writing import ModuleWriting, Steps, Wire

KEPT = {"keepdims": 1}


def write_scaled(writing: ModuleWriting, reader: Scaled, x: Wire) -> Wire:
    """`Scaled` in evaluation: values (T, B, channels) on their scale, their differences,
    and which ones are there.
    """
    net, inside = writing.net, writing.steps.active
    mean, deviation, change = (
        net.constant(values.to(net.dtype), "scale") for values in (reader.mean, reader.deviation, reader.change)
    )
    there = net.op("Not", net.op("IsNaN", x.name))
    there = there if inside is None else net.op("And", there, inside)
    scaled = net.op("Div", _kept(net, net.op("Sub", x.name, mean), there), deviation)
    if reader.own:
        scaled = _by_itself(net, scaled, there)
    features = [scaled]
    if reader.steps:
        moved, both = _differences(net, scaled, there)
        if reader.own:
            moved = net.op("Div", moved, _size(net, moved, _count(net, both)))
        else:
            moved = net.op("Div", net.op("Mul", moved, deviation), change)
        features.append(moved)
    if reader.missing:
        features.append(net.as_number(there))
    return Wire(writing.steps.masked(net.joined(features, -1)), reader.width)


def _kept(net: OnnxGraph, x: str, there: str) -> str:
    """Zero where nothing is; NaN does not pass."""
    return net.op("Where", there, x, net.number(0.0))


def _count(net: OnnxGraph, there: str) -> str:
    """How many steps of a row are there, and at least 1: (1, B, channels)."""
    count = net.op("ReduceSum", net.as_number(there), net.whole(0), attributes=KEPT)
    return net.op("Max", count, net.number(1.0))


def _size(net: OnnxGraph, x: str, count: str) -> str:
    """The root of the mean square over time, not below SMALLEST."""
    squares = net.op("ReduceSum", net.op("Mul", x, x), net.whole(0), attributes=KEPT)
    return net.op("Max", net.op("Sqrt", net.op("Div", squares, count)), net.number(SMALLEST))


def _by_itself(net: OnnxGraph, x: str, there: str) -> str:
    """A lone channel by its own mean and deviation."""
    count = _count(net, there)
    mean = net.op("Div", net.op("ReduceSum", x, net.whole(0), attributes=KEPT), count)
    x = _kept(net, net.op("Sub", x, mean), there)
    return net.op("Div", x, _size(net, x, count))


def _differences(net: OnnxGraph, x: str, there: str) -> tuple[str, str]:
    """From each step to the one before, zero where not both are there; and where they are."""

    def part(value: str, begin: int, end: int) -> str:
        return net.op("Slice", value, net.whole(begin), net.whole(end), net.whole(0))

    first = part(there, 0, 1)
    none = net.op("Xor", first, first)  # before the first step nothing is there
    both = net.op("And", there, net.joined([none, part(there, 0, -1)], 0))
    before = net.joined([part(x, 0, 1), part(x, 0, -1)], 0)
    return _kept(net, net.op("Sub", x, before), both), both


def write_filters(writing: ModuleWriting, filters: Filters, x: Wire, path: str) -> tuple[Wire, Steps]:
    """Convolutions over time, (T, B, width) to (T', B, 64); and the steps that rows then have."""
    net, steps = writing.net, writing.steps
    y = net.op("Transpose", x.name, attributes={"perm": [1, 2, 0]})  # (B, width, T)
    for number, (convolution, norm) in enumerate(zip(filters.convolutions, filters.norms)):
        y = write_convolution(writing, convolution, y, f"{path}convolutions.{number}.")
        steps = steps.each(convolution.stride[0], net.axis(y, 2))
        y = _inside(net, steps, net.op("Relu", _normed(net, steps, norm, y, f"{path}norms.{number}.")))
    return Wire(net.op("Transpose", y, attributes={"perm": [2, 0, 1]}), filters.width), steps


def _inside(net: OnnxGraph, steps: Steps, y: str) -> str:
    """y (B, channels, T) with zeros past each row's length."""
    if steps.active is None:
        return y
    active = net.op("Transpose", steps.active, attributes={"perm": [1, 2, 0]})
    return net.op("Where", active, y, net.number(0.0))


def _normed(net: OnnxGraph, steps: Steps, norm: RowNorm, y: str, path: str) -> str:
    """Each row of y (B, channels, T) by mean and deviation of its own steps."""
    axes = net.whole(*norm.over)
    count = net.op("Max", steps.ends(), net.whole(1))  # (B,) or (1,)
    count = net.op("Unsqueeze", net.op("Cast", count, attributes={"to": net.dtype}), net.whole(1, 2))
    if 1 in norm.over:
        count = net.op("Mul", count, net.number(float(len(norm.weight))))
    y = _inside(net, steps, y)
    mean = net.op("Div", net.op("ReduceSum", y, axes, attributes=KEPT), count)
    y = _inside(net, steps, net.op("Sub", y, mean))
    variance = net.op("Div", net.op("ReduceSum", net.op("Mul", y, y), axes, attributes=KEPT), count)
    scale = net.op("Sqrt", net.op("Add", variance, net.number(1e-5)))
    weight, bias = (net.constant(tensor[:, None], f"{path}{name}") for name, tensor in norm.named_parameters())
    return net.op("Add", net.op("Mul", net.op("Div", y, scale), weight), bias)
