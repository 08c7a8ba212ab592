"""A worked example held against the slides that it comes from: what they print, what is
right, and why they differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..views.symbols import latex_text
from .document import Grid, Heading, Paragraph, Piece, Said


@dataclass(frozen=True)
class Slide:
    """One thing that a slide prints. A slip has a reason, `why`; what is right has none.

    place     what it is: "w2*[0,2]", or where it stands
    printed   as on the slide
    right     as it should be, with as many decimals
    rounded   the difference comes from factors that were rounded on the way
    """

    place: str
    printed: str
    right: str
    why: str = ""
    rounded: bool = False

    @property
    def wrong(self) -> bool:
        return self.printed != self.right and not self.rounded

    @property
    def judged(self) -> str:
        return "right" if self.printed == self.right else "rounded" if self.rounded else "WRONG"


def number_slide(place: str, printed: str, value: float, why: str = "", *, rounded: bool = False) -> Slide:
    """A printed number beside the right one, rounded as the slide rounds: number_slide("E", ".5932", 0.593245).
    `rounded` where the slide went on with rounded factors.

    >>> number_slide("E", ".5932", 0.593245).wrong
    False
    """
    decimals = len(printed.partition(".")[2])
    right = f"{value:.{decimals}f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.{decimals}f}"
    return Slide(place, printed, right, why, rounded)


def against_slides(deck: str, slides: Sequence[Slide]) -> Iterable[Piece]:
    """A table of the numbers, then each slip with its reason."""
    if not slides:
        return
    numbers = [s for s in slides if _is_number(s.printed)]
    yield Heading(2, f"Against the slides of {deck}", "slides")
    if numbers:
        yield Grid(
            Said("", ""),
            (Said("slide", r"\text{slide}"), Said("here", r"\text{here}"), Said("", "")),
            tuple((Said(s.place, latex_text(s.place)), (s.printed, s.right, s.judged)) for s in numbers),
        )
    slips = [s for s in slides if s.wrong]
    rounded = [s for s in slides if s.judged == "rounded"]
    if rounded:
        yield Paragraph("Rounded on the way, so that the last digit differs:")
    for s in rounded:
        yield Paragraph(
            f"`{s.place}`: the slide has `{s.printed}`; without rounding it is `{s.right}`. {s.why}".rstrip()
        )
    if slips:
        yield Paragraph(f"The slides are wrong in {len(slips)} place{'s' * (len(slips) != 1)}:")
    for k, s in enumerate(slips, 1):
        yield Paragraph(
            f"{k}. `{s.place}`: the slide has `{s.printed}`; right is `{s.right}`. {s.why}".rstrip()
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
