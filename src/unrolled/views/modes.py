"""What a recurrent net is used for, by which steps have an input and which have an output (Karpathy 2015).

One to one, one to many, many to one, many to many (first read, then written), many to many (step by step), and
generation, where each output is the next input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import UsageError
from .letters import width
from .runs import TextRun
from .scene import Outline, Piece, Polyline, Scene, TextLine, moved

WIDE, TALL, PACE, LIFT = 22.0, 34.0, 42.0, 62.0
SIZE, BETWEEN, ACROSS, DOWN = 13.0, 44.0, 3, 236.0
ASIDE = 8.0  # of a label in its box
MOST_STEPS = 24


@dataclass(frozen=True)
class Mode:
    """Steps, and those that have an input and an output."""

    name: str
    steps: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    fed_back: bool = False


MODES = (
    Mode("one to one", 1, (0,), (0,)),
    Mode("one to many", 3, (0,), (0, 1, 2)),
    Mode("many to one", 3, (0, 1, 2), (2,)),
    Mode("many to many, read first", 5, (0, 1, 2), (2, 3, 4)),
    Mode("many to many, step by step", 3, (0, 1, 2), (0, 1, 2)),
    Mode("generation", 3, (0, 1, 2), (0, 1, 2), fed_back=True),
)


def modes_scene() -> Scene:
    """All of them, in two rows."""
    scene = Scene()
    rows = [MODES[k : k + ACROSS] for k in range(0, len(MODES), ACROSS)]
    columns = [max(mode.steps for mode in column) for column in zip(*rows)]
    for down, row in enumerate(rows):
        at = 0.0
        for mode, steps in zip(row, columns):
            room = max(PACE * (steps - 1) + WIDE, 126.0)
            scene.add(*moved(_panel(mode), at + (room - PACE * (mode.steps - 1)) / 2, DOWN * down))
            at += room + BETWEEN
    left, _, right, bottom = scene.box
    scene.add(*_words((left + right) / 2, bottom + 22))
    return scene


def use_scene(reads: Sequence[str | None], says: Sequence[str | None], fed_back: bool = False) -> Scene:
    """A net as it is used on one example: what it reads and says at each step, None where it does neither;
    fed_back: each output is the next input.

    Raises UsageError where the two are not equally long, and for no step or too many.
    """
    if len(reads) != len(says) or not 1 <= len(reads) <= MOST_STEPS:
        raise UsageError(
            f"{len(reads)} inputs and {len(says)} outputs: give one of each for each of 1 to {MOST_STEPS}"
            " steps, None where there is none."
        )
    scene = Scene()
    scene.add(*_columns(reads, says, fed_back))
    left, _, right, bottom = scene.box
    scene.add(*_words((left + right) / 2, bottom + 22))
    return scene


def _columns(reads: Sequence[str | None], says: Sequence[str | None], fed_back: bool) -> list[Piece]:
    """A column a step, the first one at 0, all as wide as the widest label asks for."""
    wide = max([WIDE, *(width(label, SIZE) + ASIDE for label in (*reads, *says) if label)])
    pace, found = PACE - WIDE + wide, []
    for k, (read, said) in enumerate(zip(reads, says)):
        x = pace * k
        if k:
            found.append(Polyline(((x - pace + wide / 2, 0), (x - wide / 2, 0)), arrow=True))
        found += _box(x, 0, wide, "blue")
        if read is not None:
            found.append(Polyline(((x, LIFT - TALL / 2), (x, TALL / 2)), arrow=True))
            found += _box(x, LIFT, wide, "grey", read)
        if said is not None:
            found.append(Polyline(((x, -TALL / 2), (x, -LIFT + TALL / 2)), arrow=True))
            found += _box(x, -LIFT, wide, "green", said)
        if fed_back and k + 1 < len(reads):
            between, low = x + pace / 2, LIFT
            ways = ((x + wide / 2, -LIFT), (between, -LIFT), (between, low), (x + pace - wide / 2, low))
            found.append(Polyline(ways, "red_line", dashed=True, arrow=True))
    return found


def _panel(mode: Mode) -> list[Piece]:
    """One of them, its first column at 0."""
    reads, says = (["" if k in of else None for k in range(mode.steps)] for of in (mode.inputs, mode.outputs))
    found = _columns(reads, says, mode.fed_back)
    middle = PACE * (mode.steps - 1) / 2
    first, _, then = mode.name.partition(", ")
    for n, words in enumerate(filter(None, (first, then))):
        found.append(TextLine(middle, LIFT + TALL / 2 + 19 + 16 * n, (TextRun(words),), SIZE))
    return found


def _box(x: float, y: float, wide: float, colour: str, label: str = "") -> list[Piece]:
    box = Outline("rounded", x, y, wide, TALL, colour, f"{colour}_line", 1.2, 5.0)
    return [box, TextLine(x, y + 0.33 * SIZE, (TextRun(label),), SIZE)] if label else [box]


def _words(x: float, y: float) -> list[Piece]:
    """Which colour is what."""
    found, at = [], x - 150.0
    for colour, words in (("grey", "input"), ("blue", "state"), ("green", "output")):
        found.append(Outline("rounded", at + 7, y, 14, 14, colour, f"{colour}_line", 1.0, 3.0))
        found.append(TextLine(at + 20, y + 0.33 * SIZE, (TextRun(words),), SIZE, "start"))
        at += 70.0
    found.append(Polyline(((at, y), (at + 22, y)), "red_line", dashed=True, arrow=True))
    found.append(TextLine(at + 28, y + 0.33 * SIZE, (TextRun("fed back"),), SIZE, "start"))
    return found
