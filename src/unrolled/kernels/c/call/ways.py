"""How threads share the steps of a forward pass, and how far ahead products with the input are
made: timed on this machine.

All ways give the same bits. The cost model (plan/cost.py) knows the caches and barriers of one processor;
what it says is tried against the others where calls are long, once many of them have been made, so that
the timing takes no longer than they did. What won is kept beside the kernels. A backward pass goes by the
model alone: threads that own rows add up their own parts of a bias's gradient, and so round it otherwise
than those that own units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import NamedTuple

import torch

from ....plan.cost import LARGE, Way, ways_to_share
from ....plan.plan import Plan
from ..build import timed
from ..build.toolchain import toolchain

LONG = 20_000_000  # floating-point operations of a call: shorter ones are not timed
CALLS = 40  # of calls that are alike: then they are timed, as often as that at most
BY_FAR = 0.8  # of the time that BLAS takes
CLEARLY = 0.9  # of the time that the model's way takes: what is not so much faster is chance
AHEADS = (32, 64, 256)  # rows whose input products are made together, for each thread


class Fixed(NamedTuple):
    """What is fixed instead of chosen: a way, and the arithmetic of products outside the loop
    above which BLAS has them.
    """

    way: Way
    least: float


FIXED: ContextVar[Fixed | None] = ContextVar("fixed", default=None)


@contextmanager
def fixed(way: Way, least: float = LARGE) -> Iterator[None]:
    """Calls inside go this way, whatever the cost model and the timings say: for tests and benchmarks. Units
    are shared out where a cell lets them be."""
    before = FIXED.set(Fixed(way, least))
    try:
        yield
    finally:
        FIXED.reset(before)


@dataclass(eq=False)
class Tried:
    """The way in use, and the calls that were made; `done` once there is nothing more to try."""

    way: Way
    calls: int = 0
    done: bool = False


def way_of(plan: Plan, sizes: tuple, batch: int, precision: str, most: int, model: Way, run: Callable) -> Way:
    """The way for one more call. `run` makes the same call in a way that it is given."""
    key = (plan, sizes, batch, precision, most, model)
    tried = _tried(*key)
    if tried.done:
        return tried.way
    tried.calls += 1
    if 1 < tried.calls <= CALLS:
        return tried.way
    known = _choices(key, run, time=tried.calls > CALLS)  # an earlier process's at first
    if known:
        tried.way, tried.done = known, True
    return tried.way


@lru_cache(maxsize=512)
def _tried(plan: Plan, sizes: tuple, batch: int, precision: str, most: int, model: Way) -> Tried:
    return Tried(model)


def _choices(key: tuple, run: Callable, time: bool) -> Way | None:
    """First who shares, then how far ahead; None where that is not known and not to be timed now."""
    plan, sizes, batch, precision, most, model = key
    found = toolchain()
    graph = plan.graph
    about = (
        graph.nodes,
        graph.new_states,
        graph.output,
        sizes,
        batch,
        precision,
        most,
        found and found.instructions,
    )
    sharing = [model._replace(team=w.team, units=w.units) for w in ways_to_share(plan, batch, most)]
    first = _choice(model, sharing, run, time, *about)
    if first is None or not plan.body.hoisted:
        return first
    return _choice(first, [first._replace(ahead=rows) for rows in AHEADS], run, time, *about)


def _choice(model: Way, ways: list[Way], run: Callable, time: bool, *about: object) -> Way | None:
    by_name = {str(way): way for way in dict.fromkeys([model, *ways])}
    if len(by_name) == 1:
        return model
    runs = {name: partial(run, way) for name, way in by_name.items()}
    choice = timed.fastest(runs, *about) if time else timed.known(runs, *about)
    if choice is None:
        return None
    won, beaten = choice.milliseconds[choice.name], choice.milliseconds[str(model)]
    return by_name[choice.name] if won < CLEARLY * beaten else model


_blas: dict[tuple[str, int], bool] = {}


def uses_blas(precision: str, most: int) -> bool:
    """Whether BLAS takes the large products outside the loop; so it is until a timing says otherwise."""
    return _blas.get((precision, most), True)


def time_blas(precision: str, most: int, run: Callable[[bool], object]) -> None:
    """Before the first call whose products are large: is torch's BLAS the faster here, or are our own
    products? On one processor it is by a tenth, on another it takes twice as long. `run` makes the forward
    pass with it, or without.

    The two round differently. So this is chosen once for a machine, before any result is used, and BLAS has it
    unless it is beaten by far: chance does not change it.
    """
    if (precision, most) not in _blas:
        found = toolchain()
        ways = {"blas": partial(run, True), "own": partial(run, False)}
        choice = timed.fastest(
            ways, "products", precision, most, torch.__version__, found and found.instructions
        )
        own, blas = choice.milliseconds["own"], choice.milliseconds["blas"]
        _blas[precision, most] = own > BY_FAR * blas
