"""The conditional random field against the enumeration of all tags."""

import itertools
import math

import pytest
import torch

from unrolled.errors import ShapeError, UsageError
from unrolled.kernels import chain_of
from unrolled.models import chain_sums, crf
from unrolled.models.chain_sums import score
from unrolled.models.crf import CRF, Chain, best, decode, lengths_of, log_partition, marginals

LENGTHS = torch.tensor([4, 1, 3, 2])
FORBIDDEN = [[True, True, True], [True, True, False], [False, True, True]]
ALLOWED = (FORBIDDEN, [True, False, True], [True, True, False])


@pytest.fixture(params=["c", "scaled", "logarithmic"])
def way(request, monkeypatch):
    """All ways to add up."""
    if request.param == "c":
        monkeypatch.setattr(chain_sums, "in_torch", None)
        monkeypatch.setattr(crf, "_decode", None)
        return
    monkeypatch.setattr(chain_sums, "chain_of", lambda _: None)
    monkeypatch.setattr(crf, "chain_of", lambda _: None)
    if request.param == "logarithmic":
        monkeypatch.setattr(chain_sums, "scaled", lambda *_: None)
    else:
        monkeypatch.setattr(chain_sums, "logarithmic", None)


def drawn(tags=3, allowed=ALLOWED, lengths=LENGTHS, seed=0, padding=math.nan):
    """Random scores with padding that is not a number, and a chain with random scores."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(int(lengths.max()), len(lengths), tags, dtype=torch.float64, generator=generator) * 2
    scores[torch.arange(len(scores))[:, None] >= lengths] = padding
    model = CRF(tags, allowed).double()
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.randn(weight.shape, dtype=torch.float64, generator=generator))
    return scores, model


def enumerated(scores, chain, length):
    """All tags of one row, (length, K), with their scores as the definition has them."""
    steps, first, last = (part.tolist() for part in chain)
    found = []
    for tags in itertools.product(range(scores.shape[1]), repeat=length):
        total = first[tags[0]] + last[tags[-1]] + sum(scores[k, tag].item() for k, tag in enumerate(tags))
        found.append((total + sum(steps[a][b] for a, b in zip(tags, tags[1:])), list(tags)))
    return sorted(found, key=lambda pair: -pair[0])


def log_sum(totals):
    return torch.logsumexp(torch.tensor(totals, dtype=torch.float64), 0).item()


@pytest.mark.parametrize("seed", range(5))
def test_partition_score_best_and_marginals_are_those_of_the_enumeration(way, seed):
    scores, model = drawn(seed=seed)
    chain = model.chain()
    partition, tags, chances = (f(scores, chain, LENGTHS) for f in (log_partition, decode, marginals))
    for row, length in enumerate(LENGTHS.tolist()):
        ways = enumerated(scores[:, row], chain, length)
        total = log_sum([way for way, _ in ways])
        assert partition[row].item() == pytest.approx(total, abs=1e-12)
        assert tags[:length, row].tolist() == ways[0][1] and not tags[length:, row].any()
        given = torch.zeros(len(scores), len(LENGTHS), dtype=torch.int64)
        given[:length, row] = torch.tensor(ways[1][1])
        assert score(scores, given, chain, LENGTHS)[row].item() == pytest.approx(ways[1][0], abs=1e-12)
        for place, tag in itertools.product(range(length), range(3)):
            chance = math.exp(log_sum([way for way, path in ways if path[place] == tag]) - total)
            assert chances[place, row, tag].item() == pytest.approx(chance, abs=1e-12)
        assert not chances[length:, row].any()


def test_the_n_best_are_those_of_the_enumeration_and_no_more_than_there_are():
    scores, model = drawn()
    chain = model.chain()
    for row, length in enumerate(LENGTHS.tolist()):
        ways = [(way, path) for way, path in enumerated(scores[:, row], chain, length) if way > -math.inf]
        total = log_sum([way for way, _ in ways])
        for count in (1, 5, 1000):
            found = best(scores[:length, row], chain, count)
            assert [path.tags for path in found] == [path for _, path in ways[:count]]
            assert [path.log_probability for path in found] == pytest.approx(
                [way - total for way, _ in ways[:count]], abs=1e-12
            )
        assert sum(math.exp(path.log_probability) for path in found) == pytest.approx(1)


def test_gradients_are_those_of_the_enumeration(way):
    scores, model = drawn(padding=0.0)
    tags = torch.tensor([[0, 2, 2, 0], [1, 0, 1, 1], [0, 0, 1, 0], [0, 0, 0, 0]])  # allowed where they count
    tags[0, 1] = 0
    given = (scores.requires_grad_(), model.steps, model.first, model.last)
    found = torch.autograd.grad(model.nats(scores, tags, LENGTHS).dot(torch.arange(1.0, 5).double()), given)
    chain, total = model.chain(), torch.zeros((), dtype=torch.float64)
    for row, length in enumerate(LENGTHS.tolist()):
        ways = {}
        for path in itertools.product(range(3), repeat=length):
            way = (
                chain.first[path[0]] + chain.last[path[-1]] + sum(scores[k, row, t] for k, t in enumerate(path))
            )
            way = way + sum(chain.steps[a, b] for a, b in zip(path, path[1:]))
            if way > -math.inf:
                ways[path] = way
        nats = torch.logsumexp(torch.stack([*ways.values()]), 0) - ways[tuple(tags[:length, row].tolist())]
        total = total + (row + 1) * nats
    for ours, due in zip(found, torch.autograd.grad(total, given)):
        assert torch.allclose(ours, due, atol=1e-12)


def test_padding_that_is_no_number_reaches_neither_loss_nor_gradient(way):
    losses, slopes = [], []
    for padding in (0.0, math.nan, math.inf):
        scores, model = drawn(padding=padding)
        tags = decode(scores, model.chain(), LENGTHS)
        loss = model.nats(scores.requires_grad_(), tags, LENGTHS).sum()
        loss.backward()
        losses.append(loss.item())
        slopes.append([scores.grad, *(weight.grad for weight in model.parameters())])
    assert losses[0] == losses[1] == losses[2]
    assert all(torch.equal(a, b) and torch.equal(a, c) for a, b, c in zip(*slopes))


def test_a_row_alone_gives_what_it_gives_in_a_batch(way):
    scores, model = drawn()
    chain = model.chain()
    for row, length in enumerate(LENGTHS.tolist()):
        alone, its = scores[:length, row : row + 1], LENGTHS[row : row + 1]
        for function in (log_partition, decode, marginals):
            whole = function(scores, chain, LENGTHS)
            part = whole[row : row + 1] if whole.dim() == 1 else whole[:length, row : row + 1]
            assert torch.allclose(function(alone, chain, its).double(), part.double(), atol=1e-13)


def test_what_is_forbidden_is_never_said_and_has_no_probability(way):
    for seed in range(20):
        scores, model = drawn(seed=seed)
        tags = decode(scores, model.chain(), LENGTHS)
        for row, length in enumerate(LENGTHS.tolist()):
            path = tags[:length, row].tolist()
            assert path[0] != 1 and path[-1] != 2
            assert all(FORBIDDEN[a][b] for a, b in zip(path, path[1:]))
        assert not marginals(scores, model.chain(), LENGTHS)[0, :, 1].any()


def test_scores_far_apart_stay_exact():
    """In the linear domain e^-2000 is nothing, and the only way allowed would be lost."""
    chain = Chain(torch.tensor([[0.0, -math.inf], [-math.inf, 0.0]]), torch.zeros(2), torch.zeros(2))
    scores = torch.tensor([[2000.0, 0.0], [0.0, 0.0], [0.0, 1999.0]])[:, None]
    lengths = torch.tensor([3])
    assert log_partition(scores, chain, lengths).item() == pytest.approx(2000 + math.log1p(math.exp(-1)))
    assert decode(scores, chain, lengths)[:, 0].tolist() == [0, 0, 0]
    assert marginals(scores, chain, lengths)[1, 0, 1].item() == pytest.approx(1 / (1 + math.e))
    scores = torch.tensor([[760.0, 0.0], [0.0, 400.0], [0.0, 400.0]])[:, None]  # lost, and then the best
    assert log_partition(scores, chain, lengths).item() == pytest.approx(800 + math.log1p(math.exp(-40)))


def test_small_shares_are_found_where_a_tag_of_them_can_be_reached():
    scores, model = drawn()
    lengths, chain = torch.tensor([4]), model.chain()
    there = torch.ones(4, 1, dtype=torch.bool)
    one = scores[:4, :1].clone()
    assert chain_sums.scaled(one, chain, lengths, there, True) is not None
    one[2, 0, 0] -= 1000.0
    assert chain_sums.scaled(one, chain, lengths, there, True) is None
    assert not chain_sums.reachable(chain, 3)[0, 1] and chain_sums.reachable(chain, 3)[1:].all()


def test_a_mask_with_a_gap_is_an_error():
    assert lengths_of(torch.tensor([[1, 1], [1, 0], [0, 0]]).bool()).tolist() == [2, 1]
    with pytest.raises(UsageError) as caught:
        lengths_of(torch.tensor([[1, 1], [1, 0], [0, 1]]).bool())
    assert str(caught.value) == (
        "row 1 of the mask is [1, 0, 1]: give rows that begin with their words, and then padding alone."
    )
    with pytest.raises(UsageError):
        lengths_of(torch.tensor([[1, 0]]).bool())


def test_tags_that_know_nothing_of_each_other_are_softmax():
    scores, _ = drawn(padding=0.0)
    chain = crf.free(3)
    assert torch.allclose(marginals(scores, chain, LENGTHS)[:1], scores[:1].softmax(-1))
    assert decode(scores, chain, LENGTHS)[0].tolist() == scores[0].argmax(-1).tolist()


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("tags", [1, 2, 8, 13, 40])
def test_c_is_torch_to_the_last_tag(tags, kind):
    """Sums to rounding, the best tags exactly: the first of equal ones, too."""
    generator = torch.Generator().manual_seed(tags)
    lengths = torch.tensor([9, 1, 30, 2])
    # Many ways are equally good.
    scores = torch.randn(30, 4, tags, dtype=kind, generator=generator).mul_(4).round_()
    chain = Chain(*(torch.randn(size, generator=generator).round_() for size in ((tags, tags), tags, tags)))
    if tags > 2:
        chain.steps[0, 1] = chain.first[2] = -math.inf
    given = torch.randint(tags, (30, 4), generator=generator)
    given[:, 2] = given[:, 0] = tags - 1
    assert torch.equal(decode(scores, chain, lengths), crf._decode(scores, chain, lengths))
    for true in (None, given):
        for counts in (True, False):
            ours = chain_of((scores, *chain, lengths)).sums((scores, *chain, lengths), true, counts)
            due = chain_sums.in_torch(scores, chain, lengths, counts)
            total = due.total if true is None else due.total - score(scores, true, chain, lengths)
            assert torch.allclose(ours.total, total, atol=1e-9)
            if counts and true is None:
                assert torch.allclose(ours.chances, due.chances, atol=1e-12)
                assert torch.allclose(ours.pairs, due.pairs, atol=1e-12)
            assert counts or ours.chances is None


def test_c_reads_no_memory_but_what_it_was_given():
    chain, scores = Chain(torch.zeros(3, 3), torch.zeros(3), torch.zeros(3)), torch.zeros(4, 2, 3)
    for lengths in ([5, 1], [4, 0], [-1, 1]):
        with pytest.raises(ShapeError, match="of 4 words"):
            decode(scores, chain, torch.tensor(lengths))
    with pytest.raises(ShapeError, match="3, 3"):
        decode(scores, Chain(torch.zeros(2, 2), *chain[1:]), torch.tensor([4, 1]))
    model, lengths = CRF(3), torch.tensor([4, 1])
    for tag in (-1, 3):
        with pytest.raises(IndexError, match="none of 0 to 2"):
            model.nats(scores, torch.full((4, 2), tag), lengths)
