"""Sequences found by beam search in C: the arguments of decode.h, and the memory that
lasts from call to call.
"""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from ...call import Call
from ...gate import dense, why_closed
from ..build.build import build
from ..emit.step import Layer
from .generate import Step, emit_steps, layer_of
from .library import OPTIMISE
from .run import obstacle
from .scratch import pages

SLOTS = (
    *("sentences", "beam", "rows", "steps", "longest", "distinct", "layers", "symbols", "embedding", "query"),
    *("value", "top", "additive", "fed", "states", "states_at", "sentences_at", "calls", "packed", "work"),
    *("vectors", "bias", "out", "out_bias", "ask", "ask_bias", "additive_v", "tokens", "totals", "next_totals"),
    *("symbols_at", "parents", "weights", "found", "found_totals", "best", "written", "before", "x", "asked"),
    *("context", "joined", "said", "logits"),
)


@dataclass(frozen=True)
class Network:
    """What decodes. Every layer reads the state `below`, see kernels/input_as_state.py; the first one a
    symbol's vector, with what was said before behind it where `fed`.

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
    if any(call.plan.graph.inputs for call in network.calls):
        return "its cell reads its input in no product"
    tensors = (network.vectors, network.bias, network.out, network.out_bias, *(network.ask or ()))
    return next(filter(None, map(obstacle, network.calls)), None) or why_closed(tensors)


@lru_cache(maxsize=64)
def _library(layers: tuple[Layer, ...], double: bool):
    library = build(
        emit_steps(layers, double, False, SLOTS, "decode.h"),
        name=f"{layers[0].plan.graph.name}-decoder",
        optimise=OPTIMISE,
    )
    for function in (library.decode, library.room, library.pack_weights, library.memory_room):
        function.argtypes = [ctypes.c_void_p]
    library.memory_room.argtypes += [ctypes.c_int64] * 2
    library.room.restype = library.memory_room.restype = ctypes.c_int64
    return library


class Decoder:
    """Decodes up to `together` sentences a call, with `beam` hypotheses each. Weights are packed once, here.
    One thread at a time may call it, for it writes into its buffers."""

    def __init__(self, network: Network, beam: int, together: int, distinct: int = 0):
        like, calls, rows = network.vectors, network.calls, beam * together
        kinds = tuple(layer_of(call, True) for call in calls[:2])
        self._library = _library(kinds, like.dtype == torch.float64)
        self._steps = [Step(kinds[min(n, 1)], call, rows) for n, call in enumerate(calls)]
        self._states = [
            [step.alive[f"state{k}"] for k in range(len(call.operands.state) - 1)]
            for step, call in zip(self._steps, calls)
        ]
        self._beam, self._rows, self._network = beam, rows, network
        held = _weights(network) | _buffers(network, beam, rows)
        held["work"] = like.new_empty(max(step.work for step in self._steps) * rows + 64)
        self._held = {name: dense(tensor) for name, tensor in held.items()}
        self._arrays = {
            "calls": array("q", [step.values.buffer_info()[0] for step in self._steps]),
            "states_at": array("q", self._state_table()),
        }
        self._values = array("q", [0] * len(SLOTS))
        self._set(_sizes(network) | {"beam": beam, "rows": rows, "distinct": distinct})
        self._set({"states": sum(map(len, self._states))})
        self._set({name: tensor.data_ptr() for name, tensor in self._held.items()})
        self._set({name: table.buffer_info()[0] for name, table in self._arrays.items()})
        self._packed = pages(self._library.room(self._address))
        self._set({"packed": self._packed.address})
        self._library.pack_weights(self._address)

    @property
    def _address(self) -> int:
        return self._values.buffer_info()[0]

    def _set(self, values: dict[str, int]) -> None:
        for name, value in values.items():
            self._values[SLOTS.index(name)] = value

    def _state_table(self) -> list[int]:
        """Of each state its two buffers and its width."""
        table = []
        for step, states in zip(self._steps, self._states):
            for k, state in enumerate(states):
                table += [state.data_ptr(), step.alive[f"new{k}"].data_ptr(), state.shape[1]]
        return table

    def find(
        self, sentences: Sequence[tuple[Tensor, Tensor, int]], states: Sequence[Sequence[Tensor]]
    ) -> list[list[Found]] | None:
        """The sequences of each sentence, in the order in which they ended; None where logits were not numbers.

        sentences  what was read of each: values (S, M), keys (S, A), and how many symbols may be written
        states     per layer a tuple, (sentences, width) each
        """
        sentences = [Read(*each) for each in sentences]
        for mine, given in zip(self._states, states):
            for to, state in zip(mine, given):
                to[: len(sentences)] = state
        self._held["before"].zero_()
        table, alive = self._table(sentences)
        steps, longest = max(read.limit for read in sentences), max(1, *(len(read.keys) for read in sentences))
        history = torch.empty(2, steps, self._rows, dtype=torch.int64, device="cpu")
        weights = self._network.vectors.new_empty(steps, self._rows, longest)
        written = torch.empty(steps, dtype=torch.int64, device="cpu")
        self._set({"sentences": len(sentences), "steps": steps, "longest": longest})
        made = {"sentences_at": table, "symbols_at": history[0], "parents": history[1], "weights": weights}
        self._set({name: tensor.data_ptr() for name, tensor in (made | {"written": written}).items()})
        failed = self._library.decode(self._address)
        del alive  # until here its memory was read
        return None if failed else self._read_off(table, history, weights)

    def _table(self, sentences: Sequence[Read]) -> tuple[Tensor, list]:
        """The sentences as decode.h has them, and what must stay alive while it reads them."""
        rows, alive = [], []
        for read in sentences:
            keys, values, count = dense(read.keys), dense(read.values.t()), len(read.keys)
            sizes = (self._library.memory_room(self._address, count, turned) for turned in (1, 0))
            room = [torch.empty(size, dtype=torch.uint8, device="cpu") for size in sizes]
            alive += [keys, values, *room]
            rows.append([count, read.limit, *(each.data_ptr() for each in (keys, values, *room)), 0, 0, 0, 0])
        return torch.tensor(rows, device="cpu"), alive

    def _read_off(self, table: Tensor, history: Tensor, weights: Tensor) -> list[list[Found]]:
        symbols, parents = history
        result = []
        for number, row in enumerate(table.tolist()):
            ends = self._held["found"][number * self._beam :][: row[-1]].tolist()
            totals = self._held["found_totals"][number * self._beam :][: row[-1]].tolist()
            result.append(
                [
                    _chain(symbols, parents, weights[:, :, : row[0]], *end, total)
                    for end, total in zip(ends, totals)
                ]
            )
        return result


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
    whole = {"found": (rows, 3), "best": (beam, 3), "tokens": (rows,)}
    made = {name: like.new_empty(rows, width) for name, width in widths.items()}
    made |= {name: torch.empty(shape, dtype=torch.int64, device="cpu") for name, shape in whole.items()}
    totals = ("totals", "next_totals", "found_totals")
    return made | {name: like.new_empty(rows, dtype=torch.float64) for name in totals}


def _chain(
    symbols: Tensor, parents: Tensor, weights: Tensor, step: int, row: int, last: int, total: float
) -> Found:
    """Back from the end: which row each symbol came from, and what that row looked at."""
    written, rows = [last], [row]
    for before in range(step - 1, -1, -1):
        written.append(int(symbols[before, row]))
        row = int(parents[before, row])
        rows.append(row)
    looked = weights[torch.arange(step + 1), torch.tensor(rows[::-1])]
    return Found(written[::-1], looked, total)
