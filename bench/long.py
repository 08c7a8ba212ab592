"""`python -m bench long`: one row, 100 to 100,000 steps, forward and backward: time of a step, and peak memory.

Three ways: all values kept, `recompute=True`, and truncated BPTT in spans of 100 steps. Each runs in a process
of its own and beside a peer there, in alternation. Memory is what the first pass adds at its highest, less what
it gives back: the output, and the gradients of input and weights.
"""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

import unrolled

from .machine import Peak, machine
from .measure import Work, with_peak
from .memory import highest, reset_highest, status
from .rows import Result, Row

CELLS, STEPS, HIDDEN, SPAN = ("lstm", "mingru"), (100, 1_000, 10_000, 100_000), 256, 100
WAYS = {"plain": "all kept", "recompute": "recompute=True", "truncated": f"truncated BPTT, spans of {SPAN}"}
PEERED = 10_000  # torch.nn.LSTM is timed up to here
FIRST = 1_000  # steps that longer sequences are held against
SECONDS = 1.0  # shorter passes are repeated for so long
DEARER = 1.4  # times as long as plain, at most, with recompute
EVEN = 1.25  # times as much time a step, or memory of truncated BPTT, as at 1,000 steps, at most
SLACK = 5.0  # MB more beside: at the same length, what the process was seen to hold at most was 11.5 to 16.2
CHILD = "import sys; from bench.long import child; child(*sys.argv[1:3], int(sys.argv[3]))"


def child(cell: str, way: str, steps: int) -> None:
    """Runs one way and prints, as JSON, the bytes that its first pass added, its seconds, and the seconds of
    its peer: torch.nn.LSTM beside the plain LSTM, the plain layer beside the other ways."""
    layer, span = layer_of(cell, way), SPAN if way == "truncated" else steps
    work = passes(layer, steps, span)
    passes(layer, 2 * SPAN, 2 * SPAN)()  # builds, starts threads, makes weights' gradients
    reset_highest()
    before = status("VmRSS")
    work()
    added = highest() - before - 2 * 4 * span * HIDDEN
    peer = None
    if way != "plain":
        peer = passes(layer_of(cell, "plain"), steps, steps)
    elif cell == "lstm" and steps <= PEERED:
        peer = passes(torch.nn.LSTM(HIDDEN, HIDDEN), steps, steps)
    print(json.dumps([max(added, 0), *alternating(work, peer)]))


def layer_of(cell: str, way: str) -> unrolled.Recurrent:
    return unrolled.Recurrent(cell, HIDDEN, HIDDEN, recompute=way == "recompute")


def passes(layer: torch.nn.Module, steps: int, span: int) -> Work:
    """Forward and backward over the whole sequence in spans, the state detached between them."""
    x, above = torch.randn(steps, 1, HIDDEN), torch.randn(steps, 1, HIDDEN)

    def work() -> None:
        state = None
        for first in range(0, steps, span):
            y, state = layer(x[first : first + span].requires_grad_(), state)
            y.backward(above[first : first + span])
            state = tuple(s.detach() for s in state)

    return work


def alternating(work: Work, peer: Work | None) -> tuple[float, float | None]:
    """Median seconds of both, in turns."""
    times: tuple[list[float], list[float]] = [], []
    began = time.perf_counter()
    while len(times[0]) < 2 or time.perf_counter() - began < SECONDS:
        for one, kept in zip((work, peer), times):
            if one:
                start = time.perf_counter()
                one()
                kept.append(time.perf_counter() - start)
    return statistics.median(times[0]), statistics.median(times[1]) if peer else None


def measured(cell: str, way: str, steps: int) -> tuple[float, float, float | None]:
    """MB, and microseconds of a step, ours and the peer's."""
    command = [sys.executable, "-c", CHILD, cell, way, str(steps)]
    output = subprocess.run(
        command, cwd=Path(__file__).parents[1], check=True, capture_output=True, text=True
    ).stdout
    added, ours, peer = json.loads(output.splitlines()[-1])
    return added / 1e6, 1e6 * ours / steps, None if peer is None else 1e6 * peer / steps


def run(say: Callable[[Row], None], longest: int = STEPS[-1]) -> Result:
    """Measures all lengths up to the longest."""
    facts, peak, rows = machine(), Peak(), []
    for cell in CELLS:
        for way, words in WAYS.items():
            first: dict[str, float] = {}
            for steps in (s for s in STEPS if s <= longest):
                (memory, ours, peer), around = with_peak(lambda: measured(cell, way, steps), peak)
                for row in rows_of(cell, way, steps, memory, ours, peer, first):
                    rows.append(replace(row, peak=around))
                    say(rows[-1])
                if steps == FIRST:
                    first = {"time": ours, "memory": memory}
    return Result("long", facts, tuple(rows))


def rows_of(
    cell: str, way: str, steps: int, memory: float, ours: float, peer: float | None, first: dict[str, float]
):
    """A row for the time beside the peer's, and from 1,000 steps on rows that say how time and memory grow."""
    sizes, what = f"T {steps:,}, B 1, H {HIDDEN}", f"{cell}, {WAYS[way]}"
    against = "" if peer is None else "torch.nn.LSTM" if way == "plain" else "all kept"
    if way == "plain":
        yield Row(f"{what}: a step", sizes, against, "us", ours, peer, peer / ours if peer else ours)
    else:
        yield Row(
            f"{what}: a step",
            sizes,
            against,
            "us",
            ours,
            peer,
            ours / peer,
            DEARER if way == "recompute" else None,
            "at most",
        )
    if not first:
        yield Row(f"{what}: memory", sizes, "", "MB", memory, None, memory)
        return
    before = f"T {FIRST:,}"
    dearer = DEARER if way == "recompute" else 1.0  # 1,000 steps are few enough to keep: not run again
    yield Row(
        f"{what}: a step",
        sizes,
        before,
        "us",
        ours,
        first["time"],
        ours / first["time"],
        EVEN * dearer,
        "at most",
    )
    limit = {"plain": None, "recompute": math.sqrt(steps / FIRST), "truncated": EVEN + SLACK / first["memory"]}[
        way
    ]
    yield Row(
        f"{what}: memory",
        sizes,
        before,
        "MB",
        memory,
        first["memory"],
        memory / first["memory"],
        limit,
        "at most",
    )
