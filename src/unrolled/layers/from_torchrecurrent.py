"""`from_torchrecurrent`: a layer of the torchrecurrent package becomes a `Recurrent` with the same numbers.

torchrecurrent itself is not imported: a module's class name, its attributes and its state_dict are enough.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches

import torch
from torch import Tensor, nn

from ..cell import find
from ..errors import ShapeError, UsageError
from ..ops import ACTIVATIONS
from .recurrent import Recurrent
from .torchrecurrent_names import ROWS, ClassNames

Tensors = Mapping[str, Tensor]
Shapes = Mapping[str, tuple[int, ...]]


def from_torchrecurrent(
    module: nn.Module | str,
    tensors: Tensors | None = None,
    using: Mapping[str, float | int | str] | None = None,
) -> Recurrent:
    """A `Recurrent` that computes what a layer or a cell of torchrecurrent computes, with the same numbers.

    module   a layer such as torchrecurrent.MGU(3, 5, num_layers=2), a single cell such as
             torchrecurrent.MGUCell(3, 5), or the name of either, "MGU", where only its state_dict is at hand
    tensors  the state_dict, where `module` is a name
    using    hyper-parameters of our cell, where `module` is a name and torchrecurrent's defaults were not used

    Layers, batch_first, dropout, type, device and training or evaluation mode are the module's. Its two biases
    become one, their sum. What it trains is trained, also where our cell fixes it (JANET's beta, SCRN's alpha);
    a bias that it does not train (bias=False) is zero and not trained. States are always a tuple here, in the
    order of the cell's: `rnn.cell.states`. The numbers are copies.

    Raises UsageError where the class is not known or an activation is not one that the cell has, ShapeError
    where the tensors' sizes do not go together. Source: torchrecurrent 0.2.5 (F. Martinuzzi, MIT licence).

    >>> numbers = {"weight_ih": torch.ones(10, 3), "weight_hh": torch.zeros(10, 5),
    ...            "bias_ih": torch.zeros(10), "bias_hh": torch.ones(10)}
    >>> rnn = from_torchrecurrent("MGUCell", numbers)
    >>> rnn.layers[0].W_f.shape
    torch.Size([5, 3])
    """
    name, row = _row_of(module)
    if isinstance(module, str) == (tensors is None):
        raise UsageError(
            f"from_torchrecurrent({name!r}): give either a module, or its name and its state_dict, as in "
            f'from_torchrecurrent("{name}", state_dict).'
        )
    layers = _layers_of(module.state_dict() if tensors is None else tensors, name)
    cell = find(row.cell).using(**{**row.using, **_hyper(module, row, name), **(using or {})})
    cell = replace(cell, fixed=tuple(name for name in cell.fixed if name not in row.trained))
    like = layers[0]["weight_ih"]
    dropout = getattr(module, "dropout", 0.0) if len(layers) > 1 else 0.0
    rnn = Recurrent(
        cell,
        like.shape[-1],
        _hidden_size(like, row, name),
        num_layers=len(layers),
        dropout=dropout,
        batch_first=getattr(module, "batch_first", False),
        device=like.device,
        dtype=like.dtype,
    )
    trained = (
        {key.rpartition(".")[2] for key, p in module.named_parameters() if p.requires_grad}
        if tensors is None
        else set(row.parts)
    )
    for number, (weights, theirs) in enumerate(zip(rnn.layers, layers)):
        shapes = {parameter: tuple(getattr(weights, parameter).shape) for parameter in cell.parameters}
        _fill(weights, translated(row, theirs, shapes, f"layer {number} of {name}"), row, trained)
    return rnn.train(getattr(module, "training", True))


def translated(row: ClassNames, theirs: Tensors, shapes: Shapes, who: str) -> dict[str, Tensor]:
    """Our parameters, made of one layer's tensors by a row of the table; autograd follows.

    theirs   torchrecurrent's tensors of one cell, by their names
    shapes   of our parameters, which the results have
    who      begins a message

    Raises UsageError for a tensor that is missing or has no counterpart, ShapeError for sizes that do not fit.
    """
    unknown = [key for key in (*theirs, *row.parts) if (key in theirs) != (key in row.parts)]
    if unknown:
        raise UsageError(
            f"{who} has {', '.join(theirs)}; {', '.join(row.parts)} expected (torchrecurrent 0.2.5). "
            f"Look at {unknown[0]}: another version, or not this class?"
        )
    made: dict[str, Tensor] = {}
    for key, names in row.parts.items():
        for chunk, part in zip(_chunks(theirs[key], len(names), f"{key} of {who}"), names, strict=True):
            if part is None and bool(chunk.detach().any()):
                raise UsageError(
                    f"{key} of {who} is not zero everywhere, and our {row.cell} has nothing like it. "
                    "Set that part to zero, or write the cell that was trained as a function of your own."
                )
            for spelled in (part,) if isinstance(part, str) else part or ():
                parameter, value = _oriented(spelled, chunk)
                value = _fitting(value, shapes[parameter], f"{key} of {who}", parameter)
                made[parameter] = made[parameter] + value if parameter in made else value
    like = next(iter(theirs.values()))
    return {**made, **{parameter: like.new_zeros(shapes[parameter]) for parameter in row.zero}}


def _row_of(module: nn.Module | str) -> tuple[str, ClassNames]:
    """The name of a torchrecurrent class, or of the one that the module's class was made from, and its row."""
    names = [module] if isinstance(module, str) else [kind.__name__ for kind in type(module).__mro__]
    for name in names:
        row = ROWS.get(name.removesuffix("Cell"))
        if row is not None:
            return name, row
    near = get_close_matches(names[0].removesuffix("Cell"), ROWS, 3, 0.7)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"It is one of {', '.join(ROWS)}."
    if isinstance(module, nn.RNNBase):
        hint = f"torch.nn's load as they are: unrolled.{names[0]}(...).load_state_dict(module.state_dict())."
    raise UsageError(f"from_torchrecurrent: torchrecurrent has no class called {names[0]!r}. {hint}")


def _layers_of(tensors: Tensors, name: str) -> list[dict[str, Tensor]]:
    """The tensors of each layer by their own names: "cells.0.weight_ih" of a layer, "weight_ih" of a cell."""
    layers: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        number, own = re.fullmatch(r"(?:cells\.(\d+)\.)?(.+)", key, re.DOTALL).groups()
        layers.setdefault(int(number or 0), {})[own] = tensor
    if sorted(layers) != list(range(len(layers))) or not all("weight_ih" in layer for layer in layers.values()):
        raise UsageError(
            f"from_torchrecurrent: this is not a state_dict of {name}, its keys are "
            f"{', '.join(tensors) or 'none'}. Keys such as cells.0.weight_ih (of a layer) or weight_ih "
            "(of a cell) expected, from layer 0 on."
        )
    return [layers[number] for number in range(len(layers))]


def _hyper(module: nn.Module | str, row: ClassNames, name: str) -> dict[str, object]:
    """Hyper-parameters that the module's cells carry as attributes; torchrecurrent's
    defaults for a mere name.
    """
    if isinstance(module, str):
        return {ours: default for ours, (_, default) in row.attributes.items()}
    cell = module.cells[0] if hasattr(module, "cells") else module
    for attribute, wanted in row.needs.items():
        found = _plain(getattr(cell, attribute, wanted))
        if found != wanted:
            raise UsageError(
                f"{name} was made with {found} as its {attribute}, and our {row.cell} has {wanted}. "
                "Write the cell as a function of your own; `unrolled.find(name)` shows ours to copy."
            )
    values = {
        ours: _plain(getattr(cell, theirs, getattr(module, theirs, default)))
        for ours, (theirs, default) in row.attributes.items()
    }
    for ours, value in values.items():
        if isinstance(value, str) and value not in (*ACTIVATIONS, "identity"):
            raise UsageError(
                f"{name} was made with {value} as its {row.attributes[ours][0]}, which is not an activation "
                f"of unrolled. It has {', '.join(ACTIVATIONS)}, identity."
            )
    return values


def _plain(value: object) -> object:
    """An activation module's name as the cell language spells it; anything else as it is."""
    if not isinstance(value, nn.Module):
        return value
    kind = type(value).__name__
    return {"Hardsigmoid": "hard_sigmoid", "LeakyReLU": "leaky_relu"}.get(kind, kind.lower())


def _hidden_size(weight: Tensor, row: ClassNames, name: str) -> int:
    gates = len(row.parts["weight_ih"])
    if weight.dim() != 2 or weight.shape[0] % gates or not weight.shape[0]:
        raise ShapeError(
            f"weight_ih of {name} has shape {tuple(weight.shape)}. ({gates} x hidden size, input size) "
            f"expected, for {gates} gates: {row.parts['weight_ih']}."
        )
    return weight.shape[0] // gates


def _chunks(tensor: Tensor, count: int, who: str) -> tuple[Tensor, ...]:
    if count == 1:
        return (tensor,)
    if not tensor.dim() or tensor.shape[0] % count:
        raise ShapeError(
            f"{who} has shape {tuple(tensor.shape)}. {count} equal parts along the first axis expected."
        )
    return tensor.chunk(count)


def _oriented(spelled: str, chunk: Tensor) -> tuple[str, Tensor]:
    """The parameter's name without its minus sign and .T, and the chunk with them."""
    parameter = spelled.removeprefix("-").removesuffix(".T")
    value = chunk.T if spelled.endswith(".T") else chunk
    return parameter, -value if spelled.startswith("-") else value


def _fitting(value: Tensor, shape: tuple[int, ...], who: str, parameter: str) -> Tensor:
    if value.dim() != len(shape) and value.numel() == torch.Size(shape).numel():
        return value.reshape(shape)
    if value.shape != shape:
        raise ShapeError(
            f"{who} gives {parameter} the shape {tuple(value.shape)}, and the other tensors make it "
            f"{shape}. All tensors must be of one module."
        )
    return value


@torch.no_grad()
def _fill(weights: nn.Module, values: Mapping[str, Tensor], row: ClassNames, trained: set[str]) -> None:
    """Copies the values; a parameter all of whose sources are not trained (a missing
    bias) is not trained either.
    """
    sources: dict[str, set[str]] = {}
    for key, names in row.parts.items():
        for part in names:
            for spelled in (part,) if isinstance(part, str) else part or ():
                sources.setdefault(spelled.removeprefix("-").removesuffix(".T"), set()).add(key)
    for name in weights.state_dict():
        tensor = getattr(weights, name)
        tensor.copy_(values[name])
        if isinstance(tensor, nn.Parameter) and name in sources:
            tensor.requires_grad_(bool(sources[name] & trained))
