"""Deck 001's long short-term memory, one unit, three steps: gates that forget, add and let out."""

from __future__ import annotations

from ...cell import find
from ..document import Paragraph
from ..page import page
from ..slides import Slide, against_slides
from ..worked import Worked, worked
from .example import Shown, WorkedExample

WEIGHTS = {
    "W_i": ((0.5, -0.5),),
    "U_i": ((0.3,),),
    "b_i": (0.0,),
    "W_f": ((-0.4, 0.2),),
    "U_f": ((0.1,),),
    "b_f": (1.0,),
    "W_g": ((1.0, 0.8),),
    "U_g": ((-0.2,),),
    "b_g": (0.0,),
    "W_o": ((0.6, 0.9),),
    "U_o": ((0.4,),),
    "b_o": (-0.1,),
}
SLIPS = (
    Slide(
        "deck 004, output of the recurrent net",
        "y_t = f(U h_T + b^u)",
        "y_t = f(U h_t + b^u)",
        "An output of step t rests on the state of step t; the slide on deep nets has h_{t,L}.",
    ),
)


def lstm_worked() -> Worked:
    """Something at the first step, nothing after: what the cell state keeps of it, and
    what its gradient is then.
    """
    return worked(
        find("lstm"), ((1.0, 0.5), (0.0, 0.0), (0.0, 0.0)), WEIGHTS, target=(None, None, (0.5,)), rate=0.1
    )


def _make(rows: tuple[int, ...] | None, every: bool) -> Shown:
    made = lstm_worked()
    words = Paragraph(
        "One unit reads (1, 0.5) and then nothing; only the state of step 3 is asked for. What step 1 still"
        " does to it comes along c, where each step multiplies with the forget gate, about 0.7, and not with a"
        " weight and a slope."
    )
    return Shown(
        made, (words, *page(made, rows, every), *against_slides("deck 004", SLIPS)), SLIPS, {"of": "c[1][1]"}
    )


LSTM = WorkedExample(
    "lstm",
    "an LSTM of one unit over three steps, every gate with its gradient",
    "decks 001, 004",
    _make,
)
