"""The task classify: which class a text, a series or a row of numbers is of; or, with
--multilabel, which classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import torch
from msgspec import Meta
from torch import Tensor
from torch.nn import functional

from ..cell import cell
from ..data.classes import MOST_COUNTED, Classes
from ..data.classified import EncodingPlan, Item, LabelledParts, classified, gather, items_of
from ..data.examples import Examples, Noted, each_once
from ..data.labelled import LabelColumns, LabelledExample, check_channels, read_labelled, read_values
from ..data.reber import reber
from ..data.ts import series_of
from ..errors import UsageError
from ..models.answers import Answer, Asking
from ..models.baselines import majority, naive_bayes, nearest
from ..models.classifier import POOLS, Classifier, Embedded, Member, PaddedRows
from ..models.net import Net
from ..models.ngrams import LabelNgrams
from ..models.scores import Report, accuracy, brier, macro_f1, micro_f1
from ..models.series import Filters, Scaled
from ..ops import tanh
from ..options import Count
from ..scoring import evaluating
from ..task import Batch, Figures, Loss, Recipe, State, Unit

SMOOTHING = 0.05  # of the right label's share, given to all: sure of nothing, and less learned by heart
HIDDEN = {"characters": 128, "words": 100, "series": 48, "numbers": 128}
WIDTH = {"characters": 64, "words": 100}  # of embeddings
DROPOUT = {"characters": 0.5, "words": 0.5, "series": 0.3, "numbers": 0.2}
UNKNOWN = 0.1  # of symbols, while training
MEMBERS = 3
Members = Annotated[int, Meta(ge=1, le=100)]
Balance = Annotated[float, Meta(ge=0, le=1)]
Ngrams = Annotated[int, Meta(ge=0, le=10)]
# Log of the least probability, so that one answer that is wrong and sure does not make a mean infinite.
SUREST = -100.0
NGRAM = 5  # characters that the baseline of n-grams looks at
AT_ONCE = 128  # inputs that are labelled together


@cell(family="feed-forward", init={"W": "kaiming(1)", "b": 0.0})  # as wide at the end as at the beginning
def perceptron(x, *, W, b):
    """A layer of neurons: no state, no time."""
    h = tanh(W @ x + b)  # activations
    return h


@dataclass(frozen=True)
class Classify:
    """Train a classifier on texts, series or numbers with labels.

    >>> Classify(net=Net("mgu")).bidirectional
    True
    """

    name: ClassVar[str] = "classify"
    Ask: ClassVar[type] = Asking
    better: ClassVar[Literal["lower", "higher"]] = "lower"
    unit: ClassVar[Unit] = Unit("example", "example")
    next: ClassVar[tuple[str, ...]] = (
        "unrolled predict {run} INPUT ...",
        "unrolled evaluate {run} --data FILE",
    )

    train: Path | None = None
    """.ts, .csv, .tsv, .jsonl, fastText lines, a folder of folders, or of files; without one, Reber strings"""
    valid: Path | None = None
    """a held-out file of your own, instead of a part of --train"""
    test: Path | None = None
    """a file for the report, on which nothing is chosen"""
    label: str | None = None
    """the labels' column; label or class without"""
    input: str | None = None
    """the texts' or series' column; text or series, or all numbers, without"""
    channels: Count | None = None
    """numbers of a row are steps of so many values each"""
    reads: Literal["characters", "words"] | None = None
    """what texts are to the model; without it, words where a text has 4 or more"""
    longest: Count = 1000
    """characters or words of a text; the rest is cut off"""
    multilabel: bool = False
    """any number of labels at once: separated by ; in tables, lists in JSONL"""
    skip_bad: bool = False
    """leave out rows that cannot be read, and count them"""
    balance: Balance = 0.0
    """0: every example weighs the same; 1: every label; or between"""
    bidirectional: bool = True
    """read from both ends"""
    pool: Literal["mean and max", "last", "all"] | None = None
    """what is left of all steps; without it, what the held-out part prefers"""
    augment: Literal["warp", "noise", "none"] | None = None
    """changes to series while training; without it, what the held-out part prefers"""
    members: Members | None = None
    """models whose probabilities are averaged"""
    ngrams: Ngrams = 0
    """characters that n-gram models of each label look at, which have a third of the vote; the run keeps the
    texts that it learned from for them. 0: none"""
    net: Net = Net("gru")
    recipe: Recipe = Recipe(rate=4e-3, batch=64, clip=1.0, decay=0.01, precision="float32")

    @property
    def _columns(self) -> LabelColumns:
        return LabelColumns(self.label, self.input, self.channels, self.multilabel, self.skip_bad)

    def data(self, known: Classes | None = None) -> Examples:
        """Read and split the examples; raises UsageError with what is wrong with them."""
        files = {"--train": self.train, "--valid": self.valid, "--test": self.test}
        if self.train is None and (self.valid or self.test):
            raise UsageError("--valid and --test go with --train: give a file to learn from.")
        read = {
            option: read_labelled(file, self._columns, option=option) for option, file in files.items() if file
        }
        parts = LabelledParts(read.get("--train") or reber(), read.get("--valid"), read.get("--test"))
        check_channels(parts.train, self.channels)
        counting = self.ngrams > 0
        way = EncodingPlan(self.reads, self.multilabel, self.longest, self.balance, self.recipe.batch, counting)
        return classified(parts, way, known)

    def encoding(self, stored: dict) -> Classes:
        return Classes.of_json(stored)

    def choices(self, data: Examples, minutes: float | None) -> Mapping[str, tuple]:
        """Sizes that suit the data; and of what nobody asked for, what is tried."""
        reads = data.encoding.reads
        net = replace(self.net, hidden=self.net.hidden or HIDDEN[reads])
        if reads == "numbers":
            if net.cell.name in (Net.cell, Classify.net.cell):  # nobody asked for a recurrent one
                net = replace(net, cell=perceptron, layers=net.layers or 2)
            return {"net": (net,), "bidirectional": (False,), "pool": ("last",), "augment": ("none",)}
        augment = ("warp", "noise", "none") if reads == "series" else ("none",)
        return {
            "net": (net,),
            "augment": augment if self.augment is None else (self.augment,),
            "pool": POOLS if self.pool is None else (self.pool,),
        }

    def model(self, encoding: Classes) -> Classifier:
        count = len(encoding.scales) if len(encoding.scales) > 1 else self.members or MEMBERS
        members = [self._member(encoding, k) for k in range(count)]
        return Classifier(members, several=encoding.multilabel, ngrams=self._ngrams(encoding))

    def _ngrams(self, encoding: Classes) -> LabelNgrams | None:
        if not (self.ngrams and encoding.counted):
            return None
        names, texts = zip(*encoding.counted)
        targets = [encoding.target((name,)) for name in names]
        classes, characters = len(encoding.labels), len(encoding.symbols) + 2
        with torch.device("cpu"):  # also where a model is made without memory, to be filled from a file
            strings = [encoding.values(text)[: self.longest].tolist() for text in texts]
            return LabelNgrams.of(strings, targets, classes, self.ngrams, characters)

    def _member(self, encoding: Classes, number: int) -> Member:
        reads, filters = encoding.reads, None
        dropout = DROPOUT[reads] if self.net.dropout is None else self.net.dropout
        if reads in WIDTH:
            dropped = dropout if reads == "words" else 0.0
            reader = Embedded(
                len(encoding.symbols) + 1, WIDTH[reads], unknown=UNKNOWN if dropout else 0.0, dropout=dropped
            )
        else:
            scale = encoding.scales[number % len(encoding.scales)]
            reader = Scaled(
                scale, steps=reads == "series", missing=encoding.missing, augment=self.augment or "none"
            )
            if reads == "series":
                filters = Filters(reader.width, encoding.steps, together=encoding.channels > 1)
        net = replace(self.net, hidden=self.net.hidden or HIDDEN[reads], dropout=dropout)
        layer = net.layer((filters or reader).width, bidirectional=self.bidirectional)
        return Member(reader, filters, layer, self.pool or "mean and max", len(encoding.labels), dropout)

    def dropout(self, weights: int, data: Examples, epochs: float | None) -> float:
        return DROPOUT[data.encoding.reads] if self.net.dropout is None else self.net.dropout

    def loss(self, model: Classifier, batch: Batch, state: State | None) -> Loss:
        """In training the mean of the members' losses, weighted and smoothed; otherwise that of
        their mean probabilities.
        """
        rows, (targets, weights) = PaddedRows(*batch.inputs), batch.targets
        if not model.training:
            return Loss(_surprise(model.log_chances(rows), targets).sum(), batch.count)
        total = sum(
            (weights[places] * _smoothed(logits, targets[places])).sum()
            for places, logits in model.learning(rows)
        )
        learners = len(model.members) - (rows.apart is not None)
        return Loss(total / learners, batch.count)

    def read(self, encoding: Classes, source: Any) -> Noted:
        found = read_labelled(source, replaced(self._columns, encoding))
        items = items_of(found, encoding, self.longest)
        return Noted(each_once(items, gather, lambda item: len(item.values)), found.notes)

    def baseline(self, data: Examples) -> Figures:
        """The most frequent class; naive Bayes for texts, and n-grams of each label where characters are read;
        the nearest neighbour for numbers."""
        return {} if data.encoding.multilabel else _baselines(data)

    def figures(self, model: Classifier, encoding: Classes, batches: Iterable[Batch], loss: float) -> Figures:
        chances, right = _answers(model, batches)
        said = _said(chances, encoding.multilabel)
        found = {"brier_score": brier(chances, right), "accuracy": accuracy(right, said)}
        if encoding.multilabel:
            found["micro_f1"] = micro_f1(right, said)
        return found | {"macro_f1": macro_f1(right, said, len(encoding.labels)), "nats": loss}

    def details(self, model: Classifier, encoding: Classes, batches: Iterable[Batch]) -> Report:
        """Figures of each class, and which one was taken for which."""
        chances, right = _answers(model, batches)
        return Report.of(right, _said(chances, encoding.multilabel), encoding.labels)

    def sentence(self, figures: Figures) -> str:
        micro = f", micro-F1 {figures['micro_f1']:.4f}" if "micro_f1" in figures else ""
        return (
            f"accuracy {figures['accuracy']:.4f}{micro}, macro-F1 {figures['macro_f1']:.4f}, "
            f"Brier score {figures['brier_score']:.4f}"
        )

    def line(self, loss: float) -> str:
        return f"loss {loss:.3f}"

    def example(self, model: Classifier, encoding: Classes, seed: int) -> str:
        return ""

    def predict(
        self, model: Classifier, encoding: Classes, inputs: Iterable[str], ask: Asking
    ) -> Iterator[Answer]:
        if ask.data is not None:
            found = read_values(ask.data, replaced(self._columns, encoding))
            values = ((_shown(example), example.value) for example in found.examples)
        else:
            values = ((text, _given(text, encoding)) for text in inputs)
        values = list(values)  # what is there: a line of a terminal, many of a file
        for begin in range(0, len(values), AT_ONCE):
            some = values[begin : begin + AT_ONCE]
            items = [Item(self._encoded(shown, value, encoding), 0) for shown, value in some]
            with evaluating(model):
                chances = model.log_chances(PaddedRows(*gather(items).inputs)).exp().tolist()
            for (shown, _), row in zip(some, chances):
                yield Answer(shown, encoding.labels, tuple(row), encoding.multilabel, ask)

    def _encoded(self, shown: str, value: str | Tensor, encoding: Classes) -> Tensor:
        try:
            return encoding.values(value)[: self.longest if isinstance(value, str) else None]
        except ValueError as error:
            raise UsageError(f"{shown[:60]!r}: {error}.") from None

    def remark(self, model: Classifier, ask: Asking) -> str:
        return ""


def replaced(columns: LabelColumns, encoding: Classes) -> LabelColumns:
    return columns._replace(multilabel=encoding.multilabel)


def _smoothed(logits: Tensor, targets: Tensor) -> Tensor:
    """The loss of each row while training."""
    if targets.dim() == 1:
        return functional.cross_entropy(logits, targets, reduction="none", label_smoothing=SMOOTHING)
    return functional.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(1)


def _surprise(logs: Tensor, targets: Tensor) -> Tensor:
    """-log of the probability that was given to what is right; of many labels the mean of theirs."""
    if targets.dim() == 1:
        return functional.nll_loss(logs, targets, reduction="none")
    chances = logs.exp().clamp(0, 1)
    return -torch.where(targets > 0, chances, 1 - chances).log().clamp_min(SUREST).mean(1)


def _answers(model: Classifier, batches: Iterable[Batch]) -> tuple[Tensor, Tensor]:
    """Probabilities (N, labels) and what is right, of all examples."""
    with evaluating(model):
        found = [
            (model.log_chances(PaddedRows(*batch.inputs)).float().exp(), batch.targets[0]) for batch in batches
        ]
    chances, right = zip(*found)
    return torch.cat(chances), torch.cat(right)


def _said(chances: Tensor, several: bool) -> Tensor:
    return (chances >= 0.5).to(chances.dtype) if several else chances.argmax(1)


def _given(text: str, encoding: Classes) -> str | Tensor:
    """An input of the command line: a text, or numbers as .ts files write them."""
    if encoding.reads in WIDTH:
        return text
    try:
        series = series_of(text)
    except ValueError as error:
        raise UsageError(
            f"{text[:60]!r}: {error}. Write a series as 1,2,3, its channels between colons."
        ) from None
    return series.t() if encoding.reads == "numbers" and series.shape[1] == 1 else series


def _shown(example: LabelledExample) -> str:
    return example.value if isinstance(example.value, str) else ""


def _baselines(data: Examples) -> Figures:
    training, held_out = list(data.training), list(data.validation)
    classes, reads = len(data.encoding.labels), data.encoding.reads
    right = torch.tensor([item.target for item in held_out])
    usual = torch.empty_like(right)
    cheap = torch.empty_like(right)
    for fold in sorted({item.apart for item in held_out}):
        places = [k for k, item in enumerate(held_out) if item.apart == fold]
        seen = [item for item in training if fold < 0 or item.apart != fold]
        values, targets = [item.values for item in seen], [item.target for item in seen]
        asked = [held_out[k].values for k in places]
        usual[places] = majority(targets, len(places))
        cheap[places] = (
            naive_bayes(values, targets, asked, 3 if reads == "characters" else 2)
            if reads in WIDTH
            else nearest(values, targets, asked)
        )
    name = "naive Bayes" if reads in WIDTH else "nearest neighbour"
    figures = {
        "most frequent label, accuracy": accuracy(right, usual),
        f"{name}, accuracy": accuracy(right, cheap),
        f"{name}, macro-F1": macro_f1(right, cheap, classes),
    }
    if reads == "characters" and classes <= MOST_COUNTED:
        strings, targets = [item.values.tolist() for item in training], [item.target for item in training]
        counted = LabelNgrams.of(strings, targets, classes, NGRAM, len(data.encoding.symbols) + 2)
        said = counted([item.values.tolist() for item in held_out]).argmax(1)
        figures |= {
            "n-grams, accuracy": accuracy(right, said),
            "n-grams, macro-F1": macro_f1(right, said, classes),
        }
    return figures


TASK = Classify
