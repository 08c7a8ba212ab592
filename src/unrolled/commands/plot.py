"""`unrolled plot RUN ...`: loss and figures of runs over steps or time, several runs in one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ..terminal import say
from .options import Positional, parse


def command(name: str, arguments: list[str]) -> None:
    return parse(plot, f"unrolled {name}", arguments)


def plot(
    runs: Positional[tuple[Path, ...]],
    over: Literal["steps", "time"] = "steps",
    figures: tuple[str, ...] = (),
    out: Path = Path("runs.svg"),
) -> None:
    """Draw the loss and the held-out figures of runs, several in one picture.

    Args:
        runs: folders of runs
        over: steps, or time in minutes
        figures: which held-out figures, a panel each; the one that decides without
        out: the picture, as .svg, .png or .pdf
    """
    from ..runs.curves import plot_runs

    say(f"written: {plot_runs(runs, out, over=over, figures=figures)}")
