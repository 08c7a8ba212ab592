"""Loss and figures of runs over steps or time, several runs in one picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from ..errors import UsageError
from ..terminal import printable
from ..views.figure import figure, literal
from .folder import RunFolder

Lines = list[dict[str, Any]]
COLOURS = ("blue_line", "red_line", "green_line", "violet_line", "yellow_line", "teal_line")
DASHES = ("-", "--", ":", "-.")  # a run more than there are colours is drawn in another line
PANEL = (4.6, 3.4)  # inches
LEGEND = 8  # runs that are named in the picture; more would hide it
LETTERS = 28  # of a name there


def plot_runs(
    runs: Sequence[str | Path],
    out: str | Path = "runs.svg",
    *,
    over: Literal["steps", "time"] = "steps",
    figures: Iterable[str] = (),
) -> Path:
    """Draw the training loss of runs, and their figures on the held-out part; returns the file.

    runs     folders of runs
    out      the picture, as .svg, .png or .pdf
    over     steps, or time in minutes
    figures  which ones, a panel each; without any the one that decides, of each task

    Raises UsageError where there is no run, none of a run's figures yet, or no such figure.
    """
    if not runs:
        raise UsageError("plot takes at least one run: unrolled plot RUN ...")
    out = Path(out)
    if out.suffix not in (".svg", ".png", ".pdf"):
        raise UsageError(f"--out {out} is not a picture's name: end it in .svg, .png or .pdf.")
    measured = {_short(run, runs): _measured(run) for run in runs}
    names = _names(measured, tuple(figures))
    width, height = PANEL
    figure(
        out,
        (width * (1 + len(names)), height),
        lambda drawn, ink: _fill(drawn, ink, measured, names, over),
        title="training loss and held-out figures of runs",
        tight=True,
    )
    return out


def _measured(run: str | Path) -> Lines:
    lines = RunFolder.open(run).metrics()
    if not lines:
        raise UsageError(f"{printable(str(run))} has no figures yet: let it train until its first report.")
    return lines


def _short(run: str | Path, runs: Sequence[str | Path]) -> str:
    """A run's name: that of its folder, where no other run has the same."""
    name = Path(run).resolve().name
    clash = sum(Path(other).resolve().name == name for other in runs) > 1
    shown = printable(str(run) if clash else name)
    return shown if len(shown) <= LETTERS else f"...{shown[3 - LETTERS :]}"


def _names(measured: dict[str, Lines], asked: tuple[str, ...]) -> tuple[str, ...]:
    """The figures that have a panel, each once."""
    have = [tuple(_last(lines)) for lines in measured.values()]
    known = dict.fromkeys(name for names in have for name in names)
    for name in asked:
        if name not in known:
            raise UsageError(f"--figures {name} is not there: choose among {', '.join(known) or 'none yet'}.")
    return asked or tuple(dict.fromkeys(names[0] for names in have if names))


def _last(lines: Lines) -> dict[str, Any]:
    """The figures of the last evaluation."""
    return next((line["figures"] for line in reversed(lines) if line.get("figures")), {})


def _fill(drawn: Any, ink: dict[str, str], measured: dict[str, Lines], names: Sequence[str], over: str) -> None:
    panels = drawn.subplots(1, 1 + len(names), squeeze=False)[0]
    for axes, title in zip(panels, ("training loss", *(f"held out: {_literal(name)}" for name in names))):
        axes.set_title(title, fontsize=11)
        axes.set_xlabel("steps" if over == "steps" else "minutes")
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_facecolor("none")
    for k, (run, lines) in enumerate(measured.items()):
        row, column = divmod(k, len(COLOURS))
        look = {"color": ink[COLOURS[column]], "linestyle": DASHES[row % len(DASHES)]}
        if k < LEGEND:
            look["label"] = _literal(run)
        panels[0].plot(*_points(lines, "loss", over), linewidth=1.2, **look)
        for axes, name in zip(panels[1:], names):
            axes.plot(*_points(lines, name, over), marker="o", markersize=3.5, linewidth=1.4, **look)
    panels[0].legend(frameon=False, fontsize=9, title="" if len(measured) <= LEGEND else f"the first {LEGEND}")


def _points(lines: Lines, name: str, over: str) -> tuple[list[float], list[float | None]]:
    """Where, and how much; what is not a number leaves a gap."""
    found = [
        (line["step"] if over == "steps" else line["seconds"] / 60, value)
        for line in lines
        if (value := line.get("loss") if name == "loss" else line.get("figures", {}).get(name)) is not None
    ]
    return [place for place, _ in found], [value for _, value in found]


def _literal(name: str) -> str:
    return literal(name.replace("_", " "))
