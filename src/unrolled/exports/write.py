"""`export`: a layer or a model as an ONNX file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from ..errors import NotYet, UsageError
from ..layers.recurrent import Recurrent
from ..layers.stacked import Stacked
from .cost import difference, random_inputs, with_rounded
from .matrices import Matrices
from .metadata import metadata_of, package_version
from .modules import ModuleChain, chain_of, per_sequence, reads, write
from .net import OnnxGraph
from .proto import model_of
from .writing import LENGTHS, ModuleWriting, Wire, steps_of


@dataclass(frozen=True)
class Exported:
    """What was written.

    size        bytes of the file
    inputs      names in the file; those that may be left out stand in brackets
    layers      what each recurrent layer became: "LSTM", "GRU", "RNN", "Scan", or
                "equations" where it has no state
    saved       bytes that int8 weights save against float32
    difference  with int8 weights: the largest difference of an output from the model's on random input, and how
                large the model's largest output is there; None otherwise
    part        of a model that is not written whole, which part this is, and what is left out; "" otherwise
    """

    path: Path
    size: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    layers: Mapping[str, str]
    saved: int = 0
    difference: tuple[float, float] | None = None
    part: str = ""

    def __str__(self) -> str:
        lines = [
            f"{self.path}: {self.size:,} bytes",
            f"inputs   {', '.join(self.inputs)}",
            f"outputs  {', '.join(self.outputs)}",
            f"layers   {', '.join(f'{path} {kind}' for path, kind in self.layers.items())}",
        ]
        if self.part:
            lines.insert(1, f"part     {self.part}")
        if self.difference is not None:
            off, largest = self.difference
            lines.append(
                f"int8     {self.saved:,} bytes less; outputs differ by at most {off:.2g} on random input, "
                f"where the largest is {largest:.2g}"
            )
        return "\n".join(lines)


def export(
    model: nn.Module,
    path: str | Path,
    *,
    generic: bool = False,
    lengths: str = "optional",
    indices: bool = False,
    weights: str = "",
    metadata: Mapping[str, object] | None = None,
) -> Exported:
    """Writes a layer or a model as ONNX, for onnxruntime from 1.18 on, in Python, C++,
    JavaScript and elsewhere.

    model     a Recurrent, a Stacked, an LSTM, GRU or RNN (torch.nn's too), or a model that stands on one. It is
              written as in evaluation: without noise and dropout
    path      the file, "m.onnx"
    generic   every cell as a loop over its equations. Otherwise layers whose equations are those of ONNX's
              LSTM, GRU and RNN become these, which are faster
    lengths   "optional": an input that may be left out; "required": for onnxruntime in JavaScript, which cannot
              give one that may be left out; "none": no such input, all rows have all steps, the fastest
    indices   a layer reads whole numbers, which stand for one-hot rows; a model that
              reads characters always does
    weights   "int8": matrices of weights in int8 with a scale for each row: about a quarter of the size, as
              fast; what is returned says what it costs
    metadata  texts to keep in the file, by name, or what JSON can say: vocabulary, names, licence

    In the file, T and B are any numbers from 1 on:

        x         (T, B, I) float, or (T, B) int64; further inputs of a cell under their names, (T,
                  B) where they are numbers
        h_in      each state of the cell by its name, (layers x directions, B, width); zeros to begin with, or
                  what the metadata `first_states` says. A Stacked's are called 0.h_in, 1.h_in, ...
        lengths   (B,) int64: a row's y is zero past it, and its state is that of its last step
        given     (B, K) float, the conditions of a language model that has some
        y         (T, B, H x directions), a language model's logits (T, B, V); (B, T, ·) where
                  the layer is batch_first
        h_out     the states after the last step: the next chunk's h_in

    The numbers are float32 or float64, as the model's are; onnxruntime's LSTM, GRU and RNN are of float32, so
    in float64 every cell is a loop. Source: ONNX operators, opset 17.

    Raises UsageError for arguments that do not fit, where onnx is not installed (pip install
    "unrolled[export]") and where the file cannot be written; NotYet for a module that cannot be written.

        print(export(Recurrent("mgu", 3, 5), "m.onnx"))
    """
    path = _checked_path(path)
    if lengths not in LENGTHS:
        raise UsageError(f"export: lengths={lengths!r} is not known. Give {', '.join(LENGTHS)}.")
    if weights not in ("", "int8"):
        raise UsageError(f'export: weights={weights!r} is not known. Give "int8", or leave it out.')
    dtype = _dtype_of(model)
    if weights and dtype is not torch.float32:
        raise UsageError(
            'export: weights="int8" stand for float32, and the model is float64. Give model.float().'
        )
    if weights and not chain_of(model, indices).steps:
        raise NotYet(
            f'export: weights="int8" of a {type(model).__name__} are not written yet. Leave weights out.'
        )
    net, writing = _written(model, generic, lengths, indices, int8=False)
    cost, whole = None, net.bytes
    if weights:
        kept = _written(model, generic, lengths, indices, int8=True)[1].matrices.kept
        other = with_rounded(model, kept)
        cost = difference(model, other, random_inputs(chain_of(model, indices), dtype), indices)
        net, writing = _written(other, generic, lengths, indices, int8=True)
    told = metadata_of(writing.cells, writing.starts, metadata or {})
    data = model_of(net, type(model).__name__, told, ("unrolled", package_version()))
    _put(path, data)
    return Exported(
        path,
        len(data),
        tuple(f"[{p.name}]" if p.name in net.constants else p.name for p in net.ordered_inputs),
        tuple(p.name for p in net.outputs),
        writing.made,
        whole - net.bytes,
        cost,
        chain_of(model, indices).part,
    )


def _written(
    model: nn.Module, generic: bool, lengths: str, indices: bool, int8: bool
) -> tuple[OnnxGraph, ModuleWriting]:
    net, chain = OnnxGraph(_dtype_of(model)), chain_of(model, indices)
    batch_first = getattr(chain.modules[0], "batch_first", False)
    given = _inputs(net, chain, batch_first)
    own = {id(t) for t in (*model.parameters(), *model.buffers())}
    writing = ModuleWriting(
        net, steps_of(net, given[0].name, batch_first, lengths), Matrices(net, int8, own), generic, chain.keeps
    )
    names = {id(module): f"{name}." if name else "" for name, module in model.named_modules()}
    recurrent = [m for m in chain.modules if isinstance(m, (Recurrent, Stacked, nn.RNNBase))]
    for module in chain.modules:
        path = names[id(module)]
        given = [write(writing, module, given, path, path if len(recurrent) > 1 else "")]
    axes = ("batch", "time") if batch_first else ("time", "batch")
    net.output(chain.gives, given[0].name, net.dtype, (*(axes if chain.steps else ["batch"]), given[0].width))
    net.outputs.insert(0, net.outputs.pop())
    return net, writing


def _inputs(net: OnnxGraph, chain: ModuleChain, batch_first: bool) -> list[Wire]:
    """The file's first inputs: what the chain's first module reads."""
    axes = ("batch", "time") if batch_first else ("time", "batch")
    (name, width), *more = reads(chain.modules[0])
    name = chain.reads if len(chain.modules) > 1 else name
    first = (torch.int64, axes) if chain.indices else (net.dtype, (*axes, width))
    made = [Wire(net.input(name, *first), width, chain.indices)]
    for name, width in more:
        whole = per_sequence(chain.modules[0], name)
        shape = ("batch", width) if whole else axes if width == 1 else (*axes, width)
        made.append(Wire(net.input(name, net.dtype, shape), width, number=width == 1 and not whole))
    return made


def _dtype_of(model: nn.Module) -> torch.dtype:
    if not isinstance(model, nn.Module):
        raise UsageError(f"export takes a layer or a model, and got a {type(model).__name__}.")
    kinds = {t.dtype for t in (*model.parameters(), *model.buffers()) if t.is_floating_point()}
    if len(kinds) > 1 or kinds - {torch.float32, torch.float64}:
        shown = ", ".join(sorted(str(k).removeprefix("torch.") for k in kinds))
        raise UsageError(f"export: the model's numbers are {shown}. Give model.float() or model.double().")
    return kinds.pop() if kinds else torch.get_default_dtype()


def _checked_path(path: str | Path) -> Path:
    path = Path(path)
    if path.is_dir() or not path.parent.is_dir():
        what = "is a folder" if path.is_dir() else f"lies in {path.parent}, which is not a folder"
        raise UsageError(f"export: {path} {what}. Give the name of a file, for instance m.onnx.")
    return path


def _put(path: Path, data: bytes) -> None:
    """Writes beside the place and then renames, so that an older file stays whole until the new one is."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(data)
        os.replace(beside, path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise UsageError(f"export: {path} cannot be written: {error.strerror}.") from None
