"""`resettable`: a sequence with resets equals its pieces run apart, both ways, with
lengths and from any state.
"""

from __future__ import annotations

import pickle

import pytest
import torch
from layer_cases import (
    BACKENDS,
    CELLS,
    assert_close,
    cell_of,
    gradients,
    make_input,
    make_layer,
    make_state,
    part,
)

from unrolled import Recurrent, cell, resettable, sigmoid, tanh
from unrolled.cell import Cell
from unrolled.errors import UsageError
from unrolled.transform import recurrent_dropout, weight_drop, zoneout

SOME = [
    "lstm",
    "gru_reset_before",
    "lem",
    "rhn",
    "mingru",
    "phased_lstm",
    "jordan",
    "intersection_rnn",
    "tau_gru",
    "cornn",
]
some_cells = pytest.mark.parametrize("name", SOME)
every_backend = pytest.mark.parametrize("backend", BACKENDS)
LENGTHS = [7, 3, 0, 5]
RESETS = torch.tensor(
    [[0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 1], [0, 1, 0, 1], [0, 1, 1, 0], [1, 0, 0, 1], [0, 0, 0, 1]]
)


def pair(name: str, backend: str = "reference", **options) -> tuple[Recurrent, Recurrent]:
    """A layer with random parameters, and one of its resettable cell with the very same ones."""
    plain = make_layer(name, backend, **options)
    layer = Recurrent(
        resettable(plain.cell),
        plain.input_size,
        plain.hidden_size,
        backend=backend,
        dtype=torch.float64,
        **options,
    )
    layer.layers = plain.layers
    if plain.bidirectional:
        layer.reversed = plain.reversed
    return plain, layer


def with_resets(x, resets):
    return (*x, resets) if isinstance(x, tuple) else (x, resets)


def apart(layer: Recurrent, x, state, resets, lengths):
    """Every row by itself, cut at its resets, the pieces one after the other: a state
    goes into no other piece.
    """
    steps = len(resets)
    rows, finals = [], []
    for row, length in enumerate(lengths):
        own = tuple(s[:, row : row + 1] for s in state)
        ends = [0, *(t for t in range(1, length) if resets[t, row]), length]
        pieces, last = [], own
        for number, (begin, end) in enumerate(zip(ends, ends[1:])):
            if begin == end:
                continue
            forward = number == 0 and not resets[0, row]
            first = _chosen(layer, own, forward, end == length)
            y, after = layer(part(x, slice(begin, end), slice(row, row + 1)), first)
            pieces.append(y)
            last = _ends(layer, last, after, number == 0)
        padding = state[0].new_zeros(steps - length, 1, layer.output_size * layer._directions)
        rows.append(torch.cat([*pieces, padding]))
        finals.append(last)
    return [torch.cat(rows, 1), *(torch.cat(parts, 1) for parts in zip(*finals))]


def _chosen(layer: Recurrent, own, forward: bool, backward: bool):
    """The given state for the directions that have it, the cell's start for the others."""
    result = []
    for s, start in zip(own, layer._state_starts):
        given = [backward if layer.bidirectional and k % 2 else forward for k in range(len(s))]
        result.append(torch.stack([s[k] if given[k] else torch.full_like(s[k], start) for k in range(len(s))]))
    return tuple(result)


def _ends(layer: Recurrent, before, after, first: bool):
    """Forward directions end with the last piece, reversed ones with the first."""
    if not layer.bidirectional or first:
        return after
    return tuple(torch.stack([(b if k % 2 else a)[k] for k in range(len(a))]) for b, a in zip(before, after))


def check(plain: Recurrent, layer: Recurrent, lengths=None):
    x, state = make_input(plain, 7, 4), make_state(plain, 4)
    y, last = layer(with_resets(x, RESETS.bool()), state, lengths)
    expected = apart(plain, x, state, RESETS.bool(), [7] * 4 if lengths is None else lengths)
    assert_close([y, *last], expected)
    wanted = [*plain.parameters(), *(x if isinstance(x, tuple) else (x,)), *state]
    assert_close(gradients([y, *last], wanted), gradients(expected, wanted))


@pytest.mark.parametrize("name", CELLS)
def test_resets_equal_the_pieces_apart(name):
    check(*pair(name))


@some_cells
@every_backend
def test_resets_equal_the_pieces_apart_in_both_directions_and_layers(name, backend):
    check(*pair(name, backend, num_layers=2, bidirectional=True))


@some_cells
@every_backend
@pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])
def test_resets_and_lengths(name, backend, bidirectional):
    check(*pair(name, backend, bidirectional=bidirectional), LENGTHS)


@some_cells
@every_backend
def test_no_resets_change_nothing(name, backend):
    plain, layer = pair(name, backend)
    x, state = make_input(plain, 5, 2), make_state(plain, 2)
    y, last = layer(with_resets(x, torch.zeros(5, 2, dtype=torch.bool)), state)
    expected, final = plain(x, state)
    assert_close([y, *last], [expected, *final])


@some_cells
@every_backend
def test_steps_reset_too(name, backend):
    plain, layer = pair(name, backend)
    x, state = make_input(plain, 7, 4), make_state(plain, 4)
    y, last = layer(with_resets(x, RESETS.double()), state)
    stepped, current = [], state
    for t in range(7):
        y_t, current = layer.step(with_resets(part(x, t), RESETS[t].bool()), current)
        stepped.append(y_t)
    assert_close([torch.stack(stepped), *current], [y, *last])


@every_backend
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_not_a_number_stays_before_the_reset(backend, bad):
    plain, layer = pair("lstm", backend)
    clean = make_input(plain, 6, 2)
    dirty = clean.detach().clone()
    dirty[:3, 0] = bad
    dirty.requires_grad_()
    resets = torch.zeros(6, 2, dtype=torch.float64)
    resets[3, 0] = 1
    y, last = layer((dirty, resets))
    expected, final = layer((clean, resets))
    assert_close([y[3:], y[:, 1], *last], [expected[3:], expected[:, 1], *final])
    (found,) = torch.autograd.grad(y[3:].square().sum(), dirty)
    (wanted,) = torch.autograd.grad(expected[3:].square().sum(), clean)
    assert_close([found[3:], found[:, 1]], [wanted[3:], wanted[:, 1]])


@every_backend
def test_a_reset_brings_the_cells_own_start(backend):
    @cell(start={"h": 2.0, "n": -1.0}, shapes={"n": ()})
    def counting(x, h, n, *, W, U):
        h = tanh(W @ x + U @ h) + n
        return h, n + 1

    layer = Recurrent(resettable(counting), 3, 5, backend=backend, dtype=torch.float64)
    x, resets = torch.randn(4, 2, 3, dtype=torch.float64), torch.zeros(4, 2, dtype=torch.float64)
    resets[2] = 1
    y, (h, n) = layer((x, resets))
    alone, (_, count) = layer((x[2:], torch.zeros(2, 2, dtype=torch.float64)))
    assert_close([y[2:], n], [alone, count])
    assert n.unique().item() == 1.0


def test_a_resettable_cell_is_data_and_its_equations_say_so():
    made = resettable("mgu")
    assert made.inputs == ("x", "resets") and made.states == ("h",)
    assert "h_before[t] = where(resets[t], 0, h[t-1])" in str(made)
    assert "f[t] = sigmoid(W_f @ x[t] + U_f @ h_before[t] + b_f)" in str(made)
    again = Cell.from_json(made.to_json())
    assert again.graph == made.graph and pickle.loads(pickle.dumps(made)).graph == made.graph
    assert str(again) == str(made)


@pytest.mark.parametrize(
    "noisy",
    [zoneout("lstm", 0.5), recurrent_dropout("gru", 0.5), weight_drop("mgu", 0.5)],
    ids=lambda made: made.name,
)
def test_no_state_passes_a_reset_in_a_cell_with_noise(noisy):
    made = resettable(noisy)
    assert made.inputs == ("x", "resets") and made.graph.inputs[:2] == ("x", "resets")
    layer = Recurrent(made, 3, 5, dtype=torch.float64)
    x = torch.randn(5, 2, 3, dtype=torch.float64, requires_grad=True)
    resets = torch.arange(5)[:, None].expand(5, 2) == 3
    (found,) = torch.autograd.grad(layer((x, resets))[0][3:].sum(), x)
    assert (found[:3] == 0).all() and (found[3:] != 0).any()
    layer.eval()
    plain = Recurrent(noisy, 3, 5, dtype=torch.float64).eval()
    plain.load_state_dict(layer.state_dict())
    assert_close([layer((x, resets))[0]], [torch.cat([plain(x[:3])[0], plain(x[3:])[0]])])


def test_errors():
    @cell
    def perceptron(x, *, W, b):
        return sigmoid(W @ x + b)

    with pytest.raises(UsageError) as caught:
        resettable(perceptron)
    assert str(caught.value) == "resettable(perceptron): perceptron has no state that could begin again."
    with pytest.raises(UsageError) as caught:
        resettable(resettable("mgu"))
    assert str(caught.value) == (
        "resettable(resettable(mgu)): resettable(mgu) has something called resets already. "
        "Rename that, or leave the cell as it is if it can be reset."
    )


def test_hyper_parameters_that_are_numbers_can_be_set_afterwards():
    assert resettable("lem").using(dt=0.5).hyper == {"dt": 0.5}
    assert cell_of("lem").using(dt=0.5).hyper["dt"] == resettable(cell_of("lem").using(dt=0.5)).hyper["dt"]
