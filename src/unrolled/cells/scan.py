"""Cells that are linear in their state: gates look at the input alone."""

from ..cell import cell
from ..ops import sigmoid


@cell(cite="feng2024", family="linear", year=2024)
def mingru(x, h, *, W_z, b_z, W_n, b_n):
    """minGRU: a GRU whose gate and candidate do not see the state (section 3.1)."""
    z = sigmoid(W_z @ x + b_z)                # update gate
    n = W_n @ x + b_n                         # candidate
    h = (1 - z) * h + z * n                   # hidden state
    return h
