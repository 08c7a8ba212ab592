"""Chrono initialisation: biases of a gate spread so that its units forget after 1 to T steps."""

from __future__ import annotations

import re

from torch import Tensor

NAME = re.compile(r"(-?)chrono\((\d+)\)")


def is_chrono(value: str) -> bool:
    """Whether it reads "chrono(T)" or "-chrono(T)", T a whole number of 3 or more."""
    found = NAME.fullmatch(value)
    return found is not None and int(found[2]) >= 3


def fill_chrono(tensor: Tensor, value: str, earlier: dict[tuple[str, str], Tensor]) -> None:
    """b = log U(1, T - 1), or for "-chrono(T)" its negative (Tallec and Ollivier 2018).

    earlier   what this layer has drawn: of a forget gate's and an input gate's bias, whichever comes second is
              the negative of the first
    """
    sign, longest = NAME.fullmatch(value).groups()
    partner = earlier.get(("" if sign else "-", longest))
    if partner is not None and partner.shape == tensor.shape:
        tensor.copy_(-partner)
        return
    tensor.uniform_(1.0, int(longest) - 1.0).log_()
    if sign:
        tensor.neg_()
    earlier[(sign, longest)] = tensor
