"""The task char-lm: predict the next character of a text (Karpathy 2015), in nats and bits per character."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import torch

from ..data.text import read_text, split, standard_library
from ..data.vocabulary import Vocabulary
from ..errors import UsageError
from ..kernels import multiplies_pairs
from ..models.language import LanguageModel, State
from ..models.sample import write, write_many
from ..models.score import nats_per_character

DROPOUT = (
    0.01  # for each time that the text is read again, if there are as many weights as characters; see `settle`
)
DROPOUT_LIMIT = 0.3
PRECISIONS = ("auto", "float32", "bf16")
DROPOUT_FIRST = 0.1  # while nobody knows how often it will be


@dataclass(frozen=True)
class CharLM:
    """Train a character language model on a text.

    >>> CharLM(cell="gru", hidden=64).layers
    2
    """

    name: ClassVar[str] = "char-lm"

    text: Path | None = None
    """the text to learn, UTF-8; without one, the source of Python's standard library"""
    cell: str = "lstm"
    """a cell's name (see: unrolled cells), or FILE.py:FUNCTION"""
    latex: str | None = None
    """a file of LaTeX equations to make the cell of, instead of --cell"""
    hidden: int = 256
    """width of the recurrent layers"""
    layers: int = 2
    """how many recurrent layers"""
    batch: int = 16
    """streams of text read side by side"""
    span: int = 64
    """characters per step of truncated backpropagation through time"""
    rate: float = 2e-2
    """largest learning rate"""
    decay: float = 0.1
    """weight decay of the matrices"""
    clip: float = 1.0
    """largest norm of the gradient"""
    dropout: float | None = None
    """share of the hidden values dropped while training; without one, the more often the text is read the more"""
    precision: str = "auto"
    """of operands of products while training: float32 or bf16; auto takes bf16 where the processor multiplies such numbers"""

    def check(self) -> None:
        """Raise UsageError for a number that no run can have."""
        if self.latex is not None and self.cell != type(self).cell:
            raise UsageError(f"--cell {self.cell} and --latex {self.latex} both say which cell: leave one out.")
        for option in ("hidden", "layers", "batch", "span"):
            if getattr(self, option) < 1:
                raise UsageError(
                    f"--{option} {getattr(self, option)} is below 1: give a whole number from 1 up."
                )
        for option in ("rate", "clip"):
            if not 0 < getattr(self, option) < float("inf"):
                raise UsageError(f"--{option} {getattr(self, option)} is not above 0: give a positive number.")
        if not 0 <= self.decay < float("inf"):
            raise UsageError(f"--decay {self.decay} is below 0: give 0 or a positive number.")
        if self.precision not in PRECISIONS:
            raise UsageError(f"--precision {self.precision} is none: choose one of {', '.join(PRECISIONS)}.")
        if self.dropout is not None and not 0 <= self.dropout < 1:
            raise UsageError(
                f"--dropout {self.dropout} is not a share: give a number from 0 up to, not including, 1."
            )

    def settled(self) -> CharLM:
        """The task with what only this machine can tell, so that a resumed run goes on with it: its precision.

        Losses are the same to chance. Measured on Tiny Shakespeare (2 x 128, 1 million characters), held-out nats after
        each fifth: 2.078, 1.973, 1.879, 1.752, 1.722 in float32 and 2.076, 1.949, 1.856, 1.753, 1.718 in bf16.
        """
        if self.precision != "auto":
            return self
        return replace(self, precision="bf16" if multiplies_pairs() else "float32")

    def data(self) -> CharData:
        """Read the text; raises UsageError with what is wrong with it."""
        text = standard_library() if self.text is None else read_text(self.text)
        parts = split(text, self.batch, self.span)
        vocabulary = Vocabulary.of(text)
        return CharData(
            vocabulary,
            vocabulary.encode(parts.training),
            vocabulary.encode(parts.validation),
            self.batch,
            self.span,
            hashlib.sha256(text.encode()).hexdigest(),
        )

    def settle(self, model: torch.nn.Module, characters: int, epochs: float | None) -> float:
        """Set the model's dropout, unless it was given, and return it.

        characters  in the text to learn
        epochs      how often it will be read; None while that is not known

        What is read once cannot be learned by heart, nor can a text with many more characters than there are weights;
        dropout then only slows learning down. Measured on Tiny Shakespeare, nats at dropout 0 / 0.1 / 0.25: 1.589 / 1.611
        after 1.3 epochs of 2 x 192, 1.821 / 1.824 / 1.864 after 7 epochs of 2 x 128 on a quarter of the text; 1.394 / 1.396 /
        1.386 / 1.407 at 0.076 (what comes out here) / 0.11 / 0.15 / 0.22 after 10.5 epochs of 2 x 256, one seed: three alike.
        """
        share = self.dropout
        if share is None and epochs is None:
            share = DROPOUT_FIRST
        elif share is None:
            weights = sum(weight.numel() for weight in model.parameters())
            share = round(
                min(DROPOUT_LIMIT, max(0.0, DROPOUT * (epochs - 1) * min(1.0, weights / characters))), 3
            )
        model.set_dropout(share)
        return share

    def model(self, vocabulary: Vocabulary, cell) -> LanguageModel:
        """An untrained model for a vocabulary; `cell` is the Cell that the option names."""
        model = LanguageModel(len(vocabulary), cell, self.hidden, self.layers, dropout=self.dropout or 0.0)
        model.close_forget_gates()
        return model

    def loss(self, model: LanguageModel, batch: tuple[torch.Tensor, torch.Tensor], state: State | None):
        """Mean nats of one batch, and the state to carry on."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bf16"):
            return model.nats(*batch, state)

    def evaluate(self, model: LanguageModel, data: CharData) -> float:
        """Nats per character of the held-out text."""
        return nats_per_character(model, data.validation)

    def sample(
        self,
        model: LanguageModel,
        vocabulary: Vocabulary,
        *,
        prime: str | None = None,
        length: int = 500,
        temperature: float = 0.8,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int = 0,
        weights: str = "float32",
    ):
        """Characters that follow `prime` (without one: a line's start), as they are drawn."""
        drawn = write(
            model,
            _indices(vocabulary, prime),
            length,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            seed=seed,
            weights=weights,
        )
        return (vocabulary.characters[index] for index in drawn)

    def samples(
        self,
        model: LanguageModel,
        vocabulary: Vocabulary,
        count: int,
        *,
        prime: str | None = None,
        length: int = 500,
        temperature: float = 0.8,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int = 0,
        weights: str = "float32",
    ) -> list[str]:
        """Texts that follow `prime`, written side by side; text k is what `sample` writes with seed + k."""
        drawn = write_many(
            model,
            _indices(vocabulary, prime),
            length,
            count,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            seed=seed,
            weights=weights,
        )
        return [vocabulary.decode(row) for row in drawn.t().tolist()]


def _indices(vocabulary: Vocabulary, prime: str | None) -> torch.Tensor:
    if prime is None:
        prime = "\n" if "\n" in vocabulary.characters else vocabulary.characters[0]
    return vocabulary.encode(prime, "--prime")


@dataclass(frozen=True)
class CharData:
    """A text as indices, cut into `batch` streams that are read side by side, `span` characters a step.

    Every character is an input once an epoch, but for a remainder of less than one batch; each epoch begins at
    another place, so that the remainder and the cuts are not always the same.
    """

    vocabulary: Vocabulary
    training: torch.Tensor
    validation: torch.Tensor
    rows: int
    span: int
    digest: str

    @property
    def steps_per_epoch(self) -> int:
        return (len(self.training) - 1) // (self.rows * self.span)

    @property
    def characters_per_step(self) -> int:
        return self.rows * self.span

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs and targets of a step, each (T, B) int64. The same step always gives the same batch."""
        epoch, place = divmod(step, self.steps_per_epoch)
        length = self.steps_per_epoch * self.span  # of one stream
        slack = len(self.training) - 1 - self.rows * length
        first = (epoch * 0.6180339887 % 1.0) * (slack + 1)  # golden ratio: no two epochs alike
        position = int(first) + place * self.span + torch.arange(self.span)[:, None]
        position = position + torch.arange(self.rows)[None, :] * length
        return self.training[position], self.training[position + 1]

    def starts(self, step: int) -> bool:
        """Whether the streams begin anew at a step, so that no state is carried into it."""
        return step % self.steps_per_epoch == 0


TASK = CharLM
