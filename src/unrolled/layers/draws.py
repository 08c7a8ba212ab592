"""First values that particular families of cells ask for: reservoirs, clocks, rings of eigenvalues, rotations.

Each fills a tensor in place; `before` is the parameter that another draw of the same cell
left for it (see `initial`).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

Draw = Callable[[Tensor, Tensor | None], object]

# Of a reservoir: one connection in ten, ten a unit where it has so many (Lukosevicius 2012, 3.2).
DENSITY, LEAST = (0.1, 10)
GROUPS = 8  # of a clockwork network: periods 1, 2, ..., 128


def _reservoir(tensor: Tensor, before: Tensor | None) -> None:
    """Sparse, uniform, of spectral radius 1."""
    kept = min(1.0, max(DENSITY, LEAST / len(tensor)))
    tensor.uniform_(-1.0, 1.0).mul_(torch.rand_like(tensor) < kept)
    radius = torch.linalg.eigvals(tensor).abs().max()
    tensor.div_(radius if radius > 0 else 1.0)


def _antisymmetric(tensor: Tensor, before: Tensor | None) -> None:
    """(M - M^T) / 2 with M from N(0, 1/H) (Chang et al. 2019, section 5)."""
    drawn = torch.empty_like(tensor).normal_(0.0, len(tensor) ** -0.5)
    tensor.copy_((drawn - drawn.T) / 2)


def _rotations(tensor: Tensor, before: Tensor | None) -> None:
    """A upper triangular, so that A - A^T turns pairs of units by angles from U(-pi,
    pi) (Henaff et al. 2016).
    """
    tensor.zero_()
    pairs = torch.arange(0, len(tensor) - 1, 2, device=tensor.device)
    tensor[pairs, pairs + 1] = torch.empty_like(tensor[pairs, 0]).uniform_(-math.pi, math.pi)


def _group(units: int, device) -> Tensor:
    """Units in order, in as many equal groups as there are, or one a unit."""
    return torch.arange(units, device=device) * min(GROUPS, units) // units


def _clockwork_periods(tensor: Tensor, before: Tensor | None) -> None:
    tensor.copy_(2.0 ** _group(len(tensor), tensor.device))


def _clockwork_mask(tensor: Tensor, before: Tensor | None) -> None:
    """1 where a unit reads from its own group or a slower one."""
    group = _group(len(tensor), tensor.device)
    tensor.copy_(group[:, None] <= group[None, :])


def _slow_quarter(tensor: Tensor, before: Tensor | None) -> None:
    """1 for the last quarter of the units, as 20 of 80 in Yamashita and Tani 2008."""
    tensor.zero_()[len(tensor) - len(tensor) // 4 :] = 1.0


def _ring(tensor: Tensor, before: Tensor | None) -> None:
    """log(-log |eigenvalue|), uniform over the unit disk (Orvieto et al. 2023, lemma 3.2
    with r_min 0 and r_max 1).
    """
    tensor.uniform_(0.0, 1.0).clamp_(1e-6, 1 - 1e-6).log_().mul_(-0.5).log_()


def _ring_phase(tensor: Tensor, before: Tensor | None) -> None:
    tensor.uniform_(0.0, 2 * math.pi).clamp_(min=1e-6).log_()


def _ring_gain(tensor: Tensor, before: Tensor | None) -> None:
    """log sqrt(1 - |eigenvalue|^2), of the ring drawn before."""
    if before is not None:
        tensor.copy_(0.5 * torch.log1p(-torch.exp(-2 * torch.exp(before))))


def _normal(share: float) -> Draw:
    """N(0, share / fan-in), for every matrix of a stack."""
    return lambda tensor, before: tensor.normal_(0.0, math.sqrt(share / tensor.shape[-1]))


def _cyclic(tensor: Tensor, before: Tensor | None) -> None:
    """Moves each unit's value to the next unit, the last one's to the first (Rotman
    and Wolf 2021, section 3).
    """
    tensor.copy_(torch.eye(len(tensor), device=tensor.device).roll(1, 0))


DRAWS: dict[str, Draw] = {
    "cyclic": _cyclic,
    "uniform": lambda tensor, before: tensor.uniform_(-1.0, 1.0),
    "signs": lambda tensor, before: tensor.bernoulli_(0.5).mul_(2.0).sub_(1.0),
    "lecun": _normal(1.0),
    "half_lecun": _normal(0.5),  # real and imaginary part of a complex matrix
    "reservoir": _reservoir,
    "antisymmetric": _antisymmetric,
    "rotations": _rotations,
    "clockwork_periods": _clockwork_periods,
    "clockwork_mask": _clockwork_mask,
    "slow_quarter": _slow_quarter,
    "ring": _ring,
    "ring_phase": _ring_phase,
    "ring_gain": _ring_gain,
}
