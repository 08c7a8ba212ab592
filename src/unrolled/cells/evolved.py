"""Cells found by a search over ten thousand architectures (Jozefowicz et al. 2015), and the GRU it started from.

In the paper x enters MUT1's candidate and MUT2's reset gate without a weight, which needs an input as wide as the
state. Here a matrix brings it to that width, as in torchrecurrent and RecurrentLayers.jl; the identity makes it the
paper's.
"""

from ..cell import cell
from ..ops import sigmoid, tanh


@cell(cite="jozefowicz2015", family="gru", year=2015)
def jozefowicz_gru(x, h, *, W_r, U_r, b_r, W_z, U_z, b_z, W_n, U_n, b_n):
    """The gated recurrent unit as the architecture search had it: reset before the product."""
    r = sigmoid(W_r @ x + U_r @ h + b_r)  # reset gate
    z = sigmoid(W_z @ x + U_z @ h + b_z)  # update gate, 1 keeps the state
    n = tanh(W_n @ x + U_n @ (r * h) + b_n)  # candidate
    h = z * h + (1 - z) * n  # hidden state
    return h


@cell(cite="jozefowicz2015", family="evolved", year=2015, init={"b_x": 0.0})
def mut1(x, h, *, W_z, b_z, W_r, U_r, b_r, W_x, b_x, U_n, b_n):
    """MUT1, the search's best on most tasks: the update gate does not see the state.

    The paper has tanh(x) in place of tanh(W_x x + b_x), which needs I = H.
    """
    z = sigmoid(W_z @ x + b_z)  # update gate, 1 overwrites
    r = sigmoid(W_r @ x + U_r @ h + b_r)  # reset gate
    n = tanh(U_n @ (r * h) + tanh(W_x @ x + b_x) + b_n)  # candidate
    h = n * z + h * (1 - z)  # hidden state
    return h


@cell(cite="jozefowicz2015", family="evolved", year=2015)
def mut2(x, h, *, W_z, U_z, b_z, W_r, U_r, b_r, W_n, U_n, b_n):
    """MUT2: the reset gate sees the input itself.

    The paper has x in place of W_r x, which needs I = H. With W_r a matrix, this is a GRU whose update gate is turned.
    """
    z = sigmoid(W_z @ x + U_z @ h + b_z)  # update gate, 1 overwrites
    r = sigmoid(W_r @ x + U_r @ h + b_r)  # reset gate
    n = tanh(U_n @ (r * h) + W_n @ x + b_n)  # candidate
    h = n * z + h * (1 - z)  # hidden state
    return h


@cell(cite="jozefowicz2015", family="evolved", year=2015)
def mut3(x, h, *, W_z, U_z, b_z, W_r, U_r, b_r, W_n, U_n, b_n):
    """MUT3: the update gate sees the state through a tanh.

    torchrecurrent 0.2.5 documents another cell (a bare x in the reset gate, no tanh); its code is the paper's, as here.
    """
    z = sigmoid(W_z @ x + U_z @ tanh(h) + b_z)  # update gate, 1 overwrites
    r = sigmoid(W_r @ x + U_r @ h + b_r)  # reset gate
    n = tanh(U_n @ (r * h) + W_n @ x + b_n)  # candidate
    h = n * z + h * (1 - z)  # hidden state
    return h
