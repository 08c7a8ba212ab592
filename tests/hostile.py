"""Folders of runs with one thing changed, opened, asked, evaluated and resumed in child processes
that have little memory.
"""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file, save_file


def checkpoint(folder):
    return sorted((folder / "checkpoints").iterdir())[-1]


def state_of(file):
    with open(file, "rb") as opened:
        header = json.loads(opened.read(int.from_bytes(opened.read(8), "little")))
    return json.loads(header["__metadata__"]["state"])


ODD = (
    None, True, False, -1, 0, 1, 3, 2**31, 2**63, 2**70, -(2**70), 0.5, -0.0, 1e300, 1e-300, "", "x", "\x00", "\x1b[2J",
    "../../x", "a" * 70_000, "\ud800", math.nan, math.inf, "_" * 9, "\n", [], [[]], [1, 2], {}, {"x": 1}, [None] * 3, "lstm", "float32",
)  # fmt: skip
USES = """
import json, resource, signal, sys, traceback
resource.setrlimit(resource.RLIMIT_AS, (6 * 2**30,) * 2)
import torch
torch.set_num_threads(1)
from unrolled.errors import UnrolledError
from unrolled.runs.run import open_run
from unrolled.training.start import resume

def opened(folder, plan):
    open_run(folder).metrics()

def asked(folder, plan):
    run = open_run(folder)
    for prediction in run.predict(plan["inputs"], run.task.Ask(**plan["ask"])):
        "".join(prediction.pieces())
        json.dumps(prediction.to_json())

def evaluated(folder, plan):
    run = open_run(folder)
    scored, details = run.examine(plan["data"])
    run.task.sentence(scored.figures)
    if details is not None:
        details.text()
        json.dumps(details.to_json())

def resumed(folder, plan):
    resume(folder, quiet=True)

for folder, plan in json.load(sys.stdin):
    for use in (opened, asked, evaluated, resumed):
        signal.alarm(60)  # a use that takes longer ends the process, and is named by what came before it
        try:
            use(folder, plan)
            said = ""
        except UnrolledError as error:
            said = str(error)
        except MemoryError:
            said = "MemoryError"
        except Exception:
            print(json.dumps([folder, use.__name__, traceback.format_exc(limit=-5)]), flush=True)
            continue
        if "\\x1b" in said or len(said) > 2000:
            print(json.dumps([folder, use.__name__, said[:3000]]), flush=True)
    print(json.dumps(folder), flush=True)
"""


class Plan(NamedTuple):
    """What a run is put to: what it is asked, with which options of asking, and the data
    that it is evaluated on.
    """

    inputs: tuple[str, ...]
    ask: dict
    data: Path


def mutated(folder: Path, draw: random.Random) -> str:
    """Change one thing in one file of a run; says what."""
    name = draw.choice(
        ("settings.json",) * 5
        + ("encoding.json",) * 3
        + ("metrics.jsonl", "weights", "checkpoint", "checkpoint")
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


def fuzz(runs: Iterable[tuple[Path, Plan]], room: Path, count: int, seed: int) -> None:
    """`count` copies of each run's folder with one thing changed are put to use in a child process."""
    draw, changed = random.Random(seed), {}
    precious = room / "precious.txt"
    precious.write_text("precious")
    (room / "uses.py").write_text(USES)
    for run, plan in runs:
        for _ in range(count):
            folder = Path(shutil.copytree(run, room / f"run-{len(changed)}"))
            changed[str(folder)] = (f"{run}, {mutated(folder, draw)}", plan)
    _used(room, changed)
    for folder in changed:
        shutil.rmtree(folder)
    assert precious.read_text() == "precious"


def _used(room: Path, changed: dict[str, tuple[str, Plan]]) -> None:
    """Every folder is refused in one sentence, or of use; raises AssertionError with what
    was changed in the others.
    """
    done = subprocess.run(
        [sys.executable, room / "uses.py"],
        input=json.dumps([[folder, plan._asdict()] for folder, (_, plan) in changed.items()], default=str),
        capture_output=True,
        text=True,
        timeout=30 + 10 * len(changed),
        cwd=room,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    said = [json.loads(line) for line in done.stdout.splitlines() if line[:1] in ("[", '"')]
    faults = [f"{changed[each[0]][0]}: {each[1]}\n{each[2]}" for each in said if isinstance(each, list)]
    assert not faults, f"{len(faults)} faults\n" + "\n".join(faults)
    after = [change for folder, (change, _) in changed.items() if folder not in said]
    assert done.returncode == 0 and not after, (
        f"ended by {done.returncode} at: {after[:1]}\n{done.stderr[-3000:]}"
    )
