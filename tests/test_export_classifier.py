"""A classifier in onnxruntime says what it says here: texts of unequal lengths, numbers with some
missing, several labels.
"""

from __future__ import annotations

import pytest
import torch
from onnx_cases import session

from unrolled import Recurrent, export
from unrolled.data.examples import padded
from unrolled.errors import NotYet
from unrolled.models.classifier import Classifier, Embedded, Member, PaddedRows
from unrolled.models.series import Filters, Scaled
from unrolled.tasks.classify import perceptron

SCALE = ((0.5, -1.0, 2.0), (2.0, 0.5, 1.0), (1.0, 1.0, 1.0))


def texts(pool: str, both: bool, several: bool, cell: str) -> Classifier:
    members = [
        Member(Embedded(9, 4), None, Recurrent(cell, 4, 5, bidirectional=both), pool, 3, 0.1) for _ in range(2)
    ]
    return Classifier(members, several=several).eval()


@pytest.mark.parametrize("lengths", ["optional", "required", "none"])
@pytest.mark.parametrize(
    "pool, both, several, cell",
    [
        ("last", True, False, "gru"),
        ("mean and max", True, True, "mgu"),
        ("all", False, False, "lstm"),
        ("all", True, False, "gru"),
    ],
)
def test_texts(pool, both, several, cell, lengths, tmp_path):
    torch.manual_seed(0)
    model = texts(pool, both, several, cell)
    written = export(model, tmp_path / "m.onnx", lengths=lengths)
    assert written.outputs == ("probabilities",) and written.inputs[0] == "x"
    made = session(written.path)
    values, counts = padded([torch.randint(9, (n,)) for n in (7, 1, 4)])
    if lengths != "none":
        (found,) = made.run(None, {"x": values.numpy(), "lengths": counts.numpy()})
        torch.testing.assert_close(
            torch.from_numpy(found), model.log_chances(PaddedRows(values, counts)).exp(), atol=1e-5, rtol=1e-5
        )
    if lengths != "required":
        (found,) = made.run(None, {"x": values.numpy()})
        whole = model.log_chances(PaddedRows(values, torch.full((3,), 7))).exp()
        torch.testing.assert_close(torch.from_numpy(found), whole, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("missing", [False, True])
def test_numbers(missing, tmp_path):
    torch.manual_seed(1)

    def member() -> Member:
        reader = Scaled(SCALE, steps=False, missing=missing)
        return Member(reader, None, Recurrent(perceptron, reader.width, 6, num_layers=2), "last", 4, 0.1)

    model = Classifier([member() for _ in range(3)]).eval()
    written = export(model, tmp_path / "m.onnx", lengths="none")
    assert set(written.layers.values()) == {"equations"}
    x = torch.randn(1, 5, 3)
    if missing:
        x[0, 2, 1] = float("nan")
    (found,) = session(written.path).run(None, {"x": x.numpy()})
    expected = model.log_chances(PaddedRows(x, torch.ones(5, dtype=torch.int64))).exp()
    torch.testing.assert_close(torch.from_numpy(found), expected, atol=1e-5, rtol=1e-5)


def series(channels: int, steps: int, missing: bool, pool: str, both: bool) -> Classifier:
    def member(number: int) -> Member:
        # Each of a committee has its own.
        scale = [[value + number for value in part[:channels]] for part in SCALE]
        reader = Scaled(scale, steps=True, missing=missing)
        filters = Filters(reader.width, steps, together=channels > 1)
        for norm in filters.norms:
            torch.nn.init.normal_(norm.weight)
            torch.nn.init.normal_(norm.bias)
        rnn = Recurrent("gru", filters.width, 6, 2, both)
        return Member(reader, filters, rnn, pool, 3, 0.1)

    return Classifier([member(number) for number in range(2)]).eval()


@pytest.mark.parametrize("lengths", ["optional", "required", "none"])
@pytest.mark.parametrize(
    "channels, steps, missing, pool, both",
    [
        (1, 40, False, "mean and max", True),
        (1, 100, True, "last", True),
        (3, 10, True, "all", True),
        (3, 200, False, "last", False),
        (2, 900, True, "mean and max", False),
    ],
)
@torch.no_grad()
def test_series(channels, steps, missing, pool, both, lengths, tmp_path):
    """Raw numbers, some of them missing, of unequal lengths and with NaN or anything behind them."""
    torch.manual_seed(2)
    model = series(channels, steps, missing, pool, both)
    written = export(model, tmp_path / "m.onnx", lengths=lengths)
    made = session(written.path)
    for longest in (37, 1):
        counts = torch.tensor([longest, 1, max(1, longest // 3), longest])
        counts = torch.full((4,), longest) if lengths == "none" else counts
        x = 5 * torch.randn(longest, 4, channels) + 3
        if channels > 1:  # of a lone channel that never changes, on its own scale, rounding alone would be left
            x[:, 3] = 2.0
        if missing:
            x[torch.rand(x.shape) < 0.2] = float("nan")
            x[:, 1] = float("nan")
        for row, count in enumerate(counts):
            x[count:, row] = float("nan") if row else 1e30
        given = {"x": x.numpy()} | ({} if lengths == "none" else {"lengths": counts.numpy()})
        (found,) = made.run(None, given)
        expected = model.log_chances(PaddedRows(x, counts)).exp()
        torch.testing.assert_close(torch.from_numpy(found), expected, atol=1e-5, rtol=0)
        if lengths == "optional":
            (alone,) = made.run(None, {"x": x[: counts[2], 2:3].numpy()})
            torch.testing.assert_close(torch.from_numpy(alone), expected[2:3], atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["texts", "series", "numbers"])
@torch.no_grad()
def test_int8_costs_what_is_said(kind, tmp_path):
    torch.manual_seed(3)
    if kind == "texts":
        model, x = texts("all", True, False, "gru"), torch.randint(9, (20, 6))
    elif kind == "series":
        model, x = series(3, 50, False, "all", True), torch.randn(50, 6, 3) + torch.tensor(SCALE[0])
    else:
        reader = Scaled(SCALE, steps=False, missing=False)
        rnn = Recurrent(perceptron, reader.width, 20, num_layers=2)
        model, x = Classifier([Member(reader, None, rnn, "last", 4, 0.1)]).eval(), torch.randn(1, 6, 3)
    small = export(model, tmp_path / "m.onnx", weights="int8")
    (found,) = session(small.path).run(None, {"x": x.numpy()})
    expected = model.log_chances(PaddedRows(x, torch.full((6,), len(x)))).exp()
    assert 0 < (torch.from_numpy(found) - expected).abs().max() < 4 * small.difference[0] < 0.1
    assert small.saved > 100


def test_float64(tmp_path):
    """onnxruntime has no convolution of such numbers."""
    with pytest.raises(NotYet, match="no convolution of float64. Give model.float()"):
        export(series(1, 40, False, "last", True).double(), tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()
    model = texts("all", True, False, "mgu").double()
    x = torch.randint(9, (5, 2))
    (found,) = session(export(model, tmp_path / "m.onnx").path, exact=True).run(None, {"x": x.numpy()})
    expected = model.log_chances(PaddedRows(x, torch.full((2,), 5))).exp()
    torch.testing.assert_close(torch.from_numpy(found), expected, atol=1e-9, rtol=0)
