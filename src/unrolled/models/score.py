"""How well a language model predicts a text it was not trained on."""

from __future__ import annotations

import torch
from torch.nn import functional

from .language import LanguageModel

ROWS = 32  # parallel pieces of a long text
CONTEXT = 256  # characters each piece reads before its score counts
SPAN = 256  # positions at a time; bounds the memory
UNSCORED = -100  # cross_entropy's ignore_index


@torch.no_grad()
def nats_per_character(model: LanguageModel, text: torch.Tensor) -> float:
    """Mean nats per character of a text, every character after the first scored exactly once.

    model  in any mode; evaluated without dropout and left in the mode it was in
    text   (n,) int64, n >= 2

    A long text is cut into up to 32 pieces that run side by side, each with the state carried from its start to
    its end. A piece first reads the 256 characters before it, unscored, so that it does not start cold; the
    first piece starts at the text's first character. Texts under 2048 characters run in one piece.

    >>> model = LanguageModel(3, "lstm", hidden=4)
    >>> 0.5 < nats_per_character(model, torch.tensor([0, 1, 2, 1, 0])) < 2.5
    True
    """
    inputs, targets = _pieces(text)
    was_training = model.training
    model.eval()
    try:
        total, state = 0.0, None
        for start in range(0, len(inputs), SPAN):
            logits, state = model(inputs[start : start + SPAN], state)
            wanted = targets[start : start + SPAN].reshape(-1)
            total += functional.cross_entropy(
                logits.reshape(-1, model.characters), wanted, ignore_index=UNSCORED, reduction="sum"
            ).item()
    finally:
        model.train(was_training)
    return total / (len(text) - 1)


def _pieces(text: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and targets, each (T, rows); positions that do not count have the target UNSCORED."""
    count = len(text) - 1
    rows = max(1, min(ROWS, count // 1024))
    context = CONTEXT if rows > 1 else 0
    length = -(-(count - context) // rows)
    # Row r reads positions r * length .. (r + 1) * length + context and scores all but the first `context`;
    # row 0 scores those too. So the scored parts join without a gap.
    position = torch.arange(length + context)[:, None] + torch.arange(rows)[None, :] * length
    scored = position < count
    scored[:context, 1:] = False
    position = position.clamp_max(count - 1)
    return text[position], torch.where(scored, text[position + 1], UNSCORED)
