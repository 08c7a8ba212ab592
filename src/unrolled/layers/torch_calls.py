"""One call, on our kernels, of a layer that has torch.nn's parameters: what fits, and
torch's input and result.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout
from torch.nn.utils.rnn import PackedSequence

from ..cell import Cell
from ..errors import ShapeError
from ..kernels.gate import PLAIN
from .check import DEEPEST
from .lengths import PackedRows, all_rows, packed_rows
from .stack import LayerStack, State, run_stack, stack_of
from .tracers import as_node, exports_onnx, is_proxy
from .watch import watcher_of
from .weights import Named


def stack_like(layer: nn.RNNBase, cell: Cell) -> LayerStack:
    """What a layer of torch's sizes runs on."""
    above = layer.hidden_size * (2 if layer.bidirectional else 1)
    sizes = tuple(
        {"I": above if k else layer.input_size, "H": layer.hidden_size} for k in range(layer.num_layers)
    )
    return stack_of(cell.graph, sizes, layer.hidden_size, layer.bidirectional, "auto")


def refuse_projection(proj_size: object) -> None:
    """torch.nn's answer to an argument that only its LSTM has."""
    if proj_size is not None:
        raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")


def check_depth(num_layers: object) -> None:
    """torch.nn makes one layer after the other, for as long as it takes."""
    if isinstance(num_layers, int) and num_layers > DEEPEST:
        raise ValueError(f"num_layers={num_layers} is too many. Give {DEEPEST} or fewer.")


def call_as_torch(layer: nn.RNNBase, x, hx, states: int):
    """The layer's forward pass: on our kernels, or by torch.nn's own where they do not fit."""
    if is_proxy(x):
        return as_node(layer, x, hx)
    given = hx if hx is None or states > 1 and isinstance(hx, (tuple, list)) else (hx,)
    if hx is not None and not (len(given) == states and all(isinstance(s, Tensor) for s in given)):
        raise RuntimeError(
            f"{layer._get_name()} got a state of {_shown(hx)}. Give"
            f" {'(h, c), two tensors' if states > 1 else 'h, one tensor'}."
        )
    if layer.proj_size or torch.jit.is_tracing() or exports_onnx():
        return layer.torch_forward(x, hx)
    current = _current(layer)
    if not fits(layer, current, x, given, states):
        return layer.torch_forward(x, hx)
    try:
        y, state = run_as_torch(layer, current, x, given, states)
    except (ShapeError, RuntimeError):
        _check_shapes(layer, current)
        raise
    return y, (tuple(state) if states > 1 else state[0])


def fits(
    layer: nn.RNNBase, current: list[Tensor], x: object, state: Sequence[Tensor] | None, states: int
) -> bool:
    """Whether the call is one that our kernels run; torch.nn answers the others, with
    its errors for wrong ones.
    """
    packed = isinstance(x, PackedSequence)
    data = x.data if packed else x
    weight = current[0]
    if (
        not isinstance(data, Tensor)
        or data.layout is not torch.strided
        or data.is_nested
        or data.device.type != "cpu"
        or weight.device.type != "cpu"
    ):
        return False
    if not torch.compiler.is_compiling() and (type(weight) not in PLAIN or type(data) not in PLAIN):
        return False  # ExpandedWeight and others have ways of their own, which torch.nn knows
    kind = weight.dtype
    if kind is not torch.float32 and kind is not torch.float64:
        return False
    mixed = _mixes(kind)
    if data.dtype is not kind and not (mixed and data.dtype is torch.bfloat16):
        return False
    if mixed and torch.get_autocast_dtype("cpu") is not torch.bfloat16:
        return False
    if data.dim() != (2 if packed else 3) and (packed or data.dim() != 2):
        return False
    if data.shape[-1] != layer.input_size:
        return False
    if not data.numel():
        # An empty batch is torch's; but what torch compiles of one divides by zero.
        return torch.compiler.is_compiling()
    return state is None or _state_fits(layer, x, state, mixed)


def _shown(hx: object) -> str:
    return f"{len(hx)} parts" if isinstance(hx, (tuple, list)) else f"type {type(hx).__name__}"


def _check_shapes(layer: nn.RNNBase, current: list[Tensor]) -> None:
    """RuntimeError where somebody put a tensor of another shape into the layer; torch.nn's LSTM
    would read past its end.
    """
    due = _shapes(
        layer.mode,
        layer.input_size,
        layer.hidden_size,
        layer.num_layers,
        layer.bidirectional,
        layer.proj_size,
        layer.bias,
    )
    if [w.shape for w in current] == due:
        return
    for name, tensor, shape in zip(layer._flat_weights_names, current, due):
        if tensor.shape != shape:
            raise RuntimeError(
                f"{layer._get_name()}'s {name} has shape {tuple(tensor.shape)}, and the layer was made with"
                f" {shape}. Give one of that shape, or make a layer of other sizes."
            )


def _shapes(mode: str, width: int, hidden: int, layers: int, both: bool, projected: int, bias: bool):
    """Of a layer's tensors, in torch.nn's order."""
    rows, out, found = {"LSTM": 4, "GRU": 3}.get(mode, 1) * hidden, projected or hidden, []
    for layer in range(layers):
        below = width if not layer else out * (2 if both else 1)
        one = [
            (rows, below),
            (rows, out),
            *([(rows,)] * 2 if bias else []),
            *([(projected, hidden)] if projected else []),
        ]
        found += one * (2 if both else 1)
    return found


def _state_fits(layer: nn.RNNBase, x, state: Sequence[Tensor], mixed: bool) -> bool:
    count = layer.num_layers * (2 if layer.bidirectional else 1)
    if isinstance(x, PackedSequence):
        shape = (count, int(x.batch_sizes[0]), layer.hidden_size)
    elif x.dim() == 2:
        shape = (count, layer.hidden_size)
    else:
        shape = (count, x.shape[0 if layer.batch_first else 1], layer.hidden_size)
    kinds = (x.data.dtype, torch.float32, torch.bfloat16) if mixed else (x.data.dtype,)
    return all(
        s.layout is torch.strided
        and not s.is_nested
        and s.shape == shape
        and s.dtype in kinds
        and s.device.type == "cpu"
        for s in state
    )


def run_as_torch(layer: nn.RNNBase, current: list[Tensor], x, hx: Sequence[Tensor] | None, states: int):
    """The call on our kernels: the output as torch.nn returns it, and the final states."""
    kind = current[0].dtype
    packed = isinstance(x, PackedSequence)
    mixed = _mixes(kind)
    if not packed and not x.shape[1 if layer.batch_first and x.dim() == 3 else 0]:
        raise RuntimeError("Expected sequence length to be larger than 0 in RNN")  # torch.nn's words
    data, alone = x.data if packed else x, not packed and x.dim() == 2
    if packed:
        rows = packed_rows(x.batch_sizes, x.sorted_indices, x.unsorted_indices, data)
    else:
        data = data.unsqueeze(1) if alone else data.transpose(0, 1) if layer.batch_first else data
        rows = all_rows(data.shape[0], data.shape[1])
        data = rows.pack(data)
    state = _start(layer, states, rows, kind) if hx is None else _given(layer, hx, rows, kind, alone)
    stack, weights = layer._stack, named_as_cells(layer, current)
    watcher = watcher_of(layer.watchers)
    note = watcher and watcher.call(stack.graph, lambda v: v if packed else _as_given(layer, v, rows, alone))
    # torch's own draws.
    between = partial(dropout, p=layer.dropout) if layer.training and layer.dropout else None
    y, last = run_stack(
        stack, (data.to(kind) if mixed else data,), state, weights, rows, between=between, watch=note
    )
    if not packed:
        y = _as_given(layer, y, rows, alone)
    elif y.requires_grad:
        y = y.clone()  # autograd keeps the other
    joined = torch.cat if alone else torch.stack  # tensors of their own, (1, H) or (B, H) each
    parts = zip(*last) if rows.restore is None else zip(*(map(rows.unsort, one) for one in last))
    final = [joined(each) for each in parts]
    if mixed:
        result = _result_type(layer, x.data, hx, packed)
        y, final = y.to(result), [s.to(result) for s in final]
    return (PackedSequence(y, x.batch_sizes, x.sorted_indices, x.unsorted_indices) if packed else y), final


def _as_given(layer: nn.RNNBase, y: Tensor, rows: PackedRows, alone: bool) -> Tensor:
    y = rows.unpack(y)
    return y.squeeze(1) if alone else y.transpose(0, 1) if layer.batch_first else y


def _start(layer: nn.RNNBase, states: int, rows: PackedRows, kind: torch.dtype) -> list[State]:
    zeros = torch.zeros(rows.step_rows.batch, layer.hidden_size, dtype=kind, device="cpu")
    return [(zeros,) * states] * (layer.num_layers * (2 if layer.bidirectional else 1))


def _given(
    layer: nn.RNNBase, hx: Sequence[Tensor], rows: PackedRows, kind: torch.dtype, alone: bool
) -> list[State]:
    parts = [(s.unsqueeze(1) if alone else s).to(kind).unbind(0) for s in hx]
    return [tuple(rows.sort(s) for s in one) for one in zip(*parts)]


def named_as_cells(layer: nn.RNNBase, current: list[Tensor] | None = None) -> list[Named]:
    """torch's stacked tensors under the cells' names, in the plan's order, so that a
    kernel takes them as they are.

    One for each layer and direction; with proj_size the projection is P, as in the cell lstm_projected.
    `current`: the layer's tensors, where they are at hand.
    """
    result, current = [], _current(layer) if current is None else current
    name = {"LSTM": _lstm_names, "GRU": _gru_names}.get(layer.mode, _rnn_names)
    count = len(layer._all_weights[0])
    for at in range(0, len(current), count):
        w, u, *rest = current[at : at + count]
        b, c = rest[:2] if layer.bias else (None, None)
        result.append(name(w, u, b, c))
        if layer.proj_size:
            result[-1]["P",] = rest[-1]
    return result


def _current(layer: nn.RNNBase) -> list[Tensor]:
    """The tensors that torch.nn would use: those under their names, if one was exchanged since the
    last time (by functional_call, a parametrization), otherwise the list `_flat_weights`, which
    somebody may have assigned."""
    names, found = layer._flat_weights_names, layer._parameters
    whole = list(found) == names  # `getattr` on a module costs ten times as much
    named = [found[name] if whole else getattr(layer, name) for name in names]
    if torch.compiler.is_compiling():
        return named
    pairs = zip(layer._flat_weight_refs, named)
    return named if any([ref is not None and ref() is not w for ref, w in pairs]) else layer._flat_weights


def _lstm_names(w: Tensor, u: Tensor, b: Tensor | None, c: Tensor | None) -> Named:
    return {
        ("W_i", "W_f", "W_g", "W_o"): w,
        ("U_i", "U_f", "U_g", "U_o"): u,
        ("b_i", "b_f", "b_g", "b_o"): w.new_zeros(len(w)) if b is None else b + c,
    }


def _gru_names(w: Tensor, u: Tensor, b: Tensor | None, c: Tensor | None) -> Named:
    """The candidate's two biases stay apart, for the reset gate comes between them."""
    hidden = len(w) // 3
    if b is None:
        vectors = w.new_zeros(4 * hidden)
    else:
        (gates, inner), (more, outer) = b.split((2 * hidden, hidden)), c.split((2 * hidden, hidden))
        vectors = torch.cat((gates + more, inner, outer))
    return {("W_r", "W_z", "W_n"): w, ("U_r", "U_z", "U_n"): u, ("b_r", "b_z", "b_n", "c_n"): vectors}


def _rnn_names(w: Tensor, u: Tensor, b: Tensor | None, c: Tensor | None) -> Named:
    return {("W",): w, ("U",): u, ("b",): w.new_zeros(len(w)) if b is None else b + c}


ONEDNN = torch.backends.mkldnn.is_available()
ONEDNN_TAKES_BFLOAT16 = ONEDNN and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def _mixes(kind: torch.dtype) -> bool:
    """Whether autocast has a say: it leaves float64 alone."""
    return kind is torch.float32 and torch.is_autocast_enabled("cpu")


def _result_type(layer: nn.RNNBase, x: Tensor, hx: Sequence[Tensor] | None, packed: bool) -> torch.dtype:
    """What torch.nn returns under autocast to bfloat16, measured with torch 2.13: the simple network and the
    padded LSTM (one oneDNN operation, which takes bfloat16 inputs where the processor has instructions for
    them) return it; the GRU and the other LSTMs mix with their state, so a float32 state (or input, where there
    is no state) makes them float32."""
    one = ONEDNN and not packed and (ONEDNN_TAKES_BFLOAT16 or x.dtype is not torch.bfloat16)
    if layer.mode.startswith("RNN") or (layer.mode == "LSTM" and one):
        return torch.bfloat16
    return torch.promote_types(torch.bfloat16, x.dtype if hx is None else hx[-1].dtype)
