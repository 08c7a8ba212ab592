"""The task generate: short strings to order, such as names of a language, one character after the other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

import torch

from ..data.examples import Examples, each_once
from ..data.split import grouped
from ..data.string_rows import Rows, identifiers, read_rows
from ..data.strings import Strings, Values
from ..models.language import LanguageModel, State
from ..models.net import Net
from ..models.ngrams import ngram_nats
from ..models.ordered import Ordered, Ordering, Tally, drawn, ordered
from ..models.strings import Indices, marked, total_nats
from ..options import Share
from ..task import Batch, Figures, Loss, Recipe, Unit

DROPOUT = 0.3
EXAMPLE = 6  # strings shown while it learns
SAMPLED = 256  # strings that tell how many are new ones
ORDERS = (1, 5)  # of the n-gram models to compare with


class Example(NamedTuple):
    """A string, and the values of its conditions."""

    text: Indices
    values: Values


@dataclass(frozen=True)
class Generate:
    """Learn to make short strings to order: names of a language, words of a category, rows of a table by any columns.

    >>> Generate(net=Net("gru", hidden=64)).column
    'text'
    """

    name: ClassVar[str] = "generate"
    Ask: ClassVar[type] = Ordering
    better: ClassVar[Literal["lower", "higher"]] = "lower"
    unit: ClassVar[Unit] = Unit("string", "string")
    next: ClassVar[tuple[str, ...]] = (
        "unrolled predict {run} --count 20 --temperature 0.7",
        "unrolled predict {run} CONDITION --begin A",
    )
    unprompted: ClassVar[bool] = True

    strings: Path | None = None
    """a table (.csv, .tsv, .jsonl), a file with a string in each line, or a folder of such files, LABEL.txt; without one, names
    in Python's standard library by their kind"""
    column: str = "text"
    """the table's column of strings"""
    by: str | None = None
    """its columns of conditions, with commas between them; without it all others"""
    held_out: Share = 0.1
    """share of the rows kept apart for choices; a string is never on both sides"""
    skip_bad: bool = False
    """leave out rows that cannot be read, and count them"""
    net: Net = Net(hidden=256, layers=1)
    recipe: Recipe = Recipe(rate=5e-3, batch=64, clip=1.0, decay=0.05)

    def data(self) -> Examples:
        """Read and split the rows; raises UsageError with what is wrong with them."""
        rows = identifiers() if self.strings is None else self._rows(self.strings)
        split = grouped(rows.texts, self.held_out, labels=rows.conditions)
        texts, conditions = ([of[k] for k in split.training] for of in (rows.texts, rows.conditions))
        encoding = Strings.of(texts, conditions, rows.names)
        parts = [self._examples(encoding, rows, places) for places in split]
        return Examples(
            encoding,
            *parts,
            self.recipe.batch,
            partial(_batch, encoding),
            rows.digest,
            rows.source,
            length=lambda example: len(example.text),
            notes=rows.notes,
        )

    def encoding(self, stored: dict) -> Strings:
        return Strings.of_json(stored)

    def model(self, encoding: Strings) -> LanguageModel:
        net = self.net
        return LanguageModel(
            len(encoding),
            net.cell,
            net.hidden,
            net.layers,
            dropout=net.dropout or 0.0,
            conditions=encoding.width,
        )

    def dropout(self, weights: int, data: Examples, epochs: float | None) -> float:
        return DROPOUT if self.net.dropout is None else self.net.dropout

    def loss(self, model: LanguageModel, batch: Batch, state: State | None) -> Loss:
        logits, _ = model(*batch.inputs)
        return Loss(total_nats(logits, batch.targets), batch.terms)
