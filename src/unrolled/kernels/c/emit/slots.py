"""The argument list of an emitted function: one array of 64-bit integers, sizes and addresses, by name."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ....graph.node import Dim
from ....plan.plan import Plan
from .segment import atom

# memory, room: working memory that the caller brings along, and its bytes; afterwards how many were asked for.
# every: steps between looks for Ctrl-C; python...: how to look, and what was caught (interrupt.h).
FIXED = (
    "steps",
    "batch",
    "split",
    "keep",
    "wanted",
    "offset",
    "rows",
    "hyper",
    "gomp",
    "gomp_size",
    "gomp_me",
    "uniform",
    "block",
    "total",
    "vectors",
    "numbers",
    "memory",
    "room",
    "every",
    "python",
    "python_check",
    "python_fetch",
    "python_release",
    "python_type",
    "python_value",
    "python_trace",
)


def letters(plan: Plan) -> tuple[str, ...]:
    """What the cell's widths are called in C, in the order in which their sizes are passed."""
    return tuple(atom(d) for d in dims(plan))


def dims(plan: Plan) -> tuple[Dim, ...]:
    """The widths of the cell besides 1, in the same order."""
    found = [d for node in plan.body.nodes for d in node.shape or ()] + [h.depth for h in plan.body.hoisted]
    found += [node.value for node in plan.body.nodes if node.op == "width"]
    return tuple(dict.fromkeys(part for d in found for part in (d, *d.split("+")) if part != "1"))


def _shared(plan: Plan) -> list[str]:
    """operand: rows that a hoisted product multiplies, index: or indices into the table x; x: the products, k: values
    kept in their place; w: the product's weights. new: a state's sequence."""
    body = plan.body
    names = [*FIXED, *letters(plan)]
    names += [f"weights{g}" for g in range(len(plan.groups))]
    names += [f"input{k}" for k in range(len(body.streams))]
    for k in range(len(body.states)):
        names += [f"state{k}", f"new{k}"]
    for g in range(len(body.hoisted)):
        names += [f"w{g}", f"operand{g}", f"index{g}", f"x{g}", f"k{g}"]
    return [*names, "kept"]


def forward_slots(plan: Plan) -> tuple[str, ...]:
    """Names of the forward function's arguments, in order."""
    return (*_shared(plan), *(f"final{k}" for k in range(len(plan.body.states))), "output")


def backward_slots(plan: Plan) -> tuple[str, ...]:
    """Names of the backward function's arguments, in order. An address of 0 asks for nothing there."""
    names = _shared(plan)
    names += [f"carry{k}" for k in range(len(plan.body.states))]
    names += [f"dinput{k}" for k in range(len(plan.body.streams))]
    for g in range(len(plan.body.hoisted)):
        names += [f"dw{g}", f"doperand{g}"]
    names += [f"dweights{g}" for g in range(len(plan.groups))]
    return (*names, "above", "above_stride", "gradient", "dvectors", "dnumbers")


@dataclass(frozen=True, eq=False)
class Slots:
    """Where in an argument list each name's value goes: `at[name]`; `numbered["weights"][2]` is `at["weights2"]`."""

    at: dict[str, int]
    numbered: dict[str, tuple[int, ...]]

    @staticmethod
    def of(names: tuple[str, ...]) -> Slots:
        numbered: dict[str, list[int]] = {}
        for k, name in enumerate(names):
            if found := re.fullmatch(r"([a-z_]+)\d+", name):
                numbered.setdefault(found[1], []).append(k)
        return Slots(
            {name: k for k, name in enumerate(names)}, {name: tuple(at) for name, at in numbered.items()}
        )
