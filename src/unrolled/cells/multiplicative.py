"""Cells in which input and state multiply each other."""

from ..cell import cell
from ..ops import sigmoid, tanh


@cell(cite="sutskever2011", init={"b": 0.0})
def multiplicative_rnn(x, h, *, W_m, U_m, V, W, b):
    """Multiplicative RNN: each input picks its own recurrent matrix, V diag(W_m x) U_m;
    as many factors as units.
    """
    m = (W_m @ x) * (U_m @ h)  # factors
    h = tanh(V @ m + W @ x + b)  # hidden state
    return h


@cell(cite="krause2016", init={"b_f": 1.0, "b_m": 0.0, "d_m": 0.0})
def multiplicative_lstm(
    x, h, c, *, W_m, b_m, U_m, d_m, W_i, U_i, b_i, W_f, U_f, b_f, W_g, U_g, b_g, W_o, U_o, b_o
):
    """Multiplicative LSTM: the gates see the product of input and state instead of the state.

    The paper has no biases in m; torchrecurrent has, so b_m and d_m are there and start at zero.
    """
    m = (W_m @ x + b_m) * (U_m @ h + d_m)  # what takes the state's place
    i = sigmoid(W_i @ x + U_i @ m + b_i)  # input gate
    f = sigmoid(W_f @ x + U_f @ m + b_f)  # forget gate
    g = tanh(W_g @ x + U_g @ m + b_g)  # candidate
    o = sigmoid(W_o @ x + U_o @ m + b_o)  # output gate
    c = f * c + i * g  # cell state
    h = o * tanh(c)  # hidden state
    return h, c


@cell(cite="melis2020", init={"b_f": 1.0}, shapes={"M": ("rounds", "I", "H")})
def mogrifier_lstm(x, h, c, *, M, W_i, U_i, b_i, W_f, U_f, b_f, W_g, U_g, b_g, W_o, U_o, b_o, rounds=5):
    """Mogrifier LSTM: before the step, input and state gate each other in turn, `rounds`
    times (equations 1 and 2).

    The paper's Q and R are the M of odd rounds and the transposed M of even ones, here and in
    the paper counted from 1.
    """
    for k in range(rounds):
        if k % 2 == 0:
            x = 2 * sigmoid(M[k] @ h) * x  # input, gated by the state
        else:
            h = 2 * sigmoid(M[k].T @ x) * h  # state, gated by the input
    i = sigmoid(W_i @ x + U_i @ h + b_i)  # input gate
    f = sigmoid(W_f @ x + U_f @ h + b_f)  # forget gate
    g = tanh(W_g @ x + U_g @ h + b_g)  # candidate
    o = sigmoid(W_o @ x + U_o @ h + b_o)  # output gate
    c = f * c + i * g  # cell state
    h = o * tanh(c)  # hidden state
    return h, c
