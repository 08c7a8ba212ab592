"""Networks whose weights multiply the state with the input."""

from ..cell import cell
from ..ops import activation, bilinear, sigmoid


@cell(cite=("giles1990", "giles1992"), shapes={"W": ("H", "H", "I")})
def second_order_rnn(x, s, *, W, b, nonlinearity="sigmoid"):
    """Second-order network: each weight joins an input, a state unit and a next state
    unit (equation 1 of 1992).
    """
    s = activation(nonlinearity, bilinear(W, s, x) + b)  # state
    return s


@cell(cite="pollack1991", shapes={"C": ("H", "H", "I")})
def sequential_cascaded(x, z, *, C, V, U, b):
    """Pollack's sequential cascaded network: a context network makes a function network's
    weights from its last output.

    The function network's weights are C z + V, its bias is U z + b, so it is a second-order network in which
    state and input have a unit more that is always on.
    """
    z = sigmoid(bilinear(C, z, x) + V @ x + (U @ z + b))  # output of the function network
    return z
