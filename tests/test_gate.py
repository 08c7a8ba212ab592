"""What a kernel is never handed: tensors without memory of their own, and calls that
somebody follows op by op.
"""

from __future__ import annotations

import pytest
import torch
from layer_cases import assert_close, gradients, leaves, make_input, make_layer, make_state
from torch._subclasses import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.utils._per_sample_grad import call_for_per_sample_grads
from torch.utils.flop_counter import FlopCounterMode

import unrolled
from unrolled import Recurrent
from unrolled.errors import NotYet

CELLS = ["lstm", "gru_reset_before", "mingru"]  # products in one stage, in two, and none in the loop
MAKE = {
    **{name: lambda name=name: make_layer(name, "auto", num_layers=2) for name in CELLS},
    "recompute": lambda: make_layer("lstm", "auto", recompute=True),
    "LSTM": lambda: unrolled.LSTM(3, 5, dtype=torch.float64),
    "GRU": lambda: unrolled.GRU(3, 5, dtype=torch.float64),
}
every_layer = pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)


def some_input(steps: int = 4) -> torch.Tensor:
    torch.manual_seed(2)
    return torch.randn(steps, 2, 3, dtype=torch.float64)


class Own(torch.Tensor):
    """A subclass like those of users, which adds nothing."""


class Wrapper(torch.Tensor):
    """A subclass whose numbers lie in another tensor, and which owns no memory itself."""

    @staticmethod
    def __new__(cls, inner):
        return torch.Tensor._make_wrapper_subclass(cls, inner.shape, dtype=inner.dtype)

    def __init__(self, inner):
        self.inner = inner

    @classmethod
    def __torch_dispatch__(cls, function, types, arguments=(), keywords=None):
        def bare(value):
            return value.inner if isinstance(value, Wrapper) else value

        arguments, keywords = torch.utils._pytree.tree_map(bare, (arguments, keywords or {}))
        return torch.utils._pytree.tree_map_only(torch.Tensor, Wrapper, function(*arguments, **keywords))


@every_layer
def test_fake_tensors_stay_fake(make):
    layer = make()
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        x = mode.from_tensor(some_input()).requires_grad_()
        y, _ = layer(x)
        y.sum().backward()
    assert type(y) is type(x.grad) and y.shape[:2] == (4, 2) and x.grad.shape == x.shape


@every_layer
def test_make_fx_writes_down_the_equations(make):
    layer, x = make(), some_input()

    def gradient(x):
        return torch.autograd.grad(layer(x)[0].square().sum(), x)[0]

    written = make_fx(lambda x: layer(x)[0])(x)
    assert_close([written(x + 1)], [layer(x + 1)[0]])
    backwards = make_fx(gradient)(x.clone().requires_grad_())
    other = (x + 1).requires_grad_()
    assert_close([backwards(other)], [gradient(other)])


@every_layer
def test_subclasses_come_back_as_such(make):
    layer, x = make(), some_input()
    expected = layer(x)[0].detach()
    y, _ = layer(x.as_subclass(Own))
    assert type(y) is Own
    assert_close([y.as_subclass(torch.Tensor)], [expected])


@pytest.mark.parametrize("name", CELLS)
def test_wrapper_subclasses_are_computed_with(name):
    layer, x = make_layer(name, "auto").requires_grad_(False), some_input()
    y, _ = layer(Wrapper(x))
    assert_close([y.inner], [layer(x)[0]])


@every_layer
def test_lazily_negated_values_keep_their_signs(make):
    layer, x = make(), some_input()

    def through(x, above):
        x = x.requires_grad_()
        y, _ = layer(x)
        return y, *torch.autograd.grad(y, x, above)

    above = torch.randn(layer(x)[0].shape, dtype=x.dtype)
    found = through(torch._neg_view(x), torch._neg_view(-above))
    assert_close(found, through(-x, above))


def test_every_tensor_of_a_call_may_be_lazily_negated():
    layer = make_layer("lstm", "auto")
    x, state = make_input(layer, 5, 2), make_state(layer, 2)
    expected = layer(x, state)
    wanted = gradients((expected[0], *expected[1]), leaves(layer, x, state))
    weights = {name: torch._neg_view(-p.detach()) for name, p in layer.named_parameters()}
    given = [torch._neg_view(-t.detach()) for t in (x, *state)]
    every = [t.requires_grad_() for t in (*weights.values(), *given)]
    y, last = torch.func.functional_call(layer, weights, (given[0], tuple(given[1:])))
    assert_close((y, *last), (expected[0], *expected[1]))
    assert_close(gradients((y, *last), every), wanted)


def test_the_imaginary_part_of_a_conjugate():
    layer = make_layer("lstm", "auto", torch.float32)
    z = torch.randn(4, 2, 3, dtype=torch.complex64)
    assert z.conj().imag.is_neg()
    assert torch.equal(layer(z.conj().imag)[0], layer(-z.imag)[0])


@every_layer
def test_zeros_without_memory_are_zeros(make):
    layer, x = make(), some_input()
    nothing = torch._efficientzerotensor((4, 2, 3), dtype=torch.float64)
    assert_close([layer(nothing)[0]], [layer(torch.zeros_like(x))[0]])
    x = x.requires_grad_()
    y, _ = layer(x)
    above = torch._efficientzerotensor(y.shape, dtype=torch.float64)
    (gradient,) = torch.autograd.grad(y, x, above)
    assert not gradient.any()


def test_a_tensor_whose_storage_was_given_up_is_refused():
    layer = make_layer("lstm", "c")
    with torch.no_grad():
        x = some_input()
        x.untyped_storage().resize_(0)
        with pytest.raises(NotYet, match="one is without storage"):
            layer(x)


@every_layer
def test_batches_of_gradients(make):
    layer = make()
    x = some_input(40)

    def run(x):
        y, last = layer(x)
        return (y[-1], *(last if isinstance(last, tuple) else (last,)))

    jacobian = torch.autograd.functional.jacobian
    for a, b in zip(jacobian(run, x, vectorize=True), jacobian(run, x)):
        assert_close([a], [b])
    hessian, small = torch.autograd.functional.hessian, x[:3]

    def loss(x):
        return layer(x)[0].square().sum()

    assert_close([hessian(loss, small, vectorize=True)], [hessian(loss, small)])


@every_layer
def test_per_sample_gradients_by_vmap(make):
    layer = make()
    weights = {k: v.detach() for k, v in layer.named_parameters()}
    many = torch.stack([some_input(), 2 * some_input()])

    def loss(weights, x):
        return torch.func.functional_call(layer, weights, (x,))[0].square().sum()

    each = torch.vmap(torch.func.grad(loss), (None, 0))(weights, many)
    for k, x in enumerate(many):
        assert_close([v[k] for v in each.values()], torch.func.grad(loss)(weights, x).values())


@pytest.mark.parametrize("name", ["LSTM", "GRU", "RNN"])
def test_expanded_weights_give_per_sample_gradients_of_drop_ins(name):
    layer = getattr(unrolled, name)(3, 5, batch_first=True, dtype=torch.float64)
    x = some_input(6)
    y, _ = call_for_per_sample_grads(layer, batch_size=6)(x)
    y.sum().backward()
    for k in range(6):
        alone = torch.autograd.grad(layer(x[k : k + 1])[0].sum(), list(layer.parameters()))
        assert_close([p.grad_sample[k] for p in layer.parameters()], alone)


def test_a_flop_counter_sees_the_products():
    """Two flops for each weight, row and step; a backward pass makes two products of each."""
    x = torch.randn(7, 2, 3)
    layer, torchs = Recurrent("lstm", 3, 5), unrolled.LSTM(3, 5)
    products = 2 * 7 * 2 * 4 * 5 * (3 + 5)
    for each in (layer, torchs):
        with FlopCounterMode(display=False) as forward:
            y, _ = each(x)
        assert forward.get_total_flops() == products
        with FlopCounterMode(display=False) as both:
            each(x.clone().requires_grad_())[0].sum().backward()
        assert both.get_total_flops() >= 2.5 * products


def test_a_chosen_kernel_says_why_it_is_closed():
    layer, x = make_layer("lstm", "c"), some_input()
    with pytest.raises(NotYet) as error, FlopCounterMode(display=False):
        layer(x)
    assert str(error.value).startswith(
        "the c backend cannot run lstm here: a mode that sees every operation (fake tensors, make_fx, a FLOP"
        " counter)"
    )
    with pytest.raises(NotYet, match="it reads plain tensors, and one is a Own"):
        layer(x.as_subclass(Own))
