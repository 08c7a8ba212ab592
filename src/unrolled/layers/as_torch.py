"""Drop-ins as the layers of torch.nn that they stand for, where somebody must have
those: parameters are shared.
"""

from __future__ import annotations

import copy
import warnings

from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from ..errors import UsageError

TWINS = {"LSTM": nn.LSTM, "GRU": nn.GRU, "RNN_TANH": nn.RNN, "RNN_RELU": nn.RNN}  # by `mode`
OURS = ("_stack", "watchers", "_qconfig")  # what a drop-in has and torch's layer has not


def as_torch(module: nn.Module) -> nn.Module:
    """The same model with torch.nn's LSTM, GRU and RNN in the place of this package's.

    For tools that ask for torch's own classes: quantisation, or `isinstance(m, torch.nn.LSTM)`. What comes back
    is a model of its own whose parameters and buffers are the same tensors as those of `module`: who trains one
    trains both. Of a drop-in alone it makes torch's layer; other layers stay what they are. Raises UsageError
    where a drop-in is parametrized.

    >>> import torch, unrolled
    >>> model = torch.nn.Sequential(unrolled.LSTM(3, 5))
    >>> type(as_torch(model)[0])
    <class 'torch.nn.modules.rnn.LSTM'>
    """
    memo = {id(tensor): tensor for tensor in (*module.parameters(), *module.buffers())}
    memo |= {id(part): torch_twin(part) for part in module.modules() if is_drop_in(part)}
    return copy.deepcopy(module, memo)


def is_drop_in(module: nn.Module) -> bool:
    return isinstance(module, nn.RNNBase) and "_stack" in module.__dict__


def torch_twin(layer: nn.RNNBase) -> nn.RNNBase:
    """torch.nn's layer with everything that a drop-in has: the same parameters, hooks and settings."""
    if is_parametrized(layer):
        raise UsageError(
            f"{TWINS[layer.mode].__name__} is parametrized, which torch.nn's layer in its place would not be. "
            "Call torch.nn.utils.parametrize.remove_parametrizations first."
        )
    kind = TWINS[layer.mode]
    state = {name: value for name, value in layer.__getstate__().items() if name not in OURS}
    twin = kind.__new__(kind)
    twin.__setstate__({k: v.copy() if isinstance(v, (dict, list)) else v for k, v in state.items()})
    return twin


def scriptable(layer: nn.RNNBase) -> nn.RNNBase:
    """What torch.jit.script compiles in a drop-in's place, for it compiles no kernels. It also
    puts it there, so say so.
    """
    warnings.warn(
        f"torch.jit.script puts torch.nn.{TWINS[layer.mode].__name__}, with the same parameters, in the place"
        " of unrolled's layer, in the model that it is given too. Script unrolled.as_torch(model) to keep that"
        " as it is.",
        stacklevel=2,
    )
    return torch_twin(layer)


def _qconfig(layer: nn.RNNBase) -> object:
    try:
        return layer.__dict__["_qconfig"]
    except KeyError:
        raise AttributeError("qconfig") from None


def _set_qconfig(layer: nn.RNNBase, value: object) -> None:
    """torch.ao.quantization gives every module one, then exchanges those whose very class it knows."""
    if not layer.mode.startswith("RNN"):  # torch quantises no RNN, its own either
        warnings.warn(
            f"torch.ao.quantization does not know unrolled's {layer.mode} and leaves it in floating point. "
            "Quantise unrolled.as_torch(model).",
            stacklevel=3,
        )
    layer.__dict__["_qconfig"] = value


qconfig = property(_qconfig, _set_qconfig, lambda layer: layer.__dict__.pop("_qconfig"))
