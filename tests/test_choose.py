"""Options that the held-out part chooses: honestly, the same way each time, and only
where there is time for it.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from classify import small, texts, waves

from unrolled.tasks.char_lm import CharLM
from unrolled.training import choose
from unrolled.training.choose import with_choices
from unrolled.training.start import prepared, train

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def task(tmp_path, monkeypatch):
    monkeypatch.setattr(choose, "LEAST", 2)
    return prepared(small(waves(tmp_path), pool=None, augment=None))


@pytest.fixture
def figures(monkeypatch):
    """A made-up figure for each trial, in place of a training."""
    tried = []

    def trial(task, data, steps, seed, evaluates=True):
        tried.append((task.augment, task.pool, steps))
        return {("noise", "last"): 0.1, ("noise", "mean and max"): 0.2}.get((task.augment, task.pool), 0.3)

    monkeypatch.setattr(choose, "_trial", trial)
    return tried


def test_one_option_after_the_other_and_the_first_figure_decides(task, figures):
    found = with_choices(task, task.data(), None, 100.0, 0)
    assert found.values["augment"] == "noise" and found.values["pool"] == "last"
    # 30 % of 100 epochs of 2 steps among 5 trials; what was tried is not tried again
    assert figures == [
        ("warp", "mean and max", 12), ("noise", "mean and max", 12), ("none", "mean and max", 12),
        ("noise", "last", 12), ("noise", "all", 12),
    ]  # fmt: skip
    assert found.said["pool"].startswith("last: 0.1000 after 12 steps, 0.2000 with mean and max")


def test_what_is_asked_for_is_not_tried(task, figures):
    found = with_choices(replace(task, pool="last"), task.data(), None, 100.0, 0)
    assert {pool for _, pool, _ in figures} == {"last"} and found.values["pool"] == "last"


def test_without_time_the_usual_values_are_taken(task, figures, monkeypatch):
    monkeypatch.setattr(choose, "LEAST", 1000)
    found = with_choices(task, task.data(), None, 100.0, 0)
    assert not figures and (found.values["augment"], found.values["pool"]) == ("warp", "mean and max")
    assert found.said["augment"] == "warp: there is no time to try others"


def test_trials_repeat_and_leave_the_random_state_alone(task):
    data = task.data()
    one, other = (with_choices(task, data, None, 20.0, 3) for _ in range(2))
    assert one.values == other.values and one.said == other.said


def test_a_task_without_choices_has_none():
    assert with_choices(CharLM(), None, 1.0, None, 0)[:2] == ({}, {})


def test_a_run_keeps_what_was_chosen(tmp_path, monkeypatch):
    monkeypatch.setattr(choose, "LEAST", 2)
    run = train(small(texts(tmp_path, 80), pool=None), epochs=4, out=tmp_path / "run", quiet=True)
    assert run.task.pool in ("mean and max", "last", "all")
    timed = train(small(texts(tmp_path, 80), pool=None), minutes=0.05, out=tmp_path / "timed", quiet=True)
    assert timed.finished
