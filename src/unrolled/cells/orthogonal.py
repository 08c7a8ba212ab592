"""Cells whose recurrent matrix keeps lengths."""

from ..cell import cell
from ..ops import absolute, matrix_exp, relu, step


@cell(cite=("lezcano2019", "arjovsky2016"), init={"A": "rotations", "b": 0.0})
def orthogonal_rnn(x, h, *, W, A, b):
    """expRNN: the recurrent matrix is exp(A - A^T), orthogonal whatever A is; modReLU keeps signs."""
    z = W @ x + matrix_exp(A - A.T) @ h
    h = (step(z) - step(-z)) * relu(absolute(z) + b)  # hidden state
    return h
