"""Cell -> cell: other equations, norms, noise and first values, for any cell, compiled like any other."""

from __future__ import annotations

from .activations import activations
from .derived import PAPERS, documented
from .head import Head, split_head
from .initialised import initialised
from .noise import recurrent_dropout, weight_drop, zoneout
from .norm import layer_norm
from .products import multiplicative, residual
from .replace import replace
from .resets import resettable

__all__ = [
    "Head",
    "PAPERS",
    "activations",
    "documented",
    "initialised",
    "layer_norm",
    "multiplicative",
    "recurrent_dropout",
    "replace",
    "residual",
    "resettable",
    "split_head",
    "weight_drop",
    "zoneout",
]
