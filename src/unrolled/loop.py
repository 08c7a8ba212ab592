"""The steps of a training: forward, back, update; figures, evaluations, samples and checkpoints as they fall due."""

from __future__ import annotations

import json
import math
import statistics
import time

import torch

from .interruption import Interruption
from .profile import BESIDE
from .progress import duration, printable
from .schedule import Plan, first_factor, steps_in
from .snapshot import Training, diverged, save

EVALUATIONS = 5  # in a run
REPORTS = 200  # lines in metrics.jsonl
SAMPLED = 240  # characters of each sample
TIMED_STEPS = (12, 200)  # at least and at most this many steps are timed,
TIMED_SECONDS = 2.0  # until this long has passed
EVALUATION_COST = 0.5  # of a training step on as many characters


def run_steps(training: Training, interruption: Interruption, save_every: float) -> None:
    """Go from the step a training is at to its last, or to a checkpoint at the step where it is asked to stop."""
    saved = time.monotonic()
    while training.plan is None or training.step < training.plan.steps:
        _take_step(training)
        if training.plan is None and _timed_enough(training):
            _fix_plan(training)
        if training.plan is not None:
            _report(training)
            if interruption.name or time.monotonic() - saved >= save_every:
                save(training)
                saved = time.monotonic()
        training.progress.tick(lambda: _line(training))
        training.done(BESIDE)
        if interruption.name and (training.plan is None or training.step < training.plan.steps):
            saved_at = f"after step {training.step:,}, which is saved"
            kept = saved_at if training.plan else "while the first steps were timed"
            training.progress.say(
                f"stopped by {interruption.name} {kept}. "
                f"Go on with: unrolled train --resume {training.folder.path}"
            )
            return
    _finish(training)


def _take_step(training: Training) -> None:
    """One batch forward and back, and one update."""
    began = time.perf_counter()
    task, step, profile, done = training.task, training.step, training.profile, training.done
    if profile:
        profile.begin()
    factor = first_factor(step) if training.plan is None else training.plan.factor(step)
    task.settle(training.model, len(training.data.training), _epochs(training))
    for group in training.optimiser.param_groups:
        group["lr"] = task.rate * factor
    state = None if training.data.starts(step) else training.state
    batch = training.data.batch(step)
    done("batch")
    loss, training.state = task.loss(training.model, batch, state)
    done("after the modules")
    training.optimiser.zero_grad()
    done("old gradients dropped")
    loss.backward()
    done(profile.last_back() if profile else "")
    norm = torch.nn.utils.clip_grad_norm_(training.model.parameters(), task.clip)
    done("clipping")
    if not (math.isfinite(loss.item()) and math.isfinite(norm.item())):
        diverged(training, f"the loss is {loss.item():g} and its gradient's norm {norm.item():g}")
    done("bookkeeping")
    training.optimiser.step()
    done("optimiser")
    training.step += 1
    training.losses.append(loss.item())
    training.shown = loss.item() if step == 0 else 0.95 * training.shown + 0.05 * loss.item()
    training.durations.append(time.perf_counter() - began)
    del training.durations[: -TIMED_STEPS[1]]
    done("bookkeeping")


def _epochs(training: Training) -> float | None:
    """How often the data will be gone through; None in the steps that are timed, when they are taken again too."""
    plan = training.plan
    return None if plan is None or training.step < plan.timed else plan.steps / training.data.steps_per_epoch


def _timed_enough(training: Training) -> bool:
    least, most = TIMED_STEPS
    count, budget = training.step, training.settings["minutes"] * 60
    # A step may be so slow that a dozen would use up the whole time.
    return (
        count >= most
        or count >= 1
        and training.elapsed() > budget / 2
        or (count >= least and sum(training.durations) >= TIMED_SECONDS)
    )


def _fix_plan(training: Training) -> None:
    """Turn the minutes into a number of steps."""
    data = training.data
    evaluation = EVALUATIONS * EVALUATION_COST * len(data.validation) / data.characters_per_step
    left = training.settings["minutes"] * 60 - training.elapsed()
    more = steps_in(left, training.durations, evaluation)
    _keep_plan(training, Plan(training.step + more, timed=training.step))
    epochs = training.plan.steps / data.steps_per_epoch
    training.progress.say(
        f"{training.plan.steps:,} steps fit into the time: {epochs:.1f} times through the text, "
        f"dropout {training.task.settle(training.model, len(data.training), epochs):g}"
    )


def _settle_plan(training: Training, evaluation: float) -> None:
    """The steps that still fit after an evaluation, which took so many seconds. What was done before stays as it was: a run
    that goes on from an older checkpoint finds the older plan there."""
    left = training.settings["minutes"] * 60 - training.elapsed()
    still = EVALUATIONS - round(training.plan.share(training.step) * EVALUATIONS)
    pace = statistics.median(training.durations)
    _keep_plan(
        training,
        training.plan.settled(training.step, steps_in(left, training.durations, still * evaluation / pace)),
    )


def _keep_plan(training: Training, plan: Plan) -> None:
    """From here on the run goes by this plan, also where it is resumed."""
    training.plan = plan
    training.settings["plan"] = plan.to_json()
    training.folder.write_json("settings.json", training.settings)
    save(training)


def _report(training: Training) -> None:
    """After a step: the figures, where some are due; an evaluation and a sample, where one is."""
    step, plan = training.step, training.plan
    evaluated = plan.evaluated(step, EVALUATIONS)
    # While steps are timed no report can be due: nobody knows of how many. So none is, when they are taken again.
    if step < plan.timed or not (evaluated or step == plan.timed or step % max(1, plan.steps // REPORTS) == 0):
        return
    began = time.monotonic()
    figures = {
        "step": step,
        "characters": step * training.data.characters_per_step,
        "seconds": round(training.elapsed(), 3),
        "loss": sum(training.losses) / len(training.losses),
    }
    training.losses.clear()
    if evaluated:
        figures["validation"] = training.last = _evaluate(training)
    training.folder.append("metrics.jsonl", json.dumps(figures) + "\n")
    if evaluated and plan.timed and step < plan.steps:
        _settle_plan(training, time.monotonic() - began)


def _evaluate(training: Training) -> float:
    task, folder, step = training.task, training.folder, training.step
    nats = task.evaluate(training.model, training.data)
    if not math.isfinite(nats):
        diverged(training, f"the held-out text's loss is {nats:g}")
    if nats < training.best:
        training.best = nats
        folder.save_weights(training.model.state_dict(), {"step": step, "validation": nats})
    drawn = task.sample(
        training.model, training.data.vocabulary, length=SAMPLED, seed=training.settings["seed"] + step
    )
    text = "".join(drawn)
    folder.append("samples.txt", f"--- step {step}, {nats:.4f} nats per character\n{text}\n\n")
    lines = printable(text).strip("\n").splitlines()[:6]
    training.progress.say(
        f"step {step:,}: held out {nats:.4f} nats, {nats / math.log(2):.3f} bits per character; "
        "it writes\n" + "\n".join(f"    {line}" for line in lines)
    )
    return nats


def _line(training: Training) -> str:
    """The live line."""
    loss = training.shown
    recent = training.durations[-20:]
    pace = sum(recent) / len(recent)
    speed = training.data.characters_per_step / pace
    line = f"loss {loss:.3f}  {loss / math.log(2):.3f} bits/char  {speed:,.0f} chars/s"
    if training.plan is None:
        return f"timing the first steps  {line}"
    left = (training.plan.steps - training.step) * pace
    return f"step {training.step:,}/{training.plan.steps:,}  {line}  {duration(left)} left"


def _finish(training: Training) -> None:
    """The last checkpoint, the best weights, and the word that this run is done."""
    folder = training.folder
    save(training)
    best = folder.weights()
    if best is not None:
        training.model.load_state_dict(best.tensors)
    training.settings["finished"] = True
    folder.write_json("settings.json", training.settings)
    at_best = "" if training.best == training.last else f" (the last step: {training.last:.4f})"
    training.progress.say(
        f"done in {duration(training.elapsed())}: {training.best:.4f} nats, {training.best / math.log(2):.3f} bits "
        f"per character on the held-out text{at_best}\n"
        f"the run is in {folder.path}. Next:\n"
        f"    unrolled sample {folder.path} --length 1000 --temperature 0.7\n"
        f"    unrolled evaluate {folder.path} --text FILE"
    )
