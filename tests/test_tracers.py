"""Layers under those who write a model down, and drop-ins under those who want torch's own classes."""

from __future__ import annotations

import copy
import io
import pickle

import pytest
import torch
from layer_cases import assert_close, make_input, make_layer
from torch import nn

import unrolled
from unrolled import Recurrent, Stacked, as_torch
from unrolled.errors import NotYet, UsageError

DROP_INS = {
    "LSTM": lambda: unrolled.LSTM(3, 5, num_layers=2, bidirectional=True),
    "GRU": lambda: unrolled.GRU(3, 5),
    "RNN": lambda: unrolled.RNN(3, 5, nonlinearity="relu"),
}
every_drop_in = pytest.mark.parametrize("make", DROP_INS.values(), ids=DROP_INS)
old = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")


class Model(nn.Module):
    """Two numbers for each step."""

    def __init__(self, rnn: nn.Module):
        super().__init__()
        self.rnn, self.head = rnn, nn.LazyLinear(2)
        self(torch.zeros(2, 1, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.rnn(x)[0])


def some_input(*shape: int) -> torch.Tensor:
    return torch.randn(*(shape or (4, 2)), 3)


# torch.jit.trace


TRACED = ["lstm", "gru_reset_before", "mingru", "lem", "cfc", "slstm", "intersection_rnn"]


@pytest.mark.parametrize("steps", [4, 17])
@pytest.mark.parametrize("name", TRACED)
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_a_trace_is_the_equations(name, steps):
    """No warning of torch's about constants, and no constants: other values give other
    results, other shapes an error.
    """
    layer = make_layer(name, "auto", num_layers=2)
    first, second = (make_input(layer, steps, 2, seed=seed) for seed in (2, 5))
    trace = torch.jit.trace(layer, (first,))
    y, last = trace(second)
    expected, final = layer(second)
    assert_close((y, *last), (expected, *final))
    if isinstance(first, tuple):
        return
    for shape in ((2, steps), (2 * steps, 1), (steps, 3), (steps, 1), (steps + 1, 2)):
        with pytest.raises(RuntimeError):
            trace(torch.randn(*shape, 3, dtype=torch.float64))


@old
def test_a_trace_can_be_saved_and_refuses_indices_and_lengths(tmp_path):
    layer = Recurrent("lstm", 7, 5, batch_first=True)
    x = torch.randint(0, 7, (2, 4))
    trace = torch.jit.trace(layer, x)
    trace.save(tmp_path / "trace.pt")
    trace = torch.jit.load(tmp_path / "trace.pt")
    other = (x + 1) % 7
    torch.testing.assert_close(trace(other)[0], layer(other)[0])
    for wrong in (-1, 7):
        with pytest.raises(RuntimeError, match="index out of range"):
            trace(torch.full_like(x, wrong))
    with pytest.raises(NotYet, match="torch.jit.trace would write these lengths into Recurrent's trace"):
        torch.jit.trace(layer, (x, layer.first_state(2), torch.tensor([4, 2])))


@old
def test_a_trace_draws_dropout_and_noise_again():
    for layer in (
        Recurrent("gru", 3, 50, num_layers=2, dropout=0.5),
        Recurrent(unrolled.zoneout("lstm", 0.5), 3, 50),
    ):
        trace, x = torch.jit.trace(layer, some_input(), check_trace=False), some_input()
        assert not torch.equal(trace(x)[0], trace(x)[0])


@every_drop_in
@old
def test_traces_of_drop_ins_are_torchs(make):
    model = Model(make())
    trace = torch.jit.trace(model, some_input())
    for shape in ((4, 2), (9, 3)):  # torch's own operation takes any
        x = some_input(*shape)
        torch.testing.assert_close(trace(x), model(x))


# torch.jit.script


@every_drop_in
@old
def test_scripts_of_drop_ins_are_torchs(make):
    model = Model(make())
    x, file = some_input(9, 3), io.BytesIO()
    torch.jit.save(torch.jit.script(as_torch(model)), file)
    file.seek(0)
    torch.testing.assert_close(torch.jit.load(file)(x), model(x))
    expected = model(x)
    with pytest.warns(UserWarning, match=r"Script unrolled.as_torch\(model\) to keep that as it is"):
        scripted = torch.jit.script(model)
    torch.testing.assert_close(scripted(x), expected)
    torch.testing.assert_close(model(x), expected)


@old
def test_a_script_of_another_cell_is_refused_in_a_sentence():
    with pytest.raises(NotYet) as error:
        torch.jit.script(Model(Recurrent("mgu", 3, 5)))
    assert str(error.value) == (
        "torch.jit.script compiles torch's language, and Recurrent(mgu, 3, 5) has a kernel of its own. Use "
        "torch.export.export(model, (x,)), torch.compile(model) or torch.jit.trace(model, x)."
    )


# torch.fx


@pytest.mark.parametrize(
    "make",
    [
        *DROP_INS.values(),
        lambda: Recurrent("mgu", 3, 5),
        lambda: Stacked([Recurrent("mgu", 3, 5), Recurrent("gru", 8, 4)], skip=True),
    ],
    ids=[*DROP_INS, "Recurrent", "Stacked"],
)
def test_a_layer_is_one_node_to_fx(make):
    model, x = Model(make()), some_input(9, 3)
    graph = torch.fx.symbolic_trace(model)
    called = [graph.get_submodule(n.target) for n in graph.graph.nodes if n.op == "call_module"]
    assert [type(m) for m in called] == [type(model.rnn), nn.Linear]
    assert torch.equal(graph(x), model(x))


def test_fx_does_not_look_inside_a_layer():
    with pytest.raises(NotYet, match="torch.fx would look inside Recurrent, which is one node of a graph"):
        torch.fx.symbolic_trace(Recurrent("mgu", 3, 5))


# ONNX


@pytest.mark.parametrize("name", [*DROP_INS, "Recurrent"])
@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.filterwarnings("ignore")
def test_onnx_files_hold_the_equations(name, dynamo, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    if dynamo:
        pytest.importorskip("onnxscript")
    model = Model(DROP_INS[name]() if name in DROP_INS else Recurrent("mgu", 3, 5)).eval()
    file = str(tmp_path / "model.onnx")
    torch.onnx.export(model, (some_input(),), file, dynamo=dynamo, input_names=["x"], verbose=False)
    x = some_input()
    found = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"]).run(None, {"x": x.numpy()})
    torch.testing.assert_close(torch.from_numpy(found[0]), model(x).detach(), rtol=1e-4, atol=1e-5)


# torch's own classes


@every_drop_in
def test_a_drop_in_is_an_rnnbase_and_as_torch_the_very_class(make):
    model = Model(make())
    kind = getattr(nn, type(model.rnn).__name__)
    assert isinstance(model.rnn, nn.RNNBase) and not isinstance(model.rnn, kind)
    model.rnn.eval()
    twin = as_torch(model)
    assert type(twin.rnn) is kind and type(model.rnn) is not kind and not twin.rnn.training
    assert type(as_torch(model.rnn)) is kind and repr(twin) == repr(model)
    x = some_input(9, 3)
    torch.testing.assert_close(twin(x), model(x))
    assert [(k, id(v)) for k, v in twin.named_parameters()] == [(k, id(v)) for k, v in model.named_parameters()]
    with torch.no_grad():
        model.rnn.weight_hh_l0.mul_(2)
    torch.testing.assert_close(twin(x), model(x))
    for other in (copy.deepcopy(twin), pickle.loads(pickle.dumps(twin.rnn))):
        assert list(other.state_dict()) == list((twin if isinstance(other, Model) else twin.rnn).state_dict())


def test_a_parametrized_drop_in_has_no_twin():
    layer = torch.nn.utils.parametrizations.weight_norm(unrolled.GRU(3, 5), "weight_hh_l0")
    with pytest.raises(UsageError, match="Call torch.nn.utils.parametrize.remove_parametrizations first"):
        as_torch(nn.Sequential(layer))


@every_drop_in
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*quantized tensor creation:UserWarning")
def test_quantisation_says_that_it_passes_a_drop_in_by(make, recwarn):
    model, x = Model(make()), some_input(9, 3)
    quantize, kinds = torch.ao.quantization.quantize_dynamic, {nn.LSTM, nn.GRU, nn.Linear}
    left = quantize(model, kinds, dtype=torch.qint8)
    said = [str(w.message) for w in recwarn if "unrolled" in str(w.message)]
    wanted = (
        f"torch.ao.quantization does not know unrolled's {model.rnn.mode} and leaves it in floating point. "
        "Quantise unrolled.as_torch(model)."
    )
    assert type(left.rnn) is type(model.rnn)
    assert said == ([] if model.rnn.mode == "RNN_RELU" else [wanted])  # torch quantises no RNN
    quantised = quantize(as_torch(model), kinds, dtype=torch.qint8)
    assert type(quantised.rnn).__module__.startswith("torch.")
    torch.testing.assert_close(quantised(x), model(x), rtol=0, atol=0.02)


@every_drop_in
def test_assigned_flat_weights_are_read_as_torch_reads_them(make):
    ours = make()
    theirs = copy.deepcopy(as_torch(ours))
    x = some_input()
    for layer in (ours, theirs):
        layer._flat_weights = [w * 0.5 for w in layer._flat_weights]
    torch.testing.assert_close(ours(x)[0], theirs(x)[0])
    for layer in (ours, theirs):
        layer.weight_ih_l0 = nn.Parameter(torch.ones_like(layer.weight_ih_l0))  # then names count again
    torch.testing.assert_close(ours(x)[0], theirs(x)[0])


@pytest.mark.parametrize("kind", ["GRU", "RNN"])
def test_a_projection_of_a_network_without_one_is_torchs_error(kind):
    for family in (nn, unrolled):
        with pytest.raises(ValueError, match="^proj_size argument is only supported for LSTM, not RNN or GRU$"):
            getattr(family, kind)(3, 5, proj_size=2)
