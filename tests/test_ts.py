"""Files of series: what is read, and what is said of those that contradict themselves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from unrolled.data.ts import read_ts, series_of
from unrolled.errors import UsageError

UCR = Path(os.environ.get("UNROLLED_DATA", "../shared/data")) / "ucr_uea"
HEAD = "# a remark\n@problemName Made\n@timeStamps false\n\n"


@pytest.fixture
def read(tmp_path):
    def reading(content: str, **more):
        file = tmp_path / "made.ts"
        file.write_text(content, encoding="utf-8")
        return read_ts(file, **more)

    return reading


def test_channels_missing_values_and_unequal_lengths(read):
    rows, bad = read(
        HEAD
        + "@missing true\n@univariate false\n@dimensions 2\n@equalLength false\n@classLabel true a b\n@data\n"
        "1,2,?:4,5,6:a\n\n7:NaN:b\n"
    )
    assert [(line, label) for line, _, label in rows] == [(11, "a"), (13, "b")] and not bad.found
    first, second = (series for _, series, _ in rows)
    assert first.shape == (3, 2) and second.shape == (1, 2)
    assert first[:, 1].tolist() == [4, 5, 6] and first[2, 0].isnan() and second[0, 1].isnan()


def test_labels_may_be_any_text(read):
    rows, _ = read("@classLabel true walking 2\n@data\n1,2:walking\n1,2: 2 \n")
    assert [label for _, _, label in rows] == ["walking", "2"]


@pytest.mark.parametrize(
    "content, said",
    [
        ("@classLabel false\n@data\n1,2\n", "says @classLabel false: its series have no labels"),
        ("@targetlabel true\n@data\n1,2:0.5\n", "says @targetLabel true: its series have numbers to predict"),
        ("@timeStamps true\n@data\n(0,1),(1,2):a\n", "says @timeStamps true"),
        (
            "@classLabel true a b\n@data\n1,2:a\n1,2:c\n",
            r"made.ts, line 4: its label is 'c', and @classLabel lists 'a', 'b'",
        ),
        ("@classLabel true a\n@data\n1,2:3,4,5:a\n", "line 3: its channels have unequal lengths, 2, 3"),
        (
            "@univariate true\n@classLabel true a\n@data\n1,2:3,4:a\n",
            "line 4: it has 2 channels, and the header says 1",
        ),
        (
            "@dimensions 3\n@classLabel true a\n@data\n1:2:a\n",
            "line 4: it has 2 channels, and the header says 3",
        ),
        ("@classLabel true a\n@data\n1:2:a\n1:a\n", "line 4: it has 1 channels, and the first series 2"),
        ("@univariate true\n@dimensions 2\n@data\n1:a\n", "says @univariate true and @dimensions above 1"),
        ("@equalLength true\n@data\n1,2:a\n1,2,3:a\n", "line 4: it has 3 steps, and @equalLength true means 2"),
        (
            "@equalLength true\n@seriesLength 3\n@data\n1,2:a\n",
            "line 4: it has 2 steps, and @equalLength true means 3",
        ),
        ("@missing false\n@data\n1,?:a\n", "line 3: a value is missing, and the header says @missing false"),
        ("@data\n1,2\n", "line 2: it has no label: values, a colon and the label"),
        ("@data\n1,2:\n", "line 2: its label is empty"),
        ("@data\n1,x:a\n", "line 2: value 2 of channel 1 is 'x': a number is expected"),
        ("@data\n1,inf:a\n", "line 2: channel 1 holds a value that is not finite"),
        ("@data\n:a\n", "line 2: channel 1 is empty"),
        ("@missing maybe\n@data\n", "line 1: @missing maybe: true or false is expected"),
        ("@dimensions two\n@data\n", "line 1: @dimensions two: a number is expected"),
        ("@colour red\n@data\n", "line 1: @colour is not known"),
        ("@problemName x\n1,2:a\n", "line 2: @data is expected before the first series"),
        ("@problemName x\n", "has no line @data"),
        ("@data\n", "has no series that can be read"),
    ],
)
def test_files_that_contradict_themselves_are_clear_errors(read, content, said):
    with pytest.raises(UsageError, match=said):
        read(content)


def test_skip_bad(read):
    rows, bad = read("@classLabel true a\n@data\n1,2:a\n1,2:b\nx:a\n3:a\n", skip_bad=True)
    assert [line for line, _, _ in rows] == [3, 6]
    assert "2 rows left out: line 4: its label is 'b'" in bad.said()


@pytest.mark.parametrize(
    "text, said", [("1,2:3", "unequal lengths"), ("a", "a number is expected"), ("", "is empty")]
)
def test_a_series_of_the_command_line(text, said):
    with pytest.raises(ValueError, match=said):
        series_of(text)


@pytest.mark.parametrize(
    "name, count, longest, channels, classes",
    [
        (
            "ArrowHead_TRAIN",
            36,
            251,
            1,
            3,
        ),  # its header has an empty line, and neither @equalLength nor @seriesLength
        ("BasicMotions_TRAIN", 40, 100, 6, 4),
        ("JapaneseVowels_TRAIN", 270, 26, 12, 9),
        ("JapaneseVowels_TEST", 370, 29, 12, 9),  # longer than what is learned from
    ],
)
@pytest.mark.skipif(not UCR.is_dir(), reason=f"{UCR} is not there: set UNROLLED_DATA")
def test_the_archive(name, count, longest, channels, classes):
    rows, bad = read_ts(UCR / f"{name}.ts")
    assert len(rows) == count and max(len(series) for _, series, _ in rows) == longest and not bad.found
    assert {series.shape[1] for _, series, _ in rows} == {channels} and len({r[2] for r in rows}) == classes
