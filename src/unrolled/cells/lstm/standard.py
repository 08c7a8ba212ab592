"""Long short-term memory and its kin: a cell state that is added to, behind gates."""

from ...cell import cell
from ...errors import Never
from ...ops import floor, sigmoid, tanh, where


@cell(cite="hochreiter1997")
def lstm_1997(x, h, c, *, W_i, U_i, b_i, W_g, U_g, b_g, W_o, U_o, b_o, squash="logistic"):
    """Long short-term memory as it was first: no forget gate, logistic curves scaled to -2..2
    and -1..1 (appendix A.1).

    torchrecurrent has tanh for both curves: that is .using(squash="tanh").
    """
    i = sigmoid(W_i @ x + U_i @ h + b_i)  # input gate
    net = W_g @ x + U_g @ h + b_g
    o = sigmoid(W_o @ x + U_o @ h + b_o)  # output gate
    if squash == "logistic":
        c = c + i * (4 * sigmoid(net) - 2)  # cell state
        h = o * (2 * sigmoid(c) - 1)  # hidden state
    elif squash == "tanh":
        c = c + i * tanh(net)  # cell state
        h = o * tanh(c)  # hidden state
    else:
        raise Never(f"squash={squash!r} is not a curve of lstm_1997; choose logistic or tanh")
    return h, c


@cell(cite=("hochreiter1997", "gers2000"), year=2000, init={"b_f": 1.0})
def lstm(x, h, c, *, W_i, U_i, b_i, W_f, U_f, b_f, W_g, U_g, b_g, W_o, U_o, b_o):
    """Long short-term memory with a forget gate."""
    i = sigmoid(W_i @ x + U_i @ h + b_i)  # input gate
    f = sigmoid(W_f @ x + U_f @ h + b_f)  # forget gate
    g = tanh(W_g @ x + U_g @ h + b_g)  # candidate
    o = sigmoid(W_o @ x + U_o @ h + b_o)  # output gate
    c = f * c + i * g  # cell state
    h = o * tanh(c)  # hidden state
    return h, c


@cell(cite="gers2002", init={"b_f": 1.0})
def peephole_lstm(x, h, c, *, W_i, U_i, p_i, b_i, W_f, U_f, p_f, b_f, W_g, U_g, b_g, W_o, U_o, p_o, b_o):
    """LSTM whose gates look at the cell state: input and forget gate at the old one,
    output gate at the new one.
    """
    i = sigmoid(W_i @ x + U_i @ h + p_i * c + b_i)  # input gate
    f = sigmoid(W_f @ x + U_f @ h + p_f * c + b_f)  # forget gate
    g = tanh(W_g @ x + U_g @ h + b_g)  # candidate
    c = f * c + i * g  # cell state
    o = sigmoid(W_o @ x + U_o @ h + p_o * c + b_o)  # output gate
    h = o * tanh(c)  # hidden state
    return h, c


@cell(cite="sak2014", init={"b_f": 1.0}, shapes={"h": ("O",)})
def lstm_projected(x, h, c, *, W_i, U_i, b_i, W_f, U_f, b_f, W_g, U_g, b_g, W_o, U_o, b_o, P):
    """LSTM with a recurrent projection: a matrix P brings the output to a width O before it is fed back.

    The paper's gates look at the cell state too: that is peephole_lstm_projected. This is
    torch.nn.LSTM with proj_size.
    """
    i = sigmoid(W_i @ x + U_i @ h + b_i)  # input gate
    f = sigmoid(W_f @ x + U_f @ h + b_f)  # forget gate
    g = tanh(W_g @ x + U_g @ h + b_g)  # candidate
    o = sigmoid(W_o @ x + U_o @ h + b_o)  # output gate
    c = f * c + i * g  # cell state
    h = P @ (o * tanh(c))  # projected output
    return h, c


@cell(cite="sak2014", init={"b_f": 1.0}, shapes={"h": ("O",)})
def peephole_lstm_projected(
    x, h, c, *, W_i, U_i, p_i, b_i, W_f, U_f, p_f, b_f, W_g, U_g, b_g, W_o, U_o, p_o, b_o, P
):
    """LSTMP, peephole LSTM with a recurrent projection P to a width O (the paper's, without
    the non-recurrent part).
    """
    i = sigmoid(W_i @ x + U_i @ h + p_i * c + b_i)  # input gate
    f = sigmoid(W_f @ x + U_f @ h + p_f * c + b_f)  # forget gate
    g = tanh(W_g @ x + U_g @ h + b_g)  # candidate
    c = f * c + i * g  # cell state
    o = sigmoid(W_o @ x + U_o @ h + p_o * c + b_o)  # output gate
    h = P @ (o * tanh(c))  # projected output
    return h, c


@cell(cite="neil2016", init={"b_f": 1.0, "tau": "phase", "s": "shift"}, shapes={"t": ()})
def phased_lstm(
    x, t, /, h, c, *, W_i, U_i, b_i, W_f, U_f, b_f, W_g, U_g, b_g, W_o, U_o, b_o, tau, s, r_on=0.05, leak=0.001
):
    """LSTM with a clock: unit k is updated only while its phase of period tau_k is open (equations 6 to 12)."""
    u = (t - s) / tau
    phi = u - floor(u)  # phase, 0 to 1
    falling = where(phi < r_on, 2 - 2 * phi / r_on, leak * phi)
    k = where(phi < r_on / 2, 2 * phi / r_on, falling)  # openness
    i = sigmoid(W_i @ x + U_i @ h + b_i)  # input gate
    f = sigmoid(W_f @ x + U_f @ h + b_f)  # forget gate
    g = tanh(W_g @ x + U_g @ h + b_g)  # candidate
    o = sigmoid(W_o @ x + U_o @ h + b_o)  # output gate
    new = f * c + i * g  # proposed cell state
    c = k * new + (1 - k) * c  # cell state
    h = k * (o * tanh(new)) + (1 - k) * h  # hidden state
    return h, c
