"""Losses in the cell language: each takes the output and the target, and returns one number."""

from __future__ import annotations

from ..errors import UsageError
from ..ops import absolute, log, mean, total


def half_squared_error(output, target):
    """1/2 sum_j (output_j - target_j)^2; deck 003 calls it mean squared error."""
    return total((output - target) ** 2) / 2


def squared_error(output, target):
    """sum_j (output_j - target_j)^2."""
    return total((output - target) ** 2)


def mean_squared_error(output, target):
    """The mean of the squared errors."""
    return mean((output - target) ** 2)


def absolute_error(output, target):
    """sum_j |output_j - target_j|."""
    return total(absolute(output - target))


def cross_entropy(output, target):
    """-sum_j target_j log output_j, of probabilities."""
    return -total(target * log(output))


def binary_cross_entropy(output, target):
    """-sum_j target_j log output_j + (1 - target_j) log(1 - output_j), each unit a yes or no of its own."""
    return -total(target * log(output) + (1 - target) * log(1 - output))


LOSSES = {
    "half-squared-error": half_squared_error,
    "squared-error": squared_error,
    "mean-squared-error": mean_squared_error,
    "absolute-error": absolute_error,
    "cross-entropy": cross_entropy,
    "binary-cross-entropy": binary_cross_entropy,
}


def find_loss(named):
    """The loss of that name, or the function itself. Raises UsageError where there is none."""
    if callable(named):
        return named
    key = str(named).replace("_", "-").replace(" ", "-")
    if key not in LOSSES:
        raise UsageError(
            f"there is no loss called {named!r}: choose one of {', '.join(LOSSES)}, "
            "or give a function of the output and the target."
        )
    return LOSSES[key]
