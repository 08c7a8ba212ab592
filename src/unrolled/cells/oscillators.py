"""Cells that are networks of oscillators: a position y, a velocity z, and an integrator's step."""

from ..cell import cell
from ..ops import sigmoid, tanh


@cell(cite="rusch2021cornn")
def cornn(x, y, z, *, W, U_y, U_z, b, dt=0.042, gamma=2.7, epsilon=4.7):
    """Coupled oscillatory RNN: driven oscillators, coupled by position and velocity, damped
    explicitly (equation 3).

    torchrecurrent 0.2.5 documents, at the cell, damping by the new velocity; its code
    takes the old one, as here.
    """
    force = tanh(W @ x + U_y @ y + U_z @ z + b)  # driving force
    z = z + dt * force - dt * gamma * y - dt * epsilon * z  # velocity
    y = y + dt * z  # position
    return y, z


@cell(cite="rusch2021unicornn")
def unicornn(x, y, z, *, W, u, b, c, dt=0.1, alpha=1.0):
    """Undamped independent controlled oscillatory RNN: each unit a Hamiltonian oscillator
    with a learned time step.

    torchrecurrent 0.2.5 documents a sigmoid for the force; its code takes the paper's tanh.
    """
    step = dt * sigmoid(c)  # each unit's time step
    z = z - step * (tanh(W @ x + u * y + b) + alpha * y)  # velocity
    y = y + step * z  # position
    return y, z
