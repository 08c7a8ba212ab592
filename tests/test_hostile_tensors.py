"""Tensors and arguments that no layer should take as they are: each right, or one sentence."""

import numpy
import pytest
import torch
from torch import nn
from torch.nn.utils import prune
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import unrolled
from unrolled.errors import ShapeError, UsageError
from unrolled.kernels.c.call.prepared import prepared_of
from unrolled.kernels.call import StepRows, prepare
from unrolled.layers.recurrent import Recurrent
from unrolled.transform import zoneout

DROP_INS = ("LSTM", "GRU", "RNN")
each_drop_in = pytest.mark.parametrize("name", DROP_INS)
each_backend = pytest.mark.parametrize("backend", ["auto", "reference"])


def first(state):
    return state if isinstance(state, torch.Tensor) else state[0]


def twins(name, *sizes, **more):
    ours = getattr(unrolled, name)(*sizes, **more)
    theirs = getattr(nn, name)(*sizes, **more)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


# ---- arguments


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"dropout": True}, "dropout=True is not a probability. Give 0 to 1."),
        ({"dropout": "0.5"}, "dropout='0.5' is not a probability. Give 0 to 1."),
        ({"dropout": float("nan")}, "dropout=nan is not a probability. Give 0 to 1."),
        ({"bidirectional": 0.2}, "bidirectional=0.2 is neither True nor False. Give one of them."),
        ({"batch_first": "yes"}, "batch_first='yes' is neither True nor False. Give one of them."),
        ({"num_layers": 10**7}, "num_layers=10000000 is too many. Give 10000 or fewer."),
        ({"num_layers": True}, "num_layers=True is not a whole number. Give 1 or more."),
        (
            {"dtype": "float32"},
            "dtype='float32' is not a floating-point type. Give torch.float32 or torch.float64.",
        ),
    ],
)
def test_an_argument_that_does_not_fit_is_one_sentence(changed, message):
    with pytest.raises(UsageError) as caught:
        Recurrent("gru", 3, 5, **changed)
    assert str(caught.value) == f"Recurrent(gru, 3, 5): {message}"


def test_dropout_is_not_taken_for_bidirectional():
    with pytest.raises(UsageError, match="bidirectional=0.2"):
        Recurrent("gru", 3, 5, 2, 0.2)


def test_a_truth_value_is_no_width():
    with pytest.raises(UsageError, match="input_size=True is not a whole number"):
        Recurrent("gru", True, 5)


@pytest.mark.parametrize("kind", [numpy.int64, numpy.int32, torch.tensor])
def test_whole_numbers_of_any_type_are_sizes(kind):
    rnn = Recurrent("gru", kind(3), kind(5), kind(2), numpy.bool_(True), dropout=numpy.float32(0.0))
    assert [type(v) for v in (rnn.input_size, rnn.hidden_size, rnn.num_layers)] == [int] * 3
    assert rnn(torch.randn(4, 2, 3))[0].shape == (4, 2, 10)


@each_drop_in
def test_drop_ins_refuse_ten_million_layers(name):
    with pytest.raises(ValueError, match="num_layers=10000000 is too many"):
        getattr(unrolled, name)(3, 4, 10**7)


# ---- parameters of another shape


@each_backend
@pytest.mark.parametrize(
    "name, shape", [("b_i", (4,)), ("W_i", (4, 3)), ("W_i", (5,)), ("U_f", (5, 6)), ("b_o", (1,))]
)
def test_a_parameter_of_another_shape_is_one_sentence(backend, name, shape):
    rnn = Recurrent("lstm", 3, 5, backend=backend)
    setattr(rnn.layers[0], name, nn.Parameter(torch.zeros(shape)))
    with pytest.raises(ShapeError, match=f"the parameter {name} has shape"):
        rnn(torch.randn(7, 2, 3))


def test_two_wrong_shapes_that_add_up_are_found():
    rnn = Recurrent("lstm", 3, 5)
    rnn.layers[0].b_i, rnn.layers[0].b_f = nn.Parameter(torch.zeros(4)), nn.Parameter(torch.zeros(6))
    with pytest.raises(ShapeError, match="the parameter b_i has shape"):
        rnn(torch.randn(7, 2, 3))


def test_functional_call_with_another_shape_is_one_sentence():
    rnn = Recurrent("gru", 3, 5)
    with pytest.raises(ShapeError, match="the parameter b_r has shape"):
        torch.func.functional_call(rnn, {"layers.0.b_r": torch.zeros(4)}, (torch.randn(7, 2, 3),))


@each_drop_in
@pytest.mark.parametrize("parameter", ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "weight_ih_l1_reverse"])
@pytest.mark.parametrize("axis", [0, -1])
def test_a_drop_ins_parameter_of_another_shape_is_an_error(name, parameter, axis):
    layer = getattr(unrolled, name)(3, 4, 2, bidirectional=True)
    shape = list(getattr(layer, parameter).shape)
    shape[axis] += 3
    setattr(layer, parameter, nn.Parameter(torch.zeros(shape)))
    with pytest.raises(RuntimeError, match=f"{name}'s {parameter} has shape"):
        layer(torch.randn(5, 2, 3))


@pytest.mark.parametrize("what", ["hoisted", "factors", "weights", "vectors", "inputs", "state"])
def test_no_tensor_of_another_shape_reaches_c(what):
    cell, sizes = unrolled.find("peephole_lstm" if what != "inputs" else "sru"), {"I": 5, "H": 5}
    named = {(n,): torch.zeros([sizes[d] for d in cell.graph.shape("parameter", n)]) for n in cell.parameters}
    state = [torch.zeros(2, 5) for _ in cell.states]
    call = prepare(cell.graph, sizes, [torch.zeros(8, 5)], state, named, StepRows(4, 2))
    prepared_of(call)
    held = getattr(call.operands, what)
    if not isinstance(held, torch.Tensor) and not held:
        pytest.skip(f"{cell.name} has no {what}")
    wrong = held[:-1] if isinstance(held, torch.Tensor) else (held[0][:-1], *held[1:])
    with pytest.raises(ShapeError, match=f"was given {what}"):
        prepared_of(call.spec.filled(call.operands._replace(**{what: wrong}).flat))


# ---- sequences and states of the wrong kind


def kinds(x):
    return {
        "sparse": (x.to_sparse(), "layout sparse_coo"),
        "complex": (x.to(torch.complex64), "complex64"),
        "jagged": (torch.nested.nested_tensor(list(x), layout=torch.jagged), "nested tensor"),
        "text": ("abc", "type str"),
    }


@pytest.mark.parametrize("kind", ["sparse", "complex", "jagged", "text"])
def test_x_that_is_no_plain_tensor_is_one_sentence(kind):
    x, message = kinds(torch.randn(7, 2, 3))[kind]
    with pytest.raises(UsageError, match=message):
        Recurrent("lstm", 3, 5)(x)


@pytest.mark.parametrize("kind", [torch.int64, torch.int32, torch.complex64, torch.float64, "sparse"])
def test_a_state_of_the_wrong_kind_is_one_sentence(kind):
    zeros = torch.zeros(1, 2, 5)
    wrong = zeros.to_sparse() if kind == "sparse" else zeros.to(kind)
    with pytest.raises(UsageError, match="layout sparse_coo" if kind == "sparse" else str(kind)[6:]):
        Recurrent("lstm", 3, 5)(torch.randn(7, 2, 3), (wrong, zeros))


@each_drop_in
@pytest.mark.parametrize("kind", ["sparse", "complex", "text"])
def test_drop_ins_refuse_what_torch_refuses_with_its_error(name, kind):
    ours, theirs = twins(name, 3, 4)
    x, _ = kinds(torch.randn(7, 2, 3))[kind]
    with pytest.raises(Exception) as expected:
        theirs(x)
    with pytest.raises(type(expected.value)):
        ours(x)


@each_drop_in
@pytest.mark.parametrize("arity", [0, 1, 2, 3])
def test_a_state_of_the_wrong_arity_is_one_sentence(name, arity):
    if name == "LSTM" and arity == 2:
        return
    layer = getattr(unrolled, name)(3, 4)
    with pytest.raises(RuntimeError, match=f"{name} got a state of {arity} parts"):
        layer(torch.randn(7, 2, 3), (torch.zeros(1, 2, 4),) * arity)


def test_a_further_input_is_counted_in_the_order_in_which_it_is_given():
    rnn = Recurrent("cfc", 3, 5, batch_first=True)
    with pytest.raises(ShapeError, match="x has 7 rows of 4 steps. Give dt as \\(7, 4\\)"):
        rnn((torch.randn(7, 4, 3), torch.rand(4, 7)))
    with pytest.raises(ShapeError, match="x has 7 steps of 4 rows"):
        Recurrent("cfc", 3, 5)((torch.randn(7, 4, 3), torch.rand(4, 7)))


# ---- packed sequences that contradict themselves


@each_drop_in
@pytest.mark.parametrize("sizes", [[2, 3, 2], [3, 3, 3], [3, 2, 1], [3, 4, 0], [3, 5, -1], [8, -1]])
def test_sizes_that_lie_are_refused(name, sizes):
    with pytest.raises(RuntimeError, match="the PackedSequence has 7 rows of data"):
        getattr(unrolled, name)(3, 4)(PackedSequence(torch.randn(7, 3), torch.tensor(sizes)))


@each_drop_in
def test_orders_and_types_that_lie_are_refused(name):
    layer, x, sizes = getattr(unrolled, name)(3, 4), torch.randn(7, 3), torch.tensor([3, 2, 2])
    two = torch.tensor([0, 1])
    for wrong in (
        PackedSequence(x, sizes.int()),
        PackedSequence(x, sizes.unsqueeze(0)),
        PackedSequence(x, sizes, two, two),
    ):
        with pytest.raises(RuntimeError, match="the PackedSequence has"):
            layer(wrong)
    with pytest.raises(IndexError):
        layer(
            PackedSequence(x, sizes, torch.tensor([0, 1, 9]), torch.tensor([0, 1, 9])),
            None if name == "LSTM" else torch.zeros(1, 3, 4),
        )


@each_drop_in
def test_steps_without_rows_at_the_end_are_torchs(name):
    ours, theirs = twins(name, 3, 4)
    packed = PackedSequence(torch.randn(7, 3), torch.tensor([4, 3, 0]))
    torch.testing.assert_close(ours(packed)[0].data, theirs(packed)[0].data)


# ---- results are tensors of their own


@each_drop_in
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
def test_results_may_be_changed_in_place_as_torchs(name, batch_first, layers):
    ours, theirs = twins(name, 3, 3, layers, batch_first=batch_first)
    x = torch.randn(4, 2, 3)
    found = []
    for layer in (ours, theirs):
        mine = x.clone().requires_grad_()
        y, state = layer(mine)
        first(state).detach_()
        if not batch_first:
            layer(mine)[0].detach_()
        if name != "LSTM":  # torch.nn's keeps what it gives out
            y += x
        y.sum().backward()
        found.append(mine.grad)
    torch.testing.assert_close(*found)


@each_drop_in
@each_backend
def test_writing_into_a_result_changes_no_gradient(name, backend):
    layers = [getattr(unrolled, name)(3, 3)]
    layers += [Recurrent({"LSTM": "lstm", "GRU": "gru", "RNN": "elman"}[name], 3, 3, backend=backend)]
    for layer in layers:
        grads = []
        for factor in (1, 2):
            x = (torch.arange(24.0).view(4, 2, 3) / 24).requires_grad_()
            y, state = layer(x)
            y.data.mul_(factor)
            first(state).data.mul_(factor)
            y.sum().backward()
            grads.append(x.grad)
        assert torch.equal(*grads)


@each_drop_in
def test_writing_into_a_packed_result_changes_no_gradient(name):
    layer, grads = getattr(unrolled, name)(3, 3), []
    for factor in (1, 2):
        x = torch.ones(4, 2, 3, requires_grad=True)
        y, _ = layer(pack_padded_sequence(x, [4, 2]))
        y.data.data.mul_(factor)
        y.data.sum().backward()
        grads.append(x.grad)
    assert torch.equal(*grads)


@each_backend
@pytest.mark.parametrize("cell", ["tau_gru", "narx_rnn", "dilated_rnn", "t_gru", "lstm", "elman"])
@pytest.mark.parametrize("steps", [0, 1, 6])
@pytest.mark.parametrize("train", [False, True])
def test_states_share_memory_with_nothing(backend, cell, steps, train):
    rnn = Recurrent(cell, 3, 3, backend=backend)
    x, given = torch.randn(steps, 2, 3), tuple(torch.randn_like(s) for s in rnn.first_state(2))
    with torch.set_grad_enabled(train):
        for start in (given, None):
            y, state = rnn(x, start)
            held = [x, y, *given, *state] if steps else [x, *given, *state]
            places = [t.untyped_storage().data_ptr() for t in held if t.numel()]
            assert len(set(places)) == len(places)
            for s in state:
                s.detach_()


@each_backend
def test_an_input_that_goes_through_is_not_handed_back_itself(backend):
    def through(x, h, *, W, b):
        h = W @ x + b + h
        y = x
        return y, h

    x = torch.randn(20, 2, 3)
    y, _ = Recurrent(through, 3, 5, backend=backend)(x)
    assert torch.equal(x, y) and y.untyped_storage().data_ptr() != x.untyped_storage().data_ptr()


# ---- nothing to run


@each_backend
@pytest.mark.parametrize("cell", ["lstm", "gru", "leaky_esn", "mingru", "indrnn"])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("case", ["no steps", "no rows", "no lengths", "alone"])
def test_gradients_of_nothing_are_zeros(backend, cell, both, case):
    rnn = Recurrent(cell, 3, 5, 2, both, backend=backend)
    x = torch.randn(
        {"no steps": (0, 2, 3), "no rows": (4, 0, 3), "no lengths": (4, 2, 3), "alone": (0, 3)}[case]
    )
    x.requires_grad_()
    rows = {"no rows": 0, "alone": 1}.get(case, 2)
    given = [torch.randn_like(s).requires_grad_() for s in rnn.first_state(rows)]
    state = tuple(s.squeeze(1) if case == "alone" else s for s in given)
    y, last = rnn(x, state, [0, 0] if case == "no lengths" else None)
    assert y.requires_grad and all(s.requires_grad for s in last)
    assert all(torch.equal(a, b) for a, b in zip(state, last))
    (y.sum() + sum(s.sum() for s in last)).backward()
    assert not x.grad.any() and all(p.grad is not None and not p.grad.any() for p in rnn.parameters())
    assert all(torch.equal(s.grad, torch.ones_like(s)) for s in given)
    with torch.no_grad():
        assert not rnn(x, state, [0, 0] if case == "no lengths" else None)[0].requires_grad


# ---- devices and types


@pytest.fixture
def meta_by_default():
    torch.set_default_device("meta")
    yield
    torch.set_default_device(None)


@pytest.mark.parametrize("cell", ["lstm", "leaky_esn", "clockwork_rnn", "lru", "tau_gru"])
def test_every_tensor_made_inside_names_its_device(cell, meta_by_default):
    x = torch.randn(7, 3, 3, device="cpu")
    rnn = Recurrent(cell, 3, 5, 2, dropout=0.2, device="cpu")
    y, state = rnn(x, lengths=[7, 3, 0])
    assert y.device.type == "cpu" and torch.isfinite(rnn(x, state)[0]).all()
    if y.requires_grad:  # a reservoir is not trained
        y.sum().backward()


def test_noise_and_drop_ins_name_their_device(meta_by_default):
    x = torch.randn(7, 3, 3, device="cpu")
    assert Recurrent(zoneout("gru", 0.2), 3, 5, device="cpu")(x)[0].is_cpu
    for name in DROP_INS:
        layer = getattr(unrolled, name)(3, 5, bias=False, device="cpu")
        packed = pack_padded_sequence(x, torch.tensor([7, 4, 2], device="cpu"))
        assert layer(x)[0].is_cpu and layer(packed)[0].data.is_cpu


@pytest.mark.parametrize("cell", ["lstm", "gru", "leaky_esn", "ligru", "lru", "clockwork_rnn"])
def test_shapes_alone_run(cell):
    x = torch.empty(7, 2, 3, device="meta")
    for rnn in (Recurrent(cell, 3, 5, 2, device="meta"), Recurrent(cell, 3, 5, 2).to("meta")):
        y, state = rnn(x)
        assert y.is_meta and y.shape[:2] == (7, 2) and all(s.is_meta for s in state)
        assert rnn(x, state, lengths=[7, 4])[0].shape == y.shape


@each_drop_in
def test_drop_ins_run_on_shapes_alone(name):
    y, _ = getattr(unrolled, name)(3, 5).to("meta")(torch.empty(7, 2, 3, device="meta"))
    assert y.is_meta and y.shape == (7, 2, 5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("cell", ["leaky_esn", "ligru", "lru", "clockwork_rnn", "unicornn"])
def test_first_values_in_half_precision_are_those_of_float32_rounded(cell, dtype):
    rnn = Recurrent(cell, 3, 5, dtype=dtype)
    assert all(torch.isfinite(t.float()).all() for t in rnn.state_dict().values())
    assert rnn(torch.randn(4, 2, 3, dtype=dtype))[0].dtype is dtype


# ---- hooks that renew a tensor


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
@pytest.mark.parametrize("norm", [nn.utils.weight_norm, nn.utils.spectral_norm])
@pytest.mark.parametrize("place", ["Recurrent", *DROP_INS])
def test_norms_with_hooks_work_again_and_again(norm, place):
    layer = Recurrent("gru", 3, 5) if place == "Recurrent" else getattr(unrolled, place)(3, 5)
    held, name = (layer.layers[0], "U_n") if place == "Recurrent" else (layer, "weight_hh_l0")
    norm(held, name)
    x = torch.randn(4, 2, 3)
    for _ in range(2):
        layer(x)[0].sum().backward()
    source = next(p for n, p in held.named_parameters() if n in (f"{name}_g", f"{name}_orig"))
    assert source.grad.any()
    with torch.no_grad():
        before = layer(x)[0].clone()
        source.mul_(2.0) if norm is nn.utils.weight_norm else source.copy_(torch.randn_like(source))
        assert not torch.equal(layer(x)[0], before)


@pytest.mark.parametrize("place", ["Recurrent", *DROP_INS])
def test_pruned_weights_are_zero_and_the_others_learn(place):
    layer = Recurrent("gru", 3, 5) if place == "Recurrent" else getattr(unrolled, place)(3, 5)
    held, name = (layer.layers[0], "U_n") if place == "Recurrent" else (layer, "weight_hh_l0")
    prune.random_unstructured(held, name, 0.5)
    x, mask = torch.randn(4, 2, 3), getattr(held, f"{name}_mask")
    for _ in range(2):
        layer(x)[0].sum().backward()
    gradient = getattr(held, f"{name}_orig").grad
    assert gradient[mask == 1].any() and not gradient[mask == 0].any()
    with torch.no_grad():
        before = layer(x)[0].clone()
        getattr(held, f"{name}_orig").mul_(2.0)
        assert not torch.equal(layer(x)[0], before)
        after = layer(x)[0].clone()
        prune.remove(held, name)
        torch.testing.assert_close(layer(x)[0], after)


@pytest.mark.parametrize("place", ["Recurrent", *DROP_INS])
@pytest.mark.parametrize("kind", ["weight_norm", "spectral_norm", "orthogonal"])
def test_parametrizations_work_on_every_layer(place, kind):
    layer = Recurrent("gru", 3, 5) if place == "Recurrent" else getattr(unrolled, place)(3, 5)
    held, name = (layer.layers[0], "U_n") if place == "Recurrent" else (layer, "weight_hh_l0")
    getattr(nn.utils.parametrizations, kind)(held, name)
    for _ in range(2):
        layer(torch.randn(4, 2, 3))[0].sum().backward()
    assert all(p.grad is not None for p in layer.parameters())


def test_a_dropped_weight_put_in_its_place_is_used():
    rnn = Recurrent("gru", 3, 5)
    held, raw = rnn.layers[0], rnn.layers[0].U_n
    del held._parameters["U_n"]
    held.register_parameter("U_n_raw", raw)
    held.register_forward_pre_hook(lambda module, _: setattr(module, "U_n", module.U_n_raw * 0.0))
    x = torch.randn(4, 2, 3)
    y = rnn(x)[0]
    y.sum().backward()
    assert not raw.grad.any()
    plain = Recurrent("gru", 3, 5)
    plain.load_state_dict({k.replace("_raw", ""): v for k, v in rnn.state_dict().items()})
    plain.layers[0].U_n.data.zero_()
    torch.testing.assert_close(plain(x)[0], y)


# ---- states of unlike widths


@pytest.mark.parametrize("cell", ["t_gru", "t_lstm"])
@pytest.mark.parametrize("sizes", [(3, 5), (5, 3)])
@each_backend
def test_a_state_as_wide_as_the_input_stands_in_a_stack(cell, sizes, backend):
    rnn = Recurrent(cell, *sizes, num_layers=2, backend=backend)
    single = [Recurrent(cell, *sizes), Recurrent(cell, sizes[1], sizes[1])]
    for one, weights in zip(single, rnn.layers):
        one.layers[0].load_state_dict(weights.state_dict())
    x = torch.randn(6, 2, sizes[0])
    below, a = single[0](x)
    above, b = single[1](below)
    y, state = rnn(x)
    torch.testing.assert_close(y, above)
    for whole, *parts in zip(state, a, b):
        assert whole.shape == (2, 2, max(5, 3) if whole is state[1] else sizes[1])
        for layer, part in zip(whole, parts):
            torch.testing.assert_close(layer[:, : part.shape[-1]], part[0])
            assert not layer[:, part.shape[-1] :].any()
    first_half, middle = rnn(x[:3])
    torch.testing.assert_close(torch.cat([first_half, rnn(x[3:], middle)[0]]), y)
    outs, state = [], None
    for x_t in x:
        y_t, state = rnn.step(x_t, state)
        outs.append(y_t)
    torch.testing.assert_close(torch.stack(outs), y)
