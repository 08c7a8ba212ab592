"""Networks with a slow set of units beside the hidden layer."""

from ..cell import cell
from ..errors import Never
from ..ops import activation, sigmoid


@cell(
    cite="mikolov2015",
    fixed=("alpha",),
    shapes={"alpha": ()},
    init={"alpha": 0.95, "b_s": 0.0, "b_h": 0.0, "b_y": 0.0},
)
def scrn(
    x, h, s, *, W_s, b_s, W_h, U_h, V_h, b_h, U_y, V_y, b_y, alpha, nonlinearity="identity", fed_back="hidden"
):
    """Structurally constrained recurrent network: beside the hidden units, s is a slow
    moving average of the input.

    torchrecurrent feeds back tanh of the output where the paper (and its own documentation) feeds back the
    hidden layer: that is .using(fed_back="output", nonlinearity="tanh"). It also trains alpha, and has biases,
    which start at zero here; the paper has none.
    """
    s = (1 - alpha) * (W_s @ x + b_s) + alpha * s  # context units
    h = sigmoid(V_h @ s + W_h @ x + U_h @ h + b_h)  # hidden units
    y = activation(nonlinearity, U_y @ h + V_y @ s + b_y)  # output
    if fed_back == "output":
        h = y  # fed back
    elif fed_back != "hidden":
        raise Never(f"fed_back={fed_back!r} is not a layer of scrn; choose hidden or output")
    return y, h, s
