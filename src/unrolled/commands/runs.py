"""`unrolled runs`: the runs below a folder, a line each: task, options that differ, figures, time."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

from ..terminal import printable, say, say_json
from .options import Json, Positional, parse


def command(name: str, arguments: list[str]) -> int:
    return parse(runs, f"unrolled {name}", arguments)


def runs(folder: Positional[Path] = Path("runs"), sort: str | None = None, as_json: Json = False) -> int:
    """The runs below a folder: task, options that differ between them, figures, time.

    Args:
        folder: where the runs are sort: by a figure (best first), an option, run, task, cell, steps or seconds;
        --sort=-NAME the other way round; as they
            were begun without it
        as_json: print a JSON list
    """
    from ..runs.listing import read_runs

    found, damaged = read_runs(folder, sort)
    if as_json:
        say_json([asdict(run) | {"finished": run.finished} for run in found])
        if damaged:
            say("\n".join(damaged), sys.stderr)
        return 0
    say("\n".join([table(found), *damaged] if found else damaged))
    return 0


def table(runs: list) -> str:
    """The runs as a table, with only those options that are not the same in all runs of their task."""
    from rich.console import Console
    from rich.table import Table

    from ..training.progress import duration

    shown = Table(box=None, pad_edge=False)
    for head in ("run", "task", "cell", "options that differ", "figures", "time"):
        shown.add_column(head, overflow="fold")
    for run in runs:
        figures = [f"{name} {value:.4g}" for name, value in run.figures.items()]
        figures += [f"test {name} {value:.4g}" for name, value in list(run.test.items())[:1]]
        state = {"finished": "", "ended early": ", ended early"}.get(
            run.state, f", stopped at step {run.steps:,}"
        )
        differs = [f"{key}={value}" for key, value in run.differs.items()]
        differs += [f"from={Path(run.origin).name}"] if run.origin else []
        cells = (
            run.run,
            run.task,
            run.cell,
            " ".join(differs),
            " ".join(figures),
            duration(run.seconds) + state,
        )
        shown.add_row(*(printable(str(text)) for text in cells))
    console = Console(highlight=False, markup=False, emoji=False)
    with console.capture() as drawn:
        console.print(shown)
    return drawn.get().rstrip()
