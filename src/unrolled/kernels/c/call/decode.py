"""Sequences found by beam search in C: the arguments of decode.h, and the memory that
lasts from call to call.
"""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from ....plan.cost import shares_units
from ...call import Call
from ...gate import dense, why_closed
from ..build.build import build
from ..emit.step import Layer
from .generate import Step, emit_steps, layer_of, sharing_of_calls, tables_of
from .library import OPTIMISE
from .run import obstacle
from .scratch import pages
from .slot_values import SlotValues
from .threads import runtime

SLOTS = tuple(
    """
    sentences beam rows steps longest distinct layers symbols embedding query value top additive fed
    looked_up states split wanted packed_for work_size gomp gomp_size gomp_me states_at sentences_at calls
    packed work vectors bias out out_bias ask ask_bias additive_v tokens totals next_totals symbols_at
    parents weights found found_totals best bets counts past written looked before x asked context joined
    said logits capacity screen bytes panel sayings
    """.split()
)

LOOP = ("slices.h", "decode_step.h", "screen.h", "alone.h", "decode.h")
START = 1  # the symbol that every sequence begins after, as in decode.h


@dataclass(frozen=True)
class Network:
    """What decodes. Layers read the state `below`, see kernels/input_as_state.py; the first one a symbol's
    vector, with what was said before behind it where `fed`. One that is `looked_up` is given the vectors of all
    symbols as its input: what it makes of each before the loop over time is made once, and looked up by the
    symbol.

    calls          of one step, layer by layer
    vectors, bias  (V, E), (V,)
    out, out_bias  (E, top + value), (E,)
    ask            (W_q, its bias, v_a) of additive attention; None where keys are multiplied with
                   the first layer's output
    value          width of what is looked at
    """

    calls: tuple[Call, ...]
    vectors: Tensor
    bias: Tensor
    out: Tensor
    out_bias: Tensor
    ask: tuple[Tensor, Tensor, Tensor] | None
    value: int
    fed: bool
    looked_up: bool

    @cached_property
    def kinds(self) -> tuple[Layer, ...]:
        """What steps are emitted: of the first layer, and of those above it."""
        return tuple(layer_of(call, n > 0 or not self.looked_up) for n, call in enumerate(self.calls[:2]))

    @cached_property
    def tables(self) -> list[list[Tensor]]:
        """What each layer looks up."""
        return [tables_of(call) for call in self.calls]

    @property
    def numbers(self) -> int:
        """In weights other than the layers'."""
        return self.vectors.numel() + self.out.numel() + (self.ask[0].numel() if self.ask else 0)

    @property
    def query(self) -> int:
        """Width of the first layer's output."""
        body = self.calls[0].plan.body
        shape = body.nodes[body.output].shape
        return self.calls[0].width(shape[0]) if shape else 1


class Read(NamedTuple):
    """A sentence that was read: values (S, M), keys (S, A), and how many symbols may be written."""

    values: Tensor
    keys: Tensor
    limit: int


class Found(NamedTuple):
    """A sequence: symbols with the end where there is one, the attention of each but the
    end (length, S), and log p.
    """

    symbols: list[int]
    weights: Tensor
    total: float


def why_not(network: Network) -> str | None:
    """Why C cannot decode with this network; None if it can."""
    if any(call.plan.graph.inputs for call in network.calls[network.looked_up :]):
        return "its cell reads its input in no product"
    tensors = (network.vectors, network.bias, network.out, network.out_bias, *(network.ask or ()))
    return next(filter(None, map(obstacle, network.calls)), None) or why_closed(tensors)


@lru_cache(maxsize=64)
def _library(layers: tuple[Layer, ...], double: bool):
    library = build(
        emit_steps(layers, double, False, SLOTS, LOOP),
        name=f"{layers[0].plan.graph.name}-decoder",
        optimise=OPTIMISE,
    )
    for function in (library.decode, library.room, library.screen_room, library.make_screen):
        function.argtypes = [ctypes.c_void_p]
    library.room.restype = library.screen_room.restype = ctypes.c_int64
    return library


class Decoder:
    """Decodes up to `together` sentences a call, with `beam` hypotheses each. Weights are packed once, at the
    first call of a team. One thread at a time may call it, for it writes into its buffers."""

    def __init__(self, network: Network, beam: int, together: int, distinct: int = 0):
        like, calls, rows = network.vectors, network.calls, beam * together
        self._library = _library(network.kinds, like.dtype == torch.float64)
        self._steps = [
            Step(network.kinds[min(n, 1)], call, rows, tables)
            for n, (call, tables) in enumerate(zip(calls, network.tables))
        ]
        self._states = [
            [
                step.alive[f"state{k}"]
                for k in range(len(call.operands.state) - (n > 0 or not network.looked_up))
            ]
            for n, (step, call) in enumerate(zip(self._steps, calls))
        ]
        self._network, self._beam, self._team = network, beam, 0
        self._work = max(step.work for step in self._steps) * rows + 64
        self._held = {
            name: dense(each) for name, each in (_weights(network) | _buffers(network, beam, rows)).items()
        }
        self._arrays = {
            "calls": array("q", [step.values.buffer_info()[0] for step in self._steps]),
            "states_at": array("q", self._state_table()),
        }
        self._values = SlotValues(SLOTS)
        self._values.set(
            _sizes(network) | {"beam": beam, "distinct": distinct, "states": sum(map(len, self._states))}
        )
        self._values.set(dict(zip(("gomp", "gomp_size", "gomp_me"), runtime())) | {"work_size": self._work})
        self._values.point(self._held)
        self._values.point(self._arrays)
        self._values.set({"capacity": rows})
        room = self._library.screen_room(self._values.address) if beam == 1 else 0
        if room:
            self._screen = pages(room)
            self._values.set({"screen": self._screen.address})
            self._library.make_screen(self._values.address)

    def _state_table(self) -> list[int]:
        """Of each state its two buffers and its width."""
        table = []
        for step, states in zip(self._steps, self._states):
            for k, state in enumerate(states):
                table += [state.data_ptr(), step.alive[f"new{k}"].data_ptr(), state.shape[1]]
        return table

    def _wanted(self, rows: int) -> int:
        """How many threads decode so many rows; there is room for as many."""
        network = self._network
        item = network.vectors.element_size()
        team, _ = sharing_of_calls(network.calls, network.numbers, rows, item)
        if team > self._team:
            self._team = team
            self._values.set({"wanted": team, "packed_for": 0})
            self._packed = pages(self._library.room(self._values.address))
            self._held["work"] = network.vectors.new_empty(team * self._work)
            self._held["bytes"] = torch.empty(
                team * (network.vectors.shape[1] + 64), dtype=torch.uint8, device="cpu"
            )
            self._values.set(
                {name: self._held[name].data_ptr() for name in ("work", "bytes")}
                | {"packed": self._packed.address}
            )
        return team

    def find(
        self, sentences: Sequence[tuple[Tensor, Tensor, int]], states: Sequence[Sequence[Tensor]]
    ) -> list[list[Found]] | None:
        """The sequences of each sentence, in the order in which they ended; None where logits were not numbers.

        sentences  what was read of each: values (S, M), keys (S, A), and how many symbols may be written
        states     per layer a tuple, (sentences, width) each
        """
        count, rows, held = len(sentences), self._beam * len(sentences), self._held
        for mine, given in zip(self._states, states):
            for to, state in zip(mine, given):
                to[:count] = state
        held["tokens"][:count], held["totals"][:count] = START, 0
        if self._network.fed:
            held["before"][:count] = 0
        read = [Read(dense(values), dense(keys), limit) for values, keys, limit in sentences]
        table = array("q", [number for n, each in enumerate(read) for number in self._row(each, n)])
        steps, longest = max(each.limit for each in read), max(1, *(len(each.keys) for each in read))
        team, like = self._wanted(rows), self._network.vectors
        whole = {
            "symbols_at": steps * rows,
            "parents": steps * rows,
            "written": rows * steps,
            "past": team * steps,
        }
        made = {name: torch.empty(size, dtype=torch.int64, device="cpu") for name, size in whole.items()}
        made |= {name: like.new_empty(rows, steps, longest) for name in ("weights", "looked")}
        made["sayings"] = like.new_empty(steps, like.shape[1])
        self._values.set({"sentences": count, "rows": rows, "steps": steps, "longest": longest, "wanted": team})
        self._values.point(made)
        self._values.point({"sentences_at": table})
        if self._library.decode(self._values.address):
            return None
        return self._read_off(table[7::8], read, made["written"].view(rows, steps), made["looked"])

    def _row(self, read: Read, number: int) -> list[int]:
        """A sentence as decode.h has it: the first row is its, `beam` are open, none is found."""
        addresses = read.keys.data_ptr(), read.values.data_ptr()
        return [len(read.keys), read.limit, *addresses, number, 1, self._beam, 0]

    def _read_off(
        self, counts: Sequence[int], read: Sequence[Read], written: Tensor, looked: Tensor
    ) -> list[list[Found]]:
        found, totals = (self._held[name][: len(written)].tolist() for name in ("found", "found_totals"))

        def one(number: int, size: int) -> Found:
            length = found[number][0] + 1
            weights = looked[number, :length, :size].clone()
            return Found(written[number, :length].tolist(), weights, totals[number])

        return [
            [one(n * self._beam + k, len(each.keys)) for k in range(count)]
            for n, (count, each) in enumerate(zip(counts, read))
        ]


def _sizes(network: Network) -> dict[str, int]:
    symbols, embedding = network.vectors.shape
    return {
        "layers": len(network.calls),
        "symbols": symbols,
        "embedding": embedding,
        "query": network.query,
        "value": network.value,
        "top": network.out.shape[1] - network.value,
        "additive": int(network.ask is not None),
        "fed": int(network.fed),
        "looked_up": int(network.looked_up),
        "split": int(all(shares_units(call.plan) for call in network.calls)),
    }


def _weights(network: Network) -> dict[str, Tensor]:
    named = zip(("ask", "ask_bias", "additive_v"), network.ask or ())
    plain = {name: getattr(network, name) for name in ("vectors", "bias", "out", "out_bias")}
    return plain | dict(named)


def _buffers(network: Network, beam: int, rows: int) -> dict[str, Tensor]:
    """What a step of that many rows needs, and what it leaves behind."""
    sizes, like = _sizes(network), network.vectors
    embedding, query, value = sizes["embedding"], sizes["query"], sizes["value"]
    widths = {
        "before": embedding,
        "x": embedding * (1 + sizes["fed"]),
        "asked": query,
        "context": value,
        "joined": max(query, sizes["top"]) + value,
        "said": embedding,
        "logits": sizes["symbols"],
    }
    whole = {
        "found": (rows, 3),
        "best": (beam, 3),
        "bets": (rows, beam, 3),
        "counts": (rows,),
        "tokens": (rows,),
    }
    made = {name: like.new_empty(rows, width) for name, width in widths.items()}
    made |= {name: torch.empty(shape, dtype=torch.int64, device="cpu") for name, shape in whole.items()}
    totals = ("totals", "next_totals", "found_totals")
    made["panel"] = like.new_zeros(embedding, 64 // like.element_size())  # as many columns as a vector has
    return made | {name: like.new_empty(rows, dtype=torch.float64) for name in totals}
