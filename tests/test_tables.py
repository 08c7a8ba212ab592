"""Tables as people write them: what is read, and what is said of what cannot be."""

from __future__ import annotations

import pytest

from unrolled.data.bad_rows import BadRows
from unrolled.data.tables import read_table
from unrolled.errors import UsageError


@pytest.fixture
def read(tmp_path):
    def reading(content: str | bytes, name: str = "data.csv", **more):
        file = tmp_path / name
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_table(file, **more)

    return reading


def fields(table):
    return [list(row.fields.values()) for row in table.rows]


def test_csv_quotes_commas_and_line_ends(read):
    table = read('\ufefflabel,text\r\n"a, b","he said ""no"""\r\n\r\nc,"two\nlines"\nd,last')
    assert table.columns == ("label", "text")
    assert fields(table) == [["a, b", 'he said "no"'], ["c", "two\nlines"], ["d", "last"]]
    assert [row.line for row in table.rows] == [2, 4, 6]


def test_semicolons_where_the_header_has_them(read):
    assert fields(read("label;text\nx;a, b\n")) == [["x", "a, b"]]
    assert fields(read("label,text;more\nx,a; b\n")) == [["x", "a; b"]]


def test_tsv_takes_quotes_as_they_stand(read):
    assert fields(read('label\ttext\nx\t"quoted" and, more\n', "data.tsv")) == [["x", '"quoted" and, more']]


def test_jsonl(read):
    table = read('{"label": "x", "n": 1}\n\n{"label": "y", "series": [1, 2]}\n', "data.jsonl")
    assert table.columns == ("label", "n", "series")
    assert [row.line for row in table.rows] == [1, 3] and table.rows[1].value("series") == [1, 2]
    with pytest.raises(ValueError, match="it has no 'n', only 'label', 'series'"):
        table.rows[1].value("n")


@pytest.mark.parametrize(
    "content, kind", [('{"a": 1}\n', "a"), ("a\tb\n1\t2\n", "a"), ("a,b\n1,2\n", "a"), ("a\n1\n", "a")]
)
def test_the_first_line_says_the_kind_where_the_name_does_not(read, content, kind):
    assert read(content, "data.txt").rows[0].text(kind) == "1"


@pytest.mark.parametrize(
    "name, content, said",
    [
        (
            "d.csv",
            "label,text\na,b,c\n",
            r"d.csv, line 2: it has 3 fields, and the header has 2: 'label', 'text' \(a fie",
        ),
        ("d.csv", "label,text\nx,y\na\n", "line 3: it has 1 field, and the header has 2"),
        ("d.tsv", "label\ttext\na\n", "line 2: it has 1 field, and the header has 2: 'label', 'text'. Mend"),
        ("d.csv", 'label,text\na,"b" c\n', "line 2: its quotes are not those of CSV"),
        ("d.csv", 'label,text\na,"b\nc,d\n', "line 2: its quotes are not those of CSV"),
        ("d.csv", "label,label\na,b\n", "line 1: two columns are called 'label': rename one"),
        ("d.csv", "label,\na,b\n", "line 1: column 2 has no name: the first line is to name the columns"),
        ("d.csv", "1.5,2,a\n1,2,b\n", "line 1: '1.5' is a number: the first line is to name the columns"),
        ("d.csv", "label,text\n", "d.csv has no rows that can be read"),
        ("d.csv", "", "d.csv is empty"),
        ("d.csv", "a\0b", "binary"),
        ("d.csv", b"a,\xff\n", "not UTF-8"),
        ("d.jsonl", '{"a": 1}\n[1]\n', r"line 2: it is \[1\]: an object with names is expected"),
        ("d.jsonl", '{"a": 1}\n{"a": \n', "line 2: it is not JSON"),
        ("d.jsonl", "[" * 100_000 + "\n", "line 1: it is not JSON"),
    ],
)
def test_what_cannot_be_read_is_said_with_file_and_line(read, name, content, said):
    with pytest.raises(UsageError, match=said):
        read(content, name)


def test_missing_files_and_columns(read, tmp_path):
    with pytest.raises(UsageError, match=r"--data .*none.csv does not exist"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(UsageError, match=r"--train .* is a folder"):
        read_table(tmp_path, option="--train")
    with pytest.raises(UsageError, match=r"has no column 'class': its columns are 'label', 'text'"):
        read("label,text\na,b\n").require("label", "class")


def test_skip_bad_leaves_rows_out_and_counts_them(read):
    table = read('label,text\na,b\nc\nd,"e" f\ng,h\n', skip_bad=True)
    assert fields(table) == [["a", "b"], ["g", "h"]]
    assert "2 rows left out: line 3: it has 1 field" in table.bad.said()
    table = read('{"a": 1}\nno\n', "d.jsonl", skip_bad=True)
    assert len(table.rows) == 1 and len(table.bad.found) == 1


def test_values(read):
    (row,) = read('{"a": "1e3", "b": 2, "c": null, "d": true, "e": " ", "f": "nan", "g": 1.5}', "d.jsonl").rows
    assert row.number("a") == 1000 and row.number("b") == 2 and row.text("b") == "2" and row.text("d") == "True"
    for column, method, said in [
        ("c", row.text, "c is None: a text is expected"),
        ("g", row.text, "g is 1.5: a text is expected"),
        ("e", row.text, "e is empty"),
        ("c", row.number, "c is None: a number is expected"),
        ("d", row.number, "d is True: a number is expected"),
        ("e", row.number, "e is ' ': a number is expected"),
        ("f", row.number, "f is 'nan': a finite number is expected"),
    ]:
        with pytest.raises(ValueError, match=said):
            method(column)


def test_bad_rows_say_the_first_few():
    bad = BadRows("f.csv", skip=True)
    assert bad.said() == ""
    for line in range(5):
        bad.add(line, "wrong")
    assert bad.said() == "f.csv: 5 rows left out: line 0: wrong; line 1: wrong; line 2: wrong; ..."
    with pytest.raises(
        UsageError, match="f.csv, line 7: wrong. Mend it, or leave such rows out with --skip-bad."
    ):
        BadRows("f.csv").add(7, "wrong")
