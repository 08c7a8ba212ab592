"""`unrolled evaluate RUN --data FILE`: how good a model is on other data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from ..errors import UsageError
from ..options import STANDARD_INPUT
from ..runs.run import open_run
from ..terminal import say, say_json
from ..training.standard_input import spooled
from .options import Json, Positional, parse


def command(name: str, arguments: list[str]) -> None:
    return parse(evaluate, f"unrolled {name}", arguments)


def evaluate(
    run: Positional[Path],
    data: Annotated[Path, tyro.conf.arg(aliases=["--text"])],
    picture: Path | None = None,
    as_json: Json = False,
) -> None:
    """How good a model is on other data.

    Args:
        run: the run's folder
        data: a file of the kind that the run was trained on; - for standard input
        picture: draw what is beyond the figures, such as a confusion of classes, as .svg, .png or .pdf
        as_json: print one JSON object
    """
    trained = open_run(run)
    if str(data) == STANDARD_INPUT:
        with spooled() as file:
            scored, details = trained.examine(file)
    else:
        scored, details = trained.examine(data)
    if picture is not None:
        if details is None:
            raise UsageError(
                f"--picture {picture}: the task {trained.task.name} has none to draw. Leave it out."
            )
        details.draw(picture)
    unit = f"{trained.task.unit.name}s"
    if as_json:
        more = {"notes": list(scored.notes)} if scored.notes else {}
        more |= {} if details is None else details.to_json()
        say_json({unit: scored.count} | dict(scored.figures) | more)
    else:
        for note in scored.notes:
            say(note)
        say(f"{scored.count:,} {unit}: {trained.task.sentence(scored.figures)}")
        if details is not None:
            say(f"\n{details.text()}")
