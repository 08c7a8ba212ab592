"""Training a task: from the start, or on from where it was stopped.

The clock decides two things only: how many steps `minutes` allow (after a few timed steps, and again after each
evaluation; every checkpoint holds the schedule that it was written under), and when checkpoints are written. So a run
that was killed anywhere and resumed ends with the weights of one that never stopped, bit for bit, on the same
machine with the same number of threads, wherever both were given as many steps: always with `epochs`.
"""

from __future__ import annotations

import math
import platform
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch

from ..errors import UsageError
from ..options import check_options, completed, with_absolute_paths
from ..runs.folder import RunFolder
from ..runs.run import Run, open_run, read_parts
from ..runs.settings import FORMAT, Settings, options_of
from ..task import Data, Task
from .loop import run_steps
from .parallel import Team, check_rows, joined
from .precision import with_precision
from .profile import Profile, table
from .progress import Progress
from .report import say_begin
from .schedule import Schedule
from .signals import Interruption
from .state import Training, begin_random, check_weights, restore

BETAS = (0.9, 0.99)  # of AdamW; 0.99 follows the few thousand steps of a short run better than 0.999
MINUTES = 3.0  # where neither minutes nor epochs are given
LONGEST = 1e7  # minutes or epochs


def train(
    task: Task,
    *,
    minutes: float | None = None,
    epochs: float | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    save_every: float = 30.0,
    quiet: bool = False,
    profile: bool = False,
) -> Run:
    """Train a task from the start and return the run.

    task        e.g. CharLM(text="shakespeare.txt", net=Net("mgu", hidden=512))
    minutes     how long; the clock decides the number of steps, again after each evaluation. 3 unless epochs are given
    epochs      how many times to go through the data instead
    seed        of the initial weights, dropout and examples
    out         the run's folder; runs/NAME-1, -2, ... otherwise
    save_every  seconds between checkpoints
    profile     at the end say where the steps' time went, and write it into profile.json

    Ctrl-C and SIGTERM save a checkpoint and return the run as far as it came. Raises UsageError for options and
    data that cannot be trained on, Diverged when the loss stops being a number, SaveError when the disk is full.

        run = unrolled.train(CharLM(text="shakespeare.txt"), minutes=5)
        print(*run.predict("ROMEO:"))
    """
    _check_budget(minutes, epochs, seed, save_every)
    with joined() as team:
        task = prepared(task)
        check_rows(team, task.recipe.batch)
        data = task.data()
        with torch.random.fork_rng(devices=[]):
            _model(task, data)  # for its complaints, before there is a folder that would be left behind
        task, precision = team.told(with_precision(task, data) if team.leads else (task, ""))
        settings = Settings(
            format=FORMAT,
            task=task.name,
            options=options_of(with_absolute_paths(task)),  # a run is resumed from any folder
            cell=task.net.cell.to_json(),
            seed=seed,
            threads=torch.get_num_threads(),
            digest=data.digest,
            minutes=(MINUTES if minutes is None else minutes) if epochs is None else None,
            epochs=epochs,
            baseline=dict(task.baseline(data)),
            chosen={"precision": precision},
            versions={"torch": str(torch.__version__), "python": platform.python_version()},
        )
        folder = team.told(_new_folder(out, task, data, settings) if team.leads else None)
        return _run(Work(task, data, folder, settings, team), save_every, quiet, profile)


class Work(NamedTuple):
    """What is trained, where it is kept, and with whom."""

    task: Task
    data: Data
    folder: RunFolder
    settings: Settings
    team: Team


def _new_folder(out: str | Path | None, task: Task, data: Data, settings: Settings) -> RunFolder:
    """The run's folder. The encoding first: a folder with settings.json is a run, and a run has both."""
    folder = RunFolder.create(out, task.name)
    folder.write_json("encoding.json", data.encoding.to_json())
    folder.write_settings(settings)
    return folder


def prepared(task: Task) -> Task:
    """The task with its usual options where none were given, its cell found.

    Raises UsageError for options out of range, CellError for a cell that cannot be traced.
    """
    check_options(task)
    task = completed(task, type(task)())
    task = replace(task, net=task.net.found())
    task.net.cell.to_json()  # traces the cell: a mistake in it shows before long data are read
    return task


def resume(folder: str | Path, *, save_every: float = 30.0, quiet: bool = False, profile: bool = False) -> Run:
    """Go on with a run that was stopped, however it was stopped; returns the run. A finished run is only opened.

    Raises UsageError where the folder is not a run or is damaged, or its data have changed since.
    """
    opened = RunFolder.open(folder)
    settings = opened.settings()
    task, encoding = read_parts(opened, settings)
    if settings.finished:
        Progress(quiet).say(f"{opened.path} is finished: there is nothing to go on with.")
        return open_run(folder)
    if (settings.minutes is None) == (settings.epochs is None):
        raise opened.damaged("settings.json", "minutes and epochs")
    with joined() as team:
        check_rows(team, task.recipe.batch)
        data = task.data()
        if data.digest != settings.digest or data.encoding.to_json() != encoding.to_json():
            raise UsageError(
                f"the data of {opened.path} have changed since the run began: put the old {data.source} back, "
                "or train again."
            )
        return _run(Work(task, data, opened, settings, team), save_every, quiet, profile)


def _check_budget(minutes: float | None, epochs: float | None, seed: int, save_every: float) -> None:
    if minutes is not None and epochs is not None:
        raise UsageError(f"--minutes {minutes:g} and --epochs {epochs:g} exclude each other: give one of them.")
    for option, value in (("minutes", minutes), ("epochs", epochs), ("save-every", save_every)):
        if value is not None and not 0 < value < math.inf:
            raise UsageError(f"--{option} {value:g} is not above 0: give a positive number.")
        if value is not None and value > LONGEST:
            raise UsageError(f"--{option} {value:g} is above {LONGEST:g}: give a smaller number.")
    if not 0 <= seed < 2**63:
        raise UsageError(f"--seed {seed} is out of range: give a whole number from 0 up.")


def _model(task: Task, data: Data) -> torch.nn.Module:
    """The task's model; raises UsageError where it does not fit into memory."""
    try:
        return task.model(data.encoding)
    except (MemoryError, RuntimeError, OverflowError) as error:
        if isinstance(error, RuntimeError) and "allocate" not in str(error):
            raise
        net = task.net
        raise UsageError(
            f"a model of --hidden {net.hidden} and --layers {net.layers} does not fit into memory: "
            "give smaller ones."
        ) from None


def _run(work: Work, save_every: float, quiet: bool, profile: bool) -> Run:
    threads = torch.get_num_threads()
    torch.set_num_threads(work.settings.threads)  # another split of the work rounds differently
    quiet = quiet or not work.team.leads
    try:
        with torch.random.fork_rng(devices=[]), Progress(quiet) as progress, Interruption() as interruption:
            training = _begin(work, progress)
            with _profiled(training) if profile and work.team.leads else nullcontext():
                run_steps(training, interruption, save_every)
    finally:
        torch.set_num_threads(threads)
    finished = work.settings.finished
    stopped_by = None if finished else interruption.name
    model = training.model.eval()
    return Run(work.folder.path, work.task, model, work.data.encoding, finished, stopped_by)


@contextmanager
def _profiled(training: Training):
    """Look where the time of the steps goes, and say it when they are over, however they are."""
    training.profile = Profile()
    unwatch = training.profile.watch(training.model)
    try:
        yield
    finally:
        unwatch()
        training.profile.end()
        found = training.profile.to_json()
        training.folder.write_json("profile.json", found)
        training.progress.show(table(found))


def _begin(work: Work, progress: Progress) -> Training:
    """The training as its last checkpoint left it, or as it starts."""
    task, data, folder, settings, team = work
    torch.manual_seed(settings.seed)
    progress.now(f"building the kernel of {task.net.cell.name} ...")
    found = folder.last_checkpoint()
    if found is not None:
        check_weights(folder, found[0], task, data.encoding)
    model = _model(task, data).train()
    optimiser = torch.optim.AdamW(
        groups(model, task.recipe.decay), lr=task.recipe.rate, betas=BETAS, fused=True
    )
    training = Training(task, data, model, optimiser, folder, settings, progress, team=team)
    if settings.epochs is not None:
        training.schedule = Schedule(max(1, round(settings.epochs * data.steps_per_epoch)))
    if settings.schedule is not None:
        training.schedule = settings.schedule
    if found is not None:
        restore(training, *found)
        progress.say(f"going on at step {training.step:,} of {training.schedule.steps:,}")
    else:
        begin_random(training)
        if team.leads:
            folder.cut({})
    team.told(None)  # nobody writes before all have read
    say_begin(training)
    return training


def groups(model: torch.nn.Module, decay: float) -> list[dict]:
    """Parameters with weight decay, and those without: vectors, and what the model says."""
    without = {id(weight) for weight in model.undecayed()}
    kept = [weight for weight in model.parameters() if weight.dim() <= 1 or id(weight) in without]
    kept_ids = {id(weight) for weight in kept}
    decayed = [weight for weight in model.parameters() if id(weight) not in kept_ids]
    return [{"params": decayed, "weight_decay": decay}, {"params": kept, "weight_decay": 0.0}]
