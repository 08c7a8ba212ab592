"""What works around a layer: each test is a line of the table in the docs."""

from __future__ import annotations

import copy
import os
import threading
import warnings

import pytest
import torch
from layer_cases import BACKENDS, assert_close, gradients, leaves, make_input, make_layer, make_state
from torch.utils.checkpoint import checkpoint

import unrolled
from unrolled import Recurrent

every_backend = pytest.mark.parametrize("backend", BACKENDS)
SEVERAL = ["lstm", "gru_reset_before", "lem", "rhn", "intersection_rnn"]  # one of every kind of loop
several_cells = pytest.mark.parametrize("name", SEVERAL)


@several_cells
@every_backend
def test_truncated_bptt_carries_values_and_no_gradients(name, backend):
    layer = make_layer(name, backend)
    x = make_input(layer, 6, 2)
    whole, _ = layer(x)
    first, state = layer(x[:3])
    second, _ = layer(x[3:], tuple(s.detach() for s in state))
    assert_close((torch.cat([first, second]),), (whole,))
    (g,) = torch.autograd.grad(second.sum(), x)
    assert not g[:3].any() and g[3:].any()


@several_cells
@every_backend
def test_no_grad_and_inference_mode_give_the_same_values(name, backend):
    layer = make_layer(name, backend)
    x = make_input(layer, 6, 2)
    y, state = layer(x)
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            quiet, last = layer(x)
        assert not quiet.requires_grad
        assert_close((quiet, *last), (y.detach(), *(s.detach() for s in state)))


@several_cells
@every_backend
def test_gradients_only_where_they_are_asked_for(name, backend):
    layer = make_layer(name, backend)
    x, state = make_input(layer, 5, 2), make_state(layer, 2)
    wanted = leaves(layer, x, state)
    expected = gradients((lambda y, s: (y, *s))(*layer(x, state)), wanted)
    for k, leaf in enumerate(wanted):
        for other in wanted:
            other.requires_grad_(other is leaf)
        y, last = layer(x, state)
        found = gradients([r for r in (y, *last) if r.requires_grad], [leaf])
        if all(r.requires_grad for r in (y, *last)):
            assert_close(found, expected[k : k + 1])
    for other in wanted:
        other.requires_grad_(True)


@several_cells
@every_backend
def test_double_backward(name, backend):
    layer = make_layer(name, backend)
    x, state = make_input(layer, 3, 2), make_state(layer, 2)
    names = [n for n, _ in layer.named_parameters()]

    def run(x, *rest):
        state, parameters = rest[: len(layer.cell.states)], dict(zip(names, rest[len(layer.cell.states) :]))
        y, last = torch.func.functional_call(layer, parameters, (x, state))
        return (y, *last)

    inputs = (x, *state, *layer.parameters())
    assert torch.autograd.gradgradcheck(run, tuple(v.detach().requires_grad_() for v in inputs), fast_mode=True)


@several_cells
@every_backend
def test_gradients_against_finite_differences(name, backend):
    layer = make_layer(name, backend)
    x, state = make_input(layer, 3, 2), make_state(layer, 2)

    def run(x, *state):
        y, last = layer(x, state)
        return (y, *last)

    assert torch.autograd.gradcheck(run, (x, *state), fast_mode=True)


@several_cells
@every_backend
def test_two_forwards_before_a_backward_and_one_backward_twice(name, backend):
    layer = make_layer(name, backend)
    x, other = make_input(layer, 5, 2), make_input(layer, 5, 2, seed=9)
    expected = torch.autograd.grad(layer(x)[0].sum(), x)
    y, z = layer(x)[0], layer(other)[0]
    z.sum().backward()
    assert_close(torch.autograd.grad(y.sum(), x, retain_graph=True), expected)
    assert_close(torch.autograd.grad(y.sum(), x), expected)
    with pytest.raises(RuntimeError, match="second time"):
        y.sum().backward()


@several_cells
def test_func_grad_and_vmap_and_jvp_are_right(name):
    layer = make_layer(name, "auto")
    x, state = make_input(layer, 4, 2).detach(), tuple(s.detach() for s in make_state(layer, 2))
    parameters = {k: v.detach() for k, v in layer.named_parameters()}

    def loss(parameters, x):
        return torch.func.functional_call(layer, parameters, (x, state))[0].square().sum()

    by_func = torch.func.grad(loss)(parameters, x)
    leaves = {k: v.clone().requires_grad_() for k, v in parameters.items()}
    assert_close(list(by_func.values()), torch.autograd.grad(loss(leaves, x), list(leaves.values())))

    many = torch.stack([x, x + 1, 2 * x])
    assert_close(
        (torch.vmap(lambda v: layer(v, state)[0])(many),), (torch.stack([layer(v, state)[0] for v in many]),)
    )
    each = torch.vmap(torch.func.grad(loss), (None, 0))(parameters, many)
    assert_close([v[1] for v in each.values()], list(torch.func.grad(loss)(parameters, many[1]).values()))

    tangent = torch.randn_like(x)
    _, moved = torch.func.jvp(lambda v: layer(v, state)[0], (x,), (tangent,))
    difference = (layer(x + 1e-6 * tangent, state)[0] - layer(x - 1e-6 * tangent, state)[0]) / 2e-6
    torch.testing.assert_close(moved, difference, rtol=1e-5, atol=1e-7)
    with torch.autograd.forward_ad.dual_level():
        y, _ = layer(torch.autograd.forward_ad.make_dual(x, tangent), state)
        assert_close((torch.autograd.forward_ad.unpack_dual(y).tangent,), (moved,))


@every_backend
def test_autocast_rounds_what_goes_out_and_keeps_states(backend):
    layer = Recurrent("lstm", 3, 5, num_layers=2, backend=backend)
    x = torch.randn(6, 2, 3)
    y, state = layer(x)
    with torch.autocast("cpu", torch.bfloat16):
        mixed, last = layer(x.bfloat16(), tuple(torch.zeros_like(s) for s in state))
        mixed.sum().backward()
    assert mixed.dtype is torch.bfloat16 and all(s.dtype is torch.float32 for s in last)
    torch.testing.assert_close(mixed.float(), y, rtol=0.05, atol=0.05)
    assert all(p.grad.dtype is torch.float32 and p.grad.isfinite().all() for p in layer.parameters())


@several_cells
@every_backend
def test_checkpointing_gives_the_same_gradients(name, backend):
    layer = make_layer(name, backend)
    x, state = make_input(layer, 5, 2), make_state(layer, 2)
    wanted = leaves(layer, x, state)
    expected = layer(x, state)
    for reentrant in (False, True):
        y, last = (
            checkpoint(layer, x, state, use_reentrant=reentrant)
            if not reentrant
            else checkpoint(lambda x, *s: layer(x, s), x, *state, use_reentrant=True)
        )
        assert_close((y, *last), (expected[0], *expected[1]))
        if not reentrant:
            assert_close(gradients((y, *last), wanted), gradients((expected[0], *expected[1]), wanted))


@every_backend
def test_threads_run_layers_at_the_same_time(backend):
    layer = make_layer("gru", backend)
    inputs = [make_input(layer, 20, 3, seed=k).detach() for k in range(6)]
    expected = [layer(x)[0] for x in inputs]
    found: dict[int, torch.Tensor] = {}

    def work(k: int) -> None:
        for _ in range(10):
            x = inputs[k].clone().requires_grad_()
            y, _ = layer(x)
            torch.autograd.grad(y.sum(), x)
        found[k] = y

    workers = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert_close([found[k] for k in range(6)], expected)


class Encoded(torch.utils.data.Dataset):
    """A data set whose items pass through a layer, inside a worker."""

    def __init__(self, layer: Recurrent):
        self.layer = layer

    def __len__(self) -> int:
        return 6

    def __getitem__(self, k: int) -> torch.Tensor:
        with torch.no_grad():
            return self.layer(torch.full((4, 3), float(k)))[0]


@pytest.mark.parametrize("context", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_data_loader_workers_run_layers(context):
    torch.manual_seed(0)
    data = Encoded(Recurrent("gru", 3, 5))
    data[0]
    loader = torch.utils.data.DataLoader(
        data, batch_size=3, num_workers=1 if context == "spawn" else 2, multiprocessing_context=context
    )
    torch.testing.assert_close(torch.cat(list(loader)), torch.stack([data[k] for k in range(6)]))


@every_backend
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_trains(backend):
    layer = make_layer("lstm", backend, hidden_size=64)
    x = make_input(layer, 30, 16)
    expected = torch.autograd.grad(layer(x)[0].sum(), x)[0]
    child = os.fork()
    if not child:
        torch.set_num_threads(1)  # as a DataLoader's workers do: torch's own products hang in a child otherwise
        found = torch.autograd.grad(layer(x)[0].sum(), x)[0]
        os._exit(0 if torch.allclose(found, expected, rtol=1e-10, atol=1e-10) else 1)
    deadline = threading.Timer(60, os.kill, (child, 9))
    deadline.start()
    _, status = os.waitpid(child, 0)
    deadline.cancel()
    assert os.waitstatus_to_exitcode(status) == 0


def test_distributed_data_parallel_averages_gradients(tmp_path):
    torch.multiprocessing.spawn(_one_of_two, (str(tmp_path),), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    layer = Recurrent("gru", 3, 5, backend="reference")
    layer.load_state_dict(first["weights"])
    y = torch.cat([layer(torch.ones(4, 2, 3) * k)[0].mean()[None] for k in range(2)])
    y.mean().backward()
    for parameter, a, b in zip(layer.parameters(), first["gradients"], second["gradients"]):
        assert torch.equal(a, b)
        torch.testing.assert_close(parameter.grad, a)


def _one_of_two(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=2)
    torch.manual_seed(rank)
    layer = Recurrent("gru", 3, 5)
    model = torch.nn.parallel.DistributedDataParallel(layer)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model(torch.ones(4, 2, 3) * rank)[0].mean().backward()
    gradients = [p.grad for p in layer.parameters()]
    torch.save({"weights": layer.state_dict(), "gradients": gradients}, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


class Tagger(torch.nn.Module):
    """A model that contains a layer."""

    def __init__(self, rnn: torch.nn.Module):
        super().__init__()
        self.rnn, self.head = rnn, torch.nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.rnn(torch.relu(x))[0])


@pytest.mark.parametrize(
    "make",
    [
        lambda: Recurrent("mgu", 6, 8, num_layers=2),
        lambda: unrolled.LSTM(6, 8),
        lambda: unrolled.GRU(6, 4, bidirectional=True),
    ],
    ids=["Recurrent", "LSTM", "GRU"],
)
def test_compile_of_a_whole_model(make):
    torch.manual_seed(0)
    model = Tagger(make())
    x = torch.randn(5, 3, 6, requires_grad=True)
    expected = model(x)
    wanted = [x, *model.parameters()]
    expected_gradients = torch.autograd.grad(expected.square().sum(), wanted)
    torch._dynamo.reset()
    compiled = torch.compile(copy.deepcopy(model), fullgraph=True)
    found = compiled(x)
    found_gradients = torch.autograd.grad(found.square().sum(), [x, *compiled.parameters()])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    for a, b in zip(found_gradients, expected_gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
