"""What a classifier says of one input: its label, and how probable the likeliest ones are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from ..options import Count

LONGEST = 60  # letters of an input that are shown beside its answer

Threshold = Annotated[float, Meta(ge=0, le=1)]


@dataclass(frozen=True)
class Asking:
    """What to label, and how much to say of it."""

    data: Path | None = None
    """a file of examples, with or without labels, instead of INPUT"""
    top: Count = 3
    """how many of the likeliest labels are shown; --json has all"""
    threshold: Threshold = 0.5
    """of a multi-label model: how probable a label must be to be given"""


@dataclass(frozen=True)
class Answer:
    """One input, and the probabilities of all labels in the model's order; of a
    multi-label model each by itself.
    """

    given: str
    labels: tuple[str, ...]
    chances: tuple[float, ...]
    several: bool
    ask: Asking

    def said(self) -> list[str]:
        """The likeliest label; of a multi-label model all that are probable enough."""
        ranked = self._ranked()
        if not self.several:
            return [ranked[0][0]]
        return [label for label, chance in ranked if chance >= self.ask.threshold]

    def _ranked(self) -> list[tuple[str, float]]:
        return sorted(zip(self.labels, self.chances), key=lambda pair: -pair[1])

    def pieces(self) -> Iterator[str]:
        shown = self.given if len(self.given) <= LONGEST else f"{self.given[: LONGEST - 1]}…"
        given = f"{shown}: " if shown else ""
        if self.several:
            given += f"{', '.join(self.said()) or '(no label)'}  |  "
        yield given + ", ".join(f"{label} {chance:.3f}" for label, chance in self._ranked()[: self.ask.top])

    def to_json(self) -> dict:
        said = {"labels": self.said()} if self.several else {"label": self.said()[0]}
        return {"input": self.given, **said, "probabilities": dict(self._ranked())}
