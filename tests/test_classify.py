"""The task classify from file to answer: splits without a leak, the same answers whatever the
batch, and all kinds of data.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch
from classify import points, small, texts, trained, waves
from test_parallel import assert_same_losses, figures, finished, started

from unrolled import Net, export, train
from unrolled.cli import main
from unrolled.data.classes import Classes
from unrolled.data.classified import Item, gather
from unrolled.data.examples import each_once
from unrolled.data.labelled import LabelledExample
from unrolled.data.reber import is_reber, reber
from unrolled.errors import NotYet, UsageError
from unrolled.models.answers import Asking
from unrolled.models.classifier import PaddedRows
from unrolled.models.ngrams import LabelNgrams, ngram_nats
from unrolled.runs.run import open_run
from unrolled.scoring import scored
from unrolled.tasks.classify import Classify
from unrolled.training.start import prepared

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def words(tmp_path_factory, one_thread):
    """A run on texts."""
    folder = tmp_path_factory.mktemp("words")
    return trained(texts(folder, 200), folder / "run", epochs=14), folder


def data_of(file, **options):
    return prepared(small(file, **options)).data()


def test_texts_are_learned(words):
    run, folder = words
    figures = run.evaluate(texts(folder, 60, "others.csv", seed=1)).figures
    assert figures["accuracy"] > 0.95 and figures["macro_f1"] > 0.9
    assert list(figures)[0] == "brier_score"


@pytest.mark.parametrize("channels, pool", [(1, "mean and max"), (2, "last"), (1, "all")])
def test_series_are_learned_by_a_committee(tmp_path, channels, pool):
    run = trained(waves(tmp_path, channels=channels), tmp_path / "run", epochs=15, pool=pool, augment="warp")
    assert len(run.model.members) == 5  # whatever --members says: one for each fold
    others = waves(tmp_path, 20, channels, "others.ts", seed=7)
    assert run.evaluate(others).figures["accuracy"] == 1.0
    assert run.metrics()[-1]["figures"]["accuracy"] > 0.85


def test_numbers_are_learned_by_a_perceptron(tmp_path):
    run = trained(points(tmp_path, 200), tmp_path / "run", epochs=20, net=Net(hidden=32, dropout=0.0))
    assert run.task.net.cell.name == "perceptron" and not run.task.net.cell.graph.states
    assert run.metrics()[-1]["figures"]["accuracy"] > 0.85
    again = open_run(run.folder)
    assert again.task.net.cell.name == "perceptron"
    answers = list(again.predict(["0,0", "1.9,-1.9"]))
    assert [answer.to_json()["label"] for answer in answers] == ["inside", "outside"]


def test_many_labels(tmp_path):
    lines = ["label,text"] + [
        f"{';'.join(sorted(set(word)))},{word}" for word in ("aab", "b", "ba", "a", "cc", "ca") * 40
    ]
    file = tmp_path / "many.csv"
    file.write_text("\n".join(f"{line}{k}" if k else line for k, line in enumerate(lines)), encoding="utf-8")
    run = trained(file, tmp_path / "run", epochs=10, multilabel=True)
    figures = run.metrics()[-1]["figures"]
    assert figures["accuracy"] > 0.9 and figures["micro_f1"] > 0.95
    (answer,) = run.predict(["ab7"])
    assert answer.to_json()["labels"] in (["a", "b"], ["b", "a"])
    assert sum(answer.to_json()["probabilities"].values()) > 1.5  # each label by itself
    (strict,) = run.predict(["ab7"], Asking(threshold=1.0))
    assert strict.to_json()["labels"] == [] and "(no label)" in "".join(strict.pieces())
    assert run.examine(file)[1].table is None


@pytest.mark.parametrize("balance", [0.0, 1.0])
def test_class_weights(tmp_path, balance):
    data = data_of(texts(tmp_path, 200), balance=balance)
    by_label = {}
    for item in data.training:
        by_label.setdefault(item.target, []).append(item.weight)
    totals = [sum(weights) for weights in by_label.values()]
    if balance:
        assert max(totals) == pytest.approx(min(totals))
    assert sum(totals) == pytest.approx(len(data.training))


def test_the_same_text_never_stands_on_both_sides(tmp_path):
    file = tmp_path / "twice.csv"
    lines = [f"{'ab'[k % 2]},text {k % 40}" for k in range(200)] + ["b,text 0"]
    file.write_text("label,text\n" + "\n".join(lines) + "\n", encoding="utf-8")
    data = data_of(file)
    held = {tuple(item.values.tolist()) for item in data.validation}
    assert held and not held & {tuple(item.values.tolist()) for item in data.training}
    assert any(
        "161 of 201 examples repeat another one" in note and "1 stand there with different" in note
        for note in data.notes
    )


def test_folds_keep_what_is_the_same_together(tmp_path):
    file = waves(tmp_path, 20)
    lines = file.read_text(encoding="utf-8").splitlines()
    file.write_text("\n".join(lines + lines[3:]) + "\n", encoding="utf-8")
    data = data_of(file)
    folds = {}
    for item in data.training:
        folds.setdefault(item.values.numpy().tobytes(), set()).add(item.apart)
    assert len(folds) == 20 and all(len(each) == 1 for each in folds.values())
    assert data.validation == data.training and len(data.encoding.scales) == 5


def test_scales_are_those_of_what_a_member_learns_from(tmp_path):
    data = data_of(waves(tmp_path, 20, channels=2))
    for member, scale in enumerate(data.encoding.scales):
        seen = torch.cat([item.values for item in data.training if item.apart != member])
        assert scale.mean == pytest.approx(seen.mean(0).tolist(), abs=1e-5)


def test_what_is_held_out_decides_neither_symbols_nor_scales(tmp_path):
    train, valid = texts(tmp_path, 40), tmp_path / "valid.csv"
    valid.write_text("label,text\nfirst,zzz\nsecond,zzzz\n", encoding="utf-8")
    data = data_of(train, valid=valid)
    assert "z" not in data.encoding.symbols and len(data.training) == 40 and len(data.validation) == 2
    assert data.validation[0].values.tolist() == [0, 0, 0]  # unknown


def test_every_example_once_whatever_the_batch(words):
    run, folder = words
    items = list(data_of(folder / "texts.csv").training)
    expected = None
    for rows in (1, 7, 500):
        found = scored(
            run.task, run.model, run.encoding, each_once(items, gather, lambda item: len(item.values), rows)
        )
        assert found.count == len(items)
        expected = expected or found.figures
        assert found.figures == pytest.approx(expected, abs=1e-6)
    assert scored(run.task, run.model, run.encoding, [gather(items[::-1])]).figures == pytest.approx(
        expected, abs=1e-6
    )


def test_answers_do_not_depend_on_what_else_is_asked(words):
    run, _ = words
    inputs = ["ababab", "c", "dcdcdcdcdcdcdcdcdc", "e"]
    together = [answer.chances for answer in run.predict(inputs)]
    alone = [next(run.predict([text])).chances for text in inputs]
    for one, other in zip(together, alone):
        assert one == pytest.approx(other, abs=1e-6) and sum(one) == pytest.approx(1, abs=1e-5)


def test_predict_and_evaluate_on_the_command_line(words, capsys, tmp_path):
    run, folder = words
    assert main(["predict", str(run.folder), "ababab", "dcdcd", "--json"]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["label"], second["label"]) == ("first", "second") and first["input"] == "ababab"
    assert set(first["probabilities"]) == {"first", "second", "rare"}
    assert main(["predict", str(run.folder), "ababab", "--top", "1"]) == 0
    assert capsys.readouterr().out.startswith("ababab: first 0.")
    (tmp_path / "unlabelled.csv").write_text("text\nabab\ncdcd\n", encoding="utf-8")
    assert main(["predict", str(run.folder), "--data", str(tmp_path / "unlabelled.csv"), "--json"]) == 0
    answers = map(json.loads, capsys.readouterr().out.splitlines())  # and nobody waits for standard input
    assert [answer["label"] for answer in answers] == ["first", "second"]
    others = texts(folder, 60, "again.csv", seed=1)
    assert main(["evaluate", str(run.folder), "--data", str(others)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("60 examples: accuracy ") and "right \\ said" in said and "precision" in said
    picture = tmp_path / "confusion.svg"
    assert main(["evaluate", str(run.folder), "--data", str(others), "--json", "--picture", str(picture)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert sum(map(sum, found["confusion"])) == found["examples"] == 60 and picture.is_file()


def test_the_programs_own_examples():
    found = reber(300)
    assert len({value for value, _ in found.examples}) == 300
    for value, (label,) in found.examples:
        good = is_reber(value[2:-2])
        assert (value[1] == value[-2], good) == {
            "good": (True, True),
            "slip": (True, False),
            "wrong end": (False, True),
        }[label]
    data = prepared(Classify()).data()
    assert len(data.training) == 1800 and data.encoding.reads == "characters"


def test_baselines_are_cheap_and_honest(tmp_path):
    task = prepared(small(texts(tmp_path, 200)))
    figures = dict(task.baseline(task.data()))
    assert 0.3 < figures["most frequent label, accuracy"] < 0.6 < figures["naive Bayes, accuracy"]
    assert figures["n-grams, accuracy"] > 0.9
    task = prepared(small(waves(tmp_path)))
    assert task.baseline(task.data())["nearest neighbour, accuracy"] > 0.9
    task = prepared(small(points(tmp_path)))
    assert task.baseline(task.data())["nearest neighbour, accuracy"] > 0.8


def test_n_grams_of_each_label():
    """By Bayes' rule from each label's own model; a label without strings is impossible."""
    strings, labels = [(0, 1, 2), (0, 2), (2, 1, 0), (1, 1)], [0, 0, 2, 2]
    others = [(0, 1), (2,), (2, 1, 1, 0)]
    found = LabelNgrams.of(strings, labels, 3, 3, 4)(others)
    assert found.shape == (3, 3) and found[:, 1].eq(-torch.inf).all()
    for label in (0, 2):
        own = [string for string, its in zip(strings, labels) if its == label]
        for k, other in enumerate(others):
            nats = ngram_nats(own, [other], 3, 4) * (len(other) + 1)
            assert found[k, label].item() == pytest.approx(math.log(0.5) - nats)


def test_n_grams_have_a_third_of_the_vote(tmp_path):
    """Counted of what is learned from, kept in the run, gone on with, and the same when it is read again."""
    made = trained(texts(tmp_path, 200), tmp_path / "run", epochs=1, ngrams=3, members=2)
    encoding, model = made.encoding, made.model
    assert 150 < len(encoding.counted) == len(data_of(texts(tmp_path, 200)).training)
    assert Classes.of_json(json.loads(json.dumps(encoding.to_json()))) == encoding
    values = [encoding.values(text) for text in ("abc", "", "zz", "ba")]
    rows = PaddedRows(*gather([Item(value, 0) for value in values]).inputs)
    with torch.no_grad():
        networks = model.eval()(rows).softmax(-1)
        strings = [value.tolist() for value in values]
        counted = model.ngrams(strings).softmax(-1).float()
        assert torch.allclose(model.log_chances(rows).exp(), networks.mean(0) * 2 / 3 + counted / 3)
    with pytest.raises(NotYet, match="train one without --ngrams"):
        export(model, tmp_path / "m.onnx")
    for change in (
        [["no label", "a"]], [["x"]], [1], {}, [[encoding.labels[0], 1]], [[encoding.labels[0], "a" * 5_000_001]],
    ):  # fmt: skip
        with pytest.raises(ValueError):
            Classes.of_json(encoding.to_json() | {"counted": change})
    more = replace(encoding, counted=()).counting([LabelledExample("ab", (encoding.labels[0],))])
    assert more.counted == ((encoding.labels[0], "ab"),)


def test_n_grams_go_on_with_what_was_counted(tmp_path):
    """In another run from these weights: the same texts once, new ones, too; none where nothing is to be counted."""
    file = texts(tmp_path, 100)
    first = trained(file, tmp_path / "run", epochs=1, ngrams=3, members=1)
    known = first.encoding.counted

    def gone_on(name, file, **options):
        task = small(file, members=1, **options)
        return train(task, epochs=1, out=tmp_path / name, quiet=True, start=first)

    assert gone_on("again", file, ngrams=3).encoding.counted == known
    more = tmp_path / "more.csv"
    more.write_text(
        "label,text\n" + "".join(f"first,q{k}\nsecond,qq{k}\n" for k in range(40)), encoding="utf-8"
    )
    grown = gone_on("grown", more, ngrams=3).encoding.counted
    assert (
        grown[: len(known)] == known
        and len(known) < len(grown)
        and all("q" in t for _, t in grown[len(known) :])
    )
    without = gone_on("without", file)
    assert without.encoding.counted == () and without.model.ngrams is None


def test_n_grams_are_of_characters_with_one_label(tmp_path):
    with pytest.raises(UsageError, match="--ngrams counts characters of texts with one label"):
        replace(small(texts(tmp_path, 20)), ngrams=3, reads="words").data()
    with pytest.raises(UsageError, match="--ngrams counts characters of texts with one label"):
        replace(small(waves(tmp_path)), ngrams=3).data()


def test_words_or_characters():
    short = [LabelledExample("Onassis", ("a",)), LabelledExample("van Gogh", ("b",))] * 3
    long = [
        LabelledExample("It is a long, long way", ("a",)),
        LabelledExample("it is not so far at all", ("b",)),
    ] * 3
    assert Classes.of(short, "ab").reads == "characters"
    found = Classes.of(long, "ab")
    assert found.reads == "words" and found.symbols[:3] == (",", "a", "all") and found.steps == 7
    assert Classes.of(long, "ab", reads="characters").reads == "characters"
    assert found.values("It IS, a zebra").tolist() == [
        found.symbols.index(w) + 1 for w in ("it", "is", ",", "a")
    ] + [0]


def test_encodings_are_read_as_they_were_written(tmp_path):
    encodings = [data_of(file(tmp_path)).encoding for file in (texts, waves, points)]
    for encoding in encodings:
        stored = json.loads(json.dumps(encoding.to_json()))
        assert Classes.of_json(stored) == encoding
        for change in (
            {"labels": []}, {"labels": ["a", "a"]}, {"labels": [1]}, {"reads": "smells"}, {"symbols": "ab"}, {"channels": -1},
            {"channels": True}, {"steps": 1e9}, {"missing": 1}, {"more": 1}, {"scales": [[[1.0]]]}, {"scales": 3},
            {"scales": [[[0.0] * 2, [0.0] * 2, [1.0] * 2]]},
        ):  # fmt: skip
            with pytest.raises(ValueError):
                Classes.of_json(stored | change)


def test_new_labels_and_symbols_come_behind():
    known = Classes(("b", "a"), "characters", symbols=("y", "x"))
    grown = known.grown([LabelledExample("xz", ("c",)), LabelledExample("ay", ("a",))], ["a", "c"])
    assert grown.labels == ("b", "a", "c") and grown.symbols == ("y", "x", "a", "z")


@pytest.mark.parametrize(
    "content, options, said",
    [
        ("label,text\na,x\na,y\n", {}, "has 1 label, a: two are needed"),
        ("label,text\na,x\nb,x\n", {}, "there is 1 distinct example"),
        (
            "label,text\na,x\nb,y\n",
            {"valid": "label,text\nc,x\n"},
            "example 1: its label is 'c', which the model does not know",
        ),
        ("label,text\na,x\nb,y\n", {"test": "label,n\na,1\n"}, "holds text and .* numbers: give the same"),
    ],
)
def test_data_that_cannot_be_learned_from(tmp_path, content, options, said):
    (tmp_path / "d.csv").write_text(content, encoding="utf-8")
    files = {}
    for name, text in options.items():
        files[name] = tmp_path / f"{name}.csv"
        files[name].write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=said):
        data_of(tmp_path / "d.csv", **files)


def test_inputs_that_cannot_be_read(words, tmp_path):
    series = trained(waves(tmp_path, 12, channels=2), tmp_path / "run", epochs=1)
    for text, said in [
        ("1,2", "it has 1 channels, and the model reads 2"),
        ("a", "a number is expected. Write a series"),
    ]:
        with pytest.raises(UsageError, match=said):
            next(series.predict([text]))
    run, _ = words
    with pytest.raises(UsageError, match="it is a row of numbers, and the model reads characters"):
        list(run.predict([], Asking(data=points(tmp_path))))


def test_long_texts_are_cut_and_counted(tmp_path):
    data = data_of(texts(tmp_path, 40), longest=4)
    assert max(len(item.values) for item in [*data.training, *data.validation]) == 4
    assert "texts are longer than --longest 4, and cut there" in data.notes[-1]


def test_a_run_that_goes_on_from_another_knows_more_labels(words, tmp_path):
    run, _ = words
    file = tmp_path / "more.csv"
    file.write_text(
        "label,text\n" + "".join(f"{'new' if k % 2 else 'first'},{'zab'[k % 2]}{k}\n" for k in range(40))
    )
    grown = train(replace(small(file)), epochs=1, out=tmp_path / "grown", quiet=True, start=run)
    assert grown.encoding.labels == (*run.encoding.labels, "new")
    assert open_run(tmp_path / "grown").model.members[0].head.weight.shape[0] == 4


def test_rows_are_what_the_model_reads(tmp_path):
    data = data_of(waves(tmp_path, 20))
    rows = PaddedRows(*data.batch(0).inputs)
    assert rows.values.shape[1] == len(rows.lengths) == len(rows.apart) and rows.values.shape[2] == 1


def test_two_processes_learn_what_one_learns(tmp_path):
    file = texts(tmp_path, 90)
    options = [
        "--epochs=2",
        "--dropout=0",
        "--hidden=8",
        "--batch=16",
        "--members=2",
        "--pool=last",
        "--train",
        str(file),
    ]
    runs = {}
    for count in (1, 2):
        out = tmp_path / f"run{count}"
        finished(started(count, "train", "classify", *options, "--out", str(out)))
        runs[count] = figures(out)
    assert_same_losses(runs[2], runs[1])


def test_a_run_is_exported(words, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    run, _ = words
    file = tmp_path / "words.onnx"
    assert main(["export", str(run.folder), "--out", str(file)]) == 0
    made = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    assert json.loads(made.get_modelmeta().custom_metadata_map["labels"]) == list(run.encoding.labels)
    (found,) = made.run(None, {"x": run.encoding.values("ababab")[:, None].numpy()})
    assert found[0].tolist() == pytest.approx(next(run.predict(["ababab"])).chances, abs=1e-5)
