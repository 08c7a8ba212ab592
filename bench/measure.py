"""Timing two sides against each other: alternating, medians, the peer at the better of one and all threads."""

from __future__ import annotations

import gc
import math
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

import torch

from .machine import Peak
from .rows import UNSTEADY, Row

Work = Callable[[], object]
Found = TypeVar("Found")
SAMPLE = 0.005  # seconds: shorter work is repeated until one sample takes this long
ROUNDS = 5  # at least, however long they take
HOPELESS = 1.5  # a thread count that is so many times slower than the other is not followed up


@dataclass(frozen=True)
class Timing:
    """Median seconds of one run of each side, the peer's number of threads, and how many samples each has."""

    ours: float
    peer: float
    peer_threads: int
    samples: int

    @property
    def note(self) -> str:
        """How many threads the peer had."""
        return f"peer at {self.peer_threads} thread{'s' * (self.peer_threads > 1)}"


class Side:
    """Work at a number of threads, and how long it took."""

    def __init__(self, work: Work, threads: int):
        self.work, self.threads, self.repeats = work, threads, 1
        self.seconds: list[float] = []
        torch.set_num_threads(threads)
        work()  # builds, allocates, warms caches
        guess = min(self.sample() for _ in range(2))
        self.repeats = max(1, math.ceil(SAMPLE / guess))

    def sample(self) -> float:
        torch.set_num_threads(self.threads)
        began = time.perf_counter()
        for _ in range(self.repeats):
            self.work()
        return (time.perf_counter() - began) / self.repeats

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def pair(ours: Work, peer: Work, seconds: float, threads: int) -> Timing:
    """Times both for about `seconds`, and for `ROUNDS` rounds at least; leaves torch at `threads` threads."""
    began = time.perf_counter()
    gc.collect()
    gc.disable()  # a collection would hit whichever side is running
    try:
        mine, peers = Side(ours, threads), [Side(peer, n) for n in sorted({1, threads})]
        first = [min(side.sample() for _ in range(2)) for side in peers]
        peers = [side for side, took in zip(peers, first) if took <= HOPELESS * min(first)]
        for turn in count():
            if turn >= ROUNDS and time.perf_counter() - began >= seconds:
                break
            for side in (mine, *peers) if turn % 2 else (*peers, mine):
                side.seconds.append(side.sample())
    finally:
        gc.enable()
        torch.set_num_threads(threads)
    best = min(peers, key=lambda side: side.median)
    return Timing(mine.median, best.median, best.threads, len(mine.seconds))


def steady_pair(
    ours: Work, peer: Work, seconds: float, threads: int, peak: Peak, tries: int = 3
) -> tuple[Timing, float]:
    """`pair` between two measurements of the peak, again where it moved; the timing, and
    the lower of its two peaks.

    Where it moved each time, the steadiest is returned, and its peak marks the row.
    """
    found = []
    for left in reversed(range(tries)):
        found.append(with_peak(lambda: pair(ours, peer, seconds, threads), peak))
        if found[-1][1] >= (1 - UNSTEADY) * peak.best:
            break
        print(
            f"the machine's product peak moved from {peak.best:,.0f} to {found[-1][1]:,.0f} GFLOP/s around this"
            " pair: " + ("it is measured again" if left else "it is marked"),
            file=sys.stderr,
        )
    return max(found, key=lambda entry: entry[1])


def with_peak(work: Callable[[], Found], peak: Peak) -> tuple[Found, float]:
    """What the work gives, and the lower of the peaks before and after it."""
    before = peak()
    found = work()
    return found, min(before, peak())


def paired(
    what: str,
    sizes: str,
    against: str,
    target: float,
    timing: Timing,
    *,
    share: float,
    peak: float,
    note: str = "",
) -> Row:
    """A row of times of ours and a peer's, in milliseconds; `note` stands behind how
    many threads the peer had.
    """
    ours, peer = 1e3 * timing.ours, 1e3 * timing.peer
    note = "; ".join(filter(None, (timing.note, note)))
    return Row(what, sizes, against, "ms", ours, peer, peer / ours, target, share=share, peak=peak, note=note)


def rates(
    what: str,
    sizes: str,
    against: str,
    unit: str,
    count: int,
    target: float | None,
    timing: Timing,
    *,
    peak: float,
    share: float | None = None,
) -> Row:
    """A row of how many of something both sides do in a second, `count` of them in the work that was timed."""
    ours, peer = count / timing.ours, count / timing.peer
    return Row(
        what, sizes, against, unit, ours, peer, ours / peer, target, share=share, peak=peak, note=timing.note
    )
