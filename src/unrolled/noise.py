"""What a mask is: a random factor that stands in a cell's equations while it is trained."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import UsageError

KINDS, SPANS = ("keep", "inverted dropout"), ("step", "sequence", "call")


@dataclass(frozen=True)
class Noise:
    """How a mask is drawn, while a layer is in training mode. It stands among the inputs of the cell's graph,
    or for one that is drawn once a call and shaped like a parameter, among its parameters.

    rate  a probability, from 0 to below 1
    kind  "keep": 1 with probability `rate`, else 0; "inverted dropout": 0 with probability
          `rate`, else 1 / (1 - rate)
    over  "step": drawn again for each row and step; "sequence": for each row; "call": once
    """

    rate: float
    kind: str = "inverted dropout"
    over: str = "sequence"

    def __post_init__(self):
        if not 0 <= self.rate < 1 or self.kind not in KINDS or self.over not in SPANS:
            raise UsageError(
                f"{self!r}: rate is a probability from 0 to below 1, kind one of {', '.join(map(repr, KINDS))},"
                f" over one of {', '.join(SPANS)}."
            )

    @property
    def mean(self) -> float:
        """What takes the mask's place in evaluation."""
        return self.rate if self.kind == "keep" else 1.0

    def __str__(self) -> str:
        drawn = {"step": "at each step", "sequence": "for each sequence", "call": "once a call"}.get(
            self.over, self.over
        )
        one, other = ("1", "0") if self.kind == "keep" else ("0", f"1 / {1 - self.rate:g}")
        return (
            f"{one} with probability {self.rate:g}, else {other}; drawn {drawn} in training, "
            f"{self.mean:g} in evaluation"
        )
