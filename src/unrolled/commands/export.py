"""`unrolled export RUN`: a trained model as ONNX."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from ..exports import write
from ..runs.run import open_run
from ..terminal import say
from .options import Flag, Json, Positional, parse


@dataclass(frozen=True)
class Exporting:
    """How a model is written as ONNX."""

    out: Path | None = None
    """the file; RUN/model.onnx without it. Of a translator two: RUN/model.encoder.onnx
    and RUN/model.decoder.onnx"""
    weights: Literal["float", "int8"] = "float"
    """float as they are, or int8: a quarter of the bytes, and what that costs is said"""
    generic: Flag = False
    """every layer as a loop over its equations, also where ONNX has an operator for it"""
    lengths: Literal["optional", "required", "none"] = "optional"
    """whether rows of unequal length can be told apart: an input with a default, one without, or none"""


def command(name: str, arguments: list[str]) -> None:
    return parse(export, f"unrolled {name}", arguments)


def export(run: Positional[Path], options: Exporting, as_json: Json = False) -> None:
    """Write a trained model as ONNX, for onnxruntime in any language.

    Args:
        run: the run's folder
        options: how
        as_json: print one JSON object
    """
    trained = open_run(run)
    exported = write.export(
        trained.model,
        options.out or run / "model.onnx",
        generic=options.generic,
        lengths=options.lengths,
        weights="int8" if options.weights == "int8" else "",
        metadata={"task": trained.task.name, **trained.encoding.to_json()},
    )
    say(json.dumps(asdict(exported), default=str) if as_json else str(exported))
