"""The task translate: pairs are read and split so that nothing leaks, and what the command line
and Python make of a run.
"""

from __future__ import annotations

import gzip
import json
import os
import random
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch

import unrolled
from unrolled.cli import main
from unrolled.data.bleu import overlap, signature
from unrolled.data.dictionary import Dictionary
from unrolled.data.pairs import made_pairs, read_pairs
from unrolled.data.sides import Side, Sides
from unrolled.data.split import grouped
from unrolled.errors import UsageError
from unrolled.models.net import Net
from unrolled.models.search import Hypothesis
from unrolled.models.translating import Translating, Translation
from unrolled.scoring import mean_loss
from unrolled.task import Part
from unrolled.tasks.translate import Translate

RECIPE = replace(Translate().recipe, batch=16, precision="float32")
TINY = {"net": Net("gru", hidden=16, layers=1, dropout=0.0), "recipe": RECIPE, "embedding": 8}


@pytest.fixture
def file(tmp_path) -> Path:
    """Some English of three words, and the same the other way round in another language."""
    drawn, path = random.Random(0), tmp_path / "pairs.tsv"
    words = {
        "the": "la",
        "a": "una",
        "house": "casa",
        "dog": "perra",
        "red": "roja",
        "old": "vieja",
        "sees": "ve",
    }
    lines = []
    for _ in range(300):
        chosen = [drawn.choice(list(words)) for _ in range(drawn.randint(2, 5))]
        lines.append(f"{' '.join(chosen)}.\t{' '.join(words[word] for word in chosen[::-1])}.")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("translate")
    task = replace(Translate(**TINY), recipe=replace(RECIPE, rate=1e-2))
    return unrolled.train(task, epochs=0.5, out=folder / "run", quiet=True)


# ---- pairs


def test_a_file_with_tabs(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_bytes("\ufeffGo.\tVe.\tCC-BY\r\n\r\nHi.\tHola.\n".encode())
    assert read_pairs(path).pairs == [("Go.", "Ve."), ("Hi.", "Hola.")]
    assert read_pairs(path, swap=True, lowercase=True).pairs == [("ve.", "go."), ("hola.", "hi.")]


def test_two_parallel_files_packed_or_not(tmp_path):
    (tmp_path / "train.en").write_text("one\ntwo\n")
    (tmp_path / "train.de.gz").write_bytes(gzip.compress(b"eins\nzwei\n"))
    assert read_pairs(tmp_path / "train", ("de", "en")).pairs == [("eins", "one"), ("zwei", "two")]


@pytest.mark.parametrize(
    "content,said",
    [
        (b"Go.\tVe.\nHi.\n", "line 2: it has no tab: a source, a tab and a target are expected"),
        (b"Go.\tVe.\n\tHola.\n", "line 2: its source is empty"),
        (b"Go.\tVe.\nHi.\t\xff\n", "line 2: it is not UTF-8"),
        (b"Go.\tVe.\0\n", "line 1: a binary file"),
        (b"\n", "has no pairs"),
        (b"a\t" + b"b" * 20_001, "line 1: its target has 20,001 characters"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, content, said):
    path = tmp_path / "pairs.tsv"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=said) as error:
        read_pairs(path)
    assert str(path) in str(error.value)


def test_files_that_are_not_there_or_do_not_fit(tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        read_pairs(tmp_path / "nothing.tsv")
    with pytest.raises(UsageError, match="not a regular file"):
        read_pairs(tmp_path)
    with pytest.raises(UsageError, match="neither train.de nor train.de.gz"):
        read_pairs(tmp_path / "train", ("de", "en"))
    (tmp_path / "train.de").write_text("eins\nzwei\n")
    (tmp_path / "train.en").write_text("one\n")
    with pytest.raises(UsageError, match="has 2 lines and .*train.en 1"):
        read_pairs(tmp_path / "train", ("de", "en"))
    with pytest.raises(UsageError, match="both languages"):
        read_pairs(tmp_path / "train", ("de", None))
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b"a\tb\n" * 100)[:-9])
    with pytest.raises(UsageError, match="not a whole gzip file"):
        read_pairs(tmp_path / "cut.gz")


def test_bad_lines_are_left_out_and_counted_where_that_is_asked_for(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("Go.\tVe.\nHi.\nRun!\t\n")
    read = read_pairs(path, skip_bad=True)
    assert read.pairs == [("Go.", "Ve.")] and "2 rows left out: line 2" in read.notes[0]


def test_the_dates_that_are_made_are_right_and_always_the_same():
    pairs = made_pairs(200)
    assert pairs == made_pairs(200) and len(set(pairs)) > 150
    for said, written in pairs:
        year, month, day = written.split("-")
        assert year in said and str(int(day)) in said
        assert "janfebmaraprmayjunjulaugsepoctnovdec"[int(month) * 3 - 3 :][:3] in said


# ---- what is learned from


def test_no_source_stands_on_both_sides(file):
    data = Translate(pairs=file, units="words", **TINY).data()
    learned, held_out = ({each.pair.source for each in part} for part in (data.training, data.validation))
    assert learned and held_out and not learned & held_out
    assert len(data.training) + len(data.validation) == 300
    assert any("pairs have a source that stood there before" in note for note in data.notes)
    assert any(
        f"of {len(data.validation)} pairs held out 0 have a source that is learned from" in n
        for n in data.notes
    )


def test_files_for_choices_and_for_the_report_are_not_learned_from(file, tmp_path):
    other = tmp_path / "other.tsv"
    other.write_text("the dog.\tperra la.\nthe old house.\tcasa vieja la.\nthe zebra.\tzebra la.\n")
    data = Translate(pairs=file, valid=other, test=other, units="words", **TINY).data()
    assert len(data.training) == 300 and len(data.validation) == 3
    assert [len(batch.inputs.texts) for batch in data.test()] == [3]
    zebra = data.validation[-1].source
    assert data.encoding.source.unknown in zebra, "its words come from what is learned from alone"
    known = sum(pair.source in {each.pair.source for each in data.training} for pair in read_pairs(other).pairs)
    assert any(
        f"of 3 pairs of --test {known} have a source that is learned from" in note for note in data.notes
    )


@pytest.mark.parametrize("units", ["words", "subwords", "characters"])
def test_a_side_gives_its_text_back_and_survives_its_json(units):
    if units == "subwords":
        pytest.importorskip("tokenizers")
    texts = ["The dog sees a house, doesn't it?", "Two dogs: 3.5 houses!"] * 3
    side = Side.of(texts, units, 400)
    again = Sides.of_json(json.loads(json.dumps(Sides(side, side, ("x",)).to_json()))).target
    for text in texts:
        assert side.decode(side.encode(text)) == text == again.decode(again.encode(text))
        assert len(side.pieces(text)) == len(side.encode(text))


@pytest.mark.parametrize(
    "change",
    [
        {"units": "letters"},
        {"units": "subwords"},
        {"symbols": {"words": ["a"], "marks": [], "split": "words"}},
        {"symbols": 3},
        {"more": 1},
    ],
)
def test_an_encoding_that_the_task_never_wrote_is_refused(change):
    side = Side.of(["a b"], "words", 10).to_json()
    with pytest.raises(ValueError):
        Sides.of_json({"source": side, "target": side | change, "samples": []})


def test_samples_are_few_texts():
    side = Side.of(["a b"], "words", 10).to_json()
    for samples in (["a"] * 9, [3], ["x" * 9999], "abc", None):
        with pytest.raises(ValueError):
            Sides.of_json({"source": side, "target": side, "samples": samples})


# ---- losses and figures


def test_padding_batches_order_and_processes_change_no_loss(file):
    task = Translate(pairs=file, units="words", **TINY)
    data = task.data()
    torch.manual_seed(0)
    model = task.model(data.encoding)
    whole = mean_loss(task, model, data.held_out())
    alone = [data.gather([each]) for each in reversed(data.validation)]
    assert mean_loss(task, model, alone) == pytest.approx(whole, abs=1e-5)
    assert sum(batch.count for batch in data.held_out()) == len(data.validation)
    model.eval()
    all_of, parts = task.loss(model, data.batch(3), None), [data.batch(3, Part(k, 3)) for k in range(3)]
    losses = [task.loss(model, part, None) for part in parts]
    assert sum(loss.terms for loss in losses) == all_of.terms
    assert sum(loss.total.item() for loss in losses) == pytest.approx(all_of.total.item(), rel=1e-5)


def test_every_pair_is_learned_from_once_an_epoch(file):
    data = Translate(pairs=file, units="words", **TINY).data()
    seen = [text for step in range(data.steps_per_epoch) for text in data.batch(step).inputs.texts]
    assert sorted(seen) == sorted(each.pair.source for each in data.training)


def test_the_loss_is_torchs_with_smoothing_while_training_only(file):
    task = Translate(pairs=file, units="words", smoothing=0.2, **TINY)
    data = task.data()
    model, batch = task.model(data.encoding), data.batch(0)
    for mode, smoothing in ((True, 0.2), (False, 0.0)):
        model.train(mode)
        said, _ = model.say(batch.targets.symbols[:-1], *model.read(*batch.inputs[:2]))
        expected = torch.nn.functional.cross_entropy(
            model.logits(said).flatten(0, 1),
            batch.targets.symbols[1:].flatten(),
            ignore_index=0,
            label_smoothing=smoothing,
            reduction="sum",
        )
        loss = task.loss(model, batch, None)
        assert loss.total.item() == pytest.approx(expected.item(), rel=1e-5)
        assert loss.terms == int((batch.targets.lengths - 1).sum())


def test_bleu_is_sacrebleus_on_texts_as_people_write_them():
    sacrebleu = pytest.importorskip("sacrebleu")
    given, right = ["The cat sat on the mat, didn't it?", "No."], ["The cat sat on a mat, didn't it?", "Yes."]
    assert overlap(given, right).bleu == pytest.approx(sacrebleu.corpus_bleu(given, [right]).score)
    assert overlap(given, right).chrf == pytest.approx(sacrebleu.corpus_chrf(given, [right]).score)
    assert signature().startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")


def test_model_1_is_the_one_of_the_textbook():
    """Expectation maximisation by hand, two rounds in, on Koehn's example (Statistical machine
    translation, figure 4.4).
    """
    pairs = [("das haus", "the house"), ("das buch", "the book"), ("ein buch", "a book")]
    found = Dictionary.of(pairs)
    assert found.words == {"das": "the", "haus": "house", "buch": "book", "ein": "a"}
    assert found.translate("ein haus") == "a house" and found.translate("das auto") == "the auto"


def test_baselines_stand_beside_the_result(file):
    task = Translate(pairs=file, units="words", **TINY)
    figures = task.baseline(task.data())
    assert len(figures) == 3 and all(0 <= value <= 100 for value in figures.values())


# ---- what is made of a run


def test_a_run_from_the_command_line_to_json(run, capsys):
    folder = str(run.folder)
    assert main(["predict", folder, "the 3rd of march 1984", "--best", "2", "--attention", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["source"] == "the 3rd of march 1984" and len(said["translations"]) == 2
    for each in said["translations"]:
        assert len(each["attention"]) == len(each["written"])
        assert all(len(row) == len(each["read"]) == 21 for row in each["attention"])
        assert all(sum(row) == pytest.approx(1, abs=1e-4) for row in each["attention"])
    assert main(["predict", folder, "3 march 1984", "--beam", "1"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_attention_as_a_picture(run, tmp_path, capsys):
    file = tmp_path / "looked.svg"
    assert main(["predict", str(run.folder), "3 <march> 1984", "4 may 1990", "--picture", str(file)]) == 0
    texts = capsys.readouterr().out.splitlines()
    for path, source, text in zip((file, tmp_path / "looked-2.svg"), ("3 <march> 1984", "4 may 1990"), texts):
        root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
        assert len(root.findall(".//{*}rect")) == len(source) * len(text)
    assert main(["predict", str(run.folder), "4 may 1990", "--picture", str(tmp_path / "no" / "x.svg")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_predictions_do_not_depend_on_what_stands_beside(run):
    sources = [pair.source for pair in made_pairs(80, seed=5)]
    together = [each.text for each in run.predict(sources)]
    assert together == [each.text for source in sources for each in run.predict([source])]


def test_an_empty_line_stays_an_empty_line(run):
    texts = [each.text for each in run.predict(["", "3 march 1984", ""])]
    assert texts[0] == texts[2] == "" and texts[1]
    assert ["".join(each.pieces()) for each in run.predict([""])] == [""]


def test_pairs_are_scored(run, capsys):
    assert main(["predict", str(run.folder), "--score", "3 march 1984\t1984-03-03", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert len(said["symbols"]) == 11 and said["symbols"][-1]["symbol"] == "</s>"
    assert said["log_probability"] == pytest.approx(sum(each["log_probability"] for each in said["symbols"]))
    (best,) = run.predict(["3 march 1984"])
    (scored,) = run.predict([f"3 march 1984\t{best.text}"], Translating(score=True))
    found = best.found[0]
    total = sum(scored.log_probabilities[: len(found.symbols) + found.finished])
    assert total == pytest.approx(found.total, abs=1e-3)
    assert main(["predict", str(run.folder), "--score", "no pair"]) == 2
    assert "a source, a tab and a target" in capsys.readouterr().err


def test_evaluate_visits_every_pair_once(run, tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"{pair.source}\t{pair.target}\n" for pair in made_pairs(37, seed=3)))
    scored = run.evaluate(path)
    assert scored.count == 37 and list(scored.figures) == ["bleu", "chrf", "exact", "nats_per_unit"]


def test_options_that_clash_are_an_error():
    with pytest.raises(UsageError, match="--best 6 of --beam 5"):
        Translating(best=6)
    with pytest.raises(UsageError, match="--beam 0"):
        Translating(beam=0)


def test_an_unknown_word_is_copied_from_where_it_was_looked_at():
    source, target = Side.of(["Tom sees"], "words", 2), Side.of(["ve Tom"], "words", 2)
    unknown = target.unknown
    ve = target.encode("ve")[0]
    weights = torch.tensor([[0.1, 0.8, 0.1], [0.2, 0.1, 0.7]])
    found = Hypothesis((ve, unknown), -1.0, -1.0, True, weights)
    text = Translation("Tom sees Zbigniew", (found,), Sides(source, target), Translating()).text
    assert text == "ve Zbigniew"
    kept = Translation(
        "Tom sees Zbigniew", (found,), Sides(source, target), Translating(copy_unknown=False)
    ).text
    assert kept == "ve <unk>"


def test_a_run_goes_on_from_another_ones_weights_with_its_symbols(run, tmp_path):
    path = tmp_path / "more.tsv"
    path.write_text("".join(f"{pair.source}\t{pair.target}\n" for pair in made_pairs(60, seed=9)))
    task = replace(run.task, pairs=path)
    later = unrolled.train(task, epochs=1, out=tmp_path / "later", start=run, quiet=True)
    assert later.encoding == run.encoding


@pytest.mark.slow
def test_four_epochs_teach_dates(tmp_path):
    """Half a minute on a core of its own."""
    run = unrolled.train(Translate(), epochs=4, out=tmp_path / "run", quiet=True)
    texts = [each.text for each in run.predict(["the 3rd of march 1984", "sunday, 14 may 1916"])]
    assert texts == ["1984-03-03", "1916-05-14"]


# ---- public pairs


def folder(name: str) -> Path:
    found = Path(os.environ.get("UNROLLED_DATA", Path(__file__).parents[2] / "shared" / "data")) / name
    if not found.is_dir():
        pytest.skip(f"{name} is not there: set UNROLLED_DATA to the folder of data that has it")
    return found


def test_a_fifth_of_tatoebas_sources_would_leak_through_a_random_split():
    pairs = read_pairs(folder("tatoeba_eng_spa") / "spa.txt").pairs
    sources = [pair.source for pair in pairs]
    assert len(pairs) == 118_964 and len(set(sources)) == 102_904
    order = random.Random(0).sample(sources, len(sources))
    learned, tested = set(order[11_896:]), set(order[:11_896])
    assert 0.21 < len(learned & tested) / len(tested) < 0.23
    split = grouped(sources, 0.05)
    learned = {sources[k] for k in split.training}
    assert not learned & {sources[k] for k in split.held_out} and len(split.held_out) == 5_948


def test_multi30ks_parallel_files():
    read = read_pairs(folder("multi30k_task1_raw") / "train", ("de", "en"), lowercase=True)
    assert len(read.pairs) == 29_000 and read.pairs[0].source.startswith("zwei junge weiße männer")
