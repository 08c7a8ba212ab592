"""`Stacked`: layers of unlike cells and sizes equal the same layers called one after the other."""

from __future__ import annotations

import copy

import pytest
import torch
from layer_cases import BACKENDS, assert_close, gradients

from unrolled import LSTM, Recurrent, Stacked, resettable
from unrolled.errors import Never, ShapeError, UsageError

every_backend = pytest.mark.parametrize("backend", BACKENDS)
skipping = pytest.mark.parametrize("skip", [False, True], ids=["plain", "skip"])
T, B, I = 6, 3, 4

# cell, hidden size, options: lowest first
KINDS = {
    "two cells": [("lstm", 5, {}), ("gru", 3, {})],
    "both ways above one way": [("mgu", 3, {}), ("lem", 4, {"bidirectional": True}), ("mingru", 2, {})],
    "two layers below both ways": [
        ("elman", 3, {"num_layers": 2}),
        ("lstm", 2, {"bidirectional": True, "num_layers": 2}),
    ],
    "one layer": [("rhn", 3, {})],
    "younger cells": [("fast_grnn", 3, {}), ("cornn", 4, {"bidirectional": True}), ("tau_gru", 2, {})],
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def made(kind: str, skip: bool = False, backend: str = "reference", **options) -> Stacked:
    torch.manual_seed(0)
    layers, width = [], I
    for name, hidden, more in KINDS[kind]:
        layers.append(Recurrent(name, width, hidden, backend=backend, dtype=torch.float64, **more, **options))
        width = layers[-1].output_size * (2 if layers[-1].bidirectional else 1) + (I if skip else 0)
    stacked = Stacked(layers, skip=skip)
    with torch.no_grad():
        for parameter in stacked.parameters():
            parameter.normal_(0.0, 0.4)
    return stacked


def random_input(steps: int = T) -> torch.Tensor:
    torch.manual_seed(1)
    return torch.randn(steps, B, I, dtype=torch.float64, requires_grad=True)


def random_state(stacked: Stacked):
    torch.manual_seed(2)
    return tuple(
        tuple(
            torch.randn(layer.num_layers * layer._directions, B, width, dtype=torch.float64).requires_grad_()
            for width in layer._state_widths
        )
        for layer in stacked.layers
    )


def by_hand(stacked: Stacked, x, state, lengths=None):
    """haiku's rule, written out: the input of layer i > 0 is [x, output below], the
    output is that of all of them.
    """
    outputs, last = [], []
    for number, layer in enumerate(stacked.layers):
        seen = x if not number else torch.cat([x, outputs[-1]], -1) if stacked.skip else outputs[-1]
        y, after = layer(seen, state[number], lengths)
        outputs.append(y)
        last.append(after)
    return (torch.cat(outputs, -1) if stacked.skip else outputs[-1]), tuple(last)


def flat(y, state):
    return [y, *(tensor for layer in state for tensor in layer)]


@every_kind
@skipping
@every_backend
def test_a_stack_equals_its_layers_in_turn(kind, skip, backend):
    stacked = made(kind, skip, backend)
    x, state = random_input(), random_state(stacked)
    found, expected = flat(*stacked(x, state)), flat(*by_hand(stacked, x, state))
    assert found[0].shape == (T, B, stacked.output_size)
    assert_close(found, expected)
    wanted = [x, *(s for layer in state for s in layer), *stacked.parameters()]
    assert_close(gradients(found, wanted), gradients(expected, wanted))


@every_kind
@skipping
@every_backend
def test_lengths_equal_each_row_alone(kind, skip, backend):
    stacked = made(kind, skip, backend)
    lengths = [2, 6, 0]
    x, state = random_input(), random_state(stacked)
    dirty = x.detach().clone()
    for row, length in enumerate(lengths):
        dirty[length:, row] = float("nan")
    y, last = stacked(dirty, state, lengths)
    for row, length in enumerate(lengths):
        own = tuple(tuple(s[:, row : row + 1] for s in layer) for layer in state)
        if length:
            y_row, own = stacked(x[:length, row : row + 1], own)
            assert_close([y[:length, row : row + 1]], [y_row])
        assert (y[length:, row] == 0).all()
        assert_close(
            [s[:, row : row + 1] for layer in last for s in layer], [s for layer in own for s in layer]
        )


@skipping
@every_backend
def test_steps_and_chunks_equal_the_sequence(skip, backend):
    stacked = made("two cells", skip, backend)
    x, state = random_input(), random_state(stacked)
    expected = flat(*stacked(x, state))
    stepped, current = [], state
    for x_t in x.unbind(0):
        y_t, current = stacked.step(x_t, current)
        stepped.append(y_t)
    assert_close(flat(torch.stack(stepped), current), expected)
    first, carried = stacked(x[:2], state)
    second, carried = stacked(x[2:], carried)
    assert_close(flat(torch.cat([first, second]), carried), expected)


@skipping
def test_batch_first_and_one_sequence(skip):
    stacked, turned = (
        made("both ways above one way", skip),
        made("both ways above one way", skip, batch_first=True),
    )
    x = random_input()
    y, last = stacked(x)
    assert_close(flat(*turned(x.transpose(0, 1))), flat(y.transpose(0, 1), last))
    alone, final = stacked(x[:, 0])
    assert_close(flat(alone, final), [y[:, 0], *(s[:, 0] for layer in last for s in layer)])


def test_a_layer_without_a_state_starts_again():
    stacked = made("two cells")
    x, state = random_input(), random_state(stacked)
    zeros = tuple(torch.zeros_like(s) for s in state[1])
    assert_close(flat(*stacked(x, (state[0], None))), flat(*stacked(x, (state[0], zeros))))
    assert_close(flat(*stacked(x)), flat(*stacked(x, (None, None))))


@skipping
def test_indices_are_read_as_one_hot_rows(skip):
    stacked = made("two cells", skip)
    x = torch.randint(I, (T, B))
    one_hot = torch.nn.functional.one_hot(x, I).double()
    assert_close(flat(*stacked(x)), flat(*stacked(one_hot)))


@skipping
def test_further_inputs_go_by_name_to_the_cells_that_have_them(skip):
    torch.manual_seed(0)
    beside = I if skip else 0
    layers = [
        Recurrent(resettable("lstm"), I, 5, dtype=torch.float64),
        Recurrent("phased_lstm", 5 + beside, 3, dtype=torch.float64),
        Recurrent(resettable("gru"), 3 + beside, 2, dtype=torch.float64),
    ]
    stacked = Stacked(layers, skip=skip)
    assert stacked.inputs == ("x", "resets", "t")
    x, resets, t = random_input(), torch.rand(T, B) < 0.3, torch.rand(T, B, dtype=torch.float64)
    y0, _ = layers[0]((x, resets))
    y1, _ = layers[1]((torch.cat([x, y0], -1) if skip else y0, t))
    y2, _ = layers[2]((torch.cat([x, y1], -1) if skip else y1, resets))
    assert_close([stacked((x, resets, t))[0]], [torch.cat([y0, y1, y2], -1) if skip else y2])


def test_dropout_falls_between_layers_while_training():
    layers = [Recurrent("elman", I, 4), Recurrent("elman", 4, 4)]
    stacked, x = Stacked(layers, dropout=1.0), torch.randn(T, B, I)
    torch.testing.assert_close(stacked(x)[0], layers[1](torch.zeros(T, B, 4))[0])
    torch.testing.assert_close(stacked.eval()(x)[0], layers[1](layers[0](x)[0])[0])


def test_a_stack_survives_deepcopy_and_state_dict():
    stacked, x = made("two cells", skip=True), random_input()
    twin = copy.deepcopy(stacked)
    assert_close(flat(*twin(x)), flat(*stacked(x)))
    other = made("two cells", skip=True)
    for parameter in other.parameters():
        torch.nn.init.zeros_(parameter)
    other.load_state_dict(stacked.state_dict())
    assert_close(flat(*other(x)), flat(*stacked(x)))
    assert "layers.1.layers.0.W_z" in stacked.state_dict()


# ---- errors


@pytest.mark.parametrize(
    "layers, options, kind, message",
    [
        (
            lambda: [Recurrent("lstm", 3, 7), Recurrent("gru", 8, 5)],
            {},
            ShapeError,
            (
                "Stacked: layer 1, Recurrent(gru, 8, 5), reads 8 values, but layer 0, Recurrent(lstm, 3, 7),"
                " gives 7. Make layer 1 with input_size=7."
            ),
        ),
        (
            lambda: [Recurrent("lstm", 3, 7, bidirectional=True), Recurrent("gru", 7, 5)],
            {},
            ShapeError,
            (
                "Stacked: layer 1, Recurrent(gru, 7, 5), reads 7 values, but layer 0, Recurrent(lstm, 3, 7)"
                " both ways, gives 14. Make layer 1 with input_size=14."
            ),
        ),
        (
            lambda: [Recurrent("lstm", 3, 7), Recurrent("gru", 7, 5)],
            {"skip": True},
            ShapeError,
            (
                "Stacked: layer 1, Recurrent(gru, 7, 5), reads 7 values, but layer 0, Recurrent(lstm, 3, 7),"
                " gives 7 and x has 3, side by side 10. Make layer 1 with input_size=10."
            ),
        ),
        (lambda: [], {}, UsageError, "Stacked([]): there is no layer. Give one Recurrent or more."),
        (
            lambda: [LSTM(3, 5)],
            {},
            UsageError,
            'Stacked: layer 0 is a LSTM. Give Recurrent layers, for instance Recurrent("lstm", 3, 5).',
        ),
        (
            lambda: [Recurrent("lstm", 3, 5), Recurrent("lstm", 5, 5, batch_first=True)],
            {},
            UsageError,
            "Stacked: layer 0 has batch_first=False and layer 1 batch_first=True. Make them agree.",
        ),
        (
            lambda: [Recurrent("lstm", 3, 5)],
            {"dropout": 2},
            UsageError,
            "Stacked: dropout=2 is not a probability. Give 0 to 1.",
        ),
    ],
)
def test_errors_name_both_layers(layers, options, kind, message):
    with pytest.raises(kind) as caught:
        Stacked(layers(), **options)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "call, kind, message",
    [
        (
            lambda s, x: s(x, (None,)),
            ShapeError,
            (
                "Stacked got a state of 1 parts for 2 layers. Give a tuple with one state for each layer, each"
                " itself a tuple, or None for one that starts again."
            ),
        ),
        (
            lambda s, x: s(x, x),
            ShapeError,
            (
                "Stacked got a state of type float64 for 2 layers. Give a tuple with one state for each layer,"
                " each itself a tuple, or None for one that starts again."
            ),
        ),
        (
            lambda s, x: s((x, x)),
            ShapeError,
            "Stacked got 2 inputs, its cells have 1 by name. Give one tensor.",
        ),
    ],
)
def test_errors_of_calls(call, kind, message):
    with pytest.raises(kind) as caught:
        call(made("two cells"), random_input())
    assert str(caught.value) == message


def test_a_step_of_both_ways_is_never_possible():
    with pytest.raises(Never) as caught:
        made("both ways above one way").step(random_input()[0])
    assert str(caught.value) == (
        "Stacked: one step of layer 1, Recurrent(lem, 3, 4) both ways, needs the end of the sequence first. "
        "Call stacked(x) on whole sequences, or make that layer with bidirectional=False."
    )
