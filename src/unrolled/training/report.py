"""What a training says and writes down: the live line, figures, evaluations with an example, and its end."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import torch

from ..runs.checkpoint import check_tensors
from ..scoring import evaluating, finite, scored, settle
from ..task import Figures, test_part
from ..terminal import printable
from .average import averaged
from .progress import duration
from .state import Training, diverged

REPORTS = 200  # lines in metrics.jsonl
LINES_SHOWN = 6  # of an example


def line(training: Training) -> str:
    """The live line."""
    recent = training.durations[-20:]
    pace = sum(recent) / len(recent)
    speed = training.data.units_per_step / pace
    said = f"{training.task.line(training.shown)}  {speed:,.0f} {training.task.unit.short}s/s"
    if training.schedule is None:
        return f"timing the first steps  {said}"
    left = (training.schedule.steps - training.step) * pace
    return f"step {training.step:,}/{training.schedule.steps:,}  {said}  {duration(left)} left"


def say_begin(training: Training) -> None:
    """What is trained on what, and what the cheapest thing that works would reach."""
    data, unit = training.data, training.task.unit.name
    size = sum(weight.numel() for weight in training.model.parameters())
    training.progress.say(
        f"{training.folder.path}: {training.task.net.cell.name}, {size:,} weights, "
        f"{data.training_size:,} {unit}s to learn, {data.held_out_size:,} held out"
    )
    for said in getattr(data, "notes", ()):
        training.progress.say(said)
    if origin := training.settings.origin:
        training.progress.say(f"its first weights are those of {origin.run} at step {origin.step:,}")
    if note := getattr(training.model, "note", None):  # what the equations' own output layer became
        training.progress.say(note)
    for what, why in training.settings.chosen.items():
        training.progress.say(f"{what} {why}")
    if training.settings.baseline:
        training.progress.say(f"to compare with: {said_baseline(training.settings.baseline)}")


def said_baseline(figures: Mapping[str, float]) -> str:
    """The baseline's figures in one line."""
    return ", ".join(f"{name} {value:.4f}" for name, value in figures.items())


def say_schedule(training: Training, dropout: float) -> None:
    steps, data = training.schedule.steps, training.data
    training.progress.say(
        f"{steps:,} steps fit into the time: {steps / data.steps_per_epoch:.1f} times through the data, "
        f"dropout {dropout:g}"
    )


def say_stopped(training: Training, signal: str) -> None:
    saved = f"after step {training.step:,}, which is saved"
    kept = saved if training.schedule else "while the first steps were timed"
    training.progress.say(
        f"stopped by {signal} {kept}. Go on with: unrolled train --resume {training.folder.path}"
    )


def report_due(training: Training, evaluated: bool) -> bool:
    """Whether figures are written after this step. While steps are timed no report can be due, for nobody knows
    of how many; so none is when they are taken again."""
    step, schedule = training.step, training.schedule
    if step < schedule.timed:
        return False
    return evaluated or step == schedule.timed or step % max(1, schedule.steps // REPORTS) == 0


def write_report(training: Training, figures: Figures | None) -> None:
    """A line of metrics.jsonl; what is not a number is null there."""
    said = {
        "step": training.step,
        f"{training.task.unit.name}s": training.units,
        "seconds": round(training.elapsed(), 3),
        "loss": sum(training.losses) / len(training.losses),
    }
    if figures is not None:
        said |= {"validation": training.last, "figures": finite(figures)}
    training.folder.append("metrics.jsonl", json.dumps(said) + "\n")
    if training.board:
        training.board.write(said)


def evaluate(training: Training) -> Figures:
    """The figures of the held-out part; the weights are kept where they are the best so
    far; an example is shown.
    """
    with averaged(training.averages, training.model):
        return _evaluated(training)


def _evaluated(training: Training) -> Figures:
    task, folder, step = training.task, training.folder, training.step
    batches = list(training.data.held_out())
    settle(task, training.model, training.data.encoding, batches)
    _, figures, loss, _ = scored(task, training.model, training.data.encoding, batches)
    name, first = next(iter(figures.items()))
    for what, value in (("loss", loss), (name.replace("_", " "), first)):
        if not math.isfinite(value):
            diverged(training, f"the held-out part's {what} is {value:g}")
    training.worse += 1
    if training.improved(first, loss):
        training.best, training.best_loss, training.worse = first, loss, 0
        kept = {"step": step, "figures": dict(figures), "loss": loss}
        folder.save_weights(training.model.state_dict(), kept)
    training.last = first
    _say_evaluation(training, task.sentence(figures))
    return figures


def _say_evaluation(training: Training, sentence: str) -> None:
    seed = training.settings.seed + training.step
    with torch.random.fork_rng(devices=[]), evaluating(training.model):
        example = training.task.example(training.model, training.data.encoding, seed)
    said = f"step {training.step:,}: held out {sentence}"
    if example:
        training.folder.append("samples.txt", f"--- step {training.step}, {sentence}\n{example}\n\n")
        lines = printable(example).strip("\n").splitlines()[:LINES_SHOWN]
        said += "; for example\n" + "\n".join(f"    {line}" for line in lines)
    training.progress.say(said)


def finish(training: Training) -> None:
    """The best weights, and the word that this run is done."""
    folder = training.folder
    training.team.told(None)  # the leader has written what is read now
    best = folder.weights()
    figures: Figures = {}
    if best is not None:
        try:  # they may be a stranger's still, where no evaluation of ours was better
            check_tensors(best.tensors, training.model.state_dict(), "the model")
            figures = best.state["figures"]
            training.task.sentence(figures)
        except (ValueError, KeyError) as error:
            raise folder.damaged("weights.safetensors", error) from None
        training.model.load_state_dict(best.tensors)
    settings = training.settings
    if training.out_of_patience() and training.step < training.schedule.steps:
        settings.ended = training.step
    tested: Figures = {}
    if training.team.leads:
        tested = _tested(training)
        settings.test = {name: value for name, value in tested.items() if math.isfinite(value)}
    settings.finished = True
    if training.team.leads:
        folder.write_settings(settings)
    _say_end(training, figures, tested)


def _tested(training: Training) -> Figures:
    """The figures of the part by which nothing was chosen: it is looked at only now."""
    batches = list(test_part(training.data))
    return scored(training.task, training.model, training.data.encoding, batches).figures if batches else {}


def _say_end(training: Training, figures: Figures, tested: Figures) -> None:
    settings, task, folder = training.settings, training.task, training.folder
    at_best = "" if training.best == training.last else f" (the last step: {training.last:.4f})"
    said = f"done in {duration(training.elapsed())}: {task.sentence(figures)} on the held-out part{at_best}"
    if settings.ended is not None:
        times = "1 evaluation" if settings.patience == 1 else f"{settings.patience} evaluations in a row"
        early = f"ended at step {settings.ended:,} of {training.schedule.steps:,}"
        said = f"{early}, after {times} without a better figure\n{said}"
    if tested:
        said += f"\non the test part: {task.sentence(tested)}"
    if settings.baseline:
        said += f"\nto compare with: {said_baseline(settings.baseline)}"
    following = "\n".join(f"    {command.format(run=folder.path)}" for command in task.next)
    training.progress.say(f"{said}\nthe run is in {folder.path}. Next:\n{following}")
