"""Gated recurrent units: the state itself is mixed with a candidate."""

from ..cell import cell
from ..ops import activation, sigmoid, tanh


@cell(cite="cho2014")
def gru(x, h, *, W_r, U_r, b_r, W_z, U_z, b_z, W_n, U_n, b_n, c_n):
    """Gated recurrent unit, reset after the product (the first version of the paper, and torch's)."""
    r = sigmoid(W_r @ x + U_r @ h + b_r)  # reset gate
    z = sigmoid(W_z @ x + U_z @ h + b_z)  # update gate
    n = tanh(W_n @ x + b_n + r * (U_n @ h + c_n))  # candidate
    h = (1 - z) * n + z * h  # hidden state
    return h


@cell(cite="cho2014")
def gru_reset_before(x, h, *, W_r, U_r, b_r, W_z, U_z, b_z, W_n, U_n, b_n):
    """Gated recurrent unit, reset before the product (the third version of the paper)."""
    r = sigmoid(W_r @ x + U_r @ h + b_r)  # reset gate
    z = sigmoid(W_z @ x + U_z @ h + b_z)  # update gate
    n = tanh(W_n @ x + U_n @ (r * h) + b_n)  # candidate
    h = (1 - z) * n + z * h  # hidden state
    return h


@cell(cite="zhou2016mgu")
def mgu(x, h, *, W_f, U_f, b_f, W_n, U_n, b_n):
    """Minimal gated unit: one gate decides both what to forget and what to read."""
    f = sigmoid(W_f @ x + U_f @ h + b_f)  # forget gate
    n = tanh(W_n @ x + U_n @ (f * h) + b_n)  # candidate
    h = (1 - f) * h + f * n  # hidden state
    return h


@cell(cite="heck2017")
def mgu1(x, h, *, U_f, b_f, W_n, U_n, b_n):
    """Minimal gated unit, first variant: the gate does not see the input."""
    f = sigmoid(U_f @ h + b_f)  # forget gate
    n = tanh(W_n @ x + U_n @ (f * h) + b_n)  # candidate
    h = (1 - f) * h + f * n  # hidden state
    return h


@cell(cite="heck2017")
def mgu2(x, h, *, U_f, W_n, U_n, b_n):
    """Minimal gated unit, second variant: the gate sees the state alone and has no bias."""
    f = sigmoid(U_f @ h)  # forget gate
    n = tanh(W_n @ x + U_n @ (f * h) + b_n)  # candidate
    h = (1 - f) * h + f * n  # hidden state
    return h


@cell(cite="heck2017")
def mgu3(x, h, *, b_f, W_n, U_n, b_n):
    """Minimal gated unit, third variant: the gate is a bias, the same at every step."""
    f = sigmoid(b_f)  # forget gate
    n = tanh(W_n @ x + U_n @ (f * h) + b_n)  # candidate
    h = (1 - f) * h + f * n  # hidden state
    return h


@cell(cite="dey2017")
def gru1(x, h, *, U_r, b_r, U_z, b_z, W_n, U_n, b_n):
    """Gated recurrent unit, first variant: the gates do not see the input."""
    r = sigmoid(U_r @ h + b_r)  # reset gate
    z = sigmoid(U_z @ h + b_z)  # update gate, 1 overwrites
    n = tanh(W_n @ x + U_n @ (r * h) + b_n)  # candidate
    h = (1 - z) * h + z * n  # hidden state
    return h


@cell(cite="dey2017")
def gru2(x, h, *, U_r, U_z, W_n, U_n, b_n):
    """Gated recurrent unit, second variant: the gates see the state alone and have no biases."""
    r = sigmoid(U_r @ h)  # reset gate
    z = sigmoid(U_z @ h)  # update gate, 1 overwrites
    n = tanh(W_n @ x + U_n @ (r * h) + b_n)  # candidate
    h = (1 - z) * h + z * n  # hidden state
    return h


@cell(cite="dey2017")
def gru3(x, h, *, b_r, b_z, W_n, U_n, b_n):
    """Gated recurrent unit, third variant: the gates are biases, the same at every step."""
    r = sigmoid(b_r)  # reset gate
    z = sigmoid(b_z)  # update gate, 1 overwrites
    n = tanh(W_n @ x + U_n @ (r * h) + b_n)  # candidate
    h = (1 - z) * h + z * n  # hidden state
    return h


@cell(cite="ravanelli2018", init={"U_z": "orthogonal", "U_n": "orthogonal"})
def ligru(x, h, *, W_z, U_z, b_z, W_n, U_n, b_n, nonlinearity="relu"):
    """Light gated recurrent unit: no reset gate, a rectified candidate.

    The paper normalises W_z x and W_n x over the batch; here, as in torchrecurrent, a bias takes that place.
    """
    z = sigmoid(W_z @ x + U_z @ h + b_z)  # update gate
    n = activation(nonlinearity, W_n @ x + U_n @ h + b_n)  # candidate
    h = z * h + (1 - z) * n  # hidden state
    return h


@cell(cite="zyarah2026")
def miru1(x, h, *, W_r, U_r, b_r, W_n, U_n, b_n, update=0.5):
    """Minion gated unit 1: a GRU whose update gate is a number."""
    r = sigmoid(W_r @ x + U_r @ h + b_r)  # reset gate
    n = tanh(W_n @ x + U_n @ (r * h) + b_n)  # candidate
    h = update * h + (1 - update) * n  # hidden state
    return h


@cell(cite="zyarah2026")
def miru2(x, h, *, W, U, b, reset=0.5, update=0.5):
    """Minion gated unit 2: a GRU whose two gates are numbers."""
    n = tanh(W @ x + U @ (reset * h) + b)  # candidate
    h = update * h + (1 - update) * n  # hidden state
    return h


@cell(cite="erichson2025", shapes={"past": ("delay", "H")})
def tau_gru(x, h, *past, W_u, U_u, b_u, W_z, U_z, b_z, W_g, U_g, b_g, W_a, U_a, b_a, delay=5):
    """tau-GRU: a second candidate sees the state of `delay` steps ago, weighted by a gate of its own.

    torchrecurrent 0.2.5 forgets the buffer between calls, so its layer cannot be continued in
    chunks; here it is state.
    """
    u = tanh(W_u @ x + U_u @ h + b_u)  # candidate
    z = tanh(W_z @ x + U_z @ past[0] + b_z)  # delayed candidate
    g = sigmoid(W_g @ x + U_g @ h + b_g)  # update gate, 1 overwrites
    a = sigmoid(W_a @ x + U_a @ h + b_a)  # weight of the delayed candidate
    past = (*past[1:], h)
    h = (1 - g) * h + g * (u + a * z)  # hidden state
    return h, *past


@cell(cite="jozefowicz2015")
def jozefowicz_gru(x, h, *, W_r, U_r, b_r, W_z, U_z, b_z, W_n, U_n, b_n):
    """The gated recurrent unit as the architecture search had it: reset before the product."""
    r = sigmoid(W_r @ x + U_r @ h + b_r)  # reset gate
    z = sigmoid(W_z @ x + U_z @ h + b_z)  # update gate, 1 keeps the state
    n = tanh(W_n @ x + U_n @ (r * h) + b_n)  # candidate
    h = z * h + (1 - z) * n  # hidden state
    return h
