"""Simple networks put together: all units fed back alike, feed-forward layers before them, layers on layers."""

from ..cell import cell
from ..ops import activation, concat, tanh


@cell(cite="williams1989")
def fully_recurrent(x, y, *, W, b, nonlinearity="sigmoid"):
    """The fully recurrent network: every unit sees every input and every unit (equations 1 to 3)."""
    y = activation(nonlinearity, W @ concat(x, y) + b)  # units
    return y


@cell(cite="tutschku1995", shapes={"W": ("depth", "H", "H"), "b": ("depth", "H")})
def recurrent_mlp(x, h, *, V, c, W, b, U, depth=1):
    """Recurrent multilayer perceptron: a feed-forward subnetwork, its last layer fed
    back; layers cascade them.
    """
    a = tanh(V @ x + c)  # first layer
    for k in range(depth):
        seen = W[k] @ a + b[k]
        a = tanh(seen + U @ h if k == depth - 1 else seen)  # further layers, the last with feedback
    h = a  # fed back
    return h


@cell(
    cite="graves2013deep",
    shapes={
        "upper": ("above", "H"),
        "V": ("above", "H", "H"),
        "U_up": ("above", "H", "H"),
        "b_up": ("above", "H"),
    },
)
def deep_rnn(x, h, *upper, W, U, b, V, U_up, b_up, above=1):
    """Deep recurrent network as one cell: `above` layers on the first, each reads the
    one below (equation 11).
    """
    h = tanh(W @ x + U @ h + b)  # first layer
    states = [h]
    for k in range(above):
        y = tanh(V[k] @ states[-1] + U_up[k] @ upper[k] + b_up[k])  # the layers above
        states.append(y)
    return y, *states
