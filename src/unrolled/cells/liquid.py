"""Liquid networks: a unit's time constant depends on its input; the second input is the
time since the last step.
"""

from ..cell import cell
from ..errors import Never
from ..ops import absolute, activation, exp, sigmoid, tanh


def scaled_tanh(v):
    """LeCun's hyperbolic tangent: slope near 1, +-1 at +-1 (the backbone's
    nonlinearity in the authors' code).
    """
    return 1.7159 * tanh(0.666 * v)


@cell(cite="hasani2021ltc", shapes={"dt": ()}, init={"tau": 1.0})
def liquid_time_constant(x, dt, /, h, *, W, U, b, A, tau, unfolds=6, nonlinearity="sigmoid"):
    """Liquid time-constant network: h' = -(1/tau + f) h + f A by steps of the fused solver (equations 1 and 3).

    ncps has conductance-based synapses here, one sigmoid a connection (its f is a sum over them), where the
    paper's equations have one layer f; its weights do not fit.
    """
    part = dt / unfolds  # of the elapsed time
    for _ in range(unfolds):
        f = activation(nonlinearity, W @ x + U @ h + b)  # what opens the unit
        h = (h + part * f * A) / (1 + part * (1 / tau + f))  # state
    return h


@cell(cite="hasani2022cfc", shapes={"dt": ()})
def cfc(x, dt, /, h, *, W, U, b, W_g, b_g, W_h, b_h, W_f, b_f, W_s, b_s, mode="default"):
    """Closed-form continuous-time network: a gate falls with the elapsed time from one candidate to the other.

    The paper's gate is sigmoid(-f dt); the shift s, from the authors' code and ncps, is more, and so is
    mode="no_gate" of theirs. ncps calls W_f and b_f time_a with the other sign, and W_s and b_s time_b.
    """
    z = scaled_tanh(W @ x + U @ h + b)  # backbone
    g = tanh(W_g @ z + b_g)  # candidate of a short time
    late = tanh(W_h @ z + b_h)  # candidate of a long time
    f = W_f @ z + b_f  # speed
    s = W_s @ z + b_s  # shift
    gate = sigmoid(s - f * dt)  # falls with time where f is positive
    if mode == "default":
        h = gate * g + (1 - gate) * late  # hidden state
    elif mode == "no_gate":
        h = gate * g + late  # hidden state
    else:
        raise Never(f"mode={mode!r} is not a form of cfc; choose default or no_gate, or the cell cfc_pure")
    return h


@cell(cite="hasani2022cfc", shapes={"dt": ()}, init={"w_tau": 0.0, "A": 1.0})
def cfc_pure(x, dt, /, h, *, W, U, b, W_f, b_f, w_tau, A, form="paper"):
    """The closed-form solution itself (Cf-S): A is reached from 0 at speed w_tau + f,
    times f of the negated input.

    form="ncps" is ncps's mode="pure": f where the paper has f of the negated input, and
    absolute values in the speed.
    """
    seen = W @ x + U @ h
    f = W_f @ scaled_tanh(seen + b) + b_f  # f(x, h)
    if form == "paper":
        back = W_f @ scaled_tanh(b - seen) + b_f  # f(-x, -h)
        h = A - A * exp(-(w_tau + f) * dt) * back  # hidden state
    elif form == "ncps":
        h = A - A * exp(-(absolute(w_tau) + absolute(f)) * dt) * f  # hidden state
    else:
        raise Never(f"form={form!r} is not a form of cfc_pure; choose paper or ncps")
    return h


@cell(cite="hasani2022cfc", shapes={"dt": ()}, init={"b_m": 1.0})
def cfc_mixed_memory(
    x,
    dt,
    /,
    h,
    c,
    *,
    W_i,
    U_i,
    b_i,
    W_m,
    U_m,
    b_m,
    W_n,
    U_n,
    b_n,
    W_o,
    U_o,
    b_o,
    W,
    U,
    b,
    W_g,
    b_g,
    W_h,
    b_h,
    W_f,
    b_f,
    W_s,
    b_s,
):
    """Closed-form network behind an LSTM, which keeps the memory and makes the state it
    starts from (CfC-mmRNN).

    ncps adds 1 to the forget gate's bias, which is b_m here, and has the signs of cfc.
    """
    i = sigmoid(W_i @ x + U_i @ h + b_i)  # input gate
    m = sigmoid(W_m @ x + U_m @ h + b_m)  # forget gate
    n = tanh(W_n @ x + U_n @ h + b_n)  # candidate of the memory
    o = sigmoid(W_o @ x + U_o @ h + b_o)  # output gate
    c = m * c + i * n  # memory
    z = scaled_tanh(W @ x + U @ (o * tanh(c)) + b)  # backbone
    gate = sigmoid(W_s @ z + b_s - (W_f @ z + b_f) * dt)  # falls with time
    h = gate * tanh(W_g @ z + b_g) + (1 - gate) * tanh(W_h @ z + b_h)  # hidden state
    return h, c
