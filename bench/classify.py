"""`python -m bench classify [SET ...]`: how well the task classify does on public data, mostly with the
options that it has by itself.

Everything is chosen on what is learned from; the part for the report is looked at once, with the best weights.
Each run is a line of bench/classify.md.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from unrolled import train
from unrolled.errors import UsageError
from unrolled.runs.folder import RunFolder
from unrolled.tasks.classify import Classify

from .classify_sets import SETS, Set
from .machine import BUSY, machine

FILE = Path(__file__).parent / "classify.md"
HEAD = """# Classification

Written by `python -m bench classify`; do not edit. Figures are those of the part for the report, at which
nothing was chosen; the baseline's are of the held-out part. Where a machine was busy the seconds are those of the
others, too.

| set | accuracy | macro-F1 | target | reached | baseline | others | seconds | machine |
|---|---|---|---|---|---|---|---|---|
"""


class Reached(NamedTuple):
    """What a run reached on the part for the report."""

    name: str
    figures: dict[str, float]
    baseline: dict[str, float]
    seconds: float

    @property
    def good(self) -> bool:
        return all(self.figures[figure] >= least for figure, least in SETS[self.name].targets.items())

    def line(self) -> str:
        wanted = ", ".join(
            f"{figure.replace('_', '-')} {least:g}" for figure, least in SETS[self.name].targets.items()
        )
        said = ", ".join(f"{name} {value:.3f}" for name, value in self.baseline.items() if "accuracy" in name)
        cells = (
            self.name,
            f"{self.figures['accuracy']:.4f}",
            f"{self.figures['macro_f1']:.4f}",
            wanted,
            "yes" if self.good else "no",
            said,
            SETS[self.name].beside,
            f"{self.seconds:.0f}",
            machine_name(),
        )
        return f"| {' | '.join(cells)} |"


def machine_name() -> str:
    facts = machine()
    busy = ", busy" if facts["busy"] > BUSY else ""
    return f"{facts['processor']}, {facts['threads']} of {facts['cores']} cores, {facts['date']}{busy}"


def run(name: str, seed: int = 0) -> Reached:
    """One training with the usual options, and its figures on the part for the report."""
    chosen = SETS[name]
    with tempfile.TemporaryDirectory() as folder:
        files = chosen.files(Path(folder))
        began = time.monotonic()
        made = train(_task(chosen, files), epochs=chosen.epochs, seed=seed, out=Path(folder) / "run")
        seconds = time.monotonic() - began
        figures = dict(made.evaluate(files["test"]).figures)
        return Reached(name, figures, dict(RunFolder(made.folder).settings().baseline), seconds)


def _task(chosen: Set, files: dict[str, Path]) -> Classify:
    """The files that are learned from; the other one is read once the training is over."""
    kept = {part: file for part, file in files.items() if part != "test"}
    return dataclasses.replace(Classify(**kept), **chosen.options)


def keep(reached: Iterable[Reached]) -> Path:
    """The lines of other sets stay."""
    found = {one.name: one.line() for one in reached}
    old = FILE.read_text(encoding="utf-8").splitlines() if FILE.exists() else []
    lines = {
        line.split(" | ")[0].removeprefix("| "): line
        for line in old
        if line.startswith("| ") and "---" not in line
    }
    lines = {name: line for name, line in lines.items() if name in SETS} | found
    FILE.write_text(HEAD + "\n".join(lines[name] for name in SETS if name in lines) + "\n", encoding="utf-8")
    return FILE


def check(names: Iterable[str]) -> list[str]:
    """The sets that are meant, all without a name. Raises UsageError for one there is not."""
    wanted = list(names) or list(SETS)
    for name in wanted:
        if name not in SETS:
            raise UsageError(f"there is no set {name!r}: choose some of {', '.join(SETS)}.")
    return wanted
