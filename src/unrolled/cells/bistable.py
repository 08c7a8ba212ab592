"""Bistable cells: each unit feeds itself back strongly enough to have two resting points, and so remembers."""

from ..cell import cell
from ..ops import sigmoid, tanh


@cell(cite="vecoven2021", init={"b_a": 0.0, "b_c": 0.0, "b_h": 0.0})
def brc(x, h, *, W_a, u_a, b_a, W_c, u_c, b_c, W_h, b_h):
    """Bistable recurrent cell: a unit sees itself alone, and is bistable while its feedback a exceeds 1.

    The paper writes no biases; torchrecurrent has them, so they are there and start at zero.
    """
    a = 1 + tanh(W_a @ x + u_a * h + b_a)  # feedback strength, 0 to 2
    c = sigmoid(W_c @ x + u_c * h + b_c)  # update gate
    h = c * h + (1 - c) * tanh(W_h @ x + a * h + b_h)  # hidden state
    return h


@cell(cite="vecoven2021", init={"b_a": 0.0, "b_c": 0.0, "b_h": 0.0})
def nbrc(x, h, *, W_a, U_a, b_a, W_c, U_c, b_c, W_h, b_h):
    """Neuromodulated bistable recurrent cell: all units decide together which of them is bistable.

    torchrecurrent 0.2.5 documents an elementwise product with U_a and U_c; its code
    multiplies, as the paper does.
    """
    a = 1 + tanh(W_a @ x + U_a @ h + b_a)  # feedback strength, 0 to 2
    c = sigmoid(W_c @ x + U_c @ h + b_c)  # update gate
    h = c * h + (1 - c) * tanh(W_h @ x + a * h + b_h)  # hidden state
    return h
