"""How a character is drawn from a model's logits: the rule, and its definition in Python. The C of it
(kernels/c/headers/draw.h) draws the same, number for number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import UnrolledError, UsageError

WORD = 2**64 - 1


class NoNumbers(UnrolledError):
    """A model whose logits of the next character are not finite."""

    exit_code = 1

    def __init__(self):
        super().__init__(
            "the model's logits of the next character are not finite numbers, so none can be drawn: its weights"
            " have grown without bound. Train again with a smaller --rate."
        )


@dataclass(frozen=True)
class DrawRule:
    """What may be drawn, and how freely.

    temperature  logits are divided by it: below 1 more predictable, above 1 wilder; 0
                 always takes the likeliest
    top_k        draw among the k likeliest only (Fan et al. 2018)
    top_p        draw among the fewest that together reach this probability, after `top_k` (the nucleus
                 of Holtzman et al. 2020)

    Raises UsageError for numbers out of range.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self):
        if not 0 <= self.temperature < math.inf:
            raise UsageError(
                f"--temperature {self.temperature} is not a number from 0 up: 0.5 is tame, 1 as learned."
            )
        if self.top_k is not None and self.top_k < 1:
            raise UsageError(f"--top-k {self.top_k} leaves no character to draw: give 1 or more.")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise UsageError(
                f"--top-p {self.top_p} is not a share of the probability: give a number above 0, up to 1."
            )

    def numbers(self) -> tuple[float, int, float]:
        """Temperature, k and p, with numbers that restrict nothing where none were given."""
        return (
            self.temperature,
            2**31 if self.top_k is None else self.top_k,
            1.0 if self.top_p is None else self.top_p,
        )


def uniform(state: int) -> tuple[int, float]:
    """The next state of a generator, and a number in [0, 1) with 53 bits. A seed is the first state.

    SplitMix64 (Steele, Lea and Flood, Fast splittable pseudorandom number generators, OOPSLA 2014).

    >>> uniform(0)[1]
    0.8833108082136426
    """
    state = (state + 0x9E3779B97F4A7C15) & WORD
    z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & WORD
    return state, ((z ^ (z >> 31)) >> 11) * 2.0**-53


def draw(logits: Sequence[float], rule: DrawRule, state: int) -> tuple[int, int]:
    """The index drawn, and the generator's next state. Of two alike the one of lower index is the likelier.

    Raises NoNumbers where a logit is NaN or infinite, or all are -infinity.

    >>> draw([0.0, 2.0, 1.0], DrawRule(temperature=0.0), 7)
    (1, 7)
    """
    best = max(range(len(logits)), key=logits.__getitem__)
    if not all(number < math.inf for number in logits) or logits[best] == -math.inf:
        raise NoNumbers
    temperature, k, p = rule.numbers()
    if temperature == 0:
        return best, state
    weights = [math.exp((number - logits[best]) / temperature) for number in logits]
    if k < len(logits) or p < 1:
        weights = _restricted(logits, weights, k, p)
    state, number = uniform(state)
    at, reached, last = number * _sum(weights), 0.0, 0
    for index, weight in enumerate(weights):
        if weight > 0:
            reached, last = reached + weight, index
            if at < reached:
                return index, state
    return last, state  # rounding left the sum a little short


def _restricted(logits: Sequence[float], weights: list[float], k: int, p: float) -> list[float]:
    """Weight 0 for what must not be drawn."""
    order = sorted(range(len(logits)), key=lambda index: (-logits[index], index))[:k]
    allowed = set(order)
    weights = [weight if index in allowed else 0.0 for index, weight in enumerate(weights)]
    if p >= 1:
        return weights
    enough, reached, kept = p * _sum(weights), 0.0, set()
    for index in order:
        if kept and reached >= enough:
            break
        kept.add(index)
        reached += weights[index]
    return [weight if index in kept else 0.0 for index, weight in enumerate(weights)]


def _sum(weights: Sequence[float]) -> float:
    """One after the other: `sum` of newer Pythons rounds otherwise."""
    total = 0.0
    for weight in weights:
        total += weight
    return total
