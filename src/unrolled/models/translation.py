"""Translation model: a recurrent layer reads a sentence in both directions, another writes
one and looks back at it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..cell import find
from ..errors import UsageError
from ..layers.dropout import Dropout
from ..layers.recurrent import Recurrent
from .attention import Attention, Memory, in_full

State = tuple[Tensor, ...]

DEVIATION = 0.1  # of the first embeddings; the written side's are the output layer, too


class Translator(nn.Module):
    """An encoder of both directions, attention, and a decoder (Bahdanau, Cho and Bengio, Neural machine
    translation by jointly learning to align and translate, 2015; Luong, Pham and Manning, Effective approaches
    to attention-based neural machine translation, 2015).

    sources, targets  how many symbols there are on either side
    cell              a Cell or a registered name
    hidden            H, width of the decoder; each direction of the encoder has half of it
    layers            L, of the encoder, and of the decoder
    embedding         E, width of a symbol's vector
    attention         how places are scored: "luong" or "bahdanau"
    input_feeding     whether a step of the decoder reads what the step before said (Luong et al., section 3.3)
    dropout           on embeddings, between layers and before the softmax, while training

    The decoder's first layer reads the symbols written so far; its output asks the attention; the layers above
    read that output beside the context that came back, and W_o [y; context] under tanh is what the symbols'
    vectors are multiplied with (their weights are tied: Press and Wolf 2017). So without input feeding no layer
    waits for the attention of the step before: each runs over all steps at once, and attention is two products.

        source   (S, B) int64, lengths (B,)
        written  (T, B) int64: the symbols before each one to be bet on
        said     (T, B, E); `logits(said)` are (..., targets)
        weights  (B, T, S), the attention

    Raises UsageError for a cell with more than one input.

    >>> model = Translator(20, 30, "gru", hidden=8, embedding=6)
    >>> memory, state = model.read(torch.zeros(5, 2, dtype=torch.int64), torch.tensor([5, 3]))
    >>> said, weights = model.say(torch.zeros(7, 2, dtype=torch.int64), memory, state)
    >>> model.logits(said).shape, weights.shape
    (torch.Size([7, 2, 30]), torch.Size([2, 7, 5]))
    """

    def __init__(
        self,
        sources: int,
        targets: int,
        cell,
        hidden: int,
        layers: int = 1,
        *,
        embedding: int = 256,
        attention: str = "luong",
        input_feeding: bool = False,
        dropout: float = 0.0,
    ):
        super().__init__()
        cell = find(cell)
        if len(cell.inputs) != 1:
            raise UsageError(
                f"a translation model gives one input, the symbol's vector, and {cell.name} reads "
                f"{len(cell.inputs)}: {', '.join(cell.inputs)}. Choose another cell."
            )
        self.input_feeding = input_feeding
        self.source = nn.Embedding(sources, embedding)
        self.target = nn.Embedding(targets, embedding)
        between = dropout if layers > 1 else 0.0
        self.encoder = Recurrent(cell, embedding, max(1, hidden // 2), layers, True, dropout=between)
        read = self.encoder.output_size * 2
        self.lower = Recurrent(cell, embedding * (2 if input_feeding else 1), hidden)
        self.attention = Attention(attention, self.lower.output_size, read)
        self.upper = None
        top = self.lower.output_size
        if layers > 1:
            between = dropout if layers > 2 else 0.0
            self.upper = Recurrent(cell, top + read, hidden, layers - 1, dropout=between)
            top = self.upper.output_size
        self.begin = nn.Linear(read, hidden * layers)
        self.W_o = nn.Linear(top + read, embedding)
        self.bias = nn.Parameter(torch.zeros(targets))
        self.dropout = Dropout(dropout)
        with torch.no_grad():
            self.source.weight.normal_(0.0, DEVIATION)
            self.target.weight.normal_(0.0, DEVIATION)

    def set_dropout(self, probability: float) -> None:
        """Another probability from now on."""
        self.dropout.probability = probability
        for rnn in filter(None, (self.encoder, self.upper)):
            rnn.dropout = probability if rnn.num_layers > 1 else 0.0

    def undecayed(self) -> list[nn.Parameter]:
        """The symbols' vectors: a rare one gets a gradient in few steps, but decay would
        pull at it in every one.
        """
        return [self.source.weight, self.target.weight]

    def read(self, source: Tensor, lengths: Tensor) -> tuple[Memory, State]:
        """The encoder: what is looked back at, and the state in which writing begins."""
        y, _ = self.encoder(self.dropout(self.source(source)), None, lengths)
        return self.begun(self.dropout(y), lengths)

    def begun(self, y: Tensor, lengths: Tensor) -> tuple[Memory, State]:
        """The same of what the encoder's layers made, (S, B, 2 x their width)."""
        y = y.transpose(0, 1)
        mean = in_full(y).sum(1) / lengths.clamp_min(1)[:, None]
        return self.attention.memory(y, lengths), self.first_state(torch.tanh(self.begin(mean)))

    def first_state(self, begun: Tensor) -> State:
        """tanh(W mean), (B, layers x H), as the first state of each layer, the others as their cell begins, and
        what was said before: nothing."""
        batch, hidden = len(begun), self.lower.hidden_size
        first = in_full(begun).unflatten(-1, (-1, hidden)).transpose(0, 1)
        state: list[Tensor] = []
        for rnn, part in ((self.lower, first[:1]), (self.upper, first[1:])):
            if rnn is not None:
                own, *rest = rnn.first_state(batch)
                state += [part if own.shape == part.shape else own, *rest]
        return (*state, begun.new_zeros(1, batch, self.target.embedding_dim))

    def say(self, written: Tensor, memory: Memory, state: State) -> tuple[Tensor, Tensor]:
        """All steps at once, the symbols written so far being given (teacher forcing:
        Williams and Zipser 1989).
        """
        vectors = self.dropout(self.target(written))
        if not self.input_feeding:
            said, weights, _ = self._steps(vectors, memory, state)
            return said, weights
        parts = []
        for vector in vectors.unbind(0):
            said, weights, state = self._steps(vector[None], memory, state)
            parts.append((said, weights))
        return torch.cat([said for said, _ in parts]), torch.cat([weights for _, weights in parts], 1)

    def _steps(self, vectors: Tensor, memory: Memory, state: State) -> tuple[Tensor, Tensor, State]:
        """Steps (T, B, E) that know nothing of one another's attention."""
        own = len(self.lower.cell.graph.states)
        fed = torch.cat([vectors, state[-1].to(vectors.dtype)], -1) if self.input_feeding else vectors
        y, lower = self.lower(fed, state[:own])
        context, weights = self.attention(y.transpose(0, 1), memory)
        context, upper = context.transpose(0, 1), ()
        if self.upper is not None:
            y, upper = self.upper(self.dropout(torch.cat([y, context], -1)), state[own:-1])
        said = torch.tanh(self.W_o(torch.cat([y, context], -1)))
        said = self.dropout(said)
        return said, weights, (*lower, *upper, in_full(said[-1:]))

    def step(self, symbols: Tensor, memory: Memory, state: State) -> tuple[Tensor, Tensor, State]:
        """One step: symbols (B,) int64 -> logits (B, targets), weights (B, S), state."""
        said, weights, state = self._steps(self.target(symbols)[None], memory, state)
        return self.logits(said[0]), weights[:, 0], state

    def logits(self, said: Tensor) -> Tensor:
        return nn.functional.linear(said, self.target.weight, self.bias)
