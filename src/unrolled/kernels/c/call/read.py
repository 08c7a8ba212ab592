"""One sentence read in one call of C: the arguments of read.h, and the memory that lasts from call to call."""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from ...call import Call
from ...gate import dense, why_closed
from ..build.build import build
from ..emit.step import Layer, step_fields
from .generate import Step, emit_steps, layer_of, sharing_of_calls
from .library import OPTIMISE
from .run import obstacle
from .scratch import pages
from .slot_values import SlotValues
from .threads import runtime

SLOTS = tuple(
    """
    places layers directions embedding value query begun work_size wanted gomp gomp_size gomp_me passages
    packed vectors ask begin begin_bias symbols x between work means values keys first
    """.split()
)


@dataclass(frozen=True)
class Encoder:
    """What reads.

    calls       of one step, per layer and direction, of a row of zeros
    directions  1 or 2
    vectors     (sources, E)
    ask         (A, M), makes keys
    begin       (H, M) and (H,): tanh of its product with the mean is where writing begins
    """

    calls: tuple[Call, ...]
    directions: int
    vectors: Tensor
    ask: Tensor
    begin: tuple[Tensor, Tensor]


def why_not(encoder: Encoder) -> str | None:
    """Why C cannot read with this encoder; None if it can."""
    for call in encoder.calls:
        body = call.plan.body
        if body.streams or any(body.outer[each.operand].op != "input" for each in body.hoisted):
            return "its cell does more with its input than multiply it"
    tensors = (encoder.vectors, encoder.ask, *encoder.begin)
    return next(filter(None, map(obstacle, encoder.calls)), None) or why_closed(tensors)


@lru_cache(maxsize=64)
def _library(layer: Layer, double: bool):
    text = emit_steps((layer,), double, False, SLOTS, ("read.h",))
    library = build(text, name=f"{layer.plan.graph.name}-reader", optimise=OPTIMISE)
    for function in (library.read_sentence, library.room, library.pack_weights):
        function.argtypes = [ctypes.c_void_p]
    library.room.restype = ctypes.c_int64
    return library


class Reader:
    """Reads a sentence a call. Weights are packed once, here. One thread at a time may call it, for it writes
    into its buffers."""

    def __init__(self, encoder: Encoder):
        calls, like = encoder.calls, encoder.vectors
        self._encoder, self._layer, self._most = encoder, layer_of(calls[0], False), 0
        self._library = _library(self._layer, like.dtype == torch.float64)
        self._steps = [Step(self._layer, call, 1) for call in calls]
        work = max(step.work for step in self._steps) + 64
        held = {"vectors": like, "ask": encoder.ask, "begin": encoder.begin[0], "begin_bias": encoder.begin[1]}
        held["work"] = like.new_empty(encoder.directions * work)
        self._held = {name: dense(tensor) for name, tensor in held.items()}
        self._values = SlotValues(SLOTS)
        self._values.set(
            dict(zip(("gomp", "gomp_size", "gomp_me"), runtime())) | _sizes(encoder) | {"work_size": work}
        )
        self._values.point(self._held)
        self._starts = [[state.clone() for state in call.operands.state] for call in calls]
        self._grow(64)
        self._packed = pages(self._library.room(self._values.address))
        self._values.set({"packed": self._packed.address})
        self._library.pack_weights(self._values.address)

    def _grow(self, places: int) -> None:
        """Makes room for a sentence of so many places."""
        like, wide = self._encoder.vectors, self._encoder.ask.shape[1]
        self._most = places
        self._room = {"x": like.new_empty(places, like.shape[1]), "between": like.new_empty(2, places, wide)}
        self._values.point(self._room)
        fields, self._tables, rows = step_fields(self._layer, 0), [], []
        for step, call, starts in zip(self._steps, self._encoder.calls, self._starts):
            products, states = array("q"), array("q")
            for g, weights in enumerate(call.operands.hoisted):
                made = like.new_empty(places, len(weights))
                step.alive[f"x{g}"], step.alive[f"hoisted{g}"] = made, dense(weights)
                step.values[fields.at[f"x{g}"]] = made.data_ptr()
                products.extend([step.alive[f"hoisted{g}"].data_ptr(), len(weights), made.data_ptr()])
            for k, start in enumerate(starts):
                states.extend([step.alive[f"state{k}"].data_ptr(), start.shape[1], start.data_ptr()])
            self._tables += [products, states]
            widths = [step.values.buffer_info()[0], call.width("I"), wide // self._encoder.directions]
            for table, size in ((products, len(call.operands.hoisted)), (states, len(starts))):
                widths += [size, table.buffer_info()[0]]
            rows += widths
        self._passages = array("q", rows)
        self._values.point({"passages": self._passages})

    def read(self, symbols: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        """values (S, M), keys (S, A), and what the first states are made of, (H,)."""
        if len(symbols) > self._most:
            self._grow(2 * len(symbols))
        encoder, given = self._encoder, array("q", symbols)
        ask, numbers = encoder.ask, encoder.ask.numel() + encoder.begin[0].numel()
        team, _ = sharing_of_calls(encoder.calls, numbers, 1, ask.element_size())
        like, (query, value) = encoder.vectors, ask.shape
        made = {"values": like.new_empty(len(given), value), "keys": like.new_empty(len(given), query)}
        made |= {"first": like.new_empty(len(encoder.begin[1])), "means": like.new_empty(team, value)}
        self._values.point(made)
        self._values.set({"places": len(given), "symbols": given.buffer_info()[0], "wanted": team})
        self._library.read_sentence(self._values.address)
        return made["values"], made["keys"], made["first"]


def _sizes(encoder: Encoder) -> dict[str, int]:
    query, value = encoder.ask.shape
    return {
        "layers": len(encoder.calls) // encoder.directions,
        "directions": encoder.directions,
        "embedding": encoder.vectors.shape[1],
        "value": value,
        "query": query,
        "begun": len(encoder.begin[1]),
    }
