"""The machine that a benchmark runs on: what it is, how fast its matrix products are, how busy it is."""

from __future__ import annotations

import os
import platform
import time
from datetime import date
from pathlib import Path

import torch

from unrolled.kernels.c.toolchain import toolchain

SIDE = 2048          # of the square matrices whose product is the peak


def machine() -> dict:
    """Facts for the head of a result; `busy` is the load before we began, as a share of the cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found = toolchain()
    return {"processor": _processor(), "cores": cores, "threads": torch.get_num_threads(),
            "torch": torch.__version__, "compiler": found.version if found else "none",
            "python": platform.python_version(), "system": platform.platform(terse=True),
            "date": date.today().isoformat(), "busy": round(_load() / cores, 2)}


def _load() -> float:
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


class Peak:
    """The peak: the best of a few float32 products of 2048 x 2048 matrices by torch, on all threads, in GFLOP/s."""

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
