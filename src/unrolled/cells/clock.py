"""Cells that do not change at every step: by a clock of their own, or where they choose to."""

from ..cell import cell
from ..ops import floor, minimum, sigmoid, step, stop_gradient, tanh, total, where


@cell(
    cite="koutnik2014",
    fixed=("tau", "mask"),
    shapes={"t": ()},
    init={"tau": "clockwork_periods", "mask": "clockwork_mask"},
)
def clockwork_rnn(x, h, t, *, W, U, b, tau, mask):
    """Clockwork RNN: groups of units with periods 1, 2, 4, ..., each reading from the
    slower ones (section 3).
    """
    phase = t - tau * floor(t / tau)  # steps since the group's turn
    new = tanh(W @ x + (mask * U) @ h + b)
    h = where(phase < 0.5, new, h)  # hidden state
    t = t + 1  # steps so far
    return h, t


@cell(
    cite="campos2018",
    shapes={"u": (), "b_p": ()},
    start={"u": 1.0},
    init={"b_f": 1.0, "b_p": 1.0},
)
def skip_lstm(x, h, c, u, *, W_i, U_i, b_i, W_f, U_f, b_f, W_g, U_g, b_g, W_o, U_o, b_o, w_p, b_p):
    """Skip RNN of an LSTM: the state is updated where a growing number u is above 1/2 (equations 2 to 5)."""
    i = sigmoid(W_i @ x + U_i @ h + b_i)  # input gate
    f = sigmoid(W_f @ x + U_f @ h + b_f)  # forget gate
    g = tanh(W_g @ x + U_g @ h + b_g)  # candidate
    o = sigmoid(W_o @ x + U_o @ h + b_o)  # output gate
    new = f * c + i * g  # proposed cell state
    update = u + stop_gradient(step(u - 0.5) - u)  # 1 or 0, with the gradient of u
    c = update * new + (1 - update) * c  # cell state
    h = update * (o * tanh(new)) + (1 - update) * h  # hidden state
    p = sigmoid(total(w_p * c) + b_p)  # how much u grows
    u = update * p + (1 - update) * (u + minimum(p, 1 - u))
    return h, c, u


@cell(
    cite="campos2018",
    shapes={"u": (), "b_p": ()},
    start={"u": 1.0},
    init={"b_p": 1.0},
)
def skip_gru(x, h, u, *, W_r, U_r, b_r, W_z, U_z, b_z, W_n, U_n, b_n, w_p, b_p):
    """Skip RNN of a GRU: the state is updated where a growing number u is above 1/2 (equations 2 to 5)."""
    r = sigmoid(W_r @ x + U_r @ h + b_r)  # reset gate
    z = sigmoid(W_z @ x + U_z @ h + b_z)  # update gate
    n = tanh(W_n @ x + U_n @ (r * h) + b_n)  # candidate
    new = (1 - z) * n + z * h  # proposed state
    update = u + stop_gradient(step(u - 0.5) - u)  # 1 or 0, with the gradient of u
    h = update * new + (1 - update) * h  # hidden state
    p = sigmoid(total(w_p * h) + b_p)  # how much u grows
    u = update * p + (1 - update) * (u + minimum(p, 1 - u))
    return h, u


@cell(cite="graves2016", shapes={"cost": (), "b_p": ()}, init={"b_p": 1.0})
def act_rnn(x, s, cost, *, W, first, U, b, w_p, b_p, ponder=5, rest=0.01):
    """Adaptive computation time: up to `ponder` updates a step, until halting numbers add up to 1 (section 2).

    `cost` is the ponder cost so far, updates and remainder of every step; its final value times a small
    number is added to the loss.
    """
    left, going, mean = 1.0, 1.0, 0.0
    for n in range(ponder):
        s = tanh(W @ x + U @ s + (b + first if n == 0 else b))  # one more update; a flag marks the first
        if n < ponder - 1:
            p = sigmoid(total(w_p * s) + b_p)  # halting number
            last = step(p + rest - left)  # whether this update is the last
            mean = mean + going * where(last, left, p) * s  # the last one weighs what is left
            cost = cost + going * (1 + where(last, left, 0.0))  # updates, and the remainder
            going, left = going * (1 - last), left - p  # whether it goes on, and what is left of 1
        else:
            mean = mean + going * left * s  # no more updates
            cost = cost + going * (1 + left)
    s = mean  # state
    return s, cost
