"""`watch`: the values inside a cell, under their authors' names, of any layer in a module
and of this thread only.
"""

from __future__ import annotations

import threading

import pytest
import torch
from layer_cases import CELLS, assert_close, make_input, make_layer, make_state

import unrolled
from unrolled import Recurrent, watch
from unrolled.errors import UsageError
from unrolled.transform.operands import depends


def written_out(layer, x, h, c):
    """An LSTM's gates by hand."""
    w = layer.layers[0]
    seen = {name: [] for name in "ifgoch"}
    for x_t in x:
        gate = {
            k: x_t @ getattr(w, f"W_{k}").T + h @ getattr(w, f"U_{k}").T + getattr(w, f"b_{k}") for k in "ifgo"
        }
        values = {k: torch.tanh(v) if k == "g" else torch.sigmoid(v) for k, v in gate.items()}
        c = values["f"] * c + values["i"] * values["g"]
        h = values["o"] * torch.tanh(c)
        for name, value in {**values, "c": c, "h": h}.items():
            seen[name].append(value)
    return {name: torch.stack(v) for name, v in seen.items()}


def test_the_gates_of_an_lstm_are_seen():
    layer = make_layer("lstm")
    x, state = make_input(layer, 6, 4), make_state(layer, 4)
    with watch(layer) as seen:
        y, _ = layer(x, state)
    expected = written_out(layer, x, state[0][0], state[1][0])
    assert seen["0"].names == ("i", "f", "g", "o", "c", "h")
    assert_close([seen["0"][name] for name in expected], list(expected.values()))
    assert_close((seen["0"].h,), (y,))
    assert layer.watchers == ()


@pytest.mark.parametrize("name", CELLS)
def test_every_statement_of_every_cell_is_seen(name):
    layer = make_layer(name)
    with watch(layer) as seen:
        y, last = layer(make_input(layer, 3, 2))
    graph = layer.cell.graph
    inside = depends(graph, ("state",))  # what is made of the input or of parameters alone may leave the loop
    for statement in graph.statements:
        handed_on = graph.nodes[statement.index].op == "alias"
        if inside[statement.index] and not handed_on or statement.name in seen["0"].names:
            assert seen["0"][statement.name, statement.count if inside[statement.index] else 0].shape[:2] == (
                3,
                2,
            )
    by_node = {s.index: (s.name, s.count) for s in graph.statements}
    named = [(y, graph.output), *((s, n) for s, n in zip(last, graph.new_states))]
    for value, node in named:
        if inside[node] and node in by_node:  # a state may be handed on without a line of its own
            found = seen["0"][by_node[node]]
            assert_close((found if value is y else found[-1],), (value if value is y else value[0],))


def test_a_name_bound_several_times_in_a_step_gives_its_last_value():
    layer = make_layer("rhn")
    with watch(layer) as seen:
        y, _ = layer(make_input(layer, 3, 2))
    assert_close((seen["0"].s, seen["0"]["s", 3]), (y, y))
    assert not torch.equal(seen["0"]["s", 1], y)


@pytest.mark.parametrize("kind, gate", [("LSTM", "f"), ("GRU", "z"), ("RNN", "h")])
def test_layers_under_torchs_names_are_seen(kind, gate):
    model = torch.nn.Sequential(
        torch.nn.Linear(3, 4), getattr(unrolled, kind)(4, 5, num_layers=2, bidirectional=True, batch_first=True)
    )
    x = torch.randn(2, 6, 3)
    expected = model(x)[0]
    with watch(model) as seen:
        y, _ = model(x)
    torch.testing.assert_close(y, expected)
    assert list(seen) == ["1.0", "1.reversed.0", "1.1", "1.reversed.1"]
    assert getattr(seen["1.1"], gate).shape == (2, 6, 5)
    torch.testing.assert_close(torch.cat([seen["1.1"].h, seen["1.reversed.1"].h], -1), y)


def test_rows_of_different_lengths_are_seen_with_zeros_behind_their_end():
    layer = make_layer("gru", bidirectional=True)
    with watch(layer) as seen:
        y, _ = layer(make_input(layer, 6, 3), lengths=[2, 6, 0])
    assert_close((torch.cat([seen["0"].h, seen["reversed.0"].h], -1),), (y,))
    assert not seen["0"].z[2:, 0].any() and seen["0"].z[:2, 0].all()


def test_each_call_is_kept():
    layer = make_layer("mgu")
    x, state = make_input(layer, 4, 2), None
    with watch(layer) as seen:
        for x_t in x:
            _, state = layer.step(x_t, state)
    assert_close((torch.cat([call.h for call in seen.calls("0")]),), (layer(x)[0],))


def test_a_loss_may_be_made_of_what_is_seen():
    layer = make_layer("lstm")
    x, state = make_input(layer, 4, 2), make_state(layer, 2)
    with watch(layer) as seen:
        layer(x, state)
    found = torch.autograd.grad(seen["0"].f.square().sum(), layer.layers[0].U_f)
    expected = written_out(layer, x, state[0][0], state[1][0])["f"].square().sum()
    assert_close(found, torch.autograd.grad(expected, layer.layers[0].U_f))


def test_only_the_watching_thread_is_seen():
    layer, x = Recurrent("gru", 3, 5), torch.randn(4, 2, 3)
    with watch(layer) as seen:
        other = threading.Thread(target=lambda: layer(x))
        other.start()
        other.join()
        assert not seen
        layer(x)
    assert list(seen) == ["0"]
    layer(x)
    assert len(seen.calls("0")) == 1


def test_what_cannot_be_seen_is_said():
    with pytest.raises(UsageError) as error, watch(torch.nn.LSTM(3, 5)):
        pass
    assert str(error.value) == (
        "watch(LSTM): there is no recurrent layer in it. "
        "Give a module with a Recurrent, LSTM, GRU or RNN of unrolled."
    )
    layer = Recurrent("gru", 3, 5)
    with watch(layer) as seen:
        layer(torch.randn(4, 2, 3))
    with pytest.raises(UsageError) as error:
        seen["0"].forget
    assert str(error.value) == "0 has no value 'forget' in its loop over time. It has r, z, n, h."
    with pytest.raises(UsageError) as error:
        seen["1"]
    assert str(error.value) == "nothing was seen of '1'. Seen were 0."
