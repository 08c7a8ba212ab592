"""`unrolled train TASK`, `train --from RUN` and `train --resume RUN`. A task's options are its fields."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from .. import tasks
from ..errors import UsageError
from ..options import with_other_data
from ..terminal import say
from .options import Flag, about, given, parse
from .show import pasted

USAGE = """usage: unrolled train TASK ...      TASK is one of: {tasks}
       unrolled train --from RUN ...
       unrolled train --resume RUN

unrolled train TASK --help lists a task's options, and unrolled train --from RUN --help those that the run
had."""


@dataclass(frozen=True)
class Budget:
    """How long a run goes on, and where it is kept."""

    minutes: float | None = None
    """how long to train; 3 where no --epochs are given"""
    epochs: float | None = None
    """how many times to go through the data, instead of --minutes"""
    patience: int | None = None
    """end after so many evaluations in a row without a better held-out figure"""
    evaluations: int | None = None
    """how often to evaluate; 5 times, or with --patience once an epoch, 20 times where there are minutes"""
    seed: int = 0
    """of the first weights, dropout and samples"""
    start: Annotated[Path | None, tyro.conf.arg(name="from")] = None
    """a run whose weights are the first ones, and whose options are the usual ones: fine-tuning"""
    out: Path | None = None
    """the run's folder; runs/TASK-1, -2, ... without it"""
    save_every: float = 30.0
    """seconds between checkpoints"""
    profile: Flag = False
    """say at the end where the time of a step went, part by part; kept as profile.json"""
    tensorboard: Flag = False
    """write loss and figures for TensorBoard, too, into the run's folder"""


def command(_: str, arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        say(USAGE.format(tasks=", ".join(tasks.names())))
        return 0 if arguments else 2
    if given(arguments, "--resume") is not None and given(arguments, "--from") is not None:
        raise UsageError("--resume goes on with a run, and --from begins another one: give one of them.")
    if arguments[0].split("=")[0] == "--resume":
        return parse(_resume, "unrolled train", arguments)
    name = None if arguments[0].startswith("-") else arguments[0]
    run = given(arguments, "--from")
    if run == "":
        raise UsageError("--from names no run: write unrolled train --from RUN ...")
    if name is None and run is None:
        raise UsageError(
            f"train was given {arguments[0]} before a task: "
            f"write unrolled train TASK ..., TASK being one of {', '.join(tasks.names())}."
        )
    usual = tasks.find(name)() if run is None else _options_of(run, name)
    if run is not None:
        usual = with_other_data(usual, lambda option: given(arguments, option) is not None)
    program = "unrolled train" if name is None else f"unrolled train {name}"
    return parse(_starting(usual), program, arguments if name is None else arguments[1:])


def _options_of(run: str, name: str | None) -> Any:
    """The task of a run with its options, as a user would give them. Raises UsageError
    where it is of another task.
    """
    from ..runs.folder import RunFolder
    from ..runs.run import read_parts

    folder = RunFolder.open(run)
    task, _ = read_parts(folder, folder.settings())
    if name not in (None, task.name):
        tasks.find(name)
        raise UsageError(
            f"{run} is a run of {task.name}, and {name} was to be trained from it: leave {name} out."
        )
    return replace(task, net=replace(task.net, latex=None))


def _starting(usual: Any):
    """The function whose signature has a task's options; `usual` says what they are without being given."""
    shown = replace(usual, net=replace(usual.net, cell=getattr(usual.net.cell, "name", usual.net.cell)))

    def start(task, budget: Budget) -> int:
        from ..training.start import train

        if task.net.latex is not None:
            task.net.found()
            pasted(task.net.latex, sys.stdout)
        elif task.net.cell == shown.net.cell:
            task = replace(task, net=replace(task.net, cell=usual.net.cell))
        return _exit_code(
            train(
                task,
                minutes=budget.minutes,
                epochs=budget.epochs,
                seed=budget.seed,
                out=budget.out,
                save_every=budget.save_every,
                profile=budget.profile,
                start=budget.start,
                patience=budget.patience,
                evaluations=budget.evaluations,
                tensorboard=budget.tensorboard,
            )
        )

    said = about(type(usual))
    start.__annotations__["task"] = Annotated[type(usual), tyro.conf.arg(help=said)]
    start.__defaults__ = (shown, Budget())
    start.__doc__ = said
    return start


def _resume(*, resume: Path, save_every: float = 30.0, profile: Flag = False, tensorboard: Flag = False) -> int:
    """Go on with a run that was stopped, however it was stopped.

    Args:
        resume: the run's folder
        save_every: seconds between checkpoints
        profile: say at the end where the time of a step went, part by part; kept as profile.json
        tensorboard: write loss and figures for TensorBoard, too, into the run's folder
    """
    from ..training.start import resume as go_on

    return _exit_code(go_on(resume, save_every=save_every, profile=profile, tensorboard=tensorboard))


def _exit_code(run) -> int:
    return {None: 0, "Ctrl-C": 130, "SIGTERM": 143}[run.stopped_by]
