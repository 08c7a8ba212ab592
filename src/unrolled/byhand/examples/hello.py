"""Deck 003's "hello": a recurrent net 4-3-4 reads h, e, l, l and learns e, l, l, o; and
deck 000's sum over time.
"""

from __future__ import annotations

from ...cell import cell
from ...ops import softmax, tanh
from ..document import Heading, Paragraph, Piece, Said
from ..page import grids, page
from ..slides import Slide, against_slides
from ..worked import Worked, worked
from .example import Shown, WorkedExample

LETTERS = "helo"
WEIGHTS = {
    "W_xh": ((0.6, 0.8, 0.4, 0.8), (0.2, 0.2, 0.8, 0.7), (0.9, 0.8, 0.1, 0.2)),
    "W_hh": ((0.1, 0.5, 0.1), (0.5, 0.9, 0.3), (0.3, 0.2, 0.1)),
    "W_hy": ((0.9, 0.8, 0.3), (0.2, 0.3, 0.4), (0.6, 0.9, 0.1), (0.5, 0.0, 0.3)),
}


@cell(shapes={"W_hy": ("O", "H")})
def hello(x, h, *, W_xh, W_hh, W_hy):
    """A recurrent net that reads a letter and says what comes next."""
    s = W_xh @ x + W_hh @ h
    h = tanh(s)
    z = W_hy @ h
    p = softmax(z)
    return p, h


def one_hot(text: str, letters: str = LETTERS) -> list[tuple[float, ...]]:
    """[1, 0, 0, 0] for the first of the letters, and so on."""
    return [tuple(float(c == letter) for letter in letters) for c in text]


def hello_worked(targets: str = "ello", rate: float | None = None) -> Worked:
    """The net on "hell"; a space among the targets is a step without one."""
    wanted = [None if c == " " else row for c, row in zip(targets, one_hot(targets))]
    return worked(
        hello,
        one_hot("hell"),
        WEIGHTS,
        target=wanted,
        loss="cross-entropy",
        called="L",
        target_called="y",
        rate=rate,
    )


SLIPS = (
    Slide(
        "L_total",
        "-sum y_t log(y^)",
        "-sum_t sum_j y_t[j] log(y^_t[j])",
        "y^ lacks its time index, and the sum over the letters.",
    ),
    Slide(
        "slide for W_xh",
        "dL3/dW_hh, dH/dW_hx",
        "dL3/dW_xh, dH/dW_xh",
        "Left side and terms speak of other matrices.",
    ),
    Slide(
        "general formula",
        "dY_T/dH_t",
        "dY_T/dH_T * product of dH_j/dH_{j-1}, j = t+1..T",
        "The product over the steps is hidden.",
    ),
    Slide("last target of the figure", "0", "o", "A digit is typed for the letter."),
    Slide(
        "first row of W_yh",
        "y_1 h_1, y_2 h_2 ... y_1 h_k",
        "y_1 h_1, y_1 h_2 ... y_1 h_k",
        "All of a row's weights lead to y_1.",
    ),
    Slide(
        "vectors s_2 and y^", "indices to k", "indices to n", "They have as many units as there are letters."
    ),
)
DECK000 = (
    Slide("weights of the net", "U_t, V_t", "U, V", "Parameters are the same at all times; deck 001 says so."),
    Slide(
        "what joins the copies",
        "a weight vector",
        "a weight matrix W",
        "h_{t-1} is a vector, and so is what W makes of it.",
    ),
    Slide("the state in the sum over k", "s", "h", "The equations above it call the state h."),
    Slide("range of k", "k = 0..3", "k = 1..3", "h_0 is given and does not depend on W, so its term is 0."),
)


def _make(rows: tuple[int, ...] | None, every: bool) -> Shown:
    made = hello_worked(rate=0.1)
    return Shown(
        made,
        (*page(made, rows, every), *against_slides("deck 003", SLIPS)),
        SLIPS,
        {"of": "h[2][1]", "leaves": ("h",)},
    )


def _make_bptt(rows: tuple[int, ...] | None, every: bool) -> Shown:
    made = hello_worked("  l ")
    words = Paragraph(
        "The loss of step 3 alone, as in dE3/dW = sum over k of dE3/dy3 dy3/ds3 ds3/dsk dsk/dW, on deck 003's"
        ' "hello". The norm says how much a step can still change the loss: it falls with every step between.'
    )
    terms: list[Piece] = [Heading(2, "The terms of dL[3]/dW_hh, as matrices", "backward")]
    for lag in made.through_time[0].lags:
        terms += grids(Said(f"k = {lag.k}", f"k = {lag.k}"), "W_hh", lag.terms["W_hh"], made)
    return Shown(
        made,
        (words, *page(made, () if rows is None else rows, every), *terms, *against_slides("deck 000", DECK000)),
        DECK000,
        {"of": "h[2][1]", "leaves": ("h",)},
    )


HELLO = WorkedExample(
    "hello",
    'the recurrent net 4-3-4 on "hell" -> "ello", through time, one step',
    "deck 003",
    _make,
)
BPTT = WorkedExample(
    "bptt", "the gradient of the third loss, a sum over the steps before", "deck 000", _make_bptt
)
