"""Cells that are a step of a differential equation."""

from ..cell import cell
from ..errors import Never
from ..ops import sigmoid, tanh


@cell(cite="beer1995", init={"tau": 1.0, "theta": 0.0})
def ctrnn(x, y, *, W, U, theta, tau, dt=0.1, method="euler"):
    """Continuous-time RNN, tau y' = -y + U sigmoid(y + theta) + W x: steps of Euler or
    Runge-Kutta (equation 1).
    """
    seen = W @ x  # held over the step

    def slope(y):
        return (U @ sigmoid(y + theta) + seen - y) / tau

    if method == "euler":
        y = y + dt * slope(y)  # state
    elif method == "rk4":
        k_1 = slope(y)  # slope at the start
        k_2 = slope(y + dt / 2 * k_1)  # in the middle
        k_3 = slope(y + dt / 2 * k_2)  # in the middle again
        k_4 = slope(y + dt * k_3)  # at the end
        y = y + dt / 6 * (k_1 + 2 * k_2 + 2 * k_3 + k_4)  # state
    else:
        raise Never(f"method={method!r} is not a step of ctrnn; choose euler or rk4")
    return y


@cell(cite="yamashita2008", fixed=("slow",), init={"slow": "slow_quarter"})
def mtrnn(x, u, *, W, U, b, slow, tau_fast=5.0, tau_slow=70.0):
    """Multiple timescale network: fast units see the input, a quarter of slow ones sees only the others."""
    rate = (1 - slow) / tau_fast + slow / tau_slow  # one over the time constant of each unit
    seen = (1 - slow) * (W @ x) + U @ sigmoid(u) + b
    u = (1 - rate) * u + rate * seen  # potential
    y = sigmoid(u)  # activity
    return y, u


@cell(cite="rusch2022lem")
def lem(x, y, z, *, W_1, V_1, b_1, W_2, V_2, b_2, W_z, V_z, b_z, W_y, V_y, b_y, dt=1.0):
    """Long expressive memory: two states with learned time steps; the new z feeds y (equation 3)."""
    slow = dt * sigmoid(W_1 @ y + V_1 @ x + b_1)  # time step of z
    fast = dt * sigmoid(W_2 @ y + V_2 @ x + b_2)  # time step of y
    z = (1 - slow) * z + slow * tanh(W_z @ y + V_z @ x + b_z)
    y = (1 - fast) * y + fast * tanh(W_y @ z + V_y @ x + b_y)
    return y, z


@cell(cite="rusch2022lem")
def lem_explicit(x, y, z, *, W_1, V_1, b_1, W_2, V_2, b_2, W_z, V_z, b_z, W_y, V_y, b_y, dt=1.0):
    """Long expressive memory by the explicit Euler step of the same differential equations: the old z feeds y.

    The paper's own scheme feeds the new z (equation 3, our lem). torchrecurrent 0.2.5 computes this one,
    against its documentation, which says c_t where it uses c_{t-1}."""
    slow = dt * sigmoid(W_1 @ y + V_1 @ x + b_1)  # time step of z
    fast = dt * sigmoid(W_2 @ y + V_2 @ x + b_2)  # time step of y
    kept = (1 - fast) * y + fast * tanh(W_y @ z + V_y @ x + b_y)
    z = (1 - slow) * z + slow * tanh(W_z @ y + V_z @ x + b_z)
    y = kept
    return y, z
