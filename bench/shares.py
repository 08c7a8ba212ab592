"""`python -m bench shares`: the share of the product peak that the LSTM's training steps run at, short
sequences beside long ones.

What a step keeps for its backward pass grows with the sequence, and so do the pages that it would ask the
system for. The two lengths and the peak are measured in turns, and shares are medians of the turns' own.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from unrolled import LSTM

from .layers import flops
from .machine import Peak, machine
from .rows import Result, Row

WIDTHS, STEPS, BATCH = (128, 256, 512), (100, 1_000), 32
EVEN = 0.95  # of the short sequences' share, at least
ROUNDS = 9  # at least
PHASES = {"forward": 1 / 3, "backward": 2 / 3, "forward and backward": 1.0}  # of the products


@dataclass(frozen=True)
class Shares:
    """Of the peak, by phase, and seconds of a step: medians."""

    of: dict[str, float]
    seconds: dict[str, float]


def step(layer: torch.nn.Module, x: torch.Tensor, above: torch.Tensor) -> tuple[float, float]:
    """Seconds of a forward and of a backward pass."""
    began = time.perf_counter()
    y = layer(x)[0]
    between = time.perf_counter()
    y.backward(above)
    end = time.perf_counter()
    layer.zero_grad()
    x.grad = None
    return between - began, end - between


def measured(hidden: int, seconds: float, peak: Peak) -> dict[int, Shares]:
    """Both lengths in turns, the shorter one as often as makes as many steps, with the peak between them."""
    layer = LSTM(hidden, hidden)
    given = {
        t: (torch.randn(t, BATCH, hidden, requires_grad=True), torch.randn(t, BATCH, hidden)) for t in STEPS
    }
    for x, above in given.values():
        for _ in range(3):
            step(layer, x, above)
    shares: dict[int, list[dict[str, float]]] = {t: [] for t in STEPS}
    times: dict[int, list[dict[str, float]]] = {t: [] for t in STEPS}
    began, turn = time.perf_counter(), 0
    while turn < ROUNDS or time.perf_counter() - began < seconds:
        for t in STEPS if turn % 2 else STEPS[::-1]:
            found = [step(layer, *given[t]) for _ in range(STEPS[-1] // t)]
            forward, back = (statistics.median(column) for column in zip(*found))
            took = dict(zip(PHASES, (forward, back, forward + back)))
            top, work = 1e9 * peak(), flops("lstm", hidden, t * BATCH)
            shares[t].append({name: part * work / took[name] / top for name, part in PHASES.items()})
            times[t].append(took)
        turn += 1
    return {t: Shares(_medians(shares[t]), _medians(times[t])) for t in STEPS}


def _medians(found: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(each[name] for each in found) for name in PHASES}


def run(seconds: float, say: Callable[[Row], None]) -> Result:
    """Measures all widths, each for `seconds` and nine turns at least."""
    facts, peak, rows = machine(), Peak(), []
    for hidden in WIDTHS:
        found = measured(hidden, seconds, peak)
        around = peak()
        for t in STEPS:
            for phase in PHASES:
                rows.append(_row(hidden, t, phase, found, around))
                say(rows[-1])
    return Result("shares", facts, tuple(rows))


def _row(hidden: int, steps: int, phase: str, found: dict[int, Shares], around: float) -> Row:
    """A longer sequence's share is held against the shortest's."""
    sizes, short = f"T {steps:,}, B {BATCH}, H {hidden}", found[STEPS[0]].of[phase]
    share, took = found[steps].of[phase], 1e3 * found[steps].seconds[phase]
    if steps == STEPS[0]:
        return Row(f"lstm, {phase}", sizes, "", "ms", took, None, took, share=share, peak=around)
    target = EVEN if phase == "forward and backward" else None
    beside = f"T {STEPS[0]}, as many steps"
    as_many = took * share / short
    return Row(
        f"lstm, {phase}", sizes, beside, "ms", took, as_many, share / short, target, share=share, peak=around
    )
