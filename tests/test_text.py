"""Texts and vocabularies: what is read, what is held out, and the exact words for everything that is wrong."""

import errno
import hashlib
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from char_lm import char_lm

from unrolled.data import text as texts
from unrolled.data import vocabulary as vocabularies
from unrolled.data.streams import Streams
from unrolled.data.text import HELD_OUT_LIMIT, Text, read_text, split, standard_library
from unrolled.data.vocabulary import Vocabulary
from unrolled.errors import UsageError
from unrolled.models.language import LanguageModel
from unrolled.options import check_options
from unrolled.task import Part


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "--text {} is empty: give a file with some text."),
        (b"ab\x00c", "--text {} is binary (byte 2 is zero): give a UTF-8 text file."),
        (
            b"caf\xe9!",
            "--text {0} is not UTF-8 (byte 3 is 0xe9): convert it first, e.g. iconv -f latin1 -t utf-8 {0}",
        ),
    ],
    ids=["empty", "binary", "latin1"],
)
def test_a_file_that_is_no_text_is_refused_with_the_reason(tmp_path, content, message):
    file = tmp_path / "input.txt"
    file.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read_text(file)
    assert str(caught.value) == message.format(file)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(UsageError) as caught:
        read_text(tmp_path / "none.txt")
    assert str(caught.value) == f"--text {tmp_path / 'none.txt'} does not exist: check the path."
    with pytest.raises(UsageError) as caught:
        read_text(tmp_path)
    assert str(caught.value) == f"--text {tmp_path} is a folder: give one text file."


def test_line_ends_stay_and_a_byte_order_mark_goes(tmp_path):
    file = tmp_path / "input.txt"
    file.write_bytes(b"\xef\xbb\xbfone\r\ntwo\n")
    assert str(read_text(file)) == "one\r\ntwo\n"


@pytest.mark.parametrize("kind", ["pipe", "device", "socket"])
def test_what_has_no_end_is_refused_by_name_at_once(tmp_path, kind):
    path = tmp_path / "input"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path = Path("/dev/zero")
    else:
        made = socket.socket(socket.AF_UNIX)
        made.bind(str(path))
        made.close()
    with pytest.raises(UsageError) as caught:
        read_text(path)
    wrong = {"pipe": "is a pipe: give one", "device": "is a device: give one", "socket": "cannot be read"}[kind]
    assert f"--text {path} {wrong}" in str(caught.value)


def test_blocks_may_end_inside_a_character_and_places_count_from_the_start(tmp_path, monkeypatch):
    file = tmp_path / "input.txt"
    words = "ab\r\ncdé€😀 " * 5
    for block in (1, 2, 3, 5, 7):
        monkeypatch.setattr(texts, "BLOCK", block)
        file.write_bytes(b"\xef\xbb\xbf" + words.encode())
        read = read_text(file)
        assert (str(read), len(read), read.alphabet) == (words, len(words), tuple(sorted(set(words))))
        assert read.digest == Text.of(words).digest == hashlib.sha256(words.encode()).hexdigest()
        file.write_bytes(b"\xef\xbb\xbfabcd\xe9!")
        with pytest.raises(UsageError, match="byte 7 is 0xe9"):
            read_text(file)
        file.write_bytes("ab€".encode()[:-1])
        with pytest.raises(UsageError, match="byte 2 is 0xe2"):
            read_text(file)
        file.write_bytes(b"abcdefg\x00")
        with pytest.raises(UsageError, match="byte 7 is zero"):
            read_text(file)


def test_a_text_that_changes_between_two_readings_is_refused(tmp_path):
    file = tmp_path / "input.txt"
    for before, after in (("abab", "abba"), ("ab", "ababab"), ("abc", "ab"), ("ab", "a😀")):
        file.write_text(before, encoding="utf-8")
        read = read_text(file)
        file.write_text(after, encoding="utf-8")
        with pytest.raises(UsageError, match="was changed while it was read"):
            Vocabulary.of(read).encode(read)


def test_a_text_shorter_than_one_batch_is_refused_with_what_it_takes():
    with pytest.raises(UsageError) as caught:
        split(100, batch=10, span=9)
    assert (
        str(caught.value)
        == "the text has 100 characters, and --batch 10 with --span 9 takes 101: one batch is 10 x 9 + 1 = 91,"
        " and a tenth of the text, at least 2 and at most 125,000 characters, is held out. Give a longer"
        " text, or a smaller --batch or --span."
    )
    with pytest.raises(
        UsageError, match=r"has 5 characters, .* takes 20: .*at least 2 .*Give a longer text\.$"
    ):
        split(5, batch=1, span=1)


@pytest.mark.parametrize("batch", [1, 3, 10, 64, 999, 10**6, 10**30])
@pytest.mark.parametrize("span", [1, 7, 64, 1250])
def test_the_length_that_a_message_asks_for_is_the_least_that_is_enough(batch, span):
    with pytest.raises(UsageError) as caught:
        split(1, batch, span)
    least = int(re.search(r"takes ([\d,]+):", str(caught.value))[1].replace(",", ""))
    end = split(least, batch, span)
    assert end > batch * span and least - end >= 2
    with pytest.raises(UsageError):
        split(least - 1, batch, span)


def test_the_held_out_part_is_the_last_tenth_with_a_limit():
    assert split(1000, 1, 1) == 900 and split(3_000_000, 1, 1) == 3_000_000 - HELD_OUT_LIMIT


def test_the_built_in_text_is_ascii_fixed_and_capped():
    text = str(standard_library(50_000))
    assert text.isascii() and len(text) == 50_000
    assert text == str(standard_library(60_000))[:50_000]
    assert len(standard_library()) <= 4_000_000


@pytest.mark.parametrize(
    ("size", "kind"), [(2, torch.uint8), (256, torch.uint8), (257, torch.int16), (40_000, torch.int32)]
)
def test_indices_are_of_the_smallest_type_and_the_same_in_memory_and_in_a_file(size, kind, monkeypatch):
    letters = "".join(chr(33 + k) if 33 + k < 0xD800 else chr(0x10000 + k) for k in range(size))
    text = Text.of(letters + letters[::-1] * 3)
    vocabulary = Vocabulary.of(text)
    found = vocabulary.encode(text)
    assert found.dtype == kind and torch.equal(found.long(), vocabulary.encode(str(text)))
    monkeypatch.setattr(vocabularies, "IN_MEMORY", 1)
    assert torch.equal(vocabulary.encode(text), found)


def test_a_disk_without_room_for_a_long_text_is_an_error_that_says_so(monkeypatch):
    def full(**_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(vocabularies, "IN_MEMORY", 1)
    monkeypatch.setattr(vocabularies.tempfile, "TemporaryFile", full)
    text = Text.of("abc")
    with pytest.raises(UsageError, match="temporary file.*No space left on device.*TMPDIR"):
        Vocabulary.of(text).encode(text)


MEASURED = """
import resource, sys
from unrolled.tasks.char_lm import CharLM
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
CharLM(text=sys.argv[1]).data().batch(0)
before = peak()
data = CharLM(text=sys.argv[2]).data()
for step in range(3): data.batch(step)
next(iter(data.held_out())), CharLM().baseline(data)
print((peak() - before) / (len(data.training) + len(data.validation)))
"""


@pytest.mark.parametrize("alphabet", ["plain text of letters\n", "naïve, größe €\n"])
def test_reading_a_long_text_takes_at_most_three_bytes_a_character(tmp_path, alphabet):
    short, long = tmp_path / "short.txt", tmp_path / "long.txt"
    short.write_text(alphabet * 1000, encoding="utf-8")
    long.write_text(alphabet * (20_000_000 // len(alphabet)), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, short, long], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 3


def test_refusing_unknown_characters_takes_time_in_proportion():
    vocabulary = Vocabulary(tuple(map(chr, range(0x4E00, 0x4E00 + 8000))))
    began = time.perf_counter()
    with pytest.raises(UsageError, match=r"\(200000 of 200000\)"):
        vocabulary.encode("abcde" * 40_000)
    assert time.perf_counter() - began < 1


def test_encode_and_decode_are_inverse_beyond_the_basic_plane():
    text = "naïve 😀 text\r\n"
    vocabulary = Vocabulary.of(text)
    assert vocabulary.decode(vocabulary.encode(text)) == text
    assert Vocabulary.of_json(vocabulary.to_json()) == vocabulary


def test_unknown_characters_are_named():
    with pytest.raises(UsageError) as caught:
        Vocabulary.of("abc").encode("abécé😀", "--prime")
    assert str(caught.value) == (
        "--prime has characters that the training text never had: 'é' (U+00E9), '😀' (U+1F600) (3 of 6). "
        "Remove or replace them; the 3 known ones are in the run's encoding.json."
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"characters": []},
        {"characters": ["ab"]},
        {"characters": ["\ud800"]},
        {"characters": ["a", ""]},
        {"characters": ["a", "a"]},
        {"characters": [1]},
        {"letters": ["a"]},
    ],
)
def test_a_damaged_vocabulary_is_a_value_error(wrong):
    with pytest.raises(ValueError):
        Vocabulary.of_json(wrong)


def test_each_epoch_reads_its_characters_once_and_predicts_the_next_one():
    text = torch.arange(1 + 3 * 4 * 5 + 7)  # a remainder of 7
    data = Streams(Vocabulary.of("x"), text, text, rows=3, span=4, digest="", source="")
    assert data.steps_per_epoch == 5
    for epoch in range(3):
        batches = [data.batch(epoch * 5 + place) for place in range(5)]
        seen = torch.cat([batch.inputs for batch in batches])  # (T, B)
        assert all(torch.equal(batch.targets, batch.inputs + 1) for batch in batches)  # the text counts up
        assert len(seen.unique()) == seen.numel() == 60
        assert torch.equal(seen[1:], seen[:-1] + 1)  # each stream runs on from batch to batch
    parts = [data.batch(3, Part(rank, 2)).inputs for rank in (0, 1)]
    assert torch.equal(torch.stack((parts[0][:, 0], parts[1][:, 0], parts[0][:, 1]), 1), data.batch(3).inputs)
    assert not torch.equal(data.batch(0).inputs, data.batch(5).inputs)
    assert [data.batch(step).continues for step in range(7)] == [False, True, True, True, True, False, True]


def test_dropout_follows_from_how_often_the_text_is_read_unless_it_is_given():
    weights = sum(weight.numel() for weight in LanguageModel(5, "elman", 4, 2).parameters())

    def share(epochs, characters=100, **options):
        text = torch.zeros(characters, dtype=torch.int64)
        return char_lm(**options).dropout(weights, Streams(None, text, text, 1, 1, "", ""), epochs)

    assert [share(epochs) for epochs in (None, 0.3, 1, 3, 11, 100)] == [0.1, 0.0, 0.0, 0.02, 0.1, 0.3]
    assert share(11, 10 * weights) == 0.01, "a tenth as many weights as characters"
    assert share(100, dropout=0.0) == share(None, dropout=0.0) == 0.0


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("hidden", 0, "--hidden 0 is below 1: give a whole number from 1 up."),
        ("layers", -1, "--layers -1 is below 1: give a whole number from 1 up."),
        ("batch", 0, "--batch 0 is below 1: give a whole number from 1 up."),
        ("span", 0, "--span 0 is below 1: give a whole number from 1 up."),
        ("rate", 0.0, "--rate 0.0 is not above 0: give a positive number."),
        ("rate", float("nan"), "--rate nan is not a finite number: give one."),
        ("clip", float("inf"), "--clip inf is not a finite number: give one."),
        ("decay", -0.1, "--decay -0.1 is below 0: give 0 or a positive number."),
        ("dropout", 1.0, "--dropout 1.0 is not a share: give a number from 0 up to, not including, 1."),
    ],
)
def test_a_number_that_no_run_can_have_is_refused(option, value, message):
    with pytest.raises(UsageError) as caught:
        check_options(char_lm(**{option: value}))
    assert str(caught.value) == message
