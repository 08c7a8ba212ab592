"""Readers of tagged sentences: columns, CoNLL-U, JSONL; what is wrong with a file is said with its line."""

import json
import os
from pathlib import Path

import pytest

from unrolled.data.conll import Layout, Sentence, read_tagged
from unrolled.data.spans import scheme_of, wrong_at
from unrolled.errors import UsageError

DATA = Path(os.environ.get("UNROLLED_DATA", "../shared/data"))
CONLLU = """# sent_id = 1
# text = vámonos al mar
1-2\tvámonos\t_\t_\t_\t_\t_\t_\t_\t_
1\tvamos\tir\tVERB\t_\t_\t0\troot\t_\t_
2\tnos\tnosotros\tPRON\t_\tCase=Acc\t1\tobj\t_\t_
3-4\tal\t_\t_\t_\t_\t_\t_\t_\t_
3\ta\ta\tADP\t_\t_\t5\tcase\t_\t_
4\tel\tel\tDET\t_\t_\t5\tdet\t_\t_
5\tmar\tmar\tNOUN\t_\t_\t1\tobl\t_\t_
5.1\tfue\tir\tVERB\t_\t_\t_\t_\t0:root\t_

1\t_\t_\tSYM\t_\t_\t0\troot\t_\t_
"""


@pytest.fixture
def read(tmp_path):
    def reading(text, layout=Layout(), ending=".conll", skip_bad=False):
        file = tmp_path / f"a{ending}"
        file.write_text(text, encoding="utf-8", newline="")
        return read_tagged(file, layout, skip_bad=skip_bad)

    return reading


def complaint(read, *given, **options):
    with pytest.raises(UsageError) as caught:
        read(*given, **options)
    return str(caught.value).split("/")[-1]


TWO = [Sentence(("EU", "#1"), ("B-ORG", "O"), (), 1), Sentence(("Bonn",), ("B-LOC",), (), 4)]


@pytest.mark.parametrize(
    "text",
    [
        "EU\tB-ORG\n#1\tO\n\nBonn\tB-LOC\n",
        "EU\tB-ORG\r\n#1\tO\r\n\r\nBonn\tB-LOC",
        "EU\tB-ORG\n#1\tO\n\t\nBonn\tB-LOC\n\n\n",  # WNUT17 parts its sentences by a tab
        "EU B-ORG\n#1   O\n \nBonn B-LOC\n",
        "\ufeffEU B-ORG\n#1   O\n \nBonn B-LOC\n",
    ],
)
def test_columns_with_tabs_or_blanks_and_any_line_ends(read, text):
    assert read(text).sentences == TWO


def test_columns_by_number_and_by_name(read):
    text = "word,pos,chunk,ner\nEU,NNP,B-NP,B-ORG\n.,.,O,O\n"
    layout = Layout(separator="comma", word="word", tag="ner", features=("pos",))
    (named,) = read(text, layout).sentences
    assert named == Sentence(("EU", "."), ("B-ORG", "O"), (("NNP", "."),), 1)
    numbered = Layout(separator=",", word="1", tag="-2", features=("2", "-1"))
    (found,) = read(text.split("\n", 1)[1], numbered).sentences
    assert (found.tags, found.features) == (("B-NP", "O"), (("NNP", "."), ("B-ORG", "O")))


def test_documents_and_comments_are_no_words(read):
    text = "-DOCSTART- -X- O\n\n# id = 1\nEU NNP B-ORG\n# NN O\n\n# id = 2\n# a b c d\nBonn NNP B-LOC\n"
    found = read(text).sentences
    assert [sentence.words for sentence in found] == [("EU", "#"), ("Bonn",)]


def test_letters_that_are_seen_as_spaces_stay_words(read):
    (found,) = read("\u3000\tO\n\xa0\tO\n\u200bx\u200b\tO\n").sentences
    assert found.words == ("\u3000", "\xa0", "\u200bx\u200b")


def test_ranges_and_empty_nodes_of_conllu_are_no_words(read):
    found = read(CONLLU, ending=".conllu")
    first, second = found.sentences
    assert first.words == ("vamos", "nos", "a", "el", "mar")
    assert first.tags == ("VERB", "PRON", "ADP", "DET", "NOUN")
    assert second.words == ("_",)  # an underscore is a word of its own
    assert found.passed == {"ranges of words": 2, "empty nodes": 1}
    layout = Layout(word="LEMMA", tag="DEPREL", features=("FEATS", "4"))
    assert read(CONLLU, layout, ".conllu").sentences[0].features[1][:2] == ("VERB", "PRON")


def test_conllu_is_read_as_the_package_conllu_reads_it(read):
    conllu = pytest.importorskip("conllu")
    found = read(CONLLU, ending=".conllu").sentences
    for ours, theirs in zip(found, conllu.parse(CONLLU), strict=True):
        tokens = [token for token in theirs if isinstance(token["id"], int)]
        assert ours.words == tuple(token["form"] for token in tokens)
        assert ours.tags == tuple(token["upos"] for token in tokens)


def test_conllu_plus_names_its_columns(read):
    text = "# global.columns = ID FORM NE\n1\tEU\tB-ORG\n2\tsays\tO\n"
    layout = Layout(tag="NE")
    assert read(text, layout, ".conllup").sentences == [Sentence(("EU", "says"), ("B-ORG", "O"), (), 1)]


def test_jsonl(read):
    rows = [{"tokens": ["EU", "says"], "ner_tags": ["B-ORG", "O"]}, {"tokens": ["Bonn"], "ner_tags": ["O"]}]
    text = "\n\n".join(map(json.dumps, rows))
    found = read(text, ending=".jsonl").sentences
    assert found[0] == Sentence(("EU", "says"), ("B-ORG", "O"), (), 1) and found[1].line == 3
    layout = Layout(word="tokens", tag="ner_tags", features=("ner_tags",))
    assert read(text, layout, ".jsonl").sentences[0].features == (("B-ORG", "O"),)


@pytest.mark.parametrize(
    "text, layout, said",
    [
        (
            "EU B-ORG\nsays O\n",
            Layout(separator="tab"),
            (
                "a.conll has 1 column where a tab separates them, 'EU B-ORG', and a word and its tag are two:"
                " say with --separator what stands between them."
            ),
        ),
        (
            "EU\tNNP\tB-ORG\nsays\tO\n",
            Layout(),
            (
                "a.conll, line 2: it has 2 columns where a tab separates them, and 3 are expected. Mend it, or"
                " leave such rows out with --skip-bad."
            ),
        ),
        (
            "EU\tB-ORG\nsays\t\n",
            Layout(),
            (
                "a.conll, line 2: its tag, column 2, is empty: a tag is expected in each line. Mend it, or"
                " leave such rows out with --skip-bad."
            ),
        ),
        ("EU\tO\n", Layout(tag="3"), "a.conll has no column '3', but 2. Give a number from 1 to 2."),
        ("EU\tO\n", Layout(tag="0"), "a.conll has no column '0', but 2. Give a number from 1 to 2."),
        (
            "EU\tO\n",
            Layout(tag="ner"),
            "a.conll has no column 'ner', but 2, EU, O. Give a number from 1 to 2, or a name.",
        ),
        ("EU\tO\n", Layout(tag="1"), "a.conll: column 1 cannot be both word and tag: name two columns."),
        ("# nothing\n\n", Layout(), "a.conll has no sentence."),
    ],
)
def test_what_is_wrong_with_columns_is_said(read, text, layout, said):
    assert complaint(read, text, layout) == said


@pytest.mark.parametrize(
    "row, said",
    [
        ("x\tEU" + "\t_" * 8, "its ID is 'x': a number, a range (15-16) or an empty node (8.1) is expected"),
        ("2\tEU" + "\t_" * 8, "its ID is 2, and word 1 of the sentence is expected"),
        ("1\tEU" + "\t_" * 8, "its tag, column 4, is empty: a tag is expected in each line"),
        ("1\tEU", "it has 2 columns where a tab separates them, and 10 are expected"),
    ],
)
def test_what_is_wrong_with_conllu_is_said(read, row, said):
    assert complaint(read, row + "\n", ending=".conllu").startswith(f"a.conllu, line 1: {said}.")


@pytest.mark.parametrize(
    "row, said",
    [
        ("[1]", "it is not an object: {words, tags} is expected"),
        ('{"words": ["a"], "tags": []}', "it has 1 words and 0 tags: as many are expected"),
        ('{"words": ["a"]}', "it has no 'tags', only 'words'"),
        ('{"words": "a", "tags": ["O"]}', "words is a: a list of texts is expected"),
        ('{"words": ["a"], "tags": [3]}', "tags is [3]: a list of texts is expected"),
    ],
)
def test_what_is_wrong_with_jsonl_is_said(read, row, said):
    assert complaint(read, row, ending=".jsonl").startswith(f"a.jsonl, line 1: {said}.")


def test_bad_sentences_are_left_out_and_counted(read):
    found = read("a\tO\nb\n\nc\tO\n", skip_bad=True)
    assert [sentence.words for sentence in found.sentences] == [("c",)]
    assert found.bad.said().split("/")[-1] == (
        "a.conll: 1 row left out: line 2: it has 1 column where a tab separates them, and 2 are expected"
    )


@pytest.mark.skipif(not (DATA / "wnut17").is_dir(), reason="UNROLLED_DATA has no wnut17")
def test_wnut17_has_as_many_sentences_words_and_spans_as_its_authors_count():
    sizes = {"wnut17train.conll": (3394, 62730), "emerging.dev.conll": (1009, 15733)}
    for name, size in sizes.items():
        found = read_tagged(DATA / "wnut17" / name).sentences
        assert (len(found), sum(len(sentence.words) for sentence in found)) == size
        assert scheme_of(sentence.tags for sentence in found) == "bio"
        assert all(wrong_at(sentence.tags, "bio") is None for sentence in found)


@pytest.mark.skipif(not (DATA / "ud_english_atis").is_dir(), reason="UNROLLED_DATA has no ud_english_atis")
def test_atis_has_as_many_sentences_as_its_source_says():
    for part, count in (("train", 4274), ("dev", 572), ("test", 586)):
        assert len(read_tagged(DATA / "ud_english_atis" / f"en_atis-ud-{part}.conllu").sentences) == count
