"""Cells that look further back than one step, through a buffer of their past states."""

from ..cell import cell
from ..ops import tanh


@cell(
    cite=("lin1996", "narendra1990"),
    shapes={"past": ("delay", "O"), "U": ("delay", "H", "O")},
)
def narx_rnn(x, *past, W, U, b_h, V, b_y, delay=4):
    """NARX network: a layer reads the input and the last outputs, of their own width O, as many as `delay`."""
    seen = W @ x + b_h
    for k in range(delay):
        seen = seen + U[k] @ past[k]  # the oldest first
    y = V @ tanh(seen) + b_y  # output, fed back
    return y, *past[1:], y


@cell(cite="chang2017", shapes={"past": ("dilation", "H")})
def dilated_rnn(x, *past, W, U, b, dilation=4):
    """A layer of a dilated RNN: the state of `dilation` steps ago is fed back (section 2.1)."""
    h = tanh(W @ x + U @ past[0] + b)  # hidden state
    return h, *past[1:], h
