"""The zoo: every cell of every family file here is registered under its name."""

from __future__ import annotations

from ..cell import REGISTRY, Cell, register
from . import dynamics, elman, gru, highway, lstm, scan

FAMILIES = (elman, lstm, gru, highway, dynamics, scan)

for _family in FAMILIES:
    for _value in vars(_family).values():
        if isinstance(_value, Cell):
            register(_value)

__all__ = ["FAMILIES", "REGISTRY"]
