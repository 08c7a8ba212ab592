"""A run that can be used: its task, its model, and what the model's numbers mean."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..data.bad_rows import trained_reading
from ..errors import UnrolledError, UsageError
from ..options import check_options, standard_input_options, with_file
from ..scoring import Scored, scored
from ..task import Batch, Details, Encoding, Prediction, Task
from .checkpoint import check_tensors
from .display import html
from .folder import RunFolder
from .settings import Settings, task_of


@dataclass(frozen=True)
class Run:
    """A run, trained or under way.

    folder      where it is kept
    task        the task with the options it was started with, its cell in its net
    model       the model, with the best weights so far (by the held-out part)
    encoding    what the model's numbers mean
    finished    whether training reached its last step
    stopped_by  "Ctrl-C" or "SIGTERM" where that ended training just now
    """

    folder: Path
    task: Task
    model: nn.Module
    encoding: Any
    finished: bool
    stopped_by: str | None = None

    def predict(self, inputs: Iterable[str] = (), ask: Any = None) -> Iterator[Prediction]:
        """What the model says of each input, one after the other.

        inputs  as the task takes them; a task that makes something of nothing takes none
        ask     the task's options for this, such as `CharLM.Ask(length=300)`; the usual ones without

        Raises UsageError for inputs that the model cannot read, and for options out of range.
        """
        ask = self.task.Ask() if ask is None else ask
        check_options(ask)
        inputs = [inputs] if isinstance(inputs, str) else inputs
        return _trained(self.task.predict(self.model, self.encoding, inputs, ask))

    def evaluate(self, source: str | Path) -> Scored:
        """How good the model is on other data, read from a file. Raises UsageError for
        data that it cannot read.
        """
        return scored(self.task, self.model, self.encoding, self._batches(source))

    def _batches(self, source: str | Path) -> Iterator[Batch]:
        with trained_reading():
            yield from self.task.read(self.encoding, source)

    def examine(self, source: str | Path) -> tuple[Scored, Details | None]:
        """The same, and what the task says beyond its figures: of classes, say, which
        one was taken for which.
        """
        batches = list(self._batches(source))
        found = scored(self.task, self.model, self.encoding, batches)
        if not hasattr(self.task, "details"):
            return found, None
        return found, self.task.details(self.model, self.encoding, batches)

    def metrics(self) -> list[dict[str, Any]]:
        """The figures reported in training, one dictionary a report."""
        return RunFolder(self.folder).metrics()

    def _repr_html_(self) -> str:
        """What a notebook shows: task, options, figures, the loss by step."""
        return html(RunFolder(self.folder), self.task)


def _trained(predictions: Iterable[Prediction]) -> Iterator[Prediction]:
    with trained_reading():
        yield from predictions


def open_run(path: str | Path) -> Run:
    """A run from its folder. Nothing in the folder is executed or imported.

    Raises UsageError where the folder is not a run, is damaged, or holds no weights yet.
    """
    folder = RunFolder.open(path)
    settings = folder.settings()
    task, encoding = read_parts(folder, settings)
    weights = folder.weights()
    if weights is None:
        raise UsageError(
            f"the run {folder.path} has no weights yet: let it train until its first evaluation, "
            f"unrolled train --resume {folder.path}"
        )
    try:
        check_tensors(weights.tensors, blank(task, encoding).state_dict(), "the model")
        model = task.model(encoding)
        model.load_state_dict(weights.tensors)
    except (RuntimeError, ValueError, TypeError, MemoryError, UnrolledError) as error:
        raise folder.damaged("weights.safetensors", _last_line(error)) from None
    model.eval()
    return Run(folder.path, task, model, encoding, settings.finished)


def read_parts(folder: RunFolder, settings: Settings) -> tuple[Task, Encoding]:
    """The task of a run and what its model's numbers mean, without its weights."""
    try:
        task = task_of(settings)
    except ValueError as error:
        raise folder.damaged("settings.json", error) from None
    stored = folder.read_json("encoding.json")
    try:
        if not isinstance(stored, dict):
            raise ValueError("not an object")
        encoding = task.encoding(stored)
    except (ValueError, TypeError, KeyError) as error:
        raise folder.damaged("encoding.json", error) from None
    if standard_input_options(task):
        task = with_file(task, folder.standard_input())
    return task, encoding


def blank(task: Task, encoding: Encoding) -> nn.Module:
    """The task's model without memory behind its tensors: their names, shapes and types."""
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        return task.model(encoding)


def _last_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[-1].strip() if lines else type(error).__name__
