"""Cells whose recurrent matrix is built to be stable: antisymmetric, or partly so, with a little damping."""

from ..cell import cell
from ..ops import sigmoid, tanh


@cell(cite="chang2019")
def antisymmetric_rnn(x, h, *, W, U, b, epsilon=0.1, gamma=0.01):
    """Antisymmetric RNN: an Euler step whose recurrent matrix is antisymmetric, but for the damping gamma."""
    a = (U - U.T) @ h - gamma * h  # damped rotation
    h = h + epsilon * tanh(W @ x + a + b)  # hidden state
    return h


@cell(cite="chang2019")
def gated_antisymmetric_rnn(x, h, *, W_z, b_z, W_h, b_h, U, epsilon=0.1, gamma=0.01):
    """Antisymmetric RNN with an input gate, which shares the recurrent matrix.

    torchrecurrent 0.2.5 documents a recurrent bias in the gate too; its code has it, as
    here, in the candidate only.
    """
    a = (U - U.T) @ h - gamma * h  # damped rotation
    z = sigmoid(W_z @ x + a + b_z)  # input gate
    h = h + epsilon * z * tanh(W_h @ x + a + b_h)  # hidden state
    return h


@cell(cite="erichson2021")
def lipschitz_rnn(
    x, h, *, M_A, M_U, W, b, epsilon=0.03, beta_A=0.75, gamma_A=0.001, beta_U=0.75, gamma_U=0.001
):
    """Lipschitz RNN: an Euler step of a linear and a Lipschitz part, both matrices
    antisymmetric as far as beta says.
    """
    A = (1 - beta_A) * (M_A + M_A.T) + beta_A * (M_A - M_A.T)
    U = (1 - beta_U) * (M_U + M_U.T) + beta_U * (M_U - M_U.T)
    linear = A @ h - gamma_A * h  # linear part
    n = tanh(W @ x + U @ h - gamma_U * h + b)  # Lipschitz part
    h = h + epsilon * (linear + n)  # hidden state
    return h
