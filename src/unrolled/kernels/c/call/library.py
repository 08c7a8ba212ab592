"""A plan's loaded C functions, built on first use and found again at once."""

from __future__ import annotations

import ctypes
from array import array
from functools import lru_cache

from ....plan.plan import Plan
from ..build.build import build
from ..emit.emit import emit
from ..emit.struct import COMMON, backward_struct, forward_struct
from .scratch import arena

OPTIMISE = "-O3"
MEMORY, ROOM = COMMON.at["memory"], COMMON.at["room"]
CAUGHT = tuple(COMMON.at[f"python_{part}"] for part in ("type", "value", "trace"))


def load(plan: Plan, precision: str) -> tuple:
    """The C functions `forward` and `backward` of one plan, built as a file of their own. (The tests put a
    function here that builds many plans in one file.)"""
    library = build(emit(plan, precision), name=plan.graph.name, optimise=OPTIMISE)
    return library.forward, library.backward


class Functions:
    """`forward` and `backward` of one plan in one precision."""

    def __init__(self, plan: Plan, precision: str):
        self.forward, self.backward = load(plan, precision)
        for function in (self.forward, self.backward):
            function.argtypes, function.restype = [ctypes.c_void_p], ctypes.c_int
        self.forward_struct, self.backward_struct = forward_struct(plan), backward_struct(plan)


@lru_cache(maxsize=512)
def functions(plan: Plan, precision: str) -> Functions:
    """Built once per process, plan and precision. Raises CompilerError where no compiler works."""
    return Functions(plan, precision)


def invoke(function, arguments: array) -> None:
    """Calls with an argument list, and with this thread's working memory, which grows to what was asked
    for. Raises MemoryError where the kernel found none, and what a signal's handler raised meanwhile, such
    as KeyboardInterrupt."""
    held = arena.held
    arguments[MEMORY], arguments[ROOM] = held.address, held.size
    ended = function(arguments.buffer_info()[0])
    if ended == 2:
        ctypes.pythonapi.PyErr_Restore(*(ctypes.c_void_p(arguments[k] or None) for k in CAUGHT))  # raises it
    if ended:
        raise MemoryError("no memory left for a kernel's working buffers; use a smaller batch or hidden size")
    if arguments[ROOM] > held.size:
        arena.grow(arguments[ROOM])
