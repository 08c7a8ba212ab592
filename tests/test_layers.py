"""`Recurrent`: every cell over sequences, in steps, in chunks, with lengths and in both directions."""

from __future__ import annotations

import copy
import importlib
import io
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from layer_cases import (
    BACKENDS,
    CELLS,
    PAIRS,
    TRIPLES,
    assert_close,
    cell_of,
    gradients,
    leaves,
    make_input,
    make_layer,
    make_state,
    part,
    plain,
)
from together import STARTERS

import unrolled
from unrolled import Recurrent, cell, sigmoid, tanh, total
from unrolled.errors import CellError, Never, ShapeError, UsageError
from unrolled.layers.dropout import dropped

every_cell = pytest.mark.parametrize("name", CELLS)
every_backend = pytest.mark.parametrize("backend", BACKENDS)
every_pair = pytest.mark.parametrize("backend, name", PAIRS)


# ---- what a layer computes


@pytest.mark.parametrize("backend, dtype, name", TRIPLES, ids=str)
def test_a_layer_is_the_authors_function_step_by_step(backend, dtype, name):
    layer = make_layer(name, backend, dtype)
    x, state = make_input(layer, 4, 3), make_state(layer, 3)
    y, last = layer(x, state)
    y_plain, last_plain = plain(layer, x, state)
    assert_close((y, *last), (y_plain, *last_plain), dtype)
    wanted = leaves(layer, x, state)
    assert_close(gradients((y, *last), wanted), gradients((y_plain, *last_plain), wanted), dtype)


@every_pair
def test_steps_and_chunks_equal_the_sequence(backend, name):
    layer = make_layer(name, backend, num_layers=2)
    x, state = make_input(layer, 5, 3), make_state(layer, 3)
    y, last = layer(x, state)

    stepped, current = [], state
    for t in range(5):
        y_t, current = layer.step(part(x, t), current)
        stepped.append(y_t)
    chunked, carried = [], state
    for piece in (slice(0, 1), slice(1, 3), slice(3, 5)):
        y_piece, carried = layer(part(x, piece), carried)
        chunked.append(y_piece)

    wanted = leaves(layer, x, state)
    expected = gradients((y, *last), wanted)
    assert_close((torch.stack(stepped), *current), (y, *last))
    assert_close((torch.cat(chunked), *carried), (y, *last))
    assert_close(gradients((torch.stack(stepped), *current), wanted), expected)
    assert_close(gradients((torch.cat(chunked), *carried), wanted), expected)


@every_pair
def test_two_layers_both_ways_equal_four_single_layers(backend, name):
    layer = make_layer(name, backend, num_layers=2, bidirectional=True)
    x, state = make_input(layer, 3, 3), make_state(layer, 3)
    y, last = layer(x, state)

    current, finals = x, []
    for number in range(layer.num_layers):
        outputs = []
        for direction, weights in enumerate((layer.layers[number], layer.reversed[number])):
            width = current[0].shape[-1] if isinstance(current, tuple) else current.shape[-1]
            single = Recurrent(
                cell_of(name), width, layer.hidden_size, backend="reference", dtype=torch.float64
            )
            single.layers[0] = weights
            turned = _flip(current) if direction else current
            y_one, last_one = single(turned, tuple(s[2 * number + direction][None] for s in state))
            outputs.append(y_one.flip(0) if direction else y_one)
            finals.append(last_one)
        joined = torch.cat(outputs, -1)
        current = (joined, *current[1:]) if isinstance(current, tuple) else joined
    joined = current[0] if isinstance(current, tuple) else current
    expected = (joined, *(torch.cat(parts) for parts in zip(*finals)))
    wanted = leaves(layer, x, state)
    assert_close((y, *last), expected)
    assert_close(gradients((y, *last), wanted), gradients(expected, wanted))


def _flip(x):
    return tuple(v.flip(0) for v in x) if isinstance(x, tuple) else x.flip(0)


# ---- lengths


@every_pair
def test_rows_of_different_lengths_equal_each_row_alone(backend, name):
    for bidirectional in (False, True) if name in STARTERS else (True,):
        check_lengths(make_layer(name, backend, num_layers=2, bidirectional=bidirectional), [2, 4, 0, 1, 4])


def check_lengths(layer, lengths):
    steps = max(lengths) + 1
    x, state = make_input(layer, steps, len(lengths)), make_state(layer, len(lengths))
    y, last = layer(x, state, lengths=torch.tensor(lengths))

    rows, finals = [], []
    for row, length in enumerate(lengths):
        own = tuple(s[:, row : row + 1] for s in state)
        if length:
            y_row, own = layer(part(x, slice(0, length), slice(row, row + 1)), own)
        else:
            y_row = y.new_zeros(0, 1, y.shape[-1])
        rows.append(torch.cat([y_row, y_row.new_zeros(steps - length, 1, y.shape[-1])]))
        finals.append(own)
    expected = (torch.cat(rows, 1), *(torch.cat(parts, 1) for parts in zip(*finals)))
    wanted = leaves(layer, x, state)
    assert_close((y, *last), expected)
    assert_close(gradients((y, *last), wanted), gradients(expected, wanted))


@every_pair
def test_padding_of_nan_never_leaks(backend, name):
    layer = make_layer(name, backend, num_layers=2, bidirectional=True)
    lengths = [2, 0, 3]
    clean = make_input(layer, 4, 3)
    mask = torch.arange(4)[:, None] >= torch.tensor(lengths)
    inputs = clean if isinstance(clean, tuple) else (clean,)
    dirty = tuple(
        v.detach().masked_fill(mask if v.dim() == 2 else mask[..., None], float("nan")).requires_grad_()
        for v in inputs
    )
    y, last = layer(clean, lengths=lengths)
    y_dirty, last_dirty = layer(dirty if len(dirty) > 1 else dirty[0], lengths=lengths)
    assert_close((y_dirty, *last_dirty), (y, *last))
    parameters = list(layer.parameters())
    assert_close(
        gradients((y_dirty, *last_dirty), [*parameters, *dirty]), gradients((y, *last), [*parameters, *inputs])
    )
    assert all((g[mask] == 0).all() for g in gradients((layer(clean, lengths=lengths)[0],), inputs))


@pytest.mark.parametrize("lengths", [[4, 4], torch.tensor([4, 4]), torch.tensor([4, 4], dtype=torch.int32)])
def test_full_lengths_equal_none(lengths):
    layer = make_layer("gru")
    x = make_input(layer, 4, 2)
    assert_close((layer(x, lengths=lengths)[0],), (layer(x)[0],))


def test_rows_that_all_have_length_zero_return_the_initial_state():
    layer = make_layer("lstm", num_layers=2, bidirectional=True)
    x, state = make_input(layer, 4, 2), make_state(layer, 2)
    y, last = layer(x, state, lengths=[0, 0])
    assert y.shape == (4, 2, 10) and not y.any()
    assert_close(last, state)


@pytest.mark.parametrize("steps, batch", [(0, 3), (4, 0), (0, 0)])
def test_sequences_and_batches_may_be_empty(steps, batch):
    layer = make_layer("lstm", bidirectional=True)
    y, last = layer(torch.zeros(steps, batch, 3, dtype=torch.float64))
    assert y.shape == (steps, batch, 10)
    assert [tuple(s.shape) for s in last] == [(2, batch, 5)] * 2 and not any(s.any() for s in last)


# ---- forms of input


@every_backend
def test_batch_first_turns_sequences_and_not_states(backend):
    layer, turned = make_layer("phased_lstm", backend), make_layer("phased_lstm", backend, batch_first=True)
    x, times = make_input(layer, 6, 4)
    state = make_state(layer, 4)
    y, last = layer((x, times), state)
    y_turned, last_turned = turned((x.transpose(0, 1), times.t()), state)
    assert_close((y_turned.transpose(0, 1), *last_turned), (y, *last))
    y, last = layer((x, times), state, lengths=[6, 2, 4, 0])
    y_turned, last_turned = turned((x.transpose(0, 1), times.t()[..., None]), state, lengths=[6, 2, 4, 0])
    assert_close((y_turned.transpose(0, 1), *last_turned), (y, *last))


@every_backend
def test_one_sequence_needs_no_batch(backend):
    layer = make_layer("phased_lstm", backend, bidirectional=True)
    x, state = make_input(layer, 6, 1), make_state(layer, 1)
    y, last = layer(x, state)
    alone, alone_last = layer(part(x, slice(None), 0), tuple(s[:, 0] for s in state))
    assert_close((alone, *alone_last), (y[:, 0], *(s[:, 0] for s in last)))
    one_way = make_layer("lstm", backend)
    x = make_input(one_way, 1, 1)
    y, last = one_way(x)
    y_t, last_t = one_way.step(x[0, 0])
    assert_close((y_t, *last_t), (y[0, 0], *(s[:, 0] for s in last)))


@every_pair
def test_an_index_is_a_one_hot_row(backend, name):
    layer = make_layer(name, backend, num_layers=2)
    indices = torch.randint(layer.input_size, (6, 4), generator=torch.Generator().manual_seed(5))
    rows = torch.nn.functional.one_hot(indices, layer.input_size).double()
    given = make_input(layer, 6, 4)
    extra = given[1:] if isinstance(given, tuple) else ()
    y, last = layer((indices, *extra) if extra else indices)
    expected, expected_last = layer((rows, *extra) if extra else rows)
    assert_close((y, *last), (expected, *expected_last))
    wanted = list(layer.parameters())
    assert_close(gradients((y, *last), wanted), gradients((expected, *expected_last), wanted))
    ragged, _ = layer((indices, *extra) if extra else indices, lengths=[6, 1, 0, 3])
    assert_close((ragged[:, 0], ragged[:1, 1]), (y[:, 0], y[:1, 1]))
    one, _ = layer.step(part((indices, *extra), 0) if extra else indices[0])
    assert_close((one,), (y[0],))


def test_input_that_is_not_contiguous_is_read_right():
    layer = make_layer("lstm")
    x = make_input(layer, 6, 4)
    strided = x.detach().permute(2, 1, 0).contiguous().permute(2, 1, 0)
    assert not strided.is_contiguous()
    assert_close((layer(strided)[0],), (layer(x)[0],))


# ---- what cells may be


@cell
def stateless(x, *, W, b):
    return tanh(W @ x + b)


@cell(shapes={"n": ()}, start={"n": 2.0})
def counting(x, h, n, *, W, U, b):
    n = n + 1
    h = tanh(W @ x + U @ h / n + b)
    return h, n


@cell
def one_number(x, h, *, W, U, b):
    h = tanh(W @ x + U @ h + b)
    y = total(h)
    return y, h


@cell(shapes={"before": ("I",)})
def remembers_input(x, before, *, W, U):
    y = tanh(W @ x + U @ before)
    before = x
    return y, before


@cell(fixed=("W",), init={"W": "orthogonal", "b": 0.25})
def reservoir(x, h, *, W, V, b):
    h = tanh(W @ h + V @ x + b)
    return h


@every_backend
def test_a_state_that_is_a_number_is_one_wide_and_starts_where_the_cell_says(backend):
    layer = Recurrent(counting, 3, 5, num_layers=2, backend=backend)
    y, (h, n) = layer(torch.randn(4, 2, 3))
    assert h.shape == (2, 2, 5) and n.shape == (2, 2, 1)
    assert (n == 6).all()
    _, (_, n) = layer(torch.randn(4, 2, 3), lengths=[4, 1])
    assert n.flatten().tolist() == [6, 3, 6, 3]


@every_backend
def test_an_output_that_is_a_number_is_one_wide(backend):
    y, (h,) = Recurrent(one_number, 3, 5, num_layers=2, backend=backend)(torch.randn(4, 2, 3))
    assert y.shape == (4, 2, 1) and h.shape == (2, 2, 5)


def test_a_cell_without_a_state_is_a_feed_forward_layer():
    layer = Recurrent(stateless, 3, 5, num_layers=2, bidirectional=True, backend="reference")
    y, state = layer(torch.randn(4, 2, 3))
    assert y.shape == (4, 2, 10) and state == ()
    y, state = layer(torch.randn(4, 2, 3), lengths=[4, 2])
    assert y[2:, 1].count_nonzero() == 0 and state == ()


@every_backend
def test_the_output_may_have_its_own_width(backend):
    layer = make_layer("jordan", backend, num_layers=2, bidirectional=True)
    y, (state,) = layer(torch.randn(4, 2, 3, dtype=torch.float64))
    assert y.shape == (4, 2, 8) and state.shape == (4, 2, 4)
    assert layer.layers[1].W_h.shape == (5, 8)


@every_backend
def test_a_state_as_wide_as_the_input_works(backend):
    y, (before,) = Recurrent(remembers_input, 3, 5, backend=backend)(x := torch.randn(4, 2, 3))
    torch.testing.assert_close(before[0], x[-1])
    y, (before,) = Recurrent(remembers_input, 3, 5, num_layers=2, backend=backend)(x)
    assert before.shape == (2, 2, 5) and not before[0, :, 3:].any()
    torch.testing.assert_close(before[0, :, :3], x[-1])


def test_a_plain_function_is_a_cell():
    def my_cell(x, h, *, W, U):
        h = sigmoid(W @ x + U @ h)
        return h

    assert Recurrent(my_cell, 3, 5)(torch.randn(4, 2, 3))[0].shape == (4, 2, 5)


# ---- parameters


def test_parameters_carry_their_authors_names():
    layer = Recurrent("mgu", 3, 5, num_layers=2, bidirectional=True)
    shapes = {name: tuple(p.shape) for name, p in layer.named_parameters()}
    assert shapes["layers.0.W_f"] == shapes["reversed.0.W_f"] == (5, 3)
    assert shapes["layers.1.W_f"] == shapes["reversed.1.W_f"] == (5, 10)
    names = ["W_f", "U_f", "b_f", "W_n", "U_n", "b_n"]
    assert list(shapes) == [
        f"{side}.{k}.{name}" for side in ("layers", "reversed") for k in (0, 1) for name in names
    ]


def test_first_values_are_the_cells_wish_or_uniform():
    torch.manual_seed(0)
    weights = Recurrent("phased_lstm", 30, 40).layers[0]
    assert (weights.b_f == 1).all()
    assert 0.9 / 40**0.5 < weights.W_i.abs().max() <= 1 / 40**0.5
    assert 1 <= weights.tau.min() and weights.tau.max() <= 1000 and weights.tau.max() > 20 * weights.tau.min()
    assert (weights.s >= 0).all() and (weights.s <= weights.tau).all() and (weights.s > 1).any()


def test_first_values_follow_the_seed():
    def draw():
        torch.manual_seed(7)
        return Recurrent("lem", 3, 5, num_layers=2, bidirectional=True).state_dict()

    first, second = draw(), draw()
    assert all(torch.equal(first[k], second[k]) for k in first)
    assert not torch.equal(first["layers.0.W_1"], first["layers.0.W_2"])


@every_backend
def test_fixed_parameters_are_buffers(backend):
    layer = Recurrent(reservoir, 3, 5, backend=backend, dtype=torch.float64)
    assert [n for n, _ in layer.named_parameters()] == ["layers.0.V", "layers.0.b"]
    w = layer.layers[0].W
    torch.testing.assert_close(w @ w.T, torch.eye(5, dtype=torch.float64))
    assert (layer.layers[0].b == 0.25).all()
    layer(torch.randn(4, 2, 3, dtype=torch.float64))[0].sum().backward()
    assert w.grad is None and layer.layers[0].V.grad is not None


def test_moved_loaded_shared_and_swapped_parameters_are_the_ones_used():
    layer, x = Recurrent("gru", 3, 5), torch.randn(4, 2, 3)
    other = Recurrent("gru", 3, 5)
    expected = other(x)[0]
    layer.load_state_dict(other.state_dict())
    assert torch.equal(layer(x)[0], expected)
    assert torch.equal(
        torch.func.functional_call(Recurrent("gru", 3, 5), dict(other.state_dict()), (x,))[0], expected
    )
    assert layer.double()(x.double())[0].dtype is torch.float64
    shared = Recurrent("gru", 3, 5)
    shared.layers[0] = other.layers[0]
    assert torch.equal(shared(x)[0], expected)


def test_parametrizations_are_seen():
    layer, x = Recurrent("gru", 3, 5), torch.randn(4, 2, 3)
    expected = Recurrent("gru", 3, 5)
    expected.load_state_dict(layer.state_dict())
    with torch.no_grad():
        expected.layers[0].U_n.copy_(expected.layers[0].U_n * 0.5)

    class Half(torch.nn.Module):
        def forward(self, w):
            return 0.5 * w

    torch.nn.utils.parametrize.register_parametrization(layer.layers[0], "U_n", Half())
    torch.testing.assert_close(layer(x)[0], expected(x)[0])


@every_cell
def test_layers_survive_deepcopy_pickle_and_state_dict(name):
    layer = make_layer(name, num_layers=2)
    x = make_input(layer, 2, 2)
    expected = layer(x)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), _saved(layer)):
        assert twin.cell.name == name and twin.cell.graph == layer.cell.graph
        y, last = twin(x)
        assert_close((y, *last), (expected[0], *expected[1]))
        assert {id(p) for p in twin.parameters()}.isdisjoint({id(p) for p in layer.parameters()})


def _saved(layer):
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    twin = make_layer(layer.cell.name, num_layers=2)
    for p in twin.parameters():
        torch.nn.init.zeros_(p)
    twin.load_state_dict(torch.load(file, weights_only=True))
    return twin


# ---- dropout


def test_dropout_goes_between_layers_while_training():
    layer = make_layer("mgu", num_layers=2, dropout=0.4)
    x = make_input(layer, 6, 4)
    below, above = make_layer("mgu"), Recurrent("mgu", 5, 5, dtype=torch.float64)
    below.layers[0], above.layers[0] = layer.layers
    torch.manual_seed(6)
    y, _ = layer(x)
    torch.manual_seed(6)
    expected = above(dropped(below(x)[0], 0.4))[0]
    assert_close((y,), (expected,))
    layer.eval()
    assert_close((layer(x)[0],), (above(below(x)[0])[0],))


def test_dropout_drops_its_share_and_keeps_the_mean():
    torch.manual_seed(1)
    ones = torch.ones(400, 1001, requires_grad=True)
    y = dropped(ones, 0.25)
    assert abs((y == 0).double().mean().item() - 0.25) < 0.003
    assert abs(y.mean().item() - 1) < 0.004
    assert set(y.unique().tolist()) == {0.0, torch.tensor(4 / 3).item()}
    y.sum().backward()
    assert torch.equal(ones.grad, y.detach())
    assert torch.equal(dropped(ones, 0.0), ones) and not dropped(ones, 1.0).any()
    columns = (y == 0).double().mean(0)  # no byte of a drawn number is special
    assert 0.14 < columns.min() and columns.max() < 0.36


def test_dropout_with_one_layer_warns():
    with pytest.warns(UserWarning) as caught:
        Recurrent("gru", 3, 5, dropout=0.5)
    assert str(caught[0].message) == (
        "Recurrent(gru, 3, 5): dropout=0.5 goes between layers, and there is one. "
        "Give num_layers=2 or more, or dropout=0."
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Recurrent("gru", 3, 5, num_layers=2, dropout=0.5)


# ---- messages


X = torch.zeros(7, 2, 3)
HC = (torch.zeros(1, 2, 5), torch.zeros(1, 2, 5))
WRONG_CALLS = {
    "width": (
        lambda r: r(torch.zeros(7, 2, 4)),
        ShapeError,
        "x of shape (7, 2, 4). The last axis is the input width, 3 expected. "
        "Time first is the default; pass batch_first=True for (batch, time, width).",
    ),
    "axes": (
        lambda r: r(torch.zeros(3)),
        ShapeError,
        "x of shape (3,). Give (T, B, 3), or (T, 3) for one sequence.",
    ),
    "list": (lambda r: r([1.0, 2.0]), UsageError, "x of type list. Give a tensor."),
    "dtype": (
        lambda r: r(X.double()),
        UsageError,
        "x of type float64, its parameters are float32. "
        "Convert one: x.to(torch.float32) or rnn.to(torch.float64).",
    ),
    "device": (
        lambda r: r(X.to("meta")),
        UsageError,
        "x on meta, its parameters are on cpu. Move one: x.to('cpu') or rnn.to('meta').",
    ),
    "int32": (
        lambda r: r(X.int()),
        UsageError,
        "x of type int32. Whole numbers are indices and int64: give x.long(); "
        "values are floating-point: give x.float().",
    ),
    "long": (
        lambda r: r(X.long()),
        ShapeError,
        "indices of shape (7, 2, 3). Give (T, B), or (T,) for one sequence.",
    ),
    "index": (
        lambda r: r(torch.tensor([[0], [3]])),
        UsageError,
        "index 3 in x. With input_size 3, indices run from 0 to 2.",
    ),
    "negative index": (
        lambda r: r(torch.tensor([[0], [-1]])),
        UsageError,
        "index -1 in x. With input_size 3, indices run from 0 to 2.",
    ),
    "two inputs": (lambda r: r((X, X)), ShapeError, "2 inputs, the cell has 1. Give one tensor."),
    "packed": (
        lambda r: r(torch.nn.utils.rnn.pack_sequence([X[:, 0]])),
        UsageError,
        "a PackedSequence. Give it padded, rnn(x, lengths=lengths); unrolled.LSTM, GRU and RNN take packed "
        "sequences as torch.nn's do.",
    ),
    "state type": (
        lambda r: r(X, HC[0]),
        UsageError,
        "a state of type float32. Give a tuple with h (1, 2, 5), c (1, 2, 5).",
    ),
    "state count": (
        lambda r: r(X, HC[:1]),
        ShapeError,
        "a state of 1 tensors, the cell has 2. Give h (1, 2, 5), c (1, 2, 5).",
    ),
    "state shape": (
        lambda r: r(X, (HC[0], HC[1][0])),
        ShapeError,
        "state c of shape (2, 5), (1, 2, 5) expected. The axes are layers x directions, batch, width.",
    ),
    "state dtype": (
        lambda r: r(X, (HC[0].double(), HC[1])),
        UsageError,
        "h of type float64, its parameters are float32. "
        "Convert one: h.to(torch.float32) or rnn.to(torch.float64).",
    ),
    "lengths count": (
        lambda r: r(X, lengths=[7, 7, 7]),
        ShapeError,
        "lengths of shape (3,) for a batch of 2. Give one length for each row.",
    ),
    "lengths range": (
        lambda r: r(X, lengths=[7, 8]),
        ShapeError,
        "length 8 for row 1 of a sequence of 7 steps. Lengths go from 0 to 7.",
    ),
    "lengths negative": (
        lambda r: r(X, lengths=[-1, 7]),
        ShapeError,
        "length -1 for row 0 of a sequence of 7 steps. Lengths go from 0 to 7.",
    ),
    "lengths type": (
        lambda r: r(X, lengths=[0.5, 1.0]),
        UsageError,
        "lengths of type float32. Give whole numbers, one for each row.",
    ),
    "lengths text": (
        lambda r: r(X, lengths="77"),
        UsageError,
        "lengths='77'. Give whole numbers, one for each row.",
    ),
    "lengths alone": (
        lambda r: r(X[:, 0], lengths=[7]),
        UsageError,
        "lengths for one sequence without a batch. Give x[:length] instead.",
    ),
}


@pytest.mark.parametrize("wrong", WRONG_CALLS)
def test_what_does_not_fit_is_said(wrong):
    call, kind, message = WRONG_CALLS[wrong]
    with pytest.raises(kind) as error:
        call(Recurrent("lstm", 3, 5))
    assert str(error.value) == f"Recurrent(lstm, 3, 5) got {message}"


@pytest.mark.parametrize(
    "given, message",
    [
        ((X,), "1 inputs, the cell has 2. Give a tuple (x, t)."),
        ((X, X[:-1]), "t of shape (6, 2, 3), but x has 7 steps of 2 rows. Give t as (7, 2) or (7, 2, 1)."),
        ((X, 3.0), "t of type float. Give a tensor."),
        (
            (X, torch.zeros(7, 2).double()),
            "t of type float64, its parameters are float32. "
            "Convert one: t.to(torch.float32) or rnn.to(torch.float64).",
        ),
    ],
)
def test_further_inputs_that_do_not_fit_are_said(given, message):
    with pytest.raises(UsageError) as error:
        Recurrent("phased_lstm", 3, 5)(given if len(given) > 1 else given[0])
    assert str(error.value) == f"Recurrent(phased_lstm, 3, 5) got {message}"


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"input_size": 0}, "Recurrent(gru, 0, 5): input_size=0 is below 1. Give 1 or more."),
        ({"hidden_size": -4}, "Recurrent(gru, 3, -4): hidden_size=-4 is below 1. Give 1 or more."),
        ({"num_layers": 0}, "Recurrent(gru, 3, 5): num_layers=0 is below 1. Give 1 or more."),
        (
            {"hidden_size": 2.5},
            "Recurrent(gru, 3, 2.5): hidden_size=2.5 is not a whole number. Give 1 or more.",
        ),
        ({"dropout": 1.5}, "Recurrent(gru, 3, 5): dropout=1.5 is not a probability. Give 0 to 1."),
        (
            {"dtype": torch.int64},
            "Recurrent(gru, 3, 5): dtype=torch.int64 is not a floating-point type. "
            "Give torch.float32 or torch.float64.",
        ),
    ],
)
def test_arguments_out_of_range_are_said(arguments, message):
    with pytest.raises(UsageError) as error:
        Recurrent("gru", **{"input_size": 3, "hidden_size": 5, **arguments})
    assert str(error.value) == message


def test_an_unknown_cell_and_an_unknown_backend_are_said():
    with pytest.raises(UsageError) as error:
        Recurrent("lstn", 3, 5)
    assert str(error.value).startswith("there is no cell called 'lstn'. Did you mean lstm")
    with pytest.raises(UsageError) as error:
        Recurrent("lstm", 3, 5, backend="cuda")
    assert (
        str(error.value) == "Recurrent(lstm, 3, 5): backend='cuda' does not exist. Choose auto, c or reference."
    )


def test_widths_that_clash_are_said_at_once():
    def narrow(x, h, *, U, b):
        h = tanh(x + U @ h + b)
        return h

    with pytest.raises(ShapeError) as error:
        Recurrent(cell(shapes={"x": ("H",)})(narrow), 3, 5)
    assert (
        str(error.value)
        == "Recurrent(narrow, 3, 5): a layer would read 3 values, but the equations of narrow make its input x"
        " H, 5 wide here. Give sizes that agree, or bring it to that width, W @ x."
    )

    def clashing(x, h, *, W):
        h = tanh(x + W @ h) * h
        return h

    with pytest.raises(CellError) as error:
        Recurrent(clashing, 3, 5)
    assert str(error.value).startswith("CellError in clashing, line 2:   h = tanh(x + W @ h) * h\n")
    assert Recurrent(clashing, 5, 5, backend="reference")(torch.zeros(2, 1, 5))[0].shape == (2, 1, 5)


def test_wishes_for_first_values_that_make_no_sense_are_said():
    def plain_cell(x, h, *, W, U):
        h = tanh(W @ x + U @ h)
        return h

    with pytest.raises(CellError) as error:
        Recurrent(cell(init={"b": 1.0})(plain_cell), 3, 5)
    assert (
        str(error.value)
        == "CellError in plain_cell: init names 'b', which is not a parameter of it. It has W, U."
    )
    with pytest.raises(UsageError) as error:
        Recurrent(cell(init={"U": "orthonormal"})(plain_cell), 3, 5)
    assert str(error.value).startswith(
        "plain_cell: init['U'] is 'orthonormal', which is not an initialisation. Give a number, "
        "a function, or one of zeros, ones, "
    )


def test_a_parameter_called_like_a_part_of_a_module_is_said():
    def odd(x, h, *, W, train):
        h = tanh(W @ x + train @ h)
        return h

    with pytest.raises(UsageError) as error:
        Recurrent(odd, 3, 5)
    assert str(error.value) == (
        "odd has a parameter called train, which every torch module already has. Rename it, e.g. train_."
    )


def test_one_step_both_ways_is_never():
    with pytest.raises(Never) as error:
        Recurrent("gru", 3, 5, bidirectional=True).step(torch.zeros(2, 3))
    assert str(error.value) == (
        "Recurrent(gru, 3, 5): one step of a bidirectional layer needs the end of the sequence first. "
        "Call rnn(x) on whole sequences, or make the layer with bidirectional=False."
    )


def test_a_layer_prints_what_it_is():
    layer = Recurrent("gru", 3, 5, num_layers=2, batch_first=True)
    assert layer.extra_repr() == "gru, 3, 5, num_layers=2, batch_first=True"


# ---- the package


PUBLIC = {
    "cell",
    "Cell",
    "find",
    "sigmoid",
    "tanh",
    "relu",
    "exp",
    "log",
    "softplus",
    "sin",
    "cos",
    "sqrt",
    "absolute",
    "floor",
    "step",
    "maximum",
    "minimum",
    "where",
    "concat",
    "total",
    "activation",
    "Recurrent",
    "LSTM",
    "GRU",
    "RNN",
    "watch",
    "train",
    "CharLM",
    "LanguageModel",
}


def test_importing_the_package_is_quick():
    """At most 0.3 s of processor time on top of torch, layers included."""
    code = (
        "import torch, time; t = time.process_time(); import unrolled; unrolled.LSTM; print(time.process_time()"
        " - t)"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, check=True) for _ in range(3)]
    assert min(float(run.stdout) for run in runs) <= 0.3


def test_equations_need_no_torch():
    code = "import sys, unrolled; unrolled.find('lstm').graph; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_every_public_name_can_be_had():
    for name in PUBLIC:
        assert name in dir(unrolled) and getattr(unrolled, name)
    with pytest.raises(AttributeError, match="has no attribute 'lstm'"):
        unrolled.lstm  # noqa: B018


def test_no_module_takes_the_place_of_a_public_name():
    """Importing `unrolled.find`, were it a module, would put that module in the function's place."""
    names = {path.stem for path in Path(unrolled.__file__).parent.iterdir()}
    assert names & set(dir(unrolled)) & PUBLIC <= {"cell"}  # that one is imported before its name is bound
    importlib.import_module("unrolled.training")
    assert unrolled.find("lstm").name == "lstm" and unrolled.cell(stateless.function).name == "stateless"
