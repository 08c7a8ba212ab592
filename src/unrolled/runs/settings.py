"""A run's records as they are read: typed, bounded, and refused in one sentence
where they are anything else.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from ..cell import Cell
from ..errors import UnrolledError
from ..options import Seed, check_options, completed
from ..task import Task
from ..tasks import find
from ..training.schedule import Schedule

FORMAT = 2  # of the folder; it rises when what is in one changes
MOST = 64_000_000  # bytes of a JSON file
LONGEST_PATH = 4000  # characters
EVALUATIONS = 5  # in a run
MOST_EVALUATIONS = 1_000_000

Name = Annotated[str, Meta(max_length=64)]
Minutes = Annotated[float, Meta(gt=0, le=1e7)]
Epochs = Annotated[float, Meta(gt=0, le=1e7)]
Threads = Annotated[int, Meta(ge=1, le=512)]
Loss = Annotated[float, Meta(ge=-1e30, le=1e30)]
Steps = Annotated[int, Meta(ge=0, le=2**50)]
Times = Annotated[int, Meta(ge=1, le=MOST_EVALUATIONS)]
Record = TypeVar("Record")


class Origin(Struct, forbid_unknown_fields=True):
    """The run whose weights another one goes on from: its folder, the step of these
    weights, and their SHA-256.
    """

    run: Annotated[str, Meta(max_length=LONGEST_PATH)]
    step: Steps
    digest: Name


class Settings(Struct, forbid_unknown_fields=True):
    """What a run was started with, and the steps that it is to take; of a finished one, where it ended."""

    format: int
    task: Name
    options: dict[str, Any]
    cell: dict[str, Any]
    seed: Seed
    threads: Threads
    digest: Name
    minutes: Minutes | None
    epochs: Epochs | None
    schedule: Schedule | None = None
    finished: bool = False
    baseline: dict[Name, float] = {}
    chosen: dict[Name, Annotated[str, Meta(max_length=200)]] = {}  # on this machine, and why
    versions: dict[Name, Name] = {}
    evaluations: Times = EVALUATIONS
    patience: Times | None = None  # so many evaluations without a better figure end the run
    ended: Steps | None = None  # the step at which they did
    origin: Origin | None = None
    tensorboard: bool = False
    test: dict[Name, float] = {}  # figures on the part that is kept for the report


class Progressed(Struct, forbid_unknown_fields=True):
    """What a checkpoint says beside its tensors."""

    step: Steps
    best: float | None
    last: float | None
    losses: list[Loss]
    shown: float | None
    seconds: Annotated[float, Meta(ge=0, le=1e12)]
    sizes: dict[Name, Annotated[int, Meta(ge=0)]]
    schedule: Schedule
    units: Steps = 0
    worse: Steps = 0
    best_loss: float | None = None


class Best(Struct, forbid_unknown_fields=True):
    """What the best weights say of themselves."""

    step: Steps
    figures: dict[Name, float]
    loss: float | None = None


class Reported(Struct):
    """A line of metrics.jsonl, beside the task's own counts."""

    step: Steps
    seconds: float
    loss: float | None = None
    validation: float | None = None
    figures: dict[Name, float | None] = {}


class EarlierVersion(ValueError):
    """A folder of another format."""

    def __init__(self, found: object):
        super().__init__(f"its format is {found}, and this version of unrolled reads {FORMAT}")


def read_record(content: Any, kind: type[Record]) -> Record:
    """A record from JSON (or from what JSON says). Raises ValueError where it is anything but what is due."""
    try:
        if isinstance(content, bytes):
            return msgspec.json.decode(content, type=kind)
        return msgspec.convert(content, kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError) as error:
        raise ValueError(str(error) or type(error).__name__) from None


def read_settings(content: bytes) -> Settings:
    """The settings of a run; raises EarlierVersion where another version wrote them,
    ValueError where they are damaged.
    """
    try:
        found = msgspec.json.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error) or type(error).__name__) from None
    if isinstance(found, dict) and found.get("format") != FORMAT and "task" in found:
        raise EarlierVersion(found.get("format", "of an earlier version"))
    return read_record(content, Settings)


def task_of(settings: Settings) -> Task:
    """The task that a run was started with, its cell in its net. Raises ValueError for what no
    task would have written.
    """
    try:
        kind = find(settings.task)
        task = msgspec.convert(settings.options, kind, dec_hook=_decoded)
        if options_of(task) != settings.options or completed(task, kind()) != task:
            raise ValueError("its options are not those of the task")
        check_options(task)
    except (msgspec.MsgspecError, RecursionError, OverflowError, UnrolledError, ValueError) as error:
        raise ValueError(f"its task: {error}") from None
    try:
        cell = Cell.from_json(settings.cell)
    except (
        RecursionError,
        UnrolledError,
        ValueError,
        KeyError,
        TypeError,
        IndexError,
        AttributeError,
    ) as error:
        raise ValueError(f"its cell: {error}") from None
    return replace(task, net=replace(task.net, cell=cell))


def options_of(task: Task) -> dict[str, Any]:
    """A task's options as plain JSON, its cell by name: the inverse of `task_of`, but
    for the cell's equations.
    """
    cell = task.net.cell
    named = replace(task, net=replace(task.net, cell=cell if isinstance(cell, str) else cell.name))
    return msgspec.to_builtins(named, enc_hook=_encoded)


def _decoded(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, str) and 0 < len(value) <= LONGEST_PATH and "\0" not in value:
        return Path(value)
    raise ValueError(f"{str(value)[:60]!r} is not a {kind.__name__.lower()}")


def _encoded(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
