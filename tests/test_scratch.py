"""Memory that calls leave for the next: used again once nobody refers to it, never before."""

from __future__ import annotations

import copy
import os
import random
import resource
import threading

import pytest
import torch
from instances import needs_compiler
from torch.utils.checkpoint import checkpoint

from unrolled import LSTM, Recurrent
from unrolled.kernels.c.call import library, prepared, scratch, ways

pytestmark = pytest.mark.skipif(
    scratch._users is None, reason="this torch does not say how often memory is used"
)


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """An empty pool that takes the smallest buffers, too."""
    monkeypatch.setattr(scratch, "LEAST", 1)
    monkeypatch.setattr(scratch, "pool", scratch.Pool())


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


def held() -> list[int]:
    return [len(piece) for piece in scratch.pool.pieces]


def test_no_more_is_held_than_was_in_use_at_once(monkeypatch):
    monkeypatch.setattr(scratch, "FREELY", 0)
    like = torch.empty(0)
    for rows in (10, 25, 60, 150, 400, 150, 60, 25):
        scratch.buffer(like, rows, 1)
    assert sum(held()) <= 1600
    one, other = scratch.buffer(like, 400, 1), scratch.buffer(like, 200, 1)
    assert sum(held()) == 2400
    del one, other
    for rows in (30, 90, 10, 500, 70):
        scratch.buffer(like, rows, 1)
        assert sum(held()) <= 2400


def test_no_more_is_held_than_allowed(monkeypatch):
    monkeypatch.setattr(scratch, "FREELY", 0)
    monkeypatch.setattr(scratch, "HELD", 1000)
    like = torch.empty(0)
    used = [scratch.buffer(like, rows, 1) for rows in (100, 100, 100, 300)]
    assert held() == [400, 400], "what is in use is not forgotten for what would be too much"
    assert len({one.data_ptr() for one in used}) == 4
    del used
    for rows in (10, 25, 60, 150, 240, 250, 251):
        scratch.buffer(like, rows, 1)
        assert sum(held()) <= 1000


def test_what_is_idle_for_long_goes_back_to_the_system(monkeypatch):
    monkeypatch.setattr(scratch, "IDLE", 20)
    like = torch.empty(0)
    scratch.buffer(like, 1000, 1)
    for _ in range(50):
        scratch.buffer(like, 10, 1)
    assert held() == [40]


def test_a_system_without_memory_gets_back_what_is_idle(monkeypatch):
    like, allocate, calls = torch.empty(0), torch.UntypedStorage, []

    def refuse_once(size):
        calls.append(held())
        if len(calls) == 1:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4000 bytes")
        return allocate(size)

    scratch.buffer(like, 10, 1)
    monkeypatch.setattr(torch, "UntypedStorage", refuse_once)
    assert scratch.buffer(like, 1000, 1).shape == (1000, 1) and calls == [[40], []]


def test_threads_take_memory_from_one_pool_and_never_the_same():
    """Every thread writes its number into what it gets, and finds it there as long as it holds it."""
    wrong = []

    def work(number: int) -> None:
        chosen, kept = random.Random(number), []
        for _ in range(300):
            kept.append(scratch.buffer(torch.empty(0), chosen.choice((16, 24, 40)), 4).fill_(number))
            if len(kept) > 4:
                one = kept.pop(chosen.randrange(5))
                if not one.eq(number).all():
                    wrong.append(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and len(held()) < 200


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_begins_with_an_empty_pool():
    scratch.buffer(torch.empty(0), 4, 8)
    kept = scratch.pool
    with kept.lock:  # as if another thread held it at that moment
        child = os.fork()
        if not child:
            os._exit(not (scratch.pool.pieces == [] and scratch.pool.lock.acquire(timeout=1)))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0 and held() == [128]


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
        layer(x)[0].sum().backward()  # memory is used repeatedly
    for x, y, found in zip(xs, ys, kept):
        expected = plain(x)[0]
        torch.testing.assert_close(y, expected)
        for one, other, again in zip(found, weights_gradients(plain, expected), weights_gradients(layer, y)):
            torch.testing.assert_close(one, other)
            torch.testing.assert_close(again, other)


@needs_compiler
def test_whatever_autograd_still_needs_is_not_used_again():
    """retain_graph, checkpointing, a copied layer, outputs that are copied, sent as
    numpy arrays or written to.
    """
    torch.manual_seed(0)
    layer = Recurrent("gru", 5, 6, dtype=torch.float64)
    plain = Recurrent("gru", 5, 6, backend="reference", dtype=torch.float64)
    plain.load_state_dict(layer.state_dict())
    x, others = torch.randn(7, 3, 5, dtype=torch.float64, requires_grad=True), torch.randn(4, 7, 3, 5).double()

    def disturb() -> None:
        for other in others:
            copy.deepcopy(layer)(other)[0].sum().backward()

    def gradients(model, y, keep=False):
        return torch.autograd.grad(y.square().sum(), [x, *model.parameters()], retain_graph=keep)

    expected = gradients(plain, plain(x)[0])
    y = layer(x)[0]
    array, copied = y.detach().numpy(), copy.deepcopy(y.detach())
    for keep in (True, True, False):
        disturb()
        for one, other in zip(gradients(layer, y, keep), expected):
            torch.testing.assert_close(one, other)
    del y
    disturb()
    assert (torch.from_numpy(array) == copied).all()
    y = checkpoint(lambda x: layer(x)[0], x, use_reentrant=False)
    disturb()
    for one, other in zip(gradients(layer, y), expected):
        torch.testing.assert_close(one, other)


@needs_compiler
def test_a_graph_that_was_let_go_of_says_so():
    layer, x = Recurrent("lstm", 5, 6), torch.randn(7, 3, 5)
    y = layer(x)[0].sum()
    y.backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        y.backward()


@needs_compiler
@pytest.mark.parametrize(("steps", "width"), [(100, 256), (1000, 128)])
def test_steps_that_are_alike_ask_the_system_for_nothing(monkeypatch, steps, width):
    monkeypatch.setattr(scratch, "LEAST", 2**20)
    monkeypatch.setitem(ways._blas, ("float32", torch.get_num_threads()), True)  # its products, too
    layer, x = LSTM(width, width), torch.randn(steps, 32, width, requires_grad=True)
    above = torch.randn(steps, 32, width)
    for k in range(6):
        if k == 3:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        layer(x)[0].backward(above)
        layer.zero_grad()
        x.grad = None
    # Each of the three steps has 40 or 180 MB of buffers, 10,000 or 44,000 pages; torch's own copy
    # of y may be of new ones.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < 20_000


@needs_compiler
def test_what_is_prepared_for_long_sequences_is_bounded_in_bytes(monkeypatch):
    """Each new length has tables of its own: 16 bytes a step, and as many calls as there are lengths."""
    monkeypatch.setattr(prepared, "MOST", 2**20)
    prepared._prepared.cache_clear()
    layer = Recurrent("indrnn", 1, 1, backend="c")
    for steps in (*range(5_000, 5_020), 40_000, *range(5_000, 5_020), 900):
        x = torch.ones(steps, 2, 1)
        with torch.no_grad():
            whole, ragged = layer(x)[0], layer(x, lengths=[steps, steps - 1])[0]
        assert torch.equal(whole[:-1], ragged[:-1])
        held = [sum(len(t) * t.itemsize for t in f.alive) for f in prepared._prepared.long.values()]
        assert len(held) == 1 or sum(held) <= 2**20
    assert len(held) > 4  # and the latest ones are kept
    kept = next(reversed(prepared._prepared.long.values()))
    layer(x.new_ones(5_019, 2, 1), lengths=[5_019, 5_018])
    assert next(reversed(prepared._prepared.long.values())) is kept
