"""How probable a character model finds each character of a text, and what it would rather have read."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from ..errors import UsageError
from .language import LanguageModel

SPAN = 512  # characters read at a time
LIKELIEST = 4


class Character(NamedTuple):
    """A character of a text: what it had been given, and the likeliest in its place, likeliest first.

    text         the character; "" behind the text's end
    probability  None of the first, which nothing stands before, and behind the end
    likeliest    (character, probability) pairs; none of the first
    """

    text: str
    probability: float | None
    likeliest: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Probabilities:
    """The characters of a text one after the other, read by a model from an empty state."""

    model: LanguageModel
    encoding: Any
    text: str

    def characters(self) -> Iterator[Character]:
        """Each character of the text; a last one says what would follow."""
        indices: torch.Tensor = self.encoding.encode(self.text)
        names = self.encoding.characters
        yield Character(self.text[0], None, ())
        state, after = None, [*self.text[1:], ""]
        for begin in range(0, len(indices), SPAN):
            with torch.no_grad():
                logits, state = self.model(indices[begin : begin + SPAN, None], state)
            chances = logits[:, 0].double().softmax(-1)
            best = chances.topk(min(LIKELIEST, len(names)))
            following = indices[begin + 1 : begin + 1 + SPAN].tolist()
            for k, (values, places) in enumerate(zip(best.values.tolist(), best.indices.tolist())):
                given = chances[k, following[k]].item() if k < len(following) else None
                likeliest = tuple((names[place], value) for place, value in zip(places, values))
                yield Character(after[begin + k], given, likeliest)

    def pieces(self) -> Iterator[str]:
        """A line a character, and the mean of their -log p at the end."""
        yield f"{'':<5}{'probability':>12}{'nats':>8}   likeliest"
        count, total = 0, 0.0
        for each in self.characters():
            line = f"{_shown(each.text):<5}"
            if each.probability is None:
                line += " " * 20
            else:
                nats = -math.log(each.probability) if each.probability else math.inf
                count, total = count + 1, total + nats
                line += f"{each.probability:>12.6f}{nats:>8.3f}"
            rather = "  ".join(f"{_shown(text)} {value:.3f}" for text, value in each.likeliest)
            yield f"\n{line}   {rather}".rstrip(" ")
        if count:
            yield f"\n{total / count:.4f} nats per character, of {count}"

    def to_json(self) -> dict:
        characters = [
            {
                "character": each.text,
                "probability": each.probability,
                "likeliest": [{"character": text, "probability": value} for text, value in each.likeliest],
            }
            for each in self.characters()
        ]
        return {"text": self.text, "characters": characters}


def probabilities(model: LanguageModel, encoding: Any, text: str | None) -> Probabilities:
    """Of one text. `encoding` has `characters` and `encode`. Raises UsageError for no text and for unknown characters."""
    if not text:
        raise UsageError('--probabilities are those of a text: unrolled predict RUN "a text" --probabilities.')
    encoding.encode(text)
    return Probabilities(model, encoding, text)


def _shown(character: str) -> str:
    """So that it is seen and takes one place in a line: a space as ␣, a line's end as \\n."""
    if character == " ":
        return "␣"
    return character if not character or character.isprintable() else ascii(character)[1:-1]
