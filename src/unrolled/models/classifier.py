"""Classifier: recurrent layers that read a text, a series or numbers, one value for all its
steps, and a linear layer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..layers.dropout import Dropout
from ..layers.recurrent import Recurrent
from .ngrams import LabelNgrams
from .series import Filters, Scaled, mask_of

POOLS = ("mean and max", "last", "all")
FAR = -1e30  # below every value
COUNTED = 1 / 3  # of the vote, n-grams': on names any share from a quarter to a half does as well
SPREAD = 0.5  # deviation of embeddings, as in models/language.py


class PaddedRows(NamedTuple):
    """Examples side by side.

    values   (T, B) int64, indices; or (T, B, channels) float, NaN where a value is missing
    lengths  (B,) int64
    apart    (B,) int64: the member of a committee that may not learn from a row and is the one
             to judge it; None: all may
    """

    values: Tensor
    lengths: Tensor
    apart: Tensor | None = None

    def some(self, chosen: Tensor) -> PaddedRows:
        """The rows at some places (n,)."""
        return PaddedRows(self.values[:, chosen], self.lengths[chosen])


class Embedded(nn.Module):
    """A vector for each symbol; while training, some symbols are unknown and some values zero.

    x  (T, B) int64, lengths (B,) -> (T, B, width)
    """

    def __init__(self, symbols: int, width: int, *, unknown: float = 0.0, dropout: float = 0.0):
        super().__init__()
        self.width, self.unknown = width, unknown
        self.table = nn.Embedding(symbols, width)
        nn.init.normal_(self.table.weight, 0.0, SPREAD)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        if self.training and self.unknown:
            x = torch.where(torch.rand(x.shape, device=x.device) < self.unknown, 0, x)
        return self.dropout(self.table(x))


class TimePool(nn.Module):
    """One value for all steps of a row.

    way  "mean and max": of all its steps; "last": the state at its end, and of the reversed direction at its
         beginning; "all": all three

        y  (T, B, width), lengths (B,) -> (B, width), (B, 2 width) of mean and max, or (B, 3 width)
    """

    def __init__(self, way: str, width: int, bidirectional: bool):
        super().__init__()
        self.way, self.bidirectional = way, bidirectional
        self.width = width * {"mean and max": 2, "last": 1, "all": 3}[way]

    def forward(self, y: Tensor, lengths: Tensor) -> Tensor:
        found = []
        if self.way != "last":
            inside = mask_of(len(y), lengths)
            mean = torch.where(inside, y, 0.0).sum(0) / lengths[:, None]
            found = [mean, torch.where(inside, y, FAR).amax(0)]
        if self.way != "mean and max":
            half = y.shape[2] // (1 + self.bidirectional)
            last = y[lengths - 1, torch.arange(y.shape[1], device=y.device)]
            found += [last[:, :half], y[0, :, half:]]
        return torch.cat(found, -1)

    def extra_repr(self) -> str:
        return self.way


class Member(nn.Module):
    """One model: what reads, filters where it has them, recurrent layers, what is left of all
    steps, and a linear layer.
    """

    def __init__(
        self,
        reader: Embedded | Scaled,
        filters: Filters | None,
        rnn: Recurrent,
        pool: str,
        classes: int,
        dropout: float,
    ):
        super().__init__()
        self.reader, self.filters, self.rnn = reader, filters, rnn
        self.pool = TimePool(pool, rnn.output_size * (1 + rnn.bidirectional), rnn.bidirectional)
        self.dropout = Dropout(dropout)
        self.head = nn.Linear(self.pool.width, classes)

    def forward(self, rows: PaddedRows) -> Tensor:
        x, lengths = self.reader(rows.values, rows.lengths), rows.lengths
        if self.filters is not None:
            x, lengths = self.filters(x, lengths)
        y, _ = self.rnn(x, lengths=lengths)
        return self.head(self.dropout(self.pool(y, lengths)))


class Classifier(nn.Module):
    """Models that vote: the probabilities are the mean of theirs.

    Where rows are set apart (`PaddedRows.apart`), the members are a committee after Krogh and Vedelsby,
    Neural network ensembles, cross validation, and active learning (1995): each learns from all rows but its
    own fold, and is the one to judge that fold. So all rows are learned from, and all can be judged by
    somebody who has not seen them.

        rows           PaddedRows of B examples
        logits         (members, B, classes)
        log_chances    (B, classes), logarithms of probabilities; with `several`
                       (multi-label) of each label by itself
        ngrams         what was counted of the strings that were learned from has a third of the vote
    """

    def __init__(self, members: Sequence[Member], *, several: bool = False, ngrams: LabelNgrams | None = None):
        super().__init__()
        self.members = nn.ModuleList(members)
        self.several, self.ngrams = several, ngrams

    def forward(self, rows: PaddedRows) -> Tensor:
        return torch.stack([member(rows) for member in self.members])

    def learning(self, rows: PaddedRows) -> Iterator[tuple[Tensor, Tensor]]:
        """Of each member the places of the rows that it learns from (n,), and its
        logits of them (n, classes).
        """
        every = torch.arange(len(rows.lengths), device=rows.lengths.device)
        for number, member in enumerate(self.members):
            if rows.apart is None:
                yield every, member(rows)
                continue
            places = every[rows.apart != number]
            if len(places):
                yield places, member(rows.some(places))

    def log_chances(self, rows: PaddedRows) -> Tensor:
        """By all members; of rows that are set apart, by the one that has not seen them."""
        logits = self._apart(rows)[None] if rows.apart is not None else self(rows)
        logs = nn.functional.logsigmoid(logits) if self.several else logits.log_softmax(-1)
        logs = logs.logsumexp(0) - math.log(len(logs))
        if self.ngrams is None:
            return logs
        strings = [values[:n].tolist() for values, n in zip(rows.values.t(), rows.lengths.tolist())]
        counted = self.ngrams(strings).log_softmax(-1).to(logs)
        return torch.logaddexp(logs + math.log1p(-COUNTED), counted + math.log(COUNTED))

    def _apart(self, rows: PaddedRows) -> Tensor:
        logits = None
        for number, member in enumerate(self.members):
            places = (rows.apart == number).nonzero()[:, 0]
            if len(places):
                found = member(rows.some(places))
                logits = (
                    found.new_zeros(len(rows.lengths), found.shape[1]) if logits is None else logits
                ).index_copy(0, places, found)
        return logits

    def set_dropout(self, probability: float) -> None:
        """Another probability from now on, before the linear layers and between recurrent ones."""
        for member in self.members:
            member.dropout.probability = probability
            member.rnn.dropout = probability if member.rnn.num_layers > 1 else 0.0

    def undecayed(self) -> list[nn.Parameter]:
        """Embeddings: those of rare symbols would fade (models/language.py)."""
        readers = [member.reader for member in self.members]
        return [reader.table.weight for reader in readers if isinstance(reader, Embedded)]
