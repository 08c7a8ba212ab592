"""Gates that are exponentials, kept finite by a state that holds their largest logarithm."""

from math import inf

from ...cell import cell
from ...errors import Never
from ...ops import block_diagonal, exp, maximum, sigmoid, softplus, tanh


@cell(
    cite="beck2024",
    start={"m": -inf},
    init={"b_f": 1.0},
    shapes={f"R_{gate}": ("heads", "H/heads", "H/heads") for gate in "ifzo"},
)
def slstm(
    x, h, c, n, m, *, W_i, R_i, b_i, W_f, R_f, b_f, W_z, R_z, b_z, W_o, R_o, b_o, heads=1, forget="sigmoid"
):
    """sLSTM: exponential input gate, a normaliser n, units that meet only within their
    head (equations 8 to 17).

    The paper leaves the forget gate open: .using(forget="exp") is the other one. m begins at minus infinity, so
    that the first step keeps nothing; flashrnn begins at 0 and treats n = 0 apart, which is the same. It also
    keeps n from falling below 1, which it never does from there.
    """
    log_i = W_i @ x + block_diagonal(R_i) @ h + b_i  # logarithm of the input gate
    net = W_f @ x + block_diagonal(R_f) @ h + b_f
    if forget == "sigmoid":
        log_f = -softplus(-net)  # logarithm of the forget gate
    elif forget == "exp":
        log_f = net  # logarithm of the forget gate
    else:
        raise Never(f"forget={forget!r} is not a gate of slstm; choose sigmoid or exp")
    z = tanh(W_z @ x + block_diagonal(R_z) @ h + b_z)  # cell input
    o = sigmoid(W_o @ x + block_diagonal(R_o) @ h + b_o)  # output gate
    kept = log_f + m
    m = maximum(kept, log_i)  # stabiliser
    i = exp(log_i - m)  # input gate, stabilised
    f = exp(kept - m)  # forget gate, stabilised
    c = f * c + i * z  # cell state
    n = f * n + i  # normaliser
    h = o * (c / n)  # hidden state
    return h, c, n, m
