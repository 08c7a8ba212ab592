"""Word models in onnxruntime."""

from __future__ import annotations

import pytest
import torch
from onnx_cases import compare, ran, session

from unrolled.errors import NotYet
from unrolled.exports.write import export
from unrolled.models.words import WordModel


@pytest.mark.parametrize(("kind", "width"), [("tied", None), ("tied", 5), ("full", 12)])
def test_a_word_model_in_onnxruntime(kind, width, tmp_path):
    torch.manual_seed(5)
    indices = torch.randint(40, (5, 2))
    model = WordModel(40, "lstm", 16, 2, width=width, softmax=kind, dropout=0.5, weight_drop=0.3)
    written = export(model, tmp_path / "m.onnx")
    assert list(written.layers.values()) == ["LSTM", "LSTM"] and written.outputs[0] == "logits"
    with torch.no_grad():
        state = model.eval()(indices)[1]
        compare(ran(session(written.path), indices, state), model(indices, state), "model")
    small = export(model, tmp_path / "small.onnx", weights="int8")
    assert small.size < 0.7 * written.size and small.difference[0] < 0.01


def test_an_adaptive_softmax_is_not_written_yet(tmp_path):
    with pytest.raises(NotYet, match="Adaptive"):
        export(WordModel(40, "lstm", 4, softmax="adaptive"), tmp_path / "m.onnx")
