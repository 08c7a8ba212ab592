"""What a task is: what somebody wants done with sequences.

The engine, a run's folder, the command line and the exports know of a task what stands here, and nothing
else. A task is one file in tasks/: a frozen dataclass whose fields are the options of `unrolled train NAME`,
with the methods of `Task`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

from torch import Tensor, nn

from .models.net import Net
from .options import Count, Nonnegative, Positive, Share

State = tuple[Tensor, ...]
Figures = Mapping[str, float]  # by name; the first one decides which weights are the best


class Part(NamedTuple):
    """A process's share of every batch: each `size`-th row from `rank` on."""

    rank: int = 0
    size: int = 1


class Batch(NamedTuple):
    """One step's examples; what inputs and targets are, a task's data and its model agree on.

    count      how many of the task's `unit` they are
    continues  the state of the step before is carried into it
    """

    inputs: Any
    targets: Any
    count: int
    continues: bool = False


class Loss(NamedTuple):
    """A sum and the number of its terms, so that parts of a batch add up to the whole (means would not)."""

    total: Tensor
    terms: int
    state: State | None = None


class Unit(NamedTuple):
    """What data are counted in: "character", in short "char"; both take an s."""

    name: str
    short: str


@dataclass(frozen=True)
class Recipe:
    """How a task's weights are learned."""

    rate: Positive | None = None
    """largest learning rate"""
    batch: Count | None = None
    """sequences read side by side in a step"""
    clip: Positive | None = None
    """largest norm of the gradient"""
    decay: Nonnegative | None = None
    """weight decay of the matrices"""
    precision: Literal["auto", "float32", "bf16"] = "auto"
    """of operands of products while training: float32 or bf16; auto takes the faster one"""
    optimiser: Literal["adamw", "sgd"] = "adamw"
    """AdamW, or plain stochastic gradient descent"""
    steady_epochs: Count | None = None
    """epochs at the full rate, each later one at a lower rate; without it the rate warms up
    and falls as a cosine does"""
    epoch_decay: Share = 0.5
    """what the rate is multiplied with for each epoch after the steady ones"""
    average: Share | None = None
    """evaluate and keep a running average of the weights, of which this share stays at each step, such
    as 0.995; 0: the weights"""


class Encoding(Protocol):
    """What a model's numbers mean: characters, labels, scales.

    A run that goes on from another run's weights (`train --from`) has an encoding that extends the other one's:
    each list in its JSON begins with the list that stood there, so that symbol k stays symbol k, and all else
    is as it was. A tensor of the model with a place for each symbol has these places from the first on, in the
    encoding's order, and nothing behind them.

    `lists`, where an encoding has them, are the lengths of lists whose places stand one behind the other in a
    dimension: the first of them in one, more of them in another. `beside` names what its JSON keeps of the data
    beside: what was learned from, how often. That need not extend anything.
    """

    def to_json(self) -> dict: ...


class Data(Protocol):
    """What is learned from. Step k is the same batch in every process and in every resumed run.

    A process's part of a batch may have no rows: then its count is 0, and nobody asks the model about it. Data
    that keep a third part apart have `test() -> Iterable[Batch]`: nothing is chosen by it, and the best weights
    are tried on it at the end. `notes`, where they have some, are sentences to be said of them: what was left
    out, how many stand there twice.

    digest         of all parts; a run is resumed on the same data only
    source         where they come from, for a message
    training_size  units to learn from
    held_out_size  units for choices
    """

    @property
    def encoding(self) -> Any: ...
    @property
    def digest(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def training_size(self) -> int: ...
    @property
    def held_out_size(self) -> int: ...
    @property
    def steps_per_epoch(self) -> int: ...
    @property
    def units_per_step(self) -> int: ...

    def batch(self, step: int, part: Part = Part()) -> Batch: ...
    def held_out(self) -> Iterable[Batch]: ...


class Prediction(Protocol):
    """What a model says of one input: text in pieces as they are made, and a JSON object."""

    def pieces(self) -> Iterator[str]: ...
    def to_json(self) -> dict: ...


class Details(Protocol):
    """What is to be said of an evaluation beyond its figures: text, a JSON object, and a picture."""

    def text(self) -> str: ...
    def to_json(self) -> dict: ...
    def draw(self, file: Path) -> None:
        """As .svg, .png or .pdf; raises UsageError where there is nothing to draw."""
        ...


class Task(Protocol):
    """A frozen dataclass; its fields are the options of `unrolled train NAME`.

    A field that is a Path names data: "-" is standard input, which is kept in the run's folder, and the task is
    given that file. Where its data are files, `valid: Path | None` is a held-out file in place of a part of
    them, and `test: Path | None` one for the report.

    name    as on the command line
    Ask     a dataclass, the options of `unrolled predict RUN`: beam width, temperature, horizon
    unit    what its data are counted in
    better  which value of the first figure is the better one
    next    commands to try when a run is done; {run} stands for its folder

    `settle(self, model, encoding, batches) -> None`, where there is one, chooses on the held-out part
    what is chosen there besides weights, such as thresholds, and keeps it in the model's buffers; it is
    called before each evaluation.

    A task may have `choices(data, minutes) -> Mapping[str, tuple]`: fields that the data and the minutes
    (None where epochs are given) settle, one value each, and fields of which the held-out part is to choose
    a value (the usual one first); a short training is made with each (training/choose.py).

    A task may have `details(model, encoding, batches) -> Details`, which `unrolled evaluate` shows.

    `unprompted: ClassVar[bool] = True` says that its models make something of no input, as a text from nothing;
    of other tasks `unrolled predict RUN` reads standard input where no input is given.
    """

    name: ClassVar[str]
    Ask: ClassVar[type]
    unit: ClassVar[Unit]
    better: ClassVar[Literal["lower", "higher"]]
    next: ClassVar[tuple[str, ...]]

    @property
    def net(self) -> Net: ...
    @property
    def recipe(self) -> Recipe: ...

    def data(self, known: Any = None) -> Data:
        """Read and split the data; raises UsageError with what is wrong with them.

        known  the encoding of the run that this one goes on from: the data's encoding is to extend it, with
               what is new in them behind. A task whose `data` does not take it can go on where the data
               have that very encoding.
        """
        ...

    def encoding(self, stored: dict) -> Encoding:
        """The inverse of `to_json`; raises ValueError for what it would not have made."""
        ...

    def model(self, encoding: Any) -> nn.Module:
        """An untrained model. It has `set_dropout(probability)` and `undecayed()`, matrices
        that decay leaves alone.
        """
        ...

    def dropout(self, weights: int, data: Any, epochs: float | None) -> float:
        """The probability for a model of so many weights, whose data will be gone through `epochs` times
        (None: nobody knows yet)."""
        ...

    def loss(self, model: Any, batch: Batch, state: State | None) -> Loss: ...

    def read(self, encoding: Any, source: Any) -> Iterable[Batch]:
        """Other examples, for `unrolled evaluate`; with `notes`, where they have some, as `Data` has."""
        ...

    def baseline(self, data: Any) -> Figures:
        """What the cheapest thing that works reaches on the held-out part."""
        ...

    def figures(self, model: Any, encoding: Any, batches: Iterable[Batch], loss: float) -> Figures:
        """How good a model is on some batches, on which its mean loss is `loss`. It is in evaluation mode,
        without gradients, and random numbers drawn here are not missed in training."""
        ...

    def sentence(self, figures: Figures) -> str:
        """The figures as a reader wants them: "1.0919 nats, 1.575 bits per character"."""
        ...

    def line(self, loss: float) -> str:
        """A training loss in a few characters, for the live line."""
        ...

    def example(self, model: Any, encoding: Any, seed: int) -> str:
        """What the model makes, to be read while it learns; "" where there is nothing to read."""
        ...

    def predict(self, model: Any, encoding: Any, inputs: Iterable[str], ask: Any) -> Iterator[Prediction]:
        """One prediction or more for each input, in their order. The inputs of one call may share batches: of a
        stream, they are the lines that are there."""
        ...

    def remark(self, model: Any, ask: Any) -> str:
        """What is to be said of the options asked for, such as the cost of rounded weights; "" for nothing."""
        ...


def test_part(data: Any) -> Iterable[Batch]:
    """The batches that data keep apart for the report; none where they keep none."""
    return data.test() if hasattr(data, "test") else ()
