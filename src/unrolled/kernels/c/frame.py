"""What stays the same from call to call of one cell at one size: everything but the tensors' addresses."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from functools import lru_cache

from ...graph.node import Dim, size
from ...plan.cost import block_of, large, sharing
from ...plan.plan import Plan
from ..call import Call, Schedule
from .library import Functions, functions
from .slots import Slots, dims, letters
from .threads import runtime, threads
from .toolchain import toolchain

BYTES = {"float32": 4, "float64": 8, "mixed": 2}  # of a packed weight
Sizes = tuple[tuple[Dim, int], ...]


@dataclass(frozen=True, eq=False)
class Frame:
    """Argument lists with sizes filled in, and the widths of the buffers to allocate.

    forward, backward        argument lists; copy them and put addresses where `forward_slots`, `backward_slots` say
    output, states, kept     widths
    gradient                 width of the buffer of gradients
    ahead                    rows of the buffers of input products when nothing is kept
    blas, loop_blas          which products over all steps go to BLAS
    alive                    what the argument lists point to
    """

    code: Functions
    forward: array
    backward: array
    forward_slots: Slots
    backward_slots: Slots
    output: int
    states: tuple[int, ...]
    kept: int
    gradient: int
    ahead: int
    blas: tuple[bool, ...]
    loop_blas: tuple[bool, ...]
    alive: tuple


def multiplies_pairs() -> bool:
    """Whether kernels are built with products of bfloat16 numbers; without, mixed precision is plain float32 (pairs.h)."""
    found = toolchain()
    return found is not None and "avx512_bf16" in found.instructions


def frame_of(call: Call) -> Frame:
    """The frame of a call. Raises CompilerError where its kernel cannot be built."""
    precision = (
        "float64"
        if call.vectors.element_size() == 8
        else "mixed"
        if call.mixed and multiplies_pairs()
        else "float32"
    )
    return _frame(call.plan, call.sizes, call.schedule, precision, threads())


@lru_cache(maxsize=512)
def _frame(plan: Plan, sizes: Sizes, schedule: Schedule, precision: str, most: int) -> Frame:
    body, table = plan.body, dict(sizes)

    def width(dim: Dim) -> int:
        return size(dim, table)

    def wide(node: int) -> int:
        shape = body.nodes[node].shape
        return width(shape[0]) if shape else 1

    def to_blas(columns: int, depth: int) -> bool:
        return precision != "mixed" and large(
            schedule.total, columns, depth
        )  # in bfloat16 our own products are the faster

    team, split = sharing(plan, width, schedule.batch, BYTES[precision], most)
    starts, rows = row_tables(schedule)
    gomp, count, number = runtime()
    block = block_of(schedule.batch, team, split)
    values = {
        "steps": schedule.steps,
        "batch": schedule.batch,
        "split": int(split),
        "keep": 1,
        "wanted": team,
        "offset": starts.buffer_info()[0],
        "rows": rows.buffer_info()[0],
        "gomp": gomp,
        "gomp_size": count,
        "gomp_me": number,
        "uniform": int(schedule.sizes is None),
        "block": block,
        "total": schedule.total,
        **{letter: width(d) for letter, d in zip(letters(plan), dims(plan))},
    }
    code = functions(plan, precision)
    return Frame(
        code,
        *(
            array("q", [values.get(name, 0) for name in slots])
            for slots in (code.forward_slots, code.backward_slots)
        ),
        Slots.of(code.forward_slots),
        Slots.of(code.backward_slots),
        wide(body.output),
        tuple(wide(s) for s in body.states),
        sum(width(w) for w in plan.kept_widths),
        sum(width(w) for w in plan.gradient),
        min(schedule.steps, block) * schedule.batch,
        tuple(to_blas(sum(width(w) for w in h.widths), width(h.depth)) for h in body.hoisted),
        tuple(to_blas(sum(width(w) for w in g.widths), width(g.depth)) for g in plan.groups),
        (starts, rows),
    )


@lru_cache(maxsize=256)
def row_tables(schedule: Schedule) -> tuple[array, array]:
    """First packed row of each step, and how many rows run at it, in the order in which the loop visits steps."""
    sizes = [schedule.rows(t) for t in range(schedule.steps)]
    starts, total = [], 0
    for n in sizes:
        starts.append(total)
        total += n
    if schedule.reverse:
        starts.reverse()
        sizes.reverse()
    return array("q", starts), array("q", sizes)
