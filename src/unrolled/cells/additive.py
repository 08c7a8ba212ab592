"""Cells that add gated input to a gated state, with no recurrent matrix but in the gates."""

from ..cell import cell
from ..ops import activation, sigmoid, tanh


@cell(cite="laurent2017", init={"b_h": 0.0})
def cfn(x, h, *, W_theta, U_theta, b_theta, W_eta, U_eta, b_eta, W_h, b_h):
    """Chaos-free network: without input, every trajectory falls to zero.

    The paper's W_h x has no bias; torchrecurrent's has, so b_h is there and starts at zero.
    """
    theta = sigmoid(W_theta @ x + U_theta @ h + b_theta)  # forget gate
    eta = sigmoid(W_eta @ x + U_eta @ h + b_eta)  # input gate
    h = theta * tanh(h) + eta * tanh(W_h @ x + b_h)  # hidden state
    return h


@cell(cite="lee2017")
def ran(x, h, c, *, W_c, W_i, U_i, b_i, W_f, U_f, b_f, nonlinearity="tanh"):
    """Recurrent additive network: the state is a weighted sum of the inputs so far, and nothing else.

    torchrecurrent 0.2.5 documents a bias of the content W_c x; neither its code nor the paper has one.
    """
    i = sigmoid(W_i @ x + U_i @ h + b_i)  # input gate
    f = sigmoid(W_f @ x + U_f @ h + b_f)  # forget gate
    c = i * (W_c @ x) + f * c  # memory
    h = activation(nonlinearity, c)  # output
    return h, c


@cell(cite="zhang2018atr", init={"b_p": 0.0, "b_q": 0.0})
def atr(x, h, *, W, b_p, U, b_q):
    """Addition-subtraction twin-gated RNN: the sum and the difference of two vectors are its gates.

    The paper writes no biases; torchrecurrent has them, so they are there and start at zero.
    """
    p = W @ x + b_p  # seen input
    q = U @ h + b_q  # seen state
    i = sigmoid(p + q)  # input gate
    f = sigmoid(p - q)  # forget gate
    h = i * p + f * h  # hidden state
    return h
