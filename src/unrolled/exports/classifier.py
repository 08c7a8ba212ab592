"""A classifier in an ONNX file: its members side by side, each from what it reads to
probabilities, and their mean.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from ..errors import NotYet
from ..models.classifier import FAR, Classifier, Embedded, Member, TimePool
from ..models.series import Scaled
from .writing import ModuleWriting, Wire

Write = Callable[[ModuleWriting, torch.nn.Module, Sequence[Wire], str, str], Wire]


def write_classifier(
    writing: ModuleWriting, module: Classifier, given: Sequence[Wire], path: str, write: Write
) -> Wire:
    """The probabilities (B, classes) of rows (T, B), or of numbers (1, B, width).

    write  how modules of other kinds are written
    Raises NotYet for a classifier of series, whose filters are none of the modules that are written.
    """
    net, found = writing.net, []
    for number, member in enumerate(module.members):
        logits = _member(writing, member, given, f"{path}members.{number}.", write)
        kind, attributes = ("Sigmoid", {}) if module.several else ("Softmax", {"axis": -1})
        found.append(net.op(kind, logits.name, attributes=attributes))
    mean = found[0] if len(found) == 1 else net.op("Mean", *found)
    return Wire(mean, module.members[0].head.out_features)


def _member(writing: ModuleWriting, member: Member, given: Sequence[Wire], path: str, write: Write) -> Wire:
    if member.filters is not None:
        raise NotYet(
            "export writes classifiers of texts and of rows of numbers, and this one reads series through"
            " filters."
        )
    if isinstance(member.reader, Embedded):
        x = write(writing, member.reader.table, given, f"{path}reader.table.", "")
    else:
        x = _scaled(writing, member.reader, given[0])
    y = write(writing, member.rnn, [x], f"{path}rnn.", path)
    return write(writing, member.head, [_pooled(writing, member.pool, y)], f"{path}head.", "")


def _scaled(writing: ModuleWriting, reader: Scaled, x: Wire) -> Wire:
    """Numbers without time, on their scale; what is missing becomes 0, and is told where it may be."""
    net = writing.net
    mean, deviation = (
        net.constant(values.to(net.dtype), "scale") for values in (reader.mean, reader.deviation)
    )
    scaled = net.op("Div", net.op("Sub", x.name, mean), deviation)
    there = net.op("Not", net.op("IsNaN", x.name))
    features = [net.op("Where", there, scaled, net.number(0.0))]
    if reader.missing:
        features.append(net.as_number(there))
    return Wire(net.joined(features, -1), reader.width)


def _pooled(writing: ModuleWriting, pool: TimePool, y: Wire) -> Wire:
    """One value for all steps, (B, width). Past a row's length y is zero already."""
    net, steps, found = writing.net, writing.steps, []
    if pool.way != "last":
        whole = net.op("ReduceSum", y.name, net.whole(0), attributes={"keepdims": 0})
        count = steps.time if steps.lengths is None else net.op("Min", steps.lengths, steps.time)
        count = net.op("Unsqueeze", net.op("Cast", count, attributes={"to": net.dtype}), net.whole(-1))
        found.append(net.op("Div", whole, count))
        inside = y.name if steps.active is None else net.op("Where", steps.active, y.name, net.number(FAR))
        found.append(net.op("ReduceMax", inside, attributes={"axes": [0], "keepdims": 0}))
    if pool.way != "mean and max":
        last = _last(writing, y)
        if pool.bidirectional:
            half = y.width // 2
            last, _ = net.split(last, [half, y.width - half])
            _, first = net.split(net.at(y.name, 0), [half, y.width - half])
            last = net.joined([last, first], -1)
        found.append(last)
    return Wire(net.joined(found, -1), pool.width)


def _last(writing: ModuleWriting, y: Wire) -> str:
    """What stands at each row's last step, (B, width)."""
    net, steps = writing.net, writing.steps
    if steps.lengths is None:
        return net.at(y.name, -1)
    count = net.op("Sub", net.op("Min", steps.lengths, steps.time), net.whole(1))  # (B,) or (1,)
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
