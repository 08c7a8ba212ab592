"""Random numbers that a cell draws while it is traced: they would stand in its equations as constants for good.

They are noticed by the generators, whose states change: Python's, numpy's and torch's own, and those
that the function holds.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable

NOISE = (
    "Noise that a layer draws again is put into a finished cell by zoneout, recurrent_dropout and weight_drop;"
    " other random numbers are an input, as in def noisy(x, noise, /, h, *, W)"
)
DRAWN = (
    "it draws random numbers, and a cell is traced once, so that they would be the same at every step of every"
    " call. " + NOISE
)
TENSOR = (
    "which would be the same at every step of every call, drawn at random or not. Write a constant as a plain"
    " number, float(t), outside of the cell. " + NOISE
)


def states(function: Callable) -> tuple:
    """The states of the generators that a function can reach; equal to those of
    another time if none was used.
    """
    found: list[object] = [random.getstate()]
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    if torch is not None:
        found.append(torch.default_generator.get_state().numpy().tobytes())
    if numpy is not None:
        found.append(_of_numpy(numpy.random.get_state(legacy=False)))
    return (
        *found,
        *(state for value in _reached(function) if (state := _state(value, torch, numpy)) is not None),
    )


def _state(value: object, torch, numpy) -> object:
    if isinstance(value, random.Random):
        return value.getstate()
    if torch is not None and isinstance(value, torch.Generator):
        return value.get_state().numpy().tobytes()
    if numpy is not None and isinstance(value, numpy.random.Generator):
        return _of_numpy(value.bit_generator.state)
    if numpy is not None and isinstance(value, numpy.random.RandomState):
        return _of_numpy(value.get_state(legacy=False))
    return None


def _of_numpy(state: dict) -> str:
    return repr({k: v.tobytes() if hasattr(v, "tobytes") else v for k, v in _flat(state).items()})


def _flat(state: dict) -> dict:
    inner = [v for v in state.values() if isinstance(v, dict)]
    return {**{k: v for k, v in state.items() if not isinstance(v, dict)}, **(_flat(inner[0]) if inner else {})}


def _reached(function: Callable) -> list[object]:
    """What a function's closure and the globals that it names hold."""
    cells = [c for c in function.__closure__ or () if _filled(c)]
    named = [function.__globals__.get(name) for name in function.__code__.co_names]
    return [*(c.cell_contents for c in cells), *named]


def _filled(cell) -> bool:
    try:
        cell.cell_contents
    except ValueError:  # bound later
        return False
    return True
