"""Cells with at most one gate that sees the state: what is left when one asks how little a GRU needs."""

from ..cell import cell
from ..ops import activation, maximum, minimum, sigmoid, softplus, tanh


@cell(cite="collins2017", init={"b_g": 1.0})
def ugrnn(x, h, *, W_c, U_c, b_c, W_g, U_g, b_g, nonlinearity="tanh"):
    """Update gate RNN: one gate mixes the old state with a candidate."""
    c = activation(nonlinearity, W_c @ x + U_c @ h + b_c)  # candidate
    g = sigmoid(W_g @ x + U_g @ h + b_g)  # update gate
    h = g * h + (1 - g) * c  # hidden state
    return h


@cell(cite="chen2017")
def minimal_rnn(x, h, *, W, b, U_h, U_z, b_u, nonlinearity="tanh"):
    """MinimalRNN: the input is mapped into the space of the state once, and the state stays there."""
    z = activation(nonlinearity, W @ x + b)  # latent input
    u = sigmoid(U_h @ h + U_z @ z + b_u)  # update gate
    h = u * h + (1 - u) * z  # hidden state
    return h


@cell(cite="ye2024", init={"b_h": 0.0})
def light_ru(x, h, *, W_h, b_h, W_f, U_f, b_f):
    """Light recurrent unit: one gate, and a candidate that does not see the state.

    The paper's candidate has no bias; torchrecurrent's has, so b_h is there and starts at zero.
    """
    n = tanh(W_h @ x + b_h)  # candidate
    f = sigmoid(W_f @ x + U_f @ h + b_f)  # forget gate, 1 overwrites
    h = (1 - f) * h + f * n  # hidden state
    return h


@cell(cite="turkoglu2022")
def star(x, h, *, W_z, b_z, W_k, U_k, b_k):
    """Stackable recurrent cell: one gate, and a tanh around the state, so that
    gradients survive many layers.
    """
    z = tanh(W_z @ x + b_z)  # candidate
    k = sigmoid(W_k @ x + U_k @ h + b_k)  # gate, 1 overwrites
    h = tanh((1 - k) * h + k * z)  # hidden state
    return h


@cell(cite="zu2020")
def sgrn(x, h, *, W, b, U, b_f):
    """Simple gated recurrent network: one matrix of the input serves the gate and the candidate."""
    p = W @ x + b  # seen input
    f = sigmoid(p + U @ h + b_f)  # forget gate
    h = tanh((1 - f) * p + f * h)  # hidden state
    return h


@cell(
    cite="kusupati2018",
    init={"alpha": -3.0, "beta": 3.0},
    shapes={"alpha": (), "beta": ()},
)
def fast_rnn(x, h, *, W, U, b, alpha, beta, nonlinearity="tanh"):
    """FastRNN: a residual connection through time with two learned numbers, kept in 0 to 1 by a sigmoid.

    First values are those of the authors' code, a slow state; torchrecurrent 0.2.5 has
    them the other way round.
    """
    n = activation(nonlinearity, W @ x + U @ h + b)  # candidate
    h = sigmoid(alpha) * n + sigmoid(beta) * h  # hidden state
    return h


@cell(
    cite="kusupati2018",
    init={"zeta": 1.0, "nu": -4.0},
    shapes={"zeta": (), "nu": ()},
)
def fast_grnn(x, h, *, W, U, b_z, b_h, zeta, nu, gate="sigmoid", nonlinearity="tanh"):
    """FastGRNN: gate and candidate share both matrices; two learned numbers between 0 and 1 mix them.

    torchrecurrent 0.2.5 documents the paper's sigmoid gate and computes a tanh by default:
    that is .using(gate="tanh").
    """
    p = W @ x + U @ h  # shared by both
    z = activation(gate, p + b_z)  # update gate
    n = activation(nonlinearity, p + b_h)  # candidate
    h = (sigmoid(zeta) * (1 - z) + sigmoid(nu)) * n + z * h  # hidden state
    return h


@cell(cite="gao2016", init={"b_m": 0.0})
def sgu(x, h, *, W_x, b_x, U_m, b_m, W_z, U_z, b_z, slope=0.2):
    """Simple gated unit: the input multiplies the state, and one gate mixes the result in.

    The paper has no bias b_m; torchrecurrent has, so it is there and starts at zero. `slope` is that of the
    hard sigmoid: 0.2 in Theano and Keras of the paper's time, 1/6 in torch, which torchrecurrent takes.
    """
    m = tanh(U_m @ ((W_x @ x + b_x) * h) + b_m)  # how the input modulates the state
    n = softplus(m * h)  # candidate
    z = minimum(maximum(slope * (W_z @ x + U_z @ h + b_z) + 0.5, 0.0), 1.0)  # update gate, hard sigmoid
    h = (1 - z) * h + z * n  # hidden state
    return h


@cell(cite="gao2016", init={"b_m": 0.0})
def dsgu(x, h, *, W_x, b_x, U_m, b_m, U_o, W_z, U_z, b_z, slope=0.2):
    """Deep simple gated unit: the modulated state passes one more layer before it is mixed in.

    About b_m and `slope` see sgu.
    """
    m = tanh(U_m @ ((W_x @ x + b_x) * h) + b_m)  # how the input modulates the state
    n = sigmoid(U_o @ (m * h))  # candidate
    z = minimum(maximum(slope * (W_z @ x + U_z @ h + b_z) + 0.5, 0.0), 1.0)  # update gate, hard sigmoid
    h = (1 - z) * h + z * n  # hidden state
    return h


@cell(
    cite="ororbia2017",
    init={"alpha": 1.0, "beta_1": 1.0, "beta_2": 1.0, "b_z": 0.0, "b_r": 0.0},
)
def delta_rnn(x, h, *, W, U, alpha, beta_1, beta_2, b_z, b_r):
    """Delta-RNN: product and sum of one view of the input and one of the state; the
    gate does not see the state.
    """
    seen = W @ x  # what the input says
    kept = U @ h  # what the state says
    z = tanh(alpha * kept * seen + beta_1 * kept + beta_2 * seen + b_z)  # candidate
    r = sigmoid(seen + b_r)  # how much stays
    h = (1 - r) * z + r * h  # hidden state
    return h
