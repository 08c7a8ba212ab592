"""Plain torch loops to hold a training against: Embedding, torch.nn.LSTM and Linear, and a small GPT,
as tutorials write them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unrolled.data.streams import Streams
from unrolled.runs.settings import EVALUATIONS
from unrolled.tasks.char_lm import CharLM
from unrolled.training.optimiser import BETAS
from unrolled.training.schedule import Schedule, first_factor, steps_in

TIMED, RECENT = 20, 200  # steps whose times decide how many there will be: the first ones, and later the last
CONTEXT = 64  # characters that the GPT sees
GPT_BATCH, GPT_RATE, GPT_BETAS = 12, 1e-3, (0.9, 0.99)  # nanoGPT's settings for a CPU
EVALUATED = 64  # rows of a batch of windows


class PlainLSTM(nn.Module):
    """Embedding, torch.nn.LSTM and a linear layer, with dropout where CharLM has it."""

    def __init__(self, characters: int, hidden: int, layers: int):
        super().__init__()
        self.characters = characters
        self.embedding = nn.Embedding(characters, hidden)
        self.rnn = nn.LSTM(hidden, hidden, num_layers=layers)
        self.dropout, self.head = nn.Dropout(0.0), nn.Linear(hidden, characters)

    def set_dropout(self, probability: float) -> None:
        self.dropout.p, self.rnn.dropout = probability, probability if self.rnn.num_layers > 1 else 0.0

    def forward(self, x: Tensor, state=None):
        y, state = self.rnn(self.embedding(x), state)
        return self.head(self.dropout(y)), state


class PlainGPT(nn.Module):
    """Four pre-norm transformer layers, four heads, 128 wide, learned positions (Radford
    et al. 2019, made small).
    """

    def __init__(self, characters: int, width: int = 128, layers: int = 4, heads: int = 4):
        super().__init__()
        self.characters = characters
        self.embedding, self.places = nn.Embedding(characters, width), nn.Embedding(CONTEXT, width)
        block = nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, nn.functional.gelu, norm_first=True)
        self.blocks = nn.TransformerEncoder(block, layers, nn.LayerNorm(width), enable_nested_tensor=False)
        self.head = nn.Linear(width, characters, bias=False)
        for name, weight in self.named_parameters():
            if weight.dim() > 1:
                nn.init.normal_(weight, 0.0, 0.02)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(CONTEXT), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """x (T, B) int64, T at most 64 -> logits (T, B, V)."""
        steps = len(x)
        y = self.embedding(x) + self.places.weight[:steps, None]
        return self.head(self.blocks(y, mask=self.mask[:steps, :steps], is_causal=True))


@dataclass(frozen=True)
class Looped:
    """A loop that is over: the steps it took, and how many seconds that was."""

    steps: int
    seconds: float


def loop(
    model: nn.Module,
    loss_of: Callable[[int, Schedule | None], Tensor],
    rate: float,
    betas: tuple[float, float],
    decay: float,
    clip: float,
    minutes: float,
) -> Looped:
    """AdamW, warm-up and a cosine over as many steps as fit into the minutes; a step as in any tutorial."""
    optimiser = torch.optim.AdamW(model.parameters(), rate, betas=betas, weight_decay=decay, fused=True)
    plan, step, durations, began = None, 0, [], time.perf_counter()
    while plan is None or step < plan.steps:
        start = time.perf_counter()
        factor = first_factor(step) if plan is None else plan.factor(step)
        for group in optimiser.param_groups:
            group["lr"] = rate * factor
        loss = loss_of(step, plan)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimiser.step()
        step += 1
        durations.append(time.perf_counter() - start)
        left = minutes * 60 - (time.perf_counter() - began)
        if plan is None and step == TIMED:
            plan = Schedule(step + steps_in(left, durations, 0.0), timed=step)
        elif (
            plan is not None and step < plan.steps and plan.evaluated(step, EVALUATIONS)
        ):  # as our own training does
            plan = plan.replanned(step, steps_in(left, durations[-RECENT:], 0.0))
    return Looped(step, time.perf_counter() - began)


def train_lstm(task: CharLM, data: Streams, minutes: float) -> tuple[PlainLSTM, Looped]:
    """The LSTM with the recipe of a CharLM: its batches, rate, decay, dropout and
    clipping, state carried on.
    """
    model = PlainLSTM(len(data.encoding), task.net.hidden, task.net.layers)
    weights = sum(weight.numel() for weight in model.parameters())
    state = None

    def loss_of(step: int, plan: Schedule | None) -> Tensor:
        nonlocal state
        model.set_dropout(task.dropout(weights, data, plan and plan.steps / data.steps_per_epoch))
        batch = data.batch(step)
        logits, state = model(batch.inputs, state if batch.continues else None)
        state = tuple(part.detach() for part in state)
        return nn.functional.cross_entropy(logits.reshape(-1, model.characters), batch.targets.reshape(-1))

    recipe = task.recipe
    return model, loop(model, loss_of, recipe.rate, BETAS, recipe.decay, recipe.clip, minutes)


def train_gpt(data: Streams, minutes: float) -> tuple[PlainGPT, Looped]:
    """The GPT on windows drawn anywhere in the text."""
    model, text = PlainGPT(len(data.encoding)), data.training
    width = min(CONTEXT, len(text) - 1)

    def loss_of(*_) -> Tensor:
        first = torch.randint(len(text) - width, (GPT_BATCH,))
        window = text[torch.arange(width + 1)[:, None] + first].long()
        return nn.functional.cross_entropy(
            model(window[:-1]).reshape(-1, model.characters), window[1:].reshape(-1)
        )

    return model, loop(model, loss_of, GPT_RATE, GPT_BETAS, 0.1, 1.0, minutes)


@torch.no_grad()
def gpt_nats(model: PlainGPT, text: Tensor) -> float:
    """Nats per character of a text: windows that overlap by half, so that each character but the first few is
    predicted from at least 32 before it."""
    model.eval()
    half, count, total = CONTEXT // 2, len(text) - 1, 0.0
    windows = range(0, max(1, count - half), half)
    for k in range(0, len(windows), EVALUATED):
        first = torch.tensor(windows[k : k + EVALUATED])
        place = torch.arange(CONTEXT)[:, None] + first
        scored = (place < count) & ((place >= half + first) | (first == 0))
        place = place.clamp_max(count - 1)
        logits = model(text[place].long())
        wanted = torch.where(scored, text[place + 1].long(), -100)
        total += nn.functional.cross_entropy(
            logits.reshape(-1, model.characters), wanted.reshape(-1), reduction="sum"
        ).item()
    return total / count
