"""Words as vectors: each by its own, by its letters, its shape, and a pretrained one where there is one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ..layers.ends import last_state
from ..layers.recurrent import Recurrent
from .first_layer import input_weights, spread_input_weights

Letters = Literal["recurrent", "convolution", "none"]
LETTER, FILTERS, SPAN = 25, 50, 3  # widths, and how many letters a filter of the convolution sees
# Deviation of what letters, one-hot vectors, are multiplied with: as of a language model's characters.
LETTERS_HEARD = 0.5
SHAPE, OUTLINE = 16, 8
RARE = 1.0  # a word that stands n times in the data is dropped with probability RARE / (RARE + n)


@dataclass(frozen=True)
class Sizes:
    """How many of each there are."""

    words: int
    letters: int
    shapes: int
    outlines: int
    columns: tuple[int, ...]
    vectors: int
    vector_width: int


class WordReader(nn.Module):
    """Words, (N, width), each read once however often it stands in a batch.

    counts   how often each word stands in the data: while training, rare ones are dropped, so
             that unknown ones are known
    width    of a word's own vector
    letters  how a word's letters are read: by recurrent layers of the cell in both directions, whose
             last outputs count (Lample et al. 2016), or by a convolution, of which the largest
             values do (Ma and Hovy 2016)
    """

    def __init__(self, sizes: Sizes, counts: Tensor, width: int, letters: Letters, cell):
        super().__init__()
        self.register_buffer("dropped", RARE / (RARE + counts), persistent=False)
        self.words = nn.Embedding(sizes.words, width)
        self.shapes = nn.Embedding(sizes.shapes, SHAPE)
        self.outlines = nn.Embedding(sizes.outlines, OUTLINE)
        self.letters = None
        self.width = width + SHAPE + OUTLINE
        if letters == "recurrent":
            self.letters = LastOutputs(sizes.letters, cell)
            self.width += self.letters.width
        elif letters == "convolution":
            self.letters = Convolution(sizes.letters)
            self.width += FILTERS
        table = torch.zeros(sizes.vectors + 1, sizes.vector_width) if sizes.vector_width else None
        self.register_buffer("table", table)  # row 0 for words that have no vector
        self.width += sizes.vector_width

    def tables(self) -> list[nn.Parameter]:
        """Rows that a step reads a few of."""
        of_letters = [] if self.letters is None else self.letters.tables()
        return [self.words.weight, self.shapes.weight, self.outlines.weight, *of_letters]

    def forward(self, words: Tensor, letters: Tensor, counts: Tensor) -> Tensor:
        """words (N, 4): the word, its vector, its shape, its outline; letters (L, N) and
        how many each has, (N,).
        """
        own, pretrained, shape, outline = words.unbind(1)
        if self.training:
            own = own.masked_fill(torch.rand(len(own), device=own.device) < self.dropped[own], 0)
        parts = [self.words(own), self.shapes(shape), self.outlines(outline)]
        if self.letters is not None:
            parts.append(self.letters(letters, counts))
        if self.table is not None:
            parts.append(self.table[pretrained])
        return torch.cat(parts, -1)


class LastOutputs(nn.Module):
    """What layers in both directions say at each word's end, and at its beginning coming back."""

    def __init__(self, letters: int, cell):
        super().__init__()
        self.rnn = Recurrent(cell, letters, LETTER, bidirectional=True)
        spread_input_weights(self.rnn, LETTERS_HEARD)
        self.width = 2 * self.rnn.output_size
        graph = self.rnn.cell.graph
        self._says_its_state = graph.output == graph.new_states[0] if graph.new_states else False

    def tables(self) -> list[nn.Parameter]:
        return [*input_weights(self.rnn).values()]

    def forward(self, letters: Tensor, counts: Tensor) -> Tensor:
        if self._says_its_state:  # the same, already picked out
            return torch.cat(last_state(self.rnn, letters, counts)[0].unbind(0), -1)
        y, _ = self.rnn(letters, lengths=counts)
        forward, back = y.chunk(2, -1)
        return torch.cat([forward[counts - 1, torch.arange(len(counts), device=y.device)], back[0]], -1)


class Convolution(nn.Module):
    """The largest value of each filter over all places of a word."""

    def __init__(self, letters: int):
        super().__init__()
        self.embedding = nn.Embedding(letters, LETTER)
        self.filters = nn.Conv1d(LETTER, FILTERS, SPAN, padding=SPAN // 2)

    def tables(self) -> list[nn.Parameter]:
        return [self.embedding.weight]

    def forward(self, letters: Tensor, counts: Tensor) -> Tensor:
        there = torch.arange(len(letters), device=letters.device)[:, None] < counts
        read = self.embedding(letters) * there[:, :, None]
        found = self.filters(read.permute(1, 2, 0))  # (N, FILTERS, L)
        return found.masked_fill(~there.t()[:, None], float("-inf")).amax(-1).tanh()
