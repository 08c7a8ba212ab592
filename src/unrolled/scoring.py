"""How good a model is on batches: its mean loss, a sum over a number of terms, each counted
once; and its task's figures.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import nn

from .task import Batch, Figures, Task


class Scored(NamedTuple):
    """Figures, the mean loss, and on how many of the task's units."""

    count: int
    figures: Figures
    loss: float


@contextmanager
def evaluating(model: nn.Module):
    """A model in evaluation mode and without gradients; afterwards in the mode that it was in."""
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield model
    finally:
        model.train(was_training)


def mean_loss(task: Task, model: nn.Module, batches: Iterable[Batch]) -> float:
    """Mean loss per term; NaN where there is no term. States are carried where a
    batch says that it continues.
    """
    total, terms, state = 0.0, 0, None
    with evaluating(model):
        for batch in batches:
            loss = task.loss(model, batch, state if batch.continues else None)
            total += loss.total.item()
            terms += loss.terms
            state = loss.state
    return total / terms if terms else float("nan")


def finite(figures: Figures) -> dict[str, float | None]:
    """Figures as JSON can say them: None in place of what is not a number.

    >>> finite({"accuracy": 0.5, "recall": math.nan})
    {'accuracy': 0.5, 'recall': None}
    """
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}


def scored(task: Task, model: nn.Module, encoding: Any, batches: Iterable[Batch]) -> Scored:
    """A task's figures of a model on some batches. The random numbers of a training
    under way stay as they are.
    """
    batches = list(batches)
    with torch.random.fork_rng(devices=[]), evaluating(model):
        loss = mean_loss(task, model, batches)
        figures = task.figures(model, encoding, batches, loss)
        found = {name: float(value) for name, value in figures.items()}
    return Scored(sum(batch.count for batch in batches), found, loss)


def settle(task: Task, model: nn.Module, encoding: Any, batches: Iterable[Batch]) -> None:
    """What a task chooses on a held-out part besides weights, if it chooses anything."""
    if hasattr(task, "settle"):
        with torch.random.fork_rng(devices=[]), evaluating(model):
            task.settle(model, encoding, batches)
