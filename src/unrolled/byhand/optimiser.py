"""Steps of an optimiser, from nothing: what it makes of a weight, its gradient, and what it
remembers of earlier ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ..errors import UsageError
from .numbers import Array

EPSILON = 1e-8
Memory = tuple[float, ...]
Move = Callable[[float, Memory, int], tuple[float, Memory]]  # c, memory, k -> w's change by rate, new memory


@dataclass(frozen=True)
class UpdateRule:
    """`words` and `latex` are the rule in symbols, c the gradient and k the step; `first` what is left
    of it in the first step. `move` gives what is taken off a weight, as a multiple of the rate;
    memories begin with zeros."""

    words: str
    latex: str
    first: str
    move: Move
    memories: int = 0


def _sgd(c: float, memory: Memory, k: int) -> tuple[float, Memory]:
    return c, ()


def _momentum(c: float, memory: Memory, k: int) -> tuple[float, Memory]:
    v = 0.9 * memory[0] + c
    return v, (v,)


def _rmsprop(c: float, memory: Memory, k: int) -> tuple[float, Memory]:
    v = 0.9 * memory[0] + 0.1 * c * c
    return c / (math.sqrt(v) + EPSILON), (v,)


def _adam(c: float, memory: Memory, k: int) -> tuple[float, Memory]:
    m, v = 0.9 * memory[0] + 0.1 * c, 0.999 * memory[1] + 0.001 * c * c
    return (m / (1 - 0.9**k)) / (math.sqrt(v / (1 - 0.999**k)) + EPSILON), (m, v)


def _adagrad(c: float, memory: Memory, k: int) -> tuple[float, Memory]:
    v = memory[0] + c * c
    return c / math.sqrt(v + EPSILON), (v,)


RULES = {
    "sgd": UpdateRule("w* = w - rate * c", r"w^{*} = w - \alpha\, c", "w* = w - rate * c", _sgd),
    "momentum": UpdateRule(
        "v* = 0.9 * v + c, w* = w - rate * v*",
        r"v^{*} = 0.9 v + c, \quad w^{*} = w - \alpha\, v^{*}",
        "w* = w - rate * c, momentum's first step",
        _momentum,
        1,
    ),
    "rmsprop": UpdateRule(
        "v* = 0.9 * v + 0.1 * c**2, w* = w - rate * c / (sqrt(v*) + 1e-8)",
        r"v^{*} = 0.9 v + 0.1 c^{2}, \quad w^{*} = w - \alpha\, \frac{c}{\sqrt{v^{*}} + 10^{-8}}",
        "w* = w - rate * c / (sqrt(0.1 * c**2) + 1e-8), RMSprop's first step",
        _rmsprop,
        1,
    ),
    "adam": UpdateRule(
        "m* = 0.9 * m + 0.1 * c, v* = 0.999 * v + 0.001 * c**2, "
        "w* = w - rate * (m* / (1 - 0.9**k)) / (sqrt(v* / (1 - 0.999**k)) + 1e-8)",
        r"m^{*} = 0.9 m + 0.1 c, \quad v^{*} = 0.999 v + 0.001 c^{2}, \quad w^{*} = w - \alpha\, "
        r"\frac{m^{*} / (1 - 0.9^{k})}{\sqrt{v^{*} / (1 - 0.999^{k})} + 10^{-8}}",
        "w* = w - rate * c / (|c| + 1e-8), Adam's first step",
        _adam,
        2,
    ),
    "adagrad": UpdateRule(
        "v* = v + c**2, w* = w - rate * c / sqrt(v* + 1e-8)",
        r"v^{*} = v + c^{2}, \quad w^{*} = w - \alpha\, \frac{c}{\sqrt{v^{*} + 10^{-8}}}",
        "w* = w - rate * c / sqrt(c**2 + 1e-8), Adagrad's first step",
        _adagrad,
        1,
    ),
}


@dataclass(frozen=True)
class DescentStep:
    """Weights before and after the k-th step, the gradients that it was taken with, and
    the loss before and after.

    memory  what the rule remembers, by parameter: its v, or m and v, after the step
    """

    optimiser: str
    rate: float
    before: dict[str, Array]
    after: dict[str, Array]
    loss_before: float
    loss_after: float
    k: int = 1
    gradients: Mapping[str, Array] = field(default_factory=dict)
    memory: Mapping[str, tuple[Memory, ...]] = field(default_factory=dict)

    @property
    def rule(self) -> UpdateRule:
        return RULES[self.optimiser]


def find_rule(optimiser: str) -> UpdateRule:
    """Raises UsageError for an unknown name."""
    if optimiser not in RULES:
        raise UsageError(
            f"there is no optimiser {optimiser!r} to do by hand: choose one of {', '.join(RULES)}."
        )
    return RULES[optimiser]


def stepped(
    rule: UpdateRule, rate: float, weights: Array, gradient: Array, memory: tuple[Memory, ...] | None, k: int
) -> tuple[Array, tuple[Memory, ...]]:
    """The weights after a step, and what is remembered for each."""
    memory = memory or ((0.0,) * rule.memories,) * len(weights.cells)
    moves = [rule.move(c, m, k) for c, m in zip(gradient.cells, memory)]
    cells = tuple(w - rate * move for w, (move, _) in zip(weights.cells, moves))
    return Array(weights.shape, cells), tuple(m for _, m in moves)
