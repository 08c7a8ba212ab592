"""Activation functions with their derivatives (decks 003 and 004), by the primitives' own rules."""

from __future__ import annotations

from ...graph.builder import Builder
from ...graph.gradient import differentiate
from ...ops import ACTIVATIONS, apply_op, on_numbers
from ..document import Grid, Paragraph, Piece, Said
from ..formula import result
from .example import Shown, WorkedExample

POINTS = (-4.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 4.0)
SHOWN = ("sigmoid", "tanh", "relu", "softplus")


def derivative(name: str, at: float) -> float:
    """The slope of a primitive of one argument, by its rule.

    >>> derivative("sigmoid", 0.0)
    0.25
    """
    builder = Builder()
    x = builder.leaf("input", "x", ())
    y = apply_op(name, x)
    found = differentiate(builder, [(y.index, builder.symbol(1.0).index)], [x.index]).of
    known = {x.index: at}
    for node in builder.nodes:
        if node.index not in known:
            known[node.index] = result(node, known)
    return known[found[x.index]] if x.index in found else 0.0


def curve(name: str, points) -> tuple[list[float], list[float]]:
    """(values, derivatives) of an activation function at some points."""
    return [float(on_numbers(name, (p,))) for p in points], [derivative(name, p) for p in points]


def _make(rows: tuple[int, ...] | None, every: bool) -> Shown:
    names = ACTIVATIONS if every else SHOWN
    columns = [Said(name, rf"\mathrm{{{name}}}") for name in names]
    pieces: list[Piece] = [
        Paragraph(
            "Activation functions, and how steep they are. The gradient of what lies below is multiplied with"
            " the slope: a sigmoid's is never more than 1/4, tanh's never more than 1, so that it fades."
        )
    ]
    for title, which in ((Said("g(x)", "g(x)"), 0), (Said("g'(x)", "g'(x)"), 1)):
        values = [curve(name, POINTS)[which] for name in names]
        pieces.append(
            Grid(
                title,
                tuple(columns),
                tuple(
                    (Said(f"{p:g}", f"{p:g}"), tuple(f"{v[k]:.6f}" for v in values))
                    for k, p in enumerate(POINTS)
                ),
            )
        )
    return Shown(None, tuple(pieces))


ACTIVATIONS_EXAMPLE = WorkedExample(
    "activations",
    "sigmoid, tanh, relu, softplus and their slopes (--picture plots)",
    "decks 003, 004",
    _make,
)
