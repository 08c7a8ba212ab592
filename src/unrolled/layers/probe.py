"""Probes in whole models: while one is held, each run of recurrent layers has zeros added to its states.

A gradient with respect to those zeros is a gradient with respect to the states; see transform/probes.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..errors import NotYet, UsageError
from ..graph.node import size
from ..transform.probes import with_probes
from .lengths import PackedRows

if TYPE_CHECKING:  # stack.py asks for the probes that are held, so it cannot be loaded first
    from .stack import LayerStack, State


@dataclass
class Probes:
    """What was probed: zeros by layer and state, (T, B, width) each; layers are
    called as `watch` calls them.
    """

    name: str = ""  # of the module that runs
    zeros: dict[str, dict[str, Tensor]] = field(default_factory=dict)

    def note(self, number: int, is_reversed: bool, zeros: dict[str, Tensor]) -> None:
        name = ".".join(
            [*([self.name] if self.name else []), *(["reversed"] if is_reversed else []), str(number)]
        )
        count = 1 + sum(key.split(" call ")[0] == name for key in self.zeros)
        self.zeros[name if count == 1 else f"{name} call {count}"] = zeros


_HELD: ContextVar[Probes | None] = ContextVar("probes", default=None)


@contextmanager
def probing(module: nn.Module) -> Iterator[Probes]:
    """Probes for the recurrent layers inside a module, in calls made here, in this thread.

    Raises UsageError where there is no recurrent layer of this package in it, or it is being watched.
    """
    layers = [(name, layer) for name, layer in module.named_modules() if hasattr(layer, "watchers")]
    if not layers:
        raise UsageError(
            f"{type(module).__name__} has no recurrent layer in it. Give a module with a Recurrent, LSTM, "
            "GRU or RNN of unrolled."
        )
    if any(layer.watchers for _, layer in layers):
        raise UsageError(
            f"{type(module).__name__} is being watched, and probes change what there is to watch. Leave the "
            "`with watch(...)` first."
        )
    probes = Probes()

    def note_name(name: str):
        def before(layer: nn.Module, inputs: tuple) -> None:
            if _HELD.get() is probes:
                probes.name = name

        return before

    hooks = [layer.register_forward_pre_hook(note_name(name)) for name, layer in layers]
    token = _HELD.set(probes)
    try:
        yield probes
    finally:
        _HELD.reset(token)
        for hook in hooks:
            hook.remove()


def with_held(
    stack: LayerStack, masks: Sequence[Sequence[Tensor]] | None, rows: PackedRows, state: Sequence[State]
) -> tuple[LayerStack, Sequence[Sequence[Tensor]] | None]:
    """The stack and what stands behind its inputs, as they are, or with the probes that are held.

    Raises NotYet for sequences of unlike lengths that came packed: their steps have no common axis of time.
    """
    if torch.compiler.is_compiling() or _HELD.get() is None or not stack.graph.states:
        return stack, masks
    step_rows = rows.step_rows
    if step_rows.sizes is not None and rows.take is None:
        raise NotYet(
            "probes in a PackedSequence of unlike lengths: give padded sequences to a Recurrent, with lengths."
        )
    probes, more = _HELD.get(), []
    for at, first in enumerate(state):
        layer, direction = divmod(at, stack.directions)
        widths = [
            next((size(d, dict(stack.sizes[layer])) for d in stack.graph.shape("state", name)), 1)
            for name in stack.graph.states
        ]
        zeros = {
            name: first[0].new_zeros(rows.steps, step_rows.batch, width).requires_grad_()
            for name, width in zip(stack.graph.states, widths)
        }
        probes.note(layer, direction == 1, zeros)
        more.append((*(masks[at] if masks else ()), *(rows.pack(z) for z in zeros.values())))
    return replace(stack, graph=with_probes(stack.graph)[0]), more
