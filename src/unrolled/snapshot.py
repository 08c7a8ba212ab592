"""A training's whole state: what the next step depends on, into a checkpoint and back."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from .errors import UnrolledError
from .profile import Profile, nothing
from .progress import Progress
from .runs import Checkpoint, RunFolder
from .schedule import Plan


class Diverged(UnrolledError):
    """The loss, its gradient or a weight is no longer a number."""

    exit_code = 1


@dataclass
class Training:
    """A training under way: everything that a checkpoint holds, and what is made anew from the settings."""

    task: object
    data: object
    model: torch.nn.Module
    optimiser: torch.optim.Optimizer
    folder: RunFolder
    settings: dict
    progress: Progress
    plan: Plan | None = None
    step: int = 0
    state: tuple[torch.Tensor, ...] | None = None
    best: float = math.inf  # nats on the held-out text
    last: float = math.inf
    losses: list[float] = field(default_factory=list)  # since the last report
    shown: float = math.nan  # the loss of the live line, smoothed
    seconds: float = 0.0  # trained before this process began
    began: float = field(default_factory=time.monotonic)
    durations: list[float] = field(default_factory=list)  # of this process's steps
    profile: Profile | None = None  # while somebody looks where the time goes

    @property
    def done(self) -> Callable[[str], None]:
        """Says that a part of a step is over, to whoever looks."""
        return self.profile.done if self.profile else nothing

    def elapsed(self) -> float:
        return self.seconds + time.monotonic() - self.began


def save(training: Training) -> None:
    """Write a checkpoint: everything that the next step depends on."""
    model = {f"model.{name}": tensor for name, tensor in training.model.state_dict().items()}
    if not all(torch.isfinite(tensor).all() for tensor in training.model.parameters()):
        diverged(training, "a weight is not a finite number")
    moments = {
        f"optimiser.{place}.{key}": tensor
        for place, entry in training.optimiser.state_dict()["state"].items()
        for key, tensor in entry.items()
    }
    state = {f"state.{place}": tensor for place, tensor in enumerate(training.state or ())}
    tensors = model | moments | state | {"random": torch.get_rng_state()}
    values = {
        "step": training.step,
        "best": _json(training.best),
        "last": _json(training.last),
        "losses": training.losses,
        "shown": training.shown,
        "seconds": training.elapsed(),
        "sizes": training.folder.sizes(),
        "plan": training.plan.to_json(),
    }
    training.folder.save_checkpoint(training.step, Checkpoint(tensors, values))


def restore(training: Training, checkpoint: Checkpoint) -> None:
    """The inverse of `save`."""
    tensors, values = checkpoint.tensors, checkpoint.state
    try:
        training.model.load_state_dict(_part(tensors, "model."))
        described = training.optimiser.state_dict()
        described["state"] = {}
        for name, tensor in _part(tensors, "optimiser.").items():
            place, key = name.split(".")
            described["state"].setdefault(int(place), {})[key] = tensor
        training.optimiser.load_state_dict(described)
        state = _part(tensors, "state.")
        training.state = tuple(state[str(place)] for place in range(len(state))) or None
        torch.set_rng_state(tensors["random"])
        training.step, training.losses, training.seconds = values["step"], values["losses"], values["seconds"]
        training.shown = values["shown"]
        training.best, training.last = (math.inf if values[k] is None else values[k] for k in ("best", "last"))
        training.plan = Plan(**values["plan"])
        training.folder.cut(values["sizes"])
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise training.folder.damaged("the last checkpoint", str(error).splitlines()[-1].strip()) from None


def diverged(training: Training, what: str) -> None:
    last = training.folder.last_checkpoint()
    kept = f"The checkpoint of step {last.state['step']:,} is kept" if last else "No checkpoint was written yet"
    raise Diverged(
        f"{what} at step {training.step + 1:,} of {training.folder.path}: training stopped. {kept}. "
        f"Train again with a smaller --rate (it was {training.task.rate:g}) or --clip "
        f"(it was {training.task.clip:g})."
    )


def _json(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _part(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
