"""Time to quality: `unrolled train char-lm` beside a plain torch.nn.LSTM loop of the same size, each for the same minutes.

Both read the same batches of the same text, use AdamW, warm-up and a cosine, the same dropout and clipping, and are scored
on the same held-out tenth; they run one after the other, each with both cores.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from unrolled import CharLM, train
from unrolled.models.score import nats_per_character
from unrolled.schedule import Plan, first_factor, steps_in
from unrolled.tasks.char_lm import CharData

TIMED = 20            # steps that are timed before the number of steps is fixed


class Plain(nn.Module):
    """Embedding, torch.nn.LSTM and a linear layer: what a tutorial writes."""

    def __init__(self, characters: int, hidden: int, layers: int, dropout: float):
        super().__init__()
        self.characters = characters
        self.embedding = nn.Embedding(characters, hidden)
        self.rnn = nn.LSTM(hidden, hidden, num_layers=layers, dropout=dropout if layers > 1 else 0.0)
        self.dropout, self.head = nn.Dropout(dropout), nn.Linear(hidden, characters)

    def forward(self, x: Tensor, state=None):
        y, state = self.rnn(self.embedding(x), state)
        return self.head(self.dropout(y)), state


@dataclass(frozen=True)
class Learned:
    """What one side reached: held-out nats per character, characters read, characters per second of training."""

    who: str
    nats: float
    characters: int
    speed: float


def plain(task: CharLM, data: CharData, minutes: float, rate: float, seed: int = 0) -> Learned:
    """The torch.nn loop, with the learning rate given."""
    torch.manual_seed(seed)
    model = Plain(len(data.vocabulary), task.hidden, task.layers, task.dropout)
    optimiser = torch.optim.AdamW(model.parameters(), rate, betas=(0.9, 0.99), weight_decay=task.decay, fused=True)
    plan, state, durations, began = None, None, [], time.perf_counter()
    step = 0
    while plan is None or step < plan.steps:
        start = time.perf_counter()
        factor = first_factor(step) if plan is None else plan.factor(step)
        for group in optimiser.param_groups:
            group["lr"] = rate * factor
        x, y = data.batch(step)
        logits, state = model(x, None if data.starts(step) else state)
        state = tuple(s.detach() for s in state)
        loss = nn.functional.cross_entropy(logits.reshape(-1, model.characters), y.reshape(-1))
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), task.clip)
        optimiser.step()
        step += 1
        durations.append(time.perf_counter() - start)
        if plan is None and step == TIMED:
            plan = Plan(step + steps_in(minutes * 60 - (time.perf_counter() - began), durations, 0.0), timed=step)
    seconds = time.perf_counter() - began
    characters = step * data.characters_per_step
    return Learned(f"torch.nn.LSTM, rate {rate:g}", nats_per_character(model, data.validation), characters, characters / seconds)


def ours(task: CharLM, data: CharData, minutes: float) -> Learned:
    """`unrolled.train` with the task's own recipe, its evaluations and checkpoints within the minutes."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        run = train(task, minutes=minutes, out=Path(folder) / "run")
        seconds = time.perf_counter() - began
        characters = run.metrics()[-1]["characters"]
        nats = nats_per_character(run.model, data.validation)
    return Learned("unrolled", nats, characters, characters / seconds)


def run(text: Path, minutes: float, rates: tuple[float, ...] = ()) -> list[Learned]:
    """Ours, then the plain loop at each of these learning rates; at ours where none is given."""
    task = CharLM(text=text)
    data = task.data()
    task = replace(task, dropout=task.settled(data).dropout)
    return [ours(task, data, minutes), *(plain(task, data, minutes, rate) for rate in rates or (task.rate,))]
