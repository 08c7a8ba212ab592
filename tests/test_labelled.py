"""Labelled examples from all kinds of files, and what is said of those that hold none."""

from __future__ import annotations

import pytest
import torch

from unrolled.data.labelled import LabelColumns, check_channels, key, read_labelled, read_values
from unrolled.errors import UsageError
from unrolled.tasks.classify import Classify


@pytest.fixture
def read(tmp_path):
    def reading(content: str, name: str = "data.csv", values: bool = False, **columns):
        file = tmp_path / name
        file.write_text(content, encoding="utf-8")
        return (read_values if values else read_labelled)(file, LabelColumns(**columns))

    return reading


def pairs(found):
    return [
        (each.value if isinstance(each.value, str) else each.value.tolist(), each.labels)
        for each in found.examples
    ]


def test_a_table_of_texts(read):
    expected = [("good, very", ("pos",)), ("bad", ("neg",))]
    for name, content in [
        ("d.csv", 'label,text\npos,"good, very"\nneg,bad\n'),
        ("d.csv", 'Class,words\npos,"good, very"\nneg,bad\n'),
        ("d.tsv", "text\tnote\tlabel\ngood, very\tx\tpos\nbad\ty\tneg\n"),
        ("d.jsonl", '{"label": "pos", "text": "good, very"}\n{"label": "neg", "text": "bad"}\n'),
    ]:
        found = read(content, name)
        assert found.kind == "text" and pairs(found) == expected
    found = read("id,what,review\n1,pos,good\n", label="what", input="review")
    assert pairs(found) == [("good", ("pos",))]
    assert pairs(read('{"label": 1, "text": "a"}\n', "d.jsonl")) == [("a", ("1",))]


def test_a_table_of_numbers(read):
    found = read("a,b,class\n1, 2.5,x\n?,-3,y\n")
    assert found.kind == "numbers" and found.examples[0].value.tolist() == [[1, 2.5]]
    assert found.examples[1].value.isnan().tolist() == [[True, False]] and found.examples[1].labels == ("y",)


def test_numbers_as_steps(read):
    found = read("a,b,c,d,class\n1,2,3,4,x\n", channels=2)
    assert found.kind == "series" and pairs(found) == [([[1, 2], [3, 4]], ("x",))]
    with pytest.raises(UsageError, match="line 2: it has 4 numbers, which are no whole steps of --channels 3"):
        read("a,b,c,d,class\n1,2,3,4,x\n", channels=3)


def test_series_in_json(read):
    found = read('{"label": "x", "series": [1, null]}\n{"label": "y", "series": [2]}\n', "d.jsonl")
    assert found.kind == "series" and [len(example.value) for example in found.examples] == [2, 1]
    assert found.examples[0].value[1].isnan().all()
    assert pairs(read('{"label": "x", "s": [[1, 2], [3, 4]]}\n', "d.jsonl")) == [([[1, 2], [3, 4]], ("x",))]
    with pytest.raises(UsageError, match="line 1: s has steps of unequal widths"):
        read('{"label": "x", "s": [[1, 2], [3]]}\n', "d.jsonl")


def test_fasttext(read):
    found = read("__label__pos good one\n\n__label__neg  bad\n", "d.txt")
    assert pairs(found) == [("good one", ("pos",)), ("bad", ("neg",))]
    found = read("__label__a __label__b both\n__label__a one\nnone\n", "d.txt", multilabel=True)
    assert pairs(found) == [("both", ("a", "b")), ("one", ("a",)), ("none", ())]


@pytest.mark.parametrize(
    "content, said",
    [
        ("__label__a __label__b x\n", "line 1: it has 2 labels, 'a', 'b': one is expected"),
        ("__label__a x\nno label\n", "line 2: it has no label: one is expected"),
        ("__label__a, x\n", "line 1: its label is 'a,': labels are separated by spaces, and have no comma"),
        ("__label__ x\n", "line 1: its label is ''"),
        ("__label__a\n", "line 1: it has no text"),
    ],
)
def test_fasttext_lines_that_are_none(read, content, said):
    with pytest.raises(UsageError, match=said):
        read(content, "d.txt")


def test_several_labels(read):
    found = read("label,text\na;b,x\na,y\n,z\n", multilabel=True)
    assert [labels for _, labels in pairs(found)] == [("a", "b"), ("a",), ()]
    found = read('{"label": ["a, b", "c"], "text": "x"}\n', "d.jsonl", multilabel=True)
    assert pairs(found) == [("x", ("a, b", "c"))]
    with pytest.raises(UsageError, match="it has 2 labels, 'a', 'b': one is expected .--multilabel"):
        read('{"label": ["a", "b"], "text": "x"}\n', "d.jsonl")
    assert pairs(read("label,text\na;b,x\n")) == [("x", ("a;b",))]  # one label, that has a semicolon


def test_a_folder_for_each_label(tmp_path):
    for label, texts in {"pos": ["good", "fine"], "neg": ["bad"]}.items():
        (tmp_path / label).mkdir()
        for number, text in enumerate(texts):
            (tmp_path / label / f"{number}.txt").write_text(text + "\nend\n", encoding="utf-8")
    (tmp_path / ".hidden").write_text("x")
    assert pairs(read_labelled(tmp_path)) == [
        ("bad\nend\n", ("neg",)),
        ("good\nend\n", ("pos",)),
        ("fine\nend\n", ("pos",)),
    ]
    (tmp_path / "pos" / "2.txt").write_bytes(b"\xff")
    with pytest.raises(UsageError, match="2.txt is not UTF-8"):
        read_labelled(tmp_path)
    assert "1 row left out" in read_labelled(tmp_path, LabelColumns(skip_bad=True)).notes[0]


def test_a_file_for_each_label(tmp_path):
    (tmp_path / "Greek.txt").write_text("Onassis\n\n", encoding="utf-8")
    (tmp_path / "Dutch.txt").write_text("'t Hooft\nSnell\n", encoding="utf-8")
    assert pairs(read_labelled(tmp_path)) == [
        ("'t Hooft", ("Dutch",)),
        ("Snell", ("Dutch",)),
        ("Onassis", ("Greek",)),
    ]


@pytest.mark.parametrize(
    "content, columns, said",
    [
        (
            "a,b\nx,y\n",
            {},
            r"has no column called label or class: its columns are 'a', 'b'. Name the labels' one with --label",
        ),
        ("label,b\nx,y\n", {"label": "kind"}, "has no column 'kind'"),
        ("label,b\nx,y\n", {"input": "text"}, "has no column 'text'"),
        ("label\nx\n", {}, "has nothing but labels"),
        (
            "label,a,b\nx,1,y\n",
            {},
            "the column b begins with 'y', which is no number, and there are others: 'a'. Name the texts",
        ),
        ("label,a,b\nx,1,2\ny,1,z\n", {}, "line 3: b is 'z': a number is expected"),
        ("label,text\nx,a\n,b\n", {}, "line 3: label is empty"),
        ("label,text\nx,\n", {}, "line 2: text is empty"),
    ],
)
def test_tables_that_hold_no_examples(read, content, columns, said):
    with pytest.raises(UsageError, match=said):
        read(content, **columns)


def test_skip_bad_is_counted(read):
    found = read("label,a,b\nx,1,2\ny,1,z\n,1,2\nx,1\n", skip_bad=True)
    assert len(found.examples) == 1 and "3 rows left out: line 5: it has 2 fields" in found.notes[0]


def test_values_need_no_labels(read):
    assert pairs(read("text\na\nb\n", values=True)) == [("a", ()), ("b", ())]
    assert pairs(read("a,b,label\n1,2,\n", values=True)) == [([[1, 2]], ())]


def test_what_is_the_same_has_one_key(read):
    assert key("a ") == key("a") != key("b")
    assert key(torch.ones(2, 1)) == key(torch.ones(4, 1)[:2]) != key(torch.zeros(2, 1))
    one, other = (read(f"label,text\n{label},x\ny,z\n") for label in "ab")
    assert one.digest() != other.digest() == read("label,text\nb,x\ny,z\n", "other.csv").digest()


def test_channels_are_refused_where_the_examples_say_otherwise(read):
    series = '{"label": "a", "values": [[1, 2], [3, 4]]}\n'
    for content, name, what in [
        ("label,text\na,b\n", "d.csv", "holds texts, which have none"),
        ("__label__a b\n", "d.txt", "holds texts, which have none"),
        (series, "d.jsonl", "have 2"),
    ]:
        found = read(content, name, channels=3)
        with pytest.raises(
            UsageError, match=f"--channels 3: .*{name} {what}|--channels 3: the series of .* {what}"
        ):
            check_channels(found, 3)
    check_channels(read(series, "d.jsonl"), 2)
    with pytest.raises(UsageError, match="--channels 2: .* holds texts"):
        Classify(channels=2).data()
