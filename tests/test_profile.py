"""The profile of training steps: every moment belongs to one part, looking changes nothing,
not looking costs nothing.
"""

from __future__ import annotations

import io
import json
import re
import sys
import time
from types import SimpleNamespace

import pytest
import torch
from char_lm import char_lm
from instances import needs_compiler
from rich.console import Console
from torch import nn

from unrolled.cli import main
from unrolled.models.language import LanguageModel
from unrolled.runs.folder import RunFolder
from unrolled.training import profile as profile_module
from unrolled.training.profile import Profile, nothing, table
from unrolled.training.start import resume, train
from unrolled.training.state import Training

pytestmark = pytest.mark.usefixtures("one_thread")

TASK = {"hidden": 8, "layers": 2, "batch": 4, "span": 8, "dropout": 0.1}
STEP = [
    "batch",
    "between the modules",
    "rnn, forward",
    "dropout, forward",
    "head, forward",
    "after the modules",
    "old gradients dropped",
    "loss, backward",
    "head, backward",
    "dropout, backward",
    "rnn, backward",
    "clipping",
    "bookkeeping",
    "optimiser",
    "evaluations, checkpoints",
]


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    file = tmp_path_factory.mktemp("profile") / "verse.txt"
    file.write_text("the quick brown fox jumps over the lazy dog.\n" * 40)
    return file


def printed(found: dict) -> str:
    stream = io.StringIO()
    Console(file=stream, width=100).print(table(found))
    return stream.getvalue()


def test_time_between_two_calls_is_the_later_ones_part(monkeypatch):
    # begin, then before and after each part; the second step is the first that counts
    clock = iter([0, 5, 5, 9, 9, 100, 101, 101, 103.5, 103.5])
    pages = iter([0, 9, 9, 10, 13, 13])
    monkeypatch.setattr(profile_module, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    monkeypatch.setattr(profile_module, "fresh_pages", lambda: next(pages))
    profile = Profile(warm=1)
    for _ in range(2):
        profile.begin()
        profile.done("a")
        profile.done("b")
    profile.end()
    assert profile.to_json()["parts"] == [
        {"part": "a", "milliseconds": 1000, "pages": 3},
        {"part": "b", "milliseconds": 2500, "pages": 0},
    ]
    assert profile.to_json()["steps"] == 1
    assert re.search(r"│ b +│ 2500.000 │ +71.4% │ +0.0 │", printed(profile.to_json()))
    assert "a step: 3500.00 ms, mean of 1, 1 thread" in printed(profile.to_json())
    profile.seconds["evaluations, checkpoints"], profile.pages["evaluations, checkpoints"] = 7.0, 1
    text = printed(profile.to_json())
    assert re.search(r"a step +│ 3500.000 │ 100.0% ", text) and re.search(
        r"beside: evaluations, checkpoints │ 7000.000 │  +│", text
    )


def test_what_a_step_copies_is_counted_in_one_that_does_not_count_for_its_time():
    profile, x = Profile(warm=2), torch.randn(4, 6, requires_grad=True)
    for _step in range(4):
        profile.begin()
        torch.cat([x[:, :3], x[:, 3:]]).t().contiguous().double().sum().backward()
        profile.done("all")
        assert profile.steps >= 0 or not profile.copies
    profile.end()
    assert profile.copies["put together"] == [1, 96] and profile.copies["copied, or made dense"][0] >= 1
    assert profile.copies["cast"] == [2, 192 + 96], "and its gradient is cast back"
    assert "2 cast (0.00 MB)" in " ".join(printed(profile.to_json()).split())
    early = Profile(warm=1)
    early.begin()
    early.end()  # stopped in the step that counts copies
    assert torch.utils._python_dispatch._get_current_dispatch_mode() is None


class Slow(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 1

    @staticmethod
    def backward(ctx, above):
        time.sleep(0.05)
        return above


def test_a_slow_backward_pass_is_its_modules():
    class Second(nn.Module):
        def forward(self, x):
            return Slow.apply(x)

    model = nn.Sequential()
    for name, module in (("first", nn.Linear(3, 3)), ("second", Second()), ("third", nn.Linear(3, 1))):
        model.add_module(name, module)
    profile = Profile(warm=0)
    unwatch = profile.watch(model)
    for _ in range(3):
        profile.begin()
        model(torch.randn(2, 3)).sum().backward()
        profile.done(profile.last_back())
    unwatch()
    found = {part["part"]: part["milliseconds"] for part in profile.to_json()["parts"]}
    assert found.pop("second, backward") > 50 and max(found.values()) < 40
    assert {"first, backward", "third, backward", "loss, backward"} < set(found)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model)


def test_a_profiled_run_is_the_same_run_and_says_where_its_time_went(text, tmp_path, capsys):
    plain = train(char_lm(text=text, **TASK), epochs=1, out=tmp_path / "plain", quiet=True)
    assert not (plain.folder / "profile.json").exists()
    began = time.perf_counter()
    run = train(char_lm(text=text, **TASK), epochs=1, out=tmp_path / "run", profile=True)
    took = time.perf_counter() - began
    assert "a step: " in capsys.readouterr().out
    for one, other in zip(plain.model.parameters(), run.model.parameters()):
        assert torch.equal(one, other)
    found = json.loads((run.folder / "profile.json").read_text())
    assert [part["part"] for part in found["parts"]] == STEP
    assert found["steps"] == run.metrics()[-1]["step"] - 3
    whole = sum(part["milliseconds"] for part in found["parts"]) * found["steps"] / 1e3
    assert 0.2 * took < whole <= took, "evaluations too, spread over the steps"
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in run.model.modules())


def test_evaluations_and_samples_are_no_part_of_a_step(text, tmp_path, monkeypatch):
    true_figures = type(char_lm()).figures
    monkeypatch.setattr(type(char_lm()), "figures", lambda *a: (time.sleep(0.2), true_figures(*a))[1])
    run = train(char_lm(text=text, **TASK), epochs=1, out=tmp_path / "run", profile=True, quiet=True)
    found = json.loads((run.folder / "profile.json").read_text())
    seconds = {part["part"]: part["milliseconds"] * found["steps"] / 1e3 for part in found["parts"]}
    assert seconds.pop("evaluations, checkpoints") > 0.79 and max(seconds.values()) < 0.2


def test_nobody_looks_unless_asked():
    training = Training(None, None, None, None, None, {}, None)
    assert training.profile is None and training.done is nothing


def test_the_command_prints_it_and_a_resumed_run_has_its_own(text, tmp_path, capsys):
    options = [f"--{name}={value}" for name, value in TASK.items()]
    assert (
        main(
            [
                "train",
                "char-lm",
                f"--text={text}",
                f"--out={tmp_path / 'run'}",
                "--epochs=0.5",
                *options,
                "--profile",
            ]
        )
        == 0
    )
    out = capsys.readouterr().out
    assert out.index("a step: ") > out.index("done in") and "rnn, backward" in out
    folder = RunFolder(tmp_path / "run")
    settings = folder.settings()
    settings.finished = False
    folder.write_settings(settings)
    for file in [*(tmp_path / "run" / "checkpoints").iterdir(), tmp_path / "run" / "profile.json"]:
        file.unlink()
    resume(tmp_path / "run", profile=True, quiet=True)
    assert (tmp_path / "run" / "profile.json").exists()


@needs_compiler
@pytest.mark.parametrize("name", ["lstm", "gru_reset_before", "rhn", "mingru"])
def test_no_python_runs_for_each_time_step(name):
    model = LanguageModel(11, name, 8, 2, dropout=0.1)
    calls = {}

    def count(frame, event, _):
        calls[steps] = calls.get(steps, 0) + (event in ("call", "c_call"))

    for steps in (4, 4, 64):  # the first builds the kernel, and is counted over
        calls.pop(steps, None)
        x = torch.zeros(steps, 3, dtype=torch.int64)
        model.nats(x, x)[0].backward()  # of these sizes for the first time: tables are made
        model.zero_grad()
        sys.setprofile(count)
        try:
            model.nats(x, x)[0].backward()
        finally:
            sys.setprofile(None)
    assert abs(calls[4] - calls[64]) < 30 and calls[4] > 20  # 60 steps more; the collector may call a few
