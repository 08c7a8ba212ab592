"""A classifier in an ONNX file: its members side by side, each from what it reads to
probabilities, and their mean.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from ..errors import NotYet
from ..models.classifier import Classifier, Embedded, Member
from .pooling import write_pool
from .series import write_filters, write_scaled
from .writing import ModuleWriting, Wire

Write = Callable[[ModuleWriting, torch.nn.Module, Sequence[Wire], str, str], Wire]


def write_classifier(
    writing: ModuleWriting, module: Classifier, given: Sequence[Wire], path: str, write: Write
) -> Wire:
    """The probabilities (B, classes) of texts (T, B), of series (T, B, channels), or of numbers (1, B, width).

    write  how modules of other kinds are written
    """
    if module.ngrams is not None:
        raise NotYet(
            "this model's n-grams vote beside its networks, and a file has no counts: train one without"
            " --ngrams."
        )
    net, found = writing.net, []
    for number, member in enumerate(module.members):
        logits = _member(writing, member, given, f"{path}members.{number}.", write)
        kind, attributes = ("Sigmoid", {}) if module.several else ("Softmax", {"axis": -1})
        found.append(net.op(kind, logits.name, attributes=attributes))
    if len(found) > 1:  # onnxruntime has no Mean of float64
        found = [net.op("Div", net.op("Sum", *found), net.number(float(len(found))))]
    return Wire(found[0], module.members[0].head.out_features)


def _member(writing: ModuleWriting, member: Member, given: Sequence[Wire], path: str, write: Write) -> Wire:
    if isinstance(member.reader, Embedded):
        x = write(writing, member.reader.table, given, f"{path}reader.table.", "")
    else:
        x = write_scaled(writing, member.reader, given[0])
    if member.filters is not None:
        x, steps = write_filters(writing, member.filters, x, f"{path}filters.")
        writing = replace(writing, steps=steps)
    y = write(writing, member.rnn, [x], f"{path}rnn.", path)
    return write(writing, member.head, [write_pool(writing, member.pool, y)], f"{path}head.", "")
