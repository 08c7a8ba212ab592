"""Sums over all tags of a chain: the partition, how probable each tag of each word is, and how often
each stands behind each.

In the linear domain with shares that add up to 1 at each word (Rabiner 1989, section V.A), which takes a fifth
of the time; in logarithms where a share would be so small that float64 loses it. Scores (T, B, K), rows of
unequal length; all is float64.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

SMALLEST = 1e-290  # a share that is still exact
FORBIDDEN = float("-inf")


class Chain(NamedTuple):
    """Scores of a tag behind another (K, K), of the first tag (K,), and of the last (K,);
    -inf where it is forbidden.
    """

    steps: Tensor
    first: Tensor
    last: Tensor


class Sums(NamedTuple):
    """log of the partition (B,); each tag's probability (T, B, K), 0 past a row's end; and how often each tag
    is expected behind each, (B, K, K). The latter two are None where nobody asked."""

    total: Tensor
    chances: Tensor | None
    pairs: Tensor | None


def sums(scores: Tensor, chain: Chain, lengths: Tensor, counts: bool) -> Sums:
    """counts  whether probabilities are asked for, too"""
    there = torch.arange(len(scores), device=scores.device)[:, None] < lengths
    scores = scores.double().where(there[:, :, None], 0.0)
    chain = Chain(*(part.double() for part in chain))
    found = scaled(scores, chain, lengths, there, counts)
    return logarithmic(scores, chain, lengths, there, counts) if found is None else found


def scaled(scores: Tensor, chain: Chain, lengths: Tensor, there: Tensor, counts: bool) -> Sums | None:
    """None where shares are too small."""
    most = scores.amax(2)
    words = (scores - most[:, :, None]).exp_()
    tops = [part.max() for part in chain]
    steps, first, last = ((part - top).exp() for part, top in zip(chain, tops))
    share, shares, grown = words[0] * first, [], []
    for place in range(len(scores)):
        if place:
            share = torch.mm(share, steps).mul_(words[place])
        total = share.sum(1, keepdim=True)
        share = share / total
        shares.append(share)
        grown.append(total)
    before, rows = torch.stack(shares), torch.arange(len(lengths), device=scores.device)
    if not ((before > SMALLEST) | ~(there[:, :, None] & reachable(chain, len(scores))[:, None])).all():
        return None
    ends = (before[lengths - 1, rows] * last).sum(1)
    if not (ends > SMALLEST).all():
        return None
    sizes = torch.stack(grown)[:, :, 0]
    known = (sizes.log() + most).where(there, 0.0).sum(0) + ends.log()
    total = known + tops[1] + tops[2] + (lengths - 1) * tops[0]
    if not counts:
        return Sums(total, None, None)
    after = last.expand_as(before[0])
    afters, reads = [after], []
    for place in range(len(scores) - 1, 0, -1):
        read = (words[place] * after).div_(grown[place])
        reads.append(read)
        after = torch.mm(read, steps.t()).where((place < lengths)[:, None], last)
        afters.append(after)
    chances = (before * torch.stack(afters[::-1])).div_(ends[:, None]).where(there[:, :, None], 0.0)
    if not reads:
        return Sums(total, chances, scores.new_zeros(len(rows), *steps.shape))
    read = torch.stack(reads[::-1]).where(there[1:, :, None], 0.0)
    pairs = torch.einsum("tbi,tbj->bij", before[:-1], read) * steps / ends[:, None, None]
    return Sums(total, chances, pairs)


def logarithmic(scores: Tensor, chain: Chain, lengths: Tensor, there: Tensor, counts: bool) -> Sums:
    """Exact whatever the scores."""
    steps, first, last = chain
    reached = [scores[0] + first]
    for at in scores[1:].unbind(0):
        reached.append(torch.logsumexp(reached[-1][:, :, None] + steps, 1).add_(at))
    before = torch.stack(reached)
    ends = before[lengths - 1, torch.arange(len(lengths), device=scores.device)]
    total = torch.logsumexp(ends + last, 1)
    if not counts:
        return Sums(total, None, None)
    after = last.expand_as(before[0])
    afters, pairs = [after], scores.new_zeros(len(lengths), *steps.shape)
    for place in range(len(scores) - 1, 0, -1):
        ways = steps + (scores[place] + after)[:, None, :]
        inside = (place < lengths)[:, None]
        expected = (ways + (before[place - 1] - total[:, None])[:, :, None]).exp_()
        pairs += expected.where(inside[:, :, None], 0.0)
        after = torch.logsumexp(ways, 2).where(inside, last)
        afters.append(after)
    chances = (before + torch.stack(afters[::-1]) - total[:, None]).exp_()
    return Sums(total, chances.where(there[:, :, None], 0.0), pairs)


def reachable(chain: Chain, length: int) -> Tensor:
    """Which tags a word can have by what may follow what, (T, K)."""
    may = (chain.steps > FORBIDDEN).double()
    found = [chain.first > FORBIDDEN]
    for _ in range(length - 1):
        found.append(found[-1].double() @ may > 0)
    return torch.stack(found)
