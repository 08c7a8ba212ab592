"""Cells that are a step of a differential equation."""

from ..cell import cell
from ..ops import sigmoid, tanh


@cell(cite="rusch2022lem", family="dynamics", year=2022)
def lem(x, y, z, *, W_1, V_1, b_1, W_2, V_2, b_2, W_z, V_z, b_z, W_y, V_y, b_y, dt=1.0):
    """Long expressive memory: two states with learned time steps; the new z feeds y (equation 3)."""
    slow = dt * sigmoid(W_1 @ y + V_1 @ x + b_1)           # time step of z
    fast = dt * sigmoid(W_2 @ y + V_2 @ x + b_2)           # time step of y
    z = (1 - slow) * z + slow * tanh(W_z @ y + V_z @ x + b_z)
    y = (1 - fast) * y + fast * tanh(W_y @ z + V_y @ x + b_y)
    return y, z
