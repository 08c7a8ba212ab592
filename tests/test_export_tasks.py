"""Runs of every task, in every kind of encoding that the task has, as ONNX files: onnxruntime says of ragged
batches what the model says, however the file was asked for; and what is not written is one sentence."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from onnx_cases import session
from tiny import TINY, tiny_task
from torch import Tensor

from unrolled import export, tasks
from unrolled.data.conll import Sentence
from unrolled.models.classifier import Classifier, Embedded, PaddedRows
from unrolled.models.language import LanguageModel
from unrolled.models.tagger import Tagger
from unrolled.models.translation import Translator

LENGTHS = (6, 1, 4)
FORMS = [
    {},
    {"generic": True},
    {"lengths": "required"},
    {"lengths": "none"},
    {"weights": "int8"},
]

# What changes a model: of each task, options of the task and of the net.
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "char-lm": [{"layers": 2, "dropout": 0.3}, {"cell": "gru"}, {"cell": "t_gru", "layers": 2}],
    "word-lm": [
        {"softmax": "adaptive", "layers": 2},
        {"softmax": "full", "width": 5},
        {"width": 4, "weight_drop": 0.4, "cell": "mgu"},
    ],
    "word-lm of subwords": [{"softmax": "adaptive"}],
    "classify characters": [{"members": 3, "pool": "all", "layers": 2}, {"bidirectional": False}],
    "classify words": [{"members": 2, "pool": "mean and max", "cell": "lstm"}],
    "classify several": [{"members": 2, "pool": "all"}],
    "classify series": [{"members": 2, "pool": "all"}, {"bidirectional": False, "cell": "mgu", "layers": 2}],
    "classify numbers": [{"cell": "lstm", "layers": 2}],
    "tag": [
        {"letters": "convolution", "chain": "no", "layers": 2},
        {"letters": "none", "direction": "forward", "cell": "gru"},
        {"cell": "t_gru", "layers": 2},
    ],
    "tag with vectors": [],
    "translate characters": [{"attention": "bahdanau", "layers": 2}],
    "translate words": [{"input_feeding": True, "cell": "gru", "layers": 3}],
    "translate subwords": [],
    "generate": [{"cell": "t_gru", "layers": 2}],
    "generate from nothing": [{"cell": "mgu", "layers": 2, "dropout": 0.4}],
}
CASES = [(kind, options) for kind, some in VARIANTS.items() for options in ({}, *some)]


def untrained(kind: str, folder: Path, options: dict[str, Any]):
    """A task's model with random values, and what its numbers mean."""
    task, _ = tiny_task(TINY[kind], folder)
    of_net = {name: options[name] for name in ("cell", "layers", "dropout") if name in options}
    task = replace(task, **{name: value for name, value in options.items() if name not in of_net})
    task = replace(task, net=replace(task.net, **of_net).found())
    torch.manual_seed(0)
    encoding = task.data().encoding
    model = task.model(encoding).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, 0.0, 0.3)
    return model, encoding


def ragged(model, encoding, whole: bool) -> tuple[torch.Tensor, Any, dict[str, Tensor]]:
    """Lengths; what the first file is given beside them; and what the model says, by the name of the output."""
    lengths = torch.tensor([max(LENGTHS)] * 3 if whole else LENGTHS)
    if isinstance(model, Tagger):
        return of_tagger(model, encoding, lengths)
    if isinstance(model, Classifier):
        return lengths, *of_classifier(model, encoding, lengths)
    if isinstance(model, Translator):
        source = torch.randint(model.source.num_embeddings, (max(LENGTHS), 3))
        return lengths, {"source": source}, {"memory": model.read(source, lengths)[0].values.transpose(0, 1)}
    return lengths, *of_language(model, lengths)


def of_language(model, lengths: Tensor) -> tuple[dict, dict]:
    """Each row by itself: it has no other end than its last step."""
    size = model.characters if isinstance(model, LanguageModel) else model.words
    x = torch.randint(size, (max(LENGTHS), 3))
    given, conditions = {"x": x}, getattr(model, "conditions", None)
    if conditions:
        given["given"] = torch.rand(3, conditions.conditions)
    logits = torch.full((max(LENGTHS), 3, size), float("nan"))  # NaN: not compared
    states = []
    for row, length in enumerate(lengths):
        mine = x[:length, row : row + 1]
        read = (mine, given["given"][row : row + 1]) if conditions else mine
        logits[:length, row : row + 1], state = model(read)
        states.append(state)
    names = [f"{name}_out" for name in model.rnn.cell.states]
    last = {name: torch.cat(each, 1) for name, each in zip(names, zip(*states))}
    begun = dict(zip([f"{name}_in" for name in model.rnn.cell.states], model.rnn.first_state(3)))
    gives = "log_probabilities" if type(getattr(model, "head", None)).__name__ == "Adaptive" else "logits"
    return given | begun, {gives: logits} | last


def of_classifier(model: Classifier, encoding, lengths: Tensor) -> tuple[dict, dict]:
    reader = model.members[0].reader
    if isinstance(reader, Embedded):
        x = torch.randint(len(encoding.symbols) + 1, (max(LENGTHS), 3))
    else:
        steps = max(LENGTHS) if reader.steps else 1
        x, lengths = 3 * torch.randn(steps, 3, encoding.channels) + 1, lengths.clamp_max(steps)
    return {"x": x}, {"probabilities": model.log_chances(PaddedRows(x, lengths)).exp()}


def of_tagger(model: Tagger, encoding, lengths: Tensor) -> tuple[Tensor, dict, dict]:
    made = random.Random(0)
    words = [*encoding.words[1:], "unheard-of"]
    sentences = [
        Sentence(
            tuple(made.choice(words) for _ in range(length)),
            features=tuple(tuple(made.choice(column) for _ in range(length)) for column in encoding.columns),
        )
        for length in lengths.tolist()
    ]
    reading = encoding.gather(sentences).inputs
    given = {
        "places": reading.places,
        "words": reading.words,
        "letters": reading.letters,
        "letter_counts": reading.letter_counts,
        "columns": reading.columns,
    }
    if not model.rnn.bidirectional:
        given |= zip([f"{name}_in" for name in model.rnn.cell.states], model.rnn.first_state(3))
    scores = model.deciding(reading)
    return reading.lengths, given, {"scores": scores, "tags": model.decode(scores, reading.lengths)}


@pytest.mark.parametrize(
    "form", FORMS, ids=lambda form: " ".join(f"{k}={v}" for k, v in form.items()) or "plain"
)
@pytest.mark.parametrize("kind, options", CASES, ids=lambda v: v if isinstance(v, str) else str(len(v)))
@torch.no_grad()
def test_onnxruntime_says_of_ragged_rows_what_the_model_says(kind, options, form, tmp_path):
    model, encoding = untrained(kind, tmp_path, options)
    written = export(
        model, tmp_path / "m.onnx", metadata={"task": TINY[kind].task, **encoding.to_json()}, **form
    )
    file = session(written.path)
    lengths, given, expected = ragged(model, encoding, whole=form.get("lengths") == "none")
    names = {each.name for each in (*file.get_inputs(), *file.get_overridable_initializers())}
    given = {name: value.numpy() for name, value in given.items() if name in names}
    if form.get("lengths") != "none":
        given["lengths"] = lengths.numpy()
    found = dict(zip([each.name for each in file.get_outputs()], file.run(None, given), strict=True))
    for name, value in expected.items():
        compared(name, torch.from_numpy(found[name]), value, lengths, written.difference)


def compared(name: str, found: Tensor, expected: Tensor, lengths: Tensor, rounding) -> None:
    """Within 1e-5 of the largest value, or what int8 is said to cost; what stands past a row's
    length is not looked at.
    """
    assert found.shape == expected.shape, name
    if rounding and name == "tags":
        return
    steps = name in ("scores", "tags")
    there = torch.arange(len(found))[:, None] < lengths if steps else ~expected.isnan()
    found, expected = found[there].double(), expected[there].double()
    close = 1e-5 * (1 + expected.abs().max().item())
    if rounding:
        close = 20 * rounding[0] * (1 if name in ("scores", "logits", "log_probabilities") else 20)
        assert rounding[0] > 0 and close < 100
    assert (found - expected).abs().max() <= close, name


def test_every_kind_of_run_has_options_to_be_tried_with():
    assert VARIANTS.keys() == TINY.keys() - {"classify with n-grams"}  # which no file can count
    assert {tiny.task for tiny in TINY.values()} == set(tasks.names()) - set(tasks._OWN)
