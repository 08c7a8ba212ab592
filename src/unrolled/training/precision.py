"""Which numbers are multiplied in training: float32, or pairs of bfloat16, whichever is faster here."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch

from ..kernels import fastest, multiplies_pairs
from ..task import Batch, Data, Task


def with_precision(task: Task, data: Data) -> tuple[Task, str]:
    """The task with the precision that "auto" means on this machine, so that a resumed run
    goes on with it; and why.

    A step of each is timed, once for each model on this machine. Losses are the same to chance. Measured on
    Tiny Shakespeare (2 x 128, 1 million characters), held-out nats after each fifth: 2.078, 1.973, 1.879,
    1.752, 1.722 in float32 and 2.076, 1.949, 1.856, 1.753, 1.718 in bf16.
    """
    if task.recipe.precision != "auto":
        return task, f"{task.recipe.precision}: as asked"
    if not multiplies_pairs():
        return _with(task, "float32"), "float32: nothing here multiplies bfloat16 numbers"
    with torch.random.fork_rng(devices=[]):
        model, batch = task.model(data.encoding).train(), data.batch(0)
        shapes = [tuple(weight.shape) for weight in model.parameters()]
        ways = {name: partial(_step, task, model, batch, name == "bf16") for name in ("float32", "bf16")}
        choice = fastest(ways, task.net.cell.to_json(), shapes, task.name, batch.count, torch.get_num_threads())
    return _with(task, choice.name), f"{choice} a step"


def _with(task: Task, precision: str) -> Task:
    return replace(task, recipe=replace(task.recipe, precision=precision))


def _step(task: Task, model: torch.nn.Module, batch: Batch, pairs: bool) -> None:
    with torch.autocast("cpu", torch.bfloat16, enabled=pairs):
        loss = task.loss(model, batch, None)
    (loss.total / loss.terms).backward()
    model.zero_grad()
