"""Cells with a second path: through depth inside a step, or past the state to the output."""

from ..cell import cell
from ..ops import relu, sigmoid, tanh


@cell(
    cite="zilly2017",
    init={"b_t": -2.0},
    shapes={
        "U_h": ("depth", "H", "H"),
        "b_h": ("depth", "H"),
        "U_t": ("depth", "H", "H"),
        "b_t": ("depth", "H"),
    },
)
def rhn(x, s, *, W_h, W_t, U_h, b_h, U_t, b_t, depth=3):
    """Recurrent highway network: several gated layers inside one step (equations 6 to 9, carry gate 1 - t)."""
    for k in range(depth):
        seen_h = U_h[k] @ s + b_h[k] + (W_h @ x if k == 0 else 0)
        seen_t = U_t[k] @ s + b_t[k] + (W_t @ x if k == 0 else 0)
        h = tanh(seen_h)  # proposal
        t = sigmoid(seen_t)  # transform gate
        s = h * t + s * (1 - t)  # state
    return s


@cell(cite="collins2017", init={"b_gy": 1.0, "b_gh": 1.0})
def intersection_rnn(x, h, *, W_yin, U_yin, b_yin, W_hin, U_hin, b_hin, W_gy, U_gy, b_gy, W_gh, U_gh, b_gh):
    """Intersection RNN (+RNN): one gate for depth, one for time; the output is not the
    state (equations 6 to 9).
    """
    y_in = relu(W_yin @ x + U_yin @ h + b_yin)
    h_in = tanh(W_hin @ x + U_hin @ h + b_hin)
    g_y = sigmoid(W_gy @ x + U_gy @ h + b_gy)  # gate of the depth
    g_h = sigmoid(W_gh @ x + U_gh @ h + b_gh)  # gate of the time
    y = g_y * x + (1 - g_y) * y_in  # output
    h = g_h * h + (1 - g_h) * h_in  # hidden state
    return y, h
