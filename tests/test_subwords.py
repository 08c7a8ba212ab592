"""Parts of words by byte-pair encoding: any text comes back, the same each time, and a
stranger's folder is bounded.
"""

import json

import pytest
import torch

from unrolled.data.subwords import Subwords
from unrolled.data.text import Text
from unrolled.errors import UsageError

pytest.importorskip("tokenizers")
SAID = "I grew up in France. I speak fluent French. naïve 😀\n" * 20
PARTS = Subwords.of([SAID], size=300, marks=("<pad>", "<s>"))


def test_subwords_of_any_text_join_to_it():
    assert len(PARTS) <= 302 and PARTS.names[:2] == ("<pad>", "<s>") and " France" in PARTS.names
    for text in (SAID, "", "Ζ € \t  <s> x\n", "a\r\nb"):
        indices = PARTS.encode(text)
        assert indices.dtype == torch.int64 and (len(indices) == 0 or int(indices.min()) >= 2)
        assert PARTS.decode([0, *indices.tolist(), 1]) == text.replace("\r\n", "\n")
    assert PARTS.decode(PARTS.encode("\ud800")) == "?"
    assert len(PARTS.encode(" French")) < len(" French")


def test_subwords_are_the_same_each_time_and_in_blocks():
    assert Subwords.of([SAID], size=300, marks=("<pad>", "<s>")) == PARTS
    blocks = Text.in_blocks(lambda: (SAID[k : k + 9] for k in range(0, len(SAID), 9)), "it")
    assert torch.equal(PARTS.encode(blocks).long(), PARTS.encode(SAID))


STORED = PARTS.to_json()


def test_subwords_come_back_from_json_as_they_were():
    read = Subwords.of_json(json.loads(json.dumps(STORED)))
    assert read == PARTS and torch.equal(read.encode(SAID), PARTS.encode(SAID))


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        STORED | {"pieces": 3},
        STORED | {"pieces": STORED["pieces"][1:]},
        STORED | {"pieces": [*STORED["pieces"], STORED["pieces"][-1]]},
        STORED | {"pieces": [*STORED["pieces"], "€€"]},
        STORED | {"pieces": [*STORED["pieces"], 1]},
        STORED | {"pieces": [*STORED["pieces"], "aa" * 200]},
        STORED | {"merges": [[0]]},
        STORED | {"merges": [[0, 299]]},
        STORED | {"merges": [[0, -1]]},
        STORED | {"merges": [[0, True]]},
        STORED | {"merges": [[0, 0]]},
        STORED | {"merges": [[[], 0]]},
        STORED | {"merges": {}},
        STORED | {"marks": ["<s>", "<pad>"]},
        STORED | {"added_tokens": []},
    ],
)
def test_damaged_subwords_are_a_value_error(wrong):
    with pytest.raises(ValueError):
        Subwords.of_json(wrong)


@pytest.mark.parametrize("size", [0, 255, 10**6])
def test_sizes_that_bytes_cannot_have_are_refused(size):
    with pytest.raises(UsageError, match=f"{size} parts of words"):
        Subwords.of([SAID], size=size)
