"""Training by several processes: each has its rows of every batch, and what they find is added up.

The processes are `torchrun`'s, on one machine or on several; gloo carries the sums between processors,
nccl between GPUs. Losses are sums over terms (task.Loss), so that N processes have the gradient of one:
means of means would not.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch import distributed as processes

from ..errors import UnrolledError, UsageError
from ..task import Part, State

Value = TypeVar("Value")


class ProcessLost(UnrolledError):
    """Another process of the training is gone."""

    exit_code = 1


@dataclass(frozen=True)
class Team:
    """This process's place among those that train together; alone, everything is what it
    would be without a team.

    >>> Team().sums(1.5, 2.0), Team().gathered("a"), Team().told("b")
    ([1.5, 2.0], ['a'], 'b')
    """

    part: Part = Part()

    @property
    def alone(self) -> bool:
        return self.part.size == 1

    @property
    def leads(self) -> bool:
        """Whether this process is the one that decides, prints and writes."""
        return self.part.rank == 0

    def sums(self, *numbers: float) -> list[float]:
        """The sum over all processes of each number."""
        if self.alone:
            return list(numbers)
        total = torch.tensor(numbers, dtype=torch.float64, device=_device())
        processes.all_reduce(total)
        return total.tolist()

    def sum_gradients(self, model: nn.Module) -> None:
        """Add up the gradients of all processes, in one piece for each type of number."""
        if self.alone:
            return
        weights = [weight for weight in model.parameters() if weight.requires_grad]
        for kind in sorted({weight.dtype for weight in weights}, key=str):
            gradients = [_gradient(weight) for weight in weights if weight.dtype == kind]
            flat = torch.cat([gradient.flatten() for gradient in gradients])
            processes.all_reduce(flat)
            for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients])):
                gradient.copy_(part.view_as(gradient))

    def told(self, value: Value) -> Value:
        """The leader's value, in every process."""
        if self.alone:
            return value
        values = [value]
        processes.broadcast_object_list(values, src=0)
        return values[0]

    def gathered(self, value: Value) -> list[Value]:
        """Every process's value, in their order, in every process."""
        if self.alone:
            return [value]
        values: list[Any] = [None] * self.part.size
        processes.all_gather_object(values, value)
        return values

    def whole_state(self, state: State | None) -> State | None:
        """The state of all rows (..., B, width), of which each process has its own."""
        parts = self.gathered(state)
        if self.alone or state is None:
            return state
        return tuple(_woven([part[k] for part in parts]) for k in range(len(state)))

    def own_state(self, state: State | None) -> State | None:
        """This process's rows of a whole state."""
        if self.alone or state is None:
            return state
        return tuple(tensor[:, self.part.rank :: self.part.size].contiguous() for tensor in state)


@contextmanager
def joined() -> Iterator[Team]:
    """The team of processes that `torchrun` started, or that the program has joined
    already; otherwise one alone.

    Raises ProcessLost where another process ends before this one is through.
    """
    if processes.is_available() and processes.is_initialized():
        yield Team(Part(processes.get_rank(), processes.get_world_size()))
        return
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or "MASTER_ADDR" not in os.environ:
        yield Team()
        return
    processes.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    team = Team(Part(processes.get_rank(), size))
    try:
        yield team
        processes.barrier()
    except RuntimeError as error:
        if isinstance(error, UnrolledError) or not _is_loss(error):
            raise
        raise ProcessLost(
            f"process {team.part.rank} of {size} stops, because another one is gone. Go on from the last"
            " checkpoint with --resume."
        ) from None
    finally:
        processes.destroy_process_group()


def check_rows(team: Team, rows: int) -> None:
    """Raise UsageError where there are more processes than rows in a batch."""
    if team.part.size > rows:
        raise UsageError(
            f"{team.part.size} processes share batches of {rows} rows (--batch): give at least one row to each."
        )


def _is_loss(error: RuntimeError) -> bool:
    """Whether gloo or nccl says that a process at the other end is gone."""
    said = str(error).lower()
    return any(word in said for word in ("connection", "peer", "gloo", "nccl", "broken pipe", "timed out"))


def _gradient(weight: nn.Parameter) -> Tensor:
    if weight.grad is None:  # of rows that no term rests on, here
        weight.grad = torch.zeros_like(weight)
    return weight.grad


def _woven(parts: list[Tensor]) -> Tensor:
    """Rows r, r + size, ... of the whole are those of part r."""
    size, rows = len(parts), sum(part.shape[1] for part in parts)
    whole = parts[0].new_empty(parts[0].shape[0], rows, *parts[0].shape[2:])
    for rank, part in enumerate(parts):
        whole[:, rank::size] = part
    return whole


def _device() -> torch.device:
    return torch.device("cuda" if processes.get_backend() == "nccl" else "cpu")
