"""ThreadSanitizer watches the kernels of every cell: no thread writes where another reads or
writes without a barrier.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from headers import COMPILER
from instances import C_CELLS, needs_compiler

from unrolled.cells import REGISTRY

TESTS = Path(__file__).parent
FLAGS = "-fsanitize=thread -g1"

# Two threads, one number, no lock.
RACE = """#include <pthread.h>
int shared;
void *add(void *nothing) { shared++; return nothing; }
int main(void) { pthread_t other; pthread_create(&other, 0, add, 0); add(0); return pthread_join(other, 0); }
"""


def watched(command: list[str], **environment: str) -> subprocess.CompletedProcess:
    """Runs a command with its addresses where ThreadSanitizer wants them."""
    fixed = ["setarch", os.uname().machine, "-R"] if shutil.which("setarch") else []
    return subprocess.run(
        [*fixed, *command], env={**os.environ, **environment}, capture_output=True, text=True, timeout=1800
    )


@pytest.fixture(scope="module")
def sanitizer(tmp_path_factory) -> dict[str, str]:
    """The environment in which kernels are watched; skips where that cannot be."""
    folder = tmp_path_factory.mktemp("sanitizer")
    (folder / "race.c").write_text(RACE)
    command = [COMPILER, *FLAGS.split(), "race.c", "-o", "race", "-pthread"]
    built = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    if built.returncode or "data race" not in watched([str(folder / "race")]).stderr:
        pytest.skip("ThreadSanitizer does not work here")
    found = subprocess.run(
        [COMPILER, "-print-file-name=libtsan.so"], capture_output=True, text=True, timeout=60
    ).stdout.strip()
    if not os.path.isabs(found):
        pytest.skip("the compiler has no ThreadSanitizer as a library that can be loaded first")
    return {
        "LD_PRELOAD": found,
        "UNROLLED_CC": f"{COMPILER} {FLAGS}",
        "UNROLLED_CC_TIMEOUT": "600",
        "UNROLLED_CACHE": str(folder / "cache"),
        "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
    }


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize("family", sorted({REGISTRY[name].family for name in C_CELLS}))
def test_no_cells_threads_race(family, sanitizer):
    names = [name for name in C_CELLS if REGISTRY[name].family == family]
    ran = watched([sys.executable, str(TESTS / "racing.py"), *names], **sanitizer)
    assert ran.returncode == 0 and ran.stdout.strip() == "done", ran.stderr[-4000:]
    assert "ThreadSanitizer" not in ran.stderr, ran.stderr[:4000]
