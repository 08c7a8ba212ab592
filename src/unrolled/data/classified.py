"""Labelled examples as the data of a training: split without a leak, encoded, weighted, and counted."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..errors import UsageError
from ..task import Batch
from .classes import Classes, Reads
from .examples import Examples, padded
from .known import check_same
from .labelled import Labelled, LabelledExample, key
from .split import folded, grouped

SHARE = 0.1  # held out
FEW = 1000  # numbers and series below which all are learned from, by a committee
FOLDS = 5
LEAST_STEPS = 40  # in an epoch, where there are few examples: batches are then smaller than asked for,
LEAST_ROWS = 16  # but no smaller than this


class Item(NamedTuple):
    """An example as numbers.

    values  (T,) int64 or (T, channels) float32
    target  the label's index; of a multi-label example zeros and ones
    apart   the member of a committee that does not learn from it; -1: none
    weight  of its loss in training
    """

    values: Tensor
    target: Any
    apart: int = -1
    weight: float = 1.0


class LabelledParts(NamedTuple):
    """What the files hold: to learn from, held out (None: a part of the first), and for the report."""

    train: Labelled
    valid: Labelled | None = None
    test: Labelled | None = None


class EncodingPlan(NamedTuple):
    """How the examples are to be read.

    reads       characters, words, ...; None: what suits them
    multilabel  an example may have any number of labels
    longest     steps of a text, of which the rest is cut off
    balance     0: every example weighs the same; 1: every label does, however rare; between them: between
    rows        of a batch, at most
    counting    what is learned from is kept, for n-grams to be counted in
    """

    reads: Reads | None
    multilabel: bool
    longest: int
    balance: float
    rows: int
    counting: bool = False


def classified(parts: LabelledParts, way: EncodingPlan, known: Classes | None = None) -> Examples:
    """The data of a training.

    known  the encoding of a run that this one goes on from

    Raises UsageError for parts of different kinds, for labels in a held-out file that the training file does
    not have, and where there is but one label.
    """
    train = parts.train
    for other in (parts.valid, parts.test):
        if other is not None and other.kind != train.kind:
            raise UsageError(
                f"{train.source} holds {train.kind} and {other.source} {other.kind}: give the same."
            )
    training, validation, apart = _split(train, parts.valid, known is None)
    encoding = _encoding(training, apart, train, way, known)
    encoding = encoding.counting(training) if way.counting else replace(encoding, counted=())
    weights = _weights(training, way)
    cut = Counter()
    learned = _items(training, train.source, encoding, way, apart, weights, cut)
    held_out = learned
    if not apart:
        held_out = _items(validation, (parts.valid or train).source, encoding, way, cut=cut)
    tested = (
        None if parts.test is None else _items(parts.test.examples, parts.test.source, encoding, way, cut=cut)
    )
    present = [part for part in parts if part is not None]
    return Examples(
        encoding,
        [item._replace(weight=1.0) for item in learned] if way.balance == 0 else learned,
        held_out,
        _rows(way.rows, len(learned)),
        gather,
        hashlib.sha256("".join(part.digest() for part in present).encode()).hexdigest(),
        ", ".join(part.source for part in present),
        length=lambda item: len(item.values),
        testing=tested,
        notes=(*(note for part in present for note in part.notes), *_said(parts, training, apart, cut, way)),
    )


def _split(
    train: Labelled, valid: Labelled | None, committee: bool
) -> tuple[list[LabelledExample], Sequence[LabelledExample], list[int]]:
    """What is learned from, what is held out, and each example's fold where few are
    learned from by a committee.
    """
    examples = train.examples
    if valid is not None:
        return examples, valid.examples, []
    keys, labels = [key(example.value) for example in examples], [example.labels for example in examples]
    if committee and train.kind != "text" and len(examples) < FEW:
        return examples, examples, folded(keys, min(FOLDS, len(set(keys))), labels=labels)
    split = grouped(keys, SHARE, labels=labels)
    return [examples[k] for k in split.training], [examples[k] for k in split.held_out], []


def _encoding(
    training: list[LabelledExample], apart: list[int], train: Labelled, way: EncodingPlan, known: Classes | None
) -> Classes:
    """Of the examples that are learned from; labels are those of the whole file, so
    that a rare one is known.
    """
    labels = list(dict.fromkeys(label for example in train.examples for label in example.labels))
    labels.sort(key=lambda label: (0, float(label), label) if _is_whole(label) else (1, 0.0, label))
    if len(labels) < 2 and not (way.multilabel and labels):
        raise UsageError(
            f"{train.source} has {len(labels)} label{'s' * (len(labels) != 1)}, {', '.join(labels) or 'none'}: "
            "two are needed to tell apart."
        )
    if known is not None:
        _check_kind(train, known)
        check_same("reads", way.reads or known.reads, known.reads)
        check_same("multilabel", way.multilabel, known.multilabel)
        return known.grown(training, labels)
    return Classes.of(training, labels, reads=way.reads, multilabel=way.multilabel, folds=apart)


def _check_kind(train: Labelled, known: Classes) -> None:
    """Raise UsageError for texts where a run that is gone on from reads numbers, and the other way round."""
    texts = known.reads in ("characters", "words")
    if texts != (train.kind == "text"):
        wanted = "texts" if texts else "numbers"
        raise UsageError(
            f"{train.source} holds {train.kind}, and the weights to go on from read {known.reads}: give "
            f"{wanted}, or train afresh, without --from."
        )


def _is_whole(label: str) -> bool:
    return label.removeprefix("-").isdecimal() and len(label) < 18


def _weights(training: list[LabelledExample], way: EncodingPlan) -> list[float]:
    """Of each example, by how rare its label is, 1 on average; a multi-label example counts by its rarest."""
    counts = Counter(label for example in training for label in example.labels)
    weights = [
        max((counts[label] ** -way.balance for label in example.labels), default=1.0) for example in training
    ]
    mean = sum(weights) / len(weights)
    return [weight / mean for weight in weights]


def _items(
    examples: Sequence[LabelledExample],
    source: str,
    encoding: Classes,
    way: EncodingPlan,
    apart: Sequence[int] = (),
    weights: Sequence[float] = (),
    cut: Counter | None = None,
) -> list[Item]:
    """Raises UsageError for an example that the encoding does not know."""
    found = []
    for place, (value, labels) in enumerate(examples):
        try:
            values = encoding.values(value)
            target = encoding.target(labels)
        except ValueError as error:
            raise UsageError(f"{source}, example {place + 1}: {error}.") from None
        if isinstance(value, str) and len(values) > way.longest:
            values = values[: way.longest]
            if cut is not None:
                cut["texts"] += 1
        item = Item(values, target)
        if apart:
            item = item._replace(apart=apart[place])
        found.append(item._replace(weight=weights[place]) if weights else item)
    return found


def items_of(labelled: Labelled, encoding: Classes, longest: int) -> list[Item]:
    """Other examples, for an evaluation."""
    way = EncodingPlan(encoding.reads, encoding.multilabel, longest, 0.0, 1)
    return _items(labelled.examples, labelled.source, encoding, way)


def _rows(most: int, examples: int) -> int:
    return min(most, max(LEAST_ROWS, examples // LEAST_STEPS))


def gather(items: list[Item]) -> Batch:
    """Inputs are values, lengths and folds (None without a committee), as models.classifier.PaddedRows has
    them; targets are what is right (B,) int64 or (B, labels), and weights (B,)."""
    values, lengths = padded([item.values for item in items])
    apart = torch.tensor([item.apart for item in items]) if items[0].apart >= 0 else None
    targets = torch.tensor([item.target for item in items])
    return Batch((values, lengths, apart), (targets, torch.tensor([item.weight for item in items])), len(items))


def _said(
    parts: LabelledParts, training: list[LabelledExample], apart: list[int], cut: Counter, way: EncodingPlan
) -> list[str]:
    """What is to be known of the data."""
    said = []
    examples = parts.train.examples
    kinds: dict[bytes, set] = {}
    for value, labels in examples:
        kinds.setdefault(key(value), set()).add(labels)
    repeated, torn = len(examples) - len(kinds), sum(len(labels) > 1 for labels in kinds.values())
    if repeated:
        several = f"; {torn:,} stand there with different labels" if torn else ""
        side = "" if parts.valid is not None else ", on the same side of the split as the first"
        said.append(f"{repeated:,} of {len(examples):,} examples repeat another one{side}{several}")
    for name, other in (("held out", parts.valid), ("for the report", parts.test)):
        both = sum(key(value) in kinds for value, _ in other.examples) if other is not None else 0
        if both:
            said.append(
                f"{both:,} of {len(other.examples):,} examples {name} are among those to learn from, too"
            )
    if apart:
        said.append(
            f"few examples: all are learned from, by {max(apart) + 1} models that each leave a part out, and"
            " are judged on it"
        )
    if cut["texts"]:
        said.append(f"{cut['texts']:,} texts are longer than --longest {way.longest:,}, and cut there")
    return said
