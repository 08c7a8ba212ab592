"""Memory that calls leave for the next: used again once nobody refers to it, never before."""

from __future__ import annotations

import resource
import threading

import pytest
import torch
from instances import needs_compiler

from unrolled import Recurrent
from unrolled.kernels.c import frame, library, scratch

pytestmark = pytest.mark.skipif(
    scratch._users is None, reason="this torch does not say how often memory is used"
)


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """An empty pool that takes the smallest buffers, too."""
    monkeypatch.setattr(scratch, "LEAST", 1)
    monkeypatch.setattr(scratch, "_pool", scratch._Pool())


def test_memory_is_used_again_only_when_nobody_refers_to_it():
    like = torch.empty(0)
    one = scratch.buffer(like, 4, 8)
    first, view = one.data_ptr(), one[1:2]
    assert one.shape == (4, 8) and one.is_contiguous() and scratch.buffer(like, 4, 8).data_ptr() != first
    del one
    assert scratch.buffer(like, 4, 8).data_ptr() != first, "a view of it is alive"
    del view
    assert {scratch.buffer(like, 4, 8).data_ptr() for _ in range(3)} == {first}
    assert scratch.buffer(like.double(), 2, 8).data_ptr() == first, "of another type, as many bytes"
    held = scratch.buffer(like, 3, 8)
    assert held.data_ptr() == first, "a little smaller"
    assert scratch.buffer(like, 1, 8).data_ptr() != first, "much smaller"


def test_what_a_user_or_another_process_has_is_not_used_again():
    one = scratch.buffer(torch.empty(0), 4, 8)
    first, storage = one.data_ptr(), one.untyped_storage()
    del one
    assert scratch.buffer(torch.empty(0), 4, 8).data_ptr() != first, "its storage is alive"
    del storage
    shared = scratch.buffer(torch.empty(0), 4, 8)
    assert shared.data_ptr() == first
    shared.share_memory_()  # as a queue of processes does
    at = shared.data_ptr()
    del shared
    assert all(scratch.buffer(torch.empty(0), 4, 8).data_ptr() != at for _ in range(3))


def test_no_more_is_held_than_allowed(monkeypatch):
    monkeypatch.setattr(scratch, "HELD", 1000)
    for rows in (10, 25, 60, 150, 400):
        scratch.buffer(torch.empty(0), rows, 1)
    assert [len(memory) for memory in scratch._pool.memory] == [600] or sum(
        map(len, scratch._pool.memory)
    ) <= 1000
    monkeypatch.setattr(scratch, "MOST", 100)
    before = list(scratch._pool.memory)
    scratch.buffer(torch.empty(0), 101, 1)
    assert scratch._pool.memory == before


def test_another_thread_has_memory_of_its_own():
    first = scratch.buffer(torch.empty(0), 4, 8).data_ptr()
    others = []
    thread = threading.Thread(target=lambda: others.append(scratch.buffer(torch.empty(0), 4, 8).data_ptr()))
    thread.start()
    thread.join()
    assert scratch.buffer(torch.empty(0), 4, 8).data_ptr() == first != others[0]


@needs_compiler
@pytest.mark.parametrize("threads", [1, 2])
def test_working_memory_is_held_and_changes_nothing(monkeypatch, threads):
    monkeypatch.setattr(library, "arena", scratch.Arena())
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        results, held = [], []
        for width in (8, 8, 8, 40, 40, 8):  # asks the system, then what is held, which grows once
            torch.manual_seed(width)
            layer, x = Recurrent("lstm", 5, width), torch.randn(7, 4, 5)
            y = layer(x)[0]
            results.append((y, *weights_gradients(layer, y)))
            held.append(library.arena.held[:2])
    finally:
        torch.set_num_threads(before)
    assert held[0] == held[1] == held[2] and held[3] == held[4] == held[5] and 0 < held[0][1] < held[3][1]
    for one, other in ((0, 1), (0, 2), (3, 4), (0, 5)):
        assert all(torch.equal(a, b) for a, b in zip(results[one], results[other]))


@needs_compiler
def test_too_much_working_memory_is_asked_of_the_system_each_time(monkeypatch):
    monkeypatch.setattr(library, "arena", scratch.Arena())
    monkeypatch.setattr(scratch, "WORKING", 100)
    layer, x = Recurrent("lstm", 5, 8), torch.randn(7, 4, 5)
    assert torch.equal(layer(x)[0], layer(x)[0]) and library.arena.held.size == 0


@needs_compiler
def test_a_system_that_gives_no_pages_stops_nobody(monkeypatch):
    def refuse(size):
        raise OSError("Cannot allocate memory")

    monkeypatch.setattr(library, "arena", scratch.Arena())
    monkeypatch.setattr(scratch, "pages", refuse)
    layer, x = Recurrent("lstm", 5, 8), torch.randn(7, 4, 5)
    assert torch.equal(layer(x)[0], layer(x)[0]) and library.arena.held.size == 0


def weights_gradients(layer, y):
    return torch.autograd.grad(y.square().sum(), list(layer.parameters()), retain_graph=True)


@needs_compiler
@pytest.mark.parametrize("cell", ["lstm", "gru_reset_before", "lem", "mingru"])
def test_results_that_are_kept_stay_as_they_are_while_others_are_made(cell):
    torch.manual_seed(0)
    layer, plain = (
        Recurrent(cell, 5, 6, backend=backend, dtype=torch.float64) for backend in ("c", "reference")
    )
    plain.load_state_dict(layer.state_dict())
    xs = torch.randn(5, 7, 3, 5, dtype=torch.float64)
    ys = [layer(x)[0] for x in xs]  # all forward passes before the first backward pass
    kept = [weights_gradients(layer, y) for y in ys]
    for x in xs:
        layer(x)[0].sum().backward()  # memory is used again and again
    for x, y, found in zip(xs, ys, kept):
        expected = plain(x)[0]
        torch.testing.assert_close(y, expected)
        for one, other, again in zip(found, weights_gradients(plain, expected), weights_gradients(layer, y)):
            torch.testing.assert_close(one, other)
            torch.testing.assert_close(again, other)


@needs_compiler
def test_steps_that_are_alike_ask_the_system_for_little(monkeypatch):
    monkeypatch.setattr(scratch, "LEAST", 2**20)
    layer, x = Recurrent("lstm", 256, 256), torch.randn(100, 32, 256)
    for k in range(10):
        if k == 4:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        layer(x)[0].sum().backward()
        layer.zero_grad()
    # Each of the six steps has 40 MB of buffers, 10,000 pages.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < 10_000


@needs_compiler
def test_frames_of_long_sequences_are_bounded_in_bytes(monkeypatch):
    """Each new length has tables of its own: 16 bytes a step, and as many calls as there are lengths."""
    monkeypatch.setattr(frame, "MOST", 2**20)
    frame._frame.cache_clear()
    layer = Recurrent("indrnn", 1, 1, backend="c")
    for steps in (*range(5_000, 5_020), 40_000, *range(5_000, 5_020), 900):
        x = torch.ones(steps, 2, 1)
        with torch.no_grad():
            whole, ragged = layer(x)[0], layer(x, lengths=[steps, steps - 1])[0]
        assert torch.equal(whole[:-1], ragged[:-1])
        held = [sum(len(t) * t.itemsize for t in f.alive) for f in frame._frame.long.values()]
        assert len(held) == 1 or sum(held) <= 2**20
    assert len(held) > 4  # and the latest ones are kept
    kept = next(reversed(frame._frame.long.values()))
    layer(x.new_ones(5_019, 2, 1), lengths=[5_019, 5_018])
    assert next(reversed(frame._frame.long.values())) is kept
