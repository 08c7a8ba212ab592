"""Translations as they are asked for: what is found for each input, with its score and what was looked at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from ..errors import UsageError
from ..options import Count, Natural, Nonnegative, check_options
from ..views.attention import attention_svg
from .decoding import TOGETHER, check_length, finder
from .search import END, START, Beam, Hypothesis
from .translation import Translator


@dataclass(frozen=True)
class Translating:
    """How to translate."""

    beam: Count = 5
    """hypotheses kept while searching; 1 always takes the likeliest next word"""
    penalty: Nonnegative = 1.0
    """log probabilities are divided by ((5 + length) / 6) to this power: 0 prefers short sentences"""
    best: Count = 1
    """how many translations of each input, best first; at most --beam"""
    no_repeat: Natural = 0
    """no sequence of so many words twice in a translation; 0 forbids nothing"""
    copy_unknown: bool = True
    """in place of an unknown word write the source's word that was looked at"""
    attention: bool = False
    """show what each word was looked for at"""
    picture: Path | None = None
    """an SVG file to draw that into, of the best translation; of more inputs FILE-2.svg, ..."""
    score: bool = False
    """inputs are pairs, with a tab between source and target: say how probable each target is"""

    def __post_init__(self):
        check_options(self)
        if self.best > self.beam:
            raise UsageError(f"--best {self.best} of --beam {self.beam}: give a wider beam.")

    @property
    def search(self) -> Beam:
        return Beam(self.beam, self.penalty, self.no_repeat)


@dataclass(frozen=True)
class Translation:
    """What was found for one source, best first. `sides` is what the model's numbers mean."""

    source: str
    found: tuple[Hypothesis, ...]
    sides: Any
    ask: Translating

    @property
    def text(self) -> str:
        """The best translation."""
        return self.texts[0] if self.found else ""

    @property
    def texts(self) -> list[str]:
        return [self._text(one) for one in self.found]

    def _text(self, one: Hypothesis) -> str:
        side = self.sides.target
        return side.decode(one.symbols, self._copied(one) if self.ask.copy_unknown else ())

    def _copied(self, one: Hypothesis) -> Iterator[str]:
        """For each unknown word the source's word that was looked at most."""
        read = self.sides.source.pieces(self.source)
        for symbol, weights in zip(one.symbols, one.weights):
            if symbol == self.sides.target.unknown:
                yield read[int(weights[: len(read)].argmax())]

    def pieces(self) -> Iterator[str]:
        """The text; of several a line each, with what it is ranked by."""
        several = self.ask.best > 1
        for number, (one, text) in enumerate(zip(self.found, self.texts)):
            yield ("\n" if number else "") + (f"{one.value:.4f}\t" if several else "") + text
            if self.ask.attention:
                yield "\n" + "\n".join(self._looked(one))

    def draw(self, path: Path) -> None:
        """The attention of the best translation, as an SVG file. Raises UsageError
        where it cannot be written.
        """
        one = self.found[0] if self.found else Hypothesis((), 0.0, 0.0, True, torch.zeros(0, 0))
        names = self.sides.target.names(one.symbols)
        drawn = attention_svg(self.sides.source.pieces(self.source), names, one.weights.tolist(), self.source)
        try:
            path.write_text(drawn, encoding="utf-8")
        except OSError as error:
            raise UsageError(
                f"--picture {path} cannot be written ({error.strerror}): name another file."
            ) from None

    def _looked(self, one: Hypothesis) -> Iterator[str]:
        """A line for each symbol: where it was looked at, the darker the more."""
        read = self.sides.source.pieces(self.source)
        names = self.sides.target.names(one.symbols)
        width = max(map(len, names), default=0)
        for name, weights in zip(names, one.weights.tolist()):
            cells = (
                SHADES[min(int(w * len(SHADES)), len(SHADES) - 1)] * max(2, len(r))
                for r, w in zip(read, weights)
            )
            yield f"    {name:<{width}} {' '.join(cells)}"
        yield f"    {'':<{width}} {' '.join(f'{piece:<2}' for piece in read)}"

    def to_json(self) -> dict:
        return {"source": self.source, "translations": [self._json(one) for one in self.found]}

    def _json(self, one: Hypothesis) -> dict:
        said = {
            "text": self._text(one),
            "log_probability": one.total,
            "score": one.value,
            "finished": one.finished,
        }
        if self.ask.attention:
            said |= {
                "read": self.sides.source.pieces(self.source),
                "written": self.sides.target.names(one.symbols),
                "attention": [[round(weight, 6) for weight in row] for row in one.weights.tolist()],
            }
        return said


SHADES = " ░▒▓█"


def translations(
    model: Translator, sides: Any, sources: Iterable[str], ask: Translating = Translating()
) -> Iterator[Translation]:
    """The translations of each source; none of an empty one. Sources are looked for side by side."""
    rest, find, number = iter(sources), finder(model, ask.search), 0
    while group := list(islice(rest, TOGETHER)):
        read = [sides.source.encode(source) for source in group]
        found = iter(find([each for each in read if each]))
        for source, symbols in zip(group, read):
            made = Translation(source, tuple(next(found)[: ask.best]) if symbols else (), sides, ask)
            number += 1
            if ask.picture is not None:
                name = ask.picture.stem + (f"-{number}" if number > 1 else "")
                made.draw(ask.picture.with_name(name + (ask.picture.suffix or ".svg")))
            yield made


@dataclass(frozen=True)
class Likelihood:
    """How probable a model finds a target that is given."""

    source: str
    target: str
    symbols: tuple[str, ...]
    log_probabilities: tuple[float, ...]

    def pieces(self) -> Iterator[str]:
        """The sum of log probabilities, a tab, and the pair."""
        yield f"{sum(self.log_probabilities):.4f}\t{self.source}\t{self.target}"

    def to_json(self) -> dict:
        each = zip(self.symbols, self.log_probabilities)
        return {
            "source": self.source,
            "target": self.target,
            "log_probability": sum(self.log_probabilities),
            "symbols": [{"symbol": symbol, "log_probability": chance} for symbol, chance in each],
        }


def likelihoods(model: Translator, sides: Any, pairs: Iterable[str]) -> Iterator[Likelihood]:
    """Of pairs, each with a tab between source and target. Raises UsageError for what is not a pair."""
    for pair in pairs:
        source, tab, target = pair.partition("\t")
        read, written = sides.source.encode(source), [START, *sides.target.encode(target.strip()), END]
        if not tab or not read:
            raise UsageError(f"--score {pair!r} is not a pair: give a source, a tab and a target.")
        check_length(max(len(read), len(written)))
        yield Likelihood(
            source.strip(),
            target.strip(),
            (*sides.target.names(written[1:-1]), "</s>"),
            tuple(_scored(model, read, written)),
        )


@torch.no_grad()
def _scored(model: Translator, read: Sequence[int], written: Sequence[int]) -> list[float]:
    device, was_training = model.bias.device, model.training
    model.eval()
    try:
        source, target = (torch.tensor(each, device=device)[:, None] for each in (read, written))
        memory, state = model.read(source, torch.tensor([len(read)], device=device))
        said, _ = model.say(target[:-1], memory, state)
        chances = model.logits(said[:, 0]).double().log_softmax(-1)
        return chances.gather(-1, target[1:]).squeeze(-1).tolist()
    finally:
        model.train(was_training)
