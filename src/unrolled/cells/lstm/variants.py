"""LSTMs with gates taken away, added, or shown something else."""

from ...cell import cell
from ...ops import cumax, sigmoid, tanh


@cell(
    cite="vanderwesthuizen2018",
    init={"b_f": 1.0, "beta": 1.0},
    fixed=("beta",),
    shapes={"beta": ()},
)
def janet(x, h, *, W_f, U_f, b_f, W_g, U_g, b_g, beta):
    """JANET, just another network: an LSTM of the forget gate alone; beta makes it write a
    little more than it forgets.

    beta is fixed at 1 in the paper; torchrecurrent trains it, and keeps its one state twice.
    """
    s = W_f @ x + U_f @ h + b_f
    g = tanh(W_g @ x + U_g @ h + b_g)  # candidate
    h = sigmoid(s) * h + (1 - sigmoid(s - beta)) * g  # hidden state
    return h


@cell(cite="benari2017", init={"b_f": 1.0})
def memory_controller_lstm(
    x, v, c, *, W_f, U_f, b_f, W_i, U_i, b_i, W_o, U_o, b_o, W_m, U_m, b_m, W_g, U_g, b_g
):
    """Memory-controller LSTM: what is put out and what steers the gates are read from the cell by two gates."""
    f = sigmoid(W_f @ x + U_f @ v + b_f)  # forget gate
    i = sigmoid(W_i @ x + U_i @ v + b_i)  # input gate
    o = sigmoid(W_o @ x + U_o @ v + b_o)  # output gate
    m = sigmoid(W_m @ x + U_m @ v + b_m)  # control gate
    g = tanh(W_g @ x + U_g @ v + b_g)  # candidate
    c = f * c + i * g  # cell state
    h = o * tanh(c)  # output
    v = m * tanh(c)  # control, fed back
    return h, v, c


@cell(cite="kim2017", init={"b_f": 1.0})
def residual_lstm(
    x, h, c, *, W_i, U_i, p_i, b_i, W_f, U_f, p_f, b_f, W_g, U_g, b_g, W_o, U_o, p_o, b_o, P, W_r
):
    """Residual LSTM: a shortcut from the input joins the projected cell before the output gate.

    The paper's W_r is the identity where widths are equal.
    """
    i = sigmoid(W_i @ x + U_i @ h + p_i * c + b_i)  # input gate
    f = sigmoid(W_f @ x + U_f @ h + p_f * c + b_f)  # forget gate
    g = tanh(W_g @ x + U_g @ h + b_g)  # candidate
    c = f * c + i * g  # cell state
    o = sigmoid(W_o @ x + U_o @ h + p_o * c + b_o)  # output gate
    h = o * (P @ tanh(c) + W_r @ x)  # hidden state
    return h, c


@cell(cite="landi2021", init={"b_f": 1.0, "d_i": 0.0, "d_f": 0.0, "d_o": 0.0})
def wmc_lstm(
    x, h, c, *, W_i, U_i, b_i, V_i, d_i, W_f, U_f, b_f, V_f, d_f, W_g, U_g, b_g, W_o, U_o, b_o, V_o, d_o
):
    """LSTM with working memory connections: gates see a squashed projection of the cell state.

    torchrecurrent 0.2.5 documents other equations (no tanh, a candidate without h); its code is the paper's,
    plus the biases d, which are there for it and start at zero.
    """
    i = sigmoid(W_i @ x + U_i @ h + b_i + tanh(V_i @ c + d_i))  # input gate
    f = sigmoid(W_f @ x + U_f @ h + b_f + tanh(V_f @ c + d_f))  # forget gate
    g = tanh(W_g @ x + U_g @ h + b_g)  # candidate
    c = f * c + i * g  # cell state
    o = sigmoid(W_o @ x + U_o @ h + b_o + tanh(V_o @ c + d_o))  # output gate
    h = o * tanh(c)  # hidden state
    return h, c


@cell(cite="irie2024", init={"b_f": 1.0})
def e_lstm(x, c, *, W_f, u_f, b_f, W_z, u_z, b_z, W_o, U_o, b_o):
    """eLSTM: units remember only themselves, which makes real-time recurrent learning
    cheap; the output sees all.
    """
    f = sigmoid(W_f @ x + u_f * c + b_f)  # forget gate
    z = tanh(W_z @ x + u_z * c + b_z)  # candidate
    c = f * c + (1 - f) * z  # cell state
    o = sigmoid(W_o @ x + U_o @ c + b_o)  # output gate
    h = o * c  # output
    return h, c


@cell(cite="lu2017", init={"b_f": 1.0})
def slim_lstm_1(x, h, c, *, U_i, b_i, U_f, b_f, W_g, U_g, b_g, U_o, b_o):
    """Simplified LSTM, first variant: the gates do not see the input."""
    i = sigmoid(U_i @ h + b_i)  # input gate
    f = sigmoid(U_f @ h + b_f)  # forget gate
    g = tanh(W_g @ x + U_g @ h + b_g)  # candidate
    o = sigmoid(U_o @ h + b_o)  # output gate
    c = f * c + i * g  # cell state
    h = o * tanh(c)  # hidden state
    return h, c


@cell(cite="lu2017")
def slim_lstm_2(x, h, c, *, U_i, U_f, W_g, U_g, b_g, U_o):
    """Simplified LSTM, second variant: the gates see the state alone and have no biases."""
    i = sigmoid(U_i @ h)  # input gate
    f = sigmoid(U_f @ h)  # forget gate
    g = tanh(W_g @ x + U_g @ h + b_g)  # candidate
    o = sigmoid(U_o @ h)  # output gate
    c = f * c + i * g  # cell state
    h = o * tanh(c)  # hidden state
    return h, c


@cell(cite="lu2017", init={"b_f": 1.0})
def slim_lstm_3(x, h, c, *, b_i, b_f, W_g, U_g, b_g, b_o):
    """Simplified LSTM, third variant: the gates are biases, the same at every step."""
    i = sigmoid(b_i)  # input gate
    f = sigmoid(b_f)  # forget gate
    g = tanh(W_g @ x + U_g @ h + b_g)  # candidate
    o = sigmoid(b_o)  # output gate
    c = f * c + i * g  # cell state
    h = o * tanh(c)  # hidden state
    return h, c


@cell(cite="shen2019", init={"b_f": 1.0})
def on_lstm(
    x, h, c, *, W_i, U_i, b_i, W_f, U_f, b_f, W_g, U_g, b_g, W_o, U_o, b_o, W_mi, U_mi, b_mi, W_mf, U_mf, b_mf
):
    """Ordered neurons LSTM: master gates rise and fall over the units: high ones keep
    longer (equations 9 to 14).

    Master gates are as wide as the state, the paper's chunk size 1.
    """
    i = sigmoid(W_i @ x + U_i @ h + b_i)  # input gate
    f = sigmoid(W_f @ x + U_f @ h + b_f)  # forget gate
    g = tanh(W_g @ x + U_g @ h + b_g)  # candidate
    o = sigmoid(W_o @ x + U_o @ h + b_o)  # output gate
    master_f = cumax(W_mf @ x + U_mf @ h + b_mf)  # master forget gate, rising from unit to unit
    master_i = 1 - cumax(W_mi @ x + U_mi @ h + b_mi)  # master input gate, falling
    both = master_f * master_i  # where they overlap the ordinary gates decide
    f = f * both + (master_f - both)
    i = i * both + (master_i - both)
    c = f * c + i * g  # cell state
    h = o * tanh(c)  # hidden state
    return h, c
