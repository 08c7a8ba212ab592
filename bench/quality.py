"""`python -m bench quality`: time to quality. One run of one side within some minutes, one
line of bench/quality.md.

Each budget is a run of its own, because the learning rate's schedule ends with it. Texts are cut by position:
Tiny Shakespeare's last tenth is held out; War and Peace is 80/10/10 (Karpathy, Johnson and Li 2016, Visualizing
and understanding recurrent networks, table 1), our test part scored with the weights that were best on the
validation part. Held-out figures are those after the last step, on every side.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from unrolled import CharLM, Net, Recipe, train
from unrolled.data.streams import Streams, pieces
from unrolled.data.text import read_text
from unrolled.data.vocabulary import Vocabulary
from unrolled.errors import UsageError
from unrolled.scoring import mean_loss
from unrolled.training.start import prepared

from .machine import BUSY, machine
from .plain import CONTEXT, GPT_BATCH, gpt_nats, train_gpt, train_lstm
from .rows import kept

HERE = Path(__file__).parent
# Of CharLM.
OPTIONS = {
    "cell": str,
    "hidden": int,
    "layers": int,
    "batch": int,
    "span": int,
    "rate": float,
    "dropout": float,
    "precision": str,
}
MODELS = ("unrolled", "torch", "gpt")
TEXTS = {
    "tinyshakespeare": ("tinyshakespeare/input.txt", 0.0),
    "war_and_peace": ("war_and_peace/warpeace_crlf_karpathy_form.txt", 0.1),
}


@dataclass(frozen=True)
class Learned:
    """What a run reached in so many seconds: nats per held-out character, and per character of a test
    part where there is one.
    """

    text: str
    model: str
    minutes: float
    seed: int
    nats: float
    test: float | None
    characters: int
    seconds: float
    command: str
    machine: dict


@dataclass(frozen=True)
class Cut(CharLM):
    """CharLM on a text that is cut in three: `training` takes what the last two tenths leave."""

    def data(self) -> Streams:
        text = read_text(self.text)
        vocabulary = Vocabulary.of(text)
        training, validation, _ = parts(vocabulary.encode(text), 0.1)
        return Streams(vocabulary, training, validation, self.recipe.batch, self.span, "", str(self.text))


def parts(text: torch.Tensor, test: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A text's training, validation and test parts, in this order; a tenth is for validation."""
    end = len(text) - round(test * len(text))
    start = end - len(text) // 10
    return text[:start], text[start:end], text[end:]


def file_of(name: str) -> tuple[Path, float]:
    """A text's file and the share of it that is for testing; `name` is one of TEXTS, found in
    $UNROLLED_DATA, or a file.
    """
    if name not in TEXTS:
        return Path(name), 0.0
    folder = os.environ.get("UNROLLED_DATA")
    if not folder:
        raise UsageError(
            f"the environment does not say where {name} is: set UNROLLED_DATA to the folder of data, or give "
            "--text FILE."
        )
    return Path(folder) / TEXTS[name][0], TEXTS[name][1]


def asked(options) -> Learned:
    """The run that a command line asks for; its table says the whole command."""
    given = {name: getattr(options, name) for name in OPTIONS if getattr(options, name) is not None}
    words = {
        "model": options.model,
        "text": options.text,
        "minutes": f"{options.minutes:g}",
        "seed": options.seed,
        **given,
    }
    command = " ".join(["python -m bench quality", *(f"--{name} {value}" for name, value in words.items())])
    return run(options.text, options.model, options.minutes, options.seed, given, command)


def run(text: str, model: str, minutes: float, seed: int, options: dict, command: str) -> Learned:
    """One side's run. `options` are fields of CharLM that are not to have their defaults
    (the GPT has none of them).
    """
    file, share = file_of(text)
    span = {name: options[name] for name in ("span",) if name in options}
    net = Net(**{name: options[name] for name in ("cell", "hidden", "layers", "dropout") if name in options})
    recipe = Recipe(**{name: options[name] for name in ("rate", "batch", "precision") if name in options})
    task = prepared((Cut if share else CharLM)(text=file, net=net, recipe=recipe, **span))
    data = task.data()
    test = parts(data.encoding.encode(read_text(file)), share)[2] if share else None
    torch.manual_seed(seed)
    sides = {"unrolled": _unrolled, "torch": _torch, "gpt": _gpt}
    nats, tested, characters, seconds = sides[model](task, data, minutes, seed, test)
    return Learned(text, model, minutes, seed, nats, tested, characters, seconds, command, machine())


def _unrolled(task: CharLM, data: Streams, minutes: float, seed: int, test: torch.Tensor | None):
    """`unrolled.train`, all of its evaluations but the last and its checkpoints within the minutes."""
    with tempfile.TemporaryDirectory() as folder:
        trained = train(task, minutes=minutes, seed=seed, out=Path(folder) / "run")
        last = trained.metrics()[-1]
        tested = nats_per_character(trained.model, test) if test is not None else None
        return last["validation"], tested, last["characters"], last["seconds"]


def _torch(task: CharLM, data: Streams, minutes: float, seed: int, test: torch.Tensor | None):
    """The plain LSTM loop of the same size."""
    model, looped = train_lstm(task, data, minutes)
    tested = nats_per_character(model, test) if test is not None else None
    return (
        nats_per_character(model, data.validation),
        tested,
        looped.steps * data.units_per_step,
        looped.seconds,
    )


def _gpt(task: CharLM, data: Streams, minutes: float, seed: int, test: torch.Tensor | None):
    model, looped = train_gpt(data, minutes)
    tested = gpt_nats(model, test) if test is not None else None
    return gpt_nats(model, data.validation), tested, looped.steps * GPT_BATCH * CONTEXT, looped.seconds


def nats_per_character(model: torch.nn.Module, text: torch.Tensor) -> float:
    """Every character of a text after its first, with the state carried on."""
    return mean_loss(CharLM(), model, pieces(text))


def keep(learned: Learned, folder: Path = HERE) -> Path:
    """Adds a run to quality.jsonl, instead of an older one of the same command, and renders quality.md."""
    rows = kept(folder / "quality.jsonl", asdict(learned))
    page = folder / "quality.md"
    page.write_text(markdown([Learned(**row) for row in rows]), encoding="utf-8")
    return page


def markdown(rows: list[Learned]) -> str:
    """quality.md: a table for each text, by minutes, then model."""
    lines = [
        "# Time to quality",
        "",
        (
            "Written by `python -m bench quality`; do not edit. Held-out nats per character after the last"
            " step; each line is a"
        ),
        (
            "run of its own, because its schedule ends with its minutes. torch: Embedding, torch.nn.LSTM and"
            " Linear of the same size,"
        ),
        (
            "in float32, with the same batches, rates, clipping, decay (of all parameters) and dropout, and"
            " torch's first values; gpt:"
        ),
        "4 layers, 4 heads, 128 wide, context 64, AdamW (bench/plain.py).",
        "",
    ]
    for text in dict.fromkeys(row.text for row in rows):
        found = sorted(
            (r for r in rows if r.text == text),
            key=lambda r: (r.minutes, MODELS.index(r.model), r.seed, r.command),
        )
        lines += [
            f"## {text}",
            "",
            (
                "| minutes | model | seed | held out | test | seconds | characters | characters/s | command |"
                " machine |"
            ),
            "|---|---|---|---|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {r.minutes:g} | {r.model} | {r.seed} | {r.nats:.4f} |"
            f" {'' if r.test is None else f'{r.test:.4f}'} | {r.seconds:,.1f} | {r.characters:,} |"
            f" {r.characters / r.seconds:,.0f} | `{r.command}` | {_where(r.machine)} |"
            for r in found
        ]
        lines.append("")
    return "\n".join(lines)


def _where(facts: dict) -> str:
    busy = f", busy: others used {facts['busy']:.0%}" if facts["busy"] > BUSY else ""
    return f"{facts['processor']}, {facts['threads']} of {facts['cores']} cores, {facts['date']}{busy}"
