"""Any sentence, at any word: gradients of untrained cells and trained runs, probabilities along
it; a run in a notebook.
"""

from __future__ import annotations

import json
import math
import re

import pytest
import torch

from unrolled import Net, Recipe, gradient_flow, open_run, train
from unrolled.cli import main
from unrolled.commands.gradient_flow import nets
from unrolled.commands.sentence import DEFAULT, MOST, sentence
from unrolled.errors import UsageError
from unrolled.models.writing import Writing
from unrolled.tasks.char_lm import CharLM

FRENCH = "I grew up in France ... I speak fluent French"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, one_thread):
    """A run of two layers, on a text with all letters of the sentence and with markup in its name."""
    room = tmp_path_factory.mktemp("sentence")
    (room / "a<b.txt").write_text(f"{FRENCH}.\n" * 60, encoding="utf-8")
    net = Net("lstm", hidden=12, layers=2)
    train(
        CharLM(text=room / "a<b.txt", span=16, net=net, recipe=Recipe(batch=4)),
        epochs=1.0,
        out=room / "run",
        quiet=True,
    )
    return room / "run"


@pytest.mark.parametrize(
    ("text", "at", "before", "asked"),
    [
        (FRENCH, "fluent", "fluent ", "F"),
        (FRENCH, "France", "France ", "."),
        (FRENCH, "I", ". I ", "s"),  # the last of two
        (FRENCH, "Fran", "n Fran", "c"),  # no whole word: a part
        (FRENCH, None, "fluent ", "F"),
        (None, "liked w", "iked w", "a"),
        ("a cat, a ca", "ca", None, None),
        ("aa", None, "a", "a"),
        ("ab  c", "ab", "ab  ", "c"),
    ],
)
def test_the_place_that_is_meant(text, at, before, asked):
    if before is None:
        with pytest.raises(UsageError, match="nothing follows it"):
            sentence(text, at)
        return
    place = sentence(text, at)
    assert place.before.endswith(before) and place.asked == asked
    assert sentence() == DEFAULT == sentence(None, "liked w")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--text", "x"], "--text has 1 character: give 2 to 400"),
        (["--text", "x" * (MOST + 1)], "--text has 401 characters"),
        (["--at", "cow"], "--at 'cow' is not in the text"),
        (["--text", FRENCH, "--at", "French"], "nothing follows it"),
        (["--text", FRENCH, "--at", ""], "--at '' is not in the text"),
    ],
)
def test_wrong_places_are_one_message(arguments, said, capsys):
    assert main(["show", "elman", "--stage", "gradient-flow", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_sentence_belongs_to_gradient_flow(capsys):
    assert main(["show", "elman", "--text", "a b"]) == 2
    assert "--text belongs to --stage gradient-flow" in capsys.readouterr().err


def test_a_trained_runs_gradient_is_its_models(folder, capsys):
    options = ["--stage", "gradient-flow", "--text", FRENCH, "--at", "fluent"]
    assert main(["show", "elman", str(folder), *options, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [net["trained"] for net in found["nets"]] == [False, False, True]
    run, net = open_run(folder), found["nets"][2]
    read = run.encoding.encode(FRENCH)[:, None]
    flow = gradient_flow(run.model.double(), read[:-1], target=read[1:])
    step = FRENCH.index(" French")
    assert found["step"] == step and set(net["norms"]) == {"h of 0", "c of 0", "h of 1", "c of 1"}
    assert net["norms"]["c of 1"] == pytest.approx(flow["rnn.1", "c"][step, :, 0].tolist())
    given = run.model(read)[0][step, 0].softmax(-1)[run.encoding.encode("F")].item()
    assert net["probability"] == pytest.approx(given)
    assert main(["show", str(folder), *options]) == 0
    text = capsys.readouterr().out
    assert "speak fluent |French" in text and f'"F" has the probability {given:.3g}' in text
    assert "|dL/dc of 1|" in text and "Trained nets on characters" in text


def test_a_run_that_does_not_know_a_letter_says_so(folder, capsys):
    assert main(["show", str(folder), "--stage", "gradient-flow", "--text", "I q", "--at", "I"]) == 2
    assert "--text has characters that the training text never had: 'q'" in capsys.readouterr().err


def test_the_gradient_of_another_sentence_is_another():
    bird, french = nets(["elman"])[0], nets(["elman"], sentence(FRENCH, "fluent"))[0]
    assert len(bird.norms("h")) == len(DEFAULT.text) - 1 and len(french.norms("h")) == len(FRENCH) - 1


# --- probabilities --------------------------------------------------------------------------------------------


def test_probabilities_are_the_models(folder, capsys, monkeypatch):
    from unrolled.models import probabilities

    monkeypatch.setattr(probabilities, "SPAN", 7)  # several pieces, with the state handed on
    run = open_run(folder)
    (found,) = run.predict(FRENCH, Writing(probabilities=True))
    read = run.encoding.encode(FRENCH)
    with torch.no_grad():
        chances = run.model(read[:, None])[0][:, 0].softmax(-1)
    characters = found.to_json()["characters"]
    assert "".join(each["character"] for each in characters) == FRENCH and len(characters) == len(FRENCH) + 1
    assert characters[0]["probability"] is None and characters[-1]["probability"] is None
    for k, each in enumerate(characters[1:-1]):
        assert each["probability"] == pytest.approx(chances[k, read[k + 1]].item(), rel=1e-4)
        likeliest = each["likeliest"]
        assert likeliest[0]["probability"] == pytest.approx(chances[k].max().item(), rel=1e-4)
        assert sorted((a["probability"] for a in likeliest), reverse=True) == [
            a["probability"] for a in likeliest
        ]
    assert characters[-1]["likeliest"][0]["probability"] == pytest.approx(chances[-1].max().item(), rel=1e-4)
    assert main(["predict", str(folder), FRENCH, "--probabilities"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(FRENCH) + 3 and lines[2].startswith("␣ ")
    nats = sum(-math.log(each["probability"]) for each in characters[1:-1]) / (len(FRENCH) - 1)
    assert lines[-1] == f"{nats:.4f} nats per character, of {len(FRENCH) - 1}"
    assert len({line.index(re.findall(r"\d\.\d{6}", line)[0]) for line in lines[2:-2]}) == 1, "a column"


@pytest.mark.parametrize(
    ("inputs", "said"),
    [([], "--probabilities are those of a text"), ([""], "of a text"), (["q"], "'q' (U+0071)")],
)
def test_probabilities_need_a_text_that_is_known(folder, capsys, inputs, said):
    assert main(["predict", str(folder), *inputs, "--probabilities"]) == 2
    assert said in capsys.readouterr().err


# --- a run in a notebook --------------------------------------------------------------------------------------


def test_a_run_shows_itself(folder):
    page = open_run(folder)._repr_html_()
    for part in (
        "<b>char-lm</b> lstm",
        "hidden 12",
        "layers 2",
        "nats per character",
        "finished",
        "<svg",
    ):
        assert part in page, part
    assert "a&lt;b.txt" in page and "a<b.txt" not in page
    assert "training</text>" in page or ">training<" in page
    assert 'aria-label="Loss by step"' in page
