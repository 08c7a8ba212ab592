"""What the tests of export share: a layer as an ONNX file in a session, run on tensors and
compared with the layer.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

onnxruntime = pytest.importorskip(
    "onnxruntime", reason="export is checked with onnxruntime: pip install -e '.[bench]'"
)
onnx = pytest.importorskip("onnx", reason="export writes with onnx: pip install -e '.[export]'")

CLOSE = {torch.float32: 1e-5, torch.float64: 1e-9}


def session(path: Path, exact: bool = False):
    """One thread: idle ones of onnxruntime spin. `exact`: without the optimisations that keep
    factors of float64 in float32.
    """
    options = onnxruntime.SessionOptions()
    if exact:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def tensors(value):
    """A tensor, or a tuple of them, however deep, as a flat list."""
    return [value] if isinstance(value, torch.Tensor) else [t for part in value for t in tensors(part)]


def ran(made, x, state, lengths=None) -> list[torch.Tensor]:
    """The file's outputs: y, then the last states."""
    optional = {i.name for i in made.get_overridable_initializers()}
    names = [i.name for i in made.get_inputs() if i.name not in optional]
    names = names if lengths is None else [name for name in names if name != "lengths"]
    given = dict(zip(names, [t.detach().numpy() for t in (*tensors(x), *tensors(state))], strict=True))
    if lengths is not None:
        given["lengths"] = torch.as_tensor(lengths).numpy()
    return [torch.from_numpy(v) for v in made.run(None, given)]


def compare(found, expected, what: str, dtype=torch.float32) -> None:
    for place, (a, b) in enumerate(zip(found, tensors(expected), strict=True)):
        assert a.shape == b.shape, f"{what}, output {place}: {tuple(a.shape)} and not {tuple(b.shape)}"
        off = ((a - b).abs().max() / (1 + b.abs().max())).item() if b.numel() else 0.0
        assert off <= CLOSE[dtype], f"{what}, output {place}: off by {off:.1e}"
