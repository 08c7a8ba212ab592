"""The simple recurrent networks: one layer fed back, in whole, by its output, or unit by unit."""

from ..cell import cell
from ..ops import activation, relu


@cell(cite="elman1990")
def elman(x, h, *, W, U, b, nonlinearity="tanh"):
    """The simple recurrent network: the hidden state is fed back."""
    h = activation(nonlinearity, W @ x + U @ h + b)  # hidden state
    return h


@cell(cite="jordan1986", shapes={"y": ("O",)})
def jordan(x, y, *, W_h, U_h, b_h, W_y, b_y, nonlinearity="tanh"):
    """Jordan's network: the output, of its own width O, is fed back instead of the hidden layer."""
    h = activation(nonlinearity, W_h @ x + U_h @ y + b_h)  # hidden layer
    y = activation(nonlinearity, W_y @ h + b_y)  # output, fed back
    return y


@cell(cite="li2018indrnn")
def indrnn(x, h, *, W, u, b, nonlinearity="relu"):
    """Independently recurrent network: each unit remembers only itself (equation 4)."""
    h = activation(nonlinearity, W @ x + u * h + b)  # hidden state
    return h


@cell(cite="le2015", init={"U": "identity", "b": 0.0})
def irnn(x, h, *, W, U, b):
    """IRNN: rectified units whose recurrent matrix starts as the identity, so that at
    first nothing is forgotten.
    """
    h = relu(W @ x + U @ h + b)  # hidden state
    return h
