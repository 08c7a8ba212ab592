"""Strings with an end that is asked for, from a model that reads forwards: drawn as the model draws
those that happen to end so.

Wanted is x from p(x | x begins with a, x ends with b), where p is what the model draws by the rule. Every such
x is a m b for one m (or b overlaps a), so that

    p(a m b | a) = p(m | a) p(b, mark | a m)

The model draws some strings that begin with a, freely. Each place in each of them is an m, drawn with p(m |
a); it is weighed by p(b, mark | a m), and one m is drawn by its weight. This is sampling importance
resampling (Rubin 1987): exact as the number of free strings grows, for any cell, beginning and end, without
another model that reads backwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from .draw import DrawRule, uniform
from .language import LanguageModel, State
from .sample import beside
from .strings import Indices, Wanted, drawn

PATHS = 64  # free strings for each one that is wanted
TOGETHER = 16  # of those that are wanted


@torch.no_grad()
def strings_with_end(model: LanguageModel, wanted: Wanted, seeds: Sequence[int]) -> list[Indices | None]:
    """A string for each seed, which always draws the same one; None where no place was found at which the end
    is possible. At temperature 0 the likeliest of those found."""
    found: list[Indices | None] = []
    for first in range(0, len(seeds), TOGETHER):
        found += _some(model, wanted, seeds[first : first + TOGETHER])
    return found


def _some(model: LanguageModel, wanted: Wanted, seeds: Sequence[int]) -> list[Indices | None]:
    greedy = wanted.rule.temperature == 0
    rule = DrawRule(1.0, wanted.rule.top_k, wanted.rule.top_p) if greedy else wanted.rule
    wanted = Wanted(wanted.longest, rule, wanted.begin, wanted.end, wanted.given)
    mine = [_seeds(seed) for seed in seeds]
    free = drawn(model, wanted, [each for paths, _ in mine for each in paths])
    weights, before = _weights(model, wanted, free)  # (places, seeds * PATHS)
    if greedy:
        weights = weights + before
    rows = weights.t().reshape(len(seeds), -1)
    shorter = list(_overlapping(model, wanted))
    # One of these is not drawn, but there for certain: it counts as every free string's.
    several = 1 if greedy else PATHS
    more = torch.tensor([weight for _, weight in shorter], dtype=torch.float64) + torch.tensor(several).log()
    rows = torch.cat([rows, more.expand(len(seeds), -1)], 1)
    if not rows.shape[1]:
        return [None] * len(seeds)
    picks = rows.argmax(1) if greedy else _picked(rows, torch.tensor([number for _, number in mine]))
    return [
        _made(wanted, free, weights.shape[0], row, pick, shorter) if rows[row, pick] > -torch.inf else None
        for row, pick in enumerate(picks.tolist())
    ]


def _seeds(seed: int) -> tuple[list[int], float]:
    """The seeds of the free strings, and the number that picks a place."""
    state, paths = seed, []
    for _ in range(PATHS):
        state, number = uniform(state)
        paths.append(int(number * 2**53))
    return paths, uniform(state)[1]


def _picked(rows: Tensor, numbers: Tensor) -> Tensor:
    """A place in each row of log weights, drawn by its weight with a number in [0, 1)."""
    weights = (rows - rows.amax(1, keepdim=True).clamp_min(-1e300)).exp().cumsum(1)
    return torch.searchsorted(weights, (numbers * weights[:, -1])[:, None], right=True)[:, 0].clamp_max(
        rows.shape[1] - 1
    )


def _made(wanted: Wanted, free: Tensor, places: int, row: int, pick: int, shorter: list) -> Indices:
    path, place = divmod(pick, places)
    if path >= PATHS:
        return shorter[pick - PATHS * places][0]
    return (*wanted.begin, *free[:place, row * PATHS + path].tolist(), *wanted.end)


def _weights(model: LanguageModel, wanted: Wanted, free: Tensor) -> tuple[Tensor, Tensor]:
    """log p(b, mark | a m) and log p(m | a) of each place in each free string: (places, B)
    each; -inf where no m is.
    """
    mark, count = model.characters - 1, free.shape[1]
    room = wanted.longest - len(wanted.begin) - len(wanted.end)
    places = max(0, min(len(free), room) + 1)
    weights = torch.full((places, count), -torch.inf, dtype=torch.float64)
    before = torch.zeros_like(weights)
    alive = torch.arange(count)
    chances, state = _read(model, wanted, (mark, *wanted.begin), None)
    chances, state = chances.expand(count, -1), tuple(part.expand(-1, count, -1) for part in state)
    for place in range(places):
        if place:
            drawn_now = free[place - 1, alive]
            before[place, alive] = before[place - 1, alive] + chances.gather(1, drawn_now[:, None])[:, 0]
            kept = (drawn_now != mark).nonzero()[:, 0]
            alive, state = alive[kept], tuple(part[:, kept] for part in state)
            if not len(alive):
                break
            chances, state = _step(model, wanted, drawn_now[kept], state)
        weights[place, alive] = _of_end(model, wanted, wanted.end, chances, state)
    return weights, before


def _of_end(model: LanguageModel, wanted: Wanted, end: Indices, chances: Tensor, state: State) -> Tensor:
    """log p(end, mark), (B,), where the chances of the next character are given, and the state."""
    total = chances.new_zeros(len(chances))
    for character in (*end, model.characters - 1):
        total = total + chances[:, character]
        if character != model.characters - 1:
            chances, state = _step(model, wanted, torch.full((len(total),), character), state)
    return total


def _overlapping(model: LanguageModel, wanted: Wanted) -> Iterator[tuple[Indices, float]]:
    """Strings whose end begins inside their beginning, such as "anna" of "ann" and "na", and their
    log p after the beginning.
    """
    begin, end = wanted.begin, wanted.end
    for shared in range(1, min(len(begin), len(end)) + 1):
        if begin[-shared:] == end[:shared] and len(begin) + len(end) - shared <= wanted.longest:
            chances, state = _read(model, wanted, (model.characters - 1, *begin), None)
            yield (*begin, *end[shared:]), _of_end(model, wanted, end[shared:], chances, state).item()


def _read(model: LanguageModel, wanted: Wanted, text: Indices, state: State | None) -> tuple[Tensor, State]:
    logits, state = model(beside(torch.tensor(text)[:, None], wanted.given), state)
    return log_chances(logits[-1], wanted.rule), state


def _step(model: LanguageModel, wanted: Wanted, characters: Tensor, state: State) -> tuple[Tensor, State]:
    logits, state = model.step(beside(characters, wanted.given), state)
    return log_chances(logits, wanted.rule), state


def log_chances(logits: Tensor, rule: DrawRule) -> Tensor:
    """The logarithms of what `draw` draws by, at a temperature above 0: (B, V) float64 of logits (B, V).

    >>> log_chances(torch.tensor([[0.0, 2.0, 1.0]]), DrawRule(top_k=1)).tolist()
    [[-inf, 0.0, -inf]]
    """
    temperature, k, p = rule.numbers()
    likeliest, order = torch.sort(logits.double() / temperature, descending=True, stable=True)
    likeliest[:, k:] = -torch.inf
    chances = likeliest.softmax(-1)
    reached = chances.cumsum(-1) - chances  # before each one
    likeliest[(reached >= p) & (torch.arange(likeliest.shape[1]) > 0)] = -torch.inf
    return torch.full_like(likeliest, -torch.inf).scatter(1, order, likeliest).log_softmax(-1)
