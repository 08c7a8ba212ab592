"""Cells of rectified units and straight lines: piecewise-linear maps."""

from ..cell import cell
from ..ops import activation, relu, sigmoid


@cell(cite=("durstewitz2017", "koppe2019"))
def plrnn(x, z, *, a, U, W, b):
    """Piecewise-linear RNN: each unit keeps a part of itself and gets the positive parts of the others.

    The paper's U has a zero diagonal; torchrecurrent's development version only starts it so.
    """
    z = a * z + U @ relu(z) + W @ x + b  # state
    return z


@cell(cite="rotman2021", fixed=("P",), init={"P": "cyclic"})
def srnn(x, h, *, P, V, b_v, W, b_w, W_g, b_g, nonlinearity="relu"):
    """Shuffling RNN: the state is permuted, here by one place around, and what the input adds is
    gated; only that is learned.

    The layer V of the input's network is as wide as the state, where the paper has a width of its own.
    """
    g = sigmoid(W_g @ x + b_g)  # gate
    drive = (W @ relu(V @ x + b_v) + b_w) * g  # what the input adds
    h = activation(nonlinearity, P @ h + drive)  # hidden state
    return h
