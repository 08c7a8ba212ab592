"""How threads share a forward pass is timed where calls are long and many; whatever
wins, the bits are the same.
"""

from __future__ import annotations

import pytest
import torch
from instances import needs_compiler

from unrolled import Recurrent
from unrolled.kernels.c.build import timed
from unrolled.kernels.c.call import forward, prepared, ways
from unrolled.plan.cost import AHEAD, Way, ways_to_share
from unrolled.plan.plan import plan_of

pytestmark = needs_compiler


@pytest.fixture(autouse=True)
def untimed(tmp_path, monkeypatch):
    """Nothing is known, every call is long, and three are many; two threads."""
    monkeypatch.setenv("UNROLLED_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(timed, "_known", {})
    monkeypatch.setattr(prepared, "LONG", 0)
    monkeypatch.setattr(ways, "CALLS", 3)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    forget()
    yield
    torch.set_num_threads(before)
    forget()


def forget() -> None:
    prepared._prepared.cache_clear()
    ways._tried.cache_clear()


def winner(monkeypatch, wanted: Way) -> list[tuple[str, ...]]:
    """From now on every timing runs all ways once, and finds this one to be twice as fast; what was timed."""
    asked = []

    def found(place, runs):
        for run in runs.values():
            run()
        asked.append(tuple(runs))
        taken = {name: 1.0 if name == str(wanted) else 2.0 for name in runs}
        timed._known[place] = timed.Choice(min(taken, key=taken.__getitem__), taken)
        return timed._known[place]

    monkeypatch.setattr(timed, "_timed", found)
    return asked


@pytest.mark.parametrize("name", ["lstm", "gru_reset_before", "lem", "mut1", "indrnn", "qrnn"])
@pytest.mark.parametrize("way", [Way(1, False, 32), Way(2, False, 256), Way(2, True, 64)], ids=str)
def test_every_way_gives_the_same_bits(name, way):
    torch.manual_seed(0)
    layer, x = Recurrent(name, 6, 40, backend="c"), torch.randn(33, 5, 6, requires_grad=True)

    def results() -> list[torch.Tensor]:
        y, state = layer(x)
        return [y, *state, *torch.autograd.grad(y.square().sum(), [x, *layer.parameters()])]

    expected = results()
    chosen = prepared.way_of
    prepared.way_of = lambda *known: way if way in allowed(layer, 5) else known[5]
    try:
        with torch.no_grad():
            assert torch.equal(layer(x)[0], expected[0])
        assert all(torch.equal(one, other) for one, other in zip(results(), expected, strict=True))
    finally:
        prepared.way_of = chosen


def allowed(layer, batch: int) -> list[Way]:
    possible = ways_to_share(plan_of(layer.cell.graph), batch, 2)
    return [way._replace(ahead=rows) for way in possible for rows in ways.AHEADS]


def test_a_call_is_timed_once_it_was_made_often_and_never_again(monkeypatch):
    layer, x = Recurrent("lstm", 6, 40), torch.randn(9, 5, 6)
    asked = winner(monkeypatch, Way(2, True, 64))
    for calls in range(1, 7):
        layer(x)
        assert len(asked) == 2 * (calls > 3), calls
    assert len(asked[0]) == 3 and len(asked[1]) == len(ways.AHEADS)
    layer(torch.randn(4, 5, 6))  # of another length: alike
    assert len(asked) == 2
    (tried,) = [ways._tried(*key) for key in keys(layer, 5)]
    assert tried.done and tried.way == Way(2, True, 64)


def keys(layer, batch: int):
    sizes, plan = (("I", 6), ("H", 40)), plan_of(layer.cell.graph)
    for call_sizes in (sizes, sizes[::-1]):
        key = (plan, call_sizes, batch, "float32", 2, Way(2, False, AHEAD))
        if ways._tried(*key).calls:
            yield key


def test_what_was_found_is_kept_for_other_processes(monkeypatch):
    layer, x = Recurrent("lstm", 6, 40), torch.randn(9, 5, 6)
    monkeypatch.setattr(ways, "CLEARLY", 10.0)
    for _ in range(4):
        layer(x)
    monkeypatch.setattr(timed, "_known", {})
    forget()
    monkeypatch.setattr(timed, "_timed", lambda *given: pytest.fail("timed again"))
    for _ in range(6):
        layer(x)


def test_chance_does_not_change_the_models_choice(monkeypatch):
    layer, x = Recurrent("lstm", 6, 40), torch.randn(9, 5, 6)
    monkeypatch.setattr(ways, "CLEARLY", 0.4)
    winner(monkeypatch, Way(2, True, 64))  # twice as fast is not enough now
    for _ in range(5):
        layer(x)
    (key,) = keys(layer, 5)
    assert ways._tried(*key).way == Way(2, False, AHEAD)


def test_short_calls_and_one_thread_are_not_timed(monkeypatch):
    monkeypatch.setattr(timed, "_timed", lambda *given: pytest.fail("timed"))
    layer, x = Recurrent("lstm", 6, 40), torch.randn(9, 5, 6)
    monkeypatch.setattr(prepared, "LONG", ways.LONG)
    for _ in range(5):
        layer(x)
    monkeypatch.setattr(prepared, "LONG", 0)
    torch.set_num_threads(1)
    forget()
    for _ in range(5):
        layer(x)


@pytest.mark.parametrize(("own", "blas"), [(13.0, True), (8.5, True), (6.0, False)])
def test_blas_has_large_products_unless_it_is_beaten_by_far(monkeypatch, own, blas):
    monkeypatch.setattr(ways, "_blas", {})
    monkeypatch.setattr(prepared, "LARGE", -1)
    monkeypatch.setattr(prepared, "LONG", float("inf"))
    asked = []

    def found(place, runs):
        asked.append([run() for run in runs.values()])
        timed._known[place] = timed.Choice("own", {"own": own, "blas": 10.0})
        return timed._known[place]

    monkeypatch.setattr(timed, "_timed", found)
    layer, x = Recurrent("lstm", 6, 40), torch.randn(9, 5, 6, requires_grad=True)
    with torch.no_grad():
        layer(x)
    assert not asked, "nothing is kept, and BLAS is not asked"
    for _ in range(3):
        layer(x)[0].sum().backward()
    assert len(asked) == 1 and ways.uses_blas("float32", 2) is blas
    used = []
    monkeypatch.setattr(forward, "input_products", lambda call, g: used.append(g) or real(call, g))
    layer(x)
    assert bool(used) is blas


real = forward.input_products
