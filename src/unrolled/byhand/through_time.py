"""Backpropagation through time, term by term: dL_t/dW = sum over k of dL_t/ds_t ds_t/ds_k ds_k/dW.

In ds_k/dW, s_{k-1} is treated as a constant.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .chain import Chains
from .numbers import Array

SQUARINGS = 60


@dataclass(frozen=True)
class Lag:
    """What step k gives to the gradient of step t's loss.

    jacobian   ds_t/ds_k, the product of the Jacobians of the steps between, as rows
    norm       its largest singular value: how much longer it can make a vector
    state      dL_t/ds_k, one number for each unit of all states
    terms      parameter -> this step's term of dL_t/dparameter
    """

    k: int
    jacobian: tuple[tuple[float, ...], ...]
    norm: float
    state: tuple[float, ...]
    terms: dict[str, Array]


@dataclass(frozen=True)
class ThroughTime:
    """The loss of step t: its lags from k = t down to 1, and their sum."""

    t: int
    lags: tuple[Lag, ...]
    gradients: dict[str, Array]


def through_time(chains: Chains) -> tuple[ThroughTime, ...]:
    """For each step that has a loss."""
    program = chains.program
    steps = {row: step_jacobian(chains, row) for row in sorted(program.new_states) if row}
    found = []
    for t, loss in program.losses.items():
        gradients = chains.gradients({loss: 1.0})
        product = _identity(len(program.new_states[t]))
        lags = []
        for k in range(t, 0, -1):
            terms = chains.from_row(gradients, k)
            state = tuple(gradients.get(i, 0.0) for i in program.new_states[k])
            lags.append(Lag(k, product, spectral_norm(product), state, terms))
            product = _times(product, steps[k])
        sums = {
            name: Array(one.shape, tuple(map(sum, zip(*(lag.terms[name].cells for lag in lags)))))
            for name, one in program.parameters.items()
        }
        found.append(ThroughTime(t, tuple(lags), sums))
    return tuple(found)


def step_jacobian(chains: Chains, row: int) -> tuple[tuple[float, ...], ...]:
    """ds_row/ds_{row-1}: how each unit of the states depends on each unit before it."""
    before, after = chains.program.new_states[row - 1], chains.program.new_states[row]
    rows = []
    for unit in after:
        found = chains.gradients({unit: 1.0}, rows=(row,))
        rows.append(tuple(found.get(b, 0.0) for b in before))
    return tuple(rows)


def spectral_norm(matrix: Sequence[Sequence[float]]) -> float:
    """The largest singular value, by squaring M^T M until only its largest eigenvalue is left."""
    columns = list(zip(*matrix))
    gram = [[sum(a * b for a, b in zip(p, q)) for q in columns] for p in columns]
    power = gram
    for _ in range(SQUARINGS):
        most = max((abs(v) for row in power for v in row), default=0.0)
        if most == 0.0:
            return 0.0
        power = [[v / most for v in row] for row in power]
        power = _times(power, power)
    trace = sum(power[i][i] for i in range(len(power)))
    both = _times(gram, power)
    return math.sqrt(max(sum(both[i][i] for i in range(len(both))) / trace, 0.0))


def _identity(size: int) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(i == j) for j in range(size)) for i in range(size))


def _times(a: Sequence[Sequence[float]], b: Sequence[Sequence[float]]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(sum(x * y for x, y in zip(row, column)) for column in zip(*b)) for row in a)
