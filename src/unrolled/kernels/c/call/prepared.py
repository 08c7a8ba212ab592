"""What stays the same from call to call of one cell at one size: everything but the tensors' addresses."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from ....graph.node import Dim, size
from ....plan.cost import AHEAD, Way, block_of, large, sharing, step_flops, ways_to_share
from ....plan.plan import Plan
from ...call import Call, Schedule
from ..build.toolchain import toolchain
from ..emit.slots import Slots, dims, letters
from .library import Functions, functions
from .shapes import Shapes, refuse, shapes_of
from .threads import python_addresses, runtime, threads
from .ways import LONG, settle_blas, uses_blas, way_of

BYTES = {"float32": 4, "float64": 8, "mixed": 2}  # of a packed weight
Sizes = tuple[tuple[Dim, int], ...]


@dataclass(frozen=True, eq=False)
class Prepared:
    """Argument lists with sizes filled in, and the widths of the buffers to allocate.

    forward, backward        argument lists; copy them and put addresses where `forward_slots`, `backward_slots` say
    output, states, kept     widths
    gradient                 width of the buffer of gradients
    ahead                    rows of the buffers of input products when nothing is kept
    blas, loop_blas          which products over all steps go to BLAS
    model                    how threads share the steps, by the cost model
    long                     whether forward passes are so long that other ways are timed (ways.py)
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
    shapes: tuple[Shapes, Shapes]
    blas: tuple[bool, ...]
    loop_blas: tuple[bool, ...]
    model: Way
    long: bool
    alive: tuple


def multiplies_pairs() -> bool:
    """Whether kernels are built with products of bfloat16 numbers; without, mixed precision is plain float32 (pairs.h)."""
    found = toolchain()
    return found is not None and "avx512_bf16" in found.instructions


def prepared_of(call: Call, way: Way | None = None, blas: bool | None = None) -> Prepared:
    """The frame of a call, by the cost model unless a way is given. Raises CompilerError where its kernel cannot be built,
    ShapeError where a tensor is not as large as the kernel will take it to be."""
    precision, most = precision_of(call), threads()
    blas = uses_blas(precision, most) if blas is None else blas
    frame = _prepared(call.plan, call.sizes, call.schedule, precision, most, way, blas)
    shapes = [t.shape for t in call.tensors]
    if shapes not in frame.shapes:
        refuse(call, shapes)
    return frame


def prepared_to_run(call: Call, keep: bool, run: Callable[[Prepared], object]) -> Prepared:
    """The frame for one more forward pass: that of the fastest way that is known. `run` makes the pass with a frame."""
    frame = prepared_of(call)
    if keep and any(frame.blas):
        settle_blas(precision_of(call), threads(), lambda blas: run(prepared_of(call, blas=blas)))
        frame = prepared_of(call)
    if not frame.long:
        return frame
    known = (call.plan, call.sizes, call.schedule.batch, precision_of(call), threads(), frame.model)
    return prepared_of(call, way_of(*known, lambda way: run(prepared_of(call, way))))


def precision_of(call: Call) -> str:
    """Which of a plan's kernels runs a call."""
    if call.vectors.element_size() == 8:
        return "float64"
    return "mixed" if call.mixed and multiplies_pairs() else "float32"


LOOK = 20_000_000  # floating-point operations between two looks for Ctrl-C, some milliseconds: none in a short call
SHORT = 1024  # steps: of shorter sequences 512 frames are kept
MOST = (
    2**24
)  # bytes that longer ones' frames may take together, 28 for each of a million steps; the last stays anyway


class Frames:
    """Frames that were made before. Those of long sequences are bounded by their bytes, not by their number: each new
    length is another one."""

    def __init__(self, make):
        self.make, self.short = make, lru_cache(maxsize=512)(make)
        self.long: dict[tuple, Prepared] = {}

    def __call__(
        self,
        plan: Plan,
        sizes: Sizes,
        schedule: Schedule,
        precision: str,
        most: int,
        way: Way | None = None,
        blas: bool = True,
    ) -> Prepared:
        key = (plan, sizes, schedule, precision, most, way, blas)
        if schedule.steps <= SHORT:
            return self.short(*key)
        self.long[key] = found = self.long.pop(key, None) or self.make(*key)  # the latest one last
        kept = list(self.long.items())  # no lock: a forked child might find it taken
        held = sum(_bytes(frame) for _, frame in kept)
        for key, frame in kept[:-1]:
            if held > MOST:
                self.long.pop(key, None)
                held -= _bytes(frame)
        return found

    def cache_clear(self) -> None:
        self.short.cache_clear()
        self.long.clear()


def _bytes(frame: Prepared) -> int:
    """What a frame's tables take, and at most as much again its schedule's own list of sizes."""
    return 2 * sum(len(table) * table.itemsize for table in frame.alive)


@Frames
def _prepared(
    plan: Plan,
    sizes: Sizes,
    schedule: Schedule,
    precision: str,
    most: int,
    way: Way | None,
    blas: bool,
) -> Prepared:
    body, table = plan.body, dict(sizes)

    def width(dim: Dim) -> int:
        return size(dim, table)

    def wide(node: int) -> int:
        shape = body.nodes[node].shape
        return width(shape[0]) if shape else 1

    def to_blas(group) -> bool:
        """In bfloat16 our own products are the faster ones."""
        columns = sum(width(w) for w in group.widths)
        return blas and precision != "mixed" and large(schedule.total, columns, width(group.depth))

    model = Way(*sharing(plan, width, schedule.batch, BYTES[precision], most), AHEAD)
    code, work, tables = functions(plan, precision), step_flops(plan, width), row_tables(schedule)
    values = {letter: width(d) for letter, d in zip(letters(plan), dims(plan))}
    values |= _values(schedule, tables, way or model, work)
    return Prepared(
        code,
        array("q", [values.get(name, 0) for name in code.forward_slots]),
        array("q", [values.get(name, 0) for name in code.backward_slots]),
        Slots.of(code.forward_slots),
        Slots.of(code.backward_slots),
        wide(body.output),
        tuple(wide(s) for s in body.states),
        sum(width(w) for w in plan.kept_widths),
        sum(width(w) for w in plan.gradient),
        min(schedule.steps, values["block"]) * schedule.batch,
        (shapes_of(plan, sizes, schedule), shapes_of(plan, sizes, schedule, indexed=True)),
        tuple(map(to_blas, body.hoisted)),
        tuple(map(to_blas, plan.groups)),
        model,
        schedule.total * work > LONG and len(ways_to_share(plan, schedule.batch, most)) > 1,
        tables,
    )


def _values(schedule: Schedule, tables: tuple[array, array], way: Way, work: int) -> dict[str, int]:
    """Arguments that all cells have. `work`: arithmetic of one row in one step."""
    starts, rows = tables
    gomp, count, number = runtime()
    return {
        "steps": schedule.steps,
        "batch": schedule.batch,
        "split": int(way.units),
        "keep": 1,
        "wanted": way.team,
        "offset": starts.buffer_info()[0],
        "rows": rows.buffer_info()[0],
        "gomp": gomp,
        "gomp_size": count,
        "gomp_me": number,
        "uniform": int(schedule.sizes is None),
        "block": block_of(schedule.batch, way),
        "total": schedule.total,
        "every": 1 + LOOK // (1 + schedule.batch * work),
        **python_addresses(),
    }


def row_tables(schedule: Schedule) -> tuple[array, array]:
    """First packed row of each step, and how many rows run at it, in the order in which the loop visits steps."""
    if schedule.sizes is None:
        starts, rows = range(0, schedule.total, max(1, schedule.batch)), [schedule.batch] * schedule.steps
    else:
        starts, rows = [0, *accumulate(schedule.sizes[:-1])], schedule.sizes
    step = -1 if schedule.reverse else 1
    return array("q", starts[::step]), array("q", rows[::step])
