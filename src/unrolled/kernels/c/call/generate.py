"""Text generated in C: the arguments of generate.h, and the memory that lasts from call to call."""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import torch
from torch import Tensor

from ....graph.node import Dim, size
from ....plan.cost import shares_units, sharing_of_steps
from ...call import Call
from ...gate import dense, why_closed
from ..build.build import build
from ..emit.emit import LOOPS, VERSION
from ..emit.segment import safe
from ..emit.step import WORKER, Layer, step_fields, step_text
from ..emit.struct import dims, letters
from .library import OPTIMISE
from .run import obstacle
from .scratch import pages
from .slot_values import SlotValues
from .threads import runtime, threads
from .ways import FIXED

SLOTS = tuple(
    """
    steps batch layers characters width wanted split odd packed_for gomp gomp_size gomp_me calls packed work
    work_size head bias logits tokens out random rule top_k room
    """.split()
)
HEADERS = tuple("unrolled.h product.h elementary.h team.h threads.h whole_vectors.h few_rows.h draw.h".split())


@dataclass(frozen=True)
class Model:
    """What generates. Layers above the first read the state `below`, see kernels/input_as_state.py.

    calls       of one step, layer by layer; the first layer's inputs are those of all V characters in order
    head, bias  (V, width), (V,): the linear layer
    half        whether weights are kept in bfloat16
    """

    calls: tuple[Call, ...]
    head: Tensor
    bias: Tensor
    half: bool = False


def why_not(model: Model) -> str | None:
    """Why C cannot generate with this model; None if it can."""
    return next(filter(None, map(obstacle, model.calls)), None) or why_closed((model.head, model.bias))


@lru_cache(maxsize=64)
def emit_generator(layers: tuple[Layer, ...], double: bool, half: bool) -> str:
    """The C of a model's generator."""
    return emit_steps(layers, double, half, SLOTS, ("slices.h", "generate.h"))


def emit_steps(
    layers: tuple[Layer, ...], double: bool, half: bool, slots: tuple[str, ...], loop: tuple[str, ...]
) -> str:
    """The C of a loop of steps: one for each kind of layer, the first and those above it, and the headers that
    call them, with the places of their arguments."""
    lines = [
        f"/* {safe(layers[0].plan.graph.name)}, for {loop[-1]}: made by unrolled from the cell's equations. "
        f"Convention {VERSION}. */",
        f"typedef {'double' if double else 'float'} real;",
        f"#define REAL {64 if double else 32}",
        f"#define HALF {int(half)}",
        "#include <stdlib.h>",
        *map(_header, HEADERS),
        LOOPS,
        "",
        WORKER,
        "",
    ]
    for number, layer in enumerate(layers):
        lines += step_text(layer, number)
    last = len(layers) - 1
    lines += [
        "#define step_layer(n, w, a, below, at) "
        + (f"((n) ? step_{last}(w, (void *)(a), below, at) : step_0(w, (void *)(a), below, at))"),
        "#define pack_layer(n, a, to, slice, slices) "
        + (f"((n) ? pack_{last}((void *)(a), to, slice, slices) : pack_0((void *)(a), to, slice, slices))"),
        f"enum {{ {', '.join(f'slot_{name}' for name in slots)} }};",
        "#define AT(type, name) ((type *)a[slot_##name])",
        *map(_header, loop),
    ]
    return "\n".join(lines) + "\n"


@lru_cache(maxsize=16)
def _header(name: str) -> str:
    return files(f"{__package__.rpartition('.')[0]}.headers").joinpath(name).read_text(encoding="utf-8")


@lru_cache(maxsize=64)
def _library(layers: tuple[Layer, ...], double: bool, half: bool):
    library = build(
        emit_generator(layers, double, half), name=f"{layers[0].plan.graph.name}-text", optimise=OPTIMISE
    )
    for function in (library.generate, library.room):
        function.argtypes = [ctypes.c_void_p]
    library.room.restype = ctypes.c_int64
    return library


class Generator:
    """Goes on with `batch` texts from their states (in the model's calls), last characters and seeds."""

    def __init__(
        self, model: Model, tokens: Sequence[int], seeds: Sequence[int], rule: tuple[float, int, float]
    ):
        """rule: temperature, how many of the likeliest may be drawn, the probability they must reach."""
        self._model, calls, like = model, model.calls, model.head
        batch, characters = len(tokens), len(model.head)
        kinds = tuple(layer_of(call, n > 0) for n, call in enumerate(calls[:2]))
        self._library = _library(kinds, like.dtype == torch.float64, model.half)
        item = 2 if model.half else like.element_size()
        team, split = sharing_of_calls(calls, model.head.numel(), batch, item)
        self._steps = [Step(kinds[min(n, 1)], call, batch) for n, call in enumerate(calls)]
        self._addresses = array("q", [step.values.buffer_info()[0] for step in self._steps])
        work = (max(step.work for step in self._steps) * batch + 63) // 64 * 64
        self._tokens, self._random = array("q", tokens), array("Q", seeds)
        temperature, top_k, top_p = rule
        self._rule = array("d", [temperature, top_p])
        self._work, self._logits = like.new_empty(team * work), like.new_empty(batch, characters)
        self._room = torch.empty(team * 4 * characters, dtype=torch.float64, device="cpu")
        self._head = (dense(model.head), dense(model.bias))
        self._values = SlotValues(SLOTS)
        self._values.set(dict(zip(("gomp", "gomp_size", "gomp_me"), runtime())))
        self._values.set({"batch": batch, "layers": len(calls), "characters": characters, "wanted": team})
        self._values.set({"width": model.head.shape[1], "split": int(split), "work_size": work})
        self._values.set({"top_k": min(top_k, characters)})
        self._values.point({"calls": self._addresses, "work": self._work, "logits": self._logits})
        self._values.point({"head": self._head[0], "bias": self._head[1], "room": self._room})
        self._values.point({"tokens": self._tokens, "random": self._random, "rule": self._rule})
        self._memory = pages(self._library.room(self._values.address))
        self._values.set({"packed": self._memory.address})

    def draw(self, count: int) -> Tensor | None:
        """The next `count` characters of every text, (count, batch) int64; None where
        a logit is not a number.
        """
        out = torch.empty(count, len(self._tokens), dtype=torch.int64, device="cpu")
        self._values.set({"steps": count, "out": out.data_ptr()})
        return None if self._library.generate(self._values.address) else out


def layer_of(call: Call, above: bool) -> Layer:
    return Layer(call.plan, len(call.operands.state) - 1 if above and not call.plan.graph.inputs else None)


def sharing_of_calls(calls: Sequence[Call], more: int, batch: int, item: int) -> tuple[int, bool]:
    """As `sharing` in plan/cost.py, over all layers. `more`: numbers in other weights; `item`: bytes of one."""
    fixed = FIXED.get()
    if fixed is not None:
        return fixed.way.team, fixed.way.units and all(shares_units(call.plan) for call in calls)
    return sharing_of_steps([(call.plan, call.width) for call in calls], more, batch, item, threads())


def tables_of(call: Call) -> list[Tensor]:
    """Products with the input of each row that a step may be given: looked up instead of made at every step."""
    return [
        operand @ weights.t() if operand.is_floating_point() else weights.t()[operand]
        for weights, operand in zip(call.operands.hoisted, call.operands.factors)
    ]


class Step:
    """The arguments of one layer's step, and the buffers that they point to. `tables`: what is looked up, where
    others have it."""

    def __init__(self, layer: Layer, call: Call, batch: int, tables: Sequence[Tensor] | None = None):
        plan, body, like = call.plan, call.plan.body, call.operands.vectors

        def rows(dims_: Sequence[Dim], count: int = batch) -> Tensor:
            return like.new_empty(count, sum(call.width(d) for d in dims_))

        def wide(node: int) -> Sequence[Dim]:
            return body.nodes[node].shape or ("1",)

        table = {**{letter: size(d, dict(call.sizes)) for letter, d in zip(letters(plan), dims(plan))}}
        self.hyper = array("d", call.hyper)
        made = {
            "vectors": call.operands.vectors,
            "numbers": call.operands.numbers,
            "kept": rows(plan.kept_widths),
            "output": rows(wide(body.output)),
        }
        made |= {f"weights{g}": w for g, w in enumerate(call.operands.weights)} | {
            f"input{k}": x for k, x in enumerate(call.operands.inputs)
        }
        for k, (state, node) in enumerate(zip(call.operands.state, body.states)):
            made |= {f"state{k}": state.clone(), f"new{k}": rows(wide(node))}
        for g, x in enumerate(tables_of(call) if tables is None else tables):
            made |= {f"x{g}": x, f"k{g}": rows(body.hoisted[g].widths)}
        self.alive = {name: dense(tensor) for name, tensor in made.items()}
        table |= {name: tensor.data_ptr() for name, tensor in self.alive.items()} | {
            "hyper": self.hyper.buffer_info()[0]
        }
        self.values = step_fields(layer, 0).filled(table)
        self.work = sum(call.width(d) for d in (*plan.forward.z, *plan.forward.scratch))
