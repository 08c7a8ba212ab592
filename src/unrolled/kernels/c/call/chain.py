"""A chain of tags in C: the arguments of chain.h."""

from __future__ import annotations

import ctypes
import warnings
from array import array
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

import torch
from torch import Tensor

from ....errors import ShapeError
from ...gate import dense, why_closed
from ..build.build import build
from ..build.compiler import CompilerError
from ..build.toolchain import SlowBackendWarning, toolchain
from .library import OPTIMISE

VECTOR = 8  # of chain.h: tags are padded to a multiple of it
MOST = 128  # tags: of more, products of a whole batch by BLAS are faster
TYPES = (torch.float32, torch.float64)


class ChainTensors(NamedTuple):
    """scores (T, B, K), step (K, K), first (K,), last (K,), all of one type, and lengths (B,)."""

    scores: Tensor
    step: Tensor
    first: Tensor
    last: Tensor
    lengths: Tensor


class Counted(NamedTuple):
    """total (B,), chances (T, B, K), pairs (B, K, K) in float64; the latter two None where nobody asked."""

    total: Tensor
    chances: Tensor | None
    pairs: Tensor | None


def possible(given: Sequence[Tensor]) -> bool:
    """Whether C can run a chain of these tensors: scores, step, first, last, lengths."""
    scores = given[0]
    return (
        not torch.compiler.is_compiling()
        and all(t.is_cpu for t in given)
        and scores.dtype in TYPES
        and given[1].dtype in TYPES
        and 0 < scores.shape[-1] <= MOST
        and why_closed(given) is None
        and toolchain() is not None
        and _library(False) is not None
        and _library(True) is not None
    )


@lru_cache(maxsize=2)
def _library(double: bool) -> ctypes.CDLL | None:
    """None, and a warning once, where it cannot be built."""
    text = files(f"{__package__.rpartition('.')[0]}.headers").joinpath("chain.h").read_text(encoding="utf-8")
    try:
        library = build(
            f"typedef {'double' if double else 'float'} real;\n{text}", name="chain", optimise=OPTIMISE
        )
    except CompilerError as error:
        warnings.warn(f"{error}\ntorch adds up tags instead, slower.", SlowBackendWarning, stacklevel=4)
        return None
    library.chain_sums.argtypes, library.chain_best.argtypes = [ctypes.c_void_p] * 6, [ctypes.c_void_p] * 4
    library.chain_room.argtypes, library.chain_room.restype = [ctypes.c_int64] * 2, ctypes.c_int64
    library.chain_best.restype = None
    return library


def sums(given: Sequence[Tensor], tags: Tensor | None, counts: bool) -> Counted | None:
    """log of the partition and, where `counts`, how often each tag is expected; with true tags (T, B) less what
    these have.

    None where a share is so small that float64 loses it. Raises IndexError for a tag that there is none of.
    """
    chain, values, library = _ready(given)
    (steps, batch, kinds), like = chain.scores.shape, chain.scores
    total, chances, pairs = like.new_empty(batch, dtype=torch.float64), None, None
    if counts:
        chances = like.new_empty(steps, batch, kinds, dtype=torch.float64)
        pairs = like.new_empty(batch, kinds, kinds, dtype=torch.float64)
    work = like.new_empty(library.chain_room(steps, kinds), dtype=torch.float64)
    tags = None if tags is None else _fitting(tags, (steps, batch))
    made = (tags, work, total, chances, pairs)
    failed = library.chain_sums(values.buffer_info()[0], *(None if t is None else t.data_ptr() for t in made))
    if failed == 2:
        raise IndexError(f"a tag is none of 0 to {kinds - 1}")
    return None if failed else Counted(total, chances, pairs)


def best(given: Sequence[Tensor]) -> Tensor:
    """The most probable tags (T, B), 0 past a row's end."""
    chain, values, library = _ready(given)
    (steps, batch, kinds), like = chain.scores.shape, chain.scores
    tags = torch.empty(steps, batch, dtype=torch.int64, device="cpu")
    back = torch.empty(steps, -(-kinds // VECTOR) * VECTOR, dtype=torch.int64, device="cpu")
    work = like.new_empty(library.chain_room(steps, kinds), dtype=torch.float64)
    library.chain_best(values.buffer_info()[0], work.data_ptr(), back.data_ptr(), tags.data_ptr())
    return tags


def _ready(given: Sequence[Tensor]) -> tuple[ChainTensors, array, ctypes.CDLL]:
    """The tensors as C reads them, the argument that points to them, and the functions for their type."""
    scores, step, *rest, lengths = given
    kind = torch.promote_types(scores.dtype, step.dtype)
    chain = ChainTensors(*(dense(t.detach().to(kind)) for t in (scores, step, *rest)), dense(lengths.long()))
    steps, batch, tags = scores.shape
    shapes = ((steps, batch, tags), (tags, tags), (tags,), (tags,), (batch,))
    for tensor, shape, name in zip(chain, shapes, ChainTensors._fields):
        if tensor.shape != shape:
            raise ShapeError(f"{name} of shape {tuple(tensor.shape)}, {shape} expected")
    low, high = (v.item() for v in chain.lengths.aminmax()) if batch else (1, 1)
    if low < 1 or high > steps:
        raise ShapeError(
            f"lengths from {low} to {high} of {steps} words: a row has 1 or more, and not more than there are"
        )
    values = array("q", (steps, batch, tags, *(t.data_ptr() for t in chain)))
    return chain, values, _library(kind is torch.float64)


def _fitting(tags: Tensor, shape: tuple[int, int]) -> Tensor:
    if tags.shape != shape:
        raise ShapeError(f"tags of shape {tuple(tags.shape)}, {shape} expected")
    return dense(tags.long())
