"""The task translate: write a sentence after another one was read (Bahdanau, Cho and Bengio 2015), in BLEU."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

from torch import Tensor
from torch.nn import functional

from ..data.bleu import overlap, signature
from ..data.dictionary import Dictionary
from ..data.examples import Examples, Noted, each_once, padded
from ..data.known import check_same, no_room
from ..data.pairs import Pair, Pairs, digest, made_pairs, read_pairs
from ..data.sides import SAMPLE, SAMPLES, Side, Sides, Units
from ..data.split import grouped
from ..data.words import MARKS
from ..errors import UsageError
from ..models.net import Net
from ..models.search import END, START
from ..models.translating import Likelihood, Translating, Translation, likelihoods, translations
from ..models.translation import Translator
from ..options import Count, Share
from ..task import Batch, Figures, Loss, Recipe, State, Unit

DROPOUT_FIRST, DROPOUT_EPOCH, DROPOUT = 0.1, 0.02, 0.3  # at first, for each time through the pairs, and at most
# Pairs from which on a word that stands there once is unknown: so the model learns what to do with such.
RARE = 20_000


class Half(NamedTuple):
    """One side of a batch: symbols (T, B) int64, how many each row has, and the texts themselves."""

    symbols: Tensor
    lengths: Tensor
    texts: tuple[str, ...]


class TranslatedExample(NamedTuple):
    """A pair in symbols; the target's with start and end."""

    source: list[int]
    target: list[int]
    pair: Pair


@dataclass(frozen=True)
class Translate:
    """Train a model that translates, or rewrites in any other way, sentence by sentence.

    >>> Translate(net=Net("gru", hidden=64)).attention
    'luong'
    """

    name: ClassVar[str] = "translate"
    Ask: ClassVar[type] = Translating
    better: ClassVar[Literal["lower", "higher"]] = "higher"
    unit: ClassVar[Unit] = Unit("sentence", "sent")
    next: ClassVar[tuple[str, ...]] = (
        "unrolled predict {run} 'a sentence' --best 3",
        "unrolled predict {run} - < FILE",
        "unrolled evaluate {run} --data FILE",
    )

    pairs: Path | None = None
    """lines with a source, a tab and a target; or how two parallel files' names begin;
    without it, dates that are made"""
    source: str | None = None
    """of parallel files, how the sources' name ends: de for PAIRS.de"""
    target: str | None = None
    """of parallel files, how the targets' name ends"""
    swap: bool = False
    """read the second text and write the first"""
    lowercase: bool = False
    """all letters small, on both sides"""
    skip_bad: bool = False
    """leave out lines that cannot be read, and say how many"""
    valid: Path | None = None
    """other pairs for choices, instead of a part of --pairs"""
    test: Path | None = None
    """other pairs for the report at the end"""
    held_out: Share = 0.05
    """share of --pairs kept for choices; none of its sources is learned from"""
    units: Units | None = None
    """what is read and written a step: words, subwords (byte-pair encoding) or characters; subwords of files"""
    vocabulary: Count = 8000
    """units of either language, at most"""
    longest: Count = 80
    """units of either side, at most; longer pairs are not learned from"""
    embedding: Count = 256
    """width of a unit's vector"""
    attention: Literal["luong", "bahdanau"] = "luong"
    """how places of the source are scored"""
    input_feeding: bool = False
    """let each step read what the step before said: slower, for all steps then wait for one another"""
    smoothing: Share = 0.1
    """share of the probability that is to be spread over all units while training"""
    net: Net = Net(hidden=256, layers=1)
    recipe: Recipe = Recipe(rate=2e-3, batch=64, clip=1.0, decay=0.01)

    def data(self, known: Sides | None = None) -> Examples:
        """Read and split the pairs; raises UsageError with what is wrong with them. A run that goes on from
        another one's weights has new words and characters behind that one's; parts of words are that one's, for
        they spell every text."""
        training, held_out, notes = self._parts()
        kept = self._read(self.test, "--test") if self.test is not None else Pairs([])
        sides, more = (self._sides(training, held_out), ()) if known is None else self._grown(known, training)
        learned = [each for each in _examples(sides, training) if self._fits(each)]
        if not learned:
            raise UsageError(f"--longest {self.longest} leaves no pair: give a larger number.")
        notes += (_leak(training, held_out, "held out"), *kept.notes, *more)
        if kept.pairs:
            notes += (_leak(training, kept.pairs, "of --test"),)
        if left := len(training) - len(learned):
            notes += (f"{left:,} pairs with more than {self.longest} units on a side are not learned from",)
        return Examples(
            sides,
            learned,
            _examples(sides, held_out),
            self.recipe.batch,
            gathered,
            digest(training, held_out, kept.pairs),
            "dates made by the program" if self.pairs is None else str(self.pairs),
            length=_length,
            testing=_examples(sides, kept.pairs),
            notes=tuple(filter(None, notes)),
        )

    def _parts(self) -> tuple[list[Pair], list[Pair], tuple[str, ...]]:
        """Pairs to learn from, pairs for choices, and what is to be said of them."""
        read = Pairs(made_pairs()) if self.pairs is None else self._read(self.pairs, "--pairs")
        if self.valid is not None:
            held_out = self._read(self.valid, "--valid")
            return read.pairs, held_out.pairs, (*read.notes, *held_out.notes)
        split = grouped([pair.source for pair in read.pairs], self.held_out)
        training, held_out = ([read.pairs[place] for place in part] for part in split[:2])
        note = (
            f"{split.duplicates:,} pairs have a source that stood there before, and are on its side of the"
            " split"
        )
        return training, held_out, (*read.notes, note) if split.duplicates else read.notes

    def _sides(self, training: list[Pair], held_out: list[Pair]) -> Sides:
        """The symbols of both languages, of what is learned from."""
        units = self.units or ("characters" if self.pairs is None else "subwords")
        both = (Side.of([pair[k] for pair in training], units, *self._limits(training)) for k in (0, 1))
        short = [pair.source for pair in held_out if len(pair.source) <= SAMPLE]
        return Sides(*both, tuple(short[:: -(-len(short) // SAMPLES)]))

    def _grown(self, known: Sides, training: list[Pair]) -> tuple[Sides, tuple[str, ...]]:
        """Another run's symbols, with those of what is learned from behind; and what is to be said of that."""
        units = known.source.units
        check_same("units", self.units or units, units)
        found = (
            side.grown([pair[k] for pair in training], *self._limits(training))
            for k, side in enumerate((known.source, known.target))
        )
        (source, left), (target, left_too) = found
        notes = no_room(left, len(source) - len(MARKS) - 1, f"{units} of the sources")
        notes += no_room(left_too, len(target) - len(MARKS) - 1, f"{units} of the targets")
        return replace(known, source=source, target=target), notes

    def _limits(self, training: list[Pair]) -> tuple[int, int]:
        """How many symbols a side has at most, and how often a word must be there."""
        return self.vocabulary, 1 if len(training) < RARE else 2

    def _read(self, path: Path, option: str) -> Pairs:
        return read_pairs(
            path,
            (self.source, self.target),
            swap=self.swap,
            lowercase=self.lowercase,
            skip_bad=self.skip_bad,
            option=option,
        )

    def _fits(self, example: TranslatedExample) -> bool:
        return 0 < len(example.source) <= self.longest and 2 < len(example.target) <= self.longest + 2

    def encoding(self, stored: dict) -> Sides:
        return Sides.of_json(stored)

    def model(self, encoding: Sides) -> Translator:
        net = self.net
        return Translator(
            len(encoding.source),
            len(encoding.target),
            net.cell,
            net.hidden,
            net.layers,
            embedding=self.embedding,
            attention=self.attention,
            input_feeding=self.input_feeding,
            dropout=net.dropout or 0.0,
        )

    def dropout(self, weights: int, data: Examples, epochs: float | None) -> float:
        """The more often pairs are read again, the more; what is best was not measured."""
        if self.net.dropout is not None:
            return self.net.dropout
        return (
            DROPOUT_FIRST if epochs is None else round(min(DROPOUT, DROPOUT_FIRST + DROPOUT_EPOCH * epochs), 3)
        )

    def loss(self, model: Translator, batch: Batch, state: State | None) -> Loss:
        """Nats of each unit of the target and of its end; smoothed while training (Szegedy et al. 2016)."""
        memory, state = model.read(batch.inputs.symbols, batch.inputs.lengths)
        written = batch.targets.symbols
        said, _ = model.say(written[:-1], memory, state)
        there = written[1:].flatten().nonzero().squeeze(1)  # padding is 0
        logits = model.logits(said.flatten(0, 1)[there]).float()
        smoothing = self.smoothing if model.training else 0.0
        right = written[1:].flatten()[there]
        total = functional.cross_entropy(logits, right, label_smoothing=smoothing, reduction="sum")
        return Loss(total, len(there))

    def read(self, encoding: Sides, source: str | Path) -> Noted:
        found = self._read(Path(source), "--data")
        return Noted(each_once(_examples(encoding, found.pairs), gathered, _length), found.notes)

    def baseline(self, data: Examples) -> Figures:
        """BLEU on the held-out part of sources as they stand, of the likeliest target, and of a dictionary."""
        pairs, right = [each.pair for each in data.training], [each.pair.target for each in data.validation]
        sources = [each.pair.source for each in data.validation]
        likeliest = Counter(pair.target for pair in pairs).most_common(1)[0][0]
        dictionary = Dictionary.of(pairs)
        return {
            "BLEU of the sources as they stand": overlap(sources, right).bleu,
            "of the most frequent target": overlap([likeliest] * len(right), right).bleu,
            "word by word with a dictionary (IBM model 1)": overlap(
                [dictionary.translate(source) for source in sources], right
            ).bleu,
        }

    def figures(self, model: Translator, encoding: Sides, batches: Iterable[Batch], loss: float) -> Figures:
        """Of the translations that beam search finds; nats with the right target before
        each unit (teacher forcing).
        """
        parts = [(batch.inputs.texts, batch.targets.texts) for batch in batches]
        right = [text for _, texts in parts for text in texts]
        found = [each.text for each in translations(model, encoding, [t for texts, _ in parts for t in texts])]
        score = overlap(found, right)
        exact = sum(map(str.__eq__, found, right)) / max(1, len(right))
        return {"bleu": score.bleu, "chrf": score.chrf, "exact": exact, "nats_per_unit": loss}

    def sentence(self, figures: Figures) -> str:
        return (
            f"BLEU {figures['bleu']:.2f} ({signature()}), chrF {figures['chrf']:.2f}, {figures['exact']:.1%}"
            f" word for word, {figures['nats_per_unit']:.4f} nats a unit"
        )

    def line(self, loss: float) -> str:
        return f"loss {loss:.3f}"

    def example(self, model: Translator, encoding: Sides, seed: int) -> str:
        found = translations(model, encoding, encoding.samples)
        return "\n".join(f"{each.source}  ->  {each.text}" for each in found)

    def predict(
        self, model: Translator, encoding: Sides, inputs: Iterable[str], ask: Translating
    ) -> Iterator[Translation | Likelihood]:
        """The translations of each input; or, with `ask.score`, how probable the target of each pair is."""
        texts = (text.lower() if self.lowercase else text for text in inputs)
        return likelihoods(model, encoding, texts) if ask.score else translations(model, encoding, texts, ask)

    def remark(self, model: Translator, ask: Translating) -> str:
        return ""


def _leak(training: Sequence[Pair], other: Sequence[Pair], name: str) -> str:
    """How much of other pairs is learned from."""
    sources, targets = ({pair[k] for pair in training} for k in (0, 1))
    known, said = sum(p.source in sources for p in other), sum(p.target in targets for p in other)
    return (
        f"of {len(other):,} pairs {name} {known:,} have a source that is learned from, {said:,} a target"
        " that is"
    )


def _examples(sides: Sides, pairs: Sequence[Pair]) -> list[TranslatedExample]:
    return [
        TranslatedExample(
            sides.source.encode(pair.source), [START, *sides.target.encode(pair.target), END], pair
        )
        for pair in pairs
    ]


def _length(example: TranslatedExample) -> tuple[int, int]:
    return len(example.target), len(example.source)


def gathered(examples: list[TranslatedExample]) -> Batch:
    """Pairs side by side."""
    sources, targets = padded([each.source for each in examples]), padded([each.target for each in examples])
    texts = zip(*(each.pair for each in examples))
    return Batch(Half(*sources, next(texts)), Half(*targets, next(texts)), len(examples))


TASK = Translate
