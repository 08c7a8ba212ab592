"""Rows of a layered drawing: which row each thing stands in, in which order, and where.

The first half of Sugiyama's method (Sugiyama, Tagawa and Toda 1981): rows by the longest way, order by
barycentres, places by least squares under the order. What has to pass a row on its way further up has a place
in it, too, so that no line runs through anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

SWEEPS = 12
GAP = 13.0  # between neighbours
THIN = 4.0  # half the width of a place that a line passes


@dataclass(frozen=True)
class Spot:
    """Something to be placed: how far it reaches to the left, to the right, up and down from its middle.

    reach  how far from its middle a line may enter it
    ports  where lines enter it, from its middle, where their order matters; empty where it does not
    """

    left: float
    right: float
    height: float
    reach: float = 0.0
    ports: tuple[float, ...] = ()


@dataclass(frozen=True)
class Sketch:
    """What is drawn, before it has places.

    spots    what stands in the rows
    sources  spot -> what enters it, spots or entries, in order
    below    entries from below, left: from the left, with what they are as spots
    right    what leaves to the right -> its source
    top      spots that stand above all others
    belt     spots of the highest row, in this order; what goes from one to the next is not drawn here
    carried  the entry that the belt carries
    lift     by how much the highest row is raised
    """

    spots: Mapping[str, Spot]
    sources: Mapping[str, Sequence[str]]
    below: Mapping[str, Spot] = field(default_factory=dict)
    left: Mapping[str, Spot] = field(default_factory=dict)
    right: Mapping[str, str] = field(default_factory=dict)
    top: tuple[str, ...] = ()
    belt: tuple[str, ...] = ()
    carried: str = ""
    lift: float = 0.0


@dataclass
class RowGrid:
    """Spots and passing lines by row, from below: `rows[0]` is the lowest. A passing
    line's key is (source, row).
    """

    sketch: Sketch
    rank: dict[str, int]
    rows: list[list]
    x: dict

    def spot(self, key) -> Spot:
        return Spot(THIN, THIN, 0.0) if isinstance(key, tuple) else self.sketch.spots[key]

    def way(self, source: str, target: str) -> list:
        """What a line goes through: its source, the places where it passes a row, its target."""
        first = self.rank[source] if source in self.rank else None
        passed = [] if first is None else [(source, k) for k in range(first + 1, self.rank[target])]
        return [source, *passed, target]


def in_rows(sketch: Sketch) -> RowGrid:
    """Every spot with its row and its place."""
    rank = _ranks(sketch)
    rows: list[list] = [[] for _ in range(max(rank.values(), default=-1) + 1)]
    made = RowGrid(sketch, rank, rows, {})
    for key in (*sketch.belt, *(k for k in sketch.spots if k not in sketch.belt)):
        rows[rank[key]].append(key)
    links = _links(made)
    for one, other in links:
        for key in (one, other):
            if isinstance(key, tuple) and key not in rows[key[1]]:
                rows[key[1]].append(key)
    _order(made, links)
    _place(made, links)
    return made


def _ranks(sketch: Sketch) -> dict[str, int]:
    """One above the highest that enters; what nothing enters stands right below what it enters."""
    rank: dict[str, int] = {}
    users: dict[str, list[str]] = {}
    for key in sketch.spots:  # in the order in which they are made: sources come first
        inner = [s for s in sketch.sources.get(key, ()) if s in sketch.spots]
        rank[key] = 1 + max((rank[s] for s in inner), default=-1)
        for source in inner:
            users.setdefault(source, []).append(key)
    for key in reversed(sketch.spots):
        inner = [s for s in sketch.sources.get(key, ()) if s in sketch.spots]
        alone = not sketch.sources.get(key) or len(inner) == 1 and _loose(sketch, users, inner[0])
        if alone and key in users:
            rank[key] = min(rank[u] for u in users[key]) - 1
    lowest = min(rank.values(), default=0)
    apart = {*sketch.top, *sketch.belt}
    highest = max((r for k, r in rank.items() if k not in apart), default=-1)
    for key in rank:
        rank[key] = (highest + 1 if key in apart else rank[key]) - lowest
    return rank


def _loose(sketch: Sketch, users: Mapping[str, list[str]], key: str) -> bool:
    """Whether nothing enters a spot, and one thing alone reads it."""
    return not sketch.sources.get(key) and len(users[key]) == 1


def _links(made: RowGrid) -> list[tuple]:
    """Pairs of neighbours in neighbouring rows, each once."""
    found: dict[tuple, None] = {}
    for target, sources in made.sketch.sources.items():
        for source in sources:
            if source in made.rank:
                way = made.way(source, target)
                found.update(dict.fromkeys(zip(way, way[1:])))
    return list(found)


def _order(made: RowGrid, links: list[tuple]) -> None:
    """Barycentres, upwards and downwards, and the best order seen; what comes from
    the left pulls to the left.
    """
    down, up, pull = _neighbours(made, links)
    belt, lean = set(made.sketch.belt), _lean(made, links)
    best, least = [list(row) for row in made.rows], _crossings(made.rows, links, lean)
    for sweep in range(SWEEPS):
        upwards = sweep % 2 == 0
        order = range(1, len(made.rows)) if upwards else range(len(made.rows) - 2, -1, -1)
        for k in order:
            near, other = (down, made.rows[k - 1]) if upwards else (up, made.rows[k + 1])
            place = {key: (n + 0.5) / len(other) for n, key in enumerate(other)}
            here = {key: (n + 0.5) / len(made.rows[k]) for n, key in enumerate(made.rows[k])}

            def wanted(key):
                seen = [place[n] + lean.get((key, n), 0.0) / len(place) for n in near.get(key, ())]
                seen += pull.get(key, [])
                return sum(seen) / len(seen) if seen else here[key]

            if not belt.issuperset(made.rows[k]):
                made.rows[k].sort(key=wanted)
        now = _crossings(made.rows, links, lean)
        if now < least:
            best, least = [list(row) for row in made.rows], now
    made.rows[:] = best


def _neighbours(made: RowGrid, links: list[tuple]) -> tuple[dict, dict, dict]:
    down: dict = {}
    up: dict = {}
    for one, other in links:
        down.setdefault(other, []).append(one)
        up.setdefault(one, []).append(other)
    pull: dict = {}
    for target, sources in made.sketch.sources.items():
        pull[target] = [0.0 for s in sources if s in made.sketch.left]
    for source in made.sketch.right.values():
        pull.setdefault(source, []).append(1.0)
    return down, up, pull


def _lean(made: RowGrid, links: list[tuple]) -> dict[tuple, float]:
    """How far to the right of its middle a line enters what keeps its lines in order, as a share of a place."""
    found = {}
    for one, other in links:
        source = one[0] if isinstance(one, tuple) else one
        sources = list(made.sketch.sources.get(other, ())) if not isinstance(other, tuple) else []
        ports = made.spot(other).ports
        if source in sources and len(ports) == len(sources):
            found[one, other] = 0.4 * ports[sources.index(source)] / max(map(abs, ports), default=1.0)
    return found


def _crossings(rows: list[list], links: list[tuple], lean: Mapping[tuple, float]) -> int:
    at = {key: (k, n) for k, row in enumerate(rows) for n, key in enumerate(row)}
    found = 0
    for k in range(len(rows)):
        pairs = [(at[a][1], at[b][1] + lean.get((a, b), 0.0)) for a, b in links if at[a][0] == k]
        for n, (a, b) in enumerate(pairs):
            found += sum((a - c) * (b - d) < 0 for c, d in pairs[n + 1 :])
    return found


def _place(made: RowGrid, links: list[tuple]) -> None:
    """Sweeps of least squares; the last goes upwards, so that what one thing alone
    enters stands right above it.
    """
    down, up, _ = _neighbours(made, links)
    for row in made.rows:
        at = 0.0
        for key in row:
            spot = made.spot(key)
            made.x[key] = at + spot.left
            at += spot.left + spot.right + GAP
    for sweep in range(SWEEPS + 1):
        last = sweep == SWEEPS
        order = range(len(made.rows)) if sweep % 2 == 0 else range(len(made.rows) - 1, -1, -1)
        for k in order:
            near = down if sweep % 2 == 0 else up
            _settle(made, made.rows[k], near, up if sweep % 2 == 0 else down, last)
    _keep_off(made, down)
    least = min((made.x[k] - made.spot(k).left for row in made.rows for k in row), default=0.0)
    for key in made.x:
        made.x[key] = snapped(made.x[key] - least)


def _keep_off(made: RowGrid, down: dict) -> None:
    """A passing line that would lie right above something else's line steps aside, within its own room."""
    for below, row in zip(made.rows, made.rows[1:]):
        for key in row:
            if isinstance(key, tuple):
                others = [made.x[k] for k in below if k not in down[key]]
                came, here = made.x[down[key][0]], made.x[key]
                if abs(came - here) > 0.01:
                    steps = sorted((m / 2 for m in range(-12, 13)), key=abs)
                    free = (here + s for s in steps if all(abs(here + s - o) >= 5.0 for o in others))
                    made.x[key] = next(free, here)


def _settle(made: RowGrid, row: list, near: dict, far: dict, last: bool) -> None:
    wanted, weights = [], []
    for key in row:
        seen = [made.x[n] for n in near.get(key, ())]
        others = [] if last and seen else [made.x[n] for n in far.get(key, ())]
        total = len(seen) * 2 + len(others)
        wanted.append((2 * sum(seen) + sum(others)) / total if total else made.x[key])
        weights.append(8.0 if isinstance(key, tuple) else max(total, 0.1))
    spots = [made.spot(key) for key in row]
    apart = [a.right + b.left + GAP for a, b in zip(spots, spots[1:])]
    for key, x in zip(row, spread(wanted, apart, weights)):
        made.x[key] = x


def snapped(place: float) -> float:
    """A quarter of a point: sums of such places are exact, so that equal steps are equal to the last bit."""
    return round(4 * place) / 4


def spread(
    wanted: Sequence[float], apart: Sequence[float], weights: Sequence[float] | None = None
) -> list[float]:
    """Places as near as may be to the wanted ones (least squares), each at least `apart` beyond the last.

    >>> spread([0, 0, 9], [4, 4])
    [-2.0, 2.0, 9.0]
    """
    offsets = [0.0]
    for gap in apart:
        offsets.append(offsets[-1] + gap)
    blocks: list[list[float]] = []  # of neighbours that touch: weight, mean, how many
    for k, place in enumerate(wanted):
        blocks.append([weights[k] if weights else 1.0, place - offsets[k], 1])
        while len(blocks) > 1 and blocks[-2][1] >= blocks[-1][1]:
            weight, mean, count = blocks.pop()
            before = blocks[-1]
            before[1] = (before[0] * before[1] + weight * mean) / (before[0] + weight)
            before[0] += weight
            before[2] += count
    level = [mean for _, mean, count in blocks for _ in range(count)]
    return [mean + offset for mean, offset in zip(level, offsets)]
