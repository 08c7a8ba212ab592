"""A perceptron predicts the next letter, fails where one letter does not tell, and a
state resolves it (deck 003).
"""

from __future__ import annotations

from collections.abc import Sequence

from ...cell import Cell, cell
from ...ops import sigmoid, softmax, tanh
from ..descent import Descent, descend
from ..document import Grid, Heading, Paragraph, Piece, Said
from ..numbers import shown
from ..page import page
from ..worked import Worked, worked
from .example import Shown, WorkedExample
from .hello import one_hot

LETTERS = "helop"
READ, NEXT = "hell", "elpo"  # "h" -> "e", "he" -> "l", "hel" -> "p", "hell" -> "o"
STEPS, RATE = 400, 0.5
LOOKED_AT = (0, 10, 50, 100, 200, 400)
SHAPES = {"V": ("O", "H"), "c": ("O",)}


@cell(shapes=SHAPES)
def next_letter(x, *, W, b, V, c):
    """A perceptron that sees one letter."""
    a = sigmoid(W @ x + b)
    p = softmax(V @ a + c)
    return p


@cell(shapes=SHAPES)
def next_letter_with_state(x, h, *, W, U, b, V, c):
    """The same with a state."""
    h = tanh(W @ x + U @ h + b)
    p = softmax(V @ h + c)
    return p, h


# Small, and no two alike: equal hidden units would stay equal.
W = ((0.3, -0.2, 0.5, -0.4, 0.1), (-0.5, 0.4, 0.2, 0.3, -0.1), (0.2, 0.5, -0.3, 0.1, 0.4))
U = ((0.2, -0.4, 0.3), (0.5, 0.1, -0.2), (-0.3, 0.4, 0.2))
V = ((0.1, 0.2, -0.3), (0.4, -0.1, 0.2), (-0.2, 0.3, 0.1), (0.3, -0.4, 0.2), (-0.1, 0.2, 0.4))
B, C = (0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0, 0.0)


def net(made: Cell, weights: dict) -> Worked:
    """One of the two nets on the four prefixes: rows of a perceptron, steps of a recurrent net."""
    return worked(
        made,
        one_hot(READ, LETTERS),
        weights,
        target=one_hot(NEXT, LETTERS),
        loss="cross-entropy",
        called="L",
        target_called="y",
    )


def trained() -> tuple[tuple[Worked, Descent], tuple[Worked, Descent]]:
    """(net after training, its losses) of the perceptron and of the net with a state."""
    found = []
    for made, weights in (
        (next_letter, {"W": W, "b": B, "V": V, "c": C}),
        (next_letter_with_state, {"W": W, "U": U, "b": B, "V": V, "c": C}),
    ):
        descent = descend(net(made, weights), rate=RATE, steps=STEPS)
        found.append((net(made, {n: a.nested() for n, a in descent.parameters.items()}), descent))
    return tuple(found)


def _make(rows: tuple[int, ...] | None, every: bool) -> Shown:
    before = net(next_letter, {"W": W, "b": B, "V": V, "c": C})
    (perceptron, first), (recurrent, second) = trained()
    pieces: list[Piece] = [
        Paragraph(
            'The letters read and what should come next: "h" -> "e", "he" -> "l", "hel" -> "p", "hell" -> "o".'
            " A perceptron sees the last letter only. First the perceptron before training, on the first"
            " letter."
        ),
        *page(before, rows, every),
        Heading(2, f"Trained: {STEPS} steps of gradient descent, rate {shown(RATE)}"),
        Grid(
            Said("step", r"\text{step}"),
            (Said("perceptron", r"\text{perceptron}"), Said("with a state", r"\text{with a state}")),
            tuple((Said(str(k), str(k)), (shown(first.losses[k]), shown(second.losses[k]))) for k in LOOKED_AT),
        ),
        Paragraph(
            "The loss, summed over the four letters. The perceptron cannot come below 2 log 2 = 1.386294: after"
            " an l it must answer p and o alike, each with probability 1/2. The state has seen what came before"
            " the l, and the loss goes to 0. A perceptron that sees four letters at once could tell them apart"
            " too, and no fifth: its width is fixed, a state reads any length."
        ),
        Heading(2, "What the perceptron says"),
        _answers(perceptron, [f'"{c}"' for c in READ]),
        Heading(2, "What the net with a state says"),
        _answers(recurrent, [f'"{READ[:k]}"' for k in range(1, 5)]),
    ]
    return Shown(before, tuple(pieces), (), {"of": "a[1]"})


def _answers(made: Worked, read: Sequence[str]) -> Grid:
    """Probabilities of each letter, and the letter that should come."""
    return Grid(
        Said("reads", r"\text{reads}"),
        (*(Said(c, rf"\text{{{c}}}") for c in LETTERS), Said("should", r"\text{should}")),
        tuple(
            (Said(text, rf"\text{{{text}}}"), (*(f"{v:.3f}" for v in made.values("p", k)), NEXT[k - 1]))
            for k, text in enumerate(read, 1)
        ),
    )


NEXT_CHARACTER = WorkedExample(
    "next-character",
    'the next letter: "hel" -> "p", "hell" -> "o" need a state',
    "deck 003",
    _make,
)
