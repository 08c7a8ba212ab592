"""Independent examples: batches of like lengths in an order that every process and
every resumed run agrees on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ..task import Batch, Part

# Batches whose examples are sorted by length together: less padding, still in another order each epoch.
POOL = 32
EVALUATED = 128  # examples in a batch of an evaluation, at least


@dataclass(frozen=True)
class Examples:
    """Data of independent examples, of any kind of object.

    encoding    what the numbers mean
    training    the examples to learn from
    validation  those held out
    rows        in a batch, at most: all batches of an epoch have as many, or one less
    gather      pads examples and makes them a batch
    digest      of the data, hexadecimal
    source      where they come from, for a message
    length      of an example, by which batches are sorted; any number
    weigh       how many of the task's units an example is; one without it
    testing     those for the report, on which nothing is chosen; None: there are none
    notes       what is to be said of the data: what was left out, how many stand there twice

    Every epoch visits every example once.

    >>> gather = lambda rows: Batch(rows, None, len(rows))
    >>> data = Examples(None, ["a", "bbb", "cc", "dd"], ["e"], 2, gather, "", "letters")
    >>> sorted(data.batch(0).inputs + data.batch(1).inputs), [batch.inputs for batch in data.held_out()]
    (['a', 'bbb', 'cc', 'dd'], [['e']])
    """

    encoding: Any
    training: Sequence[Any]
    validation: Sequence[Any]
    rows: int
    gather: Callable[[list[Any]], Batch]
    digest: str
    source: str
    length: Callable[[Any], float] = len
    weigh: Callable[[Any], int] | None = None
    testing: Sequence[Any] | None = None
    notes: tuple[str, ...] = ()
    _orders: dict[int, list[list[int]]] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def training_size(self) -> int:
        return self._units(self.training)

    @cached_property
    def held_out_size(self) -> int:
        return self._units(self.validation)

    def _units(self, examples: Sequence[Any]) -> int:
        return len(examples) if self.weigh is None else sum(map(self.weigh, examples))

    @property
    def steps_per_epoch(self) -> int:
        return -(-len(self.training) // self.rows)

    @property
    def units_per_step(self) -> int:
        return max(1, self.training_size // self.steps_per_epoch)

    @cached_property
    def _lengths(self) -> list[float]:
        return [self.length(example) for example in self.training]

    def batch(self, step: int, part: Part = Part()) -> Batch:
        """A step's examples. The same step always gives the same batch; a process that gets none
        of them has a count of 0.
        """
        epoch, place = divmod(step, self.steps_per_epoch)
        mine = self._order(epoch)[place][part.rank :: part.size]
        return self.gather([self.training[each] for each in mine]) if mine else Batch(None, None, 0)

    def _order(self, epoch: int) -> list[list[int]]:
        """The batches of an epoch, as places of examples: shuffled, those that stand near each other sorted by
        length, cut into batches, and these shuffled."""
        if epoch not in self._orders:
            drawn = torch.Generator().manual_seed(epoch)
            count, batches = len(self.training), self.steps_per_epoch
            places = torch.randperm(count, generator=drawn).tolist()
            ends = [count * k // batches for k in range(batches + 1)]
            for first in range(0, batches, POOL):
                begin, end = ends[first], ends[min(first + POOL, batches)]
                places[begin:end] = sorted(places[begin:end], key=self._lengths.__getitem__)
            shuffled = torch.randperm(batches, generator=drawn).tolist()
            self._orders.clear()
            self._orders[epoch] = [places[ends[k] : ends[k + 1]] for k in shuffled]
        return self._orders[epoch]

    def held_out(self) -> Iterator[Batch]:
        """The held-out examples, each once."""
        return each_once(self.validation, self.gather, self.length, max(self.rows, EVALUATED))

    def test(self) -> Iterator[Batch]:
        """The examples for the report, each once."""
        return each_once(self.testing or (), self.gather, self.length, max(self.rows, EVALUATED))


@dataclass(frozen=True)
class Noted:
    """Batches of a file's examples, and what is to be said of it: what was left out."""

    batches: Iterator[Batch]
    notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Batch]:
        return iter(self.batches)


def each_once(
    examples: Sequence[Any],
    gather: Callable[[list[Any]], Batch],
    length: Callable[[Any], float] = len,
    rows: int = EVALUATED,
) -> Iterator[Batch]:
    """Every example once, in batches of like lengths.

    >>> gather = lambda rows: Batch(rows, None, len(rows))
    >>> [batch.inputs for batch in each_once(["ccc", "a", "bb"], gather, rows=2)]
    [['a', 'bb'], ['ccc']]
    """
    ordered = sorted(examples, key=length)
    for begin in range(0, len(ordered), rows):
        yield gather(ordered[begin : begin + rows])


def padded(sequences: Sequence[Tensor | Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Sequences side by side, zeros after each one's end, and their lengths (B,) int64.

    sequences  of indices: (T, B) int64; or tensors (length, width): (T, B, width)

    >>> padded([[1, 2, 3], [4]])
    (tensor([[1, 4],
            [2, 0],
            [3, 0]]), tensor([3, 1]))
    """
    tensors = [
        each if isinstance(each, Tensor) else torch.tensor(each, dtype=torch.int64) for each in sequences
    ]
    return pad_sequence(tensors), torch.tensor([len(each) for each in tensors])
