"""The running average of a training's weights, which is evaluated and kept in place of the weights themselves
(Polyak and Juditsky 1992): they go on jumping about a good place until the learning rate is very small."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

Averages = dict[str, Tensor]
# Steps: until some times so many are taken the average is over fewer, for the first weights are random.
YOUNG = 10


def begun(model: nn.Module) -> Averages:
    """Averages that begin with the weights as they are."""
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


@torch.no_grad()
def follow(averages: Averages, model: nn.Module, kept: float, step: int) -> None:
    """Take a step's weights in. Of the average a share `kept` stays, less of a young one;
    steps are counted from 0.
    """
    kept = min(kept, (1 + step) / (YOUNG + step))
    names, weights = zip(*model.named_parameters())
    torch._foreach_lerp_([averages[name] for name in names], weights, 1 - kept)


@contextmanager
def averaged(averages: Averages | None, model: nn.Module) -> Iterator[None]:
    """Within it the model has the averages for its weights; without any it stays as it is."""
    if averages is None:
        yield
        return
    weights = dict(model.named_parameters())
    own = {name: weight.detach().clone() for name, weight in weights.items()}
    try:
        _put(averages, weights)
        yield
    finally:
        _put(own, weights)


@torch.no_grad()
def _put(values: Averages, weights: dict[str, nn.Parameter]) -> None:
    for name, weight in weights.items():
        weight.copy_(values[name])
