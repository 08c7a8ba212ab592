"""A run's folder: what is in it, and how it is written so that nothing is ever half there.

    settings.json        the task and its options, the cell's graph, seed, threads, and the plan of steps
    vocabulary.json      what the model's indices mean
    weights.safetensors  the best weights so far, by validation
    metrics.jsonl        one line of figures a report
    samples.txt          what the model wrote as it learned
    profile.json         where the steps' time went, of a run with --profile
    checkpoints/         the last two complete states of training

Reading a folder only parses JSON and safetensors: it never executes, imports or unpickles anything.
"""

from __future__ import annotations

import errno
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from .errors import UnrolledError, UsageError

KEPT = 2  # checkpoints


class SaveError(UnrolledError):
    """The disk would not take what was to be saved; everything saved before is intact."""

    exit_code = 1


@dataclass(frozen=True)
class Checkpoint:
    """A complete state of training: named tensors, and a small JSON value."""

    tensors: dict[str, torch.Tensor]
    state: dict


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run, existing or just made."""

    path: Path

    @classmethod
    def create(cls, path: str | Path | None, name: str) -> RunFolder:
        """Make a new folder: `path`, or the next free runs/NAME-n. Raises UsageError if `path` holds anything."""
        if path is None:
            return cls(_next_free(Path("runs"), name))
        path = Path(path)
        try:
            if path.exists() and not path.is_dir():
                raise UsageError(f"--out {path} is a file: give the name of a new folder.")
            if path.is_dir() and any(path.iterdir()):
                raise UsageError(
                    f"--out {path} already holds files: give another folder, "
                    f"or go on with that run: unrolled train --resume {path}"
                )
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"--out {path} cannot be made ({error.strerror}): give a folder you may write."
            ) from None
        return cls(path)

    @classmethod
    def open(cls, path: str | Path) -> RunFolder:
        """An existing run. Raises UsageError where there is none."""
        path = Path(path)
        if not path.is_dir():
            what = "is a file, not a run's folder" if path.exists() else "does not exist"
            raise UsageError(f"{path} {what}: give the folder that `unrolled train` named at its end.")
        if not (path / "settings.json").is_file():
            raise UsageError(
                f"{path} is not a run: it has no settings.json. "
                "Give the folder that `unrolled train` named at its end."
            )
        return cls(path)

    def settings(self) -> dict:
        """What the run was started with; raises UsageError where the file is damaged."""
        settings = self.read_json("settings.json")
        if not isinstance(settings, dict):
            raise self.damaged("settings.json", "not an object")
        return settings

    def read_json(self, name: str) -> dict | list:
        """The value in one of the run's JSON files."""
        try:
            return json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise self.damaged(name, error) from None

    def damaged(self, name: str, reason: object) -> UsageError:
        """The error for a file of this run that cannot be read."""
        why = (reason.strerror if isinstance(reason, OSError) else str(reason)) or type(reason).__name__
        return UsageError(
            f"the run {self.path} is damaged: {name} cannot be read ({why}). "
            "Restore that file from a copy, or train again."
        )

    def write_json(self, name: str, value: dict | list) -> None:
        """Replace one of the run's JSON files, whole or not at all."""
        self._replace(name, (json.dumps(value, indent=1, allow_nan=False) + "\n").encode())

    def save_weights(self, tensors: dict[str, torch.Tensor], state: dict) -> None:
        """Replace weights.safetensors; `state` says where in training they come from."""
        self._replace("weights.safetensors", _serialise(Checkpoint(tensors, state)))

    def weights(self) -> Checkpoint | None:
        """The weights of the run so far; None before the first were written."""
        file = self.path / "weights.safetensors"
        if not file.exists():
            return None
        try:
            return _load(file)
        except (OSError, ValueError, SafetensorError) as error:
            raise self.damaged(file.name, error) from None

    def save_checkpoint(self, step: int, checkpoint: Checkpoint) -> None:
        """Add a checkpoint and drop all but the last two."""
        self._replace(f"checkpoints/step-{step:09d}.safetensors", _serialise(checkpoint))
        for old in self._checkpoints()[:-KEPT]:
            old.unlink(missing_ok=True)

    def last_checkpoint(self) -> Checkpoint | None:
        """The newest checkpoint that is whole; None where none was written.

        Raises UsageError where there are some and all are damaged.
        """
        files = self._checkpoints()
        for file in reversed(files):
            try:
                return _load(file)
            except (OSError, ValueError, SafetensorError):
                continue  # writes are atomic, so this is a fault of the disk; the one before may be whole
        if files:
            raise UsageError(
                f"the run {self.path} is damaged: none of its {len(files)} checkpoints can be read. "
                "Train again."
            )
        return None

    def append(self, name: str, text: str) -> None:
        """Add to metrics.jsonl or samples.txt."""
        try:
            with open(self.path / name, "a", encoding="utf-8", newline="") as file:
                file.write(text)
        except OSError as error:
            raise self._cannot_save(name, error) from None

    def sizes(self) -> dict[str, int]:
        """Bytes in each of the files that grow, to be kept in a checkpoint."""
        files = [self.path / name for name in ("metrics.jsonl", "samples.txt")]
        return {file.name: file.stat().st_size if file.exists() else 0 for file in files}

    def cut(self, sizes: dict[str, int]) -> None:
        """Cut the files that grow back to what they were at a checkpoint."""
        for name, size in sizes.items():
            if (self.path / name).exists():
                os.truncate(self.path / name, min(size, (self.path / name).stat().st_size))

    def metrics(self) -> list[dict]:
        """The figures reported so far; a last line that was cut short is left out."""
        file = self.path / "metrics.jsonl"
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True) if file.exists() else []
        try:
            return [json.loads(line) for line in lines if line.endswith("\n")]
        except ValueError as error:
            raise self.damaged(file.name, error) from None

    def _checkpoints(self) -> list[Path]:
        return sorted((self.path / "checkpoints").glob("step-*.safetensors"))

    def _replace(self, name: str, content: bytes) -> None:
        """Write aside, flush to the disk, rename: a reader sees the old file or the new one, never a part."""
        target = self.path / name
        aside = target.with_name(target.name + ".part")
        try:
            target.parent.mkdir(exist_ok=True)  # checkpoints/, the first time
            with open(aside, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(aside, target)
            _flush_folder(target.parent)
        except OSError as error:
            with suppress(OSError):
                aside.unlink(missing_ok=True)
            raise self._cannot_save(name, error) from None

    def _cannot_save(self, name: str, error: OSError) -> SaveError:
        why = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else error.strerror
        last = self._checkpoints()
        kept = f"{last[-1].name} is intact" if last else "no checkpoint was written yet"
        return SaveError(
            f"{self.path / name} could not be saved: {why}; {kept}. "
            f"Make room, then go on with: unrolled train --resume {self.path}"
        )


def _next_free(folder: Path, name: str) -> Path:
    number = 1
    while True:
        path = folder / f"{name}-{number}"
        try:
            path.mkdir(parents=True)  # fails if another process was faster
            return path
        except FileExistsError:
            number += 1
        except OSError as error:
            raise UsageError(
                f"{path} cannot be made ({error.strerror}): give a folder you may write, with --out DIR."
            ) from None


def _serialise(checkpoint: Checkpoint) -> bytes:
    tensors = {name: tensor.detach().contiguous().clone() for name, tensor in checkpoint.tensors.items()}
    return save(tensors, metadata={"state": json.dumps(checkpoint.state)})


def _load(file: Path) -> Checkpoint:
    with safe_open(file, framework="pt") as stored:
        state = json.loads((stored.metadata() or {}).get("state", "{}"))
        return Checkpoint({name: stored.get_tensor(name) for name in stored.keys()}, state)


def _flush_folder(folder: Path) -> None:
    """Make a rename last through a power cut, where the system can open folders."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
