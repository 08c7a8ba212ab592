"""Cells made of cells: memories inside memories, slow ones between fast ones."""

from ..cell import cell
from ..ops import sigmoid, tanh


@cell(cite="moniz2017", init={"b_f": 1.0, "d_f": 1.0})
def nested_lstm(
    x,
    h,
    c,
    inner,
    *,
    W_i,
    U_i,
    b_i,
    W_f,
    U_f,
    b_f,
    W_g,
    U_g,
    b_g,
    W_o,
    U_o,
    b_o,
    V_i,
    R_i,
    d_i,
    V_f,
    R_f,
    d_f,
    V_g,
    R_g,
    d_g,
    V_o,
    R_o,
    d_o,
):
    """Nested LSTM: the sum f c + i g that makes an LSTM's memory gives way to an LSTM
    with a memory of its own.
    """
    kept = sigmoid(W_f @ x + U_f @ h + b_f) * c  # of the outer memory
    read = sigmoid(W_i @ x + U_i @ h + b_i) * tanh(W_g @ x + U_g @ h + b_g)  # into the outer memory
    o = sigmoid(W_o @ x + U_o @ h + b_o)  # output gate
    i = sigmoid(V_i @ read + R_i @ kept + d_i)  # inner input gate
    f = sigmoid(V_f @ read + R_f @ kept + d_f)  # inner forget gate
    g = tanh(V_g @ read + R_g @ kept + d_g)  # inner candidate
    inner = f * inner + i * g  # inner memory
    c = sigmoid(V_o @ read + R_o @ kept + d_o) * tanh(inner)  # outer memory
    h = o * tanh(c)  # hidden state
    return h, c, inner


def lstm_step(net, c):
    """New output and cell state from what the gates see, in the order i, f, g, o."""
    c = sigmoid(net[1]) * c + sigmoid(net[0]) * tanh(net[2])
    return sigmoid(net[3]) * tanh(c), c


@cell(
    cite="mujika2017",
    shapes={
        "W": ("4", "H", "I"),
        "U": ("fast", "4", "H", "H"),
        "b": ("fast", "4", "H"),
        "V": ("4", "H", "H"),
        "W_slow": ("4", "H", "H"),
        "U_slow": ("4", "H", "H"),
        "b_slow": ("4", "H"),
    },
)
def fast_slow_rnn(x, h, c, h_slow, c_slow, *, W, U, b, V, W_slow, U_slow, b_slow, fast=2):
    """Fast-slow RNN of LSTMs: `fast` cells in a row at every step, and a slow one between
    the first two (section 3).

    Gates are stacked in the order i, f, g, o. The slow cell is as wide as the fast ones,
    which the paper leaves open.
    """
    for k in range(fast):
        net = [U[k][j] @ h + b[k][j] for j in range(4)]
        if k == 0:
            net = [net[j] + W[j] @ x for j in range(4)]  # the first sees the input
        elif k == 1:
            net = [net[j] + V[j] @ h_slow for j in range(4)]  # the second sees the slow cell
        h, c = lstm_step(net, c)  # fast cell
        if k == 0:
            net = [W_slow[j] @ h + U_slow[j] @ h_slow + b_slow[j] for j in range(4)]
            h_slow, c_slow = lstm_step(net, c_slow)  # slow cell
    return h, c, h_slow, c_slow
