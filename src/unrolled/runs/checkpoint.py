"""Named tensors with a small JSON value, as safetensors: what a run's folder keeps of a
model and of its training.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

HEADER = 100_000_000  # bytes; the format's own limit
BAD = (ValueError, SafetensorError, RecursionError, KeyError, TypeError, AttributeError)


@dataclass(frozen=True)
class Checkpoint:
    """Named tensors, and a small JSON value."""

    tensors: dict[str, torch.Tensor]
    state: dict[str, Any]

    def to_bytes(self) -> bytes:
        tensors = {name: tensor.detach().contiguous().clone() for name, tensor in self.tensors.items()}
        return save(tensors, metadata={"state": json.dumps(self.state)})

    @classmethod
    def of_bytes(cls, content: bytes) -> Checkpoint:
        """The inverse of `to_bytes`; raises ValueError for anything else."""
        state = state_of(content)
        try:
            return cls(load(content), state)
        except BAD as error:
            raise ValueError(str(error) or type(error).__name__) from None


def header_end(content: bytes) -> int:
    """How many bytes stand before the tensors, from the first eight. Raises ValueError for
    what is not such a file.
    """
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or not 0 < length <= HEADER:
        raise ValueError("its header does not fit into it")
    return 8 + length


def state_of(content: bytes) -> dict[str, Any]:
    """The JSON value of a checkpoint whose first bytes are given, up to its tensors at least."""
    try:
        end = header_end(content)
        if end > len(content):
            raise ValueError("its header does not fit into it")
        state = json.loads(json.loads(content[8:end]).get("__metadata__", {}).get("state", "{}"))
        if not isinstance(state, dict):
            raise ValueError("its state is not an object")
        return state
    except BAD as error:
        raise ValueError(str(error) or type(error).__name__) from None


def check_tensors(given: dict[str, torch.Tensor], due: dict[str, torch.Tensor], whose: str) -> None:
    """Raise ValueError unless the tensors are those that are due: the same names, shapes and types."""
    for name in sorted(given.keys() ^ due.keys()):
        raise ValueError(f"{whose} has {name!r}" if name in given else f"{whose} lacks {name!r}")
    for name, tensor in due.items():
        found = given[name]
        if found.shape != tensor.shape or found.dtype != tensor.dtype:
            raise ValueError(
                f"{name} is {_described(found)}, and {whose} takes {_described(tensor)}",
            )


def _described(tensor: torch.Tensor) -> str:
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"
