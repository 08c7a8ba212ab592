"""`unrolled train TASK`, and `unrolled train --resume RUN`. A task's options are its fields."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from .. import tasks
from ..errors import UsageError
from ..terminal import say
from .options import Flag, about, parse
from .show import pasted


@dataclass(frozen=True)
class Budget:
    """How long a run goes on, and where it is kept."""

    minutes: float | None = None
    """how long to train; 3 where no --epochs are given"""
    epochs: float | None = None
    """how many times to go through the data, instead of --minutes"""
    seed: int = 0
    """of the first weights, dropout and samples"""
    out: Path | None = None
    """the run's folder; runs/TASK-1, -2, ... without it"""
    save_every: float = 30.0
    """seconds between checkpoints"""
    profile: Flag = False
    """say at the end where the time of a step went, part by part; kept as profile.json"""


def command(_: str, arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        say(
            f"usage: unrolled train TASK ...      TASK is one of: {', '.join(tasks.names())}\n"
            "       unrolled train --resume RUN\n\nunrolled train TASK --help lists a task's options."
        )
        return 0 if arguments else 2
    if arguments[0].split("=")[0] == "--resume":
        return parse(_resume, "unrolled train", arguments)
    if arguments[0].startswith("-"):
        raise UsageError(
            f"train was given {arguments[0]} before a task: "
            f"write unrolled train TASK ..., TASK being one of {', '.join(tasks.names())}."
        )
    task_type = tasks.find(arguments[0])

    def start(task, budget: Budget) -> int:
        from ..training.start import train

        if task.net.latex is not None:
            task.net.found()
            pasted(task.net.latex, sys.stdout)
        return _exit_code(
            train(
                task,
                minutes=budget.minutes,
                epochs=budget.epochs,
                seed=budget.seed,
                out=budget.out,
                save_every=budget.save_every,
                profile=budget.profile,
            )
        )

    said = about(task_type)
    start.__annotations__["task"] = Annotated[task_type, tyro.conf.arg(help=said)]
    start.__doc__ = said
    return parse(start, f"unrolled train {arguments[0]}", arguments[1:])


def _resume(*, resume: Path, save_every: float = 30.0, profile: Flag = False) -> int:
    """Go on with a run that was stopped, however it was stopped.

    Args:
        resume: the run's folder
        save_every: seconds between checkpoints
        profile: say at the end where the time of a step went, part by part; kept as profile.json
    """
    from ..training.start import resume as go_on

    return _exit_code(go_on(resume, save_every=save_every, profile=profile))


def _exit_code(run) -> int:
    return {None: 0, "Ctrl-C": 130, "SIGTERM": 143}[run.stopped_by]
