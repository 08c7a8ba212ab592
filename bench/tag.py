"""`python -m bench tag [SET]`: speed of a tagger beside the same from torch.nn; or what it reaches on
a set, with its targets.

speed      training and tagging of WNUT17's sentences
wnut17     span F1 on the test part, without pretrained vectors, mean of the seeds
atis       accuracy on the test part of UD_English-Atis, mean of the seeds
agreement  accuracy by distance, LSTM and Elman; also drawn, as docs/tasks/agreement.svg
"""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from unrolled import Net, Recipe, train
from unrolled.data.agreement import FURTHEST, decided, sentences
from unrolled.errors import UsageError
from unrolled.models.memo import Memo
from unrolled.models.tagger import Tagger
from unrolled.runs.folder import RunFolder
from unrolled.tasks.tag import Tag
from unrolled.training.new_run import prepared

from .machine import Peak, machine
from .measure import Work, rates, steady_pair
from .rows import Result, Row
from .tag_peer import TorchTagger

SETS = ("speed", "wnut17", "atis", "agreement")
SEEDS = (0, 1, 2)
BATCHES = 6  # training steps of a sample; tagging takes all held-out sentences
DISTANCES = (1, 2, 5, 10, 15, 20, 25, 30, 35, FURTHEST)
RATES = {"lstm": 1e-2, "gru": 1e-2, "elman": 3e-3}  # of 1e-2, 3e-3 and 1e-3 the best for each
PICTURE = Path(__file__).parent.parent / "docs" / "tasks" / "agreement.svg"
Say = Callable[[Row], None]


def run(which: str, seconds: float, say: Say) -> Result:
    facts = machine()
    rows = {"speed": lambda: speed(seconds), "wnut17": wnut17, "atis": atis, "agreement": agreement}[which]()
    for row in rows:
        say(row)
    return Result("tag" if which == "speed" else f"tag-{which}", facts, tuple(rows))


def folder(name: str) -> Path:
    found = os.environ.get("UNROLLED_DATA")
    if not found or not (Path(found) / name).is_dir():
        raise UsageError(f"{name} is not there: set UNROLLED_DATA to the folder of data that has it.")
    return Path(found) / name


def of_wnut17() -> Tag:
    of = folder("wnut17")
    names = ("wnut17train.conll", "emerging.dev.conll", "emerging.test.annotated")
    return Tag(*(of / name for name in names), form="columns")


def of_atis() -> Tag:
    return Tag(*(folder("ud_english_atis") / f"en_atis-ud-{part}.conllu" for part in ("train", "dev", "test")))


def stepper(model: nn.Module, nats: Callable, batches: list) -> Work:
    """A training step a batch: loss, gradients, clipping, AdamW."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)

    def work() -> None:
        for batch in batches:
            loss = nats(batch.inputs, batch.targets.indices)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimiser.step()

    return work


def tagger(model: Tagger, batches: list) -> Work:
    """What is kept of words that were read is forgotten first: each sample reads all sentences as new ones."""

    @torch.no_grad()
    def work() -> list:
        model.memo = Memo()
        return [model.decode(model(batch.inputs), batch.inputs.lengths).tolist() for batch in batches]

    return work


def speed(seconds: float) -> list[Row]:
    """Both sides get the same batches, gathered before."""
    torch.manual_seed(0)
    task = prepared(of_wnut17())
    data, peak, threads = task.data(), Peak(), torch.get_num_threads()
    ours = task.model(data.encoding)
    ours.set_dropout(0.5)
    batches = [data.batch(k) for k in range(BATCHES)]
    held_out = list(data.held_out())
    rows = []
    for distinct, target in ((False, 3.0), (True, None)):
        peer = TorchTagger(ours, distinct)
        check(ours, peer, batches)
        against = f"torch.nn packed, letters of {'distinct words' if distinct else 'each word'}"
        learning = stepper(ours, lambda reading, tags: ours.nats(reading, tags)[0], batches)
        for what, read, mine, theirs in (
            ("training step", batches, learning, stepper(peer, peer.nats, batches)),
            ("tagging", held_out, tagger(ours, held_out), lambda: [peer.decode(b.inputs) for b in held_out]),
        ):
            for model in (ours, peer):
                model.train(what != "tagging")
            timing, around = steady_pair(mine, theirs, seconds, threads, peak)
            count = sum(batch.count for batch in read)
            rows.append(
                rates(
                    f"tagger, {what}",
                    f"WNUT17, B {read[0].count}, H {task.net.hidden}, letters 25, {len(data.encoding.tags)}"
                    " tags",
                    against,
                    "sentences/s",
                    count,
                    target,
                    timing,
                    peak=around,
                )
            )
    return rows


@torch.no_grad()
def check(ours: Tagger, peer: TorchTagger, batches: list) -> None:
    """Raises UsageError unless both are one model: the same loss, and the same tags."""
    ours.eval()
    peer.eval()
    for batch in batches:
        reading, lengths = batch.inputs, batch.inputs.lengths
        mine, theirs = (model.nats(reading, batch.targets.indices) for model in (ours, peer))
        tags = ours.decode(ours(reading), lengths).t().tolist()
        same = [row[:length] for row, length in zip(tags, lengths.tolist())] == peer.decode(reading)
        if not torch.allclose(mine[0].float(), theirs, rtol=1e-4) or not same:
            raise UsageError(f"the two taggers differ: {mine[0].item():.6f} and {theirs.item():.6f} nats.")


def trained(task: Tag, seed: int, epochs: float) -> dict[str, float]:
    """Figures on the test part, of the weights that were best on the held-out part."""
    with tempfile.TemporaryDirectory() as out:
        done = train(task, epochs=epochs, seed=seed, out=Path(out) / "run")
        return RunFolder(done.folder).settings().test


def over_seeds(task: Tag, epochs: float, figure: str, what: str, sizes: str, target: float) -> list[Row]:
    """A row a seed, and one of their mean, which the target is for."""
    found = [trained(task, seed, epochs)[figure] for seed in SEEDS]
    rows = [Row(what, f"{sizes}, seed {k}", "", figure, value, None, value) for k, value in zip(SEEDS, found)]
    mean = statistics.mean(found)
    return [*rows, Row(what, f"{sizes}, mean of {len(SEEDS)} seeds", "", figure, mean, None, mean, target)]


def wnut17() -> list[Row]:
    epochs = 14
    return over_seeds(of_wnut17(), epochs, "f1", "WNUT17, spans", f"{epochs} epochs", 0.20)


def atis() -> list[Row]:
    epochs = 14
    return over_seeds(
        of_atis(), epochs, "accuracy", "UD_English-Atis, parts of speech", f"{epochs} epochs", 0.990
    )


def agreement() -> list[Row]:
    """One direction, no letters: what a word hangs on must be carried. Trained on all distances to 40."""
    curves = {cell: by_distance(cell, rate) for cell, rate in RATES.items()}
    draw(curves)
    return [
        Row(
            f"agreement, {cell}",
            f"distance {distance}",
            "",
            "accuracy",
            value,
            None,
            value,
            0.99 if cell == "lstm" else None,
        )
        for cell, curve in curves.items()
        for distance, value in curve.items()
        if distance in (1, 10, 20, FURTHEST)
    ]


def by_distance(cell: str, rate: float, epochs: float = 8.0, count: int = 1000) -> dict[int, float]:
    """The share of decided words that are right, for so many words between."""
    task = Tag(
        width=32,
        letters="none",
        chain="no",
        direction="forward",
        net=Net(cell, hidden=64, layers=1, dropout=0.0),
        recipe=Recipe(rate=rate, batch=32, clip=1.0, decay=0.0, precision="float32"),
    )
    with tempfile.TemporaryDirectory() as out:
        done = train(task, epochs=epochs, out=Path(out) / "run")
        found = {}
        for distance in DISTANCES:
            drawn = sentences(count, seed=1000 + distance, distances=[distance])
            said = done.predict([" ".join(each.words) for each in drawn])
            right = [
                marked.tags[decided(of)] == of.tags[decided(of)] for marked, of in zip(said, drawn, strict=True)
            ]
            found[distance] = sum(right) / count
        return found


def draw(curves: dict[str, dict[int, float]], file: Path = PICTURE) -> None:
    """Accuracy by distance, as an SVG."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "agreement"  # the same bytes each time
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 3.2), layout="constrained")
    for cell, curve in curves.items():
        axes.plot(list(curve), list(curve.values()), marker="o", markersize=3, label=cell)
    axes.set(xlabel="words in between", ylabel="accuracy", ylim=(0.3, 1.02))
    axes.legend(frameon=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)
