"""`python -m bench mixed`: layers and training steps of bfloat16 products against
torch.nn, forward and backward.

The targets are for processors with AMX tiles, whose bfloat16 products run at eight times the float32 peak and
more; AVX-512 BF16 doubles it at best, and its ratios with it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from unrolled.models.language import LanguageModel

from .char_lm import BATCH, CHARACTERS, HIDDEN, STEPS, TorchModel, stepper
from .char_lm import flops as step_flops
from .layers import flops
from .machine import Peak, machine
from .measure import Work, paired, steady_pair
from .peers import against_torch, mixed
from .rows import Result, Row

LAYERS = (
    ("lstm", "LSTM", (256, 512, 1024), False, 4.0),
    ("lstm", "LSTM", (256, 512, 1024), True, 2.0),
    ("gru", "GRU", (512,), False, 4.0),
)
CHAR_LM = 6.0


@dataclass(frozen=True)
class Case:
    """A pair to time, and the arithmetic of ours."""

    what: str
    sizes: str
    against: str
    target: float
    make: Callable[[], tuple[Work, Work]]
    flops: int


def cases() -> Iterator[Case]:
    for cell, kind, widths, rounded, target in LAYERS:
        for hidden in widths:
            yield Case(
                cell,
                f"T {STEPS}, B {BATCH}, H {hidden}",
                f"torch.nn.{kind}, {'bfloat16' if rounded else 'float32'}",
                target,
                lambda k=kind, h=hidden, r=rounded: against_torch(k, STEPS, BATCH, h, (True, r)),
                flops(cell, hidden, STEPS * BATCH),
            )
    yield Case(
        "char-lm step",
        f"V {CHARACTERS}, T {STEPS}, B {BATCH}, H {HIDDEN}",
        f"torch.nn Embedding {HIDDEN}, LSTM, Linear, float32",
        CHAR_LM,
        char_lm,
        step_flops(STEPS * BATCH),
    )


def char_lm() -> tuple[Work, Work]:
    """A whole step of the character model, ours under autocast."""
    x, y = torch.randint(CHARACTERS, (2, STEPS, BATCH)).unbind(0)
    return mixed(stepper(LanguageModel(CHARACTERS, "lstm", HIDDEN), x, y)), stepper(TorchModel(HIDDEN), x, y)


def run(seconds: float, say: Callable[[Row], None]) -> Result:
    """Times all cases, each for `seconds`; each row is said as it is ready. Share of
    peak: of the float32 one.
    """
    facts, peak, threads = machine(), Peak(), torch.get_num_threads()
    rows = []
    for case in cases():
        torch.manual_seed(zlib.crc32(case.what.encode()))
        timing, around = steady_pair(*case.make(), seconds, threads, peak)
        share = case.flops / timing.ours / 1e9 / peak.best
        rows.append(paired(case.what, case.sizes, case.against, case.target, timing, share=share, peak=around))
        say(rows[-1])
    return Result("mixed", facts, tuple(rows))
