"""How many steps a run takes and how large each one is: fixed early, recorded, never changed by the clock again."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

WARM_UP = 100  # steps; with fewer than 1000 in all, a tenth of them
FLOOR = 0.02   # of the learning rate at the end


@dataclass(frozen=True)
class Plan:
    """Steps of a run: a linear warm-up, then half a cosine down (Loshchilov and Hutter 2017, without restarts).

    steps  how many there are
    timed  how many were taken before `steps` was known (0 where it was known from the start)

    >>> plan = Plan(steps=2000)
    >>> plan.factor(0), plan.factor(100), round(plan.factor(1999), 4)
    (0.01, 1.0, 0.02)
    """

    steps: int
    timed: int = 0

    def factor(self, step: int) -> float:
        """What the learning rate is multiplied with at a step, counted from 0."""
        if step < self.timed:
            return first_factor(step)
        warm = max(1, min(WARM_UP, self.steps // 10))
        if step < warm:
            return (step + 1) / warm
        gone = min(1.0, (step - warm) / max(1, self.steps - warm))
        return FLOOR + (1 - FLOOR) * (1 + math.cos(math.pi * gone)) / 2

    def evaluated(self, step: int, times: int) -> bool:
        """Whether a run that evaluates `times` times does so after this many steps."""
        return step == self.steps or (step * times) // self.steps > ((step - 1) * times) // self.steps

    def to_json(self) -> dict:
        return asdict(self)


def first_factor(step: int) -> float:
    """The factor of a step that is taken, and timed, before the number of steps is known."""
    return min(1.0, (step + 1) / WARM_UP)


def steps_in(seconds: float, durations: list[float], evaluation: float) -> int:
    """How many more steps fit, given how long the first ones took, in seconds.

    The lower quartile, so that steps that met a busy machine do not decide; the first three warm caches up and do
    not count where there are more. `evaluation` is what all evaluations take, in steps; they get at most half the time.

    >>> steps_in(10.0, [9.0, 1.0, 1.0, 1.0, 1.0], evaluation=2.0)
    8
    """
    settled = sorted(durations[3:] or durations[-1:])
    fit = seconds / settled[len(settled) // 4]
    return max(0, int(fit - min(evaluation, fit / 2)))
