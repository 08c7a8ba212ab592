"""Deck 001's redefinition: a recurrent net of n steps is a feed-forward net of n layers
that share their weights.
"""

from __future__ import annotations

from ...cell import cell
from ...ops import softmax, tanh
from ..document import Heading, Lines, Paragraph, Piece, Said, WorkedLine
from ..numbers import Array, shown
from ..page import grids, page
from ..slides import Slide, against_slides
from ..worked import Worked, worked
from .example import Shown, WorkedExample
from .hello import WEIGHTS, hello_worked, one_hot

SHAPES = {"W_hy": ("O", "H"), "h_0": ("H",), "x_1": ("I",), "x_2": ("I",), "x_3": ("I",), "x_4": ("I",)}


@cell(shapes=SHAPES)
def layers(x_1, x_2, x_3, x_4, h_0, /, *, W_xh, W_hh, W_hy):
    """Four layers that share their weights; each has an input of its own."""
    h_1 = tanh(W_xh @ x_1 + W_hh @ h_0)
    h_2 = tanh(W_xh @ x_2 + W_hh @ h_1)
    h_3 = tanh(W_xh @ x_3 + W_hh @ h_2)
    h_4 = tanh(W_xh @ x_4 + W_hh @ h_3)
    z = W_hy @ h_4
    p = softmax(z)
    return p


@cell(shapes=SHAPES)
def copies(x_1, x_2, x_3, x_4, h_0, /, *, W_xh, W_1, W_2, W_3, W_4, W_hy):
    """The same layers, each with a copy of W_hh of its own."""
    h_1 = tanh(W_xh @ x_1 + W_1 @ h_0)
    h_2 = tanh(W_xh @ x_2 + W_2 @ h_1)
    h_3 = tanh(W_xh @ x_3 + W_3 @ h_2)
    h_4 = tanh(W_xh @ x_4 + W_4 @ h_3)
    z = W_hy @ h_4
    p = softmax(z)
    return p


def three_nets() -> tuple[Worked, Worked, Worked]:
    """The recurrent net, the layers with shared weights, the layers with copies; "hell" -> "o"."""
    inputs = {**{f"x_{k}": x for k, x in enumerate(one_hot("hell"), 1)}, "h_0": (0.0, 0.0, 0.0)}
    target, more = one_hot("o")[0], {"loss": "cross-entropy", "called": "L", "target_called": "y"}
    own = {f"W_{k}": WEIGHTS["W_hh"] for k in range(1, 5)}
    split = {"W_xh": WEIGHTS["W_xh"], **own, "W_hy": WEIGHTS["W_hy"]}
    return (
        hello_worked("   o"),
        worked(layers, inputs, WEIGHTS, target=target, **more),
        worked(copies, inputs, split, target=target, **more),
    )


def _make(rows: tuple[int, ...] | None, every: bool) -> Shown:
    recurrent, shared, own = three_nets()
    total = Array((3, 3), tuple(map(sum, zip(*(own.gradients[f"W_{k}"].cells for k in range(1, 5))))))
    apart = max(
        abs(a - b) for n in WEIGHTS for a, b in zip(recurrent.gradients[n].cells, shared.gradients[n].cells)
    )
    pieces: list[Piece] = [
        Paragraph(
            'A recurrent net that reads "hell" and should say "o", and the same as a feed-forward net of four'
            " layers: first the layers."
        ),
        *page(shared, rows, every),
        Heading(2, "The recurrent net says the same"),
        Lines(
            (
                WorkedLine(
                    Said("p[4] of the recurrent net", r"p_{4} \text{ of the recurrent net}"),
                    (_vector(recurrent.values("p", 4)),),
                ),
                WorkedLine(Said("p of the layers", r"p \text{ of the layers}"), (_vector(shared.values("p")),)),
            )
        ),
        Paragraph(f"Their gradients are the same too; the largest difference is {shown(apart)}."),
        Heading(2, "Sharing is summing"),
        Paragraph(
            "With a copy of W_hh in each layer, every copy has a gradient of its own. Their sum is the"
            " recurrent net's: what is summed over the steps of backpropagation through time are the layers'"
            " gradients."
        ),
    ]
    for k in range(1, 5):
        pieces += grids(
            Said(f"dL/dW_{k}", rf"\partial L / \partial W_{{{k}}}"), "W", own.gradients[f"W_{k}"], own
        )
    pieces += grids(Said("sum", r"\text{sum}"), "W", total, own)
    pieces += grids(Said("dL/dW_hh", r"\partial L / \partial W_{hh}"), "W", recurrent.gradients["W_hh"], own)
    return Shown(shared, (*pieces, *against_slides("deck 001", SLIPS)), SLIPS, {"of": "h_1[1]"})


SLIPS = (
    Slide(
        "gates",
        "Output of sigmoid is between 0 and 1: forget, keep",
        "strictly between, never 0 or 1",
        "A sigmoid reaches neither; and 0 forgets, 1 keeps is what the forget gate's values mean, not every"
        " gate's.",
    ),
)


def _vector(values) -> Said:
    text = f"({', '.join(map(shown, values))})"
    return Said(text, text)


LAYERS = WorkedExample(
    "layers",
    "four steps of a recurrent net are four layers with shared weights",
    "deck 001",
    _make,
)
