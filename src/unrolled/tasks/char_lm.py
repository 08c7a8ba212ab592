"""The task char-lm: predict the next character of a text (Karpathy 2015), in nats and bits per character."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from torch.nn import functional

from ..data.streams import UNSCORED, Streams, pieces
from ..data.text import Text, check_length, joint_digest, read_text, split, standard_library
from ..data.vocabulary import Vocabulary
from ..errors import UsageError
from ..models.language import LanguageModel, State
from ..models.net import Net
from ..models.probabilities import Probabilities, probabilities
from ..models.sample import rounded
from ..models.writing import Writing, Written, written
from ..options import Count
from ..scoring import mean_loss
from ..task import Batch, Figures, Loss, Recipe, Unit

# For each time that the text is read again, if there are as many weights as characters; see `dropout`.
DROPOUT = 0.01
DROPOUT_LIMIT = 0.3
DROPOUT_FIRST = 0.1  # while nobody knows how often it will be
EXAMPLE = 240  # characters
HELD_OUT = 50_000  # characters that tell what rounded weights cost


@dataclass(frozen=True)
class CharLM:
    """Train a character language model on a text.

    >>> CharLM(net=Net("gru", hidden=64)).span
    64
    """

    name: ClassVar[str] = "char-lm"
    Ask: ClassVar[type] = Writing
    better: ClassVar[Literal["lower", "higher"]] = "lower"
    unit: ClassVar[Unit] = Unit("character", "char")
    next: ClassVar[tuple[str, ...]] = (
        "unrolled sample {run} --length 1000 --temperature 0.7",
        "unrolled evaluate {run} --data FILE",
    )
    unprompted: ClassVar[bool] = True

    text: Path | None = None
    """the text to learn, UTF-8, or - for standard input; without one, the source of
    Python's standard library"""
    valid: Path | None = None
    """a held-out text of your own, instead of the end of the text"""
    test: Path | None = None
    """a text for the report, on which nothing is chosen"""
    span: Count = 64
    """characters per step of truncated backpropagation through time"""
    net: Net = Net(hidden=256, layers=2)
    recipe: Recipe = Recipe(rate=2e-2, batch=16, clip=1.0, decay=0.1)

    def data(self, known: Vocabulary | None = None) -> Streams:
        """Read the texts; raises UsageError with what is wrong with them. Characters are
        those of the text to learn.
        """
        text = standard_library() if self.text is None else read_text(self.text)
        aside = {"--valid": self.valid, "--test": self.test}
        others = {option: read_text(file, option) for option, file in aside.items() if file is not None}
        vocabulary = Vocabulary.of(text) if known is None else known.grown(text)
        if self.valid is None:
            end = split(len(text), self.recipe.batch, self.span)
        else:
            end = len(text)
            check_length(end, self.recipe.batch, self.span)
        indices = vocabulary.encode(text)
        parts = {option: vocabulary.encode(longer(other)) for option, other in others.items()}
        return Streams(
            vocabulary,
            indices[:end],
            parts.get("--valid", indices[end:]),
            self.recipe.batch,
            self.span,
            joint_digest(text, *others.values()),
            ", ".join(str(file) for file in (self.text, *aside.values()) if file) or text.name,
            parts.get("--test"),
        )

    def encoding(self, stored: dict) -> Vocabulary:
        return Vocabulary.of_json(stored)

    def model(self, encoding: Vocabulary) -> LanguageModel:
        net = self.net
        model = LanguageModel(len(encoding), net.cell, net.hidden, net.layers, dropout=net.dropout or 0.0)
        model.close_forget_gates()
        return model

    def dropout(self, weights: int, data: Streams, epochs: float | None) -> float:
        """What is read once cannot be learned by heart, nor can a text with many more characters than there are
        weights; dropout then only slows learning down. Measured on Tiny Shakespeare, nats at dropout 0 / 0.1 /
        0.25: 1.589 / 1.611 after 1.3 epochs of 2 x 192, 1.821 / 1.824 / 1.864 after 7 epochs of 2 x 128 on a
        quarter of the text; 1.394 / 1.396 / 1.386 / 1.407 at 0.076 (what comes out here) / 0.11 / 0.15 / 0.22
        after 10.5 epochs of 2 x 256, one seed: three alike.
        """
        if self.net.dropout is not None:
            return self.net.dropout
        if epochs is None:
            return DROPOUT_FIRST
        share = DROPOUT * (epochs - 1) * min(1.0, weights / data.training_size)
        return round(min(DROPOUT_LIMIT, max(0.0, share)), 3)

    def loss(self, model: LanguageModel, batch: Batch, state: State | None) -> Loss:
        logits, state = model(batch.inputs, state)
        total = functional.cross_entropy(
            logits.flatten(0, 1), batch.targets.flatten(), ignore_index=UNSCORED, reduction="sum"
        )
        return Loss(total, batch.count, tuple(part.detach() for part in state))

    def read(self, encoding: Vocabulary, source: str | Path) -> Iterator[Batch]:
        return pieces(encoding.encode(longer(read_text(source, "--data"))))

    def baseline(self, data: Streams) -> Figures:
        """The held-out text's nats by how often each character stands in the text to learn,
        whatever stands before it.
        """
        held_out, size = data.validation[1:], len(data.encoding)
        known = sum(block.bincount(minlength=size) for block in data.training.split(2**20))
        chances = (known + 1) / (known.sum() + len(known))
        return {"each character by its frequency, nats": -chances.log()[held_out.long()].mean().item()}

    def figures(
        self, model: LanguageModel, encoding: Vocabulary, batches: Iterable[Batch], loss: float
    ) -> Figures:
        return {
            "nats_per_character": loss,
            "bits_per_character": loss / math.log(2),
            "perplexity": math.exp(min(loss, 700.0)),
        }

    def sentence(self, figures: Figures) -> str:
        nats, bits, perplexity = figures.values()
        return f"{nats:.4f} nats, {bits:.3f} bits per character, perplexity {perplexity:.3f}"

    def line(self, loss: float) -> str:
        return f"loss {loss:.3f}  {loss / math.log(2):.3f} bits/char"

    def example(self, model: LanguageModel, encoding: Vocabulary, seed: int) -> str:
        (text,) = written(model, encoding, None, Writing(length=EXAMPLE, seed=seed))
        return text.text

    def predict(
        self, model: LanguageModel, encoding: Vocabulary, inputs: Iterable[str], ask: Writing
    ) -> Iterator[Written | Probabilities]:
        """Texts that follow each input, or `ask.prime`; without one, a line's start. Or
        each input's probabilities.
        """
        for prime in list(inputs) or [ask.prime]:
            if ask.probabilities:
                weighed = rounded(model) if ask.weights == "bf16" else model
                yield probabilities(weighed, encoding, prime)
                continue
            yield from written(model, encoding, prime, ask)

    def remark(self, model: LanguageModel, ask: Writing) -> str:
        """What bfloat16 weights cost, on the held-out part of the text that the run learned."""
        if ask.weights != "bf16":
            return ""
        try:
            batches = list(pieces(self.data().validation[:HELD_OUT]))
        except UsageError:
            return (
                f"weights in bfloat16; the text {self.text} is not there, so that what they cost is not known"
            )
        exact, coarse = (mean_loss(self, each, batches) for each in (model, rounded(model)))
        count = sum(batch.count for batch in batches)
        return (
            f"weights in bfloat16: {coarse:.4f} nats per character on {count:,} held-out characters, "
            f"{exact:.4f} in float32"
        )


def longer(text: Text) -> Text:
    """The text; raises UsageError where it has no character to predict."""
    if len(text) < 2:
        raise UsageError(f"{text.name} has {len(text)} character: evaluation takes 2 or more.")
    return text


TASK = CharLM
