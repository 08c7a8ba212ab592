"""Arguments of a loop in C, by name: `slot_NAME` there is the place of each in one array of 64-bit numbers."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping

from torch import Tensor


class SlotValues:
    """Numbers and addresses, 0 unless they are set. What an address points to is kept by whoever sets it.

    >>> values = SlotValues(("steps", "out"))
    >>> values.set({"out": 7})
    >>> list(values.numbers)
    [0, 7]
    """

    def __init__(self, names: Iterable[str]):
        self._places = {name: place for place, name in enumerate(names)}
        self.numbers = array("q", [0] * len(self._places))

    @property
    def address(self) -> int:
        return self.numbers.buffer_info()[0]

    def set(self, values: Mapping[str, int]) -> None:
        for name, value in values.items():
            self.numbers[self._places[name]] = value

    def point(self, at: Mapping[str, Tensor | array]) -> None:
        """Sets the addresses of what holds numbers."""
        for name, held in at.items():
            address = held.buffer_info()[0] if isinstance(held, array) else held.data_ptr()
            self.numbers[self._places[name]] = address
