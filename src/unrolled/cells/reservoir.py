"""Reservoirs: nothing inside is trained; a readout learns from what a fixed random
network makes of its input.
"""

from ..cell import cell
from ..ops import tanh


@cell(
    cite=("jaeger2007", "lukosevicius2012"),
    fixed=("W", "U", "b"),
    init={"W": "signs", "U": "reservoir", "b": 0.0},
)
def leaky_esn(x, h, *, W, U, b, leak=0.3, radius=0.9, scale=1.0):
    """Echo state network of leaky units: sparse random weights of a chosen spectral radius
    (equations 2 and 3 of 2012).

    U is drawn with one connection in ten and spectral radius 1, W as +-1, and `radius` and `scale`
    multiply them. reservoirpy calls radius sr, leak lr, scale input_scaling; the bias that its
    documentation leaves out is b.
    """
    seen = tanh(scale * (W @ x) + radius * (U @ h) + b)  # what the units are driven to
    h = (1 - leak) * h + leak * seen  # reservoir
    return h


@cell(
    cite="ceni2024es2n",
    fixed=("W", "U", "O", "b"),
    init={"W": "uniform", "U": "reservoir", "O": "orthogonal", "b": 0.0},
)
def es2n(x, h, *, W, U, O, b, proximity=0.1, radius=0.9, scale=1.0):
    """Edge of stability echo state network: the old state is turned by an orthogonal
    matrix, and a little is new.
    """
    seen = tanh(scale * (W @ x) + radius * (U @ h) + b)  # what the units are driven to
    h = proximity * seen + (1 - proximity) * (O @ h)  # reservoir
    return h
