"""The classifier: a row alone is what it is in a batch, each member of a committee is blind to
its fold, NaN never leaks.
"""

from __future__ import annotations

import pytest
import torch

from unrolled import Recurrent
from unrolled.data.examples import padded
from unrolled.models.classifier import POOLS, Classifier, Embedded, Member, PaddedRows
from unrolled.models.series import Filters, RowNorm, Scaled, mask_of

SCALE = ((0.5, -1.0), (2.0, 0.5), (1.0, 0.3))
LENGTHS = (13, 1, 40, 7, 25)


def series_model(
    channels: int, pool: str, *, missing: bool = False, members: int = 2, steps: int = 70
) -> Classifier:
    def member() -> Member:
        reader = Scaled([part[:channels] for part in SCALE], steps=True, missing=missing)
        filters = Filters(reader.width, steps, together=channels > 1)
        return Member(reader, filters, Recurrent("gru", filters.width, 6, bidirectional=True), pool, 3, 0.3)

    model = Classifier([member() for _ in range(members)])
    with torch.no_grad():
        for weight in model.parameters():  # zeros hide half of all mistakes
            weight.add_(0.1 * torch.randn_like(weight))
    return model.eval()


def text_model(pool: str, **more) -> Classifier:
    def member() -> Member:
        reader = Embedded(11, 5, unknown=0.1, dropout=0.2)
        return Member(reader, None, Recurrent("mgu", 5, 4, bidirectional=True), pool, 3, 0.3)

    return Classifier([member() for _ in range(2)], **more).eval()


def rows_of(values: list) -> PaddedRows:
    return PaddedRows(*padded(values))


def a_series(channels: int) -> list:
    return [3 * torch.randn(length, channels) + 1 for length in LENGTHS]


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("channels", [0, 1, 2])
def test_a_row_alone_is_what_it_is_in_a_batch(channels, pool):
    torch.manual_seed(0)
    if channels:
        model, values = series_model(channels, pool), a_series(channels)
    else:
        model, values = text_model(pool), [torch.randint(11, (length,)) for length in LENGTHS]
    together = model(rows_of(values))
    for k, value in enumerate(values):
        torch.testing.assert_close(model(rows_of([value]))[:, 0], together[:, k], atol=2e-5, rtol=2e-5)
    turned = model(rows_of(values[::-1]))
    torch.testing.assert_close(turned.flip(1), together, atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize("channels", [1, 2])
def test_padding_may_hold_anything(channels):
    torch.manual_seed(1)
    model = series_model(channels, "mean and max")
    values, lengths = padded(a_series(channels))
    expected = model(PaddedRows(values, lengths))
    longer = torch.cat([values, torch.zeros(9, *values.shape[1:])])
    for filler in (float("nan"), 1e30, float("inf")):
        spoiled = torch.where(mask_of(len(longer), lengths), longer, filler)
        torch.testing.assert_close(model(PaddedRows(spoiled, lengths)), expected, atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize("augment", ["none", "noise", "warp"])
@pytest.mark.parametrize("channels", [1, 2])
def test_missing_values_leak_nowhere(channels, augment):
    torch.manual_seed(2)
    reader = Scaled([part[:channels] for part in SCALE], steps=True, missing=True, augment=augment)
    values, lengths = padded(a_series(channels))
    values[3:6] = float("nan")
    values[:, 1] = float("nan")  # nothing is there at all
    for training in (False, True):
        features = reader.train(training)(values, lengths)
        assert features.isfinite().all() and features.shape[-1] == 3 * channels
        assert not features[~mask_of(len(values), lengths)[..., 0]].any()
    there = reader.eval()(values, lengths)[..., 2 * channels :]
    assert (there[:3, 0] == 1).all() and (there[3:6] == 0).all()


def test_missing_values_are_not_zeros():
    torch.manual_seed(3)
    model = series_model(1, "last", missing=True)
    (value,) = a_series(1)[2:3]
    gone, zero = value.clone(), value.clone()
    gone[5], zero[5] = float("nan"), 0.0
    assert not torch.allclose(model(rows_of([gone])), model(rows_of([zero])))


def test_a_lone_channel_has_its_own_scale():
    torch.manual_seed(4)
    value = torch.randn(30, 1)
    one, several = series_model(1, "last"), series_model(2, "last")
    torch.testing.assert_close(one(rows_of([value])), one(rows_of([5 * value + 3])), atol=1e-4, rtol=1e-4)
    pair = torch.cat([value, value.flip(0)], 1)
    assert not torch.allclose(several(rows_of([pair])), several(rows_of([5 * pair + 3])))


def test_warped_time_keeps_lengths_and_ends():
    torch.manual_seed(5)
    reader = Scaled([part[:2] for part in SCALE], steps=True, missing=False, augment="warp").train()
    ramp = [torch.arange(float(n))[:, None].repeat(1, 2) for n in LENGTHS]
    values, lengths = padded(ramp)
    found = reader(values, lengths)
    assert not found[~mask_of(len(values), lengths)[..., 0]].any()
    plain = reader.eval()(values, lengths)
    assert not torch.allclose(found, plain)
    slope = found[24, 4, 0] - found[0, 4, 0]  # the longest but one, within a stretch and the noise
    assert abs(slope / (plain[24, 4, 0] - plain[0, 4, 0]) - 1) < 0.5


def test_a_member_is_blind_to_its_fold():
    torch.manual_seed(6)
    model = series_model(1, "mean and max", members=3).train()
    values, lengths = padded(a_series(1))
    apart = torch.tensor([0, 1, 2, 0, 1])
    seen = {}
    for member, (places, logits) in zip(model.members, model.learning(PaddedRows(values, lengths, apart))):
        number = list(model.members).index(member)
        seen[number] = places.tolist()
        assert logits.shape == (len(places), 3)
    assert seen == {0: [1, 2, 4], 1: [0, 2, 3], 2: [0, 1, 3, 4]}
    model.eval()
    judged = model.log_chances(PaddedRows(values, lengths, apart))
    for k, member in enumerate([0, 1, 2, 0, 1]):
        alone = model.members[member](rows_of([values[: lengths[k], k]])).log_softmax(-1)
        torch.testing.assert_close(judged[k], alone[0], atol=2e-5, rtol=2e-5)


def test_probabilities_are_the_members_mean():
    torch.manual_seed(7)
    for several in (False, True):
        model = text_model("last", several=several)
        rows = rows_of([torch.randint(11, (5,)) for _ in range(4)])
        each = model(rows).sigmoid() if several else model(rows).softmax(-1)
        torch.testing.assert_close(model.log_chances(rows).exp(), each.mean(0))
        if not several:
            torch.testing.assert_close(model.log_chances(rows).exp().sum(-1), torch.ones(4))


def test_dropout_and_what_decays():
    model = text_model("last")
    model.set_dropout(0.25)
    assert all(member.dropout.probability == 0.25 for member in model.members)
    assert [weight.shape for weight in model.undecayed()] == [(11, 5)] * 2


def test_row_norm():
    torch.manual_seed(8)
    x, inside = 3 * torch.randn(2, 4, 9) + 1, torch.arange(9)[None, None] < torch.tensor([9, 5])[:, None, None]
    for together in (False, True):
        found = RowNorm(4, together)(x, inside)[1, :, :5]
        part = found if not together else found.flatten()
        torch.testing.assert_close(part.mean(-1), torch.zeros(part.shape[:-1]), atol=1e-5, rtol=0)
        torch.testing.assert_close(part.var(-1, unbiased=False), torch.ones(part.shape[:-1]), atol=1e-4, rtol=0)
