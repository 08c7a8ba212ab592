"""The mean loss of a model over batches: a sum over a number of terms, each counted once."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import contextmanager

import torch
from torch import nn

from .task import Batch, Task


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
    """Mean loss per term; NaN where there is no term. States are carried where a batch says that it continues."""
    total, terms, state = 0.0, 0, None
    with evaluating(model):
        for batch in batches:
            loss = task.loss(model, batch, state if batch.continues else None)
            total += loss.total.item()
            terms += loss.terms
            state = loss.state
    return total / terms if terms else float("nan")
