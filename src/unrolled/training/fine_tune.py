"""Going on from the weights of another run, with other data or options: what of them the new
model takes over, and how.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import UnrolledError, UsageError
from ..options import differing
from ..runs.folder import RunFolder
from ..runs.run import Run, blank
from ..runs.settings import Origin
from ..task import Data, Encoding, Task

Tensors = dict[str, Tensor]


def origin_of(run: Run) -> Origin:
    """Where weights come from, to be kept."""
    kept = RunFolder(run.folder).weights()
    digest = hashlib.sha256()
    for name, tensor in sorted(run.model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return Origin(str(run.folder.resolve()), kept.state["step"] if kept else 0, digest.hexdigest())


def data_for(task: Task, known: Encoding | None) -> Data:
    """The task's data, read with an encoding that is known from another run, where
    there is one, and extends it.

    Raises UsageError where the data have an encoding that is not the known one and the task cannot extend it.
    """
    if known is None:
        return task.data()
    takes_known = "known" in inspect.signature(task.data).parameters
    data = task.data(known) if takes_known else task.data()
    if where := _unlike(_meaning(known), _meaning(data.encoding)):
        raise UsageError(
            f"the data {data.source} do not mean what the weights were learned for: their {where} not as the"
            f" run has {'them' if where.endswith('are') else 'it'}, and {task.name} cannot learn the"
            " difference. Give data with the same, or train afresh, without --from."
        )
    return data


def _meaning(encoding: Encoding) -> dict:
    """What an encoding's JSON says of a model's numbers, without what it keeps of the data beside."""
    beside = getattr(encoding, "beside", ())
    return {name: value for name, value in encoding.to_json().items() if name not in beside}


def new_symbols(known: Encoding, encoding: Encoding) -> str:
    """How many symbols of each kind an encoding has that the known one has not: "labels +3,
    symbols +12"; "" for none.
    """
    return ", ".join(f"{name} +{count:,}" for name, count in _longer(_meaning(known), _meaning(encoding)))


def _longer(known: Any, new: Any, name: str = "") -> Iterator[tuple[str, int]]:
    """The lists of a JSON object that have become longer, and by how much; inside other objects,
    with the names of these.
    """
    if isinstance(known, dict):
        for key in known:
            yield from _longer(known[key], new[key], f"{name} {key}".strip())
    elif isinstance(known, list):
        if len(new) > len(known):
            yield name, len(new) - len(known)
        for place, (old, value) in enumerate(zip(known, new), 1):
            if old != value:
                called = old.get("name", place) if isinstance(old, dict) else place
                yield from _longer(old, value, f"{name} {called}")


def _unlike(known: Any, new: Any, name: str = "encoding") -> str:
    """What of an encoding's JSON does not extend the known one's, as a subject and
    its verb; "" where all does.
    """
    if isinstance(known, dict) and isinstance(new, dict) and known.keys() == new.keys():
        return next((found for key in known if (found := _unlike(known[key], new[key], key))), "")
    if isinstance(known, list) and isinstance(new, list) and len(new) >= len(known):
        return next((f"{name} are" for pair in zip(known, new) if _unlike(*pair)), "")
    return "" if known == new else f"{name} {'are' if isinstance(known, list) else 'is'}"


def check_sizes(task: Task, run: Run) -> None:
    """Raise UsageError, with the options that clash, unless the task's model takes the
    run's weights as they are.
    """
    clash = _clash(task, run)
    if clash is None:
        return
    usual = replace(run.task, net=replace(run.task.net, latex=None))
    to_blame = [
        f"{option} {_named(mine)} here and {_named(its)} there"
        for option, mine, its, alone in differing(task, usual)
        if _clash(alone, run) is not None
    ]
    raise UsageError(
        f"the weights of {run.folder} do not fit: {', '.join(to_blame) or clash}. "
        "Leave such options as that run has them, or train afresh, without --from."
    )


def _named(value: Any) -> str:
    return str(getattr(value, "name", value))


def _clash(task: Task, run: Run) -> str | None:
    """The first tensor that the task's model has and the run's has not, or of another size,
    with the run's encoding.
    """
    have = run.model.state_dict()
    try:
        due = blank(task, run.encoding).state_dict()
    except (UnrolledError, RuntimeError, ValueError, TypeError) as error:
        return str(error)
    for name in sorted(have.keys() ^ due.keys()):
        return f"{name} is {'there' if name in have else 'here'} only"
    sizes = ((name, tuple(due[name].shape), tuple(have[name].shape)) for name in due)
    return next((f"{name} is {new} here and {old} there" for name, new, old in sizes if new != old), None)


@torch.no_grad()
def carry(model: nn.Module, run: Run, encoding: Encoding) -> None:
    """Put a run's weights into a model whose encoding extends the run's: symbols that both
    know have the run's weights.

    What is new begins as the mean of those of its kind (Hewitt, Initializing new word embeddings for pretrained
    language models, 2021). The logit of an output is then the mean of the others': never the largest, and far
    below it wherever the run is sure, so that the model says of what it knew what it said. Buffers stay as the
    model has made them for what is new.

    Raises UsageError where a tensor cannot have grown so.
    """
    lists = [getattr(each, "lists", ()) for each in (run.encoding, encoding)]
    weights = dict(model.named_parameters())
    for name, new, old in _pairs(model, run):
        if new.dim() != old.dim() or any(n < o for n, o in zip(new.shape, old.shape)):
            raise UsageError(
                f"the weights of {run.folder} do not fit: {name} is {tuple(new.shape)} here and"
                f" {tuple(old.shape)} there. Train afresh, without --from."
            )
        if name in weights:
            for dim, sizes in enumerate(zip(old.shape, new.shape)):
                old = _grown(old, dim, _parts(*sizes, *lists))
        new[tuple(slice(size) for size in old.shape)] = old.to(new.dtype)


def _grown(tensor: Tensor, dim: int, parts: list[tuple[int, int]]) -> Tensor:
    """A tensor whose dimension has so many places for each list, and gets so many."""
    if all(old == new for old, new in parts):
        return tensor
    found = []
    for part, (old, new) in zip(tensor.split([old for old, _ in parts], dim), parts):
        found += [part, part.mean(dim, keepdim=True).repeat_interleave(new - old, dim)]
    return torch.cat(found, dim)


def _parts(old: int, new: int, known: tuple[int, ...], lists: tuple[int, ...]) -> list[tuple[int, int]]:
    """The lists that stand in a dimension, as long as they were and as they are: the first few of the
    encoding's that add up to the dimension's sizes; one list where none do.

    >>> _parts(4, 6, (3, 1, 2), (5, 1, 2)), _parts(6, 9, (3, 1, 2), (5, 1, 3)), _parts(7, 8, (), ())
    ([(3, 5), (1, 1)], [(3, 5), (1, 1), (2, 3)], [(7, 8)])
    """
    for count in range(1, len(known) + 1):
        if (sum(known[:count]), sum(lists[:count])) == (old, new):
            return list(zip(known[:count], lists[:count]))
    return [(old, new)]


def _pairs(model: nn.Module, run: Run) -> Iterator[tuple[str, Tensor, Tensor]]:
    old = run.model.state_dict()
    for name, tensor in model.state_dict().items():
        yield name, tensor, old[name]
