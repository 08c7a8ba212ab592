"""Products with matrices outside the recurrence: tables that are looked up, linear layers,
output layers, softmaxes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..errors import NotYet
from ..layers.output import OutputLayer
from ..models.word_heads import Adaptive
from .spell import SPELL
from .writing import ModuleWriting, Wire


def write_product(
    writing: ModuleWriting, weight: Tensor, bias: Tensor | None, x: Wire, path: str, names=("weight", "bias")
) -> Wire:
    """weight x + bias; of indices the weight's columns.

    path   before the names, which are those of the weight and of the bias
    """
    net, (called, bias_called) = writing.net, names
    matrix = writing.matrices.stack([weight.detach().cpu()], [called], {called: weight}, path)
    y = matrix.looked_up(x.name) if x.indices else net.op("MatMul", x.name, matrix.whole())
    if bias is not None:
        y = net.op("Add", y, net.constant(bias, f"{path}{bias_called}"))
    return Wire(y, len(weight))


def write_linear(
    writing: ModuleWriting, module: nn.Linear, given: Sequence[Wire], path: str, prefix: str
) -> Wire:
    return write_product(writing, module.weight, module.bias, given[0], path)


def write_embedding(
    writing: ModuleWriting, module: nn.Embedding, given: Sequence[Wire], path: str, prefix: str
) -> Wire:
    """Rows of a table: the product of its transpose with one-hot vectors."""
    table = writing.matrices.stack([module.weight.detach().cpu()], ["weight"], {"weight": module.weight}, path)
    return Wire(table.picked(given[0].name), module.embedding_dim)


def write_convolution(writing: ModuleWriting, module: nn.Conv1d, x: str, path: str) -> str:
    """x (B, width, T) to (B, channels, T'), over time.

    Raises NotYet for float64, of which onnxruntime has no convolution.
    """
    net, (size,), (stride,) = writing.net, module.kernel_size, module.stride
    if net.dtype is not torch.float32:
        raise NotYet("export: onnxruntime has no convolution of float64. Give model.float().")
    weights = [net.constant(tensor, f"{path}{name}") for name, tensor in module.named_parameters()]
    shape = {"kernel_shape": [size], "pads": list(module.padding) * 2, "strides": [stride]}
    return net.op("Conv", x, *weights, attributes=shape)


def write_logits(
    writing: ModuleWriting, module: OutputLayer, given: Sequence[Wire], path: str, prefix: str
) -> Wire:
    """An output layer before its activation, as a language model reads it."""
    names = module.head.weight, module.head.bias or ""
    return write_product(writing, module.weight, module.bias, given[0], path, names)


def write_output_layer(writing: ModuleWriting, module: OutputLayer, x: Wire, path: str) -> Wire:
    """An output layer with its activation, as it stands on a stack of layers."""
    y, activation = write_logits(writing, module, [x], path, ""), module.head.activation
    if activation == "softmax":
        return Wire(writing.net.op("Softmax", y.name, attributes={"axis": -1}), y.width)
    return y if activation == "identity" else Wire(SPELL[activation](writing.net, y.name), y.width)


def write_adaptive(
    writing: ModuleWriting, module: Adaptive, given: Sequence[Wire], path: str, prefix: str
) -> Wire:
    """Logarithms of the chances of all words: of the frequent ones, and of each group times those within it."""
    net, (x,) = writing.net, given

    def chances(layer: nn.Linear, read: Wire, name: str) -> str:
        logits = write_product(writing, layer.weight, layer.bias, read, f"{path}{name}.")
        return net.op("LogSoftmax", logits.name, attributes={"axis": -1})

    frequent, *groups = net.split(
        chances(module.first, x, "first"), [module.cutoffs[0], *[1] * len(module.groups)]
    )
    parts = [frequent]
    for number, (group, narrow, words) in enumerate(zip(groups, module.narrow, module.groups)):
        read = write_product(writing, narrow.weight, None, x, f"{path}narrow.{number}.")
        parts.append(net.op("Add", group, chances(words, read, f"groups.{number}")))
    return Wire(net.joined(parts, -1), module.cutoffs[0] + sum(words.out_features for words in module.groups))
