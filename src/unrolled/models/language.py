"""Character language model: a recurrent layer that reads characters, and a linear layer
that predicts the next one.
"""

from __future__ import annotations

import torch
from torch import nn

from ..cell import find
from ..errors import UsageError
from ..layers.dropout import Dropout
from ..layers.output import OutputLayer
from ..layers.recurrent import Recurrent
from ..transform.head import Head, split_head, why_no_head
from .conditions import Conditions
from .first_layer import input_weights, spread_input_weights

State = tuple[torch.Tensor, ...]
Input = torch.Tensor | tuple[torch.Tensor, torch.Tensor]  # characters, or these with their conditions

ONE_HOT_DEVIATION = 0.5  # of first-layer input weights
FORGET = -1.0  # the forget gates' bias; see `close_forget_gates`


class LanguageModel(nn.Module):
    """Next-character model, p(c_{t+1} | c_1 .. c_t), after Mikolov et al., Recurrent neural network based
    language model (2010) and Graves, Generating sequences with recurrent neural networks (2013), equations 1-9.

    characters  V, how many characters there are
    cell        a Cell or a registered name
    hidden      H, width of the recurrent layers
    layers      L, how many recurrent layers
    dropout     between the layers and before the linear layer, while training
    conditions  K, how many numbers say what the text is to be like (see `Conditions`); 0 for none

    Where the cell's equations end in an output layer of their own, o = softmax(V s), that is the linear layer,
    and its parameters keep their names, `head.V`; the cell's layers are stacked on s. `note` says so.

    Characters go in as indices: an index means a one-hot vector of width V, so there is no embedding.

        x       (T, B) int64, characters; with conditions a tuple of these and of (B, K)
                float, the same at every step
        logits  (T, B, V) float
        state   a tuple, one (L, B, width) tensor per state of the cell; None starts afresh

    Raises UsageError for a cell with more than one input, and for one that ends in a softmax
    that cannot be taken off.

    >>> model = LanguageModel(65, "lstm", hidden=16)
    >>> logits, state = model(torch.zeros(7, 2, dtype=torch.int64))
    >>> logits.shape
    torch.Size([7, 2, 65])
    """

    def __init__(
        self,
        characters: int,
        cell,
        hidden: int,
        layers: int = 1,
        *,
        dropout: float = 0.0,
        conditions: int = 0,
        backend: str = "auto",
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        cell = find(cell)
        if len(cell.inputs) != 1:
            raise UsageError(
                f"a character model gives one input, the character, and {cell.name} reads "
                f"{len(cell.inputs)}: {', '.join(cell.inputs)}. Choose another cell."
            )
        whole = cell
        cell, head = split_head(whole)
        if head is None and (obstacle := why_no_head(whole)):
            raise UsageError(obstacle)
        self.characters = characters
        self.note = None if head is None else said_of(head)
        self.conditions = Conditions(characters, conditions) if conditions else None
        self.rnn = Recurrent(
            cell,
            characters + conditions,
            hidden,
            num_layers=layers,
            dropout=dropout if layers > 1 else 0.0,
            backend=backend,
            dtype=dtype,
        )
        self.dropout = Dropout(dropout)
        self.head = (
            nn.Linear(self.rnn.output_size, characters, dtype=dtype)
            if head is None
            else OutputLayer(head, whole, self.rnn.output_size, characters, dtype=dtype)
        )
        # The usual bound 1/sqrt(fan-in) assumes that all V inputs are on. Of a one-hot vector one is:
        # each step reads one column, and under the usual bound the cell hardly hears its input for
        # the first thousand steps.
        spread_input_weights(self.rnn, ONE_HOT_DEVIATION)

    @torch.no_grad()
    def close_forget_gates(self) -> None:
        """Begin with forget gates that are nearly closed, in cells that would have them open,
        b_f = 1 (Gers et al. 2000).

        Open gates sum up all that was read, and the next character depends on little of it: the cell first has
        to learn to forget. Measured on Tiny Shakespeare (2 x 192, 1.3 million characters), nats with b_f at 1,
        0, -1, -2: 1.588, 1.536, 1.522, 1.526.
        """
        if self.rnn.cell.init.get("b_f") == 1.0:
            for layer in self.rnn.layers:
                layer.b_f.fill_(FORGET)

    def undecayed(self) -> list[nn.Parameter]:
        """Matrices that weight decay must leave alone.

        A column of the input weights gets a gradient only in steps that read its character, but decay would
        pull at it in every step: rare characters would fade. Measured on Tiny Shakespeare (2 x 192, 1.3 million
        characters): 1.611 nats without, 1.620 with decay; with another seed and no dropout 1.581 and 1.599.
        """
        return list(input_weights(self.rnn).values())

    def set_dropout(self, probability: float) -> None:
        """Another probability from now on, between the layers and before the linear layer."""
        self.dropout.probability = probability
        self.rnn.dropout = probability if self.rnn.num_layers > 1 else 0.0

    def forward(self, x: Input, state: State | None = None) -> tuple[torch.Tensor, State]:
        """Logits of the next character at every position, and the state after the last."""
        y, state = self.rnn(self.read(x), state)  # (T, B, H)
        return self._logits(self.dropout(y)), state  # (T, B, V)

    def step(self, x: Input, state: State | None = None) -> tuple[torch.Tensor, State]:
        """One position: x (B,) int64 -> logits (B, V), state."""
        y, state = self.rnn.step(self.read(x), state)
        return self._logits(self.dropout(y)), state

    def read(self, x: Input) -> torch.Tensor:
        """What the recurrent layer reads: x (T, B) or (B,) as it is, or with its conditions."""
        return x if self.conditions is None else self.conditions(*x)

    def _logits(self, y: torch.Tensor) -> torch.Tensor:
        return self.head.linear(y) if isinstance(self.head, OutputLayer) else self.head(y)

    def nats(self, x: torch.Tensor, y: torch.Tensor, state: State | None = None) -> tuple[torch.Tensor, State]:
        """Mean cross-entropy of the true next characters y (T, B) int64, a scalar in nats, and the state after
        the last position, detached: hand it to the next call for truncated BPTT (Williams and Peng 1990)."""
        logits, state = self(x, state)
        loss = nn.functional.cross_entropy(logits.reshape(-1, self.characters), y.reshape(-1))
        return loss, tuple(part.detach() for part in state)


def said_of(head: Head) -> str:
    """What a model of characters makes of an output layer, in one sentence."""
    if head.activation in ("softmax", "identity"):
        rest = " and softmax follows it" if head.activation == "identity" else ""
        return f"The output layer is {head}, as the equations say{rest}."
    return (
        f"The output layer is {head}, with softmax in place of {head.activation}: "
        "characters are one of many, and their probabilities add up to 1."
    )
