"""Batches of independent examples: each once an epoch, the same in every process, whatever the padding."""

from __future__ import annotations

import pytest
import torch

from unrolled.data.examples import Examples, each_once, padded
from unrolled.task import Batch, Part


def gathered(rows: list) -> Batch:
    return Batch(rows, None, len(rows))


def data(count: int = 53, rows: int = 8, **more) -> Examples:
    return Examples(
        None,
        [(k, k * 7 % 13) for k in range(count)],
        [(k, k % 5) for k in range(9)],
        rows,
        gathered,
        "",
        "",
        length=lambda example: example[1],
        **more,
    )


@pytest.mark.parametrize("count, rows", [(53, 8), (1, 8), (8, 8), (9, 8), (1000, 3), (5, 1)])
def test_every_example_once_an_epoch_and_no_small_batch(count, rows):
    examples = data(count, rows)
    for epoch in range(3):
        steps = range(epoch * examples.steps_per_epoch, (epoch + 1) * examples.steps_per_epoch)
        batches = [examples.batch(step).inputs for step in steps]
        assert sorted(row for batch in batches for row in batch) == sorted(examples.training)
        sizes = {len(batch) for batch in batches}
        assert max(sizes) <= rows and max(sizes) - min(sizes) <= 1


def test_epochs_differ_and_steps_repeat():
    examples, again = data(), data()
    first = [examples.batch(step).inputs for step in range(7)]
    second = [examples.batch(step).inputs for step in range(7, 14)]
    assert first != second
    assert [again.batch(step).inputs for step in (9, 3)] == [second[2], first[3]]


@pytest.mark.parametrize("size", [2, 3])
def test_processes_share_the_rows_of_a_batch(size):
    examples = data()
    for step in range(7):
        whole = examples.batch(step).inputs
        parts = [examples.batch(step, Part(rank, size)).inputs for rank in range(size)]
        assert [row for k in range(len(whole)) for row in parts[k % size][k // size : k // size + 1]] == whole


def test_a_process_may_get_no_row():
    batches = [data(5, 8).batch(0, Part(rank, 8)) for rank in range(8)]
    assert [batch.count for batch in batches] == [1] * 5 + [0] * 3


def test_batches_are_of_like_lengths():
    # Sorted pools of 320.
    examples = Examples(None, list(range(1000)), [], 10, gathered, "", "", length=lambda k: k % 100)
    spans = []
    for step in range(100):
        lengths = [k % 100 for k in examples.batch(step).inputs]
        spans.append(max(lengths) - min(lengths))
    assert sum(spans) / len(spans) < 6  # of 100; 80 unsorted


def test_held_out_examples_once_whatever_the_batch():
    examples = data()
    assert sorted(row for batch in examples.held_out() for row in batch.inputs) == sorted(examples.validation)
    assert list(examples.test()) == []
    tested = data(testing=examples.validation)
    assert sorted(row for batch in tested.test() for row in batch.inputs) == sorted(examples.validation)
    for rows in (1, 2, 5, 100):
        seen = [
            row for batch in each_once(["ccc", "a", "bb", "a"], gathered, rows=rows) for row in batch.inputs
        ]
        assert seen == ["a", "a", "bb", "ccc"]


def test_sizes_are_counted_in_units():
    examples = data(10, 4, weigh=lambda example: 1 + example[1])
    assert examples.training_size == sum(1 + k * 7 % 13 for k in range(10))
    assert examples.held_out_size == sum(1 + k % 5 for k in range(9))
    assert examples.steps_per_epoch == 3 and examples.units_per_step == examples.training_size // 3
    assert data(10, 4).training_size == 10


def test_padded():
    indices, lengths = padded([[1, 2, 3], [], torch.tensor([4])])
    assert indices.tolist() == [[1, 0, 4], [2, 0, 0], [3, 0, 0]] and lengths.tolist() == [3, 0, 1]
    values, lengths = padded([torch.ones(2, 3), torch.ones(4, 3)])
    assert values.shape == (4, 2, 3) and lengths.tolist() == [2, 4]
    assert values[2:, 0].abs().sum() == 0 and values.dtype == torch.float32
