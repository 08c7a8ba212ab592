"""A sketch with places: the middles of everything, and the lines between, which run along
channels and through nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .channels import HIGH, LOW, NEAR, Channel, unhidden
from .rows import RowGrid, Sketch, in_rows, snapped, spread
from .scene import Point

COLUMN, MARGIN, APART = 8.0, 12.0, 40.0  # between upright lines beside the rows; around them; between states
PORTS = 8.0  # between lines that enter one thing


@dataclass(frozen=True)
class Placed:
    """Middles and lines in points, y downwards, 0 at the lower edge of the rows.

    at     spot, entry from below or what leaves to the right -> its middle; of the last ones x
           is the frame's right edge
    lines  (source, target, points): from a source's upper edge to where the line enters its target; what comes
           from the left begins at the frame's left edge, what leaves to the right ends at its right edge
    frame  left, top, right, bottom of the rows and what runs beside them
    """

    at: dict[str, Point]
    lines: tuple[tuple[str, str, tuple[Point, ...]], ...]
    frame: tuple[float, float, float, float]
    right: float  # of the rows


def placed(sketch: Sketch) -> Placed:
    """Rows, then lines. The same sketch has the same places."""
    return _Drawing(in_rows(sketch)).finished()


class _Drawing:
    """A sketch while its lines are led."""

    def __init__(self, rows: RowGrid):
        self.rows, self.sketch, self.x, self.rank = rows, rows.sketch, rows.x, rows.rank
        self.channels = [Channel() for _ in range(len(rows.rows) + 1)]
        edges = [self.x[k] + rows.spot(k).right for row in rows.rows for k in row]
        self.wide = snapped(max(edges, default=0.0) + 0.2)
        self.users = [(s, t) for t, sources in self.sketch.sources.items() for s in sources]
        self.columns = self._columns()
        self.below = self._below()
        self.ports = {key: x for target in self.sketch.spots for key, x in self._ports(target)}
        self._pins()
        for channel in self.channels:
            channel.settle()
        self._heights()

    # --- places

    def _columns(self) -> dict[str, float]:
        """Upright lines beside the rows: to the left for entries, to the right for what leaves."""
        risers = [key for key in self.sketch.left]
        risers += [
            key for key in self.sketch.below if any(s == key and self.rank[t] > 0 for s, t in self.users)
        ]
        left = {key: -MARGIN - COLUMN * n for n, key in enumerate(risers)}
        right = {f"> {key}": self.wide + MARGIN + COLUMN * n for n, key in enumerate(self.sketch.right)}
        return left | right

    def _below(self) -> dict[str, float]:
        """Entries from below stand under the middle of what they enter."""
        wanted = {}
        for key in self.sketch.below:
            over = [self.x[t] for s, t in self.users if s == key and self.rank[t] == 0]
            wanted[key] = sum(over) / len(over) if over else 0.0
        keys = sorted(wanted, key=lambda key: wanted[key])
        spots = [self.sketch.below[key] for key in keys]
        apart = [a.right + b.left + MARGIN for a, b in zip(spots, spots[1:])]
        return dict(zip(keys, map(snapped, spread([wanted[k] for k in keys], apart))))

    def _from(self, source: str, target: str) -> float:
        """Where a line comes from, just before its target."""
        if source in self.rank:
            return self.x[self.rows.way(source, target)[-2]]
        if source in self.below and self.rank[target] == 0:
            return self.below[source]
        return self.columns[source]

    def _ports(self, target: str) -> list[tuple[tuple[str, str], float]]:
        """Where lines enter a spot: as straight as may be, in order where that
        matters, apart from each other.
        """
        sources, spot, middle = self.sketch.sources.get(target, ()), self.sketch.spots[target], self.x[target]
        if not sources:
            return []
        if len(spot.ports) == len(sources):
            aside = self._aside(target, sources)
            return [((s, target), middle + port + aside) for s, port in zip(sources, spot.ports)]
        come = [self._from(s, target) for s in sources]
        order = sorted(range(len(come)), key=lambda k: come[k])
        gap = min(PORTS, 2 * spot.reach / max(len(come) - 1, 1))
        low, high = middle - spot.reach, middle + spot.reach
        kept = [50.0 if low <= come[k] <= high else 1.0 for k in order]  # what is straight stays so
        wanted = spread([min(max(come[k], low), high) for k in order], [gap] * (len(come) - 1), kept)
        last = len(wanted) - 1
        wanted = [max(x, low + gap * k) for k, x in enumerate(wanted)]
        wanted = [min(x, high - gap * (last - k)) for k, x in enumerate(wanted)]
        found = dict(zip(order, wanted))
        for k in order:
            found[k] = self._clear(found[k], come[k], sources[k], target, [found[j] for j in order if j != k])
        return [((sources[k], target), snapped(found[k])) for k in order]

    def _under(self, target: str, source: str) -> list[float]:
        """Where lines of others come up from the row below."""
        rank = self.rank[target]
        row = self.rows.rows[rank - 1] if rank else []
        return [self.x[k] for k in row if k != source and k != (source, rank - 1)]

    def _aside(self, target: str, sources: Sequence[str]) -> float:
        """How far ports that keep their order move together, so that none lies on what comes up from below."""
        spot, middle = self.sketch.spots[target], self.x[target]
        room = max(spot.reach - max(map(abs, spot.ports)), 0.0)
        moves = sorted((m / 2 for m in range(-16, 17) if abs(m / 2) <= room), key=abs)

        def nearest(move: float) -> float:
            pairs = zip(sources, spot.ports)
            return min(
                (abs(middle + p + move - o) for s, p in pairs for o in self._under(target, s)), default=NEAR
            )

        return next((m for m in moves if nearest(m) >= NEAR - 2), 0.0)

    def _clear(self, port: float, come: float, source: str, target: str, others: list[float]) -> float:
        """A port beside what comes up from the row below, where it would lie on that line."""
        spot, middle = self.sketch.spots[target], self.x[target]
        if abs(port - come) < 0.01 or self.rank[target] == 0:
            return port
        below = self._under(target, source)

        def fits(x: float, apart: float) -> bool:
            return abs(x - middle) <= spot.reach and all(abs(x - o) >= apart for o in [*others, *below])

        moves = sorted((m / 2 for m in range(-24, 25)), key=abs)
        tries = (port + m for apart in (NEAR, NEAR - 2) for m in moves if fits(port + m, apart))
        return next(tries, port)

    def _pins(self) -> None:
        for source, target in self.users:
            way = self.rows.way(source, target)
            rank, port = self.rank[target], self.ports[source, target]
            if source in self.rank:
                for here, there in zip(way, way[1:]):
                    row = here[1] if isinstance(here, tuple) else self.rank[here]
                    x = port if there == target else self.x[there]
                    self.channels[row + 1].track(source).pins += [(self.x[here], LOW), (x, HIGH)]
                continue
            self.channels[rank].track(source).pins.append((port, HIGH))
            if source in self.below:
                self.channels[0].track(source).pins.append((self.below[source], LOW))
            if source in self.sketch.left or rank > 0:
                self.channels[rank].track(source).ends.append(self.columns[source])
                if source in self.below:
                    self.channels[0].track(source).ends.append(self.columns[source])
        for key, source in self.sketch.right.items():
            track = self.channels[self._leaves(source)].track(source)
            track.ends.append(self.columns[f"> {key}"])
            track.alone = True  # a state's line goes on at this height in the next step
            if source in self.rank:
                track.pins.append((self.x[source], LOW))
            elif source in self.below:
                track.pins.append((self.below[source], LOW))
            else:
                track.ends.append(self.columns[source])

    def _leaves(self, source: str) -> int:
        """The channel in which a source goes to the right."""
        if source in self.rank:
            return self.rank[source] + 1
        return 0 if source in self.below else len(self.channels) - 1 - bool(self.sketch.top)

    def _heights(self) -> None:
        """From below: channel, row, channel, ... and the heights of what leaves to the right."""
        self.low, self.middle, at = [], [], 0.0
        for k, channel in enumerate(self.channels):
            self.low.append(at)
            at += channel.height
            at += self.sketch.lift if k == len(self.rows.rows) - 1 else 0.0
            if k < len(self.rows.rows):
                tall = max((self.rows.spot(key).height for key in self.rows.rows[k]), default=0.0)
                self.middle.append(at + tall / 2)
                at += tall
        self.top = at
        if self.sketch.top:  # outputs stand above the frame
            self.top = self.middle[-1] - max(self.rows.spot(key).height for key in self.rows.rows[-1]) / 2 - 3
        wanted = {key: self._track(self._leaves(s), s) for key, s in self.sketch.right.items()}
        shifted = {key: -n for n, key in enumerate(wanted) if self.sketch.right[key] in self.sketch.left}
        keys = sorted(wanted, key=lambda key: (key in shifted, shifted.get(key, wanted[key])))
        heights = spread([wanted[k] for k in keys], [APART] * (len(keys) - 1))
        self.states = {self.sketch.carried: self.middle[-1]} if self.sketch.belt else {}
        lowest = -APART
        for key, height in zip(keys, heights):
            own = self._leaves(self.sketch.right[key]), self.sketch.right[key]
            others = {
                (k, s)
                for k, c in enumerate(self.channels)
                for s, track in c.tracks.items()
                if not track.straight
            }
            if self.channels[own[0]].tracks[own[1]].span[0] >= 0.0:  # it keeps off the entry of the same state
                others -= {own}
            height = max(height, lowest + APART)
            if any(abs(height - belt) < APART for belt in [self.middle[-1]] * bool(self.sketch.belt)):
                height = self.middle[-1] + APART
            lowest = self.states[key] = unhidden(height, [self._track(*other) for other in sorted(others)])

    def _track(self, channel: int, source: str) -> float:
        return self.low[channel] + self.channels[channel].up(source)

    # --- lines

    def finished(self) -> Placed:
        left = min([0.0, *(x for x in self.columns.values())]) - MARGIN
        right = max([self.wide, *(x for x in self.columns.values())]) + MARGIN
        at = {key: (self.x[key], -self.middle[self.rank[key]]) for key in self.rank}
        at |= {key: (x, self.sketch.below[key].height / 2 + MARGIN) for key, x in self.below.items()}
        at |= {f"> {key}": (right, -self.states[key]) for key in self.sketch.right}
        lines = [(s, t, self._upright(self._line(s, t, left))) for s, t in self.users]
        lines += [
            (s, f"> {key}", self._upright(self._leaving(key, s, left, right)))
            for key, s in self.sketch.right.items()
        ]
        return Placed(at, tuple(lines), (left, -self.top, right, 0.0), self.wide)

    def _upright(self, points: Sequence[Point]) -> tuple[Point, ...]:
        """y downwards, without points on a straight line."""
        found: list[Point] = []
        for point in points:
            if found and abs(point[0] - found[-1][0]) < 0.01 and abs(point[1] - found[-1][1]) < 0.01:
                continue
            if len(found) > 1 and _in_line(found[-2], found[-1], point):
                found.pop()
            found.append(point)
        return tuple((x, -u) for x, u in found)

    def _line(self, source: str, target: str, left: float) -> list[Point]:
        rank, port = self.rank[target], self.ports[source, target]
        end = (port, self.middle[rank] - self.rows.spot(target).height / 2)
        if source not in self.rank:
            if source in self.below and rank == 0:
                begun = self._start(source, left)
            else:
                begun = self._rising(source, rank, left)
            height = self._track(rank, source)
            return [*begun, (begun[-1][0], height), (port, height), end]
        points = self._start(source, left)
        way = self.rows.way(source, target)
        for here, there in zip(way, way[1:]):
            row = here[1] if isinstance(here, tuple) else self.rank[here]
            x, height = port if there == target else self.x[there], self._track(row + 1, source)
            points += [(points[-1][0], height), (x, height)]
        return [*points, end]

    def _start(self, source: str, left: float) -> list[Point]:
        if source in self.rank:
            return [(self.x[source], self.middle[self.rank[source]] + self.rows.spot(source).height / 2)]
        if source in self.below:
            return [(self.below[source], -MARGIN)]
        height = self.states.get(source, self._track(*self._first(source)))
        return [(left, height), (self.columns[source], height)]

    def _first(self, source: str) -> tuple[int, str]:
        return next(k for k, c in enumerate(self.channels) if source in c.tracks), source

    def _rising(self, source: str, channel: int, left: float) -> list[Point]:
        """An entry up to its column's part of a channel."""
        points = self._start(source, left)
        if source in self.below:
            height = self._track(0, source)
            points += [(points[-1][0], height), (self.columns[source], height)]
        return points

    def _leaving(self, key: str, source: str, left: float, right: float) -> list[Point]:
        channel, column = self._leaves(source), self.columns[f"> {key}"]
        height = self._track(channel, source)
        points = self._start(source, left)
        points += [(points[-1][0], height), (column, height)]
        return [*points, (column, self.states[key]), (right, self.states[key])]


def _in_line(a: Point, b: Point, c: Point) -> bool:
    level = abs(a[1] - b[1]) < 0.01 and abs(b[1] - c[1]) < 0.01 and (b[0] - a[0]) * (c[0] - b[0]) > 0
    plumb = abs(a[0] - b[0]) < 0.01 and abs(b[0] - c[0]) < 0.01 and (b[1] - a[1]) * (c[1] - b[1]) > 0
    return level or plumb
