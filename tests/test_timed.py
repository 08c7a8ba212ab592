"""Choices that are timed: once on a machine, kept beside the kernels, and never believed
where a file says nonsense.
"""

import json
import time

import pytest
from char_lm import char_lm

from unrolled.kernels.c.build import timed
from unrolled.runs.folder import RunFolder
from unrolled.training import precision
from unrolled.training.start import train


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("UNROLLED_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(timed, "_known", {})
    return tmp_path / "cache"


def ways(counted):
    def slow():
        counted.append("slow")
        time.sleep(0.003)

    return {"slow": slow, "quick": lambda: counted.append("quick")}


def test_the_fastest_is_found_once_and_kept(folder, monkeypatch):
    counted = []
    first = timed.fastest(ways(counted), "x", 3)
    assert first.name == "quick" and counted.count("slow") == counted.count("quick") == timed.ROUNDS + 1
    assert str(first).startswith("quick: ") and "slow" in str(first)
    counted.clear()
    assert timed.fastest(ways(counted), "x", 3) == first and not counted
    monkeypatch.setattr(timed, "_known", {})  # another process
    assert timed.fastest(ways(counted), "x", 3) == first and not counted
    assert timed.fastest(ways(counted), "x", 4).name == "quick" and counted


@pytest.mark.parametrize(
    "content", ["", "[]", "nonsense", '{"name": "rm", "milliseconds": {}}', '{"name": "quick"}']
)
def test_a_file_that_is_not_a_choice_is_timed_again(folder, monkeypatch, content):
    counted = []
    timed.fastest(ways(counted), "y")
    (file,) = folder.glob("timed-*.json")
    file.write_text(content)
    monkeypatch.setattr(timed, "_known", {})
    counted.clear()
    assert timed.fastest(ways(counted), "y").name == "quick" and counted
    assert json.loads(file.read_text())["name"] == "quick"


@pytest.mark.parametrize("winner", ["float32", "bf16"])
def test_the_precision_of_a_run_is_the_faster_one_and_the_run_says_why(
    tmp_path, monkeypatch, winner, one_thread
):
    monkeypatch.setattr(precision, "multiplies_pairs", lambda: True)
    choice = timed.Choice(winner, {"float32": 2.0, "bf16": 3.0})
    monkeypatch.setattr(precision, "fastest", lambda ways, *key: [work() for work in ways.values()] and choice)
    (tmp_path / "verse.txt").write_text("the quick brown fox\n" * 40)
    task = char_lm(text=tmp_path / "verse.txt", hidden=4, batch=2, span=8, precision="auto")
    run = train(task, epochs=0.1, out=tmp_path / "run", quiet=True)
    assert run.task.recipe.precision == winner
    assert RunFolder(run.folder).settings().chosen == {"precision": f"{choice} a step"}


def test_without_such_products_there_is_nothing_to_time(monkeypatch):
    monkeypatch.setattr(precision, "multiplies_pairs", lambda: False)
    task, why = precision.with_precision(char_lm(precision="auto"), None)
    assert (task.recipe.precision, why) == ("float32", "float32: nothing here multiplies bfloat16 numbers")
