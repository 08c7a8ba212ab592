"""The thread team: torch's own OpenMP runtime, found among the libraries that are loaded
already; never a second one.

Where there is none, a kernel starts threads of its own (threads.h)."""

from __future__ import annotations

import ctypes
import os
from functools import lru_cache
from pathlib import Path

import torch

_forked = False


def _in_child() -> None:
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)  # a child has the runtime's memory, but none of its threads


@lru_cache(maxsize=1)
def runtime() -> tuple[int, int, int]:
    """Addresses of GOMP_parallel, omp_get_num_threads and omp_get_thread_num; zeros where
    there is no such runtime.
    """
    mode = getattr(os, "RTLD_NOLOAD", None)
    if mode is None:
        return 0, 0, 0
    for path in _candidates():
        try:
            library = ctypes.CDLL(path, mode=mode | os.RTLD_NOW)
            found = (library.GOMP_parallel, library.omp_get_num_threads, library.omp_get_thread_num)
        except (OSError, AttributeError):
            continue
        return tuple(ctypes.cast(f, ctypes.c_void_p).value for f in found)
    return 0, 0, 0


@lru_cache(maxsize=1)
def python_addresses() -> dict[str, int]:
    """What a kernel calls to have Python run the handlers of signals that have come, by field."""
    names = {
        "python": "PyGILState_Ensure",
        "python_check": "PyErr_CheckSignals",
        "python_fetch": "PyErr_Fetch",
        "python_release": "PyGILState_Release",
    }
    return {
        field: ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value
        for field, name in names.items()
    }


def _candidates() -> list[str]:
    names = ("libgomp", "libomp", "libiomp5")
    maps = Path("/proc/self/maps")
    loaded: list[str] = []
    if maps.exists():
        paths = [line.split(maxsplit=5)[5].strip() for line in maps.read_text().splitlines() if "/" in line]
        loaded = [p for p in dict.fromkeys(paths) if Path(p).name.startswith(names)]
    beside = Path(torch.__file__).parent / "lib"
    return loaded + sorted(str(p) for n in names for p in beside.glob(f"{n}*"))


def threads() -> int:
    """How many threads a kernel may use: what torch may; one in a forked child."""
    return 1 if _forked else torch.get_num_threads()
