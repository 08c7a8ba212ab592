"""What an emitted function is given: a struct, whose fields Python fills by name."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import groupby

from ....graph.node import Dim
from ....plan.plan import Plan
from .segment import atom

TYPES = {"long": "int64_t ", "index": "const int64_t *", "double": "const double *", "real": "real *"}

LOCALS = {"long": "const long "}


class Fields:
    """Fields of 64 bits each: sizes ("long") and addresses, pairs of a type and a name.

    at        where a field stands in the list of values, by name
    numbered  numbered["weights"][2] is at["weights2"]
    """

    def __init__(self, name: str, fields: Iterable[tuple[str, str]], common: bool = False):
        """`common`: what all cells' structs begin with stands in front, as their field `all`."""
        self.name, self.own, self.common = name, tuple(fields), common
        names = [name for _, name in (*(COMMON.own if common else ()), *self.own)]
        self.at = {name: k for k, name in enumerate(names)}
        self.numbered: dict[str, tuple[int, ...]] = {}
        for k, name in enumerate(names):
            if found := re.fullmatch(r"([a-z_]+)\d+", name):
                self.numbered[found[1]] = (*self.numbered.get(found[1], ()), k)

    def text(self) -> list[str]:
        """C, fields of one type on one line."""
        first = ["    common all;"] if self.common else []
        lines = [f"    {TYPES[kind]}{_star(kind).join(names)};" for kind, names in _runs(self.own)]
        return ["typedef struct {", *first, *lines, f"}} {self.name};"]

    def unpacked(self) -> list[str]:
        """C: the fields of the struct at `a` under their own names, but for those that only its frame reads."""
        pairs = [("a->all.", STEPPING)] if self.common else []
        return [
            f"{LOCALS.get(kind, TYPES[kind])}{_star(kind).join(f'{name} = {source}{name}' for name in names)};"
            for source, fields in (*pairs, ("a->", self.own))
            for kind, names in _runs(fields)
        ]

    def filled(self, values: Mapping[str, int]) -> array:
        """The list of values, 0 where there is none."""
        return array("q", [values.get(name, 0) for name in self.at])


def _runs(fields: Iterable[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    """Fields of one type that follow each other: the type and their names."""
    return [(kind, [name for _, name in run]) for kind, run in groupby(fields, key=lambda field: field[0])]


def _star(kind: str) -> str:
    return ", *" if TYPES[kind].endswith("*") else ", "


def reals(*names: str) -> list[tuple[str, str]]:
    return [("real", name) for name in names]


def longs(*names: str) -> list[tuple[str, str]]:
    return [("long", name) for name in names]


# What the loop over time reads, and what only frame.h does. memory, room: working memory that the caller brings
# along, and its bytes; afterwards how many were asked for. every: steps between looks for Ctrl-C; python...:
# how to look, and what was caught (interrupt.h).
STEPPING = (
    *longs("steps", "batch", "split", "keep", "uniform", "block", "total", "every"),
    ("index", "offset"),
    ("index", "rows"),
    ("double", "hyper"),
    *reals("vectors", "numbers", "kept"),
)
COMMON = Fields(
    "common",
    [
        *STEPPING,
        *longs("wanted", "gomp", "gomp_size", "gomp_me", "memory", "room"),
        *longs(
            "python",
            "python_check",
            "python_fetch",
            "python_release",
            "python_type",
            "python_value",
            "python_trace",
        ),
    ],
)


def letters(plan: Plan) -> tuple[str, ...]:
    """What the cell's widths are called in C, in the order in which their sizes are passed."""
    return tuple(atom(d) for d in dims(plan))


def dims(plan: Plan) -> tuple[Dim, ...]:
    """The widths of the cell besides 1, in the same order."""
    found = [d for node in plan.body.nodes for d in node.shape or ()] + [h.depth for h in plan.body.hoisted]
    found += [node.value for node in plan.body.nodes if node.op == "width"]
    return tuple(dict.fromkeys(part for d in found for part in (d, *d.split("+")) if part != "1"))


def _shared(plan: Plan) -> list[tuple[str, str]]:
    """operand: rows that a hoisted product multiplies, index: or indices into the table x; x: the products, k:
    values kept in their place; w: the product's weights. new: a state's sequence."""
    body = plan.body
    fields = longs(*letters(plan)) + reals(*(f"weights{g}" for g in range(len(plan.groups))))
    fields += reals(*(f"input{k}" for k in range(len(body.streams))))
    for k in range(len(body.states)):
        fields += reals(f"state{k}", f"new{k}")
    for g in range(len(body.hoisted)):
        fields += [*reals(f"w{g}", f"operand{g}"), ("index", f"index{g}"), *reals(f"x{g}", f"k{g}")]
    return fields


@lru_cache(maxsize=512)
def forward_struct(plan: Plan) -> Fields:
    """What the forward function is given."""
    final = reals(*(f"final{k}" for k in range(len(plan.body.states))), "output")
    return Fields("forward_arguments", [*_shared(plan), *final], True)


@lru_cache(maxsize=512)
def backward_struct(plan: Plan) -> Fields:
    """What the backward function is given. An address of 0 asks for nothing there."""
    body, fields = plan.body, _shared(plan)
    fields += reals(*(f"carry{k}" for k in range(len(body.states))))
    fields += reals(*(f"dinput{k}" for k in range(len(body.streams))))
    for g in range(len(body.hoisted)):
        fields += reals(f"dw{g}", f"doperand{g}")
    fields += reals(*(f"dweights{g}" for g in range(len(plan.groups))))
    fields += [*reals("above"), *longs("above_stride"), *reals("gradient", "dvectors", "dnumbers")]
    return Fields("backward_arguments", fields, True)
