"""Writing with a language model, one character after the other, one text or many side by side.

Where the C backend runs the model, one call of it makes a number of characters; elsewhere torch steps the
model. Both draw by the same rule with the same generator (draw.py), so that a seed writes the same text as
far as the logits agree.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from ..errors import NotYet, UsageError
from ..kernels import generator
from ..layers.stepping import step_calls
from .draw import DrawRule, NoNumbers, draw
from .language import Input, LanguageModel

WEIGHTS = ("float32", "bf16")
PATIENCE = 0.02  # seconds that one call may take: text flows, and Ctrl-C is heard
MOST = 4096  # characters a call

Draws = Callable[[int], "Tensor | None"]  # count -> (count, B) int64; None where logits were not numbers


def write(
    model: LanguageModel,
    prime: Tensor,
    length: int,
    rule: DrawRule = DrawRule(),
    *,
    seed: int = 0,
    weights: str = "float32",
) -> Iterator[int]:
    """Indices of `length` symbols that follow `prime`, as they are drawn.

    prime    (n,) int64, n >= 1; read first
    rule     what may be drawn, and how freely
    seed     the same seed writes the same text
    weights  "float32": as the model's are; "bf16": matrices rounded to bfloat16, which
             halves the bytes of a step

    The model is used in evaluation mode; the global random state is left alone. Raises UsageError for numbers
    out of range, an empty prime, and weights of another name.

    >>> model = LanguageModel(3, "lstm", hidden=4)
    >>> len(list(write(model, torch.tensor([0]), 5)))
    5
    """
    parts = _written(model, prime, length, rule, [seed], weights)
    return (index for part in parts for index in part[:, 0].tolist())


def write_many(
    model: LanguageModel,
    prime: Tensor,
    length: int,
    rule: DrawRule = DrawRule(),
    *,
    count: int,
    seed: int = 0,
    weights: str = "float32",
) -> Tensor:
    """`count` texts after one prime, written side by side: (length, count) int64. Text k is what
    `write` writes with seed + k.

    Raises UsageError as `write` does, and for a count below 1.

    >>> write_many(LanguageModel(3, "lstm", hidden=4), torch.tensor([0]), 5, count=2).shape
    torch.Size([5, 2])
    """
    if count < 1:
        raise UsageError(f"--count {count} is below 1: give how many texts to write.")
    parts = list(_written(model, prime, length, rule, range(seed, seed + count), weights))
    return torch.cat([torch.empty(0, count, dtype=torch.int64, device="cpu"), *parts])


def rounded(model: LanguageModel) -> LanguageModel:
    """A copy of a model whose matrices are rounded to bfloat16; vectors stay as they are. (What a cell makes of
    its matrices, such as W - W.T, the C backend rounds once more.)"""
    model = copy.deepcopy(model)
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            if tensor.dim() > 1 and tensor.is_floating_point():
                tensor.copy_(tensor.to(torch.bfloat16))
    return model


def _written(
    model: LanguageModel, prime: Tensor, length: int, rule: DrawRule, seeds: Sequence[int], weights: str
) -> Iterator[Tensor]:
    """Checks, then parts of the texts (n, B) as they come."""
    if length < 0:
        raise UsageError(f"--length {length} is below 0: give how many characters to write.")
    if not len(prime):
        raise UsageError("--prime is empty: give at least one character to go on from.")
    if not 0 <= seeds[0] <= seeds[-1] < 2**63:
        raise UsageError(f"--seed {seeds[0]} is out of range: give a whole number from 0 up.")
    if weights not in WEIGHTS:
        raise UsageError(f"--weights {weights} is not a way to keep weights: choose {' or '.join(WEIGHTS)}.")
    if weights == "bf16" and model.head.weight.dtype != torch.float32:
        raise NotYet(
            f"--weights bf16 rounds a model of float32, and this one is {str(model.head.weight.dtype)[6:]}. "
            "Leave --weights out."
        )
    return _parts(rounded(model) if weights == "bf16" else model, prime, length, rule, seeds, weights == "bf16")


def _parts(
    model: LanguageModel, prime: Tensor, length: int, rule: DrawRule, seeds: Sequence[int], half: bool
) -> Iterator[Tensor]:
    draws, count = None, 1  # the first character comes alone, at once
    while length > 0:
        draws = draws or drawing(model, prime, rule, seeds, half)
        began = time.perf_counter()
        part = draws(min(count, length))
        if part is None:
            raise NoNumbers
        count = min(MOST, 2 * count) if time.perf_counter() - began < PATIENCE else max(1, count // 2)
        length -= len(part)
        yield part


@torch.no_grad()
def drawing(
    model: LanguageModel,
    prime: Tensor,
    rule: DrawRule,
    seeds: Sequence[int],
    half: bool = False,
    given: Tensor | None = None,
) -> Draws:
    """What makes the next characters of as many texts as there are seeds, in the backend that can.

    half   the model's matrices are bfloat16 numbers already (`rounded`), and may be kept as such
    given  (K,) what all of these texts are to be like, where the model has conditions
    All of the prime but its last character is read here.
    """
    was_training = model.training
    model.eval()
    try:
        state = (
            model.rnn(model.read(beside(prime[:-1, None], given)))[1]
            if len(prime) > 1
            else model.rnn.first_state(1)
        )
        state = tuple(part.expand(-1, len(seeds), -1).contiguous() for part in state)
        tokens = [int(prime[-1])] * len(seeds)
        made = _generator(model, state, half, given)
    finally:
        model.train(was_training)
    if made is not None:
        return made(tokens, list(seeds), rule.numbers()).draw
    return _stepped(model, state, tokens, list(seeds), rule, given)


def beside(x: Tensor, given: Tensor | None) -> Input:
    """Characters (T, B) or (B,) as a model reads them, with the same conditions (K,) for
    all rows where it has some.
    """
    return x if given is None else (x, given.expand(x.shape[-1], -1))


def _generator(model: LanguageModel, state: tuple[Tensor, ...], half: bool, given: Tensor | None):
    """The C backend's, where it runs all layers; never where somebody watches, or asked for the reference."""
    stepped = model.rnn.backend == "reference" or model.rnn.watchers or model.rnn.head is not None
    if stepped or model.head.weight.device.type != "cpu":
        return None
    head = model.head
    bias = head.weight.new_zeros(model.characters) if head.bias is None else head.bias
    each = model.read(beside(torch.arange(model.characters, device=head.weight.device), given))
    return generator(step_calls(model.rnn, state, each), head.weight.detach(), bias.detach(), half)


def _stepped(
    model: LanguageModel,
    state: tuple[Tensor, ...],
    tokens: list[int],
    seeds: list[int],
    rule: DrawRule,
    given: Tensor | None,
) -> Draws:
    """The same, with torch: the model steps, and Python draws."""

    @torch.no_grad()
    def next_characters(count: int) -> Tensor:
        nonlocal state
        out = torch.empty(count, len(tokens), dtype=torch.int64, device="cpu")
        was_training = model.training
        model.eval()
        try:
            for step in range(count):
                last = torch.tensor(tokens, device=model.head.weight.device)
                logits, state = model.step(beside(last, given), state)
                for row, of_row in enumerate(logits.double().tolist()):
                    tokens[row], seeds[row] = draw(of_row, rule, seeds[row])
                out[step] = torch.tensor(tokens, device="cpu")
        finally:
            model.train(was_training)
        return out

    return next_characters
