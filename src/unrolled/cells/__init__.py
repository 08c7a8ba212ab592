"""The zoo: every cell of every family's file or folder here is registered under its name."""

from __future__ import annotations

from ..cell import REGISTRY, Cell, register
from . import (
    additive,
    bistable,
    classic,
    clock,
    conserving,
    context,
    delays,
    dynamics,
    evolved,
    gru,
    highway,
    hyper,
    linear,
    liquid,
    lstm,
    minimal,
    multiplicative,
    nested,
    odyssey,
    orthogonal,
    oscillators,
    piecewise_linear,
    reservoir,
    second_order,
    simple,
    stable,
    typed,
)

FAMILIES = (
    simple,
    lstm.standard,
    lstm.variants,
    lstm.exponential,
    odyssey,
    multiplicative,
    hyper,
    nested,
    typed,
    context,
    piecewise_linear,
    gru,
    highway,
    dynamics,
    linear,
    clock,
    liquid,
    reservoir,
    classic,
    second_order,
    delays,
    conserving,
    orthogonal,
    additive,
    stable,
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
