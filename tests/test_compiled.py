"""Layers under torch.compile and torch.export: what the operator checks when it runs,
and what a program carries.
"""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from layer_cases import assert_close, gradients, leaves, make_layer
from torch.nn.utils.rnn import pack_padded_sequence

import unrolled
from unrolled import Recurrent
from unrolled.errors import ShapeError, UsageError
from unrolled.layers import operator


@pytest.fixture(autouse=True)
def _fresh():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def compiled(layer, **options):
    return torch.compile(layer, backend="aot_eager", fullgraph=True, **options)


@pytest.mark.parametrize("index", [-1, 7, 10**8])
@pytest.mark.parametrize("dynamic", [False, True])
def test_compiled_layers_refuse_indices_that_stand_for_nothing(index, dynamic):
    layer = Recurrent("lstm", 7, 5)
    run = compiled(layer, dynamic=dynamic)
    x = torch.randint(0, 7, (4, 2))
    assert_close([run(x)[0]], [layer(x)[0]], torch.float32)
    x[2, 1] = index
    with pytest.raises(UsageError) as error:
        run(x)
    said = str(error.value).partition("\n")[0]  # torch 2.8 adds below it what ran
    assert said == f"lstm got index {index} in x. With input_size 7, indices run from 0 to 6."


RAGGED = {
    "both ways": lambda: make_layer("lstm", "auto", num_layers=2, bidirectional=True),
    "batch first": lambda: make_layer("gru_reset_before", "auto", batch_first=True),
    "no products": lambda: make_layer("mingru", "auto", recompute=True),
    "reference": lambda: make_layer("lem", "reference", bidirectional=True),
}


@pytest.mark.parametrize("make", RAGGED.values(), ids=RAGGED)
def test_compiled_layers_take_lengths(make):
    layer = make()
    run = compiled(layer)
    torch.manual_seed(2)
    x = torch.randn(5, 3, 3, dtype=torch.float64)
    x = (x.transpose(0, 1) if layer.batch_first else x).requires_grad_()
    for lengths in ([5, 3, 0], [1, 5, 4], [5, 5, 5]):
        wanted = leaves(layer, x)
        y, last = run(x, None, torch.tensor(lengths))
        expected, final = layer(x, None, lengths)
        assert_close((y, *last), (expected, *final))
        assert_close(gradients((y, *last), wanted), gradients((expected, *final), wanted))
    y, last = run(x, None, torch.tensor([0, 0, 0]))
    assert not y.any() and not any(g.any() for g in gradients((y, *last), leaves(layer, x)))
    with pytest.raises(ShapeError, match=r"got length 6 for row 1 of a sequence of 5 steps"):
        run(x, None, torch.tensor([1, 6, 2]))


def test_padding_of_nan_never_leaks_from_compiled_layers():
    layer = make_layer("lstm", "auto", bidirectional=True)
    x, lengths = torch.randn(5, 3, 3, dtype=torch.float64), torch.tensor([2, 5, 0])
    padded = x.clone()
    padded[torch.arange(5)[:, None] >= lengths] = torch.nan
    y, last = compiled(layer)(padded, None, lengths)
    assert_close((y, *last), (lambda y, s: (y, *s))(*layer(x, None, lengths)))


def test_packed_sequences_go_through_a_compiler():
    layer = unrolled.LSTM(3, 5, bidirectional=True)
    packed = pack_padded_sequence(torch.randn(6, 3, 3), [6, 4, 1])
    found, _ = torch.compile(layer, backend="aot_eager")(packed)
    torch.testing.assert_close(found.data, layer(packed)[0].data)


@pytest.mark.parametrize("kind", [unrolled.LSTM, unrolled.GRU, unrolled.RNN])
def test_empty_batches_go_through_a_compiler(kind):
    layer = kind(3, 5)
    y, _ = compiled(layer)(torch.zeros(4, 0, 3))
    assert y.shape == (4, 0, 5)
    with pytest.raises(RuntimeError, match="Expected sequence length to be larger than 0 in RNN"):
        torch.compile(layer, backend="aot_eager")(torch.zeros(0, 2, 3))


@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_dropout_and_noise_go_through_a_compiler(backend):
    layer = Recurrent(unrolled.zoneout("lstm", 0.5), 3, 64, num_layers=2, dropout=0.5)
    run = torch.compile(layer, backend=backend, fullgraph=True)
    x = torch.randn(6, 4, 3)
    a, b = run(x)[0], run(x)[0]
    assert not torch.equal(a, b)
    layer.eval()
    torch.testing.assert_close(run(x)[0], layer(x)[0])
    dropped = torch.compile(unrolled.layers.dropout.Dropout(0.25), backend=backend, fullgraph=True)(
        torch.ones(200, 500)
    )
    assert dropped.unique().tolist() == pytest.approx([0.0, 4 / 3])
    assert abs((dropped == 0).float().mean().item() - 0.25) < 0.01


class Tagger(torch.nn.Module):
    """Characters in, two numbers out."""

    def __init__(self, cell):
        super().__init__()
        self.rnn, self.head = Recurrent(cell, 7, 5, num_layers=2), torch.nn.Linear(5, 2)

    def forward(self, x, lengths):
        return self.head(self.rnn(x, lengths=lengths)[0])


ELSEWHERE = """
import sys, torch, unrolled
from unrolled import Recurrent
for other in ("relu", "relu", "tanh"):  # whatever this process made before
    Recurrent(unrolled.find("elman").using(nonlinearity=other), 7, 5)
folder = sys.argv[1]
x, lengths, expected = torch.load(folder + "/numbers.pt")
program = torch.export.load(folder + "/program.pt2").module()
torch.testing.assert_close(program(x, lengths), expected)
for wrong in (-1, 7):
    try:
        program(torch.full_like(x, wrong), lengths)
    except unrolled.errors.UsageError as error:
        assert f"got index {wrong} in x" in str(error), error
    else:
        raise SystemExit("an index that stands for nothing was taken")
"""


@pytest.mark.parametrize("nonlinearity, strict", [("tanh", False), ("relu", True)])
def test_an_exported_program_carries_its_equations(nonlinearity, strict, tmp_path):
    torch.manual_seed(0)
    model = Tagger(unrolled.find("elman").using(nonlinearity=nonlinearity))
    x, lengths = torch.randint(0, 7, (6, 3)), torch.tensor([6, 2, 4])
    steps, batch = torch.export.Dim("steps", min=2), torch.export.Dim("batch", min=2)
    shapes = ({0: steps, 1: batch}, {0: batch})
    program = torch.export.export(model, (x[:4], lengths % 5), dynamic_shapes=shapes, strict=strict)
    torch.export.save(program, tmp_path / "program.pt2")
    torch.save((x, lengths, model(x, lengths).detach()), tmp_path / "numbers.pt")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ELSEWHERE, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert not done.returncode, done.stderr


@pytest.mark.parametrize("make", [lambda: unrolled.find("slstm"), lambda: unrolled.zoneout("lstm", 0.5)])
def test_equations_are_read_from_a_program_as_they_were(make):
    graph = make().graph
    text = operator.text_of(graph)
    assert operator.graph_of(text) == graph
    assert operator._read(text) == graph


def run_operator(**changed):
    """The operator as a program calls it, with one thing changed."""
    layer = make_layer("lstm", "auto")
    weights = layer.layers[0].named()
    given = {
        "inputs": [torch.randn(8, 3, dtype=torch.float64)],
        "state": [torch.zeros(2, 5, dtype=torch.float64) for _ in "hc"],
        "parameters": list(weights.values()),
        "lengths": None,
        "cell": operator.text_of(layer.cell.graph),
        "dims": "I,H",
        "widths": [3, 5],
        "names": ",".join(name for (name,) in weights),
        "steps": 4,
        "batch": 2,
        "rows": [0],
        "reverse": False,
        "backend": "auto",
        "recompute": False,
        "mixed": False,
    } | changed
    return torch.ops.unrolled.run(*given.values())


@pytest.mark.parametrize(
    "changed, said",
    [
        ({"inputs": [torch.randn(7, 3, dtype=torch.float64)]}, r"x of shape \(7, 3\) .* \(8, 3\) expected"),
        ({"inputs": [torch.randn(8, 4, dtype=torch.float64)]}, r"x of shape \(8, 4\) .* \(8, 3\) expected"),
        ({"state": [torch.zeros(2, 4, dtype=torch.float64)] * 2}, r"h of shape \(2, 4\) .* \(2, 5\) expected"),
        ({"widths": [3, 6]}, r"h of shape \(2, 5\) .* \(2, 6\) expected"),
        ({"steps": 5}, r"x of shape \(8, 3\) .* \(10, 3\) expected"),
        ({"parameters": [torch.zeros(5, 2, dtype=torch.float64)] * 12}, r"W_i of shape \(5, 2\)"),
        ({"cell": "{}"}, "the program holds no cell that can be read: its graph has no name"),
        ({"cell": "nothing"}, "the program holds no cell that can be read: Expecting value"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_the_operator_checks_shapes_itself(changed, said):
    run_operator()
    with pytest.raises(UsageError, match=said):
        run_operator(**changed)
