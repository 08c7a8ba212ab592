"""How many steps a run takes and how large each one is. Where minutes are given the clock decides how many:
after a few timed steps, and again after each evaluation, for machines grow warm and others come and go."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Annotated

from msgspec import Meta

from ..task import Recipe

WARM_UP = 100  # steps; with fewer than 1000 in all, a tenth of them
FLOOR = 0.02  # of the learning rate at the end
LONGEST = 4096  # bits of a share's denominator


Steps = Annotated[int, Meta(ge=0, le=2**60)]


@dataclass(frozen=True)
class Schedule:
    """Steps of a run: a linear warm-up, then half a cosine down (Loshchilov and Hutter 2017, without restarts).

    steps  how many there are
    timed  how many were taken before `steps` was known (0 where it was known from the start)
    since  the step at which `steps` was last estimated again
    done   the share of the run that was over by then, as numerator and denominator
    first  how many steps there were to be at first; 0: as many as there are

    >>> schedule = Schedule(steps=2000)
    >>> schedule.factor(0), schedule.factor(100), round(schedule.factor(1999), 4)
    (0.01, 1.0, 0.02)
    """

    steps: Steps
    timed: Steps = 0
    since: Steps = 0
    done: tuple[int, int] = (0, 1)
    first: Steps = 0

    def __post_init__(self):
        over, of = self.done
        if not 0 <= over <= of or of == 0 or of.bit_length() > LONGEST:
            raise ValueError(f"{over} / {of} of a run is not a share")

    def factor(self, step: int) -> float:
        """What the learning rate is multiplied with at a step, counted from 0."""
        if step < self.timed:
            return first_factor(step)
        first = self.first or self.steps
        warm = max(1, min(WARM_UP, first // 10))
        if step < warm or first <= warm:
            return min(1.0, (step + 1) / warm)
        gone = float(max(0, (self.share(step) * first - warm) / (first - warm)))
        return FLOOR + (1 - FLOOR) * (1 + math.cos(math.pi * gone)) / 2

    def evaluated(self, step: int, times: int) -> bool:
        """Whether a run that evaluates `times` times does so after this many steps."""
        return step == self.steps or self.share(step) * times // 1 > self.share(step - 1) * times // 1

    def share(self, step: int) -> Fraction:
        """How much of the run is over after so many steps; at most 1."""
        done = Fraction(*self.done)
        return min(
            Fraction(1), done + (1 - done) * Fraction(step - self.since, max(1, self.steps - self.since))
        )

    def replanned(self, step: int, more: int) -> Schedule:
        """The schedule of a run that goes on for `more` steps after this one: the rate
        falls on from where it is.

        >>> schedule = Schedule(2000).replanned(1000, more=500)
        >>> before = Schedule(2000)
        >>> schedule.factor(1000) == before.factor(1000), schedule.factor(1250) == before.factor(1500)
        (True, True)
        """
        share = self.share(step)
        return replace(
            self,
            steps=step + more,
            since=step,
            done=(share.numerator, share.denominator),
            first=self.first or self.steps,
        )


def epoch_factor(recipe: Recipe, step: int, steps_per_epoch: int) -> float | None:
    """The factor of a step where a recipe counts in epochs; None where the schedule says it.

    >>> recipe = Recipe(steady_epochs=4, epoch_decay=0.5)
    >>> [epoch_factor(recipe, 10 * epoch, 10) for epoch in range(7)]
    [1.0, 1.0, 1.0, 1.0, 0.5, 0.25, 0.125]
    """
    if recipe.steady_epochs is None:
        return None
    return recipe.epoch_decay ** max(0, step // steps_per_epoch - recipe.steady_epochs + 1)


def first_factor(step: int) -> float:
    """The factor of a step that is taken, and timed, before the number of steps is known."""
    return min(1.0, (step + 1) / WARM_UP)


def steps_in(seconds: float, durations: list[float], evaluation: float) -> int:
    """How many more steps fit, given how long the first ones took, in seconds.

    The median, so that a few steps that met a busy machine do not decide; the first three warm caches
    up and do not count where there are more. `evaluation` is what all evaluations take, in steps; they
    get at most half the time.

    >>> steps_in(10.0, [9.0, 1.0, 1.0, 1.0, 1.0], evaluation=2.0)
    8
    """
    recent = sorted(durations[3:] or durations[-1:])
    fit = seconds / recent[len(recent) // 2]
    return max(0, int(fit - min(evaluation, fit / 2)))
