"""`python -m bench memory`: how much a forward and backward pass adds to the process, against torch.nn.LSTM.

Each side runs in a process of its own, twice on small sizes so that libraries and threads are there, and then
once on the real sizes: the highest resident memory during that run, less what was resident before.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch

import unrolled

from .machine import machine
from .rows import Result, Row

SIZES = ((100, 32, 128), (100, 32, 512), (1000, 16, 128))
PROCESSES = 3
CHILD = "import sys; from bench.memory import child; child(sys.argv[1], *map(int, sys.argv[2:]))"


def child(side: str, steps: int, batch: int, hidden: int) -> None:
    """Runs one side and prints the bytes that its run added, as JSON."""
    make = {"ours": unrolled.LSTM, "peer": torch.nn.LSTM}[side]
    once(make(16, 16), 4, 2, 16)
    once(make(16, 16), 4, 2, 16)
    layer, x = make(hidden, hidden), torch.randn(steps, batch, hidden, requires_grad=True)
    above = torch.randn(steps, batch, hidden)
    reset_highest()
    before = status("VmRSS")
    layer(x)[0].backward(above)
    print(json.dumps(highest() - before))


def once(layer, steps: int, batch: int, hidden: int) -> None:
    x = torch.randn(steps, batch, hidden, requires_grad=True)
    layer(x)[0].sum().backward()


def status(field: str) -> int:
    """A line of /proc/self/status in bytes; the highest so far where the system has none."""
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024


def reset_highest() -> None:
    """Lets VmHWM start again from what is resident now (Linux; elsewhere libraries'
    peaks at loading stay in it).
    """
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        pass


def highest() -> int:
    return status("VmHWM")


def measured(side: str, sizes: tuple[int, int, int]) -> float:
    """MB that one side's run adds, median of a few processes."""
    found = []
    for _ in range(PROCESSES):
        command = [sys.executable, "-c", CHILD, side, *map(str, sizes)]
        output = subprocess.run(
            command, cwd=Path(__file__).parents[1], check=True, capture_output=True, text=True
        ).stdout
        found.append(json.loads(output.splitlines()[-1]) / 1e6)
    return statistics.median(found)


def run(say: Callable[[Row], None]) -> Result:
    """Measures all sizes."""
    facts, rows = machine(), []
    for sizes in SIZES:
        ours, peer = measured("ours", sizes), measured("peer", sizes)
        rows.append(
            Row(
                "lstm, peak memory",
                "T {}, B {}, H {}".format(*sizes),
                "torch.nn.LSTM",
                "MB",
                ours,
                peer,
                ours / peer,
                1.0,
                "at most",
                note="input, weights and the output's gradient not counted",
            )
        )
        say(rows[-1])
    return Result("memory", facts, tuple(rows))
