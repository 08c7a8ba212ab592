"""A tagger: words read in both directions by recurrent layers, a score for each tag of each
word, and a chain of tags.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, embedding

from ..layers.dropout import Dropout
from . import crf
from .memo import Memo
from .net import Net
from .word_reader import Letters, Sizes, WordReader

COLUMN = 16  # width of a further column
SPAN = 512  # words of a long document that are read at a time
CONTEXT = 64  # words on either side that are read with them, where layers go both ways
UNSCORED = -100


class Tagger(nn.Module):
    """Bidirectional recurrent layers with a conditional random field (Huang, Xu and Yu
    2015; Lample et al. 2016).

    sizes    of the encoding
    counts   how often each word stands in the data, (words,)
    tags     K
    net      the recurrent layers
    width    of a word's vector
    letters  how a word's letters are read
    allowed  which tag may follow which, begin and end a sentence
    chain    a conditional random field; without it each tag is said alone
    forward_only  layers see what stands before a word, not what comes after

    What is read is a batch's distinct words and their places, `data.tagging.Reading`. A sentence of more than
    512 words is read in pieces. Where layers go forward only, each goes on from the state that the one before
    left, and nothing changes but rounding. Where they go both ways the end would have to be read first: a piece
    is read with 64 words around it.
    """

    def __init__(
        self,
        sizes: Sizes,
        counts: Tensor,
        tags: int,
        net: Net,
        width: int,
        letters: Letters,
        allowed: tuple,
        chain: bool,
        forward_only: bool,
    ):
        super().__init__()
        self.reader = WordReader(sizes, counts, width, letters, net.cell)
        self.columns = nn.ModuleList(nn.Embedding(count, COLUMN) for count in sizes.columns)
        self.dropout = Dropout(net.dropout or 0.0)
        self.rnn = net.layer(self.reader.width + COLUMN * len(self.columns), bidirectional=not forward_only)
        self.head = nn.Linear(self.rnn.output_size * (1 if forward_only else 2), tags)
        self.chain = crf.CRF(tags, allowed) if chain else None
        self.memo = Memo()
        self.register_buffer("bias", torch.zeros(tags))  # for decoding: chosen on the held-out part

    def undecayed(self) -> list[nn.Parameter]:
        """Rows of tables get a gradient in few steps, and decay would pull at them in all."""
        return [*self.reader.tables(), *(table.weight for table in self.columns)]

    def set_dropout(self, probability: float) -> None:
        """Another probability from now on, of what the layers read and say, and between them."""
        self.dropout.probability = probability
        self.rnn.dropout = probability if self.rnn.num_layers > 1 else 0.0

    def forward(self, reading: Any) -> Tensor:
        """Scores of each tag of each word: (T, B, K)."""
        distinct = self._distinct(reading)
        steps = len(reading.places)
        if steps <= SPAN:
            return self._scores(distinct, reading, 0, steps, None)[0]
        return torch.cat(list(self._in_pieces(distinct, reading)))

    def _distinct(self, reading: Any) -> Tensor:
        """The batch's distinct words as vectors; in evaluation each is read once, in
        whatever batch it comes.
        """
        if self.training or torch.is_grad_enabled():
            return self.reader(reading.words, reading.letters, reading.letter_counts)

        def read(places: list[int]) -> Tensor:
            counts = reading.letter_counts[places]
            return self.reader(reading.words[places], reading.letters[: int(counts.max()), places], counts)

        return self.memo.rows(self.reader, reading.texts, read)

    def _in_pieces(self, distinct: Tensor, reading: Any):
        state, steps = None, len(reading.places)
        for start in range(0, steps, SPAN):
            end = min(start + SPAN, steps)
            if not self.rnn.bidirectional:
                scores, state = self._scores(distinct, reading, start, end, state)
                yield scores
            else:
                first = max(0, start - CONTEXT)
                scores, _ = self._scores(distinct, reading, first, min(end + CONTEXT, steps), None)
                yield scores[start - first : end - first]

    def _scores(self, distinct: Tensor, reading: Any, start: int, end: int, state) -> tuple[Tensor, Any]:
        # Whose gradient is added up faster than an index's.
        parts = [embedding(reading.places[start:end], distinct)]
        parts += [table(column[start:end]) for table, column in zip(self.columns, reading.columns)]
        x = self.dropout(torch.cat(parts, -1) if len(parts) > 1 else parts[0])
        y, state = self.rnn(x, state, lengths=(reading.lengths - start).clamp(0, end - start))
        return self.head(self.dropout(y)), state

    def nats(self, reading: Any, tags: Tensor) -> tuple[Tensor, int]:
        """-log of the probability of true tags (T, B), summed over the words that have
        one, and how many these are.

        A tag of -100 does not count. In a chain all tags of a sentence are one answer: one that
        lacks a tag is not counted.
        """
        scores = self(reading).float()
        if self.chain is None:
            total = cross_entropy(scores.flatten(0, 1), tags.flatten(), ignore_index=UNSCORED, reduction="sum")
            return total, int((tags != UNSCORED).sum())
        whole = (tags != UNSCORED).sum(0) == reading.lengths
        nats = self.chain.nats(scores, tags.clamp_min(0), reading.lengths)
        return nats.where(whole, 0.0).sum(), int(reading.lengths.where(whole, 0).sum())

    def of_chain(self) -> crf.Chain:
        return crf.free(len(self.bias)) if self.chain is None else self.chain.chain()

    def deciding(self, reading: Any) -> Tensor:
        """The scores that are decided by, with what was chosen on the held-out part: (T, B, K)."""
        return self(reading).float() + self.bias

    def decode(self, scores: Tensor, lengths: Tensor) -> Tensor:
        """The best tags (T, B) for scores (T, B, K)."""
        return crf.decode(scores, self.of_chain(), lengths)

    def marginals(self, scores: Tensor, lengths: Tensor) -> Tensor:
        """The probability of each tag of each word by these scores, (T, B, K)."""
        return crf.marginals(scores, self.of_chain(), lengths)
