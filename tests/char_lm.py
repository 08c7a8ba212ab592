"""What the tests of training share: the character model's task from flat options, and what a run writes."""

from __future__ import annotations

from pathlib import Path

import torch

from unrolled import LanguageModel, Net, Recipe
from unrolled.data.streams import pieces
from unrolled.models.writing import Writing
from unrolled.runs.run import Run
from unrolled.scoring import mean_loss
from unrolled.tasks.char_lm import CharLM


def char_lm(
    text: Path | None = None,
    *,
    cell="lstm",
    latex: Path | None = None,
    hidden: int | None = None,
    layers: int | None = None,
    dropout: float | None = None,
    span: int = 64,
    rate: float | None = None,
    batch: int | None = None,
    clip: float | None = None,
    decay: float | None = None,
    precision: str = "float32",
) -> CharLM:
    """The options of `unrolled train char-lm` as they are said there."""
    net = Net(cell, latex, hidden, layers, dropout)
    recipe = Recipe(rate, batch, clip, decay, precision)
    return CharLM(text=text, span=span, net=net, recipe=recipe)


def sampled(run: Run, prime: str | None = None, length: int = 500, **options) -> str:
    """The text that a run writes after a prime."""
    (written,) = run.predict((), Writing(prime, length, **options))
    return written.text


def nats_per_character(model: LanguageModel, text: torch.Tensor) -> float:
    """Mean nats of every character of a text after its first."""
    return mean_loss(CharLM(), model, pieces(text))
