"""`python -m bench scan`: linear recurrences over short and long sequences of one row,
against going step by step.

Two ways leave the single step behind: the kernel, in which each core takes its share of the units
through blocks of time; and the reference backend (any device, any derivative), which works blocks of
time out beside each other.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import torch

import unrolled
from unrolled.kernels.reference import run as reference

from .layers import flops
from .machine import Peak, machine
from .measure import Work, steady_pair
from .peers import against_eager, check_same, training
from .rows import Result, Row

CELLS = ("mingru", "minlstm", "sru_2017", "qrnn", "lru")
STEPS = (100, 1_000, 10_000)
HIDDEN = 128


def run(seconds: float, say: Callable[[Row], None]) -> Result:
    """Times each cell at each length, both ways."""
    facts, peak, threads = machine(), Peak(), torch.get_num_threads()
    rows = []
    for name in CELLS:
        for steps in STEPS:
            for way, against, make in (
                ("kernel", "eager torch, step by step", against_eager),
                ("blocks of time in torch", "the same in torch, step by step", in_blocks),
            ):
                torch.manual_seed(zlib.crc32(f"{name} {steps}".encode()))
                timing, around = steady_pair(*make(name, steps, 1, HIDDEN), seconds, threads, peak)
                share = flops(name, HIDDEN, steps) / timing.ours / 1e9 / peak.best
                rows.append(
                    Row(
                        f"{name}, {way}",
                        f"T {steps:,}, B 1, H {HIDDEN}",
                        against,
                        "ms",
                        1e3 * timing.ours,
                        1e3 * timing.peer,
                        timing.peer / timing.ours,
                        share=share,
                        peak=around,
                        note=timing.note,
                    )
                )
                say(rows[-1])
    return Result("scan", facts, tuple(rows))


def in_blocks(cell: str, steps: int, batch: int, hidden: int) -> tuple[Work, Work]:
    """The reference backend with and without its scan."""
    layer = unrolled.Recurrent(cell, hidden, hidden, backend="reference")
    x = torch.randn(steps, batch, hidden, requires_grad=True)
    above = torch.randn(steps, batch, layer.output_size)
    blocked = training(lambda: layer(x)[0], [x, *layer.parameters()], above)

    def step_by_step():
        before, reference.BLOCKED = reference.BLOCKED, steps + 1
        try:
            return blocked()
        finally:
            reference.BLOCKED = before

    check_same(cell, blocked, step_by_step, x)
    return blocked, step_by_step
