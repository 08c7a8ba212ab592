"""Large buffers from memory that earlier calls of this thread no longer need.

A training step frees its large buffers and asks for the same ones again. The system's allocator gives much of what was
freed back in between, and the system then clears thousands of pages for each step anew: at T 100, B 32, H 512 up to
11,000, 5 to 8 ms. So memory is held here, and given out again once nobody else refers to it: neither autograd nor a user
who keeps a result.
"""

from __future__ import annotations

import threading

import torch
from torch import Tensor

LEAST, MOST = 2**20, 2**27       # bytes of a buffer: smaller ones cost little anew, larger ones are not held on to
HELD = 2**28                     # bytes that a thread holds on to, at most

_users = getattr(torch._C, "_storage_Use_Count", None)       # not in every version of torch: without it nothing is held


class _Pool(threading.local):
    def __init__(self):
        self.memory: list[torch.UntypedStorage] = []         # the oldest first


_pool = _Pool()


def buffer(like: Tensor, rows: int, width: int) -> Tensor:
    """(rows, width) of `like`'s type on the CPU, holding anything. A tensor of its own; only its memory has a past."""
    size = rows * width * like.element_size()
    if not LEAST <= size <= MOST or _users is None:
        return like.new_empty((rows, width))
    memory = _free(size)
    if memory is None:
        memory = torch.UntypedStorage(size)
        _pool.memory.append(memory)
        while sum(map(len, _pool.memory)) > HELD:
            _pool.memory.pop(0)
    return like.new_empty(0).set_(memory, 0, (rows, width))


def _free(size: int) -> torch.UntypedStorage | None:
    """The smallest piece that is large enough, not more than twice as large, and used by nobody."""
    fitting = [memory for memory in _pool.memory if size <= len(memory) <= 2 * size and _users(memory._cdata) == 1]
    return min(fitting, key=len, default=None)
