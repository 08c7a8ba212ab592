"""Recurrent neural networks from their equations: write a cell once, train it at kernel speed, look inside it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from . import cells as cells
from .cell import Cell as Cell
from .cell import cell as cell
from .cell import find as find
from .ops import absolute as absolute
from .ops import activation as activation
from .ops import concat as concat
from .ops import cos as cos
from .ops import exp as exp
from .ops import floor as floor
from .ops import log as log
from .ops import maximum as maximum
from .ops import minimum as minimum
from .ops import relu as relu
from .ops import sigmoid as sigmoid
from .ops import sin as sin
from .ops import softplus as softplus
from .ops import sqrt as sqrt
from .ops import step as step
from .ops import tanh as tanh
from .ops import total as total
from .ops import where as where

if TYPE_CHECKING:
    from .layers.recurrent import Recurrent as Recurrent
    from .layers.torch_names import GRU as GRU
    from .layers.torch_names import LSTM as LSTM
    from .layers.torch_names import RNN as RNN
    from .layers.watch import watch as watch
    from .models.language import LanguageModel as LanguageModel
    from .tasks.char_lm import CharLM as CharLM
    from .training import train as train

# Loaded when they are asked for: to draw, print or check a cell's equations takes no torch.
_LATER = {
    "Recurrent": ".layers.recurrent", "LSTM": ".layers.torch_names", "GRU": ".layers.torch_names",
    "RNN": ".layers.torch_names", "watch": ".layers.watch", "LanguageModel": ".models.language",
    "CharLM": ".tasks.char_lm", "train": ".training",
}


def __getattr__(name: str):
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_LATER[name], __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_LATER])
