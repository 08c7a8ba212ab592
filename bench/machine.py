"""The machine that a benchmark runs on: what it is, how fast its matrix products are, how busy it is."""

from __future__ import annotations

import os
import platform
import time
from datetime import date
from functools import lru_cache
from pathlib import Path

import torch

from unrolled.errors import UnrolledError
from unrolled.kernels.c.build.toolchain import toolchain

SIDE = 2048  # of the square matrices whose product is the peak
BUSY = 0.1  # of the cores: where others use more, nothing is reported
WATCHED = 1.0  # seconds for which others are watched


class Busy(UnrolledError):
    """Others use the machine: what would be measured is theirs."""

    exit_code = 3


def machine() -> dict:
    """Facts for the head of a result; `busy` is what others used before we began, as a share of the cores."""
    found = toolchain()
    return {
        "processor": _processor(),
        "cores": len(_cores()),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "compiler": found.version if found else "none",
        "instructions": " ".join(found.instructions) if found else "none",
        "python": platform.python_version(),
        "system": platform.platform(terse=True),
        "date": date.today().isoformat(),
        "busy": round(busy(), 2),
    }


def only_avx2(facts: dict) -> bool:
    """Whether kernels are built for AVX2 and nothing wider: this processor's, or what
    UNROLLED_MARCH holds them to.
    """
    return "avx2" in facts["instructions"] and "avx512" not in facts["instructions"]


def refuse_if_busy(anyway: bool) -> None:
    """Raise Busy where others use more than a tenth of the cores, unless that is to be measured anyway."""
    if busy() > BUSY and not anyway:
        raise Busy(
            f"this machine is busy: others use {busy():.0%} of its {len(_cores())} cores, and times measured"
            " beside them prove nothing. Run this when nothing else runs, or add --anyway for figures that are"
            " marked."
        )


@lru_cache(maxsize=1)
def busy() -> float:
    """The share of our cores that other processes use, watched for a second, once, while we sleep."""
    before = _ticks()
    if before is None:  # no /proc: the load of the last minute, which may be our own
        return os.getloadavg()[0] / len(_cores()) if hasattr(os, "getloadavg") else 0.0
    time.sleep(WATCHED)
    idle, total = (after - first for after, first in zip(_ticks(), before))
    return 1 - idle / total if total else 0.0


def _ticks() -> tuple[int, int] | None:
    """(idle, all) of our cores since the system started, in the kernel's ticks; None where it does not tell."""
    try:
        lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    ours = {f"cpu{core}" for core in _cores()}
    counts = [[int(count) for count in line.split()[1:9]] for line in lines if line.split()[0] in ours]
    return sum(c[3] + c[4] for c in counts), sum(map(sum, counts))  # idle and waiting for a disk


def _cores() -> list[int]:
    return (
        sorted(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else list(range(os.cpu_count() or 1))
    )


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


class Peak:
    """The peak: the best of a few float32 products of 2048 x 2048 matrices by torch, on
    all threads, in GFLOP/s.
    """

    def __init__(self, side: int = SIDE):
        self.side = side
        self.a, self.b, self.c = torch.rand(side, side), torch.rand(side, side), torch.empty(side, side)
        self.best = 0.0
        self(6)

    def __call__(self, times: int = 3) -> float:
        fastest = float("inf")
        for _ in range(times):
            began = time.perf_counter()
            torch.mm(self.a, self.b, out=self.c)
            fastest = min(fastest, time.perf_counter() - began)
        found = 2 * self.side**3 / fastest / 1e9
        self.best = max(self.best, found)
        return found
