"""A translation model in onnxruntime, in two files: the encoder reads sentences of unequal lengths as the model
does, and the decoder writes after it, step by step or the whole at once."""

from __future__ import annotations

import pytest
import torch
from onnx_cases import session

from unrolled import export
from unrolled.data.examples import padded
from unrolled.models.translation import Translator

SOURCES, TARGETS, STEPS = 40, 30, 5
MODELS = {
    "one layer": ("lstm", 1, {}),
    "two layers of another cell": ("mgu", 2, {"attention": "bahdanau"}),
    "three layers": ("gru", 3, {"input_feeding": True}),
    "a state that begins elsewhere": ("slstm", 2, {"input_feeding": True, "attention": "bahdanau"}),
    "states of unlike widths": ("t_gru", 3, {}),
}


def made(cell: str, layers: int, options: dict) -> Translator:
    torch.manual_seed(3)
    model = Translator(SOURCES, TARGETS, cell, 12, layers, embedding=10, dropout=0.5, **options).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, 0.0, 0.4)
    return model


def sentences(lengths: str) -> tuple[torch.Tensor, torch.Tensor, dict]:
    """Padded, how long each is, and what both files are told of that."""
    source, counts = padded([torch.randint(SOURCES, (n,)) for n in (8, 1, 5)])
    counts = torch.full((3,), 8) if lengths == "none" else counts
    return source, counts, {} if lengths == "none" else {"lengths": counts.numpy()}


def run(file, given: dict) -> dict:
    """Outputs by name, of those of the given values that the file reads."""
    optional = {i.name for i in file.get_overridable_initializers()}
    wanted = {i.name for i in file.get_inputs()} - optional
    assert wanted <= given.keys()
    given = {name: value for name, value in given.items() if name in wanted | optional}
    return dict(zip([o.name for o in file.get_outputs()], file.run(None, given), strict=True))


def handed_on(outputs: dict) -> dict:
    """What one call puts out as what the next one reads."""
    return {name.removesuffix("_out") + "_in" * name.endswith("_out"): v for name, v in outputs.items()}


def close(found, expected, tolerance: float = 1e-5) -> None:
    scale = 1 + expected.abs().max().item()  # as in onnx_cases.compare
    torch.testing.assert_close(torch.from_numpy(found), expected, atol=tolerance * scale, rtol=0)


@pytest.mark.parametrize("lengths", ["optional", "required", "none"])
@pytest.mark.parametrize("which", MODELS)
@torch.no_grad()
def test_two_files_translate_as_the_model_does(which, lengths, tmp_path):
    model = made(*MODELS[which])
    written = export(model, tmp_path / "m.onnx", lengths=lengths)
    paths = [each.path.name for each in (written, *written.others)]
    assert paths == ["m.encoder.onnx", "m.decoder.onnx"] and not (tmp_path / "m.onnx").exists()
    encoder, decoder = (session(tmp_path / name) for name in paths)
    source, counts, told = sentences(lengths)
    memory, state = model.read(source, counts)
    read = run(encoder, {"source": source.numpy()} | told)
    close(read["memory"], memory.values.transpose(0, 1))
    close(read["keys"], memory.keys.transpose(0, 1))
    given = handed_on(read) | told
    symbols = torch.randint(TARGETS, (STEPS, 3))
    for step in symbols:
        logits, weights, state = model.step(step, memory, state)
        outputs = run(decoder, given | {"symbols": step[None].numpy()})
        close(outputs["logits"][0], logits)
        close(outputs["weights"][0], weights)
        given |= {name: v for name, v in handed_on(outputs).items() if name.endswith("_in")}
    states = [value for name, value in given.items() if name.endswith("_in")]
    assert len(states) == len(state) - (not model.input_feeding)
    for found, expected in zip(states, state):
        close(found, expected)


@pytest.mark.parametrize("which", ["one layer", "two layers of another cell"])
@torch.no_grad()
def test_without_input_feeding_a_given_sentence_is_scored_in_one_call(which, tmp_path):
    model = made(*MODELS[which])
    written = export(model, tmp_path / "m.onnx")
    encoder, decoder = session(written.path), session(written.others[0].path)
    source, counts, told = sentences("optional")
    symbols = torch.randint(TARGETS, (STEPS, 3))
    read = run(encoder, {"source": source.numpy()} | told)
    outputs = run(decoder, handed_on(read) | told | {"symbols": symbols.numpy()})
    said, weights = model.say(symbols, *model.read(source, counts))
    close(outputs["logits"], model.logits(said))
    close(outputs["weights"], weights.transpose(0, 1))
    assert (outputs["weights"][:, 1, 1:] == 0).all()


@torch.no_grad()
def test_a_sentence_without_a_place_is_looked_at_nowhere(tmp_path):
    model = made(*MODELS["one layer"])
    written = export(model, tmp_path / "m.onnx")
    told = {"lengths": torch.tensor([3, 0]).numpy()}
    source = torch.randint(SOURCES, (3, 2))
    memory, state = model.read(source, torch.tensor([3, 0]))
    read = run(session(written.path), {"source": source.numpy()} | told)
    given = handed_on(read) | told | {"symbols": torch.zeros(1, 2, dtype=torch.int64).numpy()}
    outputs = run(session(written.others[0].path), given)
    assert (outputs["weights"][0, 1] == 0).all()
    close(outputs["logits"][0], model.step(torch.zeros(2, dtype=torch.int64), memory, state)[0])


@pytest.mark.parametrize("which", ["one layer", "three layers"])
@torch.no_grad()
def test_int8_costs_what_is_said(which, tmp_path):
    model = made(*MODELS[which])
    written = export(model, tmp_path / "m.onnx", weights="int8")
    source, counts, told = sentences("optional")
    found = run(session(written.path), {"source": source.numpy()} | told)["memory"]
    expected = model.read(source, counts)[0].values.transpose(0, 1)
    close(found, expected, 3 * written.difference[0])
    for each in (written, *written.others):
        assert each.saved > 1000 and 0 < each.difference[0] < each.difference[1] / 10
