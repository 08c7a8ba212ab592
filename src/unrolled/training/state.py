"""A training's whole state: what the next step depends on, into a checkpoint and back."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import torch

from ..errors import UnrolledError
from ..runs.checkpoint import Checkpoint, check_tensors
from ..runs.folder import RunFolder
from ..runs.run import blank
from ..runs.settings import Progressed, Settings
from ..scoring import evaluating
from ..task import Data, Encoding, State, Task
from .average import Averages
from .optimiser import KEPT
from .parallel import Team
from .profile import Profile, nothing
from .progress import Progress
from .schedule import Schedule
from .tensorboard import Board


class Diverged(UnrolledError):
    """The loss, its gradient or a weight is no longer a number."""

    exit_code = 1


@dataclass
class Training:
    """A training under way: everything that a checkpoint holds, and what is made again from the settings."""

    task: Task
    data: Data
    model: torch.nn.Module
    optimiser: torch.optim.Optimizer
    folder: RunFolder
    settings: Settings
    progress: Progress
    schedule: Schedule | None = None
    step: int = 0
    state: State | None = None
    averages: Averages | None = None  # of the weights, where these are evaluated
    best: float | None = None  # of the first figure on the held-out part
    best_loss: float = math.inf  # there, of the same weights
    last: float | None = None
    worse: int = 0  # evaluations since the best one
    units: int = 0  # read so far, of the task's kind
    losses: list[float] = field(default_factory=list)  # since the last report
    shown: float = math.nan  # the loss of the live line, smoothed
    seconds: float = 0.0  # trained before this process began
    began: float = field(default_factory=time.monotonic)
    durations: list[float] = field(default_factory=list)  # of this process's steps
    profile: Profile | None = None  # while somebody looks where the time goes
    team: Team = Team()
    board: Board | None = None  # curves for TensorBoard

    @property
    def done(self) -> Callable[[str], None]:
        """Says that a part of a step is over, to whoever looks."""
        return self.profile.done if self.profile else nothing

    def elapsed(self) -> float:
        return self.seconds + time.monotonic() - self.began

    def improved(self, figure: float, loss: float) -> bool:
        """Whether a figure is better than the best so far; of one that is as good the loss decides. BLEU, for
        one, is 0 until a few words in a row are right, and stays so where no text has four."""
        if self.best is None or figure == self.best:
            return loss < self.best_loss
        return figure < self.best if self.task.better == "lower" else figure > self.best

    def out_of_patience(self) -> bool:
        """Whether too many evaluations went by without a better figure."""
        return self.settings.patience is not None and self.worse >= self.settings.patience

    def over(self) -> bool:
        """Whether no step is left to take."""
        return self.schedule is not None and (self.step >= self.schedule.steps or self.out_of_patience())


def save(training: Training) -> None:
    """Write a checkpoint: everything that the next step depends on, in all processes."""
    if not all(torch.isfinite(tensor).all() for tensor in training.model.parameters()):
        diverged(training, "a weight is not a finite number")
    model = {f"model.{name}": tensor for name, tensor in training.model.state_dict().items()}
    moments = {
        f"optimiser.{place}.{key}": tensor
        for place, entry in training.optimiser.state_dict()["state"].items()
        for key, tensor in entry.items()
    }
    averages = {f"average.{name}": tensor for name, tensor in (training.averages or {}).items()}
    whole = training.team.whole_state(training.state)
    state = {f"state.{place}": tensor for place, tensor in enumerate(whole or ())}
    random = {_random(rank): drawn for rank, drawn in enumerate(training.team.gathered(torch.get_rng_state()))}
    if not training.team.leads:
        return
    tensors = model | averages | moments | state | random
    values = {
        "step": training.step,
        "best": training.best,
        "best_loss": training.best_loss if math.isfinite(training.best_loss) else None,
        "last": training.last,
        "losses": training.losses,
        "shown": training.shown if math.isfinite(training.shown) else None,
        "seconds": training.elapsed(),
        "units": training.units,
        "worse": training.worse,
        "sizes": training.folder.sizes(),
        "schedule": asdict(training.schedule),
    }
    training.folder.save_checkpoint(training.step, Checkpoint(tensors, values))


def check_weights(folder: RunFolder, checkpoint: Checkpoint, task: Task, encoding: Encoding) -> None:
    """Raise UsageError unless a checkpoint's weights are those of the task's model, before
    there is memory for one.
    """
    try:
        check_tensors(_part(checkpoint.tensors, "model."), blank(task, encoding).state_dict(), "the model")
    except (ValueError, TypeError, RuntimeError, UnrolledError) as error:
        raise folder.damaged("the last checkpoint", error) from None


def begin_from_another(training: Training) -> None:
    """Put in the weights of another run that this one begins with, each checked against the model's. They are
    its best ones until an evaluation finds better ones."""
    folder = training.folder
    start = folder.start()
    try:
        check_tensors(start.tensors, training.model.state_dict(), "the model")
        first = next(iter(start.state["figures"].values()))
    except (ValueError, StopIteration) as error:
        raise folder.damaged("start.safetensors", error) from None
    training.model.load_state_dict(start.tensors)
    if math.isfinite(first):
        training.best = training.last = first
        loss = start.state.get("loss")
        training.best_loss = math.inf if loss is None else loss
        if training.team.leads:
            folder.save_weights(start.tensors, start.state)


def restore(training: Training, checkpoint: Checkpoint, said: Progressed) -> None:
    """The inverse of `save`. Every tensor must be one that this training would have written."""
    tensors = checkpoint.tensors
    try:
        weights = _part(tensors, "model.")
        moments = _moments(training, _part(tensors, "optimiser."))
        averages = _part(tensors, "average.")
        check_tensors(averages, training.averages or {}, "the average")
        state = _state(training, _part(tensors, "state."))
        if "random" not in tensors:
            raise ValueError("it lacks 'random'")
        _restore_random(training, tensors)
        if said.schedule.steps < said.step:
            raise ValueError(f"step {said.step} of {said.schedule.steps}")
    except (ValueError, TypeError, RuntimeError) as error:
        reason = str(error).splitlines()[-1].strip() if str(error) else type(error).__name__
        raise training.folder.damaged("the last checkpoint", reason) from None
    training.model.load_state_dict(weights)
    training.averages = averages or None
    described = training.optimiser.state_dict()
    described["state"] = moments
    training.optimiser.load_state_dict(described)
    training.state, training.schedule = training.team.own_state(state), said.schedule
    training.step, training.losses, training.seconds = said.step, said.losses, said.seconds
    training.shown = math.nan if said.shown is None else said.shown
    training.best, training.last, training.worse, training.units = said.best, said.last, said.worse, said.units
    training.best_loss = math.inf if said.best_loss is None else said.best_loss
    if training.team.leads:
        training.folder.cut(said.sizes)


def begin_random(training: Training) -> None:
    """Other processes than the leader draw numbers of their own, once all have made the same model."""
    rank = training.team.part.rank
    if rank:
        torch.manual_seed(hash((training.settings.seed, training.step, rank)) % 2**63)


def _restore_random(training: Training, tensors: dict[str, torch.Tensor]) -> None:
    """The random state of this process; a process that was not there when the
    checkpoint was written begins one.
    """
    kept = tensors.get(_random(training.team.part.rank))
    if kept is not None:
        torch.set_rng_state(kept)
    else:
        begin_random(training)


def _random(rank: int) -> str:
    return f"random.{rank}" if rank else "random"


def _moments(training: Training, tensors: dict[str, torch.Tensor]) -> dict[int, dict[str, torch.Tensor]]:
    """The optimiser's moments, each checked against its weight: torch's fused optimisers
    would believe any shape.
    """
    kept = KEPT[training.task.recipe.optimiser]
    weights = [weight for group in training.optimiser.param_groups for weight in group["params"]]
    found: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        place, _, key = name.partition(".")
        if not place.isdecimal() or int(place) >= len(weights) or key not in kept:
            raise ValueError(f"the optimiser has no {name!r}")
        weight = weights[int(place)]
        due = torch.zeros(()) if key == "step" else weight
        check_tensors({name: tensor}, {name: due}, "the optimiser")
        found.setdefault(int(place), {})[key] = tensor
    if any(len(entry) != len(kept) for entry in found.values()):
        raise ValueError("the optimiser lacks a moment")
    return found


def _state(training: Training, tensors: dict[str, torch.Tensor]) -> State | None:
    """The state that is carried on, checked against the one that a step would carry on."""
    if not tensors:
        return None
    with torch.random.fork_rng(devices=[]), evaluating(training.model):
        carried = training.task.loss(training.model, training.data.batch(0), None).state or ()
    due = {str(place): part for place, part in enumerate(carried)}
    same = {k: v.to(due[k].dtype) if k in due and v.is_floating_point() else v for k, v in tensors.items()}
    check_tensors(same, due, "a state")  # but for float types, for precision may be lower in training
    return tuple(tensors[str(place)] for place in range(len(due)))


def diverged(training: Training, what: str) -> None:
    """Raise Diverged with what can be done."""
    last = training.folder.last_checkpoint()
    kept = f"The checkpoint of step {last[1].step:,} is kept" if last else "No checkpoint was written yet"
    recipe = training.task.recipe
    raise Diverged(
        f"{what} at step {training.step + 1:,} of {training.folder.path}: training stopped. {kept}. "
        f"Train again with a smaller --rate (it was {recipe.rate:g}) or --clip (it was {recipe.clip:g})."
    )


def _part(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
