"""What a worked example is: a net with its numbers, words around it, and the slides it is held against."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ..document import Piece
from ..slides import Slide
from ..worked import Worked


@dataclass(frozen=True)
class Shown:
    """An example, made.

    worked   its net by hand; None where it is not a net
    pieces   what is printed
    slides   what the deck prints, beside what is right
    picture  arguments of `worked.picture` that show it best
    """

    worked: Worked | None
    pieces: tuple[Piece, ...]
    slides: tuple[Slide, ...] = ()
    picture: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class WorkedExample:
    """`make(rows, every)` works it out; the arguments are those of `Worked.text`."""

    name: str
    sentence: str
    deck: str
    make: Callable[[tuple[int, ...] | None, bool], Shown]
