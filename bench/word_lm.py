"""`python -m bench word-lm`: training steps of a word model against the same model of torch.nn. With SETs,
trainings: what each reaches on the part for the report, a line of bench/word_lm.md, beside a Kneser-Ney
5-gram of the same split.

Penn Treebank is not free: with its files ptb.train.txt, ptb.valid.txt and ptb.test.txt in the folder that PTB
names, `PTB=FOLDER python -m bench word-lm ptb ptb-small` measures on them.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from unrolled import Net, Recipe, train
from unrolled.errors import UsageError
from unrolled.models.words import WordModel
from unrolled.runs.folder import RunFolder
from unrolled.tasks.word_lm import WordLM

from .machine import BUSY, Peak, machine
from .measure import Work, rates, steady_pair
from .peers import mixed
from .quality import file_of
from .rows import Result, Row

FILE = Path(__file__).parent / "word_lm.md"
HEAD = """# Word models

Written by `python -m bench word-lm SET`; do not edit. Figures are perplexities on the part for the report, at
which nothing was chosen.

| set | perplexity | Kneser-Ney 5-gram | less by | target | reached | epochs | seconds | machine |
|---|---|---|---|---|---|---|---|---|
"""
WORDS, HIDDEN, STEPS, BATCH = 10_000, 200, 20, 20  # the TensorFlow tutorial's small setting
SPEED = 2.0
# The tutorial's loss is a sum over 20 steps: its rate of 1.0 and norm of 5 are 20 and 0.25 of the mean.
SMALL = Recipe(rate=20.0, batch=BATCH, clip=0.25, decay=0.0, optimiser="sgd", steady_epochs=4, epoch_decay=0.5)
SMALL_TASK = WordLM(
    tokens="spaces",
    least=1,
    softmax="full",
    span=STEPS,
    net=Net(hidden=HIDDEN, layers=2, dropout=0.0),
    recipe=SMALL,
)


@dataclass(frozen=True)
class Set:
    """A text, how it is trained, and what is to be reached: a perplexity, or a share of the n-gram's."""

    task: WordLM
    budget: Mapping[str, float]
    perplexity: float | None = None
    share: float | None = None


SETS = {
    "war_and_peace": Set(WordLM(), {"minutes": 10.0}, share=0.85),
    "ptb-small": Set(SMALL_TASK, {"epochs": 13}, perplexity=115.9),
    "ptb": Set(WordLM(tokens="spaces", least=1), {"epochs": 20}, perplexity=100.0),
}


class TorchModel(nn.Module):
    """What a reader of torch's tutorials writes: Embedding, LSTM, Linear."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(WORDS, HIDDEN)
        self.rnn = nn.LSTM(HIDDEN, HIDDEN, 2)
        self.head = nn.Linear(HIDDEN, WORDS)

    def nats(self, x: Tensor, targets: Tensor, state):
        y, state = self.rnn(self.embedding(x), state)
        total = cross_entropy(self.head(y).flatten(0, 1), targets.flatten(), reduction="sum")
        return total, tuple(part.detach() for part in state)


def stepper(model: nn.Module, x: Tensor, targets: Tensor) -> Work:
    """One step of truncated BPTT: loss, gradients, clipping, SGD; the state is carried on."""
    optimiser = torch.optim.SGD(model.parameters(), lr=SMALL.rate, fused=True)
    state = None

    def work() -> None:
        nonlocal state
        total, state = model.nats(x, targets, state)
        state = tuple(part.float() for part in state)
        optimiser.zero_grad()
        (total / targets.numel()).backward()
        nn.utils.clip_grad_norm_(model.parameters(), SMALL.clip)
        optimiser.step()

    return work


def run(seconds: float, say: Callable[[Row], None]) -> Result:
    """Times our step against the peer's, each in float32 and in bfloat16. The target is for
    what `unrolled train` takes on a processor that multiplies bfloat16 numbers, against what
    torch.nn does unasked."""
    torch.manual_seed(0)
    facts, peak, threads = machine(), Peak(), torch.get_num_threads()
    x, targets = torch.randint(WORDS, (2, STEPS, BATCH)).unbind(0)
    rows = []
    for ours, peer, target in ((True, False, SPEED), (True, True, None), (False, False, None)):
        sides = [
            (mixed if rounded else lambda work: work)(stepper(model, x, targets))
            for model, rounded in (
                (WordModel(WORDS, "lstm", HIDDEN, 2, softmax="full"), ours),
                (TorchModel(), peer),
            )
        ]
        timing, around = steady_pair(*sides, seconds, threads, peak)
        rows.append(
            rates(
                f"word-lm step, {'bfloat16' if ours else 'float32'}",
                f"V {WORDS:,}, T {STEPS}, B {BATCH}, 2 x {HIDDEN}",
                f"torch.nn Embedding, LSTM, Linear, {'bfloat16' if peer else 'float32'}",
                "words/s",
                STEPS * BATCH,
                target,
                timing,
                peak=around,
            )
        )
        say(rows[-1])
    return Result("word-lm", facts, tuple(rows))


def known(names: list[str]) -> list[str]:
    """The names, if there are such sets; raises UsageError otherwise."""
    for name in names:
        if name not in SETS:
            raise UsageError(f"there is no set {name!r}: choose some of {', '.join(SETS)}.")
        files(name)
    return names


def trained(name: str) -> str:
    """One training, and its line."""
    chosen = SETS[name]
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        made = train(replace(chosen.task, **files(name)), **chosen.budget, out=Path(folder) / "run")
        seconds = time.monotonic() - began
        settings, metrics = RunFolder(made.folder).settings(), made.metrics()
        steps = made.task.data().steps_per_epoch
    found, counted = settings.test["perplexity"], settings.baseline["on the test part"]
    target = chosen.perplexity or chosen.share * counted
    facts = machine()
    busy = ", busy" if facts["busy"] > BUSY else ""
    cells = (
        name,
        f"{found:.1f}",
        f"{counted:.1f}",
        f"{1 - found / counted:.1%}",
        f"{target:.1f}",
        "yes" if found <= target else "no",
        f"{metrics[-1]['step'] / steps:.1f}",
        f"{seconds:.0f}",
        f"{facts['processor']}, {facts['threads']} of {facts['cores']} cores, {facts['date']}{busy}",
    )
    return f"| {' | '.join(cells)} |"


def files(name: str) -> dict[str, Path]:
    """The texts of a set. Raises UsageError where they are not there."""
    if name == "war_and_peace":
        return {"text": file_of(name)[0]}
    folder = Path(os.environ.get("PTB", "ptb"))
    found = {
        option: folder / f"ptb.{part}.txt"
        for option, part in (("text", "train"), ("valid", "valid"), ("test", "test"))
    }
    missing = [file for file in found.values() if not file.exists()]
    if missing:
        raise UsageError(
            f"{missing[0]} does not exist: set PTB to the folder of your own copy of Penn Treebank."
        )
    return found


def keep(line: str) -> Path:
    """The line of a set in place of its older one; those of other sets stay."""
    name = line.split("|")[1].strip()
    old = FILE.read_text(encoding="utf-8").splitlines() if FILE.exists() else []
    lines = (
        {kept.split("|")[1].strip(): kept for kept in old[old.index(HEAD.splitlines()[-1]) + 1 :]}
        if old
        else {}
    )
    lines[name] = line
    FILE.write_text(HEAD + "".join(f"{lines[each]}\n" for each in SETS if each in lines), encoding="utf-8")
    return FILE
