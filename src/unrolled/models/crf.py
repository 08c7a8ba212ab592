"""Linear-chain conditional random field over tags (Lafferty, McCallum and Pereira 2001): a score for each
tag of each word and for each tag behind another; a sentence's tags are as probable as e^score is large
among all that are allowed.

Scores are (T, B, K), rows of unequal length: `lengths` (B,) from 1 to T. What stands past a row's end
may be anything, NaN too. There are no tags START and STOP that a model could say: how a sentence
begins and ends are vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ..errors import UsageError
from .chain_sums import FORBIDDEN, Chain, sums


class Path(NamedTuple):
    """A sentence's tags, and log of their probability."""

    tags: list[int]
    log_probability: float


def lengths_of(mask: Tensor) -> Tensor:
    """The lengths (B,) that a mask (T, B) of words says. Raises UsageError for a row without
    words, or with a gap in them.

    >>> lengths_of(torch.tensor([[True, True], [True, False]]))
    tensor([2, 1])
    """
    lengths = mask.sum(0)
    wrong = ((mask != (torch.arange(len(mask))[:, None] < lengths)).any(0) | (lengths == 0)).nonzero()
    if len(wrong):
        raise UsageError(
            f"row {wrong[0].item()} of the mask is {mask[:, wrong[0].item()].int().tolist()}: give rows that"
            " begin with their words, and then padding alone."
        )
    return lengths


def log_partition(scores: Tensor, chain: Chain, lengths: Tensor) -> Tensor:
    """log of the sum of e^score over all tags of each row: (B,) float64."""
    return _LogPartition.apply(scores, *chain, lengths)


def score(scores: Tensor, tags: Tensor, chain: Chain, lengths: Tensor) -> Tensor:
    """The score of given tags (T, B) int64 of each row: (B,) float64. What stands
    past a row's end is not read.
    """
    there = torch.arange(len(scores), device=scores.device)[:, None] < lengths
    rows, tags = torch.arange(tags.shape[1], device=tags.device), tags.where(there, 0)
    of_words = scores.gather(2, tags[:, :, None])[:, :, 0].double().where(there, 0.0).sum(0)
    of_steps = chain.steps.double()[tags[:-1], tags[1:]].where(there[1:], 0.0).sum(0)
    return of_words + of_steps + chain.first.double()[tags[0]] + chain.last.double()[tags[lengths - 1, rows]]


@torch.no_grad()
def marginals(scores: Tensor, chain: Chain, lengths: Tensor) -> Tensor:
    """The probability of each tag of each word, (T, B, K) float64; 0 past a row's end."""
    return sums(scores, chain, lengths, counts=True).chances


@torch.no_grad()
def decode(scores: Tensor, chain: Chain, lengths: Tensor) -> Tensor:
    """The most probable tags of each row (T, B) int64, by the algorithm of Viterbi
    (1967); 0 past a row's end.
    """
    best, back = scores[0].double() + chain.first.double(), []
    steps = chain.steps.double()
    ends = [best]
    for at in scores[1:].double():
        best, from_ = (best[:, :, None] + steps).max(1)
        best = best + at
        ends.append(best)
        back.append(from_)
    rows = torch.arange(scores.shape[1], device=scores.device)
    tags = scores.new_zeros(scores.shape[:2], dtype=torch.int64)
    last = (torch.stack(ends)[lengths - 1, rows] + chain.last.double()).argmax(1)
    for place in reversed(range(len(scores))):
        if place < len(scores) - 1:
            last = last.where(place >= lengths - 1, back[place][rows, last])
        tags[place] = last.where(place < lengths, 0)
    return tags


@torch.no_grad()
def best(scores: Tensor, chain: Chain, count: int) -> list[Path]:
    """The `count` most probable tags of one sentence, scores (T, K), the most probable first;
    fewer where there are fewer.
    """
    length, kinds = scores.shape
    total = log_partition(scores[:, None], chain, torch.tensor([length]))[0]
    reached = (scores[0].double() + chain.first.double())[:, None]  # (K, n): the n best ways to each tag
    back = []
    for at in scores[1:].double():
        ways = (reached[:, :, None] + chain.steps.double()[:, None, :]).flatten(0, 1)  # (K n, K)
        found = ways.topk(min(count, len(ways)), 0)
        back.append((found.indices // reached.shape[1], found.indices % reached.shape[1]))
        reached = found.values.t() + at[:, None]
    found = (reached + chain.last.double()[:, None]).flatten().topk(min(count, reached.numel()))
    paths = []
    for value, place in zip(found.values.tolist(), found.indices.tolist()):
        tag, rank = divmod(place, reached.shape[1])
        tags = [tag]
        for from_, which in reversed(back):
            tag, rank = from_[rank, tag].item(), which[rank, tag].item()
            tags.append(tag)
        if value > FORBIDDEN:
            paths.append(Path(tags[::-1], value - total.item()))
    return paths


class _LogPartition(torch.autograd.Function):
    """Its gradient are probabilities: of each tag of each word, of each behind each,
    of the first, of the last.
    """

    @staticmethod
    def forward(ctx, scores, steps, first, last, lengths):
        found = sums(scores.detach(), Chain(steps, first, last), lengths, any(ctx.needs_input_grad))
        if found.chances is not None:
            ctx.save_for_backward(lengths, found.chances, found.pairs)
            ctx.types = scores.dtype, steps.dtype
        return found.total

    @staticmethod
    @once_differentiable
    def backward(ctx, slope):
        return *_slopes(*ctx.saved_tensors, slope, *ctx.types), None


class _Nats(torch.autograd.Function):
    """log of the partition less the score of true tags. Its gradient: how often each is expected,
    less how often it is there.
    """

    @staticmethod
    def forward(ctx, scores, steps, first, last, tags, lengths):
        chain = Chain(steps, first, last)
        found = sums(scores.detach(), chain, lengths, any(ctx.needs_input_grad))
        if found.chances is not None:
            there = torch.arange(len(scores), device=scores.device)[:, None] < lengths
            seen = torch.zeros_like(found.chances).scatter_(2, tags.where(there, 0)[:, :, None], 1.0)
            seen *= there[:, :, None]
            pairs = torch.einsum("tbi,tbj->bij", seen[:-1], seen[1:])
            ctx.save_for_backward(lengths, found.chances - seen, found.pairs - pairs)
            ctx.types = scores.dtype, steps.dtype
        return found.total - score(scores, tags, chain, lengths)

    @staticmethod
    @once_differentiable
    def backward(ctx, slope):
        return *_slopes(*ctx.saved_tensors, slope, *ctx.types), None, None


def _slopes(
    lengths: Tensor, words: Tensor, pairs: Tensor, slope: Tensor, of_scores, of_chain
) -> tuple[Tensor, ...]:
    """Of scores, and of the chain's three parts, from what each tag of each word (T, B, K) and
    each pair (B, K, K) counts.
    """
    ends = words[lengths - 1, torch.arange(len(slope), device=slope.device)]
    chain = (torch.einsum("b,bij->ij", slope, pairs), slope @ words[0], slope @ ends)
    return (words * slope[:, None]).to(of_scores), *(part.to(of_chain) for part in chain)


class CRF(nn.Module):
    """The chain of a conditional random field, with what is forbidden in training as in decoding.

    tags     K
    allowed  which tag may follow which (K, K), which may be the first (K,) and the last (K,),
             of truths; all without it

    >>> crf = CRF(3, ([[True, True, True], [True, True, False], [True, True, True]], [True] * 3, [True] * 3))
    >>> scores, lengths = torch.randn(5, 2, 3), torch.tensor([5, 2])
    >>> tags = torch.zeros(5, 2, dtype=torch.int64)
    >>> crf.nats(scores, tags, lengths).shape, decode(scores, crf.chain(), lengths).shape
    (torch.Size([2]), torch.Size([5, 2]))
    """

    def __init__(
        self,
        tags: int,
        allowed: tuple[Sequence[Sequence[bool]], Sequence[bool], Sequence[bool]] | None = None,
    ):
        super().__init__()
        self.steps = nn.Parameter(torch.zeros(tags, tags))
        self.first = nn.Parameter(torch.zeros(tags))
        self.last = nn.Parameter(torch.zeros(tags))
        given = allowed or ([[True] * tags] * tags, [True] * tags, [True] * tags)
        for name, which in zip(Chain._fields, given):
            self.register_buffer(f"{name}_forbidden", ~torch.tensor(which), persistent=False)

    def chain(self) -> Chain:
        """The scores as they stand, what is forbidden at -inf."""
        return Chain(
            *(
                getattr(self, name).masked_fill(getattr(self, f"{name}_forbidden"), FORBIDDEN)
                for name in Chain._fields
            )
        )

    def nats(self, scores: Tensor, tags: Tensor, lengths: Tensor) -> Tensor:
        """-log of the probability of the true tags of each row, (B,)."""
        return _Nats.apply(scores, *self.chain(), tags, lengths)


def free(tags: int) -> Chain:
    """The chain of tags that know nothing of each other."""
    return Chain(torch.zeros(tags, tags), torch.zeros(tags), torch.zeros(tags))
