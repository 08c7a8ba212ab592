"""n-gram models of strings: what a network is compared with."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

Indices = Sequence[int]


def ngram_nats(training: Iterable[Indices], held_out: Iterable[Indices], order: int, symbols: int) -> float:
    """Mean -log p of each symbol of the strings held out, the mark at their ends too, in nats.

    order    how many symbols, the predicted one included, are looked at: 1 looks at none before it
    symbols  V, how many there are, with the mark, which is the last

    Interpolated by Witten and Bell, The zero-frequency problem (1991), method C: after a history that was followed N times by T
    different symbols, a share T / (N + T) is left to the shorter history, and at the end to all symbols alike.

    >>> round(ngram_nats([(0, 1), (0, 1)], [(0, 1)], 2, 3), 4)
    0.2837
    """
    counts: list[dict[tuple, Counter]] = [defaultdict(Counter) for _ in range(order)]
    for history, symbol in _places(training, order, symbols - 1):
        for length in range(order):
            counts[length][history[order - 1 - length :]][symbol] += 1
    totals = [{history: sum(found.values()) for history, found in table.items()} for table in counts]
    lost = number = 0
    for history, symbol in _places(held_out, order, symbols - 1):
        chance = 1.0 / symbols
        for length in range(order):
            seen = history[order - 1 - length :]
            if (total := totals[length].get(seen)) is None:
                break
            found = counts[length][seen]
            chance = (found[symbol] + len(found) * chance) / (total + len(found))
        lost, number = lost - math.log(chance), number + 1
    return lost / number if number else math.nan


def _places(strings: Iterable[Indices], order: int, mark: int):
    """Each symbol, and the order - 1 symbols before it."""
    for string in strings:
        padded = (*[mark] * max(1, order - 1), *string, mark)
        first = max(1, order - 1)
        for k in range(first, len(padded)):
            yield padded[k - order + 1 : k], padded[k]
