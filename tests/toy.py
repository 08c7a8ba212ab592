"""A task as unlike char-lm as can be: how often a sign stands in a word. Examples are independent and of
unlike lengths, batches of differing counts, no state is carried, the figure that decides is a share of right
answers, and higher is better.

`python toy.py OUT [OPTION=VALUE ...]` trains it: tests start it under torchrun.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

import unrolled
from unrolled import tasks
from unrolled.data.vocabulary import Vocabulary
from unrolled.models.net import Net
from unrolled.task import Batch, Figures, Loss, Part, Recipe, Unit

MOST = 6  # of one sign in a word


class Word(NamedTuple):
    text: str
    count: int


def words(signs: str, many: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    return ["".join(draw.choice(signs) for _ in range(draw.randint(1, 9))) for _ in range(many)]


def examples(texts: Iterable[str]) -> list[Word]:
    return [Word(text, min(MOST, text.count("a"))) for text in texts]


def gathered(encoding: Vocabulary, part: list[Word]) -> Batch:
    """Words side by side, (T, B) and (B,) lengths; their counts (B,)."""
    if not part:
        return Batch(None, None, 0)
    rows = [encoding.encode(word.text) for word in part]
    lengths = torch.tensor([len(row) for row in rows])
    return Batch(
        (nn.utils.rnn.pad_sequence(rows), lengths), torch.tensor([word.count for word in part]), len(part)
    )


@dataclass(frozen=True)
class Words:
    """The data: each epoch shuffled, in batches of `rows`, the last one of what is left."""

    encoding: Vocabulary
    training: list[Word]
    validation: list[Word]
    kept: list[Word]
    rows: int
    digest: str
    source: str

    training_size = property(lambda self: len(self.training))
    held_out_size = property(lambda self: len(self.validation))
    steps_per_epoch = property(lambda self: -(-len(self.training) // self.rows))
    units_per_step = property(lambda self: self.rows)

    def batch(self, step: int, part: Part = Part()) -> Batch:
        epoch, place = divmod(step, self.steps_per_epoch)
        order = torch.randperm(len(self.training), generator=torch.Generator().manual_seed(epoch))
        mine = order[place * self.rows : (place + 1) * self.rows][part.rank :: part.size]
        return gathered(self.encoding, [self.training[k] for k in mine])

    def held_out(self) -> Iterator[Batch]:
        return (gathered(self.encoding, self.validation[k : k + 7]) for k in range(0, len(self.validation), 7))

    def test(self) -> Iterator[Batch]:
        return iter([gathered(self.encoding, self.kept)] if self.kept else [])


class Counter(nn.Module):
    def __init__(self, signs: int, net: Net):
        super().__init__()
        self.embedding = nn.Embedding(signs, net.hidden)
        self.layer = net.layer(net.hidden)
        self.dropout = nn.Dropout(0.0)
        self.head = nn.Linear(self.layer.output_size, MOST + 1)

    def undecayed(self) -> list[Tensor]:
        return [self.embedding.weight]

    def set_dropout(self, probability: float) -> None:
        self.dropout.p = probability

    def forward(self, inputs: tuple[Tensor, Tensor]) -> Tensor:
        signs, lengths = inputs
        _, state = self.layer(self.embedding(signs), lengths=lengths)
        return self.head(self.dropout(state[0][-1]))


@dataclass(frozen=True)
class Asking:
    """How an answer is given."""

    best: int = 1
    """so many of the likeliest counts"""


class Answer(NamedTuple):
    word: str
    counts: list[int]

    def pieces(self) -> Iterator[str]:
        yield f"{self.word}: {' '.join(map(str, self.counts))}"

    def to_json(self) -> dict:
        return {"word": self.word, "counts": self.counts}


@tasks.add
@dataclass(frozen=True)
class Count:
    """Count a sign."""

    name: ClassVar[str] = "toy-count"
    Ask: ClassVar[type] = Asking
    better: ClassVar[Literal["lower", "higher"]] = "higher"
    unit: ClassVar[Unit] = Unit("word", "word")
    next: ClassVar[tuple[str, ...]] = ("unrolled predict {run} banana",)

    signs: str = "abc"
    data_file: Path | None = None
    """words, one a line"""
    valid: Path | None = None
    test: Path | None = None
    net: Net = Net("gru", hidden=8, layers=1)
    recipe: Recipe = Recipe(rate=2e-2, batch=10, clip=1.0, decay=0.01, precision="float32")

    def data(self, known: Vocabulary | None = None) -> Words:
        texts = words(self.signs, 96, 0) if self.data_file is None else self.data_file.read_text().split()
        held_out = texts[80:] if self.valid is None else self.valid.read_text().split()
        training = texts[:80] if self.valid is None else texts
        kept = [] if self.test is None else self.test.read_text().split()
        everything = "".join(training)
        encoding = Vocabulary.of(everything) if known is None else known.grown(everything)
        digest = sha256(" ".join(training + ["-", *held_out, "-", *kept]).encode()).hexdigest()
        return Words(
            encoding,
            examples(training),
            examples(held_out),
            examples(kept),
            self.recipe.batch,
            digest,
            str(self.data_file),
        )

    def encoding(self, stored: dict) -> Vocabulary:
        return Vocabulary.of_json(stored)

    def model(self, encoding: Vocabulary) -> Counter:
        return Counter(len(encoding), self.net)

    def dropout(self, weights: int, data: Words, epochs: float | None) -> float:
        return self.net.dropout or 0.0

    def loss(self, model: Counter, batch: Batch, state) -> Loss:
        assert state is None
        total = functional.cross_entropy(model(batch.inputs), batch.targets, reduction="sum")
        return Loss(total, batch.count)

    def read(self, encoding: Vocabulary, source) -> Iterator[Batch]:
        return iter([gathered(encoding, examples(Path(source).read_text().split()))])

    def baseline(self, data: Words) -> Figures:
        counts = [word.count for word in data.training]
        usual = max(set(counts), key=counts.count)
        return {
            "the usual count, accuracy": sum(w.count == usual for w in data.validation) / len(data.validation)
        }

    def figures(self, model: Counter, encoding, batches: Iterable[Batch], loss: float) -> Figures:
        assert not model.training and not torch.is_grad_enabled()
        torch.rand(3)  # what is drawn here must not change the training
        batches = list(batches)
        right = sum(int((model(b.inputs).argmax(1) == b.targets).sum()) for b in batches)
        return {"accuracy": right / sum(b.count for b in batches), "nats": loss, "of_nothing": float("nan")}

    def sentence(self, figures: Figures) -> str:
        return f"accuracy {figures['accuracy']:.3f}"

    def line(self, loss: float) -> str:
        return f"loss {loss:.3f}"

    def example(self, model: Counter, encoding, seed: int) -> str:
        assert not model.training
        torch.rand(3)
        return ""

    def predict(
        self, model: Counter, encoding: Vocabulary, inputs: Iterable[str], ask: Asking
    ) -> Iterator[Answer]:
        for text in inputs:
            with torch.no_grad():
                logits = model(gathered(encoding, [Word(text, 0)]).inputs)[0]
            yield Answer(text, logits.topk(ask.best).indices.tolist())

    def remark(self, model: Counter, ask: Asking) -> str:
        return ""


def count(**options) -> Count:
    """The task from flat options."""
    net = {k: options.pop(k) for k in ("cell", "hidden", "layers", "dropout") if k in options}
    recipe = {k: options.pop(k) for k in ("rate", "batch") if k in options}
    usual = Count()
    return replace(usual, net=replace(usual.net, **net), recipe=replace(usual.recipe, **recipe), **options)


if __name__ == "__main__":
    given = dict(option.split("=") for option in sys.argv[2:])
    torch.set_num_threads(1)
    run = unrolled.train(
        count(batch=int(given.get("batch", 10))), out=sys.argv[1], epochs=float(given.get("epochs", 4))
    )
