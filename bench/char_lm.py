"""`python -m bench char-lm`: whole training steps of the character model, against the same from torch.nn."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from unrolled import find
from unrolled.models.language import LanguageModel
from unrolled.plan.cost import loop_flops
from unrolled.plan.plan import plan_of
from unrolled.tasks.char_lm import CharLM

from .machine import Peak, machine
from .measure import Work, rates, steady_pair
from .rows import Result, Row

CHARACTERS, HIDDEN, TARGET = 65, 512, 2.0
STEPS, BATCH = 100, 32  # as in the layers' rows
TASK = CharLM()  # for its own rows and span, and its clipping
# (T, B, width of the peer's embedding, target): as wide as the LSTM, as narrow as the
# vocabulary, as `unrolled train`
CASES = ((STEPS, BATCH, HIDDEN, TARGET), (STEPS, BATCH, 64, None), (TASK.span, TASK.recipe.batch, HIDDEN, None))


class TorchModel(nn.Module):
    """What a reader of torch's tutorials writes: Embedding, LSTM, Linear."""

    def __init__(self, embedding: int):
        super().__init__()
        self.embedding = nn.Embedding(CHARACTERS, embedding)
        self.rnn = nn.LSTM(embedding, HIDDEN)
        self.head = nn.Linear(HIDDEN, CHARACTERS)

    def nats(self, x: Tensor, y: Tensor, state):
        out, state = self.rnn(self.embedding(x), state)
        loss = cross_entropy(self.head(out).reshape(-1, CHARACTERS), y.reshape(-1))
        return loss, tuple(part.detach() for part in state)


def stepper(model: nn.Module, x: Tensor, y: Tensor) -> Work:
    """One step of truncated BPTT: loss, gradients, clipping, AdamW; the state is carried on."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    state = None

    def work() -> None:
        nonlocal state
        loss, state = model.nats(x, y, state)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), TASK.recipe.clip)
        optimiser.step()

    return work


def run(seconds: float, say: Callable[[Row], None]) -> Result:
    """Times our step against the peer's; the target is for the first case, the others
    are there to be compared.
    """
    torch.manual_seed(0)
    facts, peak, threads = machine(), Peak(), torch.get_num_threads()
    rows = []
    for steps, batch, embedding, target in CASES:
        characters = steps * batch
        x, y = torch.randint(CHARACTERS, (2, steps, batch)).unbind(0)
        ours, peer = LanguageModel(CHARACTERS, "lstm", HIDDEN), TorchModel(embedding)
        timing, around = steady_pair(stepper(ours, x, y), stepper(peer, x, y), seconds, threads, peak)
        share = flops(characters) / timing.ours / 1e9 / peak.best
        rows.append(
            rates(
                "char-lm step",
                f"V {CHARACTERS}, T {steps}, B {batch}, H {HIDDEN}",
                f"torch.nn Embedding {embedding}, LSTM, Linear",
                "characters/s",
                characters,
                target,
                timing,
                share=share,
                peak=around,
            )
        )
        say(rows[-1])
    return Result("char-lm", facts, tuple(rows))


def flops(characters: int) -> int:
    """Products of a step of ours, both directions: the loop's and the head's; the input's are looked up."""
    loop = loop_flops(plan_of(find("lstm").graph), lambda dim: HIDDEN)
    return 3 * characters * (loop + 2 * HIDDEN * CHARACTERS)
