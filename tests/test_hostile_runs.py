"""A run's folder from a stranger: refused in one sentence, or the same run as before; nothing
else happens to anybody.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from char_lm import char_lm
from hostile import checkpoint, state_of
from safetensors.torch import load_file, save_file

from unrolled.errors import UnrolledError, UsageError
from unrolled.runs.folder import SaveError
from unrolled.runs.run import open_run
from unrolled.training.start import resume, train

pytestmark = pytest.mark.usefixtures("one_thread")
VERSE = "the quick brown fox jumps over the lazy dog.\n"


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A run that was stopped after its second evaluation, with checkpoints, and its text."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "verse.txt").write_text(VERSE * 30)
    task = char_lm(text=folder / "verse.txt", hidden=6, layers=1, batch=4, span=8, dropout=0.0)
    run = train(task, epochs=1, out=folder / "run", save_every=1e-9, quiet=True)
    settings = json.loads((run.folder / "settings.json").read_text()) | {"finished": False}
    (run.folder / "settings.json").write_text(json.dumps(settings))
    last = sorted((run.folder / "checkpoints").iterdir())[-1]
    last.unlink()  # so that there is a step to go on with
    return run.folder


@pytest.fixture
def copied(stopped, tmp_path):
    return Path(shutil.copytree(stopped, tmp_path / "run"))


def rewrite(folder, change):
    """The last checkpoint with other tensors or another state; the one before goes."""
    for old in sorted((folder / "checkpoints").iterdir())[:-1]:
        old.unlink()
    file = checkpoint(folder)
    tensors, state = load_file(file), state_of(file)
    change(tensors, state)
    save_file(tensors, file, metadata={"state": json.dumps(state)})


def test_the_untouched_copy_goes_on(copied):
    assert resume(copied, quiet=True).finished


# --- tensors --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("optimiser.0.exp_avg", torch.zeros(1)),
        ("optimiser.0.exp_avg_sq", torch.zeros(10_000)),
        ("optimiser.0.exp_avg", torch.zeros(6, 27, dtype=torch.float64)),
        ("optimiser.0.step", torch.zeros(4)),
        ("optimiser.99.exp_avg", torch.zeros(1)),
        ("optimiser.-1.exp_avg", torch.zeros(1)),
        ("optimiser.0.other", torch.zeros(1)),
        ("optimiser.0", torch.zeros(1)),
        ("model.head.weight", torch.zeros(2, 2)),
        ("model.extra", torch.zeros(2, 2)),
        ("state.0", torch.zeros(1, 4, 5)),
        ("state.0", torch.zeros(1, 4, 6, dtype=torch.int64)),
        ("state.7", torch.zeros(1, 4, 6)),
        ("random", torch.zeros(7, dtype=torch.uint8)),
        ("random", torch.zeros(5056)),
        ("random", torch.full((5056,), 255, dtype=torch.uint8)),
    ],
)
def test_every_tensor_of_a_checkpoint_is_one_that_training_would_have_written(copied, name, tensor):
    rewrite(copied, lambda tensors, state: tensors.__setitem__(name, tensor))
    with pytest.raises(UsageError, match="the last checkpoint cannot be read"):
        resume(copied, quiet=True)


def test_weights_of_a_giant_are_refused_before_there_is_memory_for_it(copied):
    """Names and shapes are compared on the meta device first."""
    settings = json.loads((copied / "settings.json").read_text())
    settings["options"]["net"]["hidden"] = 2_000_000
    (copied / "settings.json").write_text(json.dumps(settings))
    with pytest.raises(UsageError, match="weights.safetensors cannot be read"):
        open_run(copied)
    with pytest.raises(UsageError):
        resume(copied, quiet=True)


@pytest.mark.parametrize("wrong", ["shape", "figures", "kind"])
def test_weights_that_no_evaluation_replaces_are_checked_at_the_end(copied, wrong):
    """A checkpoint may claim a figure that nothing reaches; what was said to be the best then stays."""
    rewrite(copied, lambda tensors, state: state.__setitem__("best", -1e9))
    file = copied / "weights.safetensors"
    tensors, state = load_file(file), state_of(file)
    if wrong == "shape":
        tensors["head.weight"] = torch.zeros(2, 2)
    state["figures"] = {"figures": {"x": 1.0}, "kind": "x"}.get(wrong, state["figures"])
    save_file(tensors, file, metadata={"state": json.dumps(state)})
    with pytest.raises(UsageError, match="weights.safetensors cannot be read"):
        resume(copied, quiet=True)


# --- files ----------------------------------------------------------------------------------------------------


def test_sizes_name_no_other_file(copied, tmp_path):
    precious = tmp_path / "precious.txt"
    precious.write_text("precious")
    for name in ("../precious.txt", str(precious)):
        rewrite(copied, lambda tensors, state, name=name: state["sizes"].__setitem__(name, 0))
        with contextlib.suppress(UsageError):  # a name of more than 64 letters is refused
            resume(shutil.copytree(copied, tmp_path / f"run{len(name)}"), quiet=True)
        assert precious.read_text() == "precious"


@pytest.mark.skipif(not hasattr(os, "symlink") or os.name == "nt", reason="a system without symbolic links")
@pytest.mark.parametrize("name", ["metrics.jsonl", "samples.txt"])
@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_link_is_not_written_through(copied, tmp_path, name, link):
    precious = tmp_path / "precious.txt"
    precious.write_text("precious " * 10_000)
    (copied / name).unlink()
    link(precious, copied / name)
    with pytest.raises(SaveError, match=f"{name} (is a link|is a file that also has another name)"):
        resume(copied, quiet=True)
    assert precious.read_text() == "precious " * 10_000


def test_what_is_written_aside_goes_through_no_link(copied, tmp_path):
    precious = tmp_path / "precious.txt"
    precious.write_text("precious")
    for name in ("settings.json.part", "weights.safetensors.part"):
        os.symlink(precious, copied / name)
    assert resume(copied, quiet=True).finished
    assert precious.read_text() == "precious"


def test_a_linked_folder_of_checkpoints_is_refused(copied, tmp_path):
    elsewhere = Path(shutil.move(copied / "checkpoints", tmp_path / "elsewhere"))
    os.symlink(elsewhere, copied / "checkpoints")
    before = sorted(elsewhere.iterdir())
    with pytest.raises(UnrolledError, match="checkpoints is a link or a file"):
        resume(copied, quiet=True)
    assert sorted(elsewhere.iterdir()) == before


@pytest.mark.parametrize("name", ["settings.json", "encoding.json", "weights.safetensors", "metrics.jsonl"])
def test_a_pipe_or_a_folder_in_place_of_a_file_is_named(copied, name):
    (copied / name).unlink()
    os.mkfifo(copied / name)
    for _ in range(2):
        with pytest.raises(UnrolledError, match=name.replace(".", r"\.")):
            open_run(copied).metrics()
        if (copied / name).is_fifo():
            (copied / name).unlink()
            (copied / name).mkdir()


# --- terminal -------------------------------------------------------------------------------------------------


def test_what_a_folder_says_does_not_steer_the_terminal(copied):
    escape = "\x1b[2J\x1b]0;owned\x07"
    for key in ("task", "digest", "versions"):
        settings = json.loads((copied / "settings.json").read_text())
        settings[key] = {escape: escape} if key == "versions" else escape
        (copied / "settings.json").write_text(json.dumps(settings))
        with pytest.raises(UnrolledError) as caught:
            resume(copied, quiet=True)
        assert "\x1b" not in str(caught.value)
