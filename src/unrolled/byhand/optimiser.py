"""One step of an optimiser, from nothing: what it makes of a weight and its gradient."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import UsageError
from .numbers import Array

EPSILON = 1e-8


@dataclass(frozen=True)
class Rule:
    """`words` and `latex` are the rule in symbols, c the gradient; `move` is what is taken off a weight."""

    words: str
    latex: str
    move: Callable[[float, float], float]


# Of the first step, where running means have seen one gradient and their bias is corrected.
RULES = {
    "sgd": Rule("w* = w - rate * c", r"w^{*} = w - \alpha\, c", lambda c, rate: rate * c),
    "adam": Rule(
        "w* = w - rate * c / (|c| + 1e-8), Adam's first step",
        r"w^{*} = w - \alpha\, \frac{c}{|c| + 10^{-8}}",
        lambda c, rate: rate * c / (abs(c) + EPSILON),
    ),
    "adagrad": Rule(
        "w* = w - rate * c / sqrt(c**2 + 1e-8), Adagrad's first step",
        r"w^{*} = w - \alpha\, \frac{c}{\sqrt{c^{2} + 10^{-8}}}",
        lambda c, rate: rate * c / math.sqrt(c * c + EPSILON),
    ),
}


@dataclass(frozen=True)
class Step:
    """Weights before and after one step, and the loss before and after."""

    optimiser: str
    rate: float
    before: dict[str, Array]
    after: dict[str, Array]
    loss_before: float
    loss_after: float

    @property
    def rule(self) -> Rule:
        return RULES[self.optimiser]


def find_rule(optimiser: str) -> Rule:
    """Raises UsageError for a name that is none."""
    if optimiser not in RULES:
        raise UsageError(
            f"there is no optimiser {optimiser!r} to do by hand: choose one of {', '.join(RULES)}."
        )
    return RULES[optimiser]


def stepped(rule: Rule, rate: float, weights: Array, gradient: Array) -> Array:
    return Array(weights.shape, tuple(w - rule.move(c, rate) for w, c in zip(weights.cells, gradient.cells)))
