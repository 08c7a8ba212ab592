"""`unrolled plot RUN ...`: loss and figures of runs over steps or time, several runs in one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from ..errors import UsageError
from ..runs.folder import RunFolder
from ..terminal import printable, say
from .options import Positional, parse


def command(name: str, arguments: list[str]) -> None:
    return parse(plot, f"unrolled {name}", arguments)


def plot(
    runs: Positional[tuple[Path, ...]],
    over: Literal["steps", "time"] = "steps",
    out: Path = Path("runs.svg"),
) -> None:
    """Draw the loss and the held-out figure of runs, several in one picture.

    Args:
        runs: folders of runs
        over: steps, or time in minutes
        out: the picture, as .svg, .png or .pdf
    """
    if not runs:
        raise UsageError("plot takes at least one run: unrolled plot RUN ...")
    if out.suffix not in (".svg", ".png", ".pdf"):
        raise UsageError(f"--out {out} is not a picture's name: end it in .svg, .png or .pdf.")
    measured = {printable(str(run)): RunFolder.open(run).metrics() for run in runs}
    for run, lines in measured.items():
        if not lines:
            raise UsageError(f"{run} has no figures yet: let it train until its first report.")
    figure(measured, over).savefig(out, bbox_inches="tight", dpi=150)
    say(f"written: {out}")


def figure(measured: dict[str, list[dict[str, Any]]], over: str) -> Any:
    """A figure of matplotlib: on the left the training loss, on the right the figure that decides."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError("plot draws with matplotlib: pip install 'unrolled[figures]'.") from None
    drawn = Figure(figsize=(10, 4), layout="constrained")
    left, right = drawn.subplots(1, 2)
    for run, lines in measured.items():
        evaluated = [line for line in lines if "validation" in line]
        left.plot([_place(line, over) for line in lines], [line["loss"] for line in lines], label=run)
        right.plot(
            [_place(line, over) for line in evaluated],
            [line["validation"] for line in evaluated],
            marker="o",
            label=run,
        )
    name = next((next(iter(line["figures"])) for line in lines if "figures" in line), "held out")
    for axes, title in ((left, "training loss"), (right, f"held out: {name.replace('_', ' ')}")):
        axes.set_title(title)
        axes.set_xlabel("steps" if over == "steps" else "minutes")
        axes.grid(alpha=0.3)
    left.legend()
    return drawn


def _place(line: dict[str, Any], over: str) -> float:
    return line["step"] if over == "steps" else line["seconds"] / 60
