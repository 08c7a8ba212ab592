"""The steps of a training: forward, back, update; figures, evaluations, examples and
checkpoints as they fall due.
"""

from __future__ import annotations

import math
import statistics
import time

import torch
from torch import Tensor

from ..task import Loss
from .average import follow
from .profile import BESIDE
from .report import evaluate, finish, line, report_due, say_schedule, say_stopped, write_report
from .schedule import Schedule, epoch_factor, first_factor, steps_in
from .signals import Interruption
from .state import Training, diverged, save

TIMED_STEPS = (12, 200)  # at least and at most this many steps are timed,
TIMED_SECONDS = 2.0  # until this long has passed
EVALUATION_COST = 0.5  # of a training step on as many units


def run_steps(training: Training, interruption: Interruption, save_every: float) -> None:
    """Go from the step a training is at to its last, or to a checkpoint at the step
    where it is asked to stop.
    """
    saved = time.monotonic()
    while not training.over():
        take_step(training)
        if training.schedule is None and training.team.told(_timed_enough(training)):
            _fix_schedule(training)
        # In whichever process the signal came, and by the leader's clock: all stop and
        # save after the same step.
        stops, due = training.team.sums(bool(interruption.name), time.monotonic() - saved >= save_every)
        if training.schedule is not None:
            _report(training)
            if stops or due:
                save(training)
                saved = time.monotonic()
        training.progress.tick(lambda: line(training))
        training.done(BESIDE)
        if stops and not training.over():
            interruption.name = interruption.name or "a signal to another process"
            say_stopped(training, interruption.name)
            return
    save(training)
    finish(training)


def take_step(training: Training) -> None:
    """One batch forward and back, and one update, in five phases."""
    began = time.perf_counter()
    if training.profile:
        training.profile.begin()
    _prepare(training)
    mean, units = _backward(training, *_forward(training))
    norm = _clip(training)
    if not (math.isfinite(mean) and math.isfinite(norm)):
        diverged(training, f"the loss is {mean:g} and its gradient's norm {norm:g}")
    training.done("bookkeeping")
    training.optimiser.step()
    if training.averages is not None:
        follow(training.averages, training.model, training.task.recipe.average, training.step)
    training.done("optimiser")
    _count(training, mean, units, time.perf_counter() - began)
    training.done("bookkeeping")


def _prepare(training: Training) -> None:
    """This step's dropout and learning rate."""
    task, step = training.task, training.step
    factor = epoch_factor(task.recipe, step, training.data.steps_per_epoch)
    if factor is None:
        factor = first_factor(step) if training.schedule is None else training.schedule.factor(step)
    set_dropout(training)
    for group in training.optimiser.param_groups:
        group["lr"] = task.recipe.rate * factor


def _forward(training: Training) -> tuple[Loss, int]:
    """The loss of this process's part of a batch, and how many units that part has."""
    batch = training.data.batch(training.step, training.team.part)
    training.done("batch")
    if not batch.count:  # more processes than rows: nothing to say, yet this one is to take the step
        loss = Loss(torch.zeros(()), 0, None)
    else:
        with torch.autocast("cpu", torch.bfloat16, enabled=training.task.recipe.precision == "bf16"):
            loss = training.task.loss(training.model, batch, training.state if batch.continues else None)
    training.state = loss.state
    training.done("after the modules")
    return loss, batch.count


def _backward(training: Training, loss: Loss, count: int) -> tuple[float, int]:
    """Gradients of the mean loss, which is returned with the number of units in the whole batch."""
    training.optimiser.zero_grad()
    training.done("old gradients dropped")
    total, terms, units = training.team.sums(loss.total.item(), loss.terms, count)
    mean: Tensor = loss.total / max(1, terms)
    if mean.requires_grad:
        mean.backward()
    training.team.sum_gradients(training.model)
    training.done(training.profile.last_back() if training.profile else "")
    return total / max(1, terms), int(units)


def _clip(training: Training) -> float:
    norm = torch.nn.utils.clip_grad_norm_(training.model.parameters(), training.task.recipe.clip)
    training.done("clipping")
    return norm.item()


def _count(training: Training, mean: float, units: int, seconds: float) -> None:
    training.shown = mean if training.step == 0 else 0.95 * training.shown + 0.05 * mean
    training.step += 1
    training.units += units
    training.losses.append(mean)
    training.durations.append(seconds)
    del training.durations[: -TIMED_STEPS[1]]


def set_dropout(training: Training) -> float:
    """Set the model's dropout by how often the data will be gone through, and return it. Nobody knows in the
    steps that are timed, nor when they are taken again."""
    schedule = training.schedule
    epochs = None
    if schedule is not None and training.step >= schedule.timed:
        epochs = schedule.steps / training.data.steps_per_epoch
    weights = sum(weight.numel() for weight in training.model.parameters())
    share = training.task.dropout(weights, training.data, epochs)
    training.model.set_dropout(share)
    return share


def _timed_enough(training: Training) -> bool:
    least, most = TIMED_STEPS
    count, budget = training.step, training.settings.minutes * 60
    # A step may be so slow that a dozen would use up the whole time.
    slow = count >= 1 and training.elapsed() > budget / 2
    return count >= most or slow or (count >= least and sum(training.durations) >= TIMED_SECONDS)


def _fix_schedule(training: Training) -> None:
    """Turn the minutes into a number of steps."""
    data = training.data
    evaluation = training.settings.evaluations * EVALUATION_COST * data.held_out_size / data.units_per_step
    left = training.settings.minutes * 60 - training.elapsed()
    more = training.team.told(steps_in(left, training.durations, evaluation))
    _keep_schedule(training, Schedule(training.step + more, timed=training.step))
    say_schedule(training, set_dropout(training))


def _replan(training: Training, evaluation: float) -> None:
    """The steps that still fit after an evaluation, which took so many seconds. What was done before stays as
    it was: a run that goes on from an older checkpoint finds the older schedule there."""
    left = training.settings.minutes * 60 - training.elapsed()
    times = training.settings.evaluations
    still = times - round(training.schedule.share(training.step) * times)
    pace = statistics.median(training.durations)
    more = training.team.told(steps_in(left, training.durations, still * evaluation / pace))
    _keep_schedule(training, training.schedule.replanned(training.step, more))


def _keep_schedule(training: Training, schedule: Schedule) -> None:
    """From here on the run goes by this schedule, also where it is resumed."""
    training.schedule = training.settings.schedule = schedule
    if training.team.leads:
        training.folder.write_settings(training.settings)
    save(training)


def _report(training: Training) -> None:
    """After a step: the figures, where some are due; an evaluation and an example, where one is."""
    step, schedule = training.step, training.schedule
    evaluated = schedule.evaluated(step, training.settings.evaluations)
    if not report_due(training, evaluated):
        return
    began = time.monotonic()
    figures = evaluate(training) if evaluated and training.team.leads else None
    told = training.team.told((training.best, training.best_loss, training.last, training.worse))
    training.best, training.best_loss, training.last, training.worse = told
    if training.team.leads:
        write_report(training, figures)
    training.losses.clear()
    if evaluated and schedule.timed and not training.over():
        _replan(training, time.monotonic() - began)
