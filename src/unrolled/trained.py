"""A run that can be used: its model, its vocabulary, its folder."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from pathlib import Path

from torch import nn

from . import tasks
from .cell import Cell
from .data.text import read_text
from .data.vocabulary import Vocabulary
from .errors import UnrolledError, UsageError
from .models.sample import rounded
from .models.score import nats_per_character
from .runs import RunFolder

HELD_OUT = 50_000  # characters that tell what rounded weights cost


@dataclass(frozen=True)
class Score:
    """How well a text is predicted. Bits per character are nats / ln 2, perplexity is e to the nats."""

    characters: int
    nats: float

    @property
    def bits(self) -> float:
        return self.nats / math.log(2)

    @property
    def perplexity(self) -> float:
        return math.exp(self.nats)

    def to_json(self) -> dict:
        return {
            "characters": self.characters,
            "nats_per_character": self.nats,
            "bits_per_character": self.bits,
            "perplexity": self.perplexity,
        }


@dataclass(frozen=True)
class Run:
    """A run, trained or under way.

    folder      where it is kept
    task        the task with the options it was started with
    model       the model, with the best weights so far (by validation)
    vocabulary  the characters that the model knows
    finished    whether training reached its last step
    stopped_by  "Ctrl-C" or "SIGTERM" where that ended training just now
    """

    folder: Path
    task: object
    model: nn.Module
    vocabulary: Vocabulary
    finished: bool
    stopped_by: str | None = None

    def sample(
        self,
        prime: str | None = None,
        length: int = 500,
        *,
        temperature: float = 0.8,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int = 0,
        weights: str = "float32",
    ) -> str:
        """Text that the model writes after `prime`. The same seed writes the same text.

        Raises UsageError for a prime with characters that the model does not know, and for numbers out of range.
        """
        return "".join(
            self.task.sample(
                self.model,
                self.vocabulary,
                prime=prime,
                length=length,
                temperature=temperature,
                top_k=top_k,
                top_p=top_p,
                seed=seed,
                weights=weights,
            )
        )

    def samples(
        self,
        count: int,
        prime: str | None = None,
        length: int = 500,
        *,
        temperature: float = 0.8,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int = 0,
        weights: str = "float32",
    ) -> list[str]:
        """`count` texts, written side by side: text k is what `sample` writes with seed + k."""
        return self.task.samples(
            self.model,
            self.vocabulary,
            count,
            prime=prime,
            length=length,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            seed=seed,
            weights=weights,
        )

    def cost_of_rounding(self) -> tuple[int, float, float] | None:
        """What bfloat16 weights cost: how many held-out characters were read, their nats with the weights as they are and
        with rounded ones. None where the text that the run learned is not there any more."""
        try:
            held_out = self.task.data().validation[:HELD_OUT]
        except UsageError:
            return None
        exact, coarse = (nats_per_character(model, held_out) for model in (self.model, rounded(self.model)))
        return len(held_out) - 1, exact, coarse

    def evaluate(self, text: str) -> Score:
        """How well the model predicts a text, every character after the first.

        Raises UsageError for a text of fewer than two characters, or with characters that the model does not know.
        """
        if len(text) < 2:
            raise UsageError(f"the text has {len(text)} character(s): evaluation takes 2 or more.")
        return Score(len(text) - 1, nats_per_character(self.model, self.vocabulary.encode(text)))

    def evaluate_file(self, path: str | Path) -> Score:
        """`evaluate` on a file of UTF-8 text."""
        return self.evaluate(read_text(path))

    def metrics(self) -> list[dict]:
        """The figures reported in training, one dictionary a report."""
        return RunFolder(self.folder).metrics()


def open_run(path: str | Path) -> Run:
    """A run from its folder. Nothing in the folder is executed or imported.

    Raises UsageError where the folder is no run, is damaged, or holds no weights yet.
    """
    folder = RunFolder.open(path)
    task, cell, vocabulary = read_parts(path)
    weights = folder.weights()
    if weights is None:
        raise UsageError(
            f"the run {folder.path} has no weights yet: let it train until its first evaluation, "
            f"unrolled train --resume {folder.path}"
        )
    try:
        model = task.model(vocabulary, cell)
        model.load_state_dict(weights.tensors)
    except (RuntimeError, ValueError, TypeError) as error:
        raise folder.damaged("weights.safetensors", str(error).splitlines()[-1].strip()) from None
    model.eval()
    return Run(folder.path, task, model, vocabulary, folder.settings().get("finished") is True)


def read_parts(path: str | Path) -> tuple[object, Cell, Vocabulary]:
    """The task, the cell and the vocabulary of a run, without its weights."""
    folder = RunFolder.open(path)
    settings = folder.settings()
    return read_task(folder, settings), read_cell(folder, settings), read_vocabulary(folder)


def read_task(folder: RunFolder, settings: dict):
    """The task of a run, from its settings."""
    try:
        kind = tasks.find(settings["task"])
        options = dict(settings["options"])
        if options.get("text") is not None:
            options["text"] = Path(options["text"])
        task = kind(**options)
        task.check()
        return task
    except (KeyError, TypeError, ValueError, UnrolledError) as error:
        raise folder.damaged("settings.json", f"its task: {error}") from None


def read_cell(folder: RunFolder, settings: dict) -> Cell:
    """The cell of a run, from the graph in its settings."""
    try:
        return Cell.from_json(settings["cell"])
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, UnrolledError) as error:
        raise folder.damaged("settings.json", f"its cell: {error}") from None


def read_vocabulary(folder: RunFolder) -> Vocabulary:
    """The vocabulary of a run."""
    file = folder.path / "vocabulary.json"
    try:
        return Vocabulary.from_json(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise folder.damaged(file.name, error) from None


def task_settings(task, cell: Cell) -> dict:
    """What `read_task` and `read_cell` read: plain JSON."""
    options = {field.name: getattr(task, field.name) for field in fields(task)}
    if not isinstance(task.cell, str):
        options["cell"] = cell.name
    if options.get("latex") is not None:
        options["latex"] = str(options["latex"])
    if options.get("text") is not None:
        options["text"] = str(Path(options["text"]).resolve())  # a run is resumed from any folder
    return {"task": task.name, "options": options, "cell": cell.to_json()}
