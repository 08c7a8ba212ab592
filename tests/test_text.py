"""Texts and vocabularies: what is read, what is held out, and the exact words for everything that is wrong."""

import pytest
import torch
from char_lm import char_lm

from unrolled.data.streams import Streams
from unrolled.data.text import HELD_OUT_LIMIT, read_text, split, standard_library
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
    assert read_text(file) == "one\r\ntwo\n"


def test_a_text_shorter_than_one_batch_is_refused_with_both_lengths():
    with pytest.raises(UsageError) as caught:
        split("x" * 100, batch=10, span=9)
    assert str(caught.value) == (
        "the text is shorter than one batch: 90 characters are left for training when the last tenth is held out, "
        "and one batch takes 10 x 9 + 1 = 91. Give a longer text, or a smaller --batch or --span."
    )
    assert len(split("x" * 102, batch=10, span=9).training) == 92


def test_the_held_out_part_is_the_last_tenth_with_a_limit():
    parts = split("a" * 900 + "b" * 100, 1, 1)
    assert (parts.training, parts.validation) == ("a" * 900, "b" * 100)
    assert len(split("x" * 3_000_000, 1, 1).validation) == HELD_OUT_LIMIT


def test_the_built_in_text_is_ascii_fixed_and_capped():
    text = standard_library(50_000)
    assert text.isascii() and len(text) == 50_000
    assert text == standard_library(60_000)[:50_000]
    assert len(standard_library()) <= 4_000_000


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
        ("rate", float("nan"), "--rate nan is not above 0: give a positive number."),
        ("clip", float("inf"), "--clip inf is not above 0: give a positive number."),
        ("decay", -0.1, "--decay -0.1 is below 0: give 0 or a positive number."),
        ("dropout", 1.0, "--dropout 1.0 is not a share: give a number from 0 up to, not including, 1."),
    ],
)
def test_a_number_that_no_run_can_have_is_refused(option, value, message):
    with pytest.raises(UsageError) as caught:
        check_options(char_lm(**{option: value}))
    assert str(caught.value) == message
