"""Recurrent neural networks from their equations: write a cell once, train it at
kernel speed, look inside it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from . import terminal as _terminal

if _terminal.is_command():  # before anything that takes long to load
    _terminal.end_at_once()

from .cell import Cell as Cell
from .cell import cell as cell
from .cell import find as find
from .ops import absolute as absolute
from .ops import activation as activation
from .ops import bilinear as bilinear
from .ops import block_diagonal as block_diagonal
from .ops import clip as clip
from .ops import concat as concat
from .ops import cos as cos
from .ops import cumax as cumax
from .ops import cumsum as cumsum
from .ops import elu as elu
from .ops import erf as erf
from .ops import exp as exp
from .ops import floor as floor
from .ops import gelu as gelu
from .ops import held as held
from .ops import largest as largest
from .ops import layer_norm as layer_norm
from .ops import log as log
from .ops import matrix_exp as matrix_exp
from .ops import maximum as maximum
from .ops import mean as mean
from .ops import minimum as minimum
from .ops import norm as norm
from .ops import relu as relu
from .ops import round as round
from .ops import sigmoid as sigmoid
from .ops import sign as sign
from .ops import silu as silu
from .ops import sin as sin
from .ops import softmax as softmax
from .ops import softmax_columns as softmax_columns
from .ops import softplus as softplus
from .ops import sqrt as sqrt
from .ops import step as step
from .ops import stop_gradient as stop_gradient
from .ops import tanh as tanh
from .ops import total as total
from .ops import where as where

if TYPE_CHECKING:
    from . import cells as cells
    from . import transform as transform
    from .byhand.worked import worked as worked
    from .exports.write import export as export
    from .latex import cell_from_latex as cell_from_latex
    from .latex import python_from_latex as python_from_latex
    from .layers.as_torch import as_torch as as_torch
    from .layers.from_torchrecurrent import from_torchrecurrent as from_torchrecurrent
    from .layers.gradient_flow import gradient_flow as gradient_flow
    from .layers.recurrent import Recurrent as Recurrent
    from .layers.stacked import Stacked as Stacked
    from .layers.torch_names import GRU as GRU
    from .layers.torch_names import LSTM as LSTM
    from .layers.torch_names import RNN as RNN
    from .layers.watch import watch as watch
    from .models.language import LanguageModel as LanguageModel
    from .models.net import Net as Net
    from .runs.curves import plot_runs as plot_runs
    from .runs.listing import list_runs as list_runs
    from .runs.run import open_run as open_run
    from .task import Recipe as Recipe
    from .tasks.char_lm import CharLM as CharLM
    from .tasks.classify import Classify as Classify
    from .tasks.generate import Generate as Generate
    from .tasks.tag import Tag as Tag
    from .tasks.translate import Translate as Translate
    from .tasks.word_lm import WordLM as WordLM
    from .training.start import resume as resume
    from .training.start import train as train
    from .transform import activations as activations
    from .transform import initialised as initialised
    from .transform import multiplicative as multiplicative
    from .transform import recurrent_dropout as recurrent_dropout
    from .transform import replace as replace
    from .transform import resettable as resettable
    from .transform import residual as residual
    from .transform import weight_drop as weight_drop
    from .transform import zoneout as zoneout

# Loaded when they are asked for: to draw, print or check a cell's equations takes no torch, to
# use one cell not the zoo.
_LATER = {
    "Recurrent": ".layers.recurrent",
    "LSTM": ".layers.torch_names",
    "GRU": ".layers.torch_names",
    "RNN": ".layers.torch_names",
    "as_torch": ".layers.as_torch",
    "watch": ".layers.watch",
    "LanguageModel": ".models.language",
    "gradient_flow": ".layers.gradient_flow",
    "Stacked": ".layers.stacked",
    "from_torchrecurrent": ".layers.from_torchrecurrent",
    "worked": ".byhand.worked",
    "export": ".exports.write",
    "CharLM": ".tasks.char_lm",
    "Classify": ".tasks.classify",
    "Generate": ".tasks.generate",
    "Tag": ".tasks.tag",
    "Translate": ".tasks.translate",
    "WordLM": ".tasks.word_lm",
    "Net": ".models.net",
    "Recipe": ".task",
    "list_runs": ".runs.listing",
    "open_run": ".runs.run",
    "plot_runs": ".runs.curves",
    "resume": ".training.start",
    "train": ".training.start",
    "cell_from_latex": ".latex",
    "python_from_latex": ".latex",
    **dict.fromkeys(
        (
            "activations",
            "initialised",
            "multiplicative",
            "recurrent_dropout",
            "replace",
            "residual",
            "resettable",
            "weight_drop",
            "zoneout",
        ),
        ".transform",
    ),
}
_FLOORS = ("cells", "transform")


# What `from unrolled import *` brings.
__all__ = [
    "absolute",
    "activation",
    "activations",
    "as_torch",
    "bilinear",
    "block_diagonal",
    "cell",
    "Cell",
    "cell_from_latex",
    "cells",
    "CharLM",
    "Classify",
    "clip",
    "concat",
    "cos",
    "cumax",
    "cumsum",
    "elu",
    "erf",
    "exp",
    "export",
    "find",
    "floor",
    "from_torchrecurrent",
    "gelu",
    "Generate",
    "gradient_flow",
    "GRU",
    "held",
    "initialised",
    "LanguageModel",
    "largest",
    "layer_norm",
    "list_runs",
    "log",
    "LSTM",
    "matrix_exp",
    "maximum",
    "mean",
    "minimum",
    "multiplicative",
    "Net",
    "norm",
    "open_run",
    "plot_runs",
    "python_from_latex",
    "Recipe",
    "Recurrent",
    "recurrent_dropout",
    "relu",
    "replace",
    "resettable",
    "residual",
    "resume",
    "RNN",
    "round",
    "sigmoid",
    "sign",
    "silu",
    "sin",
    "softmax",
    "softmax_columns",
    "softplus",
    "sqrt",
    "Stacked",
    "step",
    "stop_gradient",
    "Tag",
    "tanh",
    "total",
    "train",
    "transform",
    "Translate",
    "watch",
    "weight_drop",
    "where",
    "WordLM",
    "worked",
    "zoneout",
]


def __getattr__(name: str):
    if name in _FLOORS:
        return import_module(f".{name}", __name__)
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_LATER[name], __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_FLOORS, *_LATER])
