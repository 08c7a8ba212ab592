"""A written net as ONNX's own data: the only place that needs the package onnx."""

from __future__ import annotations

from collections.abc import Mapping

import numpy
import torch

from ..errors import UsageError
from .net import OnnxGraph, Operator, Port

OPSET, IR = 17, 8  # what onnxruntime from 1.13 on runs; nothing newer is used
NUMPY = {
    torch.float32: numpy.float32,
    torch.float64: numpy.float64,
    torch.int64: numpy.int64,
    torch.int32: numpy.int32,
    torch.int8: numpy.int8,
    torch.bool: numpy.bool_,
}


def model_of(net: OnnxGraph, name: str, metadata: Mapping[str, str], producer: tuple[str, str]) -> bytes:
    """The bytes of an ONNX file, checked. `producer`: a name and its version.

    Raises UsageError where onnx is not installed.
    """
    onnx = _onnx()
    model = onnx.helper.make_model(
        _graph(onnx, net, name),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR,
        producer_name=producer[0],
        producer_version=producer[1],
    )
    onnx.helper.set_model_props(model, dict(metadata))
    if model.ByteSize() >= 2**31:
        raise UsageError("the model has 2 GiB or more, which one ONNX file cannot hold.")
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def _onnx():
    try:
        import onnx
        import onnx.checker
        import onnx.helper
        import onnx.numpy_helper
    except ImportError:
        raise UsageError(
            "export writes ONNX with the package onnx, which is not installed. "
            'Install it: pip install "unrolled[export]"'
        ) from None
    return onnx


def _graph(onnx, net: OnnxGraph, name: str, body: bool = False):
    return onnx.helper.make_graph(
        [_node(onnx, operator) for operator in net.operators],
        name,
        [_port(onnx, port) for port in net.ordered_inputs],
        [_port(onnx, port) for port in net.outputs],
        []
        if body
        else [onnx.numpy_helper.from_array(value.numpy(), made) for made, value in net.constants.items()],
    )


def _port(onnx, port: Port):
    return onnx.helper.make_tensor_value_info(port.name, _type(onnx, port.dtype), list(port.shape))


def _type(onnx, dtype: torch.dtype) -> int:
    return onnx.helper.np_dtype_to_tensor_dtype(numpy.dtype(NUMPY[dtype]))


def _node(onnx, operator: Operator):
    made = onnx.helper.make_node(
        operator.kind, operator.inputs, operator.outputs, name=f"{operator.kind} {operator.outputs[0]}"
    )
    for key, value in operator.attributes.items():
        if isinstance(value, OnnxGraph):
            value = _graph(onnx, value, f"{operator.kind} body", body=True)
        elif isinstance(value, torch.dtype):
            value = _type(onnx, value)
        made.attribute.append(onnx.helper.make_attribute(key, value))
    return made
