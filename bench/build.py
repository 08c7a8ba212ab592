"""`python -m bench build`: how long a cell takes to build, to load again, and how long the
package takes to import.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from .machine import machine
from .rows import Result, Row

COLD, CACHED, IMPORT = 3.0, 50.0, 0.3  # seconds, milliseconds, seconds: at most
IMPORTS = 5
CHILD = "from bench.build import child; child()"
# The later parts load on first use, so the layers are asked for, too: else the figure would flatter.
IMPORTED = (
    "import time, torch; began = time.perf_counter(); import unrolled; unrolled.Recurrent; unrolled.LSTM; "
    "print(time.perf_counter() - began)"
)


def child() -> None:
    """First call, forward and backward, of a small layer of every cell; prints {cell:
    seconds above the second call}.

    That is all that a user waits for: tracing, planning, writing the C, compiling or loading it.
    """
    import torch

    from unrolled import Recurrent, find
    from unrolled.cells import REGISTRY

    def call(cell, hidden: int = 4) -> float:
        rnn = Recurrent(cell, hidden, hidden, backend="c")
        x = torch.randn(2, 2, hidden, requires_grad=True)
        more = [torch.rand(2, 2) for _ in rnn.cell.inputs[1:]]
        began = time.perf_counter()
        rnn((x, *more) if more else x)[0].sum().backward()
        return time.perf_counter() - began

    def first(cell) -> float:
        began = time.perf_counter()
        call(cell)
        whole = time.perf_counter() - began
        return whole - call(cell)

    first(find("elman").using(nonlinearity="sigmoid"))  # looks for the compiler, starts threads: no cell's own
    print(json.dumps({name: first(name) for name in REGISTRY}))


def build_times(cache: str) -> dict[str, float]:
    environment = os.environ | {"UNROLLED_CACHE": cache}
    output = subprocess.run(
        [sys.executable, "-c", CHILD],
        cwd=Path(__file__).parents[1],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return json.loads(output.splitlines()[-1])


def import_time() -> float:
    command = [sys.executable, "-c", IMPORTED]
    times = [
        float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        for _ in range(IMPORTS)
    ]
    return statistics.median(times)


def run(say: Callable[[Row], None]) -> Result:
    """Builds every cell in an empty cache, loads all of them in another process, and imports the package."""
    facts, rows = machine(), []
    with tempfile.TemporaryDirectory() as cache:
        cold = build_times(cache)
        cached = build_times(cache)
    for name in cold:
        rows.append(Row(f"building {name}, cold", "", "", "s", cold[name], None, cold[name], COLD, "at most"))
        say(rows[-1])
        again = 1e3 * cached[name]
        rows.append(Row(f"building {name}, cached", "", "", "ms", again, None, again, CACHED, "at most"))
        say(rows[-1])
    took = import_time()
    rows.append(
        Row(
            "import unrolled, layers included",
            "",
            "",
            "s",
            took,
            None,
            took,
            IMPORT,
            "at most",
            note="after import torch",
        )
    )
    say(rows[-1])
    return Result("build", facts, tuple(rows))
