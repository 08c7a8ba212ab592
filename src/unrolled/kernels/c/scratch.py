"""Memory that a thread holds on to: large buffers that earlier calls no longer need, and its kernels' working memory.

A training step frees its large buffers and asks for the same ones again. The system's allocator gives much of what was
freed back in between, and the system then clears thousands of pages for each step anew: at T 100, B 32, H 512 up to
11,000, 5 to 8 ms. So memory is held here, and given out again once nobody else refers to it: neither autograd nor a user
who keeps a result.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
import threading
from typing import NamedTuple

import torch
from torch import Tensor

LEAST, MOST = 2**20, 2**27  # bytes of a buffer: smaller ones cost little anew, larger ones are not held on to
HELD = 2**28  # bytes of buffers that a thread holds on to, at most
WORKING = 2**28  # bytes of working memory that it holds on to, at most
PAGE = 2**21  # bytes of a large page

NOBODY = [sys.getrefcount(memory) for memory in [torch.UntypedStorage(1)]][
    0
]  # refers to it, but for the code that asks
_users = getattr(
    torch._C, "_storage_Use_Count", None
)  # not in every version of torch: without it nothing is held


def pages(count: int) -> mmap.mmap:
    """Memory in large pages where the system has them: packed weights are read through once a step, 3,000 small pages of
    them at a width of 512."""
    if not hasattr(mmap, "MAP_PRIVATE"):
        return mmap.mmap(-1, max(count, 1))
    memory = mmap.mmap(-1, max(count, 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if count >= 1 << 21 and hasattr(mmap, "MADV_HUGEPAGE"):
        try:
            memory.madvise(mmap.MADV_HUGEPAGE)
        except OSError:
            pass  # a kernel without them
    return memory


class Held(NamedTuple):
    """Working memory: whoever uses the address keeps this tuple."""

    address: int = 0
    size: int = 0
    memory: mmap.mmap | None = None


class Arena(threading.local):
    """A thread's working memory, which its kernels take in turn: packed weights and sums, of use to one call only."""

    held = Held()

    def grow(self, size: int) -> None:
        """Holds `size` bytes from now on, unless that is too much; kernels then ask the system."""
        if size > PAGE:
            size = -(-size // PAGE) * PAGE
        if size > WORKING:
            return
        try:
            memory = pages(size)
        except (OSError, MemoryError):
            return
        self.held = Held(ctypes.addressof(ctypes.c_char.from_buffer(memory)), size, memory)


arena = Arena()


class _Pool(threading.local):
    def __init__(self):
        self.memory: list[torch.UntypedStorage] = []  # the oldest first


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
    """The smallest piece that is large enough, not more than twice as large, and used by nobody: no tensor, no user
    (`tensor.untyped_storage()` is the same object), no other process (a tensor sent to one takes its memory along)."""
    fitting = [
        memory
        for memory in _pool.memory
        if size <= len(memory) <= 2 * size
        and sys.getrefcount(memory) == NOBODY
        and _users(memory._cdata) == 1
        and not memory.is_shared()
    ]
    return min(fitting, key=len, default=None)
