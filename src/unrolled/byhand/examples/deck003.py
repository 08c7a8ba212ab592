"""Deck 003's perceptron: 3 inputs, 2 hidden units, 2 outputs, one step of gradient
descent; and its central figure.
"""

from __future__ import annotations

from ...cell import cell
from ...ops import concat, sigmoid, total
from ..document import Paragraph
from ..page import page
from ..slides import Slide, against_slides, number_slide
from ..worked import Worked, worked
from .example import Shown, WorkedExample

DECK = "deck 003"
# x[0] = 1 meets the bias, row 0 of the weights. The slides' gradient tables sum the first four rows.
ROWS = (
    (1.0, 4.0, 5.0),
    (0.1, -5.0, 3.0),
    (6.0, -5.542, 4.897),
    (4.0, 8.0, 9.0),
    (12.0, -2.0, 0.0063),
    (6.0, -5.5, 4.897),
)
TARGETS = ((0.1, 0.05), (0.1221, 0.0964), (0.1061, 0.0702), (0.0996, 0.0641), (0.111, 0.0732), (0.106, 0.0701))
W1 = ((0.5, 0.5), (0.1, 0.2), (0.3, 0.4), (0.5, 0.6))
W2 = ((0.5, 0.5), (0.7, 0.8), (0.9, 0.1))
FIRST = {"a0": 0, "one": 0, "a1": 0, "w1": (0, 1), "w2": (0, 1)}


@cell(shapes={"one": ("1",), "w1": ("I", "K"), "w2": ("1+K", "J")})
def perceptron(a0, one, /, *, w1, w2):
    """Two layers of sigmoids; index 0 is the bias, whose input is 1."""
    s1 = w1.T @ a0
    a1 = concat(one, sigmoid(s1))
    s2 = w2.T @ a1
    a2 = sigmoid(s2)
    return a2


@cell(shapes={"b": ()})
def neuron(a1, *, w2, b):
    """The first output of deck 003's perceptron, from the hidden layer on."""
    s2 = total(w2 * a1) + b
    a2 = sigmoid(s2)
    return a2


def deck003(rows: int = 4) -> Worked:
    """The perceptron on the first rows of the table, alpha = 0.01."""
    return worked(
        perceptron,
        {"a0": [(1.0, *row) for row in ROWS[:rows]], "one": [1.0]},
        {"w1": W1, "w2": W2},
        target=TARGETS[:rows],
        loss="half-squared-error",
        rate=0.01,
        target_called="y",
        first=FIRST,
    )


ROUNDED = "It comes from factors that were rounded before"
PRODUCT = "The spreadsheet multiplies weight, gradient and rate instead of subtracting"
C1 = ((".0604", ".0332"), (".1134", ".0427"), ("-.2929", "-.1658"), (".2193", ".1129"))
C2 = ((".3447", ".4816"), (".2929", ".4176"), (".2930", ".4191"))
W1_AFTER = ((".4994", ".4997"), (".0989", ".1996"), (".3029", ".4017"), (".4978", ".5989"))
W2_AFTER = ((".4966", ".0039"), (".4971", ".0038"), (".0021", ".0004"))
WHY = {
    "w2*[0,2]": f"{PRODUCT}: .8 x .4816 x .01, and takes w2[1,2] for w2[0,2].",
    "w2*[1,1]": "The spreadsheet subtracts from w2[0,2] = .5 instead of w2[1,1] = .7.",
    "w2*[1,2]": f"{PRODUCT}: .9 x .4176 x .01, and takes w2[2,1] for w2[1,2].",
    "w2*[2,1]": f"{PRODUCT}: .7 x .2930 x .01, and takes w2[1,1] for w2[2,1].",
    "w2*[2,2]": f"{PRODUCT}: .1 x .4191 x .01.",
}


def _printed(made: Worked) -> list[Slide]:
    row = deck003(1)
    slides = [
        number_slide(name, printed, row[name].value)
        for name, printed in (
            ("s1[1]", "4.3"),
            ("a1[1]", ".9866"),
            ("a1[2]", ".9950"),
            ("s2[1]", "2.0862"),
            ("a2[1]", ".8896"),
            ("a2[2]", ".8004"),
            ("E", ".5932"),
        )
    ]
    slides += [
        number_slide(f"dE/d{name}", printed, row[name].gradient, why, rounded=bool(why))
        for name, printed, why in (
            ("w2[0,1]", ".0775", f"{ROUNDED}: .7896 x .0982."),
            ("a1[1]", ".1502", ""),
            ("w1[0,1]", ".0020", ""),
        )
    ]
    tables = (
        ("c1", C1, made.gradients["w1"]),
        ("c2", C2, made.gradients["w2"]),
        ("w1*", W1_AFTER, made.step.after["w1"]),
        ("w2*", W2_AFTER, made.step.after["w2"]),
    )
    for name, printed, right in tables:
        for i, (texts, values) in enumerate(zip(printed, right.nested())):
            for k, (text, value) in enumerate(zip(texts, values), 1):
                place = f"{name}[{i},{k}]"
                slides.append(number_slide(place, text, value, WHY.get(place, "")))
    return slides


NOTATION = (
    Slide(
        "first term of s1[1], three slides",
        ".05 * 1",
        ".5 * 1",
        "w1[0,1] is .5; with .05 the sum would be 3.85 and not 4.3.",
    ),
    Slide(
        "labels of the terms of s2[1]",
        "w2[0,2], w2[1,2], w2[2,2]",
        "w2[0,1], w2[1,1], w2[2,1]",
        "The values .5, .7, .9 are those of column 1.",
    ),
    Slide(
        "second term of the error",
        "(.8004 - .5)^2",
        "(.8004 - .05)^2",
        "The target is .05; with .5 the error would be .3569.",
    ),
    Slide(
        "name of the loss",
        "Mean Squared Error",
        "half the sum of squared errors",
        "There is no mean in 1/2 sum (a2[j] - y[j])^2.",
    ),
    Slide(
        "derivative of the error",
        "{y^_j - y_k}",
        "{y^_j - y_j}",
        "An output is measured against its own target.",
    ),
    Slide("first slide of dE/dw1", "{a1[j](1 - a1[j])}", "{a1[k](1 - a1[k])}", "w1[i,k] feeds hidden unit k."),
    Slide("last factor of dE/da1", "ds2[j]/da1[k,j]", "ds2[j]/da1[k]", "a1 has one index."),
    Slide(
        "numbers put into the chain",
        ".8896 - .1 * .8896(1 - .8896) * 1",
        "(.8896 - .1) * .8896 * (1 - .8896) * 1",
        "Without brackets it is another number; the same in the sum for dE/da1.",
    ),
    Slide(
        "name of the optimiser",
        "Stochastic Gradient Descent",
        "batch gradient descent",
        "One step with the gradient summed over rows 1 to 4; a stochastic step would use one row.",
    ),
    Slide(
        "index ranges of the two sums",
        "s2[j] for j = 1..m",
        "s2[j] for j = 1..n",
        "m counts inputs and n outputs; they swap roles.",
    ),
)
FIGURE = (
    Slide("figure, .8896 - .1", ".7986", ".7896", "Two digits are swapped; the next line uses .7896."),
    Slide(
        "figure, e^-2.0862, the second time", ".1241", ".1242", "It is .1242 the first time, which is right."
    ),
)


def _make(rows: tuple[int, ...] | None, every: bool) -> Shown:
    """Rows 5 and 6 of the deck's table are worked with all six; its gradients and weights
    are those of rows 1 to 4.
    """
    made = deck003()
    slides = (*_printed(made), *NOTATION)
    if rows and max(rows) > 4:
        made = deck003(len(ROWS))
        words = Paragraph(
            "With all six rows of the table. The slides' gradients and new weights are the sums of rows 1 to 4."
        )
        return Shown(
            made, (*page(made, rows, every), words, *against_slides(DECK, slides)), slides, {"row": max(rows)}
        )
    return Shown(made, (*page(made, rows, every), *against_slides(DECK, slides)), slides, {"row": 1})


def _make_graph(rows: tuple[int, ...] | None, every: bool) -> Shown:
    whole = deck003(1)
    hidden = whole.values("a1")[1:]
    made = worked(
        neuron,
        [hidden],
        {"w2": [row[0] for row in W2[1:]], "b": W2[0][0]},
        target=[TARGETS[0][0]],
        target_called="y",
    )
    slides = (
        number_slide("s2", "2.0862", made["s2"].value),
        number_slide("a2", ".8896", made["a2"].value),
        number_slide("figure, -1/x^2 at 1.1242", "-.7913", -(made["a2"].value ** 2)),
        number_slide(
            "figure, slope of the sigmoid",
            ".0982",
            made["a2"].value * (1 - made["a2"].value),
            f"{ROUNDED}: .8896 x .1104.",
            rounded=True,
        ),
        number_slide(
            "figure, .6906 + .8955",
            "1.5861",
            made["s2"].value - W2[0][0],
            f"{ROUNDED}; it is 1.586159.",
            rounded=True,
        ),
        number_slide("E of output 1 alone", ".3117", made["E"].value),
        *FIGURE,
    )
    return Shown(
        made, (*page(made, rows, every), *against_slides(DECK, slides)), slides, {"opened": ("sigmoid",)}
    )


DECK003 = WorkedExample(
    "deck003", "the perceptron 3-2-2: forward, backward, c1, c2, w1*, w2* (rows 1-4)", DECK, _make
)
DECK003_GRAPH = WorkedExample(
    "deck003-graph", "its central figure: one neuron in single numbers (--picture)", DECK, _make_graph
)
