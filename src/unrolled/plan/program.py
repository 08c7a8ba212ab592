"""The loop's step as a program: segments of elementwise work with products of matrices between them.

A product must wait for its whole operand, so it cuts the step into stages. A segment runs over the rows of the
batch and, inside, over the units; a value that crosses stages is stored in between.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..graph.node import Dim


@dataclass(frozen=True)
class Place:
    """Where a value lives: a buffer, and the columns at which it starts there (a sum of widths).

    Buffers: "x0", "x1", ... hoisted streams; "k0", "k1", ... values kept in columns of a hoisted stream that
    has been read by then (a backend may lay k over x); "kept" for those beyond; "input", "state", "new",
    "output", "z" (results of products), "scratch", "vectors", "numbers", "hyper", "constant", "width", "carry",
    "above", "gradient", "dinput". `number` tells which input, state, hoisted group or parameter.
    """

    buffer: str
    number: int = 0
    start: tuple[Dim, ...] = ()
    width: Dim = "1"


@dataclass(frozen=True)
class ProductRun:
    """Matrices of a product whose operands (backward) stand side by side, starting
    at a column of "gradient".
    """

    start: tuple[Dim, ...]
    widths: tuple[Dim, ...]
    first: int  # number of the run's first matrix within the group


@dataclass(frozen=True)
class Group:
    """All the loop's matrices with one operand, stacked: forward (sum of widths x depth) @ operand."""

    operand: int
    matrices: tuple[int, ...]  # leaves of the body
    outputs: tuple[int, ...]  # product nodes
    widths: tuple[Dim, ...]
    depth: Dim
    runs: tuple[ProductRun, ...] = ()  # the gradients of the outputs, as columns of "gradient"


@dataclass(frozen=True)
class Product:
    """One packed product between segments. `accumulate`: added to what is in `to` already."""

    group: int
    source: Place | None  # the operand (forward); None: the group's runs of "gradient" (backward)
    to: Place
    accumulate: bool = False


@dataclass(frozen=True)
class Segment:
    """Elementwise work of one stage: nodes to compute in order, then what to store and what to add up."""

    stage: int
    nodes: tuple[int, ...]
    stores: tuple[tuple[int, Place], ...]
    vectors: tuple[tuple[int, Place], ...] = ()  # added into a parameter's gradient, over rows
    numbers: tuple[tuple[int, Place], ...] = ()  # the same for a parameter that is a number


@dataclass(frozen=True)
class Program:
    """The steps of one direction, and where each value can be read."""

    steps: tuple[Segment | Product, ...]
    places: tuple[tuple[int, Place], ...]  # node -> where it is read when it is not local
    scratch: tuple[Dim, ...]
    z: tuple[Dim, ...]

    @property
    def products(self) -> tuple[Product, ...]:
        return tuple(s for s in self.steps if isinstance(s, Product))

    @property
    def segments(self) -> tuple[Segment, ...]:
        return tuple(s for s in self.steps if isinstance(s, Segment))


class Columns:
    """Hands out columns of a buffer, one after the other."""

    def __init__(self, buffer: str, number: int = 0):
        self.buffer, self.number = buffer, number
        self.widths: list[Dim] = []

    def new(self, width: Dim) -> Place:
        place = Place(self.buffer, self.number, tuple(self.widths), width)
        self.widths.append(width)
        return place
