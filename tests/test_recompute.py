"""`recompute=True`: the same numbers in less memory, for one more forward pass."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from instances import needs_compiler
from layer_cases import BACKENDS, assert_close, gradients, leaves, make_input, make_layer, make_state
from together import STARTERS

from unrolled import Recurrent, Stacked, resettable, watch
from unrolled.kernels import StepRows, recomputed
from unrolled.transform import recurrent_dropout, weight_drop, zoneout

ODD = ["qrnn", "t_lstm", "second_order_rnn", "narx_rnn", "multiplicative_lstm", "slstm", "cfc"]
each_backend = pytest.mark.parametrize("backend", BACKENDS)


@pytest.fixture(autouse=True)
def short_blocks(monkeypatch):
    monkeypatch.setattr(recomputed, "ROWS", 1)


def both(name: str, backend: str, **options) -> tuple[Recurrent, Recurrent]:
    """A layer that keeps everything, and the same one that does not."""
    plain = make_layer(name, backend, **options)
    again = make_layer(name, backend, recompute=True, **options)
    again.load_state_dict(plain.state_dict())
    return plain, again


def same(plain: Recurrent, again: Recurrent, x, state=None, **more) -> None:
    results = [(lambda y, last: (y, *last))(*layer(x, state, **more)) for layer in (plain, again)]
    assert "Recomputed" in nodes(results[1][0]) and "Recomputed" not in nodes(results[0][0])
    assert_close(results[1], results[0])
    if plain.backend == "c":
        assert all(torch.equal(a, b) for a, b in zip(*results))
    given = [t for t in leaves(plain, x, state or ())[len(list(plain.parameters())) :] if t.is_floating_point()]
    expected, found = (gradients(r, [*layer.parameters(), *given]) for r, layer in zip(results, (plain, again)))
    assert_close(found, expected)


def nodes(y: torch.Tensor) -> str:
    """The names of all nodes of autograd's graph above y."""
    seen, todo = {}, [y.grad_fn]
    while todo:
        node = todo.pop()
        if node is not None and node not in seen:
            seen[node] = type(node).__name__
            todo += [n for n, _ in node.next_functions]
    return " ".join(seen.values())


@pytest.mark.parametrize("name", [*STARTERS, *ODD])
@each_backend
def test_the_same_values_and_gradients(backend, name):
    plain, again = both(name, backend, num_layers=2, bidirectional=True)
    same(plain, again, make_input(plain, 11, 3), make_state(plain, 3))


@pytest.mark.parametrize("name", STARTERS)
@each_backend
def test_rows_of_different_lengths(backend, name):
    plain, again = both(name, backend, bidirectional=True)
    same(plain, again, make_input(plain, 12, 5), make_state(plain, 5), lengths=[4, 11, 0, 7, 11])


@each_backend
def test_indices_and_no_state_given(backend):
    plain, again = both("lstm", backend, num_layers=2, bidirectional=True)
    same(plain, again, torch.randint(3, (10, 2)))


@pytest.mark.parametrize(
    "change", [zoneout("mgu", 0.4), recurrent_dropout("lstm", 0.4), weight_drop("mgu", 0.4)], ids=str
)
@each_backend
def test_masks_are_drawn_once(backend, change):
    results = []
    for recompute in (False, True):
        torch.manual_seed(1)
        layer = Recurrent(change, 3, 5, dtype=torch.float64, backend=backend, recompute=recompute)
        x = torch.randn(9, 2, 3, dtype=torch.float64, requires_grad=True)
        y, last = layer(x)
        results.append((y, *last, *gradients((y, *last), [x, *layer.parameters()])))
    assert_close(*results)


@each_backend
def test_gradients_only_where_they_are_asked_for(backend):
    plain, again = both("lem", backend)
    x, state = make_input(plain, 9, 2), make_state(plain, 2)
    for given in ("x", "state", "weights"):
        x.requires_grad_(given == "x")
        for s in state:
            s.requires_grad_(given == "state")
        found = []
        for layer in (plain, again):
            layer.requires_grad_(given == "weights")
            wanted = [t for t in leaves(layer, x, state) if t.requires_grad]
            found.append([])
            for pick in (slice(None), slice(0, 1), slice(2, 3)):  # everything, the output, one state
                y, last = layer(x, state)
                found[-1] += gradients((y, *last)[pick], wanted)
        assert_close(found[1], found[0])


@each_backend
def test_gradients_of_gradients(backend):
    layers, found = both("gru_reset_before", backend), []
    for layer in layers:
        x = make_input(layer, 7, 2)
        y, _ = layer(x)
        wanted = [x, *layer.parameters()]
        first = torch.autograd.grad(y.square().sum(), wanted, create_graph=True)
        found.append(torch.autograd.grad(sum(g.square().sum() for g in first), wanted))
    assert_close(found[1], found[0])


def test_torch_func_and_forward_mode():
    plain, again = both("elman", "auto")
    x = make_input(plain, 6, 2).detach()
    found = [torch.func.grad(lambda v, layer=layer: layer(v)[0].square().sum())(x) for layer in (plain, again)]
    assert_close([found[1]], [found[0]])
    found = [
        torch.func.jvp(lambda v, layer=layer: layer(v)[0], (x,), (torch.ones_like(x),))
        for layer in (plain, again)
    ]
    assert_close(found[1], found[0])


def test_a_compiled_model():
    plain, again = both("lstm", "auto")
    x = make_input(plain, 9, 2)
    compiled = torch.compile(again, fullgraph=True, backend="aot_eager")
    found = [
        (y, *gradients((y,), [x, *layer.parameters()]))
        for layer in (plain, again)
        for y in ((compiled if layer is again else layer)(x)[0],)
    ]
    assert_close(found[1], found[0])


@each_backend
def test_watching_and_truncated_bptt(backend):
    plain, again = both("gru", backend)
    x = make_input(plain, 9, 2)
    with watch(again) as seen:
        y, _ = again(x)
    assert seen and torch.allclose(y, plain(x)[0])
    first, state = again(x[:4])
    second, _ = again(x[4:], tuple(s.detach() for s in state))
    (g,) = torch.autograd.grad(second.sum(), x)
    assert not g[:4].any() and g[4:].any()


@each_backend
def test_two_backward_passes_and_autocast(backend):
    plain, again = both("lstm", backend, dtype=torch.float32)
    x = make_input(plain, 9, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y, expected = again(x)[0], plain(x)[0]
        once = torch.autograd.grad(y.sum(), x, retain_graph=True)
    twice = torch.autograd.grad(y.sum(), x)
    assert torch.equal(once[0], twice[0])
    assert_close(once, torch.autograd.grad(expected.sum(), x), torch.float32)


def test_it_is_an_option_of_the_layer_and_stays_with_it():
    layer = Recurrent("lstm", 3, 5, recompute=True)
    assert "recompute=True" in repr(layer) and "recompute" not in repr(Recurrent("lstm", 3, 5))
    x = torch.randn(9, 2, 3, requires_grad=True)
    for one in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), Stacked([layer])):
        assert "Recomputed" in nodes(one(x)[0])
    assert "Recomputed" in nodes(Recurrent(resettable("lstm"), 3, 5, recompute=True)((x, torch.zeros(9, 2)))[0])
    with torch.no_grad():
        assert not layer(x)[0].requires_grad


def test_short_sequences_are_one_block(monkeypatch):
    monkeypatch.setattr(recomputed, "ROWS", 256)
    assert "Recomputed" not in nodes(Recurrent("lstm", 3, 5, recompute=True)(torch.randn(100, 2, 3))[0])


@pytest.mark.parametrize(
    "step_rows",
    [StepRows(10, 2), StepRows(10, 2, None, True), StepRows(10, 3, (3,) * 4 + (2,) * 5 + (1,))],
    ids=str,
)
def test_blocks_are_all_rows_in_the_order_of_the_loop(step_rows):
    blocks = recomputed.blocks_of(step_rows)
    rows = [
        r for b in (blocks[::-1] if step_rows.reverse else blocks) for r in range(b.rows.start, b.rows.stop)
    ]
    assert rows == list(range(step_rows.total)) and sum(b.step_rows.steps for b in blocks) == 10
    assert max(b.step_rows.steps for b in blocks) == 3


MEMORY = """
import json, sys, torch
from unrolled import Recurrent
steps, recompute = int(sys.argv[1]), sys.argv[2] == "True"
layer, x = Recurrent("lstm", 16, 64, recompute=recompute), torch.randn(steps, 1, 16, requires_grad=True)
layer(x[:600])[0].sum().backward()
from bench.memory import highest, reset_highest, status
above = torch.randn(steps, 1, 64)
x.grad.zero_()
reset_highest()
before = status("VmRSS")
layer(x)[0].backward(above)
print(json.dumps(highest() - before))
"""


@needs_compiler
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="no peak of memory to be read here")
def test_memory_grows_far_slower_than_the_sequence():
    def added(steps: int, recompute: bool) -> int:
        command = [sys.executable, "-c", MEMORY, str(steps), str(recompute)]
        return json.loads(
            subprocess.run(
                command, cwd=Path(__file__).parents[1], check=True, capture_output=True, text=True
            ).stdout
        )

    short, long = 4_000, 40_000  # the difference: what libraries take is the same
    values = (long - short) * 64 * 4  # bytes of the output
    assert added(long, False) - added(short, False) > 7 * values  # gates, states, their gradients
    # The output, the input's gradient, the states between blocks.
    assert added(long, True) - added(short, True) < 2.5 * values
