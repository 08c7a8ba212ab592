"""Word models in onnxruntime."""

from __future__ import annotations

import pytest
import torch
from onnx_cases import compare, ran, session

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
    once = 4 * sum(parameter.numel() for parameter in model.parameters())
    assert once < written.size < once + 16_000  # a tied matrix stands there once
    small = export(model, tmp_path / "small.onnx", weights="int8")
    assert small.size < 0.7 * written.size and small.difference[0] < 0.01


@pytest.mark.parametrize("weights", ["", "int8"])
def test_an_adaptive_softmax_says_the_chances_of_all_words(weights, tmp_path):
    torch.manual_seed(5)
    indices = torch.randint(12_000, (5, 2))
    model = WordModel(12_000, "lstm", 16, softmax="adaptive").eval()  # two groups
    assert len(model.head.groups) == 2
    torch.nn.init.normal_(model.head.first.bias)
    written = export(model, tmp_path / "m.onnx", weights=weights)
    assert written.outputs[0] == "log_probabilities"
    with torch.no_grad():
        expected = model(indices)
    found = ran(session(written.path), indices, model.rnn.first_state(2))
    assert torch.allclose(found[0].exp().sum(-1), torch.ones(5, 2), atol=1e-5)
    if not weights:
        return compare(found, expected, "adaptive")
    assert 0 < (found[0] - expected[0]).abs().max() < 3 * written.difference[0] < 0.1
