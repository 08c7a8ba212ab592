"""Choices that a processor's flags cannot make: each way is timed once on this machine, and what won is kept
beside the kernels. A flag says that an instruction is there, not that it is fast: bfloat16 products are twice
as fast as float32 ones on one processor with AVX512_BF16, and slower on another."""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from . import cache

ROUNDS = 5  # of each way, in turn, after one that is not counted
MOST_SECONDS = 1.0  # for all rounds; at least one of each is taken

_known: dict[str, Choice] = {}


@dataclass(frozen=True)
class Choice:
    """Which way won, and the milliseconds of each."""

    name: str
    milliseconds: dict[str, float]

    def __str__(self) -> str:
        others = ", ".join(
            f"{name} {taken:.3g}" for name, taken in self.milliseconds.items() if name != self.name
        )
        return f"{self.name}: {self.milliseconds[self.name]:.3g} ms, {others}"


def fastest(ways: Mapping[str, Callable[[], object]], *key: object) -> Choice:
    """The fastest of some ways to do the same thing, timed once on this machine for this key.

    >>> fastest({"sleep": lambda: time.sleep(0.002), "nothing": lambda: None}, "an example").name
    'nothing'
    """
    return known(ways, *key) or _timed(_place(ways, key), ways)


def known(ways: Iterable[str], *key: object) -> Choice | None:
    """What `fastest` found before, in this process or an earlier one; None where it was never asked."""
    place = _place(ways, key)
    found = _known.get(place) or _kept(place, ways)
    if found:
        _known[place] = found
    return found


def _place(ways: Iterable[str], key: tuple) -> str:
    return cache.key("timed", *ways, *key)


def _timed(place: str, ways: Mapping[str, Callable[[], object]]) -> Choice:
    for work in ways.values():
        work()
    began, taken = time.perf_counter(), {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, work in ways.items():
            start = time.perf_counter()
            work()
            taken[name].append(1e3 * (time.perf_counter() - start))
        if time.perf_counter() - began > MOST_SECONDS:
            break
    middle = {name: statistics.median(times) for name, times in taken.items()}
    choice = _known[place] = Choice(min(middle, key=middle.__getitem__), middle)
    with suppress(OSError):
        cache.somewhere(lambda folder: _keep(folder / f"timed-{place}.json", choice))
    return choice


def _keep(file: Path, choice: Choice) -> None:
    handle, aside = tempfile.mkstemp(dir=file.parent)
    with os.fdopen(handle, "w", encoding="ascii") as opened:
        json.dump(asdict(choice), opened)
    os.replace(aside, file)


def _kept(place: str, ways: Iterable[str]) -> Choice | None:
    """What was found before; None where nothing is kept, or something else than a choice among these ways."""
    try:
        stored = (cache.user_folder() / f"timed-{place}.json").read_text(encoding="ascii")
        found = json.loads(stored)
        taken = {name: float(found["milliseconds"][name]) for name in ways}
        return Choice(found["name"], taken) if found["name"] in ways else None
    except (OSError, ValueError, TypeError, KeyError):
        return None
