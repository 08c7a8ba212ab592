"""Cells found by searching over thousands of architectures. The GRU that the first search
started from is jozefowicz_gru.

In the paper of Jozefowicz et al. (2015) x enters MUT1's candidate and MUT2's reset gate without a weight, which
needs an input as wide as the state. Here a matrix brings it to that width, as in torchrecurrent and
RecurrentLayers.jl; the identity makes it the paper's.
"""

from ..cell import cell
from ..errors import Never
from ..ops import relu, sigmoid, tanh


@cell(cite="jozefowicz2015", init={"b_x": 0.0})
def mut1(x, h, *, W_z, b_z, W_r, U_r, b_r, W_x, b_x, U_n, b_n):
    """MUT1, the search's best on most tasks: the update gate does not see the state.

    The paper has tanh(x) in place of tanh(W_x x + b_x), which needs I = H.
    """
    z = sigmoid(W_z @ x + b_z)  # update gate, 1 overwrites
    r = sigmoid(W_r @ x + U_r @ h + b_r)  # reset gate
    n = tanh(U_n @ (r * h) + tanh(W_x @ x + b_x) + b_n)  # candidate
    h = n * z + h * (1 - z)  # hidden state
    return h


@cell(cite="jozefowicz2015")
def mut2(x, h, *, W_z, U_z, b_z, W_r, U_r, b_r, W_n, U_n, b_n):
    """MUT2: the reset gate sees the input itself.

    The paper has x in place of W_r x, which needs I = H. With W_r a matrix, this is a GRU
    whose update gate is turned.
    """
    z = sigmoid(W_z @ x + U_z @ h + b_z)  # update gate, 1 overwrites
    r = sigmoid(W_r @ x + U_r @ h + b_r)  # reset gate
    n = tanh(U_n @ (r * h) + W_n @ x + b_n)  # candidate
    h = n * z + h * (1 - z)  # hidden state
    return h


@cell(cite="jozefowicz2015")
def mut3(x, h, *, W_z, U_z, b_z, W_r, U_r, b_r, W_n, U_n, b_n):
    """MUT3: the update gate sees the state through a tanh.

    torchrecurrent 0.2.5 documents another cell (a bare x in the reset gate, no tanh); its code
    is the paper's, as here.
    """
    z = sigmoid(W_z @ x + U_z @ tanh(h) + b_z)  # update gate, 1 overwrites
    r = sigmoid(W_r @ x + U_r @ h + b_r)  # reset gate
    n = tanh(U_n @ (r * h) + W_n @ x + b_n)  # candidate
    h = n * z + h * (1 - z)  # hidden state
    return h


@cell(cite="zoph2017")
def nas(
    x,
    h,
    c,
    *,
    W_0,
    U_0,
    b_0,
    W_1,
    U_1,
    b_1,
    W_2,
    U_2,
    b_2,
    W_3,
    U_3,
    b_3,
    W_4,
    U_4,
    b_4,
    W_5,
    U_5,
    b_5,
    W_6,
    U_6,
    b_6,
    W_7,
    U_7,
    b_7,
    fourth="product",
):
    """NAS cell: the tree of eight leaves that a controller network found on the Penn Treebank.

    Leaf 3 multiplies input and state, as in the authors' code in TensorFlow; torchrecurrent adds them there:
    that is .using(fourth="sum").
    """
    if fourth not in ("product", "sum"):
        raise Never(f"fourth={fourth!r} is not a form of nas; choose product or sum")
    seen = W_3 @ x * (U_3 @ h + b_3) if fourth == "product" else W_3 @ x + U_3 @ h + b_3
    first = tanh(sigmoid(W_0 @ x + U_0 @ h + b_0) * relu(W_1 @ x + U_1 @ h + b_1))
    second = tanh(sigmoid(W_2 @ x + U_2 @ h + b_2) + relu(seen))
    third = tanh(tanh(W_4 @ x + U_4 @ h + b_4) * sigmoid(W_5 @ x + U_5 @ h + b_5))
    last = sigmoid(tanh(W_6 @ x + U_6 @ h + b_6) + sigmoid(W_7 @ x + U_7 @ h + b_7))
    c = tanh(first + c) * second  # cell state
    h = tanh(c * tanh(third + last))  # hidden state
    return h, c
