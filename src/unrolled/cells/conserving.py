"""Cells that conserve what they store."""

from ..cell import cell
from ..ops import absolute, sigmoid, softmax, softmax_columns, total


@cell(cite="hoedt2021", shapes={"m": ()}, init={"b_o": -3.0, "B": "identity"})
def mass_conserving_lstm(x, m, /, c, *, W_i, U_i, b_i, W_o, U_o, b_o, B):
    """Mass-conserving LSTM: what comes in as mass m is stored, redistributed or put out, never
    lost (equations 2 to 7).

    m is a number a step, x what the gates see besides. The authors' code divides the cell state by its sum, and
    neuralhydrology's by the norm over the whole batch, so that rows meet; the paper has each row's own norm.
    """
    share = c / (total(absolute(c)) + 1e-5)  # stored mass, as parts of 1
    where_to = W_i @ x + U_i @ share + b_i
    i = softmax(where_to)  # input gate: where the new mass goes
    o = sigmoid(W_o @ x + U_o @ share + b_o)  # output gate
    mass = softmax_columns(B) @ c + i * m  # redistributed, and the new
    h = o * mass  # mass put out
    c = (1 - o) * mass  # cell state
    return h, c
