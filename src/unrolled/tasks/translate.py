"""The task translate: write a sentence after another one was read (Bahdanau, Cho and Bengio 2015), in BLEU."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

from torch import Tensor
from torch.nn import functional

from ..data.bleu import overlap, signature
from ..data.dictionary import Dictionary
from ..data.examples import Examples, each_once, padded
from ..data.pairs import Pair, Pairs, digest, made_pairs, read_pairs
from ..data.sides import SAMPLE, SAMPLES, Side, Sides, Units
from ..data.split import grouped
from ..errors import UsageError
from ..models.net import Net
from ..models.search import END, START
from ..models.translating import Likelihood, Translating, Translation, likelihoods, translated, translations
from ..models.translation import Translator
from ..options import Count, Share
from ..task import Batch, Figures, Loss, Recipe, State, Unit

DROPOUT = 0.3


class Half(NamedTuple):
    """One side of a batch: symbols (T, B) int64, how many each row has, and the texts themselves."""

    symbols: Tensor
    lengths: Tensor
    texts: tuple[str, ...]


class Example(NamedTuple):
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
    """lines with a source, a tab and a target; or how two parallel files' names begin; without it, dates that are made"""
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
    net: Net = Net(hidden=512, layers=1)
    recipe: Recipe = Recipe(rate=2e-3, batch=64, clip=1.0, decay=0.01)

    def data(self) -> Examples:
        """Read and split the pairs; raises UsageError with what is wrong with them."""
        training, held_out, notes = self._parts()
        units = self.units or ("characters" if self.pairs is None else "subwords")
        sides = [
            Side.of(
                [pair[k] for pair in training], units, self.vocabulary, least=2 if len(training) > 20_000 else 1
            )
            for k in (0, 1)
        ]
        shown = tuple(pair.source for pair in held_out if len(pair.source) <= SAMPLE)[
            :: max(1, len(held_out) // SAMPLES)
        ]
        sides = Sides(*sides, shown[:SAMPLES])
        learned = [each for each in _examples(sides, training) if self._fits(each)]
        if not learned:
            raise UsageError(f"--longest {self.longest} leaves no pair: give a larger number.")
        if left := len(training) - len(learned):
            notes += (f"{left:,} pairs of more than {self.longest} {units} or of none are not learned from",)
        return Examples(
            sides,
            learned,
            _examples(sides, held_out),
            self.recipe.batch,
            gathered,
            digest(training, held_out),
            "dates made by the program" if self.pairs is None else str(self.pairs),
            length=_length,
            notes=notes,
        )

    def _parts(self) -> tuple[list[Pair], list[Pair], tuple[str, ...]]:
        """Pairs to learn from, pairs for choices, and what is to be said of them."""
        read = Pairs(made_pairs()) if self.pairs is None else self._read(self.pairs, "--pairs")
        if self.valid is not None:
            held_out = self._read(self.valid, "--valid")
            known = {pair.source for pair in read.pairs}
            both = sum(pair.source in known for pair in held_out.pairs)
            note = f"{both:,} of the {len(held_out.pairs):,} sources of --valid are also learned from"
            return read.pairs, held_out.pairs, (*read.notes, *held_out.notes, note)
        split = grouped([pair.source for pair in read.pairs], self.held_out)
        training, held_out = ([read.pairs[place] for place in part] for part in split[:2])
        note = f"{split.duplicates:,} sources stand there more than once: all of one are on the same side of the split"
        return training, held_out, (*read.notes, note) if split.duplicates else read.notes

    def _read(self, path: Path, option: str) -> Pairs:
        return read_pairs(
            path,
            (self.source, self.target),
            swap=self.swap,
            lowercase=self.lowercase,
            skip_bad=self.skip_bad,
            option=option,
        )

    def _fits(self, example: Example) -> bool:
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
        return DROPOUT if self.net.dropout is None else self.net.dropout

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

    def read(self, encoding: Sides, source: str | Path) -> Iterator[Batch]:
        pairs = self._read(Path(source), "--data").pairs
        return each_once(_examples(encoding, pairs), gathered, _length)

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
        """Of translations that take the likeliest unit at each step."""
        found: list[str] = []
        right: list[str] = []
        for batch in batches:
            found += translated(model, encoding, batch.inputs.texts)
            right += batch.targets.texts
        score = overlap(found, right)
        exact = sum(map(str.__eq__, found, right)) / max(1, len(right))
        return {"bleu": score.bleu, "chrf": score.chrf, "exact": exact, "nats_per_unit": loss}

    def sentence(self, figures: Figures) -> str:
        return (
            f"BLEU {figures['bleu']:.2f} ({signature()}), chrF {figures['chrf']:.2f}, {figures['exact']:.1%} word for word, "
            f"{figures['nats_per_unit']:.4f} nats a unit"
        )

    def line(self, loss: float) -> str:
        return f"loss {loss:.3f}"

    def example(self, model: Translator, encoding: Sides, seed: int) -> str:
        pairs = zip(encoding.samples, translated(model, encoding, encoding.samples))
        return "\n".join(f"{source}  ->  {text}" for source, text in pairs)

    def predict(
        self, model: Translator, encoding: Sides, inputs: Iterable[str], ask: Translating
    ) -> Iterator[Translation | Likelihood]:
        """The translations of each input; or, with `ask.score`, how probable the target of each pair is."""
        texts = (text.lower() if self.lowercase else text for text in inputs)
        return (likelihoods if ask.score else partial(translations, ask=ask))(model, encoding, texts)

    def remark(self, model: Translator, ask: Translating) -> str:
        return ""


def _examples(sides: Sides, pairs: Sequence[Pair]) -> list[Example]:
    return [
        Example(sides.source.encode(pair.source), [START, *sides.target.encode(pair.target), END], pair)
        for pair in pairs
    ]


def _length(example: Example) -> tuple[int, int]:
    return len(example.target), len(example.source)


def gathered(examples: list[Example]) -> Batch:
    """Pairs side by side."""
    sources, targets = padded([each.source for each in examples]), padded([each.target for each in examples])
    texts = zip(*(each.pair for each in examples))
    return Batch(Half(*sources, next(texts)), Half(*targets, next(texts)), len(examples))


TASK = Translate
