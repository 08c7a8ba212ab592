"""Strongly typed cells: the state is never multiplied by a matrix, so that it keeps the
type of what it averages.
"""

from ..cell import cell
from ..ops import sigmoid, tanh


@cell(cite="balduzzi2016", init={"b_z": 0.0})
def t_rnn(x, h, *, W_z, b_z, W_f, b_f):
    """T-RNN: a moving average of the mapped input, whose weight depends on the input alone.

    The paper's z has no bias; torchrecurrent's has, so b_z is there and starts at zero.
    """
    z = W_z @ x + b_z  # mapped input
    f = sigmoid(W_f @ x + b_f)  # forget gate
    h = f * h + (1 - f) * z  # hidden state
    return h


@cell(cite="balduzzi2016", shapes={"last": ("I",)})
def t_gru(x, h, last, *, W_z, V_z, b_z, W_f, V_f, b_f, W_o, V_o, b_o):
    """T-GRU: gates look at this input and the last one, not at the state."""
    z = W_z @ x + V_z @ last + b_z  # mapped inputs
    f = sigmoid(W_f @ x + V_f @ last + b_f)  # forget gate
    o = tanh(W_o @ x + V_o @ last + b_o)  # output gate
    h = f * h + z * o  # hidden state
    return h, x


@cell(cite="balduzzi2016", shapes={"last": ("I",)})
def t_lstm(x, c, last, *, W_z, V_z, b_z, W_f, V_f, b_f, W_o, V_o, b_o):
    """T-LSTM: gates look at this input and the last one; the output is gated and not fed back."""
    z = W_z @ x + V_z @ last + b_z  # mapped inputs
    f = sigmoid(W_f @ x + V_f @ last + b_f)  # forget gate
    o = tanh(W_o @ x + V_o @ last + b_o)  # output gate
    c = f * c + (1 - f) * z  # cell state
    h = c * o  # output
    return h, c, x
