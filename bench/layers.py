"""`python -m bench layers`: forward and backward pass of layers against torch.nn,
torchrecurrent and eager torch.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod

import torch

from unrolled import find
from unrolled.graph.node import size
from unrolled.views.count import count

from .machine import Peak, machine, only_avx2
from .measure import Work, paired, steady_pair
from .peers import against_eager, against_torch, against_torchrecurrent, ragged, sizes_of
from .rows import Result, Row

STEPS, BATCH = 100, 32
TORCH = (
    ("lstm", "LSTM", {128: 1.25, 256: 1.35, 512: 1.15}),
    ("gru", "GRU", {128: 2.5, 512: 1.5}),
    ("elman", "RNN", {128: 2.2, 512: 1.4}),
)
TORCHRECURRENT = (
    ("peephole_lstm", "PeepholeLSTM", {128: 6.0, 512: 2.3}),
    ("mgu", "MGU", {128: 6.0, 512: 2.5}),
    ("lem", "LEM", {128: 4.0}),
    ("indrnn", "IndRNN", {128: 6.0}),
)
# Where AVX2's are the widest vectors, torch's own kernels reach the product peak, too: targets
# are what a Zen 3 showed.
AVX2 = {
    ("torch.nn.LSTM", 128): 1.18,
    ("torch.nn.LSTM", 256): 1.22,
    ("torch.nn.LSTM", 512): 1.14,
    ("torch.nn.GRU", 128): 2.45,
    ("torch.nn.GRU", 512): 1.51,
    ("torch.nn.RNN", 128): 2.3,
    ("torch.nn.RNN", 512): 1.5,
    ("torchrecurrent.PeepholeLSTM", 128): 7.3,
    ("torchrecurrent.PeepholeLSTM", 512): 2.9,
    ("torchrecurrent.MGU", 128): 6.6,
    ("torchrecurrent.MGU", 512): 3.1,
    ("packed torch.nn.LSTM", 128): 22.6,
    ("padded torch.nn.LSTM", 128): 2.3,
}
NOTES = {"LEM": "the peer's y reads the old z, where the paper's reads the new one: one stage instead of two"}
EAGER = {128: 2.0, 512: 2.0}
# Of the other cells, `python -m bench zoo` has two widths each.
STARTERS = (
    "elman",
    "jordan",
    "indrnn",
    "lstm",
    "peephole_lstm",
    "phased_lstm",
    "gru",
    "gru_reset_before",
    "mgu",
    "rhn",
    "intersection_rnn",
    "lem",
    "mingru",
)
LENGTHS = (16, 50, 1000)  # rows, shortest, longest


@dataclass(frozen=True)
class Case:
    """A pair to time: `make` builds both sides; `row_steps` is how many steps of rows ours computes."""

    cell: str
    against: str
    hidden: int
    target: float
    make: Callable[[], tuple[Work, Work]]
    steps: str = f"T {STEPS}"
    batch: int = BATCH
    row_steps: int = STEPS * BATCH
    note: str = ""

    @property
    def sizes(self) -> str:
        return f"{self.steps}, B {self.batch}, H {self.hidden}"

    @property
    def name(self) -> str:
        return f"{self.cell} vs {self.against}, {self.sizes}"


def cases() -> Iterator[Case]:
    """Every row of the benchmark, in the order of the table."""
    for cell, kind, targets in TORCH:
        for hidden, target in targets.items():
            yield Case(
                cell,
                f"torch.nn.{kind}",
                hidden,
                target,
                lambda k=kind, h=hidden: against_torch(k, STEPS, BATCH, h),
            )
    yield Case(
        "gru", "torch.nn.GRU", 64, 8.0, lambda: against_torch("GRU", STEPS, 1, 64), batch=1, row_steps=STEPS
    )
    for cell, kind, targets in TORCHRECURRENT:
        for hidden, target in targets.items():
            yield Case(
                cell,
                f"torchrecurrent.{kind}",
                hidden,
                target,
                note=NOTES.get(kind, ""),
                make=lambda c=cell, k=kind, h=hidden: against_torchrecurrent(c, k, STEPS, BATCH, h),
            )
    for batch, targets in ((BATCH, EAGER), (1, {64: 8.0})):
        for cell in STARTERS:
            for hidden, target in targets.items():
                yield Case(
                    cell,
                    "eager torch",
                    hidden,
                    target,
                    batch=batch,
                    row_steps=STEPS * batch,
                    make=lambda c=cell, b=batch, h=hidden: against_eager(c, STEPS, b, h),
                )
    rows, shortest, longest = LENGTHS
    total = int(torch.linspace(shortest, longest, rows).round().sum())
    for packed, target in ((False, 1.5), (True, 20.0)):
        yield Case(
            "lstm",
            f"{'packed' if packed else 'padded'} torch.nn.LSTM",
            128,
            target,
            steps=f"T {shortest} to {longest}",
            batch=rows,
            row_steps=total,
            make=lambda p=packed: ragged(p, rows, shortest, longest, 128),
        )


def flops(cell: str, hidden: int, row_steps: int) -> int:
    """Products of a forward and a backward pass: each forward one has two going back, for values and for
    weights; weights that are not trained have none of the latter."""
    chosen = find(cell)
    sizes = sizes_of(chosen, hidden, hidden)
    shapes = [
        chosen.graph.leaf("parameter", name).shape
        for name in chosen.fixed
        if chosen.graph.leaf("parameter", name)
    ]
    fixed = sum(2 * prod(size(dim, sizes) for dim in shape) for shape in shapes if len(shape) == 2)
    return row_steps * (3 * count(chosen.graph, sizes).products - fixed)


def run(seconds: float, only: str, say: Callable[[Row], None]) -> Result:
    """Times all cases whose name contains `only`, each for `seconds`; each row is said as it is ready."""
    facts, peak, threads = machine(), Peak(), torch.get_num_threads()
    rows, skipped = [], []
    for case in cases():
        if only not in case.name:
            continue
        torch.manual_seed(zlib.crc32(case.name.encode()))
        try:
            sides = case.make()
        except ImportError as error:
            skipped.append(f"{case.name}: {error}")
            continue
        timing, around = steady_pair(*sides, seconds, threads, peak)
        share = flops(case.cell, case.hidden, case.row_steps) / timing.ours / 1e9 / peak.best
        target = AVX2.get((case.against, case.hidden), case.target) if only_avx2(facts) else case.target
        rows.append(
            paired(
                case.cell,
                case.sizes,
                case.against,
                target,
                timing,
                share=share,
                peak=around,
                note=case.note,
            )
        )
        say(rows[-1])
    return Result("layers", facts, tuple(rows), tuple(skipped))
