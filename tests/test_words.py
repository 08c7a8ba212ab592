"""Words: split and joined again, known and unknown, and what a stranger's folder may say of them."""

import json
import re
import time

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from unrolled.data.text import Text
from unrolled.data.words import JOINER, Words, join_spaces, join_words, split_spaces, split_words
from unrolled.errors import UsageError

TEXTS = st.text(
    st.one_of(st.sampled_from("ab1.,'’-\"( \t\n\ré٣̈" + JOINER), st.characters(codec="utf-8")), max_size=60
)


def plain(text: str) -> str:
    """What `join_words` promises to give back."""
    text = text.replace(JOINER, "■").replace("\r\n", "\n").replace("\r", "\n")
    return "\n".join(" ".join(line.split()) for line in text.split("\n"))


@given(TEXTS)
@example("x\x85y\u2028z")
@example("1.5.x '' 'n' --x-- a--b 1,000.5%")
def test_joined_words_are_the_text_but_for_the_width_of_spaces(text):
    words = split_words(text)
    assert join_words(words) == plain(text)
    assert all(word == "\n" or not re.search(r"\s", word) for word in words)


@given(TEXTS)
def test_what_stands_between_spaces_is_joined_with_spaces(text):
    assert join_spaces(split_spaces(text)) == plain(text.replace(JOINER, "■")).replace("■", "■")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't stop -- 1,000.5 well-known…", ["Don't", "stop", "--", "1,000.5", "well-known", "￭…"]),
        ('"Well," he said.', ['"￭', "Well", "￭,", '￭"', "he", "said", "￭."]),
        ("(a) [b]", ["(￭", "a", "￭)", "[￭", "b", "￭]"]),
        ("¿Qué? ¡No!", ["¿￭", "Qué", "￭?", "¡￭", "No", "￭!"]),
        ("a\r\n\r\nb", ["a", "\n", "\n", "b"]),
        ("नमस्ते दुनिया।", ["नमस्ते", "दुनिया", "￭।"]),
        ("v1.5a", ["v1", "￭.￭", "5a"]),
    ],
)
def test_words_and_signs_apart(text, words):
    assert split_words(text) == words


def test_splitting_takes_time_in_proportion():
    for hard in ("1." * 200_000 + "x", "a-" * 200_000, "." * 400_000, "١" * 400_000, "é" * 200_000):
        began = time.perf_counter()
        split_words(hard)
        assert time.perf_counter() - began < 2


def test_the_most_frequent_words_are_known_and_the_rest_is_one_unknown_word():
    text = "b a b c <unk> <s> b a ccc"
    words = Words.of([text], most=2, marks=("<pad>", "<s>"), split="spaces")
    assert words.names == ("<pad>", "<s>", "<unk>", "b", "a") and len(words) == 5
    assert words.encode(text).tolist() == [3, 4, 3, 2, 2, 2, 3, 4, 2], "no text has a mark in it"
    assert words.decode([1, 3, 2, 4, 0]) == "b <unk> a"
    assert (words.unknown, words.mark("<s>"), words.mark("<pad>")) == (2, 1, 0)
    with pytest.raises(ValueError):
        words.mark("</s>")
    assert "a" in words and "<s>" not in words and "ccc" not in words
    assert Words.of([text], least=2, split="spaces").words == ("b", "a")
    assert Words.of(["c b a"]).words == ("a", "b", "c"), "sorted where none is more frequent"
    with pytest.raises(UsageError, match="no word"):
        Words.of([" \t "])


@pytest.mark.parametrize("split", ["words", "spaces"])
def test_a_long_text_in_blocks_has_the_words_of_the_whole(split):
    text = "It's 'so', well-known; 1,000 times\nor more.\n\n" * 40
    for size in (1, 7, 64, 10**6):
        blocks = Text.in_blocks(lambda: (text[k : k + size] for k in range(0, len(text), size)), "it")
        assert Words.of(blocks, split=split) == Words.of(text, split=split)
        found = Words.of(text, split=split).encode(blocks)
        assert found.dtype == torch.int32 and torch.equal(
            found.long(), Words.of(text, split=split).encode(text)
        )


def test_a_text_that_changes_while_its_words_are_read_is_refused():
    changing = iter(["a b", "a b", "a b c"])
    text = Text.in_blocks(lambda: iter([next(changing)]), "the text")
    with pytest.raises(UsageError, match="the text was changed while it was read"):
        Words.of("a b").encode(text)


WORDS = Words.of(["to be\nor not"], marks=("<pad>", "</s>")).to_json()


def test_words_come_back_from_json():
    assert Words.of_json(json.loads(json.dumps(WORDS))).to_json() == WORDS


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        WORDS | {"words": []},
        WORDS | {"words": "ab"},
        WORDS | {"words": ["a", "a"]},
        WORDS | {"words": ["a", 1]},
        WORDS | {"words": ["a", ""]},
        WORDS | {"words": ["a", "<unk>"]},
        WORDS | {"words": ["a", "<s>"]},
        WORDS | {"words": ["a b"]},
        WORDS | {"words": ["a" * 201]},
        WORDS | {"words": ["\ud800"]},
        WORDS | {"marks": ["</s>", "<pad>"]},
        WORDS | {"marks": ["<eos>"]},
        WORDS | {"marks": None},
        WORDS | {"split": "lines"},
        WORDS | {"split": ["words"]},
        WORDS | {"more": 1},
    ],
)
def test_damaged_words_are_a_value_error(wrong):
    with pytest.raises(ValueError):
        Words.of_json(wrong)
