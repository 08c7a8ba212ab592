"""The task tag: what a run learns, says and is worth; that padding, order and batches change nothing;
pieces of long documents.
"""

import json
import math
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from unrolled import Net, Recipe
from unrolled.cli import main
from unrolled.data.agreement import decided, sentences
from unrolled.data.conll import Sentence, of_lines
from unrolled.data.tag_figures import figures
from unrolled.data.tagged import in_pieces
from unrolled.data.tagging import Tagging, normal, outline, shape
from unrolled.data.vectors import read_vectors
from unrolled.errors import UsageError
from unrolled.models import tagger
from unrolled.models.bias import chosen
from unrolled.models.marking import Marking
from unrolled.runs.folder import RunFolder
from unrolled.runs.run import open_run
from unrolled.scoring import evaluating, mean_loss
from unrolled.tasks.tag import Tag
from unrolled.training.new_run import prepared
from unrolled.training.start import resume, train

pytestmark = pytest.mark.usefixtures("one_thread")

NAMES = {"PER": ("Anna", "Bo Li", "Carla de Vries"), "LOC": ("Bonn", "New York")}
TEXTS = ("{PER} lives in {LOC} .", "{LOC} is far from {LOC}", "who is {PER} ?", "nothing here")


def conll(count, start=0, scheme="bio"):
    """Sentences with names, as columns."""
    rows = []
    for number in range(start, start + count):
        words = TEXTS[number % len(TEXTS)].split()
        for word in words:
            kind = word.strip("{}")
            if kind not in NAMES:
                rows.append((f"{word}{number}" if word == "nothing" else word, "O"))
                continue
            name = NAMES[kind][(number // 4) % len(NAMES[kind])].split()
            prefixes = ["B", *"I" * (len(name) - 1)]
            if scheme == "bioes":
                prefixes[-1] = "E" if len(name) > 1 else "S"
            rows += [(part, f"{prefix}-{kind}") for part, prefix in zip(name, prefixes)]
        rows.append(())
    return "".join("\t".join(row) + "\n" for row in rows)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tag")
    (folder / "names.conll").write_text(conll(120))
    (folder / "valid.conll").write_text(conll(24, 200))
    return folder


def task_of(folder, **options):
    usual = {
        "train": folder / "names.conll",
        "valid": folder / "valid.conll",
        "width": 8,
        "net": Net("gru", hidden=12, dropout=0.1),
        "recipe": Recipe(rate=2e-2, batch=8, precision="float32"),
    }
    return Tag(**(usual | options))


@pytest.fixture(scope="module")
def run(folder):
    return train(task_of(folder), epochs=6, out=folder / "run", quiet=True)


def untrained(folder, **options):
    """A model with random chain and biases, its encoding and data."""
    torch.manual_seed(3)
    task = prepared(task_of(folder, **options))
    data = task.data()
    model = task.model(data.encoding)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    return task, data, model


# --- learning and saying --------------------------------------------------------------------------------------


def test_names_are_learned_and_said(run):
    assert run.metrics()[-1]["figures"]["f1"] == 1.0
    (marked,) = run.predict("Bo Li lives in New York .")
    assert marked.tags == ["B-PER", "I-PER", "O", "O", "B-LOC", "I-LOC", "O"]
    assert "".join(marked.pieces()).splitlines()[0] == "Bo\tB-PER"
    said = marked.to_json()
    assert said["spans"][1] == {"type": "LOC", "start": 4, "end": 6, "text": "New York"}
    assert list(said) == ["words", "tags", "spans"]


def test_probabilities_and_the_best_ways(run):
    (marked,) = run.predict("Anna lives in Bonn .", Marking(probabilities=True, best=3))
    assert len(marked.ways) == 3
    (alone,) = run.predict("Anna lives in Bonn .")
    assert marked.tags == alone.tags  # also where a bias decides
    chances = [way.probability for way in marked.ways]
    assert chances == sorted(chances, reverse=True) and 0 < sum(chances) <= 1
    for each in marked.probabilities:
        assert sum(each.values()) == pytest.approx(1) and set(each) == set(run.encoding.tags)
    lines = "".join(marked.pieces()).splitlines()
    assert lines[0].startswith("# 1: probability 0.") and lines[1].split("\t")[:2] == ["Anna", "B-PER"]
    json.dumps(marked.to_json())


def test_columns_and_lines_say_the_same(run):
    lines = list(run.predict(["who is Anna ?", "Bonn is far"]))
    text = "who\nis\nAnna\n?\n\nBonn\tO\nis\tO\nfar\tO".split("\n")
    with pytest.raises(UsageError):
        list(run.predict(text, Marking(form="columns")))  # not all lines have as many columns
    text = [line.split("\t")[0] for line in text]
    columns = list(run.predict(text, Marking(form="columns")))
    assert [(m.words, m.tags) for m in lines] == [(m.words, m.tags) for m in columns]


def test_a_run_that_is_opened_and_one_that_is_resumed_are_the_run(run, folder):
    opened = open_run(run.folder)
    sentence = "Carla de Vries lives in Bonn ."
    ask = Marking(probabilities=True)
    assert next(opened.predict(sentence, ask)).to_json() == next(run.predict(sentence, ask)).to_json()
    assert opened.encoding == run.encoding
    scored = opened.evaluate(folder / "valid.conll")
    assert scored.count == 24 and scored.figures["f1"] == run.metrics()[-1]["figures"]["f1"]


def test_a_run_that_was_stopped_ends_as_one_that_was_not(run, folder, monkeypatch):
    """The averages of the weights are in the checkpoint, too."""
    from unrolled.training import loop

    calls = 0
    take = loop.take_step

    def stop(training):
        nonlocal calls
        calls += 1
        if calls == 40:
            raise KeyboardInterrupt
        take(training)

    monkeypatch.setattr(loop, "take_step", stop)
    with pytest.raises(KeyboardInterrupt):
        train(task_of(folder), epochs=6, out=folder / "stopped", quiet=True, save_every=1e-3)
    monkeypatch.undo()
    resumed = resume(folder / "stopped", quiet=True)
    for name, tensor in run.model.state_dict().items():
        assert torch.equal(tensor, resumed.model.state_dict()[name]), name
    ends = [RunFolder(one.folder).last_checkpoint()[0].tensors for one in (run, resumed)]
    assert ends[0].keys() == ends[1].keys() and any(name.startswith("average.") for name in ends[0])
    for name, tensor in ends[0].items():
        assert torch.equal(tensor, ends[1][name]), name


@pytest.mark.parametrize("learned", ["same", "bioes"])
def test_what_is_said_may_always_stand_where_it_does(folder, learned):
    task, data, model = untrained(folder, learned=learned)
    scheme = data.encoding.scheme
    assert scheme == {"same": "bio", "bioes": "bioes"}[learned]
    from unrolled.data.spans import wrong_at

    for marked in task.predict(model.eval(), data.encoding, ["a b c d e f g", "x"] * 20, Marking(best=4)):
        assert all(wrong_at(way.tags, scheme) is None for way in marked.ways)


def test_the_bias_for_decoding_is_chosen_for_f1_on_the_held_out_part(folder):
    task, data, model = untrained(folder)
    batches = list(data.held_out())
    with evaluating(model):
        before = task.figures(model, data.encoding, batches, 0.0)["f1"]
        task.settle(model, data.encoding, batches)
        after = task.figures(model, data.encoding, batches, 0.0)["f1"]
    assert after > before and model.bias.any()
    assert model.bias[1] == model.bias[2]  # of B-LOC and I-LOC


def test_the_search_for_biases_finds_the_best_of_its_steps():
    due = torch.tensor([1.5, -0.5, -0.5])
    found = chosen([[0], [1, 2]], 3, lambda bias: -(bias - due).abs().sum().item())
    assert torch.equal(found, due)


def test_letters_are_heard_in_both_directions(folder):
    _, data, _ = untrained(folder)
    model = prepared(task_of(folder)).model(data.encoding)
    for weights in (model.reader.letters.rnn.layers[0], model.reader.letters.rnn.reversed[0]):
        assert 0.4 < weights.W_r.std().item() < 0.6
    left = {id(weight) for weight in model.undecayed()}
    assert id(model.reader.letters.rnn.reversed[0].W_r) in left


# --- padding, order, batches, pieces --------------------------------------------------------------------------


@pytest.mark.parametrize("letters", ["recurrent", "convolution", "none"])
@pytest.mark.parametrize("chain", ["yes", "no"])
def test_a_sentence_alone_gives_what_it_gives_in_a_batch(folder, letters, chain):
    task, data, model = untrained(folder, letters=letters, chain=chain)
    model.eval()
    batch = data.encoding.gather(data.validation)
    scores = model(batch.inputs)
    total = task.loss(model, batch, None)
    losses, terms = 0.0, 0
    for row, sentence in enumerate(data.validation):
        alone = data.encoding.gather([sentence])
        own = model(alone.inputs)[:, 0]
        assert torch.allclose(own, scores[: len(own), row], atol=2e-6)
        loss = task.loss(model, alone, None)
        losses, terms = losses + loss.total.item(), terms + loss.terms
    assert terms == total.terms and losses == pytest.approx(total.total.item(), rel=1e-6)


def test_evaluation_visits_every_sentence_once_whatever_the_batch(folder):
    found = set()
    for rows in (1, 5, 200):
        task, data, model = untrained(folder, recipe=Recipe(batch=rows))
        batches = list(data.held_out())
        assert sum(batch.count for batch in batches) == 24
        loss = mean_loss(task, model, batches)
        found.add(round(loss, 5))
        with evaluating(model):
            found.add(round(task.figures(model, data.encoding, batches, loss)["f1"], 9))
    assert len(found) == 2


def test_words_that_were_read_before_are_read_again_once_a_weight_has_changed(folder):
    _, data, model = untrained(folder)
    model.eval()
    reading = data.encoding.gather(data.validation).inputs
    with torch.no_grad():
        first, again = model(reading), model(reading)
        assert torch.equal(first, again) and len(model.memo) == len(reading.texts)
        model.reader.words.weight.add_(0.1)
        changed = model(reading)
    assert not torch.allclose(changed, first, atol=1e-3)
    assert torch.allclose(changed, model(reading), atol=1e-6)  # with gradients nothing is kept


@pytest.mark.parametrize("chain", ["yes", "no"])
def test_layers_that_go_forward_read_a_long_document_in_pieces_as_whole(folder, monkeypatch, chain):
    task, data, model = untrained(folder, direction="forward", chain=chain)
    model.eval()
    words = tuple(word for each in data.training for word in each.words)[:95]
    document, short = Sentence(words), Sentence(words[:7])
    reading = data.encoding.gather([document, short]).inputs
    whole = model(reading)
    monkeypatch.setattr(tagger, "SPAN", 10)
    pieces = model(reading)
    assert torch.allclose(pieces, whole, atol=1e-6)
    assert torch.equal(*(model.decode(scores, reading.lengths) for scores in (pieces, whole)))


def test_layers_that_go_both_ways_read_pieces_with_words_around_them(folder, monkeypatch):
    task, data, model = untrained(folder)
    model.eval()
    words = tuple(word for each in data.training for word in each.words)[:200]
    reading = data.encoding.gather([Sentence(words), Sentence(words[:7])]).inputs
    whole = model(reading)
    monkeypatch.setattr(tagger, "SPAN", 50)
    around = model(reading)
    monkeypatch.setattr(tagger, "CONTEXT", 0)
    alone = model(reading)
    off, far = ((found - whole).abs().max().item() for found in (around, alone))
    assert off < 0.01 < far


def test_a_forward_model_hangs_on_no_word_after(folder):
    task, data, model = untrained(folder, direction="forward", chain="no")
    model.eval()
    first, second = (
        data.encoding.gather([Sentence(tuple(text.split()))]).inputs for text in ("who is Anna", "who is far")
    )
    assert torch.equal(model(first)[:2], model(second)[:2])


def test_long_sentences_are_learned_from_in_pieces():
    tags = ("B-X", "I-X", "I-X", "O", "B-X", "I-X")
    sentence = Sentence(tuple("abcdef"), tags, (tuple("uvwxyz"),), 7)
    assert in_pieces(sentence, "bio", 6) == [sentence]
    first, second = in_pieces(sentence, "bio", 5)
    assert (first.tags, second.tags) == (tags[:5], ("B-X",))
    assert second == Sentence(("f",), ("B-X",), (("z",),), 7)
    assert [piece.tags for piece in in_pieces(Sentence(("a", "b"), ("B-X", "E-X")), "bioes", 1)] == [
        ("S-X",)
    ] * 2


# --- data -----------------------------------------------------------------------------------------------------


def test_nothing_of_the_held_out_part_is_in_the_vocabulary(folder):
    data = prepared(task_of(folder)).data()
    held_out = {word for each in data.validation for word in each.words}
    assert "nothing203" in held_out and normal("nothing203") in data.encoding.words  # digits are read as 0
    text = (folder / "valid.conll").read_text() + "Zoë\tO\n"
    (folder / "strange.conll").write_text(text)
    data = prepared(task_of(folder, valid=folder / "strange.conll")).data()
    assert "zoë" not in data.encoding.words and "ë" not in data.encoding.letters


def test_a_split_puts_a_sentence_that_stands_there_again_on_one_side(folder):
    data = prepared(task_of(folder, valid=None)).data()
    sides = [{each.words for each in part} for part in (data.training, data.validation)]
    assert not sides[0] & sides[1] and data.validation
    assert any("stand there again" in note for note in data.notes)
    shared = prepared(task_of(folder, valid=folder / "names.conll")).data()
    assert any("120 of the 120 sentences" in note for note in shared.notes)


@pytest.mark.parametrize(
    "text, options, said",
    [
        (
            "EU\tO\nsays\tI-PER\n",
            {},
            (
                "I-PER may not stand behind O in BIO (word 2 of the sentence that begins in line 1). Mend it,"
                " or say with --scheme in what its tags are written."
            ),
        ),
        (
            "EU\tS-PER\nsays\tI-PER\n",
            {},
            (
                "I-PER may not stand behind S-PER in BIOES (word 2 of the sentence that begins in line 1). Mend"
                " it, or say with --scheme in what its tags are written."
            ),
        ),
        (
            "EU\tB-PER\nsays\tSTART\nx\tO\n",
            {},
            (
                "B-PER is a tag of spans, and 'START' is not one. Mend the file, or say with --scheme plain"
                " that its tags are not spans."
            ),
        ),
        (
            "EU\tNOUN\n",
            {"learned": "bioes"},
            "spans in BIOES are to be learned: give a file with some, or leave --learned out.",
        ),
        (
            "".join(f"w{k}\tt{k}\n" for k in range(2001)),
            {},
            "has 2,001 different tags, such as 't0': say with --tag in which column the tags are.",
        ),
    ],
)
def test_what_is_wrong_with_tags_is_said(tmp_path, text, options, said):
    (tmp_path / "a.conll").write_text(text + ("\nB\tB-PER\n" if "B-" not in text and "I-" in text else ""))
    with pytest.raises(UsageError) as caught:
        prepared(Tag(train=tmp_path / "a.conll", **options)).data()
    assert str(caught.value).endswith(said)


def test_a_test_part_is_looked_at_once_at_the_end(folder):
    run = train(task_of(folder, test=folder / "valid.conll"), epochs=0.2, out=folder / "tested", quiet=True)
    tested = RunFolder(run.folder).settings().test
    assert tested["f1"] == run.evaluate(folder / "valid.conll").figures["f1"]


def test_tags_that_training_never_saw_count_as_wrong(folder):
    text = (folder / "valid.conll").read_text() + "Mars\tB-PLANET\nred\tO\n"
    (folder / "planet.conll").write_text(text)
    task, data, model = untrained(folder)
    batches = list(task.read(data.encoding, folder / "planet.conll"))
    with evaluating(model):
        found = task.figures(model, data.encoding, batches, 0.0)
    assert found["f1 PLANET"] == 0.0 and math.isfinite(mean_loss(task, model, batches))
    words = sum(loss.terms for loss in (task.loss(model, batch, None) for batch in batches))
    assert words == sum(len(each.words) for each in data.validation)  # a chain's sentence counts as a whole


def test_figures_of_plain_tags_and_of_spans():
    of = [Sentence(("a", "b"), ("X", "Y")), Sentence(("a",), ("Y",))]
    assert figures(of, [["X", "X"], ["Y"]], "plain", {"a"}) == {"accuracy": 2 / 3, "accuracy_of_ambiguous": 1.0}
    of = [Sentence(("a", "b", "c"), ("B-P", "O", "O"))]
    found = figures(of, [["O", "O", "O"]], "bio", ())
    assert (found["f1"], found["accuracy"], found["accuracy_of_all_O"]) == (0.0, 2 / 3, 2 / 3)


def test_the_shapes_of_words():
    assert (shape("Boeing-747"), outline("Boeing-747")) == ("Aaaa-000", "Aa.0")
    assert shape("x" * 300) == "aaa" and outline("") == ""


def test_encodings_come_back_from_json_and_strange_ones_are_refused(run):
    stored = json.loads(json.dumps(run.encoding.to_json()))
    assert Tagging.of_json(stored) == run.encoding
    for change in (
        {"words": stored["words"] + ["who"]},
        {"counts": stored["counts"][1:]},
        {"counts": [-1] * len(stored["words"])},
        {"letters": []},
        {"tags": [1]},
        {"scheme": "START"},
        {"vector_width": 5},
        {"columns": [["a"]]},
        {"more": 1},
    ):
        with pytest.raises(ValueError):
            Tagging.of_json(stored | change)


def test_further_columns_are_read(tmp_path):
    """The tag hangs on a column alone."""
    rows = [f"w{k % 7}\t{k % 2}\t{'XY'[k % 2]}\n" + "\n" * (k % 5 == 0) for k in range(600)]
    (tmp_path / "a.conll").write_text("".join(rows))
    run = train(
        Tag(
            train=tmp_path / "a.conll",
            columns="2",
            net=Net("gru", hidden=8),
            recipe=Recipe(rate=2e-2, batch=8, precision="float32"),
        ),
        epochs=4,
        out=tmp_path / "run",
        quiet=True,
    )
    assert run.metrics()[-1]["figures"]["accuracy"] == 1.0
    text = ["w1\t0", "w1\t1"]
    assert [m.tags for m in run.predict(text, Marking(form="columns"))] == [["X", "Y"]]


# --- pretrained vectors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["", "3 2\n"], ids=["none", "header"])
def test_vectors_are_read_and_a_header_is_none(tmp_path, header):
    (tmp_path / "v.txt").write_text(header + "anna 1 0\nbonn 0 1\nNew York 1 1\n")
    found = read_vectors(tmp_path / "v.txt")
    assert found.words == ("anna", "bonn", "New York") and found.values.shape == (3, 2)
    assert found.values.std(correction=0).item() == pytest.approx(1)
    some = read_vectors(tmp_path / "v.txt", {"New York"}, kept=1)
    assert some.words == ("anna", "New York")


@pytest.mark.parametrize("line", ["carl 1", "carl 1 2 x", "carl 1 nan", "carl 1 inf"])
def test_a_line_that_is_no_vector_is_named(tmp_path, line):
    (tmp_path / "v.txt").write_text(f"2 2\nanna 1 0\n{line}\n")
    with pytest.raises(UsageError, match=r"v.txt, line 3: 2 finite numbers are expected behind the word"):
        read_vectors(tmp_path / "v.txt")


def test_vectors_are_kept_with_the_run_and_their_share_is_said(folder):
    (folder / "v.txt").write_text("1 2\nanna 1 0\nbonn 0 1\nlives 3 3\n")
    task = task_of(folder, vectors=folder / "v.txt")
    data = prepared(task).data()
    assert any(note.startswith("to learn: ") and "% of the words have a vector" in note for note in data.notes)
    run = train(task, epochs=0.1, out=folder / "with-vectors", quiet=True)
    opened = open_run(run.folder)
    assert opened.model.reader.table.shape == (4, 2) and not opened.model.reader.table[0].any()
    assert torch.equal(opened.model.reader.table, run.model.reader.table) and run.model.reader.table[1:].any()


# --- the grammar ----------------------------------------------------------------------------------------------


def test_the_grammar_has_so_many_words_between_what_decides_and_what_is_decided():
    for distance in (1, 2, 7, 40):
        for each in sentences(200, seed=distance, distances=[distance]):
            place = decided(each)
            first = each.words[place - distance - 1]
            tag = each.tags[place]
            due = {"is": "", "are": "s"}
            if tag in due:
                assert first.endswith("s") == (tag == "are")
            elif tag in ("his", "her"):
                assert (first in ("king", "father", "brother", "actor")) == (tag == "his")
            else:
                assert {"France": "French", "Spain": "Spanish", "Germany": "German", "Italy": "Italian"}[
                    first
                ] == tag


def test_without_a_file_the_grammar_is_learned_from():
    data = prepared(Tag()).data()
    assert data.source == "the agreement grammar" and len(data.training) + len(data.validation) == 8000
    baseline = Tag().baseline(data)
    assert 0.3 < baseline["on words of several tags"] < 0.5


# --- real data ------------------------------------------------------------------------------------------------

DATA = Path(os.environ.get("UNROLLED_DATA", "../shared/data"))


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "wnut17").is_dir(), reason="UNROLLED_DATA has no wnut17")
def test_a_short_training_on_wnut17_finds_more_than_the_baseline(tmp_path):
    task = Tag(
        train=DATA / "wnut17" / "wnut17train.conll",
        valid=DATA / "wnut17" / "emerging.dev.conll",
        recipe=Recipe(precision="float32"),
    )
    run = train(task, epochs=3, out=tmp_path / "run", quiet=True)
    assert run.metrics()[-1]["figures"]["f1"] > 0.15


def test_options_that_stand_for_each_other():
    assert replace(Tag(columns=" 2, XPOS ")).source.layout.features == ("2", "XPOS")


# --- the command line -----------------------------------------------------------------------------------------


def test_columns_go_through_the_command_line(run, folder, capsys):
    """More lines than are handed over at once: a sentence may stand on both sides."""
    from unrolled.cli import main

    lines = [line.split("\t")[0] for line in conll(200, 300).splitlines()]
    (folder / "words.conll").write_text("\n".join(lines) + "\n")
    assert main(["predict", str(run.folder), "--file", str(folder / "words.conll"), "--form", "columns"]) in (
        0,
        None,
    )
    said = capsys.readouterr().out
    assert [line.split("\t")[0] for line in said.strip("\n").split("\n")] == lines[:-1]


def test_evaluation_has_a_table_of_types(run, folder):
    batches = list(run.task.read(run.encoding, folder / "valid.conll"))
    details = run.task.details(run.model, run.encoding, batches)
    lines = details.text().splitlines()
    assert [line.split()[0] for line in lines] == ["type", "LOC", "PER", "all"] and lines[-1].endswith("1.0000")
    assert details.to_json()["types"]["LOC"]["f1"] == 1.0
    with pytest.raises(UsageError):
        details.draw(folder / "a.svg")


def test_a_file_says_the_tags_that_the_run_says(run, tmp_path):
    """The whole of a tagger; its inputs are made as docs/tasks/tag.md says."""
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    file = tmp_path / "m.onnx"
    assert main(["export", str(run.folder), "--out", str(file)]) == 0
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    lines = ["Anna Olsen lives in Bonn", "Bonn", "nobody went there"]
    reading = run.encoding.gather(list(of_lines(lines))).inputs
    names = [each.name for each in session.get_inputs()]
    given = {name: getattr(reading, name).numpy() for name in names} | {"lengths": reading.lengths.numpy()}
    (tags,) = session.run(["tags"], given)
    known = json.loads(session.get_modelmeta().custom_metadata_map["tags"])
    said = [[known[tag] for tag in row[:length]] for row, length in zip(tags.T, reading.lengths)]
    assert said == [marked.tags for marked in run.predict(lines)]


def test_a_run_goes_on_from_the_weights_of_another_with_words_and_types_of_its_own(run, folder):
    """train --from: what the other run knew keeps its place."""
    text = conll(60) + "Zoë\tB-PET\nis\tO\nhere\tO\n\n" * 10
    (folder / "pets.conll").write_text(text)
    more = train(
        task_of(folder, train=folder / "pets.conll", valid=folder / "names.conll"),
        epochs=2,
        start=run,
        out=folder / "more",
        quiet=True,
    )
    assert more.encoding.tags[: len(run.encoding.tags)] == run.encoding.tags and "I-PET" in more.encoding.tags
    assert more.encoding.words[: len(run.encoding.words)] == run.encoding.words and "zoë" in more.encoding.words
    assert next(iter(more.metrics()[-1]["figures"].values())) > 0.9


def test_two_processes_have_the_rows_of_one(folder):
    from unrolled.task import Part

    _, data, _ = untrained(folder)
    whole = data.batch(3).targets.sentences
    parts = [data.batch(3, Part(rank, 2)).targets.sentences for rank in (0, 1)]
    assert whole[::2] == parts[0] and whole[1::2] == parts[1]
