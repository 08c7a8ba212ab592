"""`unrolled runs`: the runs below a folder, a line each: task, options that differ, figures, time."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ..errors import UnrolledError, UsageError
from ..runs.display import flat
from ..runs.folder import RunFolder
from ..terminal import printable, say
from ..training.progress import duration
from .options import Json, Positional, parse


@dataclass(frozen=True)
class RunLine:
    """What is known of a run. `figures` are those of the best weights, or {} before the first evaluation."""

    run: str
    task: str
    cell: str
    options: dict[str, Any]
    figures: dict[str, float]
    steps: int
    seconds: float
    finished: bool


def command(name: str, arguments: list[str]) -> int:
    return parse(runs, f"unrolled {name}", arguments)


def runs(folder: Positional[Path] = Path("runs"), sort: str | None = None, as_json: Json = False) -> int:
    """The runs below a folder: task, options that differ between them, figures, time.

    Args:
        folder: where the runs are
        sort: by run, task, steps, seconds, or the name of a figure; without it, as they were begun
        as_json: print a JSON list
    """
    found, damaged = read_runs(folder)
    if sort is not None:
        found = _sorted(found, sort)
    if as_json:
        say(json.dumps([asdict(line) for line in found]))
        return 0
    console = Console(highlight=False, markup=False, emoji=False)
    with console.capture() as drawn:
        console.print(table(found))
    say("\n".join([drawn.get().rstrip(), *damaged]))
    return 0


def read_runs(folder: Path) -> tuple[list[RunLine], list[str]]:
    """The runs below a folder, in the order in which they were begun, and a sentence for each that cannot be read.

    Raises UsageError where there is no run.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder: give the one that holds the runs.")
    places = [place for place in (folder, *folder.iterdir()) if (place / "settings.json").is_file()]
    if not places:
        raise UsageError(f"{folder} holds no run: begin one with unrolled train TASK, or give another folder.")
    found, damaged = [], []
    for place in sorted(places, key=_begun):
        try:
            found.append(_line(place))
        except UnrolledError as error:
            damaged.append(str(error))
    return found, damaged


def _begun(place: Path) -> float:
    """When a run began: its encoding is written once."""
    file = place / "encoding.json"
    return file.lstat().st_mtime if file.exists() else 0.0


def _line(place: Path) -> RunLine:
    opened = RunFolder.open(place)
    settings, metrics = opened.settings(), opened.metrics()
    best = opened.weights()
    options = {key: value for key, value in flat(settings.options).items() if value is not None}
    return RunLine(
        str(place),
        settings.task,
        options.pop("cell", ""),
        options,
        dict(best.state.get("figures", {})) if best else {},
        metrics[-1]["step"] if metrics else 0,
        metrics[-1]["seconds"] if metrics else 0.0,
        settings.finished,
    )


def _sorted(lines: list[RunLine], by: str) -> list[RunLine]:
    known = {"run", "task", "steps", "seconds"} | {name for line in lines for name in line.figures}
    if by not in known:
        raise UsageError(f"--sort {by} is not there: choose one of {', '.join(sorted(known))}.")

    def value(line: RunLine) -> tuple[bool, Any]:
        at = line.figures.get(by) if by in line.figures else asdict(line).get(by)
        return at is None, at if at is not None else 0

    return sorted(lines, key=value)


def table(lines: list[RunLine]) -> Table:
    """The runs as a table, with only those options that are not the same in all runs of their task."""
    shown = Table(box=None, pad_edge=False)
    for head in ("run", "task", "cell", "options that differ", "figures", "time"):
        shown.add_column(head, overflow="fold")
    for line in lines:
        alike = [other for other in lines if other.task == line.task]
        differing = {
            key: value
            for key, value in line.options.items()
            if any(other.options.get(key) != value for other in alike)
        }
        figures = " ".join(f"{name} {value:.4g}" for name, value in line.figures.items())
        state = duration(line.seconds) + ("" if line.finished else f", stopped at step {line.steps:,}")
        cells = (
            line.run,
            line.task,
            line.cell,
            " ".join(f"{k}={v}" for k, v in differing.items()),
            figures,
            state,
        )
        shown.add_row(*(printable(str(text)) for text in cells))
    return shown
