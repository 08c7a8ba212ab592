"""The page of inputs and outputs: each use has its command and its picture; the commands
run in half a minute each.

UNROLLED_UPDATE_GOLDEN=1 pytest -m slow tests/test_topology.py writes what they print again.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))  # docs/builder stands beside the package, not in it

from docs.builder import executed as builder  # noqa: E402
from unrolled import tasks  # noqa: E402
from unrolled.commands import train as command  # noqa: E402
from unrolled.views.modes import MODES  # noqa: E402

PAGE = ROOT / "docs" / "topology.md"
SECONDS = 60  # of a command on a machine that others use as well; 24 of them are for training
GOLDEN = bool(os.environ.get("UNROLLED_UPDATE_GOLDEN"))


def sections() -> dict[str, str]:
    """The page's text under each heading."""
    found = re.split(r"^## (.+)\n", PAGE.read_text(encoding="utf-8"), flags=re.M)[1:]
    return {title.lower(): text for title, text in zip(found[::2], found[1::2])}


def commands(text: str) -> list[list[str]]:
    return [shlex.split(line.partition(" | ")[0]) for line in re.findall(r"^\$ (unrolled .+)$", text, re.M)]


def test_every_use_has_a_command_and_a_picture():
    assert list(sections()) == [mode.name for mode in sorted(MODES, key=order)]
    for text in sections().values():
        (train, *predict) = commands(text)
        assert train[1] == "train" and predict and all(words[1] in ("predict", "sample") for words in predict)
        assert train[train.index("--out") + 1] == predict[0][2]
        assert text.count("<!-- show: use_picture(") == 1
    shown = builder.with_shown(PAGE.read_text(encoding="utf-8"), PAGE.name)
    assert shown.count('class="unrolled-picture"') == 7


def order(mode) -> int:
    """As the page has them."""
    names = (
        "one to one",
        "one to many",
        "many to one",
        "many to many, step by step",
        "many to many, read first",
    )
    return names.index(mode.name) if mode.name in names else len(names)


@pytest.mark.parametrize(
    "words", [words for text in sections().values() for words in commands(text)[:1]], ids=str
)
def test_the_options_of_each_training_are_its_tasks(words, monkeypatch):
    started = []
    monkeypatch.setattr(command, "_exit_code", lambda run: 0)
    monkeypatch.setattr(
        "unrolled.training.start.train", lambda task, **options: started.append((task, options))
    )
    assert words[2] in tasks.names()
    command.command("train", words[2:])
    ((task, options),) = started
    assert task.name == words[2] and options["minutes"] <= 0.5


@pytest.mark.slow
def test_the_commands_run_in_half_a_minute_and_print_what_the_page_shows(monkeypatch):
    """The same lines; figures, times and what is drawn differ from machine to machine."""
    took, plain = {}, builder.cli.main

    def timed(words: list[str]) -> int:
        began = time.perf_counter()
        assert plain(words) == 0
        took[" ".join(words)] = time.perf_counter() - began
        return 0

    monkeypatch.setattr(builder.cli, "main", timed)
    text = PAGE.read_text(encoding="utf-8")
    made = builder.executed(text, PAGE.name).written
    if GOLDEN:
        PAGE.write_text(made, encoding="utf-8", newline="\n")
    print(took)
    assert max(took.values()) < SECONDS, took
    assert shape(made) == shape(PAGE.read_text(encoding="utf-8"))


def shape(text: str) -> list[str]:
    """The first words of each line that a training printed at its end."""
    return re.findall(r"^(?:done in|to compare with|the run is in|    unrolled \w+)", text, re.M)
