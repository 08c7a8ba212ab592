"""`Stacked`: recurrent layers of unlike cells and sizes on top of each other, as one layer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from ..errors import Never, ShapeError, UsageError
from .check import check_flag, check_probability, type_name
from .dropout import dropped
from .recurrent import Input, Recurrent
from .tracers import as_node, is_proxy

State = tuple[Tensor, ...]


class Stacked(nn.Module):
    """Recurrent layers on top of each other, each with a cell, a size and directions of its own.

    layers   Recurrent layers, the lowest first (each may itself be several layers deep); all of them take
             sequences the same way round (batch_first). They are `stacked.layers[0]`, ...; nobody copies them
    skip     every layer above the first reads x and the output below side by side, [x, below], and the output
             is that of all layers side by side
    dropout  probability of dropping each output on its way to the layer above, while training

        x        as for a Recurrent. Where cells have several inputs, a tuple in the order of `stacked.inputs`;
                 those after the first go by name to every layer whose cell has them, unchanged
        state    a tuple with the state of each layer, itself a tuple; None, here or in place of
                 one layer's, starts again
        lengths  (B,) as for a Recurrent
        y        (T, B, output_size): the last layer's output, or all layers' with skip

    Raises ShapeError where a layer does not read as many values as it would get, UsageError where layers
    disagree about batch_first or something else than a Recurrent is given, and Never for `step` where a layer
    goes both ways. Source: haiku's DeepRNN and deep_rnn_with_skip_connections.

    >>> stacked = Stacked([Recurrent("lstm", 3, 8), Recurrent("gru", 11, 5)], skip=True)
    >>> y, state = stacked(torch.randn(7, 2, 3))
    >>> y.shape, [len(s) for s in state]
    (torch.Size([7, 2, 13]), [2, 1])
    """

    def __init__(self, layers: Sequence[Recurrent], skip: bool = False, dropout: float = 0.0):
        super().__init__()
        layers = list(layers)
        _check_layers(layers)
        self.skip = check_flag("Stacked", "skip", skip)
        self.dropout = check_probability("Stacked", "dropout", dropout)
        self.layers = nn.ModuleList(layers)
        self.input_size, self.batch_first = layers[0].input_size, layers[0].batch_first
        for number in range(1, len(layers)):
            self._check_reads(number)
        widths = [_output_width(layer) for layer in layers]
        self.output_size = sum(widths) if skip else widths[-1]
        self.inputs = tuple(
            dict.fromkeys(
                [layers[0]._input_names[0], *(name for layer in layers for name in layer._input_names[1:])]
            )
        )

    def _check_reads(self, number: int) -> None:
        """As many values as the layer below gives, and x besides where there is skip."""
        layer, below = self.layers[number], self.layers[number - 1]
        given = _output_width(below) + (self.input_size if self.skip else 0)
        if layer.input_size != given:
            beside = f" and x has {self.input_size}, side by side {given}" if self.skip else ""
            raise ShapeError(
                f"Stacked: layer {number}, {layer._who}, reads {layer.input_size} values, but layer "
                f"{number - 1}, {below._who}{_both_ways(below)}, gives {_output_width(below)}{beside}. "
                f"Make layer {number} with input_size={given}."
            )

    def forward(
        self,
        x: Input,
        state: Sequence[State | None] | None = None,
        lengths: Tensor | Sequence[int] | None = None,
    ) -> tuple[Tensor, tuple[State, ...]]:
        """Runs whole sequences: y (T, B, output_size) and each layer's state after each row's last step."""
        if is_proxy(x):
            return as_node(self, x, state, lengths)
        return self._through(x, state, lambda layer, given, first: layer(given, first, lengths))

    def step(self, x_t: Input, state: Sequence[State | None] | None = None) -> tuple[Tensor, tuple[State, ...]]:
        """Runs one step: x_t (B, I) to y_t (B, output_size). Raises Never where a layer goes both ways."""
        for number, layer in enumerate(self.layers):
            if layer.bidirectional:
                raise Never(
                    f"Stacked: one step of layer {number}, {layer._who} both ways, needs the end of the"
                    " sequence first. Call stacked(x) on whole sequences, or make that layer with"
                    " bidirectional=False."
                )
        return self._through(x_t, state, lambda layer, given, first: layer.step(given, first))

    def _through(self, x: Input, state, run) -> tuple[Tensor, tuple[State, ...]]:
        values = self._named(x)
        current = below = values[self.inputs[0]]
        outputs, last = [], []
        for number, (layer, first) in enumerate(zip(self.layers, self._states(state), strict=True)):
            if number:
                below = dropped(below, self.dropout) if self.training and self.dropout else below
                current = (
                    torch.cat([self._values_of(values[self.inputs[0]], below), below], -1)
                    if self.skip
                    else below
                )
            extra = [values[name] for name in layer._input_names[1:]]
            below, after = run(layer, (current, *extra) if extra else current, first)
            outputs.append(below)
            last.append(after)
        return torch.cat(outputs, -1) if self.skip else below, tuple(last)

    def _named(self, x: Input) -> dict[str, Tensor]:
        given = x if type(x) is tuple else (x,)
        if len(given) != len(self.inputs):
            wanted = f"a tuple ({', '.join(self.inputs)})" if len(self.inputs) > 1 else "one tensor"
            raise ShapeError(
                f"Stacked got {len(given)} inputs, its cells have {len(self.inputs)} by name. Give {wanted}."
            )
        return dict(zip(self.inputs, given))

    def _states(self, state) -> Sequence[State | None]:
        if state is None:
            return [None] * len(self.layers)
        if not isinstance(state, (tuple, list)) or len(state) != len(self.layers):
            shown = f"{len(state)} parts" if isinstance(state, (tuple, list)) else f"type {type_name(state)}"
            raise ShapeError(
                f"Stacked got a state of {shown} for {len(self.layers)} layers. Give a tuple with one "
                "state for each layer, each itself a tuple, or None for one that starts again."
            )
        return state

    def _values_of(self, x: Tensor, like: Tensor) -> Tensor:
        """Indices as the one-hot rows that they stand for, where they are put beside values."""
        return x if x.is_floating_point() else one_hot(x, self.input_size).to(like.dtype)

    def extra_repr(self) -> str:
        defaults = {"skip": False, "dropout": 0.0}
        return ", ".join(f"{k}={getattr(self, k)!r}" for k, v in defaults.items() if getattr(self, k) != v)


def _check_layers(layers: list) -> None:
    if not layers:
        raise UsageError("Stacked([]): there is no layer. Give one Recurrent or more.")
    for number, layer in enumerate(layers):
        if not isinstance(layer, Recurrent):
            raise UsageError(
                f"Stacked: layer {number} is a {type(layer).__name__}. Give Recurrent layers, for "
                'instance Recurrent("lstm", 3, 5).'
            )
        if layer.batch_first != layers[0].batch_first:
            raise UsageError(
                f"Stacked: layer 0 has batch_first={layers[0].batch_first} and layer {number} "
                f"batch_first={layer.batch_first}. Make them agree."
            )


def _output_width(layer: Recurrent) -> int:
    return layer.output_size * (2 if layer.bidirectional else 1)


def _both_ways(layer: Recurrent) -> str:
    return " both ways" if layer.bidirectional else ""
