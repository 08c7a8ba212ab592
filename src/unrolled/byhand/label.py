"""What each single number of a net is called: w1[0,1], s[3][2] for unit 2 of s at step 3."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ..views.names import NOW, Called
from ..views.symbols import latex_name, markup_name

First = Mapping[str, int | tuple[int, ...]]


@dataclass(frozen=True)
class Label:
    """A name as the author gave it, the time step (None where there is no time), and the unit's indices.

    >>> str(Label("h", 3, (1,))), Label("h", 3, (1,)).latex
    ('h[3][1]', 'h_{3}[1]')
    """

    name: str
    step: int | None = None
    units: tuple[int, ...] = ()

    def __str__(self) -> str:
        return self.name + ("" if self.step is None else f"[{self.step}]") + self._units()

    @property
    def latex(self) -> str:
        return latex_name(self._called(), str(self.step)) + self._units()

    @property
    def markup(self) -> str:
        """For Graphviz."""
        return markup_name(self._called(), str(self.step)) + self._units()

    @property
    def whole(self) -> Label:
        """The vector or matrix that this number stands in."""
        return replace(self, units=())

    def _called(self) -> Called:
        return Called.read(self.name)._replace(time=None if self.step is None else NOW)

    def _units(self) -> str:
        return f"[{','.join(map(str, self.units))}]" if self.units else ""


def units(name: str, place: tuple[int, ...], first: First) -> tuple[int, ...]:
    """Indices from 0 as they are printed: from 1, or from what `first` says of the name."""
    start = first.get(name, 1)
    starts = start if isinstance(start, tuple) else (start,) * len(place)
    return tuple(k + s for k, s in zip(place, starts))


def canonical(wanted: str, labels: Iterable[Label]) -> str:
    """A number's printed name for another spelling of it, a2.1 or h.3.1: shells read brackets themselves.

    Other texts come back as they are.

    >>> canonical("h.3.1", [Label("h", 3, (1,))])
    'h[3][1]'
    """
    name, numbers = re.split(r"[.\[]", wanted)[0], tuple(map(int, re.findall(r"(?<=[.\[,])\d+", wanted)))
    for label in labels:
        steps = () if label.step is None else (label.step,)
        if label.name == name and numbers in ((*steps, *label.units), steps):
            return str(label if numbers == (*steps, *label.units) else label.whole)
    return wanted
