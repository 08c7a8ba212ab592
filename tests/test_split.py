"""A held-out part: nothing on both sides, each label's share, the same split in any order."""

from __future__ import annotations

import random

import pytest

from unrolled.data.split import grouped
from unrolled.errors import UsageError


def keys_and_labels(count: int = 3000) -> tuple[list[str], list[str]]:
    drawn = random.Random(0)
    keys = [f"name {drawn.randrange(count // 2)}" for _ in range(count)]
    return keys, [drawn.choices(["a", "b", "c"], [0.7, 0.25, 0.05])[0] for _ in keys]


@pytest.mark.parametrize("with_labels", [False, True])
@pytest.mark.parametrize("share", [0.1, 0.33, 0.5])
def test_no_key_stands_on_both_sides(share, with_labels):
    keys, labels = keys_and_labels()
    split = grouped(keys, share, labels=labels if with_labels else None)
    assert sorted(split.training + split.held_out) == list(range(len(keys)))
    assert not {keys[k] for k in split.training} & {keys[k] for k in split.held_out}
    assert abs(len(split.held_out) / len(keys) - share) < 0.003
    assert split.duplicates == len(keys) - len(set(keys))


def test_each_label_gets_its_share():
    labels = ["a"] * 40 + ["b"] * 8 + ["c"]
    split = grouped([str(k) for k in range(49)], 0.25, labels=labels)
    held = [labels[k] for k in split.held_out]
    assert (held.count("a"), held.count("b"), held.count("c")) == (10, 2, 0)


def test_every_label_is_learned_from():
    labels = ["a", "a", "b", "c", "d", "d"]
    for seed in range(20):
        split = grouped([str(k) for k in range(6)], 0.5, seed, labels)
        assert {labels[k] for k in split.training} == {"a", "b", "c", "d"}


def test_the_order_of_the_rows_and_other_rows_decide_nothing():
    keys, _ = keys_and_labels()
    held = {keys[k] for k in grouped(keys, 0.2).held_out}
    shuffled = random.Random(1).sample(keys, len(keys))
    assert {shuffled[k] for k in grouped(shuffled, 0.2).held_out} == held
    assert {keys[k] for k in grouped(keys, 0.2, seed=1).held_out} != held
    more = [*keys, *(f"other {k}" for k in range(1000))]
    after = {more[k] for k in grouped(more, 0.2).held_out}
    assert len({k for k in held if k not in after}) < 0.1 * len(held)


def test_one_is_held_out_at_least_and_one_learned_from():
    for share in (0.01, 0.99):
        split = grouped([b"a", b"b", b"c"], share)
        assert split.training and split.held_out
    split = grouped(["a"] * 99 + ["b"], 0.1)
    assert split.held_out == [99] and split.duplicates == 98


@pytest.mark.parametrize(
    "keys, said", [([], "there are 0 distinct"), (["a", "a"], "there is 1 distinct example, and")]
)
def test_too_few(keys, said):
    with pytest.raises(UsageError, match=said):
        grouped(keys, 0.1)
