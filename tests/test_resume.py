"""A run that is stopped, however it is stopped, ends with the weights of one that never was: bit for bit."""

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from char_lm import char_lm, sampled

import unrolled.runs.files
from unrolled.errors import UsageError
from unrolled.runs.folder import RunFolder, SaveError
from unrolled.runs.run import open_run
from unrolled.training import loop
from unrolled.training.start import resume, train
from unrolled.training.state import Diverged

pytestmark = pytest.mark.usefixtures("one_thread")

OPTIONS = {"hidden": 12, "layers": 2, "batch": 4, "span": 8, "dropout": 0.2, "precision": "float32"}
ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    file = tmp_path_factory.mktemp("text") / "input.txt"
    draw = random.Random(7)
    file.write_text("".join(draw.choice(["the ", "cat ", "sat.\n", "on ", "a ", "mat "]) for _ in range(1200)))
    return file


@pytest.fixture(scope="module")
def whole(text, tmp_path_factory):
    """A run of one epoch, about 120 steps, that was never stopped."""
    return train(
        char_lm(text=text, **OPTIONS), epochs=1, out=tmp_path_factory.mktemp("whole") / "run", quiet=True
    )


@pytest.fixture(scope="module")
def longer(text, tmp_path_factory):
    """The same of six epochs, so that a signal meets it under way."""
    return train(
        char_lm(text=text, **OPTIONS), epochs=6, out=tmp_path_factory.mktemp("longer") / "run", quiet=True
    )


def start(text, out, *more):
    options = [f"--{name}={value}" for name, value in OPTIONS.items()]
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "unrolled.cli",
            "train",
            "char-lm",
            f"--text={text}",
            f"--out={out}",
            "--save-every=0.01",
            *options,
            *more,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ONE_THREAD,
    )


def wait_for(condition, process, seconds=60.0):
    until = time.monotonic() + seconds
    while not condition() and process.poll() is None:
        assert time.monotonic() < until, "waited too long"
        time.sleep(0.002)


def checkpoints(folder):
    return sorted((folder / "checkpoints").glob("*.safetensors"))


def assert_same_end(one, other):
    """The best weights, the last weights, the optimiser and the random state; and the
    figures but for the clock.
    """
    first, second = RunFolder(one), RunFolder(other)
    lasts = [folder.last_checkpoint()[0] for folder in (first, second)]
    for a, b in [(first.weights(), second.weights()), lasts]:
        assert a.tensors.keys() == b.tensors.keys()
        for name in a.tensors:
            assert torch.equal(a.tensors[name], b.tensors[name]), name
    figures = [[{**line, "seconds": None} for line in folder.metrics()] for folder in (first, second)]
    assert figures[0] == figures[1]
    assert (one / "samples.txt").read_text() == (other / "samples.txt").read_text()


def test_killed_at_random_moments_and_resumed_equals_never_stopped(longer, text, tmp_path):
    killed = tmp_path / "killed"
    process, kills, draw = start(text, killed, "--epochs=6"), 0, random.Random(os.getpid())
    for _ in range(3):
        before = checkpoints(killed)[-1:]
        wait_for(lambda: checkpoints(killed)[-1:] != before, process)
        time.sleep(draw.uniform(0.0, 0.15))
        process.kill()
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
        process = subprocess.Popen(
            [sys.executable, "-m", "unrolled.cli", "train", "--resume", killed],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=ONE_THREAD,
        )
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert kills >= 1, "every kill came after the end: the test showed nothing"
    assert_same_end(longer.folder, killed)


@pytest.mark.parametrize(
    ("number", "code", "name"), [(signal.SIGINT, 130, "Ctrl-C"), (signal.SIGTERM, 143, "SIGTERM")]
)
def test_an_interrupted_run_saves_and_says_how_to_go_on(longer, text, tmp_path, number, code, name):
    stopped = tmp_path / "stopped"
    process = start(text, stopped, "--epochs=6")
    wait_for(lambda: checkpoints(stopped), process)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (code, "")
    step = RunFolder(stopped).last_checkpoint()[1].step
    said = (
        f"stopped by {name} after step {step:,}, which is saved. Go on with: unrolled train --resume {stopped}"
    )
    assert said in out
    assert resume(stopped, quiet=True).finished
    assert_same_end(longer.folder, stopped)


def test_the_timed_steps_of_a_run_by_minutes_are_the_same_when_they_are_taken_again(
    text, tmp_path, monkeypatch
):
    monkeypatch.setattr(loop, "_replan", lambda *_: None)
    one = train(char_lm(text=text, **OPTIONS), minutes=0.07, out=tmp_path / "one", quiet=True)
    settings = json.loads((one.folder / "settings.json").read_text())
    assert settings["schedule"]["steps"] > settings["schedule"]["timed"] >= 12
    again = tmp_path / "again"
    again.mkdir()
    shutil.copy(one.folder / "encoding.json", again)
    (again / "settings.json").write_text(json.dumps(settings | {"finished": False}))
    assert resume(again, quiet=True).finished
    assert_same_end(one.folder, again)


def test_a_run_by_minutes_goes_on_under_the_plan_that_its_clock_settled_last(text, tmp_path, monkeypatch):
    """12 timed steps and 100 more; 40 more after the first fifth, at step 23; and so on."""
    monkeypatch.setattr(loop, "_timed_enough", lambda training: training.step >= 12)

    def trained(name, stopped):
        fit = iter([100, 40, 60, 20, 3])
        with monkeypatch.context() as patch:
            patch.setattr(loop, "steps_in", lambda *_: next(fit))
            if stopped:
                stop_after(patch, stopped, KeyboardInterrupt)
                with pytest.raises(KeyboardInterrupt):
                    train(
                        char_lm(text=text, **OPTIONS),
                        minutes=9.0,
                        out=tmp_path / name,
                        save_every=1e-9,
                        quiet=True,
                    )
                patch.undo()
                patch.setattr(loop, "steps_in", lambda *_: next(fit))
                return resume(tmp_path / name, quiet=True)
            return train(char_lm(text=text, **OPTIONS), minutes=9.0, out=tmp_path / name, quiet=True)

    whole = trained("whole", None)
    evaluated = [line["step"] for line in whole.metrics() if "validation" in line]
    plan = json.loads((whole.folder / "settings.json").read_text())["schedule"]
    assert evaluated[0] == 23 and len(evaluated) == 5 and plan["steps"] == evaluated[-1] == evaluated[-2] + 3
    for stopped in (20, 23, 40):
        assert_same_end(whole.folder, trained(f"stopped-{stopped}", stopped).folder)


def stop_after(monkeypatch, steps, error):
    """Raise `error` in place of the loss from a step on."""
    true_loss, count = type(char_lm()).loss, iter(range(10**9))

    def loss(self, model, batch, state):
        if torch.is_grad_enabled() and next(count) >= steps:
            raise error
        return true_loss(self, model, batch, state)

    monkeypatch.setattr(type(char_lm()), "loss", loss)


def test_a_run_killed_before_its_first_checkpoint_starts_again(whole, text, tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        stop_after(patch, 60, ZeroDivisionError())
        train(char_lm(text=text, **OPTIONS), epochs=1, out=tmp_path / "broken", quiet=True)
    assert not checkpoints(tmp_path / "broken")
    resume(tmp_path / "broken", quiet=True)
    assert_same_end(whole.folder, tmp_path / "broken")


def test_a_damaged_last_checkpoint_falls_back_on_the_one_before(whole, text, tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        stop_after(patch, 60, ZeroDivisionError())
        train(char_lm(text=text, **OPTIONS), epochs=1, out=tmp_path / "broken", save_every=1e-9, quiet=True)
    kept = checkpoints(tmp_path / "broken")
    assert [file.name for file in kept] == ["step-000000059.safetensors", "step-000000060.safetensors"]
    kept[-1].write_bytes(kept[-1].read_bytes()[:-100])
    resume(tmp_path / "broken", quiet=True)
    assert_same_end(whole.folder, tmp_path / "broken")


def test_when_all_checkpoints_are_damaged_one_sentence_says_so(text, tmp_path, monkeypatch):
    folder = tmp_path / "broken"
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        stop_after(patch, 60, ZeroDivisionError())
        train(char_lm(text=text, **OPTIONS), epochs=1, out=folder, save_every=1e-9, quiet=True)
    for file in checkpoints(folder):
        file.write_bytes(b"nothing")
    with pytest.raises(UsageError) as caught:
        resume(folder, quiet=True)
    assert (
        str(caught.value) == f"the run {folder} is damaged: none of its 2 checkpoints can be read. Train again."
    )


def test_a_full_disk_leaves_the_last_checkpoint_and_one_sentence(whole, text, tmp_path, monkeypatch):
    folder, true_flush = tmp_path / "full", os.fsync

    def flush(handle):
        if len(list((folder / "checkpoints").glob("step-000000040*"))) > 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        true_flush(handle)

    with monkeypatch.context() as patch, pytest.raises(SaveError) as caught:
        patch.setattr(unrolled.runs.files.os, "fsync", flush)
        train(char_lm(text=text, **OPTIONS), epochs=1, out=folder, save_every=1e-9, quiet=True)
    kept = checkpoints(folder)
    assert str(caught.value) == (
        f"{folder / 'checkpoints/step-000000040.safetensors'} could not be saved: the disk is full; "
        f"step-000000039.safetensors is intact. Make room, then go on with: unrolled train --resume {folder}"
    )
    assert kept[-1].name == "step-000000039.safetensors" and caught.value.exit_code == 1
    assert not list(folder.rglob("*.part"))
    resume(folder, quiet=True)
    assert_same_end(whole.folder, folder)


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_checkpoint(text, tmp_path, monkeypatch):
    true_loss, count, folder = type(char_lm()).loss, iter(range(100)), tmp_path / "nan"

    def loss(self, model, batch, state):
        found = true_loss(self, model, batch, state)
        broken = torch.is_grad_enabled() and next(count) == 30
        return found._replace(total=found.total * float("nan")) if broken else found

    monkeypatch.setattr(type(char_lm()), "loss", loss)
    with pytest.raises(Diverged) as caught:
        train(char_lm(text=text, **OPTIONS), epochs=1, out=folder, save_every=1e-9, quiet=True)
    assert (
        str(caught.value)
        == f"the loss is nan and its gradient's norm nan at step 31 of {folder}: training stopped. The"
        " checkpoint of step 30 is kept. Train again with a smaller --rate (it was 0.02) or --clip (it"
        " was 1)."
    )
    assert caught.value.exit_code == 1
    assert all(
        torch.isfinite(tensor).all()
        for name, tensor in RunFolder(folder).last_checkpoint()[0].tensors.items()
        if name.startswith("model.")
    )


def test_a_text_that_changed_is_not_gone_on_with(text, tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        stop_after(patch, 60, ZeroDivisionError())
        train(char_lm(text=text, **OPTIONS), epochs=1, out=tmp_path / "run", quiet=True)
    text.write_text(text.read_text() + "more")
    with pytest.raises(UsageError) as caught:
        resume(tmp_path / "run", quiet=True)
    assert str(caught.value) == (
        f"the data of {tmp_path / 'run'} have changed since the run began: "
        f"put the old {text} back, or train again."
    )


def test_a_finished_run_is_only_opened(text, tmp_path, capsys):
    run = train(char_lm(text=text, **OPTIONS), epochs=0.5, out=tmp_path / "run", quiet=True)
    before = {file: file.read_bytes() for file in run.folder.rglob("*") if file.is_file()}
    assert resume(run.folder).finished
    assert capsys.readouterr().out == f"{run.folder} is finished: there is nothing to go on with.\n"
    assert before == {file: file.read_bytes() for file in run.folder.rglob("*") if file.is_file()}
    assert sampled(open_run(run.folder), length=20) == sampled(run, length=20)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    folder = RunFolder.create(tmp_path / "run", "x")
    folder.write_json("encoding.json", {"a": 1})

    def fail(*_, **__):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(unrolled.runs.files.os, "replace", fail)
    with pytest.raises(SaveError) as caught:
        folder.write_json("encoding.json", {"a": 2})
    assert (
        str(caught.value)
        == f"{folder.path / 'encoding.json'} could not be saved: Input/output error; no checkpoint was written"
        f" yet. Mend that, then go on with: unrolled train --resume {folder.path}"
    )
    assert folder.read_json("encoding.json") == {"a": 1}
    assert [file.name for file in folder.path.iterdir()] == ["encoding.json"]
