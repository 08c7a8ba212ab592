"""Expressions written shorter, with the same value: 0.5 * d + 0.5 * d as d, -1 * t / p as -(t / p)."""

from __future__ import annotations

from ..graph.builder import Builder
from ..graph.simplify import simple
from ..ops import Symbol, on_numbers

FOLDED = ("add", "sub", "mul", "div", "neg")


def neat(builder: Builder, op: str, args: list[Symbol]) -> Symbol:
    """The node for an operation on numbers, or a shorter one."""
    numbers = [_constant(builder, a) for a in args]
    if op in FOLDED and None not in numbers and not (op == "div" and numbers[1] == 0):
        return builder.symbol(float(on_numbers(op, tuple(numbers))))
    rule = RULES.get(op)
    found = rule(builder, *args) if rule else None
    return found if found is not None else simple(builder, op, tuple(args))


def _constant(builder: Builder, symbol: Symbol) -> float | None:
    node = builder.nodes[symbol.index]
    return node.value if node.op == "constant" else None


def _parts(builder: Builder, symbol: Symbol, op: str) -> list[Symbol] | None:
    node = builder.nodes[symbol.index]
    return [Symbol(builder, a) for a in node.args] if node.op == op else None


def _neat_add(builder: Builder, a: Symbol, b: Symbol):
    if a.index == b.index:
        return neat(builder, "mul", [builder.symbol(2.0), a])
    if minus := _parts(builder, b, "neg"):
        return neat(builder, "sub", [a, minus[0]])
    if minus := _parts(builder, a, "neg"):
        return neat(builder, "sub", [b, minus[0]])


def _neat_sub(builder: Builder, a: Symbol, b: Symbol):
    if minus := _parts(builder, b, "neg"):
        return neat(builder, "add", [a, minus[0]])
    if _constant(builder, a) == 0:
        return neat(builder, "neg", [b])


def _neat_mul(builder: Builder, a: Symbol, b: Symbol):
    if _constant(builder, b) is not None:
        a, b = b, a
    number = _constant(builder, a)
    if number == -1:
        return neat(builder, "neg", [b])
    inner = _parts(builder, b, "mul")
    if number is not None and inner and _constant(builder, inner[0]) is not None:
        return neat(builder, "mul", [builder.symbol(number * _constant(builder, inner[0])), inner[1]])
    for one, other in ((a, b), (b, a)):
        if minus := _parts(builder, one, "neg"):
            return neat(
                builder, "neg", [neat(builder, "mul", [minus[0], other] if one is a else [other, minus[0]])]
            )
    return simple(builder, "mul", (a, b))


def _neat_div(builder: Builder, a: Symbol, b: Symbol):
    if minus := _parts(builder, a, "neg"):
        return neat(builder, "neg", [neat(builder, "div", [minus[0], b])])
    if _constant(builder, b) == 1:
        return a
    if _constant(builder, a) == 0:
        return a


def _neat_neg(builder: Builder, a: Symbol):
    if parts := _parts(builder, a, "sub"):
        return neat(builder, "sub", parts[::-1])


RULES = {"add": _neat_add, "sub": _neat_sub, "mul": _neat_mul, "div": _neat_div, "neg": _neat_neg}
