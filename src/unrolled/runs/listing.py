"""The runs below a folder, side by side: what each was asked for, what came of it, and in what they differ."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import UnrolledError, UsageError
from ..tasks import find
from .display import flat
from .folder import RunFolder

OWN = ("run", "task", "cell", "steps", "seconds")  # what runs can be sorted by beside figures and options


@dataclass(frozen=True)
class Listed:
    """What is known of a run.

    options   all that were given or usual; `differs` are those that are not the same in
              all listed runs of its task
    figures   of the best weights on the held-out part, or {} before the first evaluation; `test`
              on the part for the report
    seconds   trained so far
    state     "finished", "ended early" (by patience) or "stopped"
    origin    the run whose weights it began with, or None
    """

    run: str
    task: str
    cell: str
    options: dict[str, Any]
    differs: dict[str, Any]
    figures: dict[str, float]
    test: dict[str, float]
    steps: int
    seconds: float
    state: str
    origin: str | None

    @property
    def finished(self) -> bool:
        return self.state != "stopped"


def list_runs(folder: str | Path = "runs", sort: str | None = None) -> list[Listed]:
    """The runs below a folder that can be read, in the order in which they were begun, or sorted.

    sort  a figure (the best one first, of the figure that a task is decided by; else the lowest), an
          option, run, task, cell, steps or seconds; what a run does not have stands at the end. "-" before
          the name turns the order round

    Raises UsageError where there is no run, or nothing of that name.
    """
    return read_runs(folder, sort)[0]


def read_runs(folder: str | Path, sort: str | None = None) -> tuple[list[Listed], list[str]]:
    """The same, and a sentence for each run that cannot be read."""
    folder = Path(folder)
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder: give the one that holds the runs.")
    places = [place for place in (folder, *folder.iterdir()) if (place / "settings.json").is_file()]
    if not places:
        raise UsageError(f"{folder} holds no run: begin one with unrolled train TASK, or give another folder.")
    found, damaged = [], []
    for place in sorted(places, key=lambda place: (_begun(place), place)):
        try:
            found.append(_read(place))
        except UnrolledError as error:
            damaged.append(str(error))
    found = [replace(each, differs=_differs(each, found)) for each in found]
    return found if sort is None else _sorted(found, sort), damaged


def _begun(place: Path) -> float:
    """When a run began: its encoding is written once."""
    file = place / "encoding.json"
    return file.lstat().st_mtime if file.exists() else 0.0


def _read(place: Path) -> Listed:
    opened = RunFolder.open(place)
    settings, metrics = opened.settings(), opened.metrics()
    options = {key: value for key, value in flat(settings.options).items() if value is not None}
    last = metrics[-1] if metrics else {}
    state = "finished" if settings.ended is None else "ended early"
    return Listed(
        run=str(place),
        task=settings.task,
        cell=options.pop("cell", ""),
        options=options,
        differs={},
        figures=opened.best_figures(),
        test=settings.test,
        steps=last.get("step", 0),
        seconds=last.get("seconds", 0.0),
        state=state if settings.finished else "stopped",
        origin=settings.origin.run if settings.origin else None,
    )


def _differs(run: Listed, runs: list[Listed]) -> dict[str, Any]:
    """The options of a run that not all runs of its task have alike."""
    alike = [other.options for other in runs if other.task == run.task]
    return {key: v for key, v in run.options.items() if any(other.get(key) != v for other in alike)}


def _sorted(runs: list[Listed], by: str) -> list[Listed]:
    name = by.removeprefix("-").replace("-", "_")
    known = {*OWN, *(key for run in runs for key in (*run.figures, *run.options))}
    if name not in known:
        raise UsageError(f"--sort {by} is not there: choose one of {', '.join(sorted(known))}.")

    def value(run: Listed) -> Any:
        return getattr(run, name) if name in OWN else run.figures.get(name, run.options.get(name))

    have = [run for run in runs if value(run) is not None]
    numbers = all(isinstance(value(run), (int, float)) for run in have)
    have.sort(key=lambda run: value(run) if numbers else str(value(run)))
    if _higher_is_better(have, name) != by.startswith("-"):
        have.reverse()
    return [*have, *(run for run in runs if value(run) is None)]


def _higher_is_better(runs: list[Listed], figure: str) -> bool:
    """Whether this figure decides in all of these runs, and high ones are good."""
    return bool(runs) and all(
        next(iter(r.figures), None) == figure and _better(r.task) == "higher" for r in runs
    )


def _better(task: str) -> str:
    try:
        return find(task).better
    except UsageError:  # a task of somebody's own
        return "lower"
