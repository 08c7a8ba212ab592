"""Lines between the rows of a layered drawing: up, along a track between two rows, up.

Channel k lies below row k; in it every source has one track that all of its lines share. Tracks are ordered by
what crosses what, and those that do not meet lie at one height.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

# Between tracks; below the lowest; above the highest, where the arrows' heads are.
PITCH, PAD, HEAD = (8.0, 8.0, 11.0)
NEAR = 5.0  # two upright lines that are nearer would be taken for one
LOW, HIGH = -1, 1
STRAIGHT = 15.0  # a channel in which all lines go straight up
HARD = 10_000


@dataclass
class Track:
    """One source's part of a channel: places where it comes from below (LOW) or goes up (HIGH)."""

    pins: list[tuple[float, int]] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)  # places outside the rows, to which it runs
    alone: bool = False  # nothing else may lie at its height
    level: int = 0

    @property
    def span(self) -> tuple[float, float]:
        xs = [x for x, _ in self.pins] + self.ends
        return min(xs), max(xs)

    @property
    def straight(self) -> bool:
        left, right = self.span
        return right - left < 0.5


@dataclass
class Channel:
    """The tracks of one channel, by source, and how many levels they take."""

    tracks: dict[str, Track] = field(default_factory=dict)
    levels: int = 0

    def track(self, source: str) -> Track:
        return self.tracks.setdefault(source, Track())

    @property
    def height(self) -> float:
        return PAD + PITCH * (self.levels - 1) + HEAD if self.levels else STRAIGHT

    def up(self, source: str) -> float:
        """How far above the channel's lower edge a source's track lies."""
        return PAD + PITCH * self.tracks[source].level

    def settle(self) -> None:
        """Gives every track its level."""
        order = _from_below([track for track in self.tracks.values() if not track.straight])
        for k, track in enumerate(order):
            track.level = max((o.level + 1 for o in order[:k] if _meet(o, track)), default=0)
        self.levels = max((t.level + 1 for t in order), default=0)


def _from_below(tracks: list[Track]) -> list[Track]:
    """The lowest next: the one whose place below all the others costs least, in comparison
    with a place above them.
    """
    cost = {(id(a), id(b)): _cost(a, b) for a in tracks for b in tracks if a is not b}
    left, order = sorted(tracks, key=lambda track: track.span), []
    while left:

        def gain(track: Track, left: list[Track] = left) -> int:
            others = [other for other in left if other is not track]
            return sum(cost[id(track), id(o)] - cost[id(o), id(track)] for o in others)

        hard = {id(t): sum(cost[id(t), id(o)] // HARD for o in left if o is not t) for t in left}
        fewest = min(hard.values())
        lowest = min((t for t in left if hard[id(t)] == fewest), key=gain)
        order.append(lowest)
        left = [track for track in left if track is not lowest]
    return order


def _meet(one: Track, other: Track) -> bool:
    (a, b), (c, d) = one.span, other.span
    return one.alone or other.alone or a - NEAR < d and c - NEAR < b


def _cost(low: Track, high: Track) -> int:
    """Crossings if one track lies below the other; upright lines that would lie on each other count HARD."""
    (a, b), (c, d) = low.span, high.span
    found = sum(side == HIGH and c < x < d for x, side in low.pins)
    found += sum(side == LOW and a < x < b for x, side in high.pins)
    for x, side in low.pins:
        if side == HIGH:
            found += HARD * sum(other == LOW and abs(x - y) < NEAR for y, other in high.pins)
    return found


def unhidden(height: float, taken: Sequence[float]) -> float:
    """A height moved up until it runs along nothing that lies at one of the taken ones.

    >>> unhidden(12.0, [10.0])
    15.0
    """
    while any(abs(height - t) < NEAR for t in taken):
        height += 1.0
    return height
