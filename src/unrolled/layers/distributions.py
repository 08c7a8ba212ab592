"""First values by a distribution and its numbers, as text: normal(0.1), uniform(-1, 1),
kaiming, orthogonal(1.4).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from torch import Tensor, nn

TEXT = re.compile(r"(\w+)(?:\(([-+\d.,eE ]*)\))?")
Fill = Callable[[Tensor], object]


def _normal(*numbers: float) -> Fill:
    mean, deviation = numbers if len(numbers) == 2 else (0.0, numbers[0])
    return lambda tensor: tensor.normal_(mean, deviation)


def _uniform(*numbers: float) -> Fill:
    low, high = numbers if len(numbers) == 2 else (-numbers[0], numbers[0])
    return lambda tensor: tensor.uniform_(low, high)


def _truncated_normal(deviation: float) -> Fill:
    return lambda tensor: nn.init.trunc_normal_(tensor, 0.0, deviation, -2 * deviation, 2 * deviation)


def _of_each_matrix(function: Callable[..., object], keyword: str, default: float) -> Callable[..., Fill]:
    """One of torch's, of every matrix of a stack; its number is called `keyword`."""

    def made(*numbers: float) -> Fill:
        value = numbers[0] if numbers else default

        def fill(tensor: Tensor) -> None:
            for matrix in tensor if tensor.dim() == 3 else (tensor,):
                function(matrix, **{keyword: value})

        return fill

    return made


# Name -> how many numbers it may take, whether it is for matrices only, and what makes the
# filling function of them.
DISTRIBUTIONS: dict[str, tuple[tuple[int, ...], bool, Callable[..., Fill]]] = {
    "normal": ((1, 2), False, _normal),  # deviation, or mean and deviation
    "uniform": ((1, 2), False, _uniform),  # bound on both sides, or the lower and the upper one
    "truncated_normal": ((1,), False, _truncated_normal),  # deviation; cut at two of them
    "orthogonal": ((1,), True, _of_each_matrix(nn.init.orthogonal_, "gain", 1.0)),
    "xavier": ((1,), True, _of_each_matrix(nn.init.xavier_uniform_, "gain", 1.0)),
    "xavier_normal": ((0, 1), True, _of_each_matrix(nn.init.xavier_normal_, "gain", 1.0)),
    "kaiming": (
        (0, 1),
        True,
        _of_each_matrix(nn.init.kaiming_uniform_, "a", 0.0),
    ),  # slope below 0; of a relu without
    "kaiming_normal": ((0, 1), True, _of_each_matrix(nn.init.kaiming_normal_, "a", 0.0)),
}
LARGEST = 1e30  # float32 ends at 3e38
FORMS = (
    "normal(0.1), uniform(-1, 1), truncated_normal(0.02), xavier_normal, kaiming, kaiming_normal,"
    " orthogonal(1.4)"
)


def distribution(text: str) -> tuple[bool, Fill] | None:
    """(whether it is for matrices only, what fills a tensor in place); None where the
    text is not a distribution.

    >>> distribution("normal") is None, distribution("normal(0.1)") is None
    (True, False)
    """
    found = TEXT.fullmatch(text)
    if found is None or found[1] not in DISTRIBUTIONS:
        return None
    counts, for_matrices, make = DISTRIBUTIONS[found[1]]
    try:
        numbers = [float(n) for n in found[2].split(",")] if found[2] else []
    except ValueError:
        return None
    right = len(numbers) in counts and all(abs(n) <= LARGEST for n in numbers)
    if not right or ("normal" in found[1] and numbers and numbers[-1] < 0):
        return None
    if found[1] == "uniform" and len(numbers) == 2 and numbers[0] > numbers[1]:
        return None
    return for_matrices, make(*map(abs, numbers) if found[1] == "uniform" and len(numbers) == 1 else numbers)
