"""Cross-entropy of a softmax over many words, which never holds the logits of all rows."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear

UNSCORED = -100  # torch's ignore_index
ROOM = 2**22  # logits that are held at a time: 16 MiB of float32
TINY = 1e-38  # about the smallest chance that bfloat16 has


def cross_entropy(y: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    """The sum of -log softmax(weight y + bias) at the targets: torch's `linear` and `cross_entropy` in one.

    y        (N, E)
    weight   (V, E)
    bias     (V,)
    targets  (N,) int64; rows where it is -100 count nothing

    A few rows at a time, and gradients are made on the way: a row's softmax is all that they take. Under
    autocast to bfloat16 products and the softmax are of such numbers where something is learned. Raises
    RuntimeError for gradients of gradients, and where one result is differentiated twice.

    >>> y, weight, bias = torch.randn(5, 3), torch.randn(7, 3), torch.randn(7)
    >>> targets = torch.tensor([0, 6, -100, 2, 2])
    >>> due = torch.nn.functional.cross_entropy(linear(y, weight, bias), targets, reduction="sum")
    >>> torch.allclose(cross_entropy(y, weight, bias, targets), due)
    True
    """
    scored = targets != UNSCORED
    if not scored.all():
        y, targets = y[scored], targets[scored]
    if torch.is_grad_enabled() and (y.requires_grad or weight.requires_grad):
        return _CrossEntropy.apply(y, weight, bias, targets)
    total = torch.zeros((), dtype=weight.dtype, device=weight.device)
    for part, at in _parts(y, targets, len(weight)):
        total -= linear(part, weight, bias).to(weight.dtype).log_softmax(1).gather(1, at[:, None]).sum()
    return total


class _CrossEntropy(torch.autograd.Function):
    """Its backward pass only scales the gradients that its forward pass has made."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
        device = weight.device.type
        half = torch.is_autocast_enabled(device) and torch.get_autocast_dtype(device) is torch.bfloat16
        kind = torch.bfloat16 if half else weight.dtype
        total = torch.zeros((), dtype=weight.dtype, device=weight.device)
        by_y, by_weight, by_bias = [], None, torch.zeros_like(bias)
        with torch.autocast(device, enabled=False):
            matrix, offset = weight.to(kind), bias.to(kind)
            for part, at in _parts(y.to(kind), targets, len(weight)):
                errors, nats = _errors(linear(part, matrix, offset), at[:, None])
                total += nats
                by_y.append(errors @ matrix)
                more = (errors.t() @ part).to(weight.dtype)
                by_weight = more if by_weight is None else by_weight.add_(more)
                by_bias += errors.sum(0)
        by_weight = torch.zeros_like(weight) if by_weight is None else by_weight
        ctx.made = (torch.cat(by_y).to(y.dtype) if by_y else torch.zeros_like(y), by_weight, by_bias)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.made is None:
            raise RuntimeError(
                "a cross_entropy gives its gradients away: differentiate its result once, or call it again"
            )
        # Nobody else holds them, so that autograd keeps them as they are: no copy of 8 MB.
        made, ctx.made = (ctx.made, None)
        return *(gradient.mul_(by) for gradient in made), None


def _errors(logits: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
    """The softmax of rows less their one-hot targets, and the sum of their -log p."""
    if logits.dtype is torch.bfloat16:  # a logarithm of it would be rounded by 0.03
        chances = logits.softmax(1)
        nats = -chances.gather(1, at).float().clamp_min(TINY).log().sum()
    else:
        logs = logits.log_softmax(1)
        nats, chances = -logs.gather(1, at).sum(), logs.exp_()
    return chances.scatter_add_(1, at, chances.new_full(at.shape, -1.0)), nats


def _parts(y: Tensor, targets: Tensor, words: int) -> zip:
    """Some rows at a time."""
    rows = max(1, ROOM // words)
    return zip(y.split(rows), targets.split(rows)) if len(y) else zip()
