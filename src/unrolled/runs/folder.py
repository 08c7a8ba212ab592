"""A run's folder: what is in it, and how it is written so that nothing is ever half there.

    settings.json        the task and its options, the cell's graph, seed, threads, and the schedule of steps
    encoding.json        what the model's numbers mean
    weights.safetensors  the best weights so far, by the held-out part
    metrics.jsonl        one line of figures a report
    samples.txt          what the model made as it learned
    start.safetensors    the weights that the first step had, of a run that goes on from another one's
    standard-input       its data, where these were not a file
    profile.json         where the steps' time went, of a run with --profile
    checkpoints/         the last two complete states of training
    tensorboard/         the figures as TensorBoard reads them, of a run with --tensorboard

A folder may be a stranger's. Reading one parses JSON and safetensors: it never executes, imports or unpickles
anything, and opens no other file than these, none of them through a link.
"""

from __future__ import annotations

import errno
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import torch

from ..errors import UnrolledError, UsageError
from ..terminal import printable
from . import files
from .checkpoint import Checkpoint, header_end, state_of
from .settings import MOST, Best, EarlierVersion, Progressed, Reported, Settings, read_record, read_settings

KEPT = 2  # checkpoints
GROWING = ("metrics.jsonl", "samples.txt")
CHECKPOINT = re.compile(r"step-\d{9,15}\.safetensors")
WEIGHTS_MOST = 64 * 2**30  # bytes
LINES_MOST = 2**30
STANDARD_INPUT_FILE = "standard-input"
BLOCK = 2**20  # bytes that are copied at a time


class SaveError(UnrolledError):
    """The disk would not take what was to be saved; everything saved before is intact."""

    exit_code = 1


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run, existing or just made."""

    path: Path

    @classmethod
    def create(cls, path: str | Path | None, name: str) -> RunFolder:
        """Make a new folder: `path`, or the next free runs/NAME-n. Raises UsageError
        if `path` holds anything.
        """
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
        shown = printable(str(path))
        try:
            there, settings = path.is_dir(), "settings.json" in (p.name for p in path.iterdir())
        except (OSError, ValueError) as error:
            if isinstance(error, PermissionError):
                raise UsageError(f"{shown} cannot be read: give a folder you may read.") from None
            there = settings = False
        if not there:
            what = "is a file, not a run's folder" if path.is_file() else "does not exist"
            raise UsageError(f"{shown} {what}: give the folder that `unrolled train` named at its end.")
        if not settings:
            raise UsageError(
                f"{shown} is not a run: it has no settings.json. "
                "Give the folder that `unrolled train` named at its end."
            )
        return cls(path)

    def settings(self) -> Settings:
        """What the run was started with; raises UsageError where the file is damaged or of another version."""
        try:
            return read_settings(files.read(self.path, "settings.json", MOST))
        except EarlierVersion as error:
            raise UsageError(
                f"the run {self._shown} was made by another version of unrolled ({error}): "
                "open it with that version, or train again."
            ) from None
        except (OSError, ValueError) as error:
            raise self.damaged("settings.json", error) from None

    def write_settings(self, settings: Settings) -> None:
        """Replace settings.json, whole or not at all."""
        self.write_json("settings.json", msgspec.to_builtins(settings))

    def read_json(self, name: str) -> Any:
        """The value in one of the run's JSON files."""
        try:
            return msgspec.json.decode(files.read(self.path, name, MOST))
        except (OSError, ValueError, RecursionError) as error:
            raise self.damaged(name, error) from None

    def damaged(self, name: str, reason: object) -> UsageError:
        """The error for a file of this run that cannot be read."""
        why = (reason.strerror if isinstance(reason, OSError) else str(reason)) or type(reason).__name__
        return UsageError(
            f"the run {self._shown} is damaged: {name} cannot be read ({printable(_short(why))}). "
            "Restore that file from a copy, or train again."
        )

    def write_json(self, name: str, value: Any) -> None:
        """Replace one of the run's JSON files, whole or not at all."""
        self._replace(name, (json.dumps(value, indent=1, allow_nan=False) + "\n").encode())

    def save_weights(self, tensors: dict[str, torch.Tensor], state: dict[str, Any]) -> None:
        """Replace weights.safetensors; `state` says where in training they come from."""
        self._replace("weights.safetensors", Checkpoint(tensors, state).to_bytes())

    def weights(self) -> Checkpoint | None:
        """The weights of the run so far; None before the first were written."""
        try:
            found = Checkpoint.of_bytes(files.read(self.path, "weights.safetensors", WEIGHTS_MOST))
            read_record(found.state, Best)
            return found
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise self.damaged("weights.safetensors", error) from None

    def save_start(
        self, tensors: dict[str, torch.Tensor], figures: dict[str, float], loss: float | None
    ) -> None:
        """Keep the weights that the run begins with, where they are another run's, and what they
        reach on its held-out part.
        """
        state = {"step": 0, "figures": figures, "loss": loss}
        self._replace("start.safetensors", Checkpoint(tensors, state).to_bytes())

    def start(self) -> Checkpoint:
        """The weights that the run began with."""
        try:
            found = Checkpoint.of_bytes(files.read(self.path, "start.safetensors", WEIGHTS_MOST))
            read_record(found.state, Best)
            return found
        except (OSError, ValueError) as error:
            raise self.damaged("start.safetensors", error) from None

    def keep_standard_input(self, file: Path) -> None:
        """Take over what was read from standard input."""
        with file.open("rb") as content:
            while block := content.read(BLOCK):
                self._append(STANDARD_INPUT_FILE, block)

    def standard_input(self) -> Path:
        """The file of what was read from standard input; raises UsageError where it is not this run's."""
        try:
            if not files.size(self.path, STANDARD_INPUT_FILE):
                raise ValueError("it is not there")
        except (OSError, ValueError) as error:
            raise self.damaged(STANDARD_INPUT_FILE, error) from None
        return self.path.resolve() / STANDARD_INPUT_FILE

    def tensorboard(self) -> Path:
        """The folder for TensorBoard's files, made where it is not there. Raises UsageError
        where something else is.
        """
        place = self.path / "tensorboard"
        try:
            place.mkdir(exist_ok=True)
            if place.is_symlink():
                raise files.NotAFile("tensorboard is a link")
        except OSError as error:
            raise self.damaged("tensorboard", error) from None
        return place

    def best_figures(self) -> dict[str, float]:
        """The figures of the weights so far; {} before the first were written. The tensors are not read."""
        name = "weights.safetensors"
        try:
            end = header_end(files.read(self.path, name, WEIGHTS_MOST, first=8))
            state = state_of(files.read(self.path, name, WEIGHTS_MOST, first=end))
            return read_record(state, Best).figures
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise self.damaged(name, error) from None

    def save_checkpoint(self, step: int, checkpoint: Checkpoint) -> None:
        """Add a checkpoint and drop all but the last two."""
        self._replace(f"checkpoints/step-{step:09d}.safetensors", checkpoint.to_bytes())
        for old in self.checkpoints()[:-KEPT]:
            files.remove(self.path, f"checkpoints/{old}")

    def last_checkpoint(self) -> tuple[Checkpoint, Progressed] | None:
        """The newest checkpoint that is whole, and what it says; None where none was written.

        Raises UsageError where there are some and all are damaged.
        """
        names = self.checkpoints()
        for name in reversed(names):
            try:
                found = Checkpoint.of_bytes(files.read(self.path, f"checkpoints/{name}", WEIGHTS_MOST))
                return found, read_record(found.state, Progressed)
            except (OSError, ValueError):
                continue  # writes are atomic, so this is a fault of the disk; the one before may be whole
        if names:
            raise UsageError(
                f"the run {self._shown} is damaged: none of its {len(names)} checkpoints can be read. Train"
                " again."
            )
        return None

    def append(self, name: str, text: str) -> None:
        """Add to metrics.jsonl or samples.txt."""
        self._append(name, text.encode("utf-8", "surrogatepass"))

    def _append(self, name: str, content: bytes) -> None:
        try:
            files.append(self.path, name, content)
        except OSError as error:
            raise self._cannot_save(name, error) from None

    def sizes(self) -> dict[str, int]:
        """Bytes in each of the files that grow, to be kept in a checkpoint."""
        try:
            return {name: files.size(self.path, name) for name in GROWING}
        except OSError as error:
            raise self._cannot_save("a file", error) from None

    def cut(self, sizes: dict[str, int]) -> None:
        """Cut the files that grow back to what they were at a checkpoint."""
        for name in GROWING:
            try:
                files.cut(self.path, name, sizes.get(name, 0))
            except OSError as error:
                raise self._cannot_save(name, error) from None

    def metrics(self) -> list[dict[str, Any]]:
        """The figures reported so far; a last line that was cut short is left out."""
        try:
            content = files.read(self.path, "metrics.jsonl", LINES_MOST)
            lines = [
                msgspec.json.decode(line) for line in content.splitlines(keepends=True) if line[-1:] == b"\n"
            ]
            for line in lines:
                read_record(line, Reported)
            return lines
        except FileNotFoundError:
            return []
        except (OSError, ValueError, RecursionError) as error:
            raise self.damaged("metrics.jsonl", error) from None

    def checkpoints(self) -> list[str]:
        """Names of the checkpoints that are there, from the oldest on."""
        try:
            return [name for name in files.names(self.path, "checkpoints") if CHECKPOINT.fullmatch(name)]
        except OSError as error:
            raise self.damaged("checkpoints", error) from None

    @property
    def _shown(self) -> str:
        return printable(str(self.path))

    def _replace(self, name: str, content: bytes) -> None:
        try:
            files.replace(self.path, name, content)
        except OSError as error:
            raise self._cannot_save(name, error) from None

    def _cannot_save(self, name: str, error: OSError) -> SaveError:
        why = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else error.strerror
        last = self.checkpoints() if not isinstance(error, files.NotAFile) else []
        kept = f"{last[-1]} is intact" if last else "no checkpoint was written yet"
        remedy = "Make room" if why == "the disk is full" else "Mend that"
        return SaveError(
            f"{printable(str(self.path / name))} could not be saved: {why}; {kept}. "
            f"{remedy}, then go on with: unrolled train --resume {self._shown}"
        )


def _short(text: str, most: int = 200) -> str:
    return text if len(text) <= most else f"{text[:most]} ..."


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
