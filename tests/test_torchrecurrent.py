"""`from_torchrecurrent` against the installed torchrecurrent, every row of the table: outputs,
final states, gradients.

In float64, two layers, with random biases and random states: zeros would hide half of all mistakes. Gradients
with respect to torchrecurrent's own tensors are compared, through the translation into our parameters.
"""

from __future__ import annotations

import copy
import sys

import pytest
import torch
from layer_cases import BACKENDS, gradients
from torch.func import functional_call

import unrolled
from unrolled.errors import ShapeError, UsageError
from unrolled.layers.from_torchrecurrent import from_torchrecurrent, translated
from unrolled.layers.torchrecurrent_names import ROWS

peer = pytest.importorskip("torchrecurrent", reason="pip install torchrecurrent, the oracle of these tests")

# Cells whose equations add the input to a state, and those with the last input as a
# state: widths must be equal.
SQUARE = {"IntersectionRNN", "TGRU", "TLSTM"}
# torch's hardsigmoid has 1/6 rounded to float32 in its gradient, in float64 too: 5e-9 off.
ROUNDED = {"SGU": 1e-7, "DSGU": 1e-7}
T, B = 6, 3

every_row = pytest.mark.parametrize("name", sorted(ROWS))


def made(name: str, num_layers: int = 2, **options):
    """A layer of torchrecurrent, all of its tensors random."""
    torch.manual_seed(1)
    sizes = (4, 4) if name.removesuffix("Cell") in SQUARE else (3, 5)
    options = options if name.endswith("Cell") else {"num_layers": num_layers, **options}
    module = getattr(peer, name)(*sizes, **options).double()
    with torch.no_grad():
        for tensor in module.parameters():
            tensor.normal_(0.0, 0.4)
    return module


def input_and_states(module, name: str):
    """x, torchrecurrent's state, and ours with the same numbers."""
    torch.manual_seed(2)
    rnn = from_torchrecurrent(module)
    x = torch.randn(T, B, module.input_size, dtype=torch.float64, requires_grad=True)
    zeros = module(x)[1]
    count = len(zeros) if isinstance(zeros, tuple) else 1
    names = ROWS[name].states or rnn.cell.states
    assert len(names) == count, f"{name} has {count} states; the row names {names}"
    values = {}
    for state in dict.fromkeys(names):
        width = rnn._state_widths[rnn.cell.states.index(state)]
        values[state] = (0.5 * torch.randn(rnn.num_layers, B, width, dtype=torch.float64)).requires_grad_()
    theirs = tuple(values[state] for state in names)
    ours = tuple(
        values.get(state, torch.full((rnn.num_layers, B, width), start, dtype=torch.float64))
        for state, width, start in zip(rnn.cell.states, rnn._state_widths, rnn._state_starts)
    )
    return x, (theirs if isinstance(zeros, tuple) else theirs[0]), ours, list(values.values())


def run_theirs(module, x, state):
    y, last = module(x, state)
    last = last if isinstance(last, tuple) else (last,)  # last inputs come apart, layer by layer
    return [y, *(torch.stack(each) if isinstance(each, tuple) else each for each in last)]


def run_ours(module, name: str, x, state, backend: str = "reference", cell=None):
    """Our layer with parameters that are functions of torchrecurrent's tensors, so
    that gradients reach those.
    """
    rnn = from_torchrecurrent(module)
    rnn = unrolled.Recurrent(
        cell or rnn.cell, rnn.input_size, rnn.hidden_size, rnn.num_layers, backend=backend, dtype=torch.float64
    )
    parameters = {}
    for number, (weights, cell) in enumerate(zip(rnn.layers, module.cells)):
        theirs = {key: getattr(cell, key) for key in ROWS[name].parts}
        shapes = {key: tuple(getattr(weights, key).shape) for key in rnn.cell.parameters}
        for key, value in translated(ROWS[name], theirs, shapes, name).items():
            parameters[f"layers.{number}.{key}"] = value
    y, last = functional_call(rnn, parameters, (x, state))
    names = ROWS[name].states or rnn.cell.states
    return [y, *(last[rnn.cell.states.index(state)] for state in names)]


@pytest.mark.parametrize("name", peer.__all__)
def test_every_class_has_a_row(name):
    assert name.removesuffix("Cell") in ROWS


def test_rows_are_of_classes_that_exist_and_in_order():
    assert [name for name in ROWS if name not in peer.__all__] == []
    assert list(ROWS) == sorted(ROWS, key=str.lower)


@every_row
@pytest.mark.parametrize("backend", BACKENDS)
def test_values_states_and_gradients_are_torchrecurrents(name, backend):
    module = made(name)
    x, theirs, ours, states = input_and_states(module, name)
    expected = run_theirs(module, x, theirs)
    found = run_ours(module, name, x, ours, backend)
    wanted = [x, *states, *module.parameters()]
    slack = ROUNDED.get(name, 1e-10)
    for a, b in zip(
        [*found, *gradients(found, wanted)], [*expected, *gradients(expected, wanted)], strict=True
    ):
        torch.testing.assert_close(a, b, rtol=slack, atol=slack)


@every_row
def test_a_layer_is_loaded_as_it_is(name):
    module = made(name, batch_first=True, dropout=0.0).eval()
    rnn = from_torchrecurrent(module)
    assert (rnn.num_layers, rnn.batch_first, rnn.training) == (2, True, False)
    assert {p.dtype for p in rnn.parameters()} == {torch.float64}
    x = torch.randn(B, T, module.input_size, dtype=torch.float64)
    torch.testing.assert_close(rnn(x)[0], module(x)[0], rtol=1e-10, atol=1e-10)


@every_row
def test_a_single_cell_is_loaded_as_one_layer(name):
    module = made(f"{name}Cell")
    rnn = from_torchrecurrent(module)
    x = torch.randn(B, module.input_size, dtype=torch.float64)
    y = module(x)
    while isinstance(y, tuple):
        y = y[0]
    torch.testing.assert_close(rnn.step(x)[0], y, rtol=1e-10, atol=1e-10)


@every_row
def test_a_state_dict_is_enough(name, monkeypatch):
    module = made(name)
    x = torch.randn(T, B, module.input_size, dtype=torch.float64)
    monkeypatch.setitem(sys.modules, "torchrecurrent", None)  # importing it would fail now
    rnn = from_torchrecurrent(name, module.state_dict())
    torch.testing.assert_close(rnn(x)[0], module(x)[0], rtol=1e-10, atol=1e-10)


# Where torchrecurrent computes something else than the paper: the paper's cell, in our zoo under this name.
PAPERS = {"LEM": "lem", "FastGRNN": "fast_grnn", **{name: row.cell for name, row in ROWS.items() if row.using}}


@pytest.mark.parametrize("name", PAPERS)
def test_where_torchrecurrent_contradicts_the_paper_the_row_says_so(name):
    module = made(name)
    x, theirs, ours, _ = input_and_states(module, name)
    found = run_ours(module, name, x, ours, cell=unrolled.find(PAPERS[name]))[0]
    assert (
        found - run_theirs(module, x, theirs)[0]
    ).abs().max() > 1e-3  # so the row's cell or setting is needed
    assert "paper" in ROWS[name].note or "authors" in ROWS[name].note or "Keras" in ROWS[name].note


# ---- what is not the same in every row


def test_hyper_parameters_and_activations_are_read_off_the_module():
    assert from_torchrecurrent(made("LEM", dt=0.25)).cell.hyper["dt"] == 0.25
    assert from_torchrecurrent(made("IndRNN", nonlinearity="relu")).cell.hyper["nonlinearity"] == "relu"
    assert from_torchrecurrent("IndRNN", made("IndRNN").state_dict()).cell.hyper["nonlinearity"] == "tanh"
    rnn = from_torchrecurrent("IndRNN", made("IndRNN").state_dict(), using={"nonlinearity": "relu"})
    assert rnn.cell.hyper["nonlinearity"] == "relu"


def test_biases_that_are_not_trained_stay_so():
    rnn = from_torchrecurrent(made("MGU", bias=False, recurrent_bias=False))
    still = [name for name, parameter in rnn.named_parameters() if not parameter.requires_grad]
    assert still == [f"layers.{k}.b_{gate}" for k in (0, 1) for gate in "fn"]
    assert all(p.requires_grad for p in from_torchrecurrent(made("MGU", bias=False)).parameters())


@every_row
def test_what_is_trained_there_is_trained_here(name):
    module, row = made(name), ROWS[name]
    theirs = {key.rpartition(".")[2] for key, p in module.named_parameters() if p.requires_grad}
    for rnn in (from_torchrecurrent(module), from_torchrecurrent(name, module.state_dict())):
        ours = {key.rpartition(".")[2] for key, p in rnn.named_parameters() if p.requires_grad}
        for key in theirs:
            for part in row.parts[key]:
                for spelled in (part,) if isinstance(part, str) else part or ():
                    assert spelled.removeprefix("-").removesuffix(".T") in ours


@pytest.mark.parametrize("name", ["TGRU", "TLSTM"])
@pytest.mark.parametrize("sizes", [(5, 7), (7, 5)])
def test_a_state_as_wide_as_the_input_is_no_obstacle_to_a_stack(name, sizes):
    module = getattr(peer, name)(*sizes, num_layers=3).double()
    x = torch.randn(6, 2, sizes[0], dtype=torch.float64)
    torch.testing.assert_close(from_torchrecurrent(module)(x)[0], module(x)[0], rtol=1e-10, atol=1e-10)


def test_the_numbers_are_copies():
    module = made("MGU")
    before = copy.deepcopy(module.state_dict())
    rnn = from_torchrecurrent(module)
    with torch.no_grad():
        for parameter in rnn.parameters():
            parameter.fill_(7.0)
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


def test_a_class_made_from_one_of_theirs_is_known_by_it():
    class Mine(peer.MGU):
        pass

    assert from_torchrecurrent(Mine(3, 5)).cell.name == "mgu"


def test_dropout_comes_along_and_a_single_layer_has_none():
    assert from_torchrecurrent(made("MGU", dropout=0.3)).dropout == 0.3
    assert from_torchrecurrent(made("MGU", num_layers=1, dropout=0.3)).dropout == 0.0


# ---- errors


def numbers(**changed):
    shapes = {"weight_ih": (10, 3), "weight_hh": (10, 5), "bias_ih": (10,), "bias_hh": (10,), **changed}
    return {key: torch.zeros(shape) for key, shape in shapes.items() if shape is not None}


@pytest.mark.parametrize(
    "arguments, kind, message",
    [
        (
            ("MGUU", numbers()),
            UsageError,
            "from_torchrecurrent: torchrecurrent has no class called 'MGUU'. Did you mean MGU?",
        ),
        (
            (torch.nn.LSTM(3, 5),),
            UsageError,
            (
                "from_torchrecurrent: torchrecurrent has no class called 'LSTM'. "
                "torch.nn's load as they are: unrolled.LSTM(...).load_state_dict(module.state_dict())."
            ),
        ),
        (
            ("MGU",),
            UsageError,
            (
                "from_torchrecurrent('MGU'): give either a module, or its name and its state_dict, as in "
                'from_torchrecurrent("MGU", state_dict).'
            ),
        ),
        (
            ("MGU", numbers(weight_ih=(11, 3))),
            ShapeError,
            (
                "weight_ih of MGU has shape (11, 3). (2 x hidden size, input size) expected, for 2 gates:"
                " ('W_f', 'W_n')."
            ),
        ),
        (
            ("MGU", numbers(bias_hh=(9,))),
            ShapeError,
            "bias_hh of layer 0 of MGU has shape (9,). 2 equal parts along the first axis expected.",
        ),
        (
            ("MGU", numbers(weight_hh=(12, 6))),
            ShapeError,
            (
                "weight_hh of layer 0 of MGU gives U_f the shape (6, 6), and the other tensors make it (5, 5). "
                "All tensors must be of one module."
            ),
        ),
        (
            ("MGU", numbers(bias_hh=None)),
            UsageError,
            (
                "layer 0 of MGU has weight_ih, weight_hh, bias_ih; weight_ih, weight_hh, bias_ih, bias_hh"
                " expected (torchrecurrent 0.2.5). Look at bias_hh: another version, or not this class?"
            ),
        ),
        (
            ("MGU", {"lstm.weight": torch.zeros(2)}),
            UsageError,
            (
                "from_torchrecurrent: this is not a state_dict of MGU, its keys are lstm.weight. Keys such as"
                " cells.0.weight_ih (of a layer) or weight_ih (of a cell) expected, from layer 0 on."
            ),
        ),
    ],
)
def test_errors_say_what_clashes_and_what_to_do(arguments, kind, message):
    with pytest.raises(kind) as caught:
        from_torchrecurrent(*arguments)
    assert str(caught.value) == message


def test_an_activation_that_the_cell_has_not_is_an_error():
    with pytest.raises(UsageError) as caught:
        from_torchrecurrent(made("MGU", nonlinearity="gelu"))
    assert str(caught.value) == (
        "MGU was made with gelu as its act, and our mgu has tanh. "
        "Write the cell as a function of your own; `unrolled.find(name)` shows ours to copy."
    )
