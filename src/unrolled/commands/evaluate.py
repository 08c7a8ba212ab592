"""`unrolled evaluate RUN --data FILE`: how good a model is on other data."""

from __future__ import annotations

import json
from pathlib import Path

from ..runs.run import open_run


def evaluate(folder: Path, data: Path, as_json: bool = False) -> None:
    """Prints the figures, in a sentence or as one JSON object."""
    run = open_run(folder)
    scored = run.evaluate(data)
    unit = f"{run.task.unit.name}s"
    if as_json:
        print(json.dumps({unit: scored.count} | dict(scored.figures)))
    else:
        print(f"{scored.count:,} {unit}: {run.task.sentence(scored.figures)}")
