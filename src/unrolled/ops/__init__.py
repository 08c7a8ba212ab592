"""The cell language: its primitives (`table`), the functions that an author calls (`functions`), what they are
called with while a cell is traced (`symbol`), and what they are on plain tensors and numbers (`plain`).
Nothing here imports torch."""

from __future__ import annotations

from .functions import ACTIVATIONS as ACTIVATIONS
from .functions import absolute as absolute
from .functions import activation as activation
from .functions import bilinear as bilinear
from .functions import block_diagonal as block_diagonal
from .functions import clip as clip
from .functions import concat as concat
from .functions import cos as cos
from .functions import cumax as cumax
from .functions import cumsum as cumsum
from .functions import elu as elu
from .functions import erf as erf
from .functions import exp as exp
from .functions import floor as floor
from .functions import gelu as gelu
from .functions import held as held
from .functions import largest as largest
from .functions import layer_norm as layer_norm
from .functions import log as log
from .functions import matrix_exp as matrix_exp
from .functions import maximum as maximum
from .functions import mean as mean
from .functions import minimum as minimum
from .functions import norm as norm
from .functions import relu as relu
from .functions import round as round
from .functions import sigmoid as sigmoid
from .functions import sign as sign
from .functions import silu as silu
from .functions import sin as sin
from .functions import softmax as softmax
from .functions import softmax_columns as softmax_columns
from .functions import softplus as softplus
from .functions import sqrt as sqrt
from .functions import step as step
from .functions import stop_gradient as stop_gradient
from .functions import tanh as tanh
from .functions import total as total
from .functions import where as where
from .plain import on_numbers as on_numbers
from .symbol import Symbol as Symbol
from .symbol import apply_op as apply_op
from .table import ALONG_UNITS as ALONG_UNITS
from .table import COMPARISONS as COMPARISONS
from .table import CONDITIONS as CONDITIONS
from .table import LEAVES as LEAVES
from .table import OF_WHOLES as OF_WHOLES
from .table import OPS as OPS
from .table import OVER_UNITS as OVER_UNITS
from .table import Op as Op
