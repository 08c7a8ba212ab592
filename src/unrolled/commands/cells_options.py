"""`unrolled cells`: its options, read without loading what the command needs."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

from ..terminal import say
from .options import Json, parse


@dataclass(frozen=True)
class WantedCells:
    """The cells there are, by family; `unrolled show CELL` prints one."""

    family: str | None = None
    """of this family only, e.g. gru"""
    year: str | None = None
    """of a year or a span of years, 2014 or 2014-2016"""
    since: int | None = None
    """from this year on"""
    until: int | None = None
    """up to this year"""
    states: int | None = None
    """with so many states"""
    search: str | None = None
    """with these words in their name, their sentence, or their papers' authors and titles"""
    backend: str | None = None
    """that run on c, or on reference only"""
    sort: str | None = None
    """name, family, year, paper, states, parameters, flops, stages or backend; without it family by family"""
    as_json: Json = False
    """print a JSON list"""


def command(name: str, arguments: list[str]) -> None:
    wanted = parse(WantedCells, f"unrolled {name}", arguments)
    from .catalogue import table
    from .cells import as_json

    colour = sys.stdout.isatty()
    say(json.dumps(as_json(wanted)) if wanted.as_json else table(None, wanted, colour=colour), colours=colour)
