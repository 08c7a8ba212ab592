"""The smallest runs of every task, in every kind of encoding that the task has: what is to hold of
all runs is tried on these.

A task that is added needs a row here: test_hostile_tasks.py says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from hostile import Plan, checkpoint

from unrolled import tasks
from unrolled.training.start import train

VERSE = "the quick brown fox jumps over the lazy dog .\n"
NET = {"hidden": 6, "layers": 1, "dropout": 0.0}


class Tiny(NamedTuple):
    """A run to be trained.

    data     the name of the file that is written for it, and what is in it
    options  of the task; the file takes the place of `DATA`
    asked    what `predict` is asked, and the options of asking
    """

    task: str
    data: dict[str, str]
    options: dict
    inputs: tuple[str, ...]
    ask: dict = {}


def _rows(make: Callable[[int], str], count: int = 40, head: str = "") -> str:
    return head + "".join(make(k) + "\n" for k in range(count))


def _kind(k: int) -> str:
    return ("first", "second")[k % 2]


_TAGGED = _rows(lambda k: f"the DT O\ndog{k % 7} NN B-PER\nruns{k % 5} VB O\n", 30)
_VECTORS = "the 1 0 -1\ndog1 0 1 2\nruns1 2 1 0\n"
_PAIRS = _rows(lambda k: f"a {k % 9} b {k} c\tx {k} y {k % 9} z", 60)
_SERIES = _rows(
    lambda k: ",".join(f"{(t * (k % 2 * 2 - 1) + k) / 10:.3f}" for t in range(8)) + f":{_kind(k)}",
    head="@problemName p\n@classLabel true first second\n@data\n",
)
_TEXTS = _rows(lambda k: f"{_kind(k)},{('abc', 'dec')[k % 2] * 2}x{k}", head="label,text\n")
_NUMBERS = _rows(lambda k: f"{k % 2 + k / 100:.3f},{k / 10:.2f},{_kind(k)}", head="x,y,class\n")
_SEVERAL = _rows(lambda k: f"{('a', 'b', 'a;b', '')[k % 4]},{'ab' * (k % 4)}x{k}", head="label,text\n")
_NAMES = _rows(
    lambda k: f"{('anna', 'otto')[k % 2]}{'abc'[k % 3]}{k},{_kind(k)},{k % 3}", head="text,sex,group\n"
)
_ONE_MODEL = {"members": 1, "pool": "last", "augment": "none"}

TINY = {
    "char-lm": Tiny("char-lm", {"text": VERSE * 30}, {"span": 8}, ("the",), {"length": 20}),
    "word-lm": Tiny(
        "word-lm", {"text": VERSE * 30}, {"span": 8}, ("the quick", "the ___ fox"), {"length": 8, "best": 3}
    ),
    "word-lm of subwords": Tiny(
        "word-lm",
        {"text": VERSE * 30},
        {"span": 8, "tokens": "bpe", "vocabulary": 270},
        ("the quick", "the ___ fox"),
        {"length": 8, "best": 3},
    ),
    "classify characters": Tiny("classify", {"train.csv": _TEXTS}, _ONE_MODEL, ("abc", "")),
    "classify words": Tiny("classify", {"train.csv": _TEXTS}, _ONE_MODEL | {"reads": "words"}, ("abc", "")),
    "classify with n-grams": Tiny("classify", {"train.csv": _TEXTS}, _ONE_MODEL | {"ngrams": 3}, ("abc", "")),
    "classify several": Tiny("classify", {"train.csv": _SEVERAL}, _ONE_MODEL | {"multilabel": True}, ("ab",)),
    "classify series": Tiny("classify", {"train.ts": _SERIES}, _ONE_MODEL, ("1,2,3,4",)),
    "classify numbers": Tiny("classify", {"train.csv": _NUMBERS}, {"members": 2}, ("1,2",)),
    "tag": Tiny("tag", {"train": _TAGGED}, {"width": 4}, ("the dog1 runs1",)),
    "tag with vectors": Tiny(
        "tag",
        {"train": _TAGGED, "vectors": _VECTORS},
        {"width": 4, "columns": "2", "learned": "bioes"},
        ("the DT", "dog1 NN"),
        {"form": "columns"},
    ),
    "translate characters": Tiny("translate", {"pairs": _PAIRS}, {"embedding": 4, "units": "characters"}, ("a 1",)),
    "translate words": Tiny("translate", {"pairs": _PAIRS}, {"embedding": 4, "units": "words"}, ("a 1 b",)),
    "translate subwords": Tiny(
        "translate", {"pairs": _PAIRS}, {"embedding": 4, "units": "subwords", "vocabulary": 270}, ("a 1 b",)
    ),
    "generate": Tiny("generate", {"train.csv": _NAMES}, {}, ("sex=first, group=0", "sex=second, group=1"), {"count": 3}),
    "generate from nothing": Tiny("generate", {"train": _rows(lambda k: "abcd"[k % 4] * (1 + k % 5) + "abcd"[k % 3])}, {}, (), {"count": 3}),
}  # fmt: skip


def tiny_task(tiny: Tiny, folder: Path):
    """The task with its data in files of a folder, and the first file."""
    usual, files = tasks.find(tiny.task)(), [folder / name for name in tiny.data]
    for file in files:
        file.write_text(tiny.data[file.name], encoding="utf-8")
    return replace(
        usual,
        **{file.stem: file for file in files},
        **tiny.options,
        net=replace(usual.net, **NET),
        recipe=replace(usual.recipe, batch=4, precision="float32"),
    ), files[0]


def stopped(kind: str, room: Path) -> tuple[Path, Plan]:
    """The folder of a run with weights, that has a step to go on with; and what it is put to."""
    tiny = TINY[kind]
    task, data = tiny_task(tiny, room)
    run = train(task, epochs=1, out=room / "run", save_every=1e-9, quiet=True)
    settings = json.loads((run.folder / "settings.json").read_text()) | {"finished": False}
    (run.folder / "settings.json").write_text(json.dumps(settings))
    checkpoint(run.folder).unlink()
    return run.folder, Plan(tiny.inputs, tiny.ask, data)
