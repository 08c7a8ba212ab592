"""How C spells each primitive; functions ending in `_` are in unrolled.h and elementary.h."""

from __future__ import annotations

from functools import lru_cache

from ....ops import OF_WHOLES, OVER_UNITS
from ....plan.plan import Plan

SPELL: dict[str, str] = {
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0} * {1}",
    "div": "{0} / {1}",
    "neg": "-{0}",
    "alias": "{0}",
    "spread": "{0}",
    "sigmoid": "sigmoid_({0})",
    "tanh": "tanh_({0})",
    "relu": "relu_({0})",
    "exp": "exp_({0})",
    "log": "log_({0})",
    "softplus": "softplus_({0})",
    "sin": "sin_({0})",
    "cos": "cos_({0})",
    "sqrt": "sqrt_({0})",
    "elu": "elu_({0})",
    "silu": "silu_({0})",
    "gelu": "gelu_({0})",
    "erf": "erf_({0})",
    "power": "power_({0}, {1})",
    "abs": "abs_({0})",
    "sign": "(real)(({0} > 0) - ({0} < 0))",
    "floor": "floor_({0})",
    "round": "round_({0})",
    "step": "({0} > 0 ? (real)1 : (real)0)",
    "less": "({0} < {1} ? (real)1 : (real)0)",
    "greater": "({0} > {1} ? (real)1 : (real)0)",
    "at_most": "({0} <= {1} ? (real)1 : (real)0)",
    "at_least": "({0} >= {1} ? (real)1 : (real)0)",
    "unequal": "({0} != {1} ? (real)1 : (real)0)",
    "both": "(({0} != 0) & ({1} != 0) ? (real)1 : (real)0)",
    "either": "(({0} != 0) | ({1} != 0) ? (real)1 : (real)0)",
    "clip": "clip_({0}, {1}, {2})",
    "maximum": "max_({0}, {1})",
    "minimum": "min_({0}, {1})",
    "where": "({0} != 0 ? {1} : {2})",
    "equal": "({0} == {1} ? (real)1 : (real)0)",
    "held": "{0}",
    "copy": "{0}",
    "cumsum": "{0}",
    "cumsum_back": "{0}",  # added up where they are stored, behind the loop over units
}


# Spelled by the program itself, not by a row of SPELL.
SKIPPED = ("product", "products_t", *OVER_UNITS, *OF_WHOLES)


@lru_cache(maxsize=512)
def unspelled(plan: Plan) -> str | None:
    """The first primitive of a plan that C has no spelling for; None if it has all. Asked
    at every call, hence kept.
    """
    return next((n.op for n in plan.body.nodes if n.args and n.op not in SPELL and n.op not in SKIPPED), None)


def number(value: float) -> str:
    """A constant, exact to the bit: hexadecimal, in the precision the file is built for."""
    value = float(value)
    if value != value:
        return "((real)NAN)"
    if value in (float("inf"), float("-inf")):
        return "((real)INFINITY)" if value > 0 else "(-(real)INFINITY)"
    return f"(real){value.hex()}"
