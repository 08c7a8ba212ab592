"""Hypernetworks: a small recurrent network makes the weights of a large one."""

from ..cell import cell
from ..errors import Never
from ..ops import layer_norm, sigmoid, tanh

FOUR = {
    "W": ("4", "units", "I"),
    "U": ("4", "units", "H"),
    "V": ("4", "units", "units"),
    "gain": ("5", "units"),
    "shift": ("5", "units"),
}


@cell(
    cite="ha2017",
    init={
        "Z_x": 0.0,
        "z_x": 1.0,
        "D_x": 0.025,
        "Z_h": 0.0,
        "z_h": 1.0,
        "D_h": 0.025,
        "D_b": 0.0,  # 0.1 / embedding
        "gain_hyper": 1.0,
        "shift_hyper": 0.0,
        "gain": 1.0,
        "shift": 0.0,
    },
    shapes={
        "h_hyper": ("units",),
        "c_hyper": ("units",),
        **{f"{name}_hyper": shape for name, shape in FOUR.items()},
        "Z_x": ("4", "embedding", "units"),
        "z_x": ("4", "embedding"),
        "Z_h": ("4", "embedding", "units"),
        "z_h": ("4", "embedding"),
        "Z_b": ("4", "embedding", "units"),
        "D_x": ("4", "H", "embedding"),
        "D_h": ("4", "H", "embedding"),
        "D_b": ("4", "H", "embedding"),
        "b": ("4", "H"),
        "W": ("4", "H", "I"),
        "U": ("4", "H", "H"),
        "gain": ("5", "H"),
        "shift": ("5", "H"),
    },
)
def hyper_lstm(
    x,
    h,
    c,
    h_hyper,
    c_hyper,
    *,
    W_hyper,
    U_hyper,
    V_hyper,
    gain_hyper,
    shift_hyper,
    Z_x,
    z_x,
    Z_h,
    z_h,
    Z_b,
    D_x,
    D_h,
    D_b,
    b,
    W,
    U,
    gain,
    shift,
    units=16,
    embedding=4,
    scaled_by="last",
):
    """HyperLSTM: a small LSTM scales the rows of a large one's weights at every step (appendix A.2.2).

    Gates are stacked in the order i, f, g, o. The paper scales by the small LSTM's last state; its authors'
    code and labml's by the new one, which is .using(scaled_by="new").
    """
    if scaled_by not in ("last", "new"):
        raise Never(f"scaled_by={scaled_by!r} is not a state of hyper_lstm; choose last or new")
    small = h_hyper
    i, f, g, o = (
        gain_hyper[k] * layer_norm(W_hyper[k] @ x + U_hyper[k] @ h + V_hyper[k] @ h_hyper) + shift_hyper[k]
        for k in range(4)
    )
    c_hyper = sigmoid(f) * c_hyper + sigmoid(i) * tanh(g)  # small cell state
    h_hyper = sigmoid(o) * tanh(gain_hyper[4] * layer_norm(c_hyper) + shift_hyper[4])
    small = h_hyper if scaled_by == "new" else small
    nets = []
    for k in range(4):
        d_x = D_x[k] @ (Z_x[k] @ small + z_x[k])  # scales of the input's weights
        d_h = D_h[k] @ (Z_h[k] @ small + z_h[k])  # and of the state's
        bias = D_b[k] @ (Z_b[k] @ small) + b[k]
        nets.append(gain[k] * layer_norm(d_h * (U[k] @ h) + d_x * (W[k] @ x) + bias) + shift[k])
    i, f, g, o = nets
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)  # cell state
    h = sigmoid(o) * tanh(gain[4] * layer_norm(c) + shift[4])  # hidden state
    return h, c, h_hyper, c_hyper
