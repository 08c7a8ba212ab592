"""Small round numbers for a cell that comes without any."""

from __future__ import annotations

from math import prod

from ..cell import Cell
from ..errors import NotYet, ShapeError
from ..graph.node import size

# Widths to try, of the input and of the states: some cells divide them, or need them equal.
WIDTHS = ((2, 2), (3, 2), (2, 4), (4, 4), (6, 6), (8, 8), (12, 12))


def invented(cell: Cell, steps: int = 3) -> dict[str, dict]:
    """{"inputs": ..., "parameters": ..., "target": ...} for `worked`, the same in every
    process; one decimal each.

    Raises NotYet where none of a few small widths fits the cell.

    >>> from unrolled import find
    >>> invented(find("elman"))["parameters"]["b"]
    [-0.3, 0.4]
    """
    cell = cell.evaluation
    graph = cell.graph
    for input_size, hidden_size in WIDTHS:
        sizes = {**{d: 2 for d in graph.dims}, **cell.widths, "I": input_size, "H": hidden_size}
        try:
            shapes = {
                (kind, n): tuple(size(d, sizes) for d in graph.shape(kind, n))
                for kind, names in (
                    ("input", graph.inputs),
                    ("state", graph.states),
                    ("parameter", graph.parameters),
                )
                for n in names
            }
            output = tuple(size(d, sizes) for d in graph.nodes[graph.output].shape)
        except ShapeError:
            continue
        if any(size(c.left, sizes) != size(c.right, sizes) for c in graph.clashes):
            continue
        numbers = _InventedNumbers()
        parameters = {n: numbers.of(shapes["parameter", n]) for n in graph.parameters}
        inputs = {n: [numbers.of(shapes["input", n]) for _ in range(steps)] for n in graph.inputs}
        return {
            "inputs": inputs,
            "parameters": parameters,
            "target": [numbers.of(output) for _ in range(steps)],
        }
    raise NotYet(
        f"{cell.name} fits none of the small widths that are tried: give it numbers of its own, "
        f"unrolled byhand {cell.name} NUMBERS.csv."
    )


class _InventedNumbers:
    """Tenths from -0.9 to 0.9 that look drawn and are not."""

    def __init__(self):
        self.count = 0

    def of(self, shape: tuple[int, ...]):
        if not shape:
            return self.next()
        return [self.of(shape[1:]) for _ in range(shape[0])] if prod(shape) else []

    def next(self) -> float:
        self.count += 1
        return ((self.count * 7) % 19 - 9) / 10 or 0.3
