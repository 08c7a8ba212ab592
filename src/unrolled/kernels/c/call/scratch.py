"""Memory that is held on to: large buffers that earlier calls no longer need, and a thread's
working memory for kernels.

A training step frees its large buffers and asks for the same ones again. The system's allocator gives much of
what was freed back in between, and the system then clears thousands of pages for each step again: 130,000 of
them, 500 MB, for an LSTM at T 1,000, B 32, H 512. So memory is held here, and given out again once nobody else
refers to it: neither autograd nor a user who keeps a result.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
import threading
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

LEAST = 2**20  # bytes of a buffer: smaller ones cost little to make again
FREELY = 2**28  # bytes of buffers that are held on to in any case
HELD = 2**31  # and at most, where as many were once in use together
IDLE = 500  # buffers asked for since one was given out: then it goes back to the system
WORKING = 2**28  # bytes of working memory that a thread holds on to, at most
PAGE = 2**21  # bytes of a large page

# Not in every version of torch: without it nothing is held.
_users = getattr(torch._C, "_storage_Use_Count", None)


def advise(address: int, size: int) -> None:
    """Asks the system for large pages: weights and what autograd keeps are gone through once a step, 3,000
    small pages of packed weights alone at a width of 512."""
    first, last = -(-address // PAGE) * PAGE, (address + size) // PAGE * PAGE
    if last > first and _madvise():
        _madvise()(first, last - first, mmap.MADV_HUGEPAGE)  # what it answers changes nothing


@lru_cache(maxsize=1)
def _madvise():
    """The system's function; None where there is none, or no large pages."""
    try:
        function = ctypes.CDLL(None).madvise if hasattr(mmap, "MADV_HUGEPAGE") else None
    except (OSError, TypeError, AttributeError):
        return None
    if function:
        function.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return function


class Held(NamedTuple):
    """Working memory: whoever uses the address keeps this tuple."""

    address: int = 0
    size: int = 0
    memory: mmap.mmap | None = None


def pages(count: int) -> Held:
    """Memory in large pages where the system has them. Raises OSError or MemoryError where there is none."""
    flags = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
    memory = mmap.mmap(-1, max(count, 1), **flags)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    advise(address, len(memory))
    return Held(address, len(memory), memory)


class Arena(threading.local):
    """A thread's working memory, which its kernels take in turn: packed weights and sums,
    of use to one call only.
    """

    held = Held()

    def grow(self, size: int) -> None:
        """Holds `size` bytes from now on, unless that is too much; kernels then ask the system."""
        if size > PAGE:
            size = -(-size // PAGE) * PAGE
        if size > WORKING:
            return
        try:
            self.held = pages(size)
        except (OSError, MemoryError):
            return


arena = Arena()


@dataclass(eq=False)
class _Piece:
    storage: torch.UntypedStorage
    given: int = 0  # how many buffers had been asked for when it was last given out

    def __len__(self) -> int:
        return len(self.storage)

    def references(self) -> int:
        return sys.getrefcount(self.storage)

    def idle(self) -> bool:
        """Whether nobody uses it: no tensor, no user (`tensor.untyped_storage()` is the same object), no other
        process (a tensor sent to one takes its memory along)."""
        return self.references() == NOBODY and _users(self.storage._cdata) == 1 and not self.storage.is_shared()


NOBODY = _Piece(torch.UntypedStorage(1)).references()


@dataclass
class Pool:
    """Memory of buffers, of all threads together, so that it is bounded however many there are. It never holds
    more than was in use at once, FREELY apart: what nobody uses makes room for what is asked for."""

    pieces: list[_Piece] = field(default_factory=list)
    asked: int = 0
    most: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)

    def take(self, size: int) -> torch.UntypedStorage:
        """Memory that is nobody else's: the smallest piece that is large enough, not more than twice as large;
        else new. Who holds what this returns has it until he lets go."""
        with self.lock:
            self.asked += 1
            if self.asked % IDLE == 0:
                self._drop([p for p in self.pieces if self.asked - p.given > IDLE])
            fitting = [p for p in self.pieces if size <= len(p) <= 2 * size and p.idle()]
            piece = min(fitting, key=len, default=None) or self._new(size)
            piece.given = self.asked
            return piece.storage

    def _new(self, size: int) -> _Piece:
        unused = sorted([p for p in self.pieces if p.idle()], key=lambda p: p.given)
        free, used = sum(map(len, unused)), sum(map(len, self.pieces)) + size
        used -= free
        if used > HELD:  # not held on to
            return _Piece(_asked_for(size, self))
        self.most = max(self.most, used)
        bound = min(HELD, max(FREELY, self.most))
        while unused and used + free > bound:
            free -= len(unused[0])
            self._drop([unused.pop(0)])
        piece = _Piece(_asked_for(size, self))
        self.pieces.append(piece)
        return piece

    def _drop(self, pieces: list[_Piece]) -> None:
        """Forgets them: what is in use lives as long as its users, the rest goes back to the system."""
        self.pieces = [p for p in self.pieces if p not in pieces]

    def empty(self) -> None:
        self._drop(self.pieces)


pool = Pool()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: pool.__init__())  # the lock may be another thread's


def _asked_for(size: int, held: Pool) -> torch.UntypedStorage:
    """Memory of the system's; where it has none left, after what is held went back."""
    try:
        storage = torch.UntypedStorage(size)
    except RuntimeError:
        held.empty()
        storage = torch.UntypedStorage(size)
    advise(storage.data_ptr(), size)
    return storage


def buffer(like: Tensor, rows: int, width: int) -> Tensor:
    """(rows, width) of `like`'s type on the CPU, holding anything. A tensor of its own;
    only its memory has a past.
    """
    size = rows * width * like.element_size()
    if not LEAST <= size <= HELD or _users is None:
        return like.new_empty(rows, width)
    return like.new_empty(0).set_(pool.take(size), 0, (rows, width))
