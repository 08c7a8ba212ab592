"""`python -m bench zoo`: every registered cell's forward and backward pass against the
same cell in eager torch.

The peer is what a careful person writes for that cell (`eager_source.py`; `python -m bench eager CELL` prints
it), with the same weights; outputs and input gradients are compared before anything is timed.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from statistics import median

import torch

from unrolled.cells import REGISTRY
from unrolled.commands.cells import obstacle
from unrolled.errors import UnrolledError
from unrolled.plan.plan import plan_of

from .layers import BATCH, STEPS, flops
from .machine import Peak, machine
from .measure import steady_pair
from .peers import against_eager
from .rows import Result, Row

WIDTHS = (128, 512)


def run(
    seconds: float, widths: Sequence[int], only: Sequence[str], say: Callable[[Row], None], rounds: bool = False
) -> Result:
    """Times the cells (those of `only` if there are any) at each width for `seconds`
    each, the best ratio first.

    `rounds`: ours under autocast to bfloat16, the peer in float32 as ever.
    """
    facts, peak, threads = machine(), Peak(), torch.get_num_threads()
    rows, skipped = [], []
    unknown = [name for name in only if name not in REGISTRY]
    if unknown:
        raise UnrolledError(
            f"--only {unknown[0]}: no registered cell is called that. `unrolled cells` lists them."
        )
    for name in only or REGISTRY:
        why = obstacle(plan_of(REGISTRY[name].graph))
        if why:
            skipped.append(f"{name} runs on the reference backend only: {why}")
            continue
        for hidden in widths:
            try:
                rows.append(timed(name, hidden, seconds, threads, peak, rounds))
                say(rows[-1])
            except UnrolledError as error:
                skipped.append(f"{name} at H {hidden}: {error}")
    rows.sort(key=lambda row: (_hidden(row), -row.value))
    return Result("zoo-mixed" if rounds else "zoo", facts, tuple(rows), tuple(skipped))


def timed(name: str, hidden: int, seconds: float, threads: int, peak: Peak, rounds: bool = False) -> Row:
    """One cell at one width. Raises UnrolledError where the peer cannot be written or
    computes something else.
    """
    torch.manual_seed(zlib.crc32(f"{name} {hidden}".encode()))
    sides = against_eager(name, STEPS, BATCH, hidden, rounds)
    timing, around = steady_pair(*sides, seconds, threads, peak)
    share = flops(name, hidden, STEPS * BATCH) / timing.ours / 1e9 / peak.best
    return Row(
        name,
        f"T {STEPS}, B {BATCH}, H {hidden}",
        "eager torch, float32" if rounds else "eager torch",
        "ms",
        1e3 * timing.ours,
        1e3 * timing.peer,
        timing.peer / timing.ours,
        share=share,
        peak=around,
        note=timing.note,
    )


def summary(result: Result) -> str:
    """The medians: "median 3.10x at H 128 (84 cells, from 1.20x to 9.00x)"."""
    texts = []
    for hidden in sorted({_hidden(row) for row in result.rows}):
        ratios = [row.value for row in result.rows if _hidden(row) == hidden]
        texts.append(
            f"median {median(ratios):.2f}x at H {hidden} ({len(ratios)} cell{'s' * (len(ratios) > 1)}, "
            f"from {min(ratios):.2f}x to {max(ratios):.2f}x)"
        )
    return "; ".join(texts)


def _hidden(row: Row) -> int:
    return int(row.sizes.rsplit(" ", 1)[1])
