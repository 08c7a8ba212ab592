"""Several processes train what one trains: real processes, started by torchrun, on gloo."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
import torch
from char_lm import char_lm

from unrolled.errors import UsageError
from unrolled.task import Part
from unrolled.training.parallel import Team, _woven, check_rows
from unrolled.training.start import train

OPTIONS = {"hidden": 8, "layers": 1, "batch": 6, "span": 8, "precision": "float32"}
VERSE = "the quick brown fox jumps over the lazy dog.\n"


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    file = tmp_path_factory.mktemp("parallel") / "verse.txt"
    file.write_text(VERSE * 60)
    return file


@pytest.fixture(scope="module")
def alone(text):
    """A run of one process, in steps of one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    task = char_lm(text=text, dropout=0.0, **OPTIONS)
    run = train(task, epochs=3, out=text.parent / "alone", quiet=True)
    torch.set_num_threads(threads)
    return run.metrics()


def started(count, *arguments, **more):
    """`unrolled ARGUMENTS` under torchrun, as `count` processes."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
    return subprocess.Popen(
        [*command, "-m", "unrolled", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        **more,
    )


def options(text, out, **more):
    found = {"text": text, "out": out, "epochs": 3, "dropout": 0.0, **OPTIONS, **more}
    return ["train", "char-lm", *(f"--{name.replace('_', '-')}={value}" for name, value in found.items())]


def finished(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err[-3000:]
    return out


def figures(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def assert_same_losses(found, expected):
    assert [line["step"] for line in found] == [line["step"] for line in expected]
    for one, other in zip(found, expected):
        assert one["loss"] == pytest.approx(other["loss"], abs=2e-4)
        assert one.get("validation") == pytest.approx(other.get("validation"), abs=2e-4)


def test_two_processes_learn_what_one_learns_and_report_once(text, alone, tmp_path):
    out = finished(started(2, *options(text, tmp_path / "run")))
    assert_same_losses(figures(tmp_path / "run"), alone)
    assert out.count("done in") == 1 and len(re.findall("held out ", out)) == 5


@pytest.mark.slow
def test_three_processes_learn_what_one_learns(text, alone, tmp_path):
    finished(started(3, *options(text, tmp_path / "run")))
    assert_same_losses(figures(tmp_path / "run"), alone)


def wait_for_checkpoint(folder, process):
    until = time.monotonic() + 120
    while not list((folder / "checkpoints").glob("*.safetensors")):
        assert time.monotonic() < until and process.poll() is None, process.communicate()
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize("after", [1, 3])
def test_a_stopped_run_goes_on_with_another_number_of_processes(text, tmp_path, after):
    run, whole = tmp_path / "run", tmp_path / "whole"
    finished(started(1, *options(text, whole, epochs=30)))
    process = started(2, *options(text, run, epochs=30, save_every=0.01))
    wait_for_checkpoint(run, process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    assert not json.loads((run / "settings.json").read_text())["finished"]
    finished(started(after, "train", "--resume", run))
    assert_same_losses(figures(run)[:20], figures(whole)[:20])


@pytest.mark.slow
def test_a_killed_process_ends_all_with_one_sentence(text, tmp_path):
    run = tmp_path / "run"
    process = started(2, *options(text, run, epochs=3000, save_every=0.01))
    wait_for_checkpoint(run, process)
    children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()
    os.kill(int(children[-1]), signal.SIGKILL)
    out, err = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "Traceback" not in out
    assert "ProcessLost: process 0 of 2 stops, because another one is gone." in err
    assert "unrolled/training" not in err  # no traceback through our lines


def test_more_processes_than_rows_are_refused():
    with pytest.raises(UsageError) as caught:
        check_rows(Team(Part(0, 7)), 6)
    assert str(caught.value) == (
        "7 processes share batches of 6 rows (--batch): give at least one row to each."
    )


def test_a_state_is_woven_from_its_parts_and_cut_again():
    whole = torch.randn(2, 7, 3)
    teams = [Team(Part(rank, 3)) for rank in range(3)]
    parts = [team.own_state((whole,))[0] for team in teams]
    assert [part.shape[1] for part in parts] == [3, 2, 2] and torch.equal(_woven(parts), whole)
