"""`LSTM`, `GRU` and `RNN` against torch.nn's: every option, values and all gradients,
keys, first values, messages.
"""

from __future__ import annotations

import copy
import dataclasses
import pickle
import warnings

import pytest
import torch
from layer_cases import BACKENDS
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence, pad_packed_sequence

import unrolled

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
NAMES = ["LSTM", "GRU", "RNN", "RNN-relu"]
every_class = pytest.mark.parametrize("name", NAMES)
every_backend = pytest.mark.parametrize("backend", BACKENDS)
both_types = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
OPTIONS = {
    "plain": {},
    "layers": {"num_layers": 3},
    "no-bias": {"bias": False},
    "both": {"bidirectional": True},
    "batch-first": {"batch_first": True},
    "all": {"num_layers": 2, "bias": False, "bidirectional": True, "batch_first": True},
    "all-biased": {"num_layers": 2, "bidirectional": True, "dropout": 0.3},
}


def pair(name: str, backend: str = "auto", dtype=torch.float64, inputs: int = 3, hidden: int = 5, **options):
    """torch.nn's layer and ours, with the same weights."""
    kind, *more = name.split("-")
    options = {**options, "dtype": dtype, **({"nonlinearity": more[0]} if more else {})}
    torch.manual_seed(0)
    theirs = getattr(torch.nn, kind)(inputs, hidden, **options)
    ours = getattr(unrolled, kind)(inputs, hidden, **options)
    ours._stack = dataclasses.replace(ours._stack, backend=backend)
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


def state_for(layer, lead: tuple[int, ...]):
    """A random initial state of the form that the layer takes, with its tensors."""
    torch.manual_seed(2)
    count = layer.num_layers * (2 if layer.bidirectional else 1)
    widths = [layer.proj_size or layer.hidden_size, layer.hidden_size][: 2 if layer.mode == "LSTM" else 1]
    tensors = [torch.randn(count, *lead, w, dtype=layer.weight_ih_l0.dtype, requires_grad=True) for w in widths]
    return (tuple(tensors) if layer.mode == "LSTM" else tensors[0]), tensors


def tensors_of(result):
    y, state = result
    return [y.data if isinstance(y, PackedSequence) else y, *(state if isinstance(state, tuple) else (state,))]


def assert_same(theirs, ours, call_theirs, call_ours, leaves, dtype):
    """Equal results and equal gradients of a random weighting of them."""
    torch.manual_seed(3)
    expected = call_theirs()
    torch.manual_seed(3)
    found = call_ours()
    assert type(found[0]) is type(expected[0]) and type(found[1]) is type(expected[1])
    a, b = tensors_of(expected), tensors_of(found)
    assert [(t.shape, t.dtype) for t in a] == [(t.shape, t.dtype) for t in b]
    torch.manual_seed(4)
    weights = [torch.randn(t.shape, dtype=dtype) for t in a]
    names = [n for n, _ in theirs.named_parameters()]

    def gradients(results, layer):
        return torch.autograd.grad(
            sum((t * w).sum() for t, w in zip(results, weights)), [*layer.parameters(), *leaves]
        )

    called = [*"yhc"[: len(a)], *names, *["leaf"] * len(leaves)]
    for what, x, y in zip(called, [*a, *gradients(a, theirs)], [*b, *gradients(b, ours)], strict=True):
        scale = max(1.0, x.detach().abs().max().item())
        assert (x - y).abs().max().item() <= TOLERANCE[dtype] * scale, what


@every_class
@every_backend
@both_types
@pytest.mark.parametrize("options", OPTIONS)
def test_results_and_all_gradients_are_torchs(name, backend, dtype, options):
    theirs, ours = pair(name, backend, dtype, **OPTIONS[options])
    x = torch.randn(4, 6, 3, dtype=dtype, requires_grad=True)
    state, tensors = state_for(theirs, (4 if theirs.batch_first else 6,))
    assert_same(theirs, ours, lambda: theirs(x), lambda: ours(x), [x], dtype)
    assert_same(theirs, ours, lambda: theirs(x, state), lambda: ours(x, state), [x, *tensors], dtype)


@every_class
@every_backend
@pytest.mark.parametrize("options", ["plain", "all", "all-biased"])
def test_one_sequence_without_a_batch(name, backend, options):
    theirs, ours = pair(name, backend, **OPTIONS[options])
    x = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    state, tensors = state_for(theirs, ())
    assert_same(theirs, ours, lambda: theirs(x), lambda: ours(x), [x], torch.float64)
    assert_same(theirs, ours, lambda: theirs(x, state), lambda: ours(x, state), [x, *tensors], torch.float64)


@every_class
@every_backend
@both_types
@pytest.mark.parametrize("options", ["plain", "all", "all-biased"])
@pytest.mark.parametrize(
    "lengths, is_sorted",
    [([7, 4, 4, 1], True), ([2, 7, 1, 5], False), ([7, 7, 7, 7], True)],
    ids=["sorted", "unsorted", "equal"],
)
def test_packed_sequences(name, backend, dtype, options, lengths, is_sorted):
    theirs, ours = pair(name, backend, dtype, **OPTIONS[options])
    padded = torch.randn(7, 4, 3, dtype=dtype, requires_grad=True)

    def packed():
        return pack_padded_sequence(padded, lengths, enforce_sorted=is_sorted)

    state, tensors = state_for(theirs, (4,))
    assert_same(theirs, ours, lambda: theirs(packed()), lambda: ours(packed()), [padded], dtype)
    assert_same(
        theirs, ours, lambda: theirs(packed(), state), lambda: ours(packed(), state), [padded, *tensors], dtype
    )
    (y, _), (expected, _) = ours.eval()(packed()), theirs.eval()(packed())
    for a, b in zip(y[1:], expected[1:]):
        assert a is b or torch.equal(a, b)
    torch.testing.assert_close(
        pad_packed_sequence(y), pad_packed_sequence(expected), rtol=0, atol=TOLERANCE[dtype]
    )


@pytest.mark.parametrize("options", ["plain", "all", "all-biased"])
def test_projections(options):
    theirs, ours = pair("LSTM", proj_size=2, **OPTIONS[options])
    x = torch.randn(4, 6, 3, dtype=torch.float64, requires_grad=True)
    state, tensors = state_for(theirs, (4 if theirs.batch_first else 6,))
    assert_same(theirs, ours, lambda: theirs(x, state), lambda: ours(x, state), [x, *tensors], torch.float64)


@every_class
@pytest.mark.parametrize("options", OPTIONS)
def test_first_values_and_keys_are_torchs(name, options):
    kind, *more = name.split("-")
    arguments = {**OPTIONS[options], **({"nonlinearity": more[0]} if more else {})}
    torch.manual_seed(5)
    theirs = getattr(torch.nn, kind)(3, 5, **arguments)
    after = torch.rand(1)
    torch.manual_seed(5)
    ours = getattr(unrolled, kind)(3, 5, **arguments)
    assert torch.equal(torch.rand(1), after)
    first, second = theirs.state_dict(), ours.state_dict()
    assert list(first) == list(second) and all(torch.equal(first[k], second[k]) for k in first)
    theirs.load_state_dict(ours.state_dict())
    ours.load_state_dict(theirs.state_dict())
    assert repr(ours) == repr(theirs)


def test_arguments_by_position_are_torchs():
    given = (3, 5, 2, False, True, 0.1, True, 2)
    assert repr(unrolled.LSTM(*given)) == repr(torch.nn.LSTM(*given))
    assert repr(unrolled.RNN(3, 5, 2, "relu", False)) == repr(torch.nn.RNN(3, 5, 2, "relu", False))
    assert unrolled.GRU(3, 5, dtype=torch.float64, device="meta").weight_ih_l0.device.type == "meta"


@every_class
def test_our_kernels_do_the_work(name, monkeypatch):
    _, ours = pair(name)

    def fail(*_):
        raise AssertionError("torch's forward ran")

    monkeypatch.setattr(type(ours), "torch_forward", fail)
    ours(torch.randn(4, 6, 3, dtype=torch.float64))
    with pytest.raises(AssertionError):
        ours.to("meta")(torch.randn(4, 6, 3, dtype=torch.float64, device="meta"))


@every_class
@pytest.mark.parametrize(
    "wrong",
    [
        lambda r: r(torch.zeros(7, 2, 4, dtype=torch.float64)),
        lambda r: r(torch.zeros(7, 2, 3)),
        lambda r: r(torch.zeros(3, dtype=torch.float64)),
        lambda r: r(torch.zeros(0, 2, 3, dtype=torch.float64)),
        lambda r: r(torch.zeros(7, 2, 3, dtype=torch.float64), state_for(r, (3,))[0]),
        lambda r: r(torch.zeros(7, 2, 3, dtype=torch.float64), state_for(r, ())[0]),
        lambda r: r(torch.zeros(7, 3, dtype=torch.float64), state_for(r, (2,))[0]),
    ],
    ids=["width", "dtype", "axes", "empty", "batch of state", "state without batch", "state with batch"],
)
def test_messages_are_torchs(name, wrong):
    theirs, ours = pair(name)
    with pytest.raises(Exception) as expected:  # noqa: B017, PT011  (whatever torch raises)
        wrong(theirs)
    with pytest.raises(type(expected.value)) as found:
        wrong(ours)
    assert str(found.value) == str(expected.value)


def test_an_empty_batch_is_torchs():
    theirs, ours = pair("LSTM")
    x = torch.zeros(3, 0, 3, dtype=torch.float64)
    assert ours(x)[0].shape == theirs(x)[0].shape


@every_class
@pytest.mark.parametrize("x_type", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("form", ["padded", "packed", "with state"])
def test_result_types_under_autocast_are_torchs(name, x_type, form):
    theirs, ours = pair(name, dtype=torch.float32)
    x = torch.randn(7, 2, 3).to(x_type)
    x = pack_padded_sequence(x, [7, 4]) if form == "packed" else x
    state = (state_for(theirs, (2,))[0],) if form == "with state" else ()
    with torch.autocast("cpu", torch.bfloat16):
        try:
            expected = theirs(x, *state)
        except RuntimeError as error:
            pytest.skip(f"torch.nn itself cannot: {error}")
        found = ours(x, *state)
    for a, b in zip(tensors_of(expected), tensors_of(found)):
        assert a.dtype is b.dtype
        torch.testing.assert_close(a.float(), b.float(), rtol=0.05, atol=0.05)


def test_autocast_leaves_float64_alone():
    theirs, ours = pair("GRU")
    x = torch.randn(7, 2, 3, dtype=torch.float64)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(ours(x)[0], theirs(x)[0], rtol=0, atol=1e-10)


def test_a_nonlinearity_that_torch_does_not_have_is_said():
    with pytest.raises(ValueError) as error:
        unrolled.RNN(3, 5, nonlinearity="sin")
    assert str(error.value) == (
        "RNN(3, 5): nonlinearity='sin' is not torch.nn.RNN's. "
        'Give "tanh" or "relu", or use Recurrent with a cell of your own.'
    )


def test_dropout_may_be_changed_later():
    _, ours = pair("LSTM", num_layers=2, dropout=0.9)
    x = torch.randn(4, 6, 3, dtype=torch.float64)
    ours.dropout = 0.0
    assert torch.equal(ours(x)[0], ours.eval()(x)[0])


@every_class
def test_deepcopy_pickle_double_and_tied_weights(name):
    _, ours = pair(name, dtype=torch.float32, num_layers=2)
    x = torch.randn(4, 6, 3)
    expected = ours(x)[0]
    for twin in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        assert isinstance(twin, type(ours)) and torch.equal(twin(x)[0], expected)
    torch.testing.assert_close(copy.deepcopy(ours).double()(x.double())[0].float(), expected)
    other = type(ours)(3, 5, num_layers=2, **({"nonlinearity": "relu"} if "relu" in name else {}))
    found = torch.func.functional_call(other, dict(ours.named_parameters()), (x,))[0]
    torch.testing.assert_close(found, expected)
    other.weight_ih_l0 = ours.weight_ih_l0
    assert other._weights_have_changed() or other._flat_weights[0] is ours.weight_ih_l0


def test_a_script_that_only_knows_torch():
    """Training with packed input and gradient clipping, as in many a tutorial."""
    torch.manual_seed(0)
    rnn = unrolled.LSTM(3, 8, num_layers=2, batch_first=True, dropout=0.1)
    rnn.flatten_parameters()
    head = torch.nn.Linear(8, 2)
    optimiser = torch.optim.Adam([*rnn.parameters(), *head.parameters()], 0.02)
    rows = [torch.randn(n, 3) for n in (6, 3, 9)]
    wanted = torch.tensor([0, 1, 0])
    losses = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(30):
            _, (h, _) = rnn(pack_sequence(rows, enforce_sorted=False))
            loss = torch.nn.functional.cross_entropy(head(h[-1]), wanted)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(rnn.parameters(), 1.0)
            optimiser.step()
            losses.append(loss.item())
    assert losses[-1] < 0.1 < losses[0]
