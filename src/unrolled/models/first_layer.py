"""The first layer's input weights, which a language model draws so that the cell hears what it reads."""

from __future__ import annotations

import torch
from torch import nn

from ..layers.recurrent import Recurrent


def input_weights(rnn: Recurrent) -> dict[str, nn.Parameter]:
    """What the first layer multiplies its input with, by the author's name; of the reversed
    direction "reversed.NAME".
    """
    graph = rnn.cell.graph
    seen = graph.leaf("input", graph.inputs[0])
    names = [
        graph.name_of(node.args[0])
        for node in graph.nodes
        if seen is not None and node.op == "product" and node.args[1] == seen.index
    ]
    directions = {"": rnn.layers[0].named()}
    if rnn.bidirectional:
        directions["reversed."] = rnn.reversed[0].named()
    return {
        f"{direction}{name}": weights[(name,)]
        for direction, weights in directions.items()
        for name in names
        if (name,) in weights
    }


@torch.no_grad()
def spread_input_weights(rnn: Recurrent, deviation: float) -> None:
    """Draw them again, normal with that deviation, but for those to which the cell's
    `init` gives first values.
    """
    for name, weight in input_weights(rnn).items():
        if name.removeprefix("reversed.") not in rnn.cell.init:
            weight.normal_(0.0, deviation)
