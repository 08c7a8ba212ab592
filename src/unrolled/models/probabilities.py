"""How probable a language model finds each character or word of a text, and what it would rather have read."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import nn

from ..errors import UsageError

SPAN = 512  # characters read at a time
LIKELIEST = 4
WIDEST = 24  # letters of a column


class TokenChance(NamedTuple):
    """A character or a word of a text: what it had been given, and the likeliest in its place, likeliest first.

    text         "" behind the text's end
    probability  None behind the end, and of a first one that nothing stands before
    likeliest    (token, probability) pairs; none of a first one that nothing stands before
    """

    text: str
    probability: float | None
    likeliest: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Probabilities:
    """The tokens of a text one after the other, read by a model from an empty state.

    unit   what they are called: "character"
    begin  the index of what is read before the text, if anything is
    """

    model: nn.Module
    encoding: Any
    text: str
    unit: str = "character"
    begin: int | None = None

    def tokens(self) -> Iterator[TokenChance]:
        """Each token of the text; a last one says what would follow."""
        indices: torch.Tensor = self.encoding.encode(self.text)
        after = [*self.encoding.tokens(self.text), ""]
        if self.begin is None:
            yield TokenChance(after.pop(0), None, ())
        else:
            indices = torch.cat([indices.new_tensor([self.begin]), indices])
        state = None
        for begin in range(0, len(indices), SPAN):
            with torch.no_grad():
                logits, state = self.model(indices[begin : begin + SPAN, None], state)
            chances = logits[:, 0].double().softmax(-1)
            best = chances.topk(min(LIKELIEST, len(self.encoding)))
            following = indices[begin + 1 : begin + 1 + SPAN].tolist()
            for k, (values, places) in enumerate(zip(best.values.tolist(), best.indices.tolist())):
                given = chances[k, following[k]].item() if k < len(following) else None
                likeliest = tuple((self.encoding.shown(place), value) for place, value in zip(places, values))
                yield TokenChance(after[begin + k], given, likeliest)

    def pieces(self) -> Iterator[str]:
        """A line a token, and the mean of their -log p at the end."""
        wide = min(WIDEST, max(len(_shown(token)) for token in self.encoding.tokens(self.text))) + 4
        yield f"{'':<{wide}}{'probability':>12}{'nats':>8}   likeliest"
        count, total = 0, 0.0
        for each in self.tokens():
            line = f"{_shown(each.text):<{wide}}"
            if each.probability is None:
                line += " " * 20
            else:
                nats = -math.log(each.probability) if each.probability else math.inf
                count, total = count + 1, total + nats
                line += f"{each.probability:>12.6f}{nats:>8.3f}"
            rather = "  ".join(f"{_shown(text)} {value:.3f}" for text, value in each.likeliest)
            yield f"\n{line}   {rather}".rstrip(" ")
        if count:
            yield f"\n{total / count:.4f} nats per {self.unit}, of {count}"

    def to_json(self) -> dict:
        tokens = [
            {
                self.unit: each.text,
                "probability": each.probability,
                "likeliest": [{self.unit: text, "probability": value} for text, value in each.likeliest],
            }
            for each in self.tokens()
        ]
        return {"text": self.text, f"{self.unit}s": tokens}


def probabilities(
    model: nn.Module, encoding: Any, text: str | None, unit: str = "character", begin: int | None = None
) -> Probabilities:
    """Of one text. `encoding` has `encode`, `tokens` and `shown`. Raises UsageError for no text,
    and for unknown characters.
    """
    if not text:
        raise UsageError('--probabilities are those of a text: unrolled predict RUN "a text" --probabilities.')
    encoding.encode(text)
    return Probabilities(model, encoding, text, unit, begin)


def _shown(token: str) -> str:
    """So that it is seen and stays in its line: a space as ␣, a line's end as \\n."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in token.replace(" ", "␣"))
