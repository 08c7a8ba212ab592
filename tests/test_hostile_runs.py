"""A run's folder from a stranger: refused in one sentence, or the same run as before; nothing else happens to anybody."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from char_lm import char_lm
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


def checkpoint(folder):
    return sorted((folder / "checkpoints").iterdir())[-1]


def state_of(file):
    with open(file, "rb") as opened:
        header = json.loads(opened.read(int.from_bytes(opened.read(8), "little")))
    return json.loads(header["__metadata__"]["state"])


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


# --- tensors ---------------------------------------------------------------------------------------------------


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


# --- files -----------------------------------------------------------------------------------------------------


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


# --- terminal --------------------------------------------------------------------------------------------------


def test_what_a_folder_says_does_not_steer_the_terminal(copied):
    escape = "\x1b[2J\x1b]0;owned\x07"
    for key in ("task", "digest", "versions"):
        settings = json.loads((copied / "settings.json").read_text())
        settings[key] = {escape: escape} if key == "versions" else escape
        (copied / "settings.json").write_text(json.dumps(settings))
        with pytest.raises(UnrolledError) as caught:
            resume(copied, quiet=True)
        assert "\x1b" not in str(caught.value)


# --- anything else ---------------------------------------------------------------------------------------------

ODD = (
    None, True, False, -1, 0, 1, 3, 2**31, 2**63, 2**70, -(2**70), 0.5, -0.0, 1e300, 1e-300, "", "x", "\x00", "\x1b[2J",
    "../../x", "a" * 70_000, [], [[]], [1, 2], {}, {"x": 1}, [None] * 3, "lstm", "float32",
)  # fmt: skip
USES = """
import sys, json
import torch
torch.set_num_threads(1)
from unrolled.errors import UnrolledError
from unrolled.models.writing import Writing
from unrolled.runs.run import open_run
from unrolled.training.start import resume
for folder in sys.argv[1:]:
    for use in ("open", "resume"):
        try:
            if use == "open":
                run = open_run(folder)
                run.metrics()
                text = "".join(piece for p in run.predict((), Writing(length=20)) for piece in p.pieces())
                run.evaluate(sys.argv[0])
                said = "opened"
            else:
                resume(folder, quiet=True)
                said = "resumed"
        except UnrolledError as error:
            said = str(error)
        except MemoryError as error:
            said = "MemoryError"
        assert "\\x1b" not in said and len(said) < 2000, said
        print(json.dumps([folder, use, said]), flush=True)
"""


def mutated(folder: Path, draw: random.Random) -> str:
    """Change one thing in one file of a run; says what."""
    name = draw.choice(
        ("settings.json",) * 5 + ("encoding.json", "metrics.jsonl", "weights", "checkpoint", "checkpoint")
    )
    if name in ("weights", "checkpoint"):
        file = folder / "weights.safetensors" if name == "weights" else checkpoint(folder)
        return _spoil_tensors(file, draw)
    file = folder / name
    if draw.random() < 0.15:
        content = bytearray(file.read_bytes())
        for _ in range(draw.choice((1, 1, 3, 20))):
            content[draw.randrange(len(content))] = draw.randrange(256)
        file.write_bytes(content[: draw.choice((len(content), len(content) // 2))])
        return f"{name}: bytes"
    if name == "metrics.jsonl":
        file.write_text(json.dumps(draw.choice(ODD)) + "\n")
        return "metrics.jsonl: a line"
    stored = json.loads(file.read_text())
    where = _change(stored, draw)
    file.write_text(json.dumps(stored))
    return f"{name}: {where}"


def _change(value, draw: random.Random, trail: str = "$") -> str:
    """Exchange, drop, double or add a value somewhere inside."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = draw.choice(keys)
    inner = value[key]
    if isinstance(inner, (dict, list)) and inner and draw.random() < 0.85:
        return _change(inner, draw, f"{trail}.{key}")
    how = draw.choice(("odd", "odd", "odd", "drop", "double"))
    if how == "drop":
        del value[key]
    elif how == "double" and isinstance(value, list):
        value.append(inner)
    elif isinstance(inner, int) and not isinstance(inner, bool) and draw.random() < 0.5:
        value[key] = inner + draw.choice((-2, -1, 1, 2, 1000))
    else:
        value[key] = draw.choice(ODD)
    return f"{trail}.{key} {how}"


def _spoil_tensors(file: Path, draw: random.Random) -> str:
    tensors, state = load_file(file), state_of(file)
    name = draw.choice(list(tensors))
    how = draw.choice(("shape", "type", "nan", "drop", "state", "bytes"))
    if how == "bytes":
        content = bytearray(file.read_bytes())
        content[draw.randrange(len(content))] = draw.randrange(256)
        file.write_bytes(content[: draw.choice((len(content), draw.randrange(len(content))))])
        return f"{file.name}: a byte"
    if how == "state":
        _change(state, draw)
    elif how == "drop":
        del tensors[name]
    elif how == "nan" and tensors[name].is_floating_point():
        tensors[name].fill_(float("nan"))
    elif how == "type":
        tensors[name] = tensors[name].to(draw.choice((torch.float64, torch.int32, torch.bool)))
    else:
        tensors[name] = torch.zeros(draw.choice(((), (1,), (0,), (3, 3), (10_000,))), dtype=tensors[name].dtype)
    save_file(tensors, file, metadata={"state": json.dumps(state)})
    return f"{file.name}: {name} {how}"


def fuzz(stopped: Path, room: Path, count: int, seed: int) -> None:
    """`count` folders with one thing changed are opened, sampled, evaluated and resumed in child processes."""
    draw, (batch, each) = random.Random(seed), (0, 50)
    precious = room / "precious.txt"
    precious.write_text("precious")
    (room / "uses.py").write_text(USES)
    while batch < count:
        room_of = {}
        for number in range(batch, min(count, batch + each)):
            folder = Path(shutil.copytree(stopped, room / f"run-{number}"))
            room_of[str(folder)] = mutated(folder, draw)
        _used(room, room_of)
        for folder in room_of:
            shutil.rmtree(folder)
        batch += each
    assert precious.read_text() == "precious"


def _used(room: Path, changes: dict[str, str]) -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_AS, (6 * 2**30,) * 2)\n"
    (room / "uses.py").write_text(limit + USES)
    done = subprocess.run(
        [sys.executable, room / "uses.py", *changes],
        capture_output=True,
        text=True,
        timeout=20 + 6 * len(changes),
        cwd=room,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    at = f"after {lines[-1] if lines else None}; changed: {changes}"
    assert done.returncode == 0, f"{done.stderr[-3000:]} {at}"
    assert len(lines) == 2 * len(changes)


def test_two_hundred_folders_with_one_thing_changed(stopped, tmp_path):
    fuzz(stopped, tmp_path, 200, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 12))
def test_two_thousand_folders_with_one_thing_changed(stopped, tmp_path, seed):
    fuzz(stopped, tmp_path, 200, seed)
