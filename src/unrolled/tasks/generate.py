"""The task generate: short strings to order, such as names of a language, one character after the other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import ClassVar, Literal

import torch

from ..data.examples import Examples, Noted, each_once
from ..data.string_parts import Example, examples, length, string_data
from ..data.string_rows import Rows, identifiers, read_rows
from ..data.strings import Strings
from ..errors import UsageError
from ..models.language import LanguageModel, State
from ..models.net import Net
from ..models.ngrams import ngram_nats
from ..models.ordered import Ordered, Ordering, Tally, drawn, ordered
from ..models.strings import UNSCORED, marked, total_nats
from ..task import Batch, Figures, Loss, Recipe, Unit

MANY = 40  # weights for each string
# At first, for each time through the rows, at most; see `dropout`.
DROPOUT, DROPOUT_MORE, DROPOUT_LIMIT = (0.1, 0.02, 0.6)
EXAMPLE = 6  # strings shown while it learns
SAMPLED, FIGURES_SEED = 256, 2**40  # strings that tell how many are new ones
ORDERS = (1, 5)  # of the n-gram models to compare with


@dataclass(frozen=True)
class Generate:
    """Learn to make short strings to order: names of a language, words of a category, rows
    of a table by any columns.

    >>> Generate(net=Net("gru", hidden=64)).recipe.batch
    64
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

    train: Path | None = None
    """a table (.csv, .tsv, .jsonl), a file with a string in each line, or a folder of such files, LABEL.txt;
    without one, names in Python's standard library by their kind"""
    valid: Path | None = None
    """held-out rows of your own, instead of a part of --train"""
    test: Path | None = None
    """rows for the report, on which nothing is chosen"""
    strings: str | None = None
    """the strings' column; text without"""
    by: str | None = None
    """the columns of conditions, with commas between them; all others without"""
    skip_bad: bool = False
    """leave out rows that cannot be read, and count them"""
    net: Net = Net(hidden=256, layers=1)
    recipe: Recipe = Recipe(rate=2e-2, batch=64, clip=1.0, decay=0.05)

    def data(self, known: Strings | None = None) -> Examples:
        """Read and split the rows; raises UsageError with what is wrong with them. A run that goes on from
        another one's weights has new characters and values behind that one's; its conditions are the same."""
        if self.train is None and (self.valid or self.test):
            raise UsageError("--valid and --test go with --train: give a file to learn from.")
        by = self.by and self.by.split(",")
        rows = identifiers() if self.train is None else self._rows(self.train, by, "--train")
        if known is not None:
            rows = rows.of_run(tuple(column.name for column in known.columns))
        others = {"--valid": self.valid, "--test": self.test}
        valid, test = (file and self._rows(file, rows.names, option) for option, file in others.items())
        return string_data(rows, valid, test, self.recipe.batch, gathered, known)

    def _rows(self, source: str | Path, by: Sequence[str] | None, option: str) -> Rows:
        return read_rows(source, self.strings, by, self.skip_bad, option)

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
        """The more often the rows are read, and the fewer they are beside the weights, the more would be
        learned by heart. Measured, nats: 18,000 names, 8 times through them, 128 wide, dropout 0.1 / 0.3: 1.821
        / 1.841; 4,600 identifiers, 20 times, 256 wide, 0.3 / 0.5: 1.746 / 1.687.
        """
        if self.net.dropout is not None:
            return self.net.dropout
        many = min(1.0, weights / (MANY * data.training_size))
        return round(min(DROPOUT_LIMIT, DROPOUT + DROPOUT_MORE * (epochs or 5.0) * many), 3)

    def loss(self, model: LanguageModel, batch: Batch, state: State | None) -> Loss:
        logits, _ = model(batch.inputs)
        return Loss(total_nats(logits, batch.targets), int((batch.targets != UNSCORED).sum()))

    def read(self, encoding: Strings, source: str | Path) -> Noted:
        rows = self._rows(source, [column.name for column in encoding.columns], "--data")
        return Noted(each_once(examples(encoding, rows), partial(gathered, encoding), length), rows.notes)

    def baseline(self, data: Examples) -> Figures:
        """Nats per character of models that look at the characters before and at no condition."""
        training, held_out = ([example.text for example in part] for part in (data.training, data.validation))
        return {
            f"{order}-gram, nats": ngram_nats(training, held_out, order, len(data.encoding)) for order in ORDERS
        }

    def figures(
        self, model: LanguageModel, encoding: Strings, batches: Iterable[Batch], loss: float
    ) -> Figures:
        """Of the batches, and of strings drawn as boldly as `predict` draws them."""
        tally = Tally()
        for made in islice(drawn(model, encoding, {}, Ordering(seed=FIGURES_SEED)), SAMPLED):
            tally.count(made.text, encoding.is_known(made.text))
        return {
            "nats_per_character": loss,
            "bits_per_character": loss / math.log(2),
            **tally.shares(),
        }

    def sentence(self, figures: Figures) -> str:
        nats, bits, valid, novel, distinct = figures.values()
        return (
            f"{nats:.4f} nats, {bits:.3f} bits per character; of {SAMPLED} strings drawn {valid:.0%} valid, "
            f"of these {novel:.0%} novel, {distinct:.0%} distinct"
        )

    def line(self, loss: float) -> str:
        return f"loss {loss:.3f}  {loss / math.log(2):.3f} bits/char"

    def example(self, model: LanguageModel, encoding: Strings, seed: int) -> str:
        ordered_ones = islice(drawn(model, encoding, {}, Ordering(seed=seed)), EXAMPLE)
        return "\n".join("   ".join((made.text, *made.values)) for made in ordered_ones)

    def predict(
        self, model: LanguageModel, encoding: Strings, inputs: Iterable[str], ask: Ordering
    ) -> Iterator[Ordered]:
        """Strings of each input's conditions, such as "Greek" or "language=Greek,
        sex=f"; without inputs, of any.
        """
        return ordered(model, encoding, inputs, ask)

    def remark(self, model: LanguageModel, ask: Ordering) -> str:
        return ""


def gathered(encoding: Strings, examples: Sequence[Example]) -> Batch:
    """Inputs: characters (T, B), or where there are conditions a tuple of these and (B, K). Targets: (T, B)."""
    inputs, targets = marked([example.text for example in examples], len(encoding) - 1)
    if encoding.columns:
        inputs = (inputs, torch.stack([encoding.given(example.values) for example in examples]))
    return Batch(inputs, targets, len(examples))


TASK = Generate
