"""The LSTM taken apart: one vanilla LSTM and the variants of two studies, each made by
exchanging its equations.
"""

from ..cell import cell
from ..ops import sigmoid, tanh
from ..transform import documented, initialised, replace
from . import lstm as kin


@cell(cite="greff2017")
def lstm_vanilla(x, h, c, *, W_g, U_g, b_g, W_i, U_i, p_i, b_i, W_f, U_f, p_f, b_f, W_o, U_o, p_o, b_o):
    """The vanilla LSTM of the odyssey: forget gate, full peepholes, tanh before and after the cell state."""
    a_g = W_g @ x + U_g @ h + b_g  # before the block input
    g = tanh(a_g)  # block input
    a_i = W_i @ x + U_i @ h + p_i * c + b_i  # before the input gate
    i = sigmoid(a_i)  # input gate
    a_f = W_f @ x + U_f @ h + p_f * c + b_f  # before the forget gate
    f = sigmoid(a_f)  # forget gate
    c = g * i + c * f  # cell state
    a_o = W_o @ x + U_o @ h + p_o * c + b_o  # before the output gate
    o = sigmoid(a_o)  # output gate
    s = tanh(c)  # output activation
    h = s * o  # block output
    return h, c


lstm_nig = documented(replace(lstm_vanilla, "lstm_nig", i=1), "LSTM without an input gate (NIG).")
lstm_nfg = documented(replace(lstm_vanilla, "lstm_nfg", f=1), "LSTM without a forget gate (NFG).")
lstm_nog = documented(replace(lstm_vanilla, "lstm_nog", o=1), "LSTM without an output gate (NOG).")
lstm_niaf = documented(
    replace(lstm_vanilla, "lstm_niaf", g=lambda a_g: a_g), "LSTM without an input activation function (NIAF)."
)
lstm_noaf = documented(
    replace(lstm_vanilla, "lstm_noaf", s=lambda c: c), "LSTM without an output activation function (NOAF)."
)
lstm_cifg = documented(
    replace(lstm_vanilla, "lstm_cifg", f=lambda i: 1 - i),
    "LSTM whose forget gate is what the input gate leaves, as in a GRU (CIFG).",
)
lstm_np = documented(replace(lstm_vanilla, "lstm_np", p_i=0, p_f=0, p_o=0), "LSTM without peepholes (NP).")
lstm_fgr = documented(
    replace(
        lstm_vanilla,
        "lstm_fgr",
        remember=("i", "f", "o"),
        a_i=lambda a_i, i_last, f_last, o_last, *, R_ii, R_fi, R_oi: (
            a_i + R_ii @ i_last + R_fi @ f_last + R_oi @ o_last
        ),
        a_f=lambda a_f, i_last, f_last, o_last, *, R_if, R_ff, R_of: (
            a_f + R_if @ i_last + R_ff @ f_last + R_of @ o_last
        ),
        a_o=lambda a_o, i_last, f_last, o_last, *, R_io, R_fo, R_oo: (
            a_o + R_io @ i_last + R_fo @ f_last + R_oo @ o_last
        ),
    ),
    "LSTM whose gates see all gates of the step before (FGR): states h, c, i, f, o.",
)

_paper = {"cite": ("jozefowicz2015",), "family": "odyssey"}
lstm_minus_f = documented(
    replace(kin.lstm, "lstm_minus_f", f=1), "LSTM without a forget gate (LSTM-f).", **_paper
)
lstm_minus_i = documented(
    replace(kin.lstm, "lstm_minus_i", i=1), "LSTM without an input gate (LSTM-i).", **_paper
)
lstm_minus_o = documented(
    replace(kin.lstm, "lstm_minus_o", o=1), "LSTM without an output gate (LSTM-o).", **_paper
)
lstm_minus_b = documented(
    initialised(kin.lstm, b_f=0.0),
    """LSTM whose forget gate begins without a bias of 1.

The paper calls the LSTM with that bias LSTM-b, and finds that it makes up for most of what the others lack.
Here `lstm` begins with it, and this is the cell without.""",
    name="lstm_minus_b",
    **_paper,
)
