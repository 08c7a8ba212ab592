"""One line of a benchmark's result, and its file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

OUT = Path(__file__).parent / "out"
UNSTEADY = 0.1  # a pair counts as disturbed where the machine's peak moved by more than this share


@dataclass(frozen=True)
class Row:
    """What was measured beside what, and whether the target is reached.

    what, sizes   what was run, on which sizes; `against` names the peer ("" where a limit is the target)
    ours, peer    the two figures, in `unit`; medians
    value         what the target is about: a ratio to the peer, or our figure itself
    target        None where the row is there to be compared only; `goal` says which side of it is good
    share         of the machine's matrix-product peak that ours ran at, products of both directions counted
    peak          GFLOP/s that a matrix product ran at around this row
    """

    what: str
    sizes: str
    against: str
    unit: str
    ours: float
    peer: float | None
    value: float
    target: float | None = None
    goal: str = "at least"
    share: float | None = None
    peak: float | None = None
    note: str = ""

    @property
    def reached(self) -> bool | None:
        if self.target is None:
            return None
        return self.value >= self.target if self.goal == "at least" else self.value <= self.target


@dataclass(frozen=True)
class Result:
    """All rows of one command on one machine; `peak` is the best GFLOP/s seen while it ran."""

    command: str
    machine: dict
    rows: tuple[Row, ...]
    skipped: tuple[str, ...] = ()

    @property
    def peak(self) -> float | None:
        return max((r.peak for r in self.rows if r.peak), default=None)

    def steady(self, row: Row) -> bool:
        """Whether the machine was as fast around this row as at its best."""
        return not row.peak or not self.peak or row.peak >= (1 - UNSTEADY) * self.peak

    def save(self, folder: Path = OUT) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.command}.json"
        rows = [asdict(r) | {"reached": r.reached, "steady": self.steady(r)} for r in self.rows]
        data = {
            "command": self.command,
            "machine": self.machine,
            "peak": self.peak,
            "rows": rows,
            "skipped": self.skipped,
        }
        path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        return path

    @staticmethod
    def load(path: Path) -> Result:
        data = json.loads(path.read_text(encoding="utf-8"))
        kept = Row.__dataclass_fields__
        rows = tuple(Row(**{k: v for k, v in row.items() if k in kept}) for row in data["rows"])
        return Result(data["command"], data["machine"], rows, tuple(data["skipped"]))


def kept(file: Path, line: dict) -> list[dict]:
    """Adds a run to a file of JSON lines, instead of an older one of the same command; all
    that the file then holds.
    """
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    rows = [row for row in map(json.loads, lines) if row["command"] != line["command"]] + [line]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return rows
