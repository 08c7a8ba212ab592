"""Word language model: an embedding, recurrent layers, and a softmax over all words."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..cell import find
from ..errors import UsageError
from ..layers.dropout import Dropout
from ..layers.recurrent import Recurrent
from ..transform.head import split_head, why_no_head
from ..transform.noise import weight_drop as with_weight_drop
from .first_layer import spread_input_weights
from .language import State
from .word_heads import Adaptive, Full, Tied, cutoffs

BOUND = 0.1  # of the first embeddings, uniform (Zaremba et al. 2014; the word model among PyTorch's examples)
HEARD = 0.5  # deviation of what a gate makes of an untrained word


class WordModel(nn.Module):
    """Next-word model, p(w_{t+1} | w_1 .. w_t), after Mikolov et al. (2010) and Zaremba et al., Recurrent
    neural network regularization (2014), with the dropped weights of Merity et al., Regularizing and optimizing
    LSTM language models (2018).

    words          V
    cell           a Cell or a registered name; layers stand on its state, where its
                   equations end in an output layer
    hidden         H, width of the recurrent layers
    layers         L, how many
    width          E, width of the embedding; H unless told
    softmax        "tied": over all words, its matrix is the embedding; "full": a matrix of its own; "adaptive":
                   rare words in groups (`word_heads.Adaptive`)
    dropout        before the first layer, between layers and before the softmax, while training
    input_dropout  before the first layer, where that is another one
    weight_drop    share of the entries of recurrent matrices that are dropped, a mask a call
    ordered        how many of the words, the first ones, are in the order of their frequency; the others are in
                   the last group of an adaptive softmax, whose groups those make. All unless told

        x        (T, B) int64, words
        y        (T, B, V) float: logits, of an adaptive softmax logarithms of chances
        state    a tuple, one (L, B, width) tensor per state of the cell; None starts afresh

    Where E is not H, a tied or adaptive softmax reads the layers through a matrix of E x H. Raises UsageError
    for a cell with more than one input.

    >>> model = WordModel(1000, "lstm", hidden=16)
    >>> logits, state = model(torch.zeros(7, 2, dtype=torch.int64))
    >>> logits.shape, model.head.weight is model.embedding.weight
    (torch.Size([7, 2, 1000]), True)
    """

    def __init__(
        self,
        words: int,
        cell,
        hidden: int,
        layers: int = 1,
        *,
        width: int | None = None,
        softmax: str = "tied",
        dropout: float = 0.0,
        input_dropout: float | None = None,
        weight_drop: float = 0.0,
        ordered: int | None = None,
        backend: str = "auto",
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        width = hidden if width is None else width
        cell, self.note = _without_head(find(cell))
        if weight_drop:
            cell = with_weight_drop(cell, weight_drop)
        self.words = words
        self.embedding = nn.Embedding(words, width, dtype=dtype)
        self.rnn = Recurrent(cell, width, hidden, num_layers=layers, backend=backend, dtype=dtype)
        reads = self.rnn.output_size
        self.narrow: nn.Module = nn.Identity()
        if softmax != "full" and reads != width:
            self.narrow = nn.Linear(reads, width, bias=False, dtype=dtype)
            reads = width
        self.head = _head(softmax, reads, self.embedding, ordered or words, dtype)
        self._input_dropout = input_dropout
        self.inputs, self.outputs = Dropout(0.0), Dropout(0.0)
        self.set_dropout(dropout)
        self._draw()

    @torch.no_grad()
    def _draw(self) -> None:
        self.embedding.weight.uniform_(-BOUND, BOUND)
        for module in self.head.modules():
            if isinstance(module, Full):
                module.weight.uniform_(-BOUND, BOUND)
                module.bias.zero_()
        # So small vectors hardly move a cell under the usual bound 1/sqrt(E). Of 800 steps on sentences where
        # the country six words before says which language is spoken, the n-gram's perplexity is 1.27; reached
        # 1.27 under that bound, 1.13 so.
        deviation = HEARD / (BOUND / math.sqrt(3) * math.sqrt(self.embedding.embedding_dim))
        spread_input_weights(self.rnn, deviation)

    def set_dropout(self, probability: float) -> None:
        """Another probability from now on, but where input dropout was given."""
        given = self._input_dropout
        self.inputs.probability = probability if given is None else given
        self.outputs.probability = probability
        self.rnn.dropout = probability if self.rnn.num_layers > 1 else 0.0

    def undecayed(self) -> list[nn.Parameter]:
        """An embedding that is only read has a gradient in steps that read its word, and decay
        would pull in every step.
        """
        return [] if isinstance(self.head, Tied) else [self.embedding.weight]

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Of the next word at every position, and the state after the last."""
        y, state = self.read(x, state)
        return self.head(y), state

    def read(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """What the softmax reads, (T, B, E), and the state after the last word."""
        y, state = self.rnn(self.inputs(self.embedding(x)), state)
        return self.narrow(self.outputs(y)), state

    def step(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """One position: x (B,) int64 -> (B, V), state."""
        y, state = self.rnn.step(self.embedding(x), state)
        return self.head(self.narrow(y)), state

    def nats(self, x: Tensor, targets: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """The sum of -log p of the true next words, targets (T, B) int64, where they are not -100;
        and the state, detached.
        """
        y, state = self.read(x, state)
        total = self.head.total(y.flatten(0, 1), targets.flatten())
        return total, tuple(part.detach() for part in state)


def _head(
    softmax: str, reads: int, embedding: nn.Embedding, ordered: int, dtype: torch.dtype | None
) -> nn.Module:
    words = embedding.num_embeddings
    if softmax == "tied":
        return Tied(embedding)
    return (
        Full(reads, words, dtype=dtype)
        if softmax == "full"
        else Adaptive(reads, words, cutoffs(ordered), dtype=dtype)
    )


def _without_head(whole):
    """The cell without the output layer that its equations end in, and what is to be said of that."""
    if len(whole.inputs) != 1:
        raise UsageError(
            f"a word model gives one input, the word's vector, and {whole.name} reads {len(whole.inputs)}: "
            f"{', '.join(whole.inputs)}. Choose another cell."
        )
    cell, head = split_head(whole)
    if head is None and (obstacle := why_no_head(whole)):
        raise UsageError(obstacle)
    note = (
        None
        if head is None
        else f"The model's softmax over words stands for {head}; its matrix is {head.weight}."
    )
    return cell, note
