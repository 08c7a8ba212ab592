"""Which words may stand in a gap of a text: ranked by what stands before it and after it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from ..errors import UsageError
from .words import WordModel

GAP = re.compile(r"_{3,}")
TRIED = 200  # words that fit what stands before a gap are tried with what stands after it
ROOM = 2**24  # logits at a time


class Candidate(NamedTuple):
    """A word for a gap.

    share  its probability among those that were compared; None where the model does not know it
    """

    word: str
    share: float | None


@dataclass(frozen=True)
class Ranked:
    """Words for the gap of a text, the most probable first.

    compared  how many were
    """

    text: str
    compared: int
    candidates: tuple[Candidate, ...]

    def pieces(self) -> Iterator[str]:
        wide = max(len(each.word) for each in self.candidates) + 2
        yield f"{'':<{wide}}probability among {self.compared:,} words"
        for word, share in self.candidates:
            yield f"\n{word:<{wide}}{'not known' if share is None else f'{share:.6f}'}"

    def to_json(self) -> dict:
        found = [{"word": word, "probability": share} for word, share in self.candidates]
        return {"text": self.text, "compared": self.compared, "candidates": found}


def ranked(
    model: WordModel, encoding: Any, text: str, begin: int, among: Sequence[str] | None, best: int
) -> Ranked:
    """The `best` candidates for the gap of a text, ___: of all words, or those of `among`.

    begin  the index that is read before the text

    A candidate is as good as the whole text with it is probable: what follows the gap counts, too. Of all
    words, those are tried with it that what stands before makes most probable. Raises UsageError where the text
    has no gap or more of them, and where none of `among` is known.
    """
    gaps = GAP.findall(text)
    if len(gaps) != 1:
        raise UsageError(
            f"{text!r} has {len(gaps)} gaps, and --among ranks words for one: write ___ once, where the word is"
            " to stand."
        )
    before, after = GAP.split(text)
    if among is not None:
        words = [word.strip() for word in among if word.strip()]
        known = [word for word in words if _is_known(encoding, word)]
        if not known:
            raise UsageError(
                f"--among {','.join(among)}: the model knows none of these. Give words of its text."
            )
        shares = _nats(model, encoding, [before + word + after for word in known], begin).neg().softmax(0)
        found = _sorted(known, shares) + [Candidate(word, None) for word in words if word not in known]
        return Ranked(text, len(known), tuple(found[:best]))
    if not encoding.alone:
        raise UsageError(
            f"{text!r} has a gap, and none of the model's parts of words is a word: name some with --among, "
            "or train with a larger --vocabulary."
        )
    words, logs = _following(model, encoding, before, begin)
    compared = words
    if after.strip():
        compared = [words[k] for k in logs.topk(min(TRIED, len(words))).indices.tolist()]
        logs = _nats(model, encoding, [before + word + after for word in compared], begin).neg()
    return Ranked(text, len(compared), tuple(_sorted(compared, logs.softmax(0))[:best]))


def _is_known(encoding: Any, word: str) -> bool:
    return not set(encoding.encode(word).tolist()) & set(encoding.never)


def _sorted(words: Sequence[str], shares: torch.Tensor) -> list[Candidate]:
    return sorted(map(Candidate, words, shares.tolist()), key=lambda each: (-each.share, each.word))


@torch.no_grad()
def _following(model: WordModel, encoding: Any, text: str, begin: int) -> tuple[list[str], torch.Tensor]:
    """All words, in letters, and the logarithm of each one's probability after a text (up to a constant)."""
    one, other = ([begin, *encoding.encode(f"{text}{letter}").tolist()] for letter in "ab")
    same = next(k for k, (a, b) in enumerate(zip(one, other)) if a != b or k == len(one) - 1)
    logits, _ = model(torch.tensor(one[:same])[:, None])
    alone = encoding.alone
    return list(alone), logits[-1, 0, list(alone.values())].double()


@torch.no_grad()
def _nats(model: WordModel, encoding: Any, texts: Sequence[str], begin: int) -> torch.Tensor:
    """-log p of each text."""
    rows = [torch.tensor([begin, *encoding.encode(text).tolist()]) for text in texts]
    found = []
    side = max(1, ROOM // (len(encoding) * max(map(len, rows))))
    for k in range(0, len(rows), side):
        part = rows[k : k + side]
        padded = torch.nn.utils.rnn.pad_sequence(part)  # (T, B); what follows a row's end is not looked at
        logs = model(padded[:-1])[0].double().log_softmax(-1)
        chosen = logs.gather(-1, padded[1:, :, None])[..., 0]
        there = torch.arange(len(padded) - 1)[:, None] < torch.tensor([len(row) - 1 for row in part])
        found.append(-(chosen * there).sum(0))
    return torch.cat(found)
