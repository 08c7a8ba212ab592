"""Options that the held-out part chooses: each of a few values is trained with for a short while,
and the best one is kept.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any, NamedTuple

import torch

from ..options import differing
from ..scoring import scored
from ..task import Data, Task
from .optimiser import optimiser_of
from .schedule import Schedule

SHARE = 0.3  # of a run's minutes or epochs, for all trials
LEAST = 100  # steps of a trial; fewer tell nothing, and the usual value is taken
TIMED = 4  # steps, the first of which builds kernels


class Chosen(NamedTuple):
    """Values by option; what is to be said of them; and seconds that the trials took."""

    values: dict[str, Any]
    said: dict[str, str]
    seconds: float = 0.0


def with_choices(task: Task, data: Data, minutes: float | None, epochs: float | None, seed: int) -> Chosen:
    """What a task's `choices` become, where it has some: one option after the other, the values chosen
    before in place. The first figure of the held-out part decides, which no trial learns from; the test
    part is not looked at."""
    began, said = time.monotonic(), {}
    options = task.choices(data, minutes) if hasattr(task, "choices") else {}
    values = {option: candidates[0] for option, candidates in options.items()}
    settled = replace(task, **{option: one for option, (one, *others) in options.items() if not others})
    if found := [
        f"{option} {getattr(value, 'name', value)}" for option, value, _, _ in differing(settled, task)
    ]:
        said["settled by the data:"] = ", ".join(found)[:200]
    open_ones = {option: candidates for option, candidates in options.items() if len(candidates) > 1}
    share = SHARE / max(1, sum(len(candidates) - 1 for candidates in open_ones.values()) + 1)
    steps = _steps(replace(task, **values), data, share, minutes, epochs) if open_ones else 0
    usual = None  # the figure of the values so far
    for option, candidates in open_ones.items():
        if steps < LEAST:
            said[option] = f"{candidates[0]}: there is no time to try others"
            continue
        figures = [
            usual
            if usual is not None and one == values[option]
            else _trial(replace(task, **values | {option: one}), data, steps, seed)
            for one in candidates
        ]
        best = (max if task.better == "higher" else min)(range(len(candidates)), key=figures.__getitem__)
        values[option], usual = candidates[best], figures[best]
        others = ", ".join(
            f"{figure:.4f} with {one}" for one, figure in zip(candidates, figures) if one != candidates[best]
        )
        said[option] = f"{candidates[best]}: {figures[best]:.4f} after {steps:,} steps, {others}"[:200]
    return Chosen(values, said, time.monotonic() - began)


def _steps(task: Task, data: Data, share: float, minutes: float | None, epochs: float | None) -> int:
    """Of a trial that takes a share of the run."""
    if epochs is not None:
        return int(share * epochs * data.steps_per_epoch)
    began = time.monotonic()
    _trial(task, data, 1, 0, evaluates=False)
    first = time.monotonic() - began
    if first > share * minutes * 60:
        return 0
    began = time.monotonic()
    _trial(task, data, TIMED, 0, evaluates=False)
    return int(share * minutes * 60 * TIMED / (time.monotonic() - began))


def _trial(task: Task, data: Data, steps: int, seed: int, evaluates: bool = True) -> float:
    """The first figure after so many steps; the worst there is where the loss is no number."""
    worst = -math.inf if task.better == "higher" else math.inf
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = task.model(data.encoding).train()
        optimiser, schedule, state = optimiser_of(task.recipe, model), Schedule(steps), None
        model.set_dropout(task.dropout(sum(w.numel() for w in model.parameters()), data, None))
        for step in range(steps):
            for group in optimiser.param_groups:
                group["lr"] = task.recipe.rate * schedule.factor(step)
            batch = data.batch(step)
            loss = task.loss(model, batch, state if batch.continues else None)
            if not torch.isfinite(loss.total):
                return worst
            state = loss.state
            optimiser.zero_grad()
            (loss.total / loss.terms).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), task.recipe.clip)
            optimiser.step()
        if not evaluates:
            return worst
        figure = next(iter(scored(task, model, data.encoding, data.held_out()).figures.values()))
    return figure if math.isfinite(figure) else worst
