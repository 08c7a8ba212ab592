"""The task word-lm: its three parts, every token scored once, what a run says of gaps, its
optimiser and its rates.
"""

from __future__ import annotations

import json
import math
import random
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from test_resume import assert_same_end

from unrolled import Net, Recipe, open_run, train
from unrolled.cli import main
from unrolled.data.documentation import documentation
from unrolled.data.text import Text
from unrolled.data.texts import cut, texts_of
from unrolled.data.words import Words
from unrolled.errors import UsageError
from unrolled.models.saying import Saying
from unrolled.options import check_options, with_absolute_paths
from unrolled.runs.checkpoint import Checkpoint
from unrolled.runs.folder import RunFolder
from unrolled.scoring import scored
from unrolled.task import Part
from unrolled.tasks.word_lm import WordLM
from unrolled.training import loop
from unrolled.training.start import resume

pytestmark = pytest.mark.usefixtures("one_thread")

TONGUES = {"France": "French", "Spain": "Spanish", "Holland": "Dutch", "Italy": "Italian"}
GAP = "I grew up in France. I speak fluent ___"


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    file = tmp_path_factory.mktemp("text") / "input.txt"
    draw = random.Random(3)
    lines = [
        f"I grew up in {land}. I speak fluent {TONGUES[land]}.\n" for land in draw.choices([*TONGUES], k=500)
    ]
    file.write_text("".join(lines))
    return file


def word_lm(text, **options):
    net = Net(
        hidden=options.pop("hidden", 24), layers=options.pop("layers", 1), dropout=options.pop("dropout", 0.1)
    )
    recipe = {"batch": 4, "rate": 1e-2, "precision": "float32"} | options.pop("recipe", {})
    return WordLM(text=text, net=net, recipe=Recipe(**recipe), **{"span": 12} | options)


@pytest.fixture(scope="module")
def run(text, tmp_path_factory):
    task = word_lm(text, hidden=48, dropout=0.0, span=24, recipe={"batch": 8, "rate": 2e-2, "clip": 1.0})
    return train(task, epochs=16, out=tmp_path_factory.mktemp("run") / "run", quiet=True)


def test_a_text_is_cut_into_three_parts_that_join_to_it(text):
    whole = text.read_text()
    parts = texts_of(text, None, None)
    said = [str(part) for part in parts[:3]]
    assert "".join(said) == whole
    assert all(abs(len(part) - share * len(whole)) < 20 for part, share in zip(said, (0.8, 0.1, 0.1)))
    assert all(part[0].isspace() for part in said[1:]), "no word is cut"
    again = texts_of(text, None, None)
    assert again.digest == parts.digest and again.source == str(text)
    own = texts_of(text, text, None)
    assert (str(own.training), str(own.held_out), own.test) == (whole, whole, None)
    kept = texts_of(text, None, text)
    assert "".join(map(str, kept[:2])) == whole and str(kept.test) == whole
    blocks = Text.in_blocks(lambda: (whole[k : k + 7] for k in range(0, len(whole), 7)), "it")
    assert [str(part) for part in cut(blocks, [1000, 2000])] == [
        str(part) for part in cut(Text.of(whole), [1000, 2000])
    ]


@pytest.mark.parametrize("wrong", ["", "word", "a b", " \n" * 30])
def test_a_text_without_tenths_is_refused(wrong, tmp_path):
    file = tmp_path / "short.txt"
    file.write_text(wrong)
    with pytest.raises(UsageError, match="is empty|too few|no word|tokens to learn from"):
        word_lm(file).data()


def test_words_are_those_of_the_training_part_alone(tmp_path):
    file = tmp_path / "text.txt"
    file.write_text("a b c d e f g h\n" * 80 + "new new new new\n" * 10)
    data = word_lm(file).data()
    assert "new" not in data.encoding and int((data.validation == data.encoding.unknown).sum()) > 0
    assert data.encoding.words[0] == "\n" or len(data.encoding.words) == 9


@pytest.mark.parametrize("length", [1, 2, 300, 2500])
def test_every_token_of_a_text_is_scored_once_the_first_one_too(length, tmp_path):
    draw = random.Random(5)
    words = [draw.choice("abcdefgh") for _ in range(length)]
    (tmp_path / "other.txt").write_text(" ".join(words))
    task, encoding = word_lm(None, tokens="spaces"), Words(tuple("\nabcdefg"), (), "spaces")  # h is unknown
    torch.manual_seed(0)
    model = task.model(encoding).eval()
    batches = list(task.read(encoding, tmp_path / "other.txt"))
    found = scored(task, model, encoding, batches)
    assert found.count == length
    indices = [encoding.names.index("\n"), *encoding.encode(" ".join(words)).tolist()]
    nats, state = 0.0, None
    with torch.no_grad():
        for before, after in zip(indices, indices[1:]):
            logits, state = model.step(torch.tensor([before]), state)
            nats -= logits.log_softmax(-1)[0, after].item()
    assert found.loss == pytest.approx(nats / length, rel=1e-5)
    assert found.figures["perplexity"] == pytest.approx(math.exp(nats / length), rel=1e-4)


def test_parts_of_a_batch_add_up_to_it(text):
    task = word_lm(text, dropout=0.0)
    data = task.data()
    model = task.model(data.encoding).eval()
    whole = task.loss(model, data.batch(3), None)
    parts = [task.loss(model, data.batch(3, Part(rank, 3)), None) for rank in range(3)]
    assert sum(part.terms for part in parts) == whole.terms == 48
    torch.testing.assert_close(sum(part.total for part in parts), whole.total)


def test_the_figure_stands_beside_what_counting_reaches(text, run):
    baseline = RunFolder(run.folder).settings().baseline
    assert list(baseline) == ["Kneser-Ney 5-gram, perplexity", "on the test part", "unknown words in 100"]
    assert 1 < baseline["Kneser-Ney 5-gram, perplexity"] < 1.4
    test = RunFolder(run.folder).settings().test
    assert test["perplexity"] < 1.35 and run.task.sentence(test).startswith("perplexity 1.")


def test_a_gap_is_ranked_by_what_stands_before_it_and_after_it(run):
    (found,) = run.predict([GAP], Saying(among="Spanish, French,Klingon,Dutch"))
    words = [word for word, _ in found.candidates]
    shares = [share for _, share in found.candidates]
    assert words[0] == "French" and words[-1] == "Klingon" and shares[-1] is None
    assert sum(shares[:3]) == pytest.approx(1) and found.compared == 3
    (found,) = run.predict([GAP], Saying(best=3))
    assert found.candidates[0].word == "French" and len(found.candidates) == 3
    assert found.compared == len([word for word in run.encoding.words if word[0].isalnum()])
    for land, tongue in TONGUES.items():
        (found,) = run.predict([f"I grew up in ___. I speak fluent {tongue}."])
        assert found.candidates[0].word == land, "what follows the gap counts"
    (found,) = run.predict(["___ grew up in Spain."], Saying(among="I,in"))
    assert found.candidates[0].word == "I"
    assert found.to_json()["candidates"][0] == {"word": "I", "probability": found.candidates[0].share}


def test_probabilities_of_gaps_are_the_models(run):
    """Beside a count by hand: the whole text's probability with each word in the gap."""
    (found,) = run.predict(["I speak ___ Dutch."], Saying(among="fluent,in,up"))
    nats = {}
    for word in ("fluent", "in", "up"):
        (said,) = run.predict([f"I speak {word} Dutch."], Saying(probabilities=True))
        nats[word] = sum(-math.log(token.probability) for token in said.tokens() if token.probability)
    whole = sum(math.exp(-each) for each in nats.values())
    for word, share in found.candidates:
        assert share == pytest.approx(math.exp(-nats[word]) / whole, rel=1e-4)


@pytest.mark.parametrize(
    ("given", "ask", "said"),
    [
        ("no gap", Saying(among="a"), "has 0 gaps"),
        ("___ and ___", Saying(), "has 2 gaps"),
        (GAP, Saying(among="Klingon,Quenya"), "the model knows none of these"),
        (GAP, Saying(best=0), "--best 0 is below 1"),
        ("x", Saying(length=-1), "--length -1 is below 0"),
        ("x", Saying(temperature=-1.0), "--temperature -1.0"),
        ("x", Saying(seed=-1), "--seed -1"),
        ("", Saying(probabilities=True), "--probabilities are those of a text"),
    ],
)
def test_what_cannot_be_answered_is_one_message(run, given, ask, said):
    with pytest.raises(UsageError, match=said):
        list(run.predict([given], ask))


def test_a_text_goes_on_as_it_is_written(run):
    (made,) = run.predict(["I grew up in Spain."], Saying(length=12, temperature=0.0))
    assert made.text.startswith(" I speak fluent Spanish.\nI grew up in"), made.text
    (again,) = run.predict(["I grew up in Spain. "], Saying(length=12, temperature=0.0))
    assert again.text == made.text[1:], "a space is not written twice"
    one, other = run.predict((), Saying(length=30, seed=5, count=2))
    (second,) = run.predict((), Saying(length=30, seed=6))
    assert other.text == second.text != one.text and "<unk>" not in one.text
    assert "".join(one.pieces()).startswith("--- seed 5\n")
    (none,) = run.predict(["I"], Saying(length=0))
    assert none.text == ""


def test_probabilities_along_a_text_are_those_it_is_scored_with(run, tmp_path):
    said = "I grew up in Italy. I speak fluent Dutch."
    (found,) = run.predict([said], Saying(probabilities=True))
    tokens = list(found.tokens())
    assert [token.text for token in tokens] == [*"I grew up in Italy . I speak fluent Dutch .".split(), ""]
    nats = [-math.log(token.probability) for token in tokens[:-1]]
    (tmp_path / "said.txt").write_text(said)
    assert sum(nats) / len(nats) == pytest.approx(
        math.log(run.evaluate(tmp_path / "said.txt").figures["perplexity"])
    )
    assert max(range(len(nats)), key=nats.__getitem__) == 9, "Dutch is the surprise"
    assert found.to_json()["tokens"][4]["token"] == "Italy"
    assert "nats per token, of 11" in "".join(found.pieces())


def test_the_text_is_found_from_any_folder_and_is_a_path(text, tmp_path, monkeypatch):
    monkeypatch.chdir(text.parent)
    assert with_absolute_paths(WordLM(text=Path(text.name))).text == text
    with pytest.raises(UsageError, match="--text 3 is a int: give a path"):
        check_options(WordLM(text=3))


def test_the_command_line_says_the_same(run, text, tmp_path, capsys):
    assert main(["predict", str(run.folder), GAP, "--among", "French,Spanish,Dutch", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["word"] for each in found["candidates"]][0] == "French" and found["text"] == GAP
    assert main(["evaluate", str(run.folder), "--data", str(text)]) == 0
    assert "perplexity 1." in capsys.readouterr().out
    pytest.importorskip("onnx")
    assert main(["export", str(run.folder), "--out", str(tmp_path / "m.onnx")]) == 0
    pytest.importorskip("tokenizers")
    out = str(tmp_path / "again")
    options = [
        "--valid",
        str(text),
        "--hidden",
        "8",
        "--layers",
        "1",
        "--epochs",
        "0.05",
        "--batch",
        "4",
        "--span",
        "8",
    ]
    assert (
        main(
            [
                "train",
                "word-lm",
                "--train",
                str(text),
                *options,
                "--tokens",
                "bpe",
                "--vocabulary",
                "300",
                "--out",
                out,
            ]
        )
        == 0
    )
    assert open_run(out).task.tokens == "bpe"


def test_a_run_with_sgd_goes_on_bit_for_bit_and_keeps_nothing_between_steps(text, tmp_path, monkeypatch):
    sgd = {"optimiser": "sgd", "rate": 5.0, "steady_epochs": 1, "epoch_decay": 0.5, "clip": 0.25, "decay": 0.0}
    task = word_lm(text, layers=2, dropout=0.2, weight_drop=0.2, recipe=sgd)
    train(task, epochs=2, out=tmp_path / "whole", quiet=True)

    def stopped(training):
        if training.step == 90:
            raise KeyboardInterrupt
        return taken(training)

    taken = loop.take_step
    monkeypatch.setattr(loop, "take_step", stopped)
    with pytest.raises(KeyboardInterrupt):
        train(task, epochs=2, out=tmp_path / "half", quiet=True, save_every=1e-9)
    monkeypatch.setattr(loop, "take_step", taken)
    assert not resume(tmp_path / "half", quiet=True).stopped_by
    assert_same_end(tmp_path / "whole", tmp_path / "half")
    checkpoint, _ = RunFolder(tmp_path / "whole").last_checkpoint()
    assert not [name for name in checkpoint.tensors if name.startswith("optimiser.")]


def test_moments_that_sgd_would_not_have_written_are_refused(text, tmp_path):
    task = word_lm(text, recipe={"optimiser": "sgd", "rate": 1.0})
    train(task, epochs=0.1, out=tmp_path / "run", quiet=True)
    folder = RunFolder(tmp_path / "run")
    settings = folder.settings()
    settings.finished = False
    folder.write_settings(settings)
    checkpoint, said = folder.last_checkpoint()
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    tensors = checkpoint.tensors | {"optimiser.0.exp_avg": checkpoint.tensors["model.embedding.weight"]}
    folder.save_checkpoint(said.step, Checkpoint(tensors, checkpoint.state))
    with pytest.raises(UsageError, match="the optimiser has no '0.exp_avg'"):
        resume(tmp_path / "run", quiet=True)


def test_the_rate_falls_by_epochs_where_that_is_asked_for(text, tmp_path, monkeypatch):
    rates, taken = [], loop.take_step

    def noted(training):
        taken(training)
        rates.append(training.optimiser.param_groups[0]["lr"])

    monkeypatch.setattr(loop, "take_step", noted)
    recipe = {"optimiser": "sgd", "rate": 2.0, "steady_epochs": 2, "epoch_decay": 0.25}
    run = train(word_lm(text, recipe=recipe), epochs=4, out=tmp_path / "run", quiet=True)
    steps = run.task.data().steps_per_epoch
    assert rates == [2.0] * (2 * steps) + [0.5] * steps + [0.125] * steps


@pytest.mark.parametrize(
    ("tokens", "minutes", "width", "rate"),
    [
        (500, 10.0, 64, 1e-2),
        (12_000, None, 64, 1e-2),
        (12_001, None, 128, 1e-2),
        (100_000, 10.0, 256, 6e-3),
        (600_000, None, 400, 3e-3),
        (600_000, 10.0, 400, 3e-3),
        (600_000, 3.0, 256, 6e-3),
        (10**9, 1.0, 128, 1e-2),
    ],
)
def test_sizes_follow_from_the_text_and_the_minutes_unless_they_are_given(tokens, minutes, width, rate):
    data = SimpleNamespace(training_size=tokens)
    found = {name: one for name, (one,) in WordLM().choices(data, minutes).items()}
    assert (found["net"].hidden, found["net"].layers, found["recipe"].rate) == (width, 1, rate)
    named = WordLM(net=Net("gru", hidden=200, layers=2), recipe=Recipe(rate=0.5)).choices(data, minutes)
    assert (named["net"][0], named["recipe"][0].rate) == (Net("gru", hidden=200, layers=2), 0.5)
    wide = WordLM(net=Net(hidden=300)).choices(data, minutes)
    assert wide["recipe"][0].rate == 3e-3  # of the width that was asked for, not of the text's


def test_sizes_are_kept_said_and_handed_on(text, tmp_path, capsys):
    task = WordLM(text=text, span=24, recipe=Recipe(batch=4, precision="float32"))
    run = train(task, epochs=0.1, out=tmp_path / "run")
    assert "settled by the data: --hidden 64, --rate 0.01\n" in capsys.readouterr().out
    assert (run.task.net.hidden, run.task.recipe.rate) == (64, 1e-2)
    assert open_run(run.folder).model.rnn.hidden_size == 64
    wider = train(replace(task, net=Net(hidden=80)), epochs=0.1, out=tmp_path / "wider", quiet=True)
    new = train(task, start=wider, epochs=0.1, out=tmp_path / "new", quiet=True)
    assert new.task.net.hidden == 80


def test_dropout_follows_from_how_often_the_text_is_read_unless_it_is_given(text):
    task, few = word_lm(text, dropout=None), word_lm(text, dropout=0.2)
    data = task.data()
    shares = [task.dropout(10**6, data, epochs) for epochs in (None, 0.5, 1, 3, 6, 50)]
    assert shares == [0.3, 0.0, 0.0, 0.2, 0.5, 0.5]
    assert task.dropout(data.training_size // 10, data, 6) == 0.05 and few.dropout(10**6, data, 50) == 0.2


def test_what_comes_with_python_is_english_and_the_same_each_time():
    text = str(documentation(60_000))
    assert len(text) == 60_000 and text == str(documentation(80_000))[:60_000] and text.isascii()
    assert text.split().count("the") > 300
