"""The zoo: every cell of every family file here is registered under its name."""

from __future__ import annotations

from ..cell import REGISTRY, Cell, register
from . import (
    additive,
    antisymmetric,
    bistable,
    classic,
    clock,
    conserving,
    context,
    delays,
    dynamics,
    elman,
    evolved,
    exponential,
    gru,
    highway,
    hyper,
    liquid,
    lstm,
    lstm_variants,
    minimal,
    multiplicative,
    nested,
    odyssey,
    orthogonal,
    oscillators,
    piecewise,
    reservoir,
    scan,
    second_order,
    typed,
)

FAMILIES = (
    elman,
    lstm,
    lstm_variants,
    exponential,
    odyssey,
    multiplicative,
    hyper,
    nested,
    typed,
    context,
    piecewise,
    gru,
    highway,
    dynamics,
    scan,
    clock,
    liquid,
    reservoir,
    classic,
    second_order,
    delays,
    conserving,
    orthogonal,
    additive,
    antisymmetric,
    bistable,
    evolved,
    minimal,
    oscillators,
)

for _family in FAMILIES:
    for _value in vars(_family).values():
        if isinstance(_value, Cell):
            register(_value)

__all__ = ["FAMILIES", "REGISTRY"]
