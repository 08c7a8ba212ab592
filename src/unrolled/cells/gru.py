"""Gated recurrent units: the state itself is mixed with a candidate."""

from ..cell import cell
from ..ops import sigmoid, tanh


@cell(cite="cho2014", family="gru", year=2014)
def gru(x, h, *, W_r, U_r, b_r, W_z, U_z, b_z, W_n, U_n, b_n, c_n):
    """Gated recurrent unit, reset after the product (the first version of the paper, and torch's)."""
    r = sigmoid(W_r @ x + U_r @ h + b_r)               # reset gate
    z = sigmoid(W_z @ x + U_z @ h + b_z)               # update gate
    n = tanh(W_n @ x + b_n + r * (U_n @ h + c_n))      # candidate
    h = (1 - z) * n + z * h                            # hidden state
    return h


@cell(cite="cho2014", family="gru", year=2014)
def gru_reset_before(x, h, *, W_r, U_r, b_r, W_z, U_z, b_z, W_n, U_n, b_n):
    """Gated recurrent unit, reset before the product (the third version of the paper)."""
    r = sigmoid(W_r @ x + U_r @ h + b_r)               # reset gate
    z = sigmoid(W_z @ x + U_z @ h + b_z)               # update gate
    n = tanh(W_n @ x + U_n @ (r * h) + b_n)            # candidate
    h = (1 - z) * n + z * h                            # hidden state
    return h


@cell(cite="zhou2016mgu", family="gru", year=2016)
def mgu(x, h, *, W_f, U_f, b_f, W_n, U_n, b_n):
    """Minimal gated unit: one gate decides both what to forget and what to read."""
    f = sigmoid(W_f @ x + U_f @ h + b_f)               # forget gate
    n = tanh(W_n @ x + U_n @ (f * h) + b_n)            # candidate
    h = (1 - f) * h + f * n                            # hidden state
    return h
