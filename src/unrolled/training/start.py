"""Training a task: from the start, or on from where it was stopped.

The clock decides two things only: how many steps `minutes` allow (after a few timed steps, and again after each
evaluation; every checkpoint holds the schedule that it was written under), and when checkpoints are written. So
a run that was killed anywhere and resumed ends with the weights of one that never stopped, bit for bit, on the
same machine with the same number of threads, wherever both were given as many steps: always with `epochs`.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch

from ..errors import UsageError
from ..runs.folder import RunFolder
from ..runs.run import Run, open_run, read_parts
from ..task import Task
from .average import begun
from .fine_tune import data_for
from .loop import run_steps
from .new_run import RunPlan, Work, model_of, new_run, prepared
from .optimiser import optimiser_of
from .parallel import check_rows, joined
from .profile import Profile, table
from .progress import Progress
from .report import say_begin
from .schedule import Schedule
from .signals import Interruption
from .standard_input import readable
from .state import Training, begin_from_another, begin_random, check_weights, restore
from .tensorboard import MISSING, Board, check_installed, installed


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
    start: Run | str | Path | None = None,
    patience: int | None = None,
    evaluations: int | None = None,
    tensorboard: bool = False,
) -> Run:
    """Train a task, from the start or from another run's weights, and return the run.

    task        e.g. CharLM(text="shakespeare.txt", net=Net("mgu", hidden=512))
    minutes     how long; the clock decides the number of steps, again after each evaluation.
                3 unless epochs are given
    epochs      how many times to go through the data instead
    seed        of the initial weights, dropout and examples
    out         the run's folder; runs/NAME-1, -2, ... otherwise
    save_every  seconds between checkpoints
    profile     at the end say where the steps' time went, and write it into profile.json
    start       a run, or its folder, whose weights are the first ones here: fine-tuning. Sizes that the task
                leaves open are that run's, as the others have to be; symbols (characters, labels) that are new
                in the data begin as the mean of the known
    patience    the run ends after so many evaluations in a row without a better first figure
    evaluations how often the held-out part is looked at; 5 times, with patience once an epoch or 20 times
                in its minutes
    tensorboard write loss and figures for TensorBoard, too, where it is installed

    An option of the task that is a path may be "-", standard input, which is then kept in the run's
    folder. Ctrl-C and SIGTERM save a checkpoint and return the run as far as it came. Raises UsageError
    for options and data that cannot be trained on, Diverged when the loss stops being a number,
    SaveError when the disk is full.

        run = unrolled.train(CharLM(text="shakespeare.txt"), minutes=5)
        print(*run.predict("ROMEO:"))
    """
    plan = RunPlan(minutes, epochs, seed, patience, evaluations, tensorboard)
    plan.check(save_every)
    run = start if start is None or isinstance(start, Run) else open_run(start)
    asked = prepared(task)
    with joined() as team, readable(asked, team) as (reading, piped):
        work = new_run(asked, reading, piped, plan, run, out, team)
        return _run(work, save_every, quiet, profile)


def resume(
    folder: str | Path,
    *,
    save_every: float = 30.0,
    quiet: bool = False,
    profile: bool = False,
    tensorboard: bool = False,
) -> Run:
    """Go on with a run that was stopped, however it was stopped; returns the run. A
    finished run is only opened.

    Raises UsageError where the folder is not a run or is damaged, or its data have changed since.
    """
    check_installed(tensorboard)
    opened = RunFolder.open(folder)
    settings = opened.settings()
    settings.tensorboard = settings.tensorboard or tensorboard
    task, encoding = read_parts(opened, settings)
    if settings.finished:
        Progress(quiet).say(f"{opened.path} is finished: there is nothing to go on with.")
        return open_run(folder)
    if (settings.minutes is None) == (settings.epochs is None):
        raise opened.damaged("settings.json", "minutes and epochs")
    with joined() as team:
        check_rows(team, task.recipe.batch)
        data = data_for(task, encoding if settings.origin else None)
        if data.digest != settings.digest or data.encoding.to_json() != encoding.to_json():
            raise UsageError(
                f"the data of {opened.path} have changed since the run began: put the old {data.source} back, "
                "or train again."
            )
        return _run(Work(task, data, opened, settings, team), save_every, quiet, profile)


def _run(work: Work, save_every: float, quiet: bool, profile: bool) -> Run:
    threads = torch.get_num_threads()
    torch.set_num_threads(work.settings.threads)  # another split of the work rounds differently
    quiet = quiet or not work.team.leads
    try:
        with torch.random.fork_rng(devices=[]), Progress(quiet) as progress, Interruption() as interruption:
            training = _begin(work, progress)
            with _profiled(training) if profile and work.team.leads else nullcontext(), _on_a_board(training):
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


@contextmanager
def _on_a_board(training: Training):
    """Curves for TensorBoard, where they are asked for; without it a run that was begun with
    it goes on all the same.
    """
    if not training.settings.tensorboard or not training.team.leads:
        yield
        return
    if not installed():
        training.progress.say(f"{MISSING}; the run goes on without its curves.")
        yield
        return
    training.board = Board(training.folder, training.step, training.progress.say)
    try:
        yield
    finally:
        training.board.close()


def _begin(work: Work, progress: Progress) -> Training:
    """The training as its last checkpoint left it, or as it starts."""
    task, data, folder, settings, team, spent = work
    torch.manual_seed(settings.seed)
    progress.now(f"building the kernel of {task.net.cell.name} ...")
    found = folder.last_checkpoint()
    if found is not None:
        check_weights(folder, found[0], task, data.encoding)
    model = model_of(task, data).train()
    optimiser = optimiser_of(task.recipe, model)
    training = Training(task, data, model, optimiser, folder, settings, progress, seconds=spent, team=team)
    training.averages = begun(model) if task.recipe.average else None
    if settings.epochs is not None:
        training.schedule = Schedule(max(1, round(settings.epochs * data.steps_per_epoch)))
    if settings.schedule is not None:
        training.schedule = settings.schedule
    if found is not None:
        restore(training, *found)
        progress.say(f"going on at step {training.step:,} of {training.schedule.steps:,}")
    else:
        begin_random(training)
        if settings.origin is not None:
            begin_from_another(training)
            training.averages = begun(model) if task.recipe.average else None
        if team.leads:
            folder.cut({})
    team.told(None)  # nobody writes before all have read
    say_begin(training)
    return training
