"""`python -m bench few`: one row, or a few. Every cell of one stage against torch.nn.LSTM; whether the cost
model shares work out among cores in the best way; and how fast a wide LSTM reads its weights.

With one row a step does two operations for each weight that it reads: the bound is the memory
that the weights lie in.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn

from unrolled import Recurrent, find
from unrolled.cells import REGISTRY
from unrolled.commands.cells import obstacle
from unrolled.errors import UnrolledError
from unrolled.kernels.c.call.ways import fixed
from unrolled.plan.cost import AHEAD, Way, sharing, weight_bytes
from unrolled.plan.plan import Plan, plan_of

from .machine import Peak, machine
from .measure import Work, pair, steady_pair, with_peak
from .peers import inputs_of, training
from .rows import Result, Row

STEPS, HIDDEN, WIDE = 100, 64, 1024
NEAR = 0.8  # of the bandwidth of a plain read, at least
WIDTHS, BATCHES = (64, 128, 256, 512, 1024), (1, 2, 4)
RIGHT = 0.95  # the way that the cost model chooses: at least so fast as the best
TURNS = 4  # of all ways of sharing
AGAIN = 20  # reads of the weights' bytes in a sample of the plain read
LENGTHS = (200, 600)  # both with the large products in BLAS


def one_stage(plan: Plan) -> bool:
    """Whether a step waits for no product of its own: a second stage, or an inner loop."""
    return len(plan.forward.products) <= 1


def cells() -> list[str]:
    plans = {name: plan_of(find(name).graph) for name in REGISTRY}
    return [name for name, plan in plans.items() if one_stage(plan) and not obstacle(plan)]


def against_lstm(cell: str) -> tuple[Work, Work]:
    """A cell and torch.nn.LSTM on one row, forward and backward."""
    mine, peer = Recurrent(cell, HIDDEN, HIDDEN), nn.LSTM(HIDDEN, HIDDEN)
    given = inputs_of(mine.cell, STEPS, 1, HIDDEN)
    x = given[0] if isinstance(given, tuple) else given
    above = torch.randn_like(mine(given)[0])
    return (
        training(lambda: mine(given)[0], [x, *mine.parameters()], above),
        training(lambda: peer(x)[0], [x, *peer.parameters()], torch.randn(STEPS, 1, HIDDEN)),
    )


def reading(seconds: float, threads: int) -> list[Row]:
    """The wide LSTM's loop: bytes of weights that it goes through in a second, beside a plain read of as many.
    A step's time is the difference between two lengths, so that packing is not in it; inputs are indices, so
    that they need no product."""
    layer = Recurrent("lstm", WIDE, WIDE)
    size = weight_bytes(plan_of(layer.cell.graph), lambda d: WIDE, 4)
    memory = torch.rand(size // 4)

    def plain() -> None:
        for _ in range(AGAIN):
            memory.sum()

    def work(steps: int, back: bool) -> Work:
        x, above = torch.randint(WIDE, (steps, 1)), torch.randn(steps, 1, WIDE)
        both = training(lambda: layer(x)[0], list(layer.parameters()), above)
        return both if back else torch.no_grad()(lambda: layer(x))

    rows = []
    for what, back, times in (("forward", False, 1), ("forward and backward", True, 2)):
        short, long = (pair(work(steps, back), plain, seconds, threads) for steps in LENGTHS)
        step = (long.ours - short.ours) / (LENGTHS[1] - LENGTHS[0])
        ours, peer = times * size / step / 1e9, AGAIN * size / long.peer / 1e9
        more = "; the gradient of the weights is in the time" if back else ""
        rows.append(
            Row(
                f"lstm, weights read, {what}",
                f"T {LENGTHS[0]} to {LENGTHS[1]}, B 1, H {WIDE}",
                "a plain read (torch.sum)",
                "GB/s",
                ours,
                peer,
                ours / peer,
                NEAR,
                note=f"{size / 1e6:.0f} MB, {times}x a step{more}",
            )
        )
    return rows


def choice(hidden: int, batch: int, seconds: float, threads: int) -> Row:
    """The cost model's way of sharing an LSTM's steps among cores, beside the fastest of the others."""
    layer, x = Recurrent("lstm", hidden, hidden), torch.randn(STEPS, batch, hidden, requires_grad=True)
    work = training(lambda: layer(x)[0], [x, *layer.parameters()], torch.randn(STEPS, batch, hidden))
    chosen = sharing(plan_of(layer.cell.graph), lambda d: hidden, batch, 4, threads)
    ways = {(min(threads, batch), False): "rows", (threads, True): "units", (1, False): "one core"}
    took: dict = {}
    for _ in range(TURNS):
        for way in dict.fromkeys([chosen, *ways]):
            with fixed(Way(*way, AHEAD)):
                work()
                took.setdefault(way, []).extend(timed(work, seconds / TURNS / len(ways)))
    took = {way: statistics.median(times) for way, times in took.items()}
    fastest = min((way for way in took if way != chosen), key=took.get)
    return Row(
        f"lstm shared by {ways[chosen]}",
        f"T {STEPS}, B {batch}, H {hidden}",
        ways[fastest],
        "ms",
        1e3 * took[chosen],
        1e3 * took[fastest],
        took[fastest] / took[chosen],
        RIGHT,
    )


def timed(work: Work, seconds: float) -> list[float]:
    found, began = [], time.perf_counter()
    while len(found) < 3 or time.perf_counter() - began < seconds:
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return found


def run(seconds: float, only: list[str], say: Callable[[Row], None]) -> Result:
    """Times every cell of one stage (or those in `only`), each for `seconds`; then the ways to
    share, and the wide LSTM.
    """
    facts, peak, threads = machine(), Peak(), torch.get_num_threads()
    rows, skipped = [], []
    for cell in only or cells():
        torch.manual_seed(0)
        try:
            sides = against_lstm(cell)
        except UnrolledError as error:
            skipped.append(f"{cell}: {error}")
            continue
        timing, around = steady_pair(*sides, seconds, threads, peak)
        rows.append(
            Row(
                cell,
                f"T {STEPS}, B 1, H {HIDDEN}",
                "torch.nn.LSTM",
                "ms",
                1e3 * timing.ours,
                1e3 * timing.peer,
                timing.peer / timing.ours,
                1.0,
                peak=around,
            )
        )
        say(rows[-1])
    if not only:
        parts = [
            lambda h=h, b=b: [choice(h, b, seconds, threads)] for h in WIDTHS for b in BATCHES if threads > 1
        ]
        for part in [*parts, lambda: reading(seconds, threads)]:
            found, around = with_peak(part, peak)
            for row in found:
                rows.append(replace(row, peak=around))
                say(rows[-1])
    return Result("few", facts, tuple(rows), tuple(skipped))
