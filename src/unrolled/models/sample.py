"""Writing with a language model, one character after the other."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from ..errors import UsageError
from .language import LanguageModel


@torch.no_grad()
def write(model: LanguageModel, prime: torch.Tensor, length: int, *, temperature: float = 1.0,
          top_k: int | None = None, seed: int = 0) -> Iterator[int]:
    """Indices of `length` characters that follow `prime`, as they are drawn.

    prime        (n,) int64, n >= 1; read first
    temperature  logits are divided by it: below 1 bolder, above 1 wilder; 0 always takes the likeliest
    top_k        draw among the k likeliest only
    seed         the same seed writes the same text

    The model is used in evaluation mode; the global random state is left alone. Raises UsageError for a
    length or temperature below 0, a top_k below 1, an empty prime.

    >>> model = LanguageModel(3, "lstm", hidden=4)
    >>> len(list(write(model, torch.tensor([0]), 5)))
    5
    """
    if length < 0:
        raise UsageError(f"--length {length} is below 0: give how many characters to write.")
    if not 0 <= temperature < float("inf"):
        raise UsageError(f"--temperature {temperature} is not a number from 0 up: 0.5 is tame, 1 as learned.")
    if top_k is not None and top_k < 1:
        raise UsageError(f"--top-k {top_k} leaves no character to draw: give 1 or more.")
    if not len(prime):
        raise UsageError("--prime is empty: give at least one character to go on from.")
    return _write(model, prime, length, temperature, top_k, torch.Generator().manual_seed(seed))


@torch.no_grad()
def _write(model, prime, length, temperature, top_k, generator):
    was_training = model.training
    model.eval()
    try:
        logits, state = model(prime[:, None])
        logits = logits[-1]                                     # (1, V)
        for left in range(length, 0, -1):
            index = _draw(logits[0].double(), temperature, top_k, generator)
            yield index
            if left > 1:
                logits, state = model.step(torch.tensor([index]), state)
    finally:
        model.train(was_training)


def _draw(logits: torch.Tensor, temperature: float, top_k: int | None, generator: torch.Generator) -> int:
    if temperature == 0:
        return int(logits.argmax())
    logits = (logits - logits.max()) / temperature  # never above 0: no overflow, however small the temperature
    if top_k is not None and top_k < len(logits):
        likeliest = logits.topk(top_k)
        chosen = torch.multinomial(torch.softmax(likeliest.values, 0), 1, generator=generator)
        return int(likeliest.indices[chosen])
    return int(torch.multinomial(torch.softmax(logits, 0), 1, generator=generator))
