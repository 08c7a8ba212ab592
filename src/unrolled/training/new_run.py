"""What stands before a run's first step: options and data that can be trained on, the first weights, and
a folder with all of it.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import torch

from ..errors import UsageError
from ..options import check_options, completed, like, with_absolute_paths, with_file
from ..runs.folder import RunFolder
from ..runs.run import Run
from ..runs.settings import EVALUATIONS, FORMAT, MOST_EVALUATIONS, Settings, Times, options_of
from ..scoring import Scored, scored
from ..task import Data, Task
from .choose import Chosen, with_choices
from .fine_tune import carry, check_sizes, data_for, new_symbols, origin_of
from .parallel import Team, check_rows
from .precision import with_precision
from .tensorboard import check_installed

MINUTES = 3.0  # where neither minutes nor epochs are given
PATIENT = 20  # evaluations of a run by minutes that may end early
LONGEST = 1e7  # minutes or epochs


class Work(NamedTuple):
    """What is trained, where it is kept, and with whom."""

    task: Task
    data: Data
    folder: RunFolder
    settings: Settings
    team: Team
    spent: float = 0.0  # seconds of the run's minutes that its choices took


@dataclass(frozen=True)
class RunPlan:
    """How long a run goes on, from which random numbers, and how often it looks at its held-out part."""

    minutes: float | None = None
    epochs: float | None = None
    seed: int = 0
    patience: Times | None = None
    evaluations: Times | None = None
    tensorboard: bool = False

    def check(self, save_every: float) -> None:
        """Raise UsageError for what is out of range."""
        minutes, epochs = self.minutes, self.epochs
        if minutes is not None and epochs is not None:
            raise UsageError(
                f"--minutes {minutes:g} and --epochs {epochs:g} exclude each other: give one of them."
            )
        for option, value in (("minutes", minutes), ("epochs", epochs), ("save-every", save_every)):
            if value is not None and not 0 < value < math.inf:
                raise UsageError(f"--{option} {value:g} is not above 0: give a positive number.")
            if value is not None and value > LONGEST:
                raise UsageError(f"--{option} {value:g} is above {LONGEST:g}: give a smaller number.")
        if not 0 <= self.seed < 2**63:
            raise UsageError(f"--seed {self.seed} is out of range: give a whole number from 0 up.")
        check_options(self)
        check_installed(self.tensorboard)

    def times(self) -> int:
        """How often the held-out part is looked at. Patience counts in epochs, where
        there are epochs to count.
        """
        if self.evaluations is not None:
            return self.evaluations
        if self.patience is None:
            return EVALUATIONS
        return (
            PATIENT if self.epochs is None else min(MOST_EVALUATIONS, max(EVALUATIONS, math.ceil(self.epochs)))
        )


def prepared(task: Task) -> Task:
    """The task with its usual options where none were given, its cell found.

    Raises UsageError for options out of range, CellError for a cell that cannot be traced.
    """
    check_options(task)
    task = completed(task, type(task)())
    task = replace(task, net=task.net.found())
    task.net.cell.to_json()  # traces the cell: a mistake in it shows before long data are read
    return task


def new_run(
    asked: Task,
    reading: Task,
    piped: Path | None,
    plan: RunPlan,
    run: Run | None,
    out: str | Path | None,
    team: Team,
) -> Work:
    """A new run's folder, and what is to be done in it. All complaints come before there is a folder.

    asked    the task, prepared
    reading  the same, with a file in place of standard input
    piped    this file, or None
    run      whose weights are the first ones
    """
    check_rows(team, asked.recipe.batch)
    if run is not None:
        asked, reading = (like(each, run.task) for each in (asked, reading))
        check_sizes(asked, run)
    data = data_for(reading, run.encoding if run else None)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.seed)
        model = model_of(reading, data)
    minutes = (MINUTES if plan.minutes is None else plan.minutes) if plan.epochs is None else None
    chosen = team.told(
        with_choices(reading, data, minutes, plan.epochs, plan.seed)
        if team.leads and run is None
        else Chosen({}, {})
    )
    asked, reading = (replace(each, **chosen.values) for each in (asked, reading))
    compared = _finite(reading.baseline(data))
    if run is not None:
        before = _put_in(run, model, reading, data, chosen.said)
        name, first = next(iter(before.figures.items()))
        compared |= _finite({f"the weights it begins with, {name.replace('_', ' ')}": first})
    reading, precision = team.told(with_precision(reading, data) if team.leads else (reading, ""))
    task = replace(asked, recipe=reading.recipe)
    settings = Settings(
        format=FORMAT,
        task=task.name,
        options=options_of(with_absolute_paths(task)),  # a run is resumed from any folder
        cell=task.net.cell.to_json(),
        seed=plan.seed,
        threads=torch.get_num_threads(),
        digest=data.digest,
        minutes=minutes,
        epochs=plan.epochs,
        baseline=compared,
        chosen={**chosen.said, "precision": precision},
        versions={"torch": str(torch.__version__), "python": platform.python_version()},
        evaluations=plan.times(),
        patience=plan.patience,
        origin=None if run is None else origin_of(run),
        tensorboard=plan.tensorboard,
    )
    start = None if run is None else (model.state_dict(), dict(before.figures), before.loss)
    new = _New(settings, data.encoding.to_json(), start, piped)
    folder = team.told(_folder(out, new) if team.leads else None)
    task = with_file(task, folder.standard_input()) if piped else task
    return Work(task, data, folder, settings, team, chosen.seconds)


def _put_in(run: Run, model: torch.nn.Module, task: Task, data: Data, said: dict[str, str]) -> Scored:
    """Put a run's weights into a model, and say how good they are on the held-out part; `said` is added to."""
    carry(model, run, data.encoding)
    if new := new_symbols(run.encoding, data.encoding):
        said["new to these weights:"] = new[:200]
    return scored(task, model, data.encoding, data.held_out())


class _New(NamedTuple):
    """What a run's folder holds before the first step."""

    settings: Settings
    encoding: dict
    # weights, figures, loss, of another run.
    start: tuple[dict[str, torch.Tensor], dict[str, float], float | None] | None
    piped: Path | None  # what was read from standard input


def _folder(out: str | Path | None, new: _New) -> RunFolder:
    """The run's folder. The settings last: a folder with settings.json is a run, and a run has all of it."""
    folder = RunFolder.create(out, new.settings.task)
    if new.piped is not None:
        folder.keep_standard_input(new.piped)
    if new.start is not None:
        folder.save_start(*new.start)
    folder.write_json("encoding.json", new.encoding)
    folder.write_settings(new.settings)
    return folder


def _finite(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in figures.items() if math.isfinite(value)}


def model_of(task: Task, data: Data) -> torch.nn.Module:
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
