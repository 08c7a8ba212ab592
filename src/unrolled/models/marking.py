"""What a tagger says of sentences, and how it is asked."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch

from ..options import Count
from . import crf
from .tagger import Tagger


@dataclass(frozen=True)
class Marking:
    """What to say of each sentence."""

    form: Literal["lines", "columns", "conllu", "jsonl"] = "lines"
    """what is read: a sentence a line, its words parted by spaces; or as the run's data,
    which need not have tags"""
    probabilities: bool = False
    """say how probable each tag is; in JSON, those of all tags"""
    best: Count = 1
    """how many ways to tag a sentence, the most probable first"""

    @property
    def joined(self) -> bool:
        """Whether a sentence is several inputs, lines of a file."""
        return self.form != "lines"


class MarkingWay(NamedTuple):
    """Tags of a sentence, and how probable they are; None where nobody asked."""

    tags: list[str]
    probability: float | None


@dataclass(frozen=True)
class Marked:
    """A sentence with its tags.

    ways           the first is the one that is said
    spans          (start, end, type), where the tags are spans; None where they are none
    probabilities  of each tag of each word, by name; none where nobody asked
    """

    words: Sequence[str]
    ways: Sequence[MarkingWay]
    spans: Sequence[tuple[int, int, str]] | None
    probabilities: Sequence[dict[str, float]] = ()

    @property
    def tags(self) -> list[str]:
        return self.ways[0].tags

    def pieces(self) -> Iterator[str]:
        """A word and its tag a line; ways one below the other, each with its probability above it."""
        for number, (tags, probability) in enumerate(self.ways, 1):
            if probability is not None:
                yield f"# {number}: probability {probability:.4f}\n"
            for place, (word, tag) in enumerate(zip(self.words, tags)):
                sure = f"\t{self.probabilities[place][tag]:.4f}" if self.probabilities else ""
                yield f"{word}\t{tag}{sure}\n"

    def to_json(self) -> dict:
        found: dict = {"words": list(self.words), "tags": self.tags}
        if self.spans is not None:
            found["spans"] = [
                {"type": kind, "start": start, "end": end, "text": " ".join(self.words[start:end])}
                for start, end, kind in self.spans
            ]
        if self.ways[0].probability is not None:
            found["ways"] = [{"tags": way.tags, "probability": way.probability} for way in self.ways]
        if self.probabilities:
            found["probabilities"] = list(self.probabilities)
        return found


@torch.no_grad()
def marked(model: Tagger, encoding: Any, sentences: list[Any], ask: Marking) -> Iterator[Marked]:
    """Sentences, read side by side. `encoding` has `gather`, `names`, `spans` and `tags`."""
    batch = encoding.gather(sentences)
    lengths = batch.inputs.lengths
    scores = model.deciding(batch.inputs)
    said = encoding.names(model.decode(scores, lengths), lengths)
    chances = model.marginals(scores, lengths).transpose(0, 1) if ask.probabilities else None
    for row, (sentence, tags) in enumerate(zip(sentences, said)):
        length = len(tags)
        ways = [MarkingWay(tags, None)]
        if ask.best > 1:
            found = crf.best(scores[:length, row], model.of_chain(), ask.best)
            ways = [
                MarkingWay([encoding.tags[tag] for tag in path.tags], math.exp(path.log_probability))
                for path in found
            ]
        each = (
            () if chances is None else [dict(zip(encoding.tags, of)) for of in chances[row, :length].tolist()]
        )
        yield Marked(sentence.words, ways, encoding.spans(ways[0].tags), each)
