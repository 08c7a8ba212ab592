"""The task word-lm: predict the next word of a text, or the next part of a word (Mikolov et
al. 2010), in perplexity.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import torch
import tyro
from torch import Tensor

from ..data.known import check_same, no_room
from ..data.streams import Streams, pieces
from ..data.subwords import Subwords
from ..data.text import Text, read_text
from ..data.texts import texts_of
from ..data.words import Words
from ..errors import UsageError
from ..models.kneser_ney import KneserNey
from ..models.net import Net
from ..models.saying import Answer, Saying, answers, example
from ..models.words import WordModel
from ..options import Count, Share
from ..task import Batch, Figures, Loss, Recipe, State, Unit

MANY = 50_000  # words from which on rare ones are in groups
# Width and rate by the tokens that are read, up to so many; see `choices`.
SIZES = ((12_000, 64, 1e-2), (60_000, 128, 1e-2), (250_000, 256, 6e-3), (math.inf, 400, 3e-3))
# Tokens a second of the run's minutes: a text of which no more can be read is as good as one so long.
PACE = 1000
DROPOUT, DROPOUT_LIMIT = 0.1, 0.5  # for each time that the text is read again; see `dropout`
DROPOUT_FIRST = 0.3  # while nobody knows how often the text will be read


@dataclass(frozen=True)
class WordLM:
    """Train a language model on the words of a text.

    >>> WordLM(net=Net("gru", hidden=64)).span
    35
    """

    name: ClassVar[str] = "word-lm"
    Ask: ClassVar[type] = Saying
    better: ClassVar[Literal["lower", "higher"]] = "lower"
    unit: ClassVar[Unit] = Unit("token", "token")
    next: ClassVar[tuple[str, ...]] = (
        'unrolled predict {run} "The first ___ is the name of the file."',
        "unrolled predict {run} --length 50",
        "unrolled evaluate {run} --data FILE",
    )
    unprompted: ClassVar[bool] = True

    text: Annotated[Path | None, tyro.conf.arg(aliases=("--train",))] = None
    """the text to learn, UTF-8, or - for standard input; without one, the
    documentation that comes with Python"""
    valid: Path | None = None
    """a held-out text of your own; without one, a tenth of the text is held out"""
    test: Path | None = None
    """a text for the report, on which nothing is chosen; without this and --valid, the text's last tenth"""
    tokens: Literal["words", "spaces", "bpe"] = "words"
    """words and signs; what stands between spaces, of a text that was split before; or parts of
    words, by byte-pair encoding"""
    vocabulary: Count = 10_000
    """how many words at most, the most frequent ones; or how many parts of words"""
    least: Count = 2
    """how often a word must be there to be known: the rarer ones say what unknown words are like"""
    width: Count | None = None
    """width of the embedding; that of the layers without it"""
    softmax: Literal["auto", "tied", "full", "adaptive"] = "auto"
    """tied to the embedding, with a matrix of its own, or adaptive, rare words in groups;
    auto: tied below 50,000 words"""
    input_dropout: Share | None = None
    """dropout before the first layer, where it is to be another one than --dropout"""
    weight_drop: Share = 0.0
    """share of the entries of recurrent matrices that are dropped while training"""
    span: Count = 35
    """tokens per step of truncated backpropagation through time"""
    net: Net = Net(layers=1)
    recipe: Recipe = Recipe(batch=20, clip=0.5, decay=0.1)

    def data(self, known: Words | Subwords | None = None) -> Streams:
        """Read the texts; raises UsageError with what is wrong with them. Words are those of the text
        to learn, behind those of a run that this one goes on from; parts of words are that run's, for
        they spell every text."""
        texts = texts_of(self.text, self.valid, self.test)
        encoding, notes = (
            (self._learned(texts.training), ()) if known is None else self._grown(known, texts.training)
        )
        training, need = encoding.encode(texts.training), self.recipe.batch * self.span + 1
        if len(training) < need:
            raise UsageError(
                f"{texts.training.name} has {len(training):,} tokens to learn from, and one batch of --batch"
                f" {self.recipe.batch} and --span {self.span} is {need:,}. Give a longer text, or a smaller"
                " --batch or --span."
            )
        return Streams(
            encoding,
            training,
            _scored(encoding, texts.held_out),
            self.recipe.batch,
            self.span,
            texts.digest,
            texts.source,
            None if texts.test is None else _scored(encoding, texts.test),
            notes,
        )

    def _learned(self, text: Text) -> Words | Subwords:
        if self.tokens == "bpe":
            return Subwords.of(text, size=self.vocabulary)
        return Words.of(text, most=self.vocabulary, least=self.least, split=self.tokens)

    def _grown(self, known: Words | Subwords, text: Text) -> tuple[Words | Subwords, tuple[str, ...]]:
        """What another run knows, with the words of a text behind, and what is to be said of that."""
        check_same("tokens", self.tokens, "bpe" if isinstance(known, Subwords) else known.split)
        if isinstance(known, Subwords):
            return known, ()
        grown, left = known.grown(text, most=self.vocabulary, least=self.least)
        return grown, no_room(left, len(grown.words))

    def choices(self, data: Streams, minutes: float | None) -> Mapping[str, tuple]:
        """The width of the layers and the rate that suits it, where nobody names them: by the tokens to
        learn, or by those that the minutes allow for. Measured on parts of War and Peace, one thread,
        perplexity on the part for the report (the 5-gram's): 5,500 tokens, 35 s, 64 / 128 wide at 0.01,
        400 at 0.003: 51.6 / 59.1 / 59.1 (58.2); 29,000, 65 s, 128 at 0.01 and 0.003, 200 and 400 at
        0.003: 49.9, 51.9, 51.9, 52.6 (75.2); 115,000, 100 s, 200 at 0.006 / 0.003: 71.5 / 79.2 (103.1);
        582,000, 431 s of a run of 22 minutes, 400 at 0.003: 107.9 (137.1); the same, 45 s, 128 at 0.01
        and 256 at 0.006: 147.9, 191.9. What other minutes want is a rule of thumb.
        """
        tokens = min(data.training_size, math.inf if minutes is None else PACE * 60 * minutes)
        width, rate = next((width, rate) for most, width, rate in SIZES if tokens <= most)
        net = replace(self.net, hidden=self.net.hidden or width)
        if net.hidden != width:  # of the width that was asked for
            rate = next((rate for _, width, rate in SIZES if net.hidden <= width), SIZES[-1][2])
        return {"net": (net,), "recipe": (replace(self.recipe, rate=self.recipe.rate or rate),)}

    def encoding(self, stored: dict) -> Words | Subwords:
        return Subwords.of_json(stored) if self.tokens == "bpe" else Words.of_json(stored)

    def model(self, encoding: Words | Subwords) -> WordModel:
        softmax = self.softmax
        if softmax == "auto":
            softmax = "tied" if encoding.ordered < MANY else "adaptive"
        return WordModel(
            len(encoding),
            self.net.cell,
            self.net.hidden or SIZES[-1][1],
            self.net.layers,
            width=self.width,
            softmax=softmax,
            dropout=self.net.dropout or 0.0,
            input_dropout=self.input_dropout,
            weight_drop=self.weight_drop,
            ordered=encoding.ordered,
        )

    def dropout(self, weights: int, data: Streams, epochs: float | None) -> float:
        """A word model has more weights than its text has words, and knows it by heart soon: half of
        the values are dropped where it is read six times or more, none where it is read once. A rule
        of thumb, not measured."""
        if self.net.dropout is not None:
            return self.net.dropout
        if epochs is None:
            return DROPOUT_FIRST
        share = DROPOUT * (epochs - 1) * min(1.0, weights / data.training_size)
        return round(min(DROPOUT_LIMIT, max(0.0, share)), 3)

    def loss(self, model: WordModel, batch: Batch, state: State | None) -> Loss:
        total, state = model.nats(batch.inputs, batch.targets, state)
        return Loss(total, batch.count, state)

    def read(self, encoding: Words | Subwords, source: str | Path) -> Iterator[Batch]:
        return pieces(_scored(encoding, read_text(source, "--data")))

    def baseline(self, data: Streams) -> Figures:
        """What counting reaches on the held-out text, and on the kept one; and how
        much of it is unknown words.
        """
        counted = KneserNey.of(data.training, len(data.encoding))
        said = {"Kneser-Ney 5-gram, perplexity": _perplexity(counted, data.validation)}
        if data.kept is not None:
            said["on the test part"] = _perplexity(counted, data.kept)
        if isinstance(data.encoding, Words):
            unknown = (data.validation[1:] == data.encoding.unknown).float().mean().item()
            said["unknown words in 100"] = 100 * unknown
        return said

    def figures(
        self, model: WordModel, encoding: Words | Subwords, batches: Iterable[Batch], loss: float
    ) -> Figures:
        found = {"perplexity": math.exp(min(loss, 700.0)), "nats_per_token": loss}
        if isinstance(encoding, Words):  # the more of them there are the lower is the perplexity
            targets = torch.cat([batch.targets.flatten() for batch in batches])
            found["unknown_words"] = (targets == encoding.unknown).sum().item() / (targets >= 0).sum().item()
        return found

    def sentence(self, figures: Figures) -> str:
        perplexity, nats, *unknown = figures.values()
        said = f", {unknown[0]:.1%} unknown words" if any(unknown) else ""
        return f"perplexity {perplexity:.2f}, {nats:.4f} nats per token{said}"

    def line(self, loss: float) -> str:
        return f"loss {loss:.3f}  perplexity {math.exp(min(loss, 700.0)):.1f}"

    def example(self, model: WordModel, encoding: Words | Subwords, seed: int) -> str:
        return example(model, encoding, seed)

    def predict(
        self, model: WordModel, encoding: Words | Subwords, inputs: Iterable[str], ask: Saying
    ) -> Iterator[Answer]:
        """Of a text with a gap, ___, what may stand there; otherwise what follows it, or
        how probable its words are.
        """
        return answers(model, encoding, inputs, ask)

    def remark(self, model: WordModel, ask: Saying) -> str:
        return ""


def _scored(encoding: Words | Subwords, text: Text) -> Tensor:
    """A text's tokens behind a line's end: what is read first, so that each of them, the
    first one too, is scored.
    """
    tokens = encoding.encode(text)
    if not len(tokens):
        raise UsageError(f"{text.name} has no word: give a text with some.")
    begin = encoding.encode("\n")[:1]
    return torch.cat([begin.to(tokens.dtype), tokens])


def _perplexity(counted: KneserNey, text: Tensor) -> float:
    return math.exp(min(700.0, counted.nats(text).mean().item()))


TASK = WordLM
