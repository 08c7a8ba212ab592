"""`python -m bench translate [SET]`: sentences a second of the decoder beside the same stepped in eager torch;
or what a training reaches on a set, with its target.

speed     one sentence a call, and many
tatoeba   BLEU of English to Spanish on 5 % of Tatoeba's pairs, held out by their English side
multi30k  BLEU of German to English on test2016, all letters small
"""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from unrolled import Net, train
from unrolled.data.pairs import Pair, read_pairs
from unrolled.data.split import grouped
from unrolled.errors import UnrolledError, UsageError
from unrolled.models.decoding import finder
from unrolled.models.search import END, Beam, search
from unrolled.models.translation import Translator
from unrolled.runs.folder import RunFolder
from unrolled.tasks.translate import Translate

from .machine import Peak, machine
from .measure import Work, steady_pair
from .rows import Result, Row
from .translate_peer import TorchTranslator

SETS = ("speed", "tatoeba", "multi30k")
MINUTES, TESTED = 60.0, 0.05
SYMBOLS, WIDTHS, SENTENCES, LENGTH = 8000, (256, 512), 64, 10
TARGETS = {"tatoeba": 33.0, "multi30k": 29.2}
FASTER = 10.0
Say = Callable[[Row], None]


def run(which: str, seconds: float, say: Say) -> Result:
    facts = machine()
    rows = speed(seconds) if which == "speed" else [learned(which)]
    found = []
    for row in rows:
        found.append(row)
        say(row)
    return Result("translate" if which == "speed" else f"translate-{which}", facts, tuple(found))


def learned(which: str) -> Row:
    """An hour's training, and BLEU of a beam of five on the part for the report."""
    with tempfile.TemporaryDirectory() as folder:
        task = tatoeba(Path(folder)) if which == "tatoeba" else multi30k()
        made = train(task, minutes=MINUTES, out=Path(folder) / "run")
        settings = RunFolder(made.folder).settings()
        bleu = settings.test["bleu"]
        beside = ", ".join(f"{name} {value:.1f}" for name, value in settings.baseline.items())
    sizes = f"{task.net.hidden} units, {task.vocabulary} subwords, {MINUTES:.0f} min"
    return Row(which, sizes, "", "BLEU", bleu, None, bleu, TARGETS[which], note=beside)


def tatoeba(folder: Path) -> Translate:
    pairs = read_pairs(_data("tatoeba_eng_spa") / "spa.txt").pairs
    split = grouped([pair.source for pair in pairs], TESTED)
    for name, part in (("train", split.training), ("test", split.held_out)):
        _write(folder / f"{name}.tsv", [pairs[place] for place in part])
    return Translate(
        pairs=folder / "train.tsv",
        test=folder / "test.tsv",
        held_out=0.02,
        net=Net(hidden=512, layers=1, dropout=0.15),
    )


def multi30k() -> Translate:
    folder = _data("multi30k_task1_raw")
    parts = {"pairs": "train", "valid": "val", "test": "test_2016_flickr"}
    return Translate(
        **{option: folder / name for option, name in parts.items()},
        source="de",
        target="en",
        lowercase=True,
        vocabulary=5000,
        net=Net(hidden=384, layers=1, dropout=0.3),
    )


def _write(path: Path, pairs: list[Pair]) -> None:
    path.write_text("".join(f"{source}\t{target}\n" for source, target in pairs), encoding="utf-8")


def _data(name: str) -> Path:
    found = os.environ.get("UNROLLED_DATA")
    if not found or not (Path(found) / name).is_dir():
        raise UsageError(f"{name} is not there: set UNROLLED_DATA to the folder of data that has it.")
    return Path(found) / name


def speed(seconds: float) -> Iterator[Row]:
    """Rows of both widths, greedy and with a beam of five: beside the peer, and beside our search with torch's
    operations, many sentences side by side."""
    peak = Peak()
    for hidden in WIDTHS:
        model, sentences = untrained(hidden), _sentences()
        rows = torch.tensor(sentences).t().contiguous(), torch.full((SENTENCES,), LENGTH)
        peer = TorchTranslator(model)
        for width in (1, 5):
            theirs = peer.greedy if width == 1 else lambda sentence: peer.beam(sentence, 5)
            check_same(model, theirs, width, sentences)
            alone = ("torch.nn, step by step, one at a time", lambda: theirs(sentences[0]), 1)
            beside = (
                "reference, step by step, 64 side by side",
                lambda: search(model, *rows, Beam(width)),
                SENTENCES,
            )
            for together, against, target in (
                (1, alone, FASTER),
                (SENTENCES, alone, FASTER),
                (SENTENCES, beside, None),
            ):
                yield _row(model, width, sentences[:together], against, target, seconds, peak)


def untrained(hidden: int) -> Translator:
    """Sentences that it writes are as long as they may be: none ends by itself."""
    torch.manual_seed(0)
    model = Translator(SYMBOLS, SYMBOLS, "lstm", hidden).eval()
    with torch.no_grad():
        model.target.weight.mul_(10)
        model.bias[END] = -1e4
    return model


def _sentences() -> list[list[int]]:
    drawn = random.Random(0)
    return [[drawn.randrange(4, SYMBOLS) for _ in range(LENGTH)] for _ in range(SENTENCES)]


def _row(
    model: Translator,
    width: int,
    sentences: list[list[int]],
    against: tuple[str, Work, int],
    target: float | None,
    seconds: float,
    peak: Peak,
) -> Row:
    """against: the peer's name, its work, and of how many sentences that is."""
    find, (name, work, count) = finder(model, Beam(width)), against
    timing, around = steady_pair(lambda: find(sentences), work, seconds, torch.get_num_threads(), peak)
    ours, peers = len(sentences) / timing.ours, count / timing.peer
    return Row(
        f"translate, beam {width}" if width > 1 else "translate, greedy",
        f"{LENGTH} words to {2 * LENGTH + 10}, V {SYMBOLS}, H {model.lower.hidden_size}, {len(sentences)} a"
        " call",
        name,
        "sentences/s",
        ours,
        peers,
        ours / peers,
        target,
        peak=around,
        note=timing.note,
    )


def check_same(model: Translator, theirs, width: int, sentences: list[list[int]]) -> None:
    """UnrolledError where the peer writes something else."""
    found = [each[0].symbols for each in finder(model, Beam(width))(sentences[:8])]
    if found != [tuple(theirs(sentence)) for sentence in sentences[:8]]:
        raise UnrolledError(
            "the benchmark's eager model writes other sentences than the one that it is compared with."
        )
