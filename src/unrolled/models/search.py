"""Beam search: the likeliest sequences that a model writes, found a symbol at a time.

Hypotheses of all sentences of a batch stand in one list of rows. One that ends leaves the list and its
sentence's beam is one narrower from then on (Bahdanau, Cho and Bengio 2015), so that nothing that is finished
can ever be gone on with, and no row knows which others stand beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..options import Count, Natural, Nonnegative, check_options
from .draw import NoNumbers
from .translation import Translator

PADDING, START, END = 0, 1, 2  # symbols, on either side
NEVER = (PADDING, START)


@dataclass(frozen=True)
class Beam:
    """How sequences are looked for.

    >>> Beam(width=5).value(-6.0, 7)
    -3.0
    """

    width: Count = 5
    """hypotheses that are kept; 1 always takes the likeliest next word"""
    penalty: Nonnegative = 1.0
    """a sum of log probabilities is divided by ((5 + length) / 6) to this power (Wu et al. 2016, equation
    14): 0 prefers short ones"""
    distinct: Natural = 0
    """no sequence of so many words twice in a sentence; 0 forbids nothing"""

    def __post_init__(self):
        check_options(self)

    def value(self, total: float, length: int) -> float:
        """What hypotheses are compared by when they are over."""
        return total / ((5 + length) / 6) ** self.penalty


class Hypothesis(NamedTuple):
    """A sequence that was found.

    symbols   without the start, and without the end
    total     sum of the log probabilities of the symbols and the end
    value     by which it is ranked
    finished  False where it had reached the greatest length instead of an end
    weights   (length, S) the attention of each symbol
    """

    symbols: tuple[int, ...]
    total: float
    value: float
    finished: bool
    weights: Tensor


class _Row(NamedTuple):
    """A hypothesis under way, as the last symbol of a chain."""

    sentence: int
    symbol: int
    total: float
    before: _Row | None = None
    weights: Tensor | None = None

    def chain(self) -> list[_Row]:
        """All its rows but the start, the first one first."""
        rows, row = [], self
        while row.before is not None:
            rows.append(row)
            row = row.before
        return rows[::-1]

    def symbols(self) -> tuple[int, ...]:
        return tuple(row.symbol for row in self.chain())


def longest(length: int) -> int:
    """How many symbols may be written for a sentence of so many."""
    return 2 * length + 10


@torch.no_grad()
def search(model: Translator, source: Tensor, lengths: Tensor, beam: Beam = Beam()) -> list[list[Hypothesis]]:
    """The sequences that a model finds for each sentence of a batch, best first, `beam.width` of them each.

    source   (S, B) int64
    lengths  (B,) int64

    What a sentence gets does not depend on what stands beside it. The model is used in the mode that it is in.
    Raises NoNumbers for a model whose logits are none.
    """
    memory, state = model.read(source, lengths)
    sizes = lengths.tolist()
    rows = [_Row(k, START, 0.0) for k in range(len(sizes))]
    open_, found = [beam.width] * len(sizes), [[] for _ in sizes]
    owners, looked = list(range(len(sizes))), memory
    for step in range(1, 1 + max(map(longest, sizes), default=0)):
        symbols = torch.tensor([row.symbol for row in rows], device=source.device)
        logits, weights, state = model.step(symbols, looked, state)
        tops = _likeliest(logits, rows, beam)
        parents, rows = _chosen(rows, tops, weights, open_, found, beam, sizes, step)
        if not rows:
            break
        index = torch.tensor(parents, device=source.device)
        state = tuple(part.index_select(1, index) for part in state)
        if [row.sentence for row in rows] != owners:
            owners = [row.sentence for row in rows]
            looked = memory.rows(torch.tensor(owners, device=source.device))
    return [sorted(each, key=lambda one: -one.value) for each in found]


def _likeliest(logits: Tensor, rows: Sequence[_Row], beam: Beam) -> list[list[tuple[float, int]]]:
    """Of each row the symbols that its sentence could choose, with their log probabilities, likeliest first."""
    chances = logits.double().log_softmax(-1)
    if not chances.isfinite().all():
        raise NoNumbers
    chances[:, NEVER] = -torch.inf
    if beam.distinct:
        for number, row in enumerate(rows):
            chances[number, _repeating(row.symbols(), beam.distinct)] = -torch.inf
    values, symbols = chances.topk(min(beam.width, chances.shape[1] - len(NEVER)), -1)
    return [list(zip(*each)) for each in zip(values.tolist(), symbols.tolist())]


def _repeating(symbols: tuple[int, ...], count: int) -> list[int]:
    """The symbols that would make a sequence of `count` symbols stand there twice.

    >>> _repeating((5, 6, 7, 5, 6), 3)
    [7]
    """
    last = symbols[len(symbols) - count + 1 :]
    if len(symbols) < count:
        return []
    starts = range(len(symbols) - count + 1)
    return [symbols[at + count - 1] for at in starts if symbols[at : at + count - 1] == last]


def _chosen(
    rows: list[_Row],
    tops: list[list[tuple[float, int]]],
    weights: Tensor,
    open_: list[int],
    found: list[list[Hypothesis]],
    beam: Beam,
    sizes: list[int],
    step: int,
) -> tuple[list[int], list[_Row]]:
    """The rows that go on and which they come from; what is over goes to `found`."""
    candidates: list[list[tuple[float, int, int]]] = [[] for _ in sizes]
    for number, row in enumerate(rows):
        candidates[row.sentence] += [(row.total + chance, number, symbol) for chance, symbol in tops[number]]
    parents, going = [], []
    for sentence, each in enumerate(candidates):
        each.sort(key=lambda one: (-one[0], one[1], one[2]))
        for total, number, symbol in each[: open_[sentence]]:
            row = _Row(sentence, symbol, total, rows[number], weights[number])
            if symbol == END or step == longest(sizes[sentence]):
                found[sentence].append(_over(row, beam, sizes[sentence]))
                open_[sentence] -= 1
            elif total > -torch.inf:
                parents.append(number)
                going.append(row)
    return parents, going


def _over(row: _Row, beam: Beam, size: int) -> Hypothesis:
    """A hypothesis that is over. Its length counts the end."""
    chain = row.chain()
    finished = row.symbol == END
    written = chain[:-1] if finished else chain
    weights = torch.stack([one.weights[:size] for one in written]) if written else torch.zeros(0, size)
    symbols = tuple(one.symbol for one in written)
    return Hypothesis(symbols, row.total, beam.value(row.total, len(chain)), finished, weights)
