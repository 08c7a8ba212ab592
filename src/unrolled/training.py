"""The one training loop: every task's, new or resumed.

The clock decides two things only: how many steps `minutes` allow (after a few timed steps, and again after each
evaluation; every checkpoint holds the plan that it was written under), and when checkpoints are written. So a run
that was killed anywhere and resumed ends with the weights of one that never stopped, bit for bit, on the same
machine with the same number of threads, wherever both were given as many steps: always with `epochs`.
"""

from __future__ import annotations

import json
import math
import platform
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch

from .cell import Cell
from .cell_file import find_cell
from .errors import UsageError
from .interruption import Interruption
from .loop import run_steps
from .profile import Profile, table
from .progress import Progress
from .runs import RunFolder
from .schedule import Plan
from .snapshot import Training, restore
from .trained import Run, open_run, read_cell, read_task, read_vocabulary, task_settings

BETAS = (0.9, 0.99)  # of AdamW; 0.99 follows the few thousand steps of a short run better than 0.999
MINUTES = 3.0  # where neither minutes nor epochs are given


def train(
    task,
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

    task        e.g. CharLM(text="shakespeare.txt", cell="mgu", hidden=512)
    minutes     how long; the clock settles the number of steps, and again after each evaluation. 3 unless epochs are given
    epochs      how many times to go through the text instead
    seed        of the initial weights, dropout and samples
    out         the run's folder; runs/NAME-1, -2, ... otherwise
    save_every  seconds between checkpoints
    profile     at the end say where the steps' time went, and write it into profile.json

    Ctrl-C and SIGTERM save a checkpoint and return the run as far as it came. Raises UsageError for options and
    texts that cannot be trained on, Diverged when the loss stops being a number, SaveError when the disk is full.

        run = unrolled.train(CharLM(text="shakespeare.txt"), minutes=5)
        print(run.sample("ROMEO:", 300))
    """
    _check_budget(minutes, epochs, seed, save_every)
    task.check()
    task = task.settled()
    cell = find_cell(task.cell, getattr(task, "latex", None))
    task_settings(task, cell)  # traces the cell: a mistake in it shows before a long text is read
    data = task.data()
    _try_model(task, data, cell)
    folder = RunFolder.create(out, task.name)
    settings = task_settings(task, cell) | {
        "minutes": (MINUTES if minutes is None else minutes) if epochs is None else None,
        "epochs": epochs,
        "seed": seed,
        "threads": torch.get_num_threads(),
        "digest": data.digest,
        "plan": None,
        "finished": False,
        "versions": {"torch": torch.__version__, "python": platform.python_version()},
    }
    # The vocabulary first: a folder with settings.json is a run, and a run has both.
    folder.write_json("vocabulary.json", json.loads(data.vocabulary.to_json()))
    folder.write_json("settings.json", settings)
    return _run(task, cell, data, folder, settings, save_every, quiet, profile)


def resume(folder: str | Path, *, save_every: float = 30.0, quiet: bool = False, profile: bool = False) -> Run:
    """Go on with a run that was stopped, however it was stopped; returns the run. A finished run is only opened.

    Raises UsageError where the folder is no run or is damaged, or its text has changed since.
    """
    opened = RunFolder.open(folder)
    settings = opened.settings()
    task, cell = read_task(opened, settings), read_cell(opened, settings)
    if settings.get("finished") is True:
        Progress(quiet).say(f"{opened.path} is finished: there is nothing to go on with.")
        return open_run(folder)
    _check_settings(opened, settings)
    data = task.data()
    if data.digest != settings.get("digest") or data.vocabulary != read_vocabulary(opened):
        source = task.text if task.text is not None else "Python's standard library"
        raise UsageError(
            f"the text of {opened.path} has changed since the run began: put the old {source} back, "
            "or train anew."
        )
    return _run(task, cell, data, opened, settings, save_every, quiet, profile)


def _check_budget(minutes: float | None, epochs: float | None, seed: int, save_every: float) -> None:
    if minutes is not None and epochs is not None:
        raise UsageError(f"--minutes {minutes:g} and --epochs {epochs:g} exclude each other: give one of them.")
    for option, value in (("minutes", minutes), ("epochs", epochs), ("save-every", save_every)):
        if value is not None and not 0 < value < math.inf:
            raise UsageError(f"--{option} {value:g} is not above 0: give a positive number.")
    if not 0 <= seed < 2**63:
        raise UsageError(f"--seed {seed} is out of range: give a whole number from 0 up.")


def _try_model(task, data, cell: Cell) -> None:
    """Make the model once for its complaints, before there is a folder that would be left behind."""
    try:
        with torch.random.fork_rng(devices=[]):
            task.model(data.vocabulary, cell)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "allocate" not in str(error):
            raise
        raise UsageError(
            f"a model of --hidden {task.hidden} and --layers {task.layers} does not fit into memory: "
            "give smaller ones."
        ) from None


def _check_settings(folder: RunFolder, settings: dict) -> None:
    """Raise UsageError where what a training needs besides its task is missing or of another kind."""
    kinds = {
        "seed": int,
        "threads": int,
        "digest": str,
        "minutes": (int, float, type(None)),
        "epochs": (int, float, type(None)),
        "plan": (dict, type(None)),
    }
    for key, kind in kinds.items():
        if key not in settings or not isinstance(settings[key], kind):
            raise folder.damaged("settings.json", f"its {key}: {settings.get(key, 'missing')!r}")
    if settings["plan"] is not None and settings["plan"].keys() != Plan(1).to_json().keys():
        raise folder.damaged("settings.json", f"its plan: {settings['plan']!r}")


def _run(
    task, cell: Cell, data, folder: RunFolder, settings: dict, save_every: float, quiet: bool, profile: bool
) -> Run:
    threads = torch.get_num_threads()
    torch.set_num_threads(settings["threads"])  # another split of the work rounds differently
    try:
        with torch.random.fork_rng(devices=[]), Progress(quiet) as progress, Interruption() as interruption:
            training = _begin(task, cell, data, folder, settings, progress)
            with _profiled(training) if profile else nullcontext():
                run_steps(training, interruption, save_every)
    finally:
        torch.set_num_threads(threads)
    finished = settings["finished"]
    return Run(
        folder.path,
        task,
        training.model.eval(),
        data.vocabulary,
        finished,
        stopped_by=None if finished else interruption.name,
    )


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


def _begin(task, cell: Cell, data, folder: RunFolder, settings: dict, progress: Progress) -> Training:
    """The training as its last checkpoint left it, or as it starts."""
    torch.manual_seed(settings["seed"])
    progress.now(f"building the kernel of {cell.name} ...")
    model = task.model(data.vocabulary, cell).train()
    optimiser = torch.optim.AdamW(_groups(model, task.decay), lr=task.rate, betas=BETAS, fused=True)
    training = Training(task, data, model, optimiser, folder, settings, progress)
    if settings["epochs"] is not None:
        training.plan = Plan(max(1, round(settings["epochs"] * data.steps_per_epoch)))
    if settings["plan"] is not None:
        training.plan = Plan(**settings["plan"])
    checkpoint = folder.last_checkpoint()
    if checkpoint is None:
        folder.cut({"metrics.jsonl": 0, "samples.txt": 0})
    else:
        restore(training, checkpoint)
        progress.say(f"going on at step {training.step:,} of {training.plan.steps:,}")
    size = sum(weight.numel() for weight in model.parameters())
    progress.say(
        f"{folder.path}: {cell.name}, {size:,} weights, {len(data.training):,} characters to learn, "
        f"{len(data.validation):,} held out"
    )
    return training


def _groups(model: torch.nn.Module, decay: float) -> list[dict]:
    """Parameters with weight decay, and those without: vectors, and what the model says."""
    without = {id(weight) for weight in model.undecayed()}
    kept = [weight for weight in model.parameters() if weight.dim() <= 1 or id(weight) in without]
    kept_ids = {id(weight) for weight in kept}
    return [
        {
            "params": [weight for weight in model.parameters() if id(weight) not in kept_ids],
            "weight_decay": decay,
        },
        {"params": kept, "weight_decay": 0.0},
    ]
