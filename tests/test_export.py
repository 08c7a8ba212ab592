"""Export: what onnxruntime makes of the file is what the layer makes, for every cell and in every
way that it can be called.
"""

from __future__ import annotations

import json

import pytest
import torch
from generated import programs
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from layer_cases import CELLS, make_input, make_layer, make_state, part, plain
from onnx_cases import compare, onnx, ran, session, tensors

import unrolled
from unrolled import (
    GRU,
    LSTM,
    RNN,
    LanguageModel,
    Recurrent,
    Stacked,
    cell,
    clip,
    elu,
    erf,
    export,
    gelu,
    recurrent_dropout,
    resettable,
    sign,
    silu,
    tanh,
    weight_drop,
    where,
    zoneout,
)
from unrolled.errors import NotYet, UnrolledError, UsageError
from unrolled.exports.matrices import rows_in_int8
from unrolled.exports.modules import CHAINS, ModuleChain
from unrolled.exports.spell import SPELL
from unrolled.ops import OPS

pytestmark = pytest.mark.usefixtures("one_thread")
SHAPES = {"whole": (5, 3), "a batch of one": (4, 1), "one step": (1, 2), "longer": (9, 2)}
EVERY_WAY = pytest.mark.parametrize(
    "dtype, both, generic",
    [
        (torch.float32, False, False),
        *(
            pytest.param(dtype, both, generic, marks=pytest.mark.slow)
            for dtype in (torch.float32, torch.float64)
            for both in (False, True)
            for generic in (False, True)
            if (both or generic) and not (generic and dtype is torch.float64)
        ),
        pytest.param(torch.float64, False, False, marks=pytest.mark.slow),
    ],
    ids=str,
)


def made(layer, tmp_path, **options):
    """The layer's file, in a session."""
    exact = layer_type(layer) is torch.float64
    path = export(layer, tmp_path / "m.onnx", **options).path
    onnx.checker.check_model(str(path), full_check=True)  # shapes that are declared are those that follow
    return session(path, exact)


def layer_type(layer) -> torch.dtype:
    return next((t.dtype for t in (*layer.parameters(), *layer.buffers())), torch.float32)


@torch.no_grad()
def check(layer, file, steps: int, batch: int, lengths=None, x=None) -> None:
    """The file against the layer, on random inputs and states; NaN past the lengths."""
    x = make_input(layer, steps, batch) if x is None else x
    state = make_state(layer, batch)
    for row, length in enumerate(lengths or ()):
        for value in tensors(x):
            if value.is_floating_point():
                value.data[length:, row] = float("nan")
    compare(
        ran(file, x, state, lengths),
        layer(x, state, lengths=lengths),
        f"T={steps}, B={batch}, lengths={lengths}",
        layer_type(layer),
    )


@torch.no_grad()
def check_chunks(layer, file) -> None:
    """A sequence in two calls, the second with the states that the first put out."""
    x, state = make_input(layer, 5, 3), make_state(layer, 3)
    first, *between = ran(file, part(x, slice(2)), state)
    rest, *last = ran(file, part(x, slice(2, 5)), between)
    compare([torch.cat([first, rest]), *last], layer(x, state), "chunks", layer_type(layer))


@EVERY_WAY
@pytest.mark.parametrize("name", CELLS)
def test_a_cell_in_onnxruntime_is_the_cell(name, dtype, both, generic, tmp_path):
    layer = make_layer(name, dtype=dtype, hidden_size=8, num_layers=2, bidirectional=both)
    file = made(layer, tmp_path, generic=generic)
    for steps, batch in SHAPES.values():
        check(layer, file, steps, batch)
    check(layer, file, 7, 4, [7, 0, 3, 1])
    if not both:
        check_chunks(layer, file)


@pytest.mark.parametrize(
    "name", ["lstm", "peephole_lstm", "gru", "gru_reset_before", "irnn", "mgu", "phased_lstm", "slstm"]
)
def test_both_directions(name, tmp_path):
    """Two layers each way; all other cells are a slow test."""
    layer = make_layer(name, dtype=torch.float32, hidden_size=8, num_layers=2, bidirectional=True)
    file = made(layer, tmp_path)
    check(layer, file, 5, 3)
    check(layer, file, 7, 4, [7, 0, 3, 1])


@pytest.mark.parametrize("name", ["elman", "lem"])
def test_what_runs_is_the_plain_function(name, tmp_path):
    """The file against the author's function itself, step by step under vmap."""
    layer = make_layer(name, dtype=torch.float64)
    x, state = make_input(layer, 5, 3), make_state(layer, 3)
    with torch.no_grad():
        compare(ran(made(layer, tmp_path), x, state), plain(layer, x, state), name, torch.float64)


STANDARD = {
    "lstm": "LSTM",
    "lstm_minus_b": "LSTM",  # the LSTM with other first values
    "peephole_lstm": "LSTM",
    "gru": "GRU",
    "gru_reset_before": "GRU",
    "elman": "RNN",
    "irnn": "RNN",
}


def test_cells_with_the_operators_equations_become_the_operators(tmp_path):
    found = {}
    for name in CELLS:
        layer = make_layer(name, dtype=torch.float32)
        found[name] = export(layer, tmp_path / "m.onnx").layers["layers.0"]
    assert {name: kind for name, kind in found.items() if kind not in ("Scan", "equations")} == STANDARD
    for options in ({"generic": True}, {}):
        layer = make_layer("lstm", dtype=torch.float32 if options else torch.float64)
        assert export(layer, tmp_path / "m.onnx", **options).layers == {"layers.0": "Scan"}


def test_the_operators_are_known_by_equations_and_not_by_names(tmp_path):
    @cell
    def mine(seen, memory, *, A, B, c):
        memory = unrolled.tanh(A @ seen + B @ memory + c)
        return memory

    @cell
    def lstm(x, h, *, W, U, b):
        h = unrolled.sigmoid(W @ x + U @ h + b) - 0.5
        return h

    for made_of, kind in ((mine, "RNN"), (lstm, "Scan")):
        layer = Recurrent(made_of, 3, 5, backend="reference")
        assert export(layer, tmp_path / "m.onnx").layers == {"layers.0": kind}
        check(layer, session(tmp_path / "m.onnx"), 5, 3)


@pytest.mark.parametrize("name", ["tanh", "relu", "sigmoid", "softplus", "sin"])
def test_an_elman_network_of_another_nonlinearity(name, tmp_path):
    layer = Recurrent(unrolled.find("elman").using(nonlinearity=name), 3, 8, backend="reference")
    written = export(layer, tmp_path / "m.onnx")
    assert written.layers["layers.0"] == ("Scan" if name == "sin" else "RNN")
    check(layer, session(written.path), 5, 3)


DROP_INS = {
    "LSTM": lambda: LSTM(3, 8, 2, bidirectional=True),
    "LSTM with a projection": lambda: LSTM(3, 8, 2, proj_size=4, bidirectional=True),
    "LSTM without biases, batch first": lambda: LSTM(3, 8, bias=False, batch_first=True),
    "GRU": lambda: GRU(3, 8, 2, bidirectional=True),
    "GRU without biases": lambda: GRU(3, 8, bias=False),
    "RNN": lambda: RNN(3, 8, 2, bidirectional=True),
    "RNN, relu": lambda: RNN(3, 8, nonlinearity="relu"),
    "LSTM of float64": lambda: LSTM(3, 8, dtype=torch.float64),
    "torch's own LSTM": lambda: torch.nn.LSTM(3, 8, 2),
    "torch's own GRU": lambda: torch.nn.GRU(3, 8, batch_first=True, bidirectional=True),
}


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.parametrize("generic", [False, True])
@pytest.mark.parametrize("which", DROP_INS)
def test_torchs_layers(which, generic, tmp_path):
    torch.manual_seed(0)
    layer = DROP_INS[which]()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, 0.0, 0.4)
    kind, count = layer_type(layer), layer.num_layers * (2 if layer.bidirectional else 1)
    x = torch.randn(3, 4, 3, dtype=kind) if layer.batch_first else torch.randn(4, 3, 3, dtype=kind)
    states = [torch.randn(count, 3, layer.proj_size or 8, dtype=kind)]
    states += [torch.randn(count, 3, 8, dtype=kind)] if layer.mode == "LSTM" else []
    with torch.no_grad():
        y = layer(x, tuple(states) if len(states) == 2 else states[0])
        compare(ran(made(layer, tmp_path, generic=generic), x, states), y, which, kind)


@pytest.mark.parametrize("skip", [False, True])
def test_a_stack_of_unlike_layers(skip, tmp_path):
    torch.manual_seed(0)
    beside = 3 if skip else 0
    layer = Stacked(
        [
            Recurrent("lstm", 3, 8, bidirectional=True),
            Recurrent("phased_lstm", 16 + beside, 5),
            Recurrent("mingru", 5 + beside, 4, num_layers=2),
        ],
        skip=skip,
    )
    x = torch.randn(6, 2, 3), torch.rand(6, 2).cumsum(0)
    with torch.no_grad():
        state = layer(x)[1]
        file = made(layer, tmp_path)
        compare(ran(file, x, state, [6, 4]), layer(x, state, [6, 4]), "stacked")
    assert [i.name for i in file.get_inputs()] == ["x", "t", "0.h_in", "0.c_in", "1.h_in", "1.c_in", "2.h_in"]


def test_a_stack_batch_first(tmp_path):
    torch.manual_seed(0)
    layers = [Recurrent("slstm", 3, 8, batch_first=True), Recurrent("gru", 11, 5, 2, True, batch_first=True)]
    layer, x = Stacked(layers, skip=True), torch.tensor([[0, 2, 1], [1, 1, 0]])
    with torch.no_grad():
        state = layer(x)[1]
        compare(ran(made(layer, tmp_path, indices=True), x, state, [2, 3]), layer(x, state, [2, 3]), "stacked")
    told = session(tmp_path / "m.onnx").get_modelmeta().custom_metadata_map
    assert json.loads(told["first_states"]) == {"0.m_in": "-inf"} and json.loads(told["cells"]) == [
        "slstm",
        "gru",
    ]


class Tagger(torch.nn.Module):
    """A model that is not among ours: an embedding, two recurrent layers, a linear one."""

    def __init__(self):
        super().__init__()
        self.words = torch.nn.Embedding(30, 6)
        self.below, self.above = Recurrent("mgu", 6, 8, bidirectional=True), Recurrent("lstm", 16, 4)
        self.head = torch.nn.Linear(4, 3)

    def forward(self, x):
        y, first = self.below(self.words(x))
        y, second = self.above(y)
        return self.head(y), first, second


@pytest.mark.parametrize("weights", ["", "int8"])
def test_a_new_model_is_one_row(weights, tmp_path, monkeypatch):
    monkeypatch.setitem(
        CHAINS,
        Tagger,
        lambda m: ModuleChain((m.words, m.below, m.above, m.head), "scores", indices=True, reads="words"),
    )
    torch.manual_seed(0)
    model, x = Tagger(), torch.randint(30, (5, 2))
    written = export(model, tmp_path / "m.onnx", weights=weights)
    assert written.inputs == ("words", "below.h_in", "above.h_in", "above.c_in", "[lengths]")
    assert written.outputs[0] == "scores" and list(written.layers) == ["below.layers.0", "above.layers.0"]
    first, second = model.below.first_state(2), model.above.first_state(2)
    with torch.no_grad():
        found, expected = ran(session(written.path), x, (first, second)), tensors(model(x))
    if not weights:
        return compare(found, expected, "tagger")
    assert 0 < (found[0] - expected[0]).abs().max() < 3 * written.difference[0] < 0.1


@pytest.mark.parametrize("hidden, kind", [(16, "LSTM"), (8, "Scan")])
def test_a_language_model(hidden, kind, tmp_path):
    """Where there are more characters than gates' units, the first layer looks its products up, in a loop."""
    torch.manual_seed(0)
    indices = torch.randint(40, (5, 2))
    model = LanguageModel(40, "lstm", hidden=hidden, layers=2, dropout=0.5)
    written = export(model, tmp_path / "m.onnx")
    assert list(written.layers.values()) == [kind, "LSTM"] and model.training
    assert written.inputs == ("x", "h_in", "c_in", "[lengths]") and written.outputs == (
        "logits",
        "h_out",
        "c_out",
    )
    with torch.no_grad():
        state = model(indices)[1]
        compare(ran(session(written.path), indices, state), model.eval()(indices, state), "model")


@pytest.mark.parametrize("name, generic", [("lstm", False), ("lstm", True), ("t_gru", False), ("srnn", False)])
@pytest.mark.parametrize("batch_first", [False, True])
def test_a_layer_that_reads_indices(name, generic, batch_first, tmp_path):
    layer = make_layer(name, dtype=torch.float32, hidden_size=8, batch_first=batch_first)
    x = torch.tensor([[0, 2], [1, 1], [2, 0], [0, 0]])
    state = make_state(layer, 4 if batch_first else 2)
    with torch.no_grad():
        file = made(layer, tmp_path, generic=generic, indices=True)
        compare(ran(file, x, state), layer(x, state), name)


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("lengths", [None, [6, 4, 0]])
def test_resets(both, lengths, tmp_path):
    torch.manual_seed(0)
    layer = Recurrent(resettable("mgu"), 3, 5, num_layers=2, bidirectional=both, backend="reference")
    x = torch.randn(6, 3, 3), (torch.rand(6, 3) < 0.4).float()
    check(layer, made(layer, tmp_path), 6, 3, lengths, x)


@pytest.mark.parametrize("change", [zoneout, recurrent_dropout, weight_drop])
@pytest.mark.parametrize("name", ["lstm", "mgu"])
def test_noise_leaves(change, name, tmp_path):
    layer = Recurrent(change(name, 0.4), 3, 5, num_layers=2, dropout=0.5, backend="reference")
    file = made(layer, tmp_path)
    assert layer.training
    check(layer.eval(), file, 5, 3)


def test_names_that_are_taken(tmp_path):
    @cell
    def odd(h_in, lengths, y, /, h, *, W):
        y_after = unrolled.tanh(W @ h_in + h) * lengths + y
        return y_after

    layer = Recurrent(odd, 3, 5, backend="reference")
    written = export(layer, tmp_path / "m.onnx")
    assert written.inputs == ("h_in", "lengths", "y", "h_in_2", "[lengths_2]")
    assert written.outputs == ("y_2", "h_out")
    check(layer, session(written.path), 5, 3)


@pytest.mark.parametrize("name", ["lstm", "mgu"])
def test_lengths_may_be_required_or_left_out(name, tmp_path):
    layer = make_layer(name, dtype=torch.float32)
    file = made(layer, tmp_path, lengths="required")
    assert "lengths" in [i.name for i in file.get_inputs()]
    check(layer, file, 5, 2, [5, 2])
    file = made(layer, tmp_path, lengths="none")
    assert not file.get_overridable_initializers() and "lengths" not in [i.name for i in file.get_inputs()]
    check(layer, file, 5, 2)


# int8


def test_rows_in_int8():
    weights = torch.randn(6, 9, generator=torch.Generator().manual_seed(0))
    numbers, scales = rows_in_int8(weights)
    assert (numbers.abs().amax(1) == 127).all()
    assert ((numbers * scales[:, None] - weights).abs() <= scales[:, None] / 2 * 1.0001).all()


@pytest.mark.parametrize("generic", [False, True])
def test_int8_costs_what_is_said(generic, tmp_path):
    torch.manual_seed(0)
    model = LanguageModel(40, "lstm", hidden=32, layers=2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    whole = export(model, tmp_path / "whole.onnx", generic=generic)
    small = export(model, tmp_path / "small.onnx", generic=generic, weights="int8")
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    matrices = sum(p.numel() for p in model.parameters() if p.dim() == 2)
    assert 0.9 * 3 * matrices < small.saved < 3 * matrices
    assert abs((whole.size - small.size) - small.saved) < 5_000  # what names and operators weigh
    files = session(whole.path), session(small.path)
    x = torch.randint(40, (50, 4), generator=torch.Generator().manual_seed(0))
    y, other = (ran(file, x, model.rnn.first_state(4))[0] for file in files)
    assert small.difference[0] == pytest.approx((y - other).abs().max().item(), rel=1e-2)
    assert small.difference[1] == pytest.approx(y.abs().max().item(), rel=1e-4)
    assert "bytes less; outputs differ by at most" in str(small)


@pytest.mark.parametrize("name", ["phased_lstm", "orthogonal_rnn", "gru", "clockwork_rnn", "recurrent_mlp"])
def test_int8_of_other_cells(name, tmp_path):
    """What is made of parameters, and clocks' masks, stay what they are."""
    layer = make_layer(name, dtype=torch.float32, hidden_size=8, bidirectional=True)
    small = export(layer, tmp_path / "m.onnx", weights="int8")
    x, state = make_input(layer, 5, 3), make_state(layer, 3)
    with torch.no_grad():
        found, expected = ran(session(small.path), x, state)[0], layer(x, state)[0]
    assert small.saved > 0
    assert 0 < (found - expected).abs().max() < 0.05


# Metadata and errors


def test_metadata(tmp_path):
    model = LanguageModel(3, "slstm", hidden=5)
    export(model, tmp_path / "m.onnx", metadata={"vocabulary": ["a", "b", "é"], "licence": "CC0"})
    told = session(tmp_path / "m.onnx").get_modelmeta().custom_metadata_map
    assert json.loads(told["vocabulary"]) == ["a", "b", "é"] and told["licence"] == "CC0"
    assert json.loads(told["cells"]) == ["slstm"] and json.loads(told["first_states"]) == {"m_in": "-inf"}
    assert "= sigmoid(" in told["equations"] and r"\begin{align*}" in told["latex"]
    again = unrolled.Cell.from_json(json.loads(told["cell_json"])[0])
    assert again.graph == unrolled.find("slstm").graph
    assert told["unrolled"] != "unknown"


def test_the_same_model_gives_the_same_bytes(tmp_path):
    layer = make_layer("lem", dtype=torch.float32)
    files = [export(layer, tmp_path / name).path.read_bytes() for name in ("a.onnx", "b.onnx")]
    assert files[0] == files[1]


ERRORS = {
    "no folder": ({"path": "nowhere/m.onnx"}, UsageError, "nowhere, which is not a folder"),
    "a folder": ({"path": ""}, UsageError, "is a folder. Give the name of a file"),
    "lengths": ({"lengths": "some"}, UsageError, "lengths='some' is not known. Give optional, required, none"),
    "weights": ({"weights": "int4"}, UsageError, "weights='int4' is not known. Give \"int8\""),
    "no model": ({"model": "lstm"}, UsageError, "export takes a layer or a model, and got a str"),
    "another model": ({"model": torch.nn.Conv1d(1, 1, 1)}, UnrolledError, "Conv1d"),
    "a chain": (
        {"model": torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Conv1d(1, 1, 1))},
        NotYet,
        "how to write a Conv1d. It writes",
    ),
    "bfloat16": ({"model": torch.nn.LSTM(3, 5).bfloat16()}, UsageError, "bfloat16. Give model.float()"),
    "int8 of float64": (
        {"model": Recurrent("gru", 3, 5, dtype=torch.float64), "weights": "int8"},
        UsageError,
        "the model is float64",
    ),
    "our names": ({"metadata": {"cells": "x"}}, UsageError, "metadata='cells': export writes"),
    "no JSON": ({"metadata": {"names": {1, 2}}}, UsageError, "not JSON serializable. Give a text"),
}


@pytest.mark.parametrize("which", ERRORS)
def test_errors_leave_the_older_file(which, tmp_path):
    options, kind, said = ERRORS[which]
    (tmp_path / "m.onnx").write_bytes(b"older")
    given = {"model": Recurrent("mgu", 3, 5), "path": "m.onnx", **options}
    with pytest.raises(kind, match=None) as error:
        export(given.pop("model"), tmp_path / given.pop("path"), **given)
    assert said in str(error.value)
    assert [p.name for p in tmp_path.iterdir()] == ["m.onnx"] and (tmp_path / "m.onnx").read_bytes() == b"older"


@unrolled.cell
def odd(x, h, *, W, U, b):
    """Primitives that no cell of the zoo has."""
    z = W @ x + U @ h + b
    a = elu(z) + silu(z) + abs(z) ** 1.5 + sign(z) + unrolled.round(3 * z) / 3
    k = ((z > 0.1) & (z <= 0.9)) | (z != z) | (z >= 2.0) | (z == 0)
    h = clip(where(k, tanh(a), 0.5 * a), -1.0, 1.0)
    return h


@unrolled.cell
def odder(x, h, *, W, U, b):
    z = W @ x + U @ h + b
    h = tanh(gelu(z) + erf(z))
    return h


@pytest.mark.parametrize(
    ("cell", "dtype"), [(odd, torch.float32), (odd, torch.float64), (odder, torch.float32)], ids=str
)
def test_primitives_of_no_cell_of_the_zoo(cell, dtype, tmp_path):
    torch.manual_seed(0)
    layer = Recurrent(cell, 4, 8, dtype=dtype)
    export(layer, tmp_path / "m.onnx")
    x, h = torch.randn(7, 3, 4, dtype=dtype), torch.randn(1, 3, 8, dtype=dtype)
    with torch.no_grad():
        y, (last,) = layer(x, (h,))
    found = session(tmp_path / "m.onnx", exact=True).run(None, {"x": x.numpy(), "h_in": h.numpy()})
    assert abs(found[0] - y.numpy()).max() < 1e-5 and abs(found[1] - last.numpy()).max() < 1e-5


def test_what_onnxruntime_lacks_is_said(tmp_path):
    with pytest.raises(NotYet, match="no erf .nor gelu. of float64"):
        export(Recurrent(odder, 4, 8, dtype=torch.float64), tmp_path / "m.onnx")


def test_every_primitive_is_spelled_or_needs_no_spelling():
    products = {"product", "concat"}  # written by equations.py
    of_parameters = {name for name, op in OPS.items() if op.once} | {
        "transpose",
        "index",
        "columns",
        "bilinear",
        "size",
    }
    of_gradients = {"product_t", "products_t", "outer", "part", "kron_left", "kron_right"}
    assert set(OPS) == set(SPELL) | products | of_parameters | of_gradients


# Random cells


def check_random(program, widths, both, indices, ragged, folder) -> None:
    made_of = program.cell()
    own = {letter: 4 for letter in made_of.graph.dims if letter.isidentifier() and letter not in "IH"}
    try:
        layer = Recurrent(
            made_of.using(**own), *widths, bidirectional=both, dtype=torch.float64, backend="reference"
        )
    except UnrolledError:
        assume(False)
    assume(list(layer.parameters()))
    torch.manual_seed(0)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, 0.0, 0.5)
    indices = indices and made_of.graph.shape("input", made_of.inputs[0]) != ()
    file = made(layer, folder, indices=indices)
    x, state, lengths = make_input(layer, 4, 3), make_state(layer, 3), [2, 0, 4] if ragged else None
    if indices:
        first = torch.randint(widths[0], (4, 3))
        x = (first, *x[1:]) if isinstance(x, tuple) else first
    with torch.no_grad():
        y = layer(x, state, lengths=lengths)
        assume(all(torch.isfinite(t).all() and t.abs().max() < 1e3 for t in tensors(y)))
        compare(ran(file, x, state, lengths), y, "a random cell", torch.float64)


CASES = (
    programs(),
    st.tuples(st.sampled_from((3, 1, 2, 5)), st.sampled_from((3, 1, 2, 5))),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
FAST = settings(max_examples=20, suppress_health_check=list(HealthCheck))
MANY = settings(max_examples=400, suppress_health_check=list(HealthCheck))


@FAST
@given(*CASES)
def test_random_cells(tmp_path_factory, program, widths, both, indices, ragged):
    check_random(program, widths, both, indices, ragged, tmp_path_factory.getbasetemp())


@pytest.mark.slow
@MANY
@given(*CASES)
def test_many_random_cells(tmp_path_factory, program, widths, both, indices, ragged):
    check_random(program, widths, both, indices, ragged, tmp_path_factory.getbasetemp())
