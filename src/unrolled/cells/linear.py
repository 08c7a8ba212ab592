"""Cells that are linear in their state: gates look at the input, and at most unit by unit at the state."""

from ..cell import cell
from ..errors import Never
from ..ops import activation, cos, exp, sigmoid, sin, tanh, where


def candidate_of(name, v):
    """The candidate as it is, or made positive as in the log-space form (appendix B.3 of feng2024)."""
    if name == "plain":
        return v
    if name == "positive":
        return where(v < 0, sigmoid(v), v + 0.5)
    raise Never(f"candidate={name!r} is not known; choose plain or positive")


@cell(cite="feng2024")
def mingru(x, h, *, W_z, b_z, W_n, b_n, candidate="plain"):
    """minGRU: a GRU whose gate and candidate do not see the state (section 3.1)."""
    z = sigmoid(W_z @ x + b_z)  # update gate
    n = candidate_of(candidate, W_n @ x + b_n)  # candidate
    h = (1 - z) * h + z * n  # hidden state
    return h


@cell(cite="feng2024", init={"b_f": 1.0})
def minlstm(x, h, *, W_f, b_f, W_i, b_i, W_n, b_n, candidate="plain"):
    """minLSTM: an LSTM whose gates do not see the state and add up to 1, without an output gate (section 3.2).

    minGRU-pytorch has candidate="positive" (appendix B.3), and goes on from a state in two ways, of which the
    parallel one, from the logarithm of g(state), is wrong.
    """
    f = sigmoid(W_f @ x + b_f)  # forget gate
    i = sigmoid(W_i @ x + b_i)  # input gate
    n = candidate_of(candidate, W_n @ x + b_n)  # candidate
    h = (f * h + i * n) / (f + i)  # hidden state
    return h


@cell(cite="lei2017sru", init={"W_h": "identity"})
def sru_2017(x, c, *, W, W_f, b_f, W_r, b_r, W_h, nonlinearity="tanh"):
    """The first simple recurrent unit, whose gates do not see the state, so that it is
    linear (equations 3 to 7).
    """
    f = sigmoid(W_f @ x + b_f)  # forget gate
    r = sigmoid(W_r @ x + b_r)  # reset gate, of the highway
    c = f * c + (1 - f) * (W @ x)  # internal state
    h = r * activation(nonlinearity, c) + (1 - r) * (W_h @ x)  # output
    return h, c


@cell(cite="lei2018sru", init={"W_h": "identity"})
def sru(x, c, *, W, W_f, v_f, b_f, W_r, v_r, b_r, W_h, alpha=1.0):
    """Simple recurrent unit: gates see the state unit by unit, a highway leads past it (equations 1 to 4).

    The highway carries W_h x: the paper's x where W_h is the identity, with which it starts. `alpha` is its
    scaling correction.
    """
    f = sigmoid(W_f @ x + v_f * c + b_f)  # forget gate
    r = sigmoid(W_r @ x + v_r * c + b_r)  # reset gate, of the highway
    c = f * c + (1 - f) * (W @ x)  # internal state
    h = r * c + (1 - r) * (alpha * (W_h @ x))  # output
    return h, c


@cell(cite="bradbury2017", shapes={"last": ("I",)})
def qrnn(x, c, last, *, W_z, V_z, b_z, W_f, V_f, b_f, W_o, V_o, b_o):
    """Quasi-recurrent network: gates see two inputs, this one and the last; fo-pooling (equations 2 and 4)."""
    z = tanh(W_z @ x + V_z @ last + b_z)  # candidate
    f = sigmoid(W_f @ x + V_f @ last + b_f)  # forget gate
    o = sigmoid(W_o @ x + V_o @ last + b_o)  # output gate
    c = f * c + (1 - f) * z  # cell state
    h = o * c  # output
    return h, c, x


@cell(
    cite="orvieto2023",
    init={
        "nu": "ring",
        "theta": "ring_phase",
        "gamma": "ring_gain",
        "B_re": "half_lecun",
        "B_im": "half_lecun",
        "C_re": "lecun",
        "C_im": "lecun",
        "D": "lecun",
    },
)
def lru(x, re, im, *, nu, theta, gamma, B_re, B_im, C_re, C_im, D):
    """Linear recurrent unit: a complex diagonal exp(-exp(nu) + i exp(theta)), stable
    by its form (appendix A).
    """
    size = exp(-exp(nu))  # modulus, below 1
    turn_re = size * cos(exp(theta))  # eigenvalue, real part
    turn_im = size * sin(exp(theta))  # and imaginary part
    gain = exp(gamma)  # keeps the state as large as its input
    new = turn_re * re - turn_im * im + gain * (B_re @ x)
    im = turn_re * im + turn_im * re + gain * (B_im @ x)  # state, imaginary part
    re = new  # state, real part
    y = C_re @ re - C_im @ im + D @ x  # real part of C times the state, and the input
    return y, re, im
