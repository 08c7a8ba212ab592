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


def test_what_is_not_written_yet(tmp_path):
    reader = Scaled(SCALE, steps=True, missing=False)
    filters = Filters(reader.width, 50, together=True)
    model = Classifier([Member(reader, filters, Recurrent("gru", filters.width, 4), "last", 2, 0.1)])
    with pytest.raises(NotYet, match="this one reads series through filters"):
        export(model, tmp_path / "m.onnx")
    with pytest.raises(NotYet, match='weights="int8" of a Classifier'):
        export(texts("last", True, False, "gru"), tmp_path / "m.onnx", weights="int8")
    assert not (tmp_path / "m.onnx").exists()
