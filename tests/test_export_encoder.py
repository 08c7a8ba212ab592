"""Of a translation model the encoder is written: onnxruntime reads sentences of unequal
lengths as the model does.
"""

from __future__ import annotations

import pytest
import torch
from onnx_cases import session

from unrolled import export
from unrolled.data.examples import padded
from unrolled.models.translation import Translator


def made(cell: str, layers: int) -> Translator:
    torch.manual_seed(3)
    return Translator(40, 30, cell, 12, layers, embedding=10, dropout=0.5).eval()


@pytest.mark.parametrize("weights", ["", "int8"])
@pytest.mark.parametrize("lengths", ["optional", "required", "none"])
@pytest.mark.parametrize("cell, layers", [("lstm", 1), ("mgu", 2)])
def test_the_encoder_reads_as_the_model_does(cell, layers, lengths, weights, tmp_path):
    model = made(cell, layers)
    written = export(model, tmp_path / "m.onnx", lengths=lengths, weights=weights)
    assert written.outputs == ("memory",) and written.inputs[0] == "source"
    assert "part     the encoder; the attention and the decoder" in str(written)
    source, counts = padded([torch.randint(40, (n,)) for n in (8, 1, 5)])
    counts = torch.full((3,), 8) if lengths == "none" else counts
    given = {"source": source.numpy()} | ({} if lengths == "none" else {"lengths": counts.numpy()})
    (found,) = session(written.path).run(None, given)
    expected = model.read(source, counts)[0].values.transpose(0, 1)
    close = 1e-5 if not weights else written.difference[0] * 2
    torch.testing.assert_close(torch.from_numpy(found), expected, atol=close, rtol=0)
    assert not weights or 0 < written.difference[0] < written.difference[1] / 20
