"""What stays the same from call to call of one cell at one size: everything but the tensors' addresses."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from math import inf

from ....graph.node import Dim, size
from ....plan.cost import AHEAD, LARGE, Way, block_of, large, shares_units, sharing, step_flops, ways_to_share
from ....plan.plan import Plan
from ...call import Call, StepRows
from ..build.toolchain import toolchain
from ..emit.struct import dims, letters
from .library import Functions, functions
from .shapes import Shapes, refuse, shapes_of
from .threads import python_addresses, runtime, threads
from .ways import FIXED, LONG, time_blas, uses_blas, way_of

BYTES = {"float32": 4, "float64": 8, "mixed": 2}  # of a packed weight
Sizes = tuple[tuple[Dim, int], ...]


@dataclass(frozen=True, eq=False)
class Prepared:
    """Arguments with sizes filled in, and the widths of the buffers to allocate.

    forward, backward        values of the fields of `code`'s structs; copy them and put addresses in
    output, states, kept     widths
    gradient                 width of the buffer of gradients
    ahead                    rows of the buffers of input products when nothing is kept
    blas, loop_blas          which products over all steps go to BLAS
    model                    how threads share the steps, by the cost model
    long                     whether forward passes are so long that other ways are timed (ways.py)
    alive                    what the arguments point to
    """

    code: Functions
    forward: array
    backward: array
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
    """Whether kernels are built with products of bfloat16 numbers; without, mixed precision is
    plain float32 (pairs.h).
    """
    found = toolchain()
    return found is not None and "avx512_bf16" in found.instructions


def prepared_of(call: Call, way: Way | None = None, blas: bool | None = None) -> Prepared:
    """What is prepared for a call, by the cost model unless a way is given. Raises CompilerError where its
    kernel cannot be built, ShapeError where a tensor is not as large as the kernel will take it to be."""
    precision, most, fixed = precision_of(call), threads(), FIXED.get()
    if fixed is None:
        least = LARGE if (uses_blas(precision, most) if blas is None else blas) else inf
    else:
        way, least = fixed
        way = way._replace(units=way.units and shares_units(call.plan))
    prepared = _prepared(call.plan, call.sizes, call.step_rows, precision, most, way, least)
    shapes = [t.shape for t in call.tensors]
    if shapes not in prepared.shapes:
        refuse(call, shapes)
    return prepared


def prepared_to_run(call: Call, keep: bool, run: Callable[[Prepared], object]) -> Prepared:
    """What is prepared for one more forward pass, in the fastest way that is known.
    `run` makes a pass with it.
    """
    prepared = prepared_of(call)
    if FIXED.get() is not None:
        return prepared
    if keep and any(prepared.blas):
        time_blas(precision_of(call), threads(), lambda blas: run(prepared_of(call, blas=blas)))
        prepared = prepared_of(call)
    if not prepared.long:
        return prepared
    known = (call.plan, call.sizes, call.step_rows.batch, precision_of(call), threads(), prepared.model)
    return prepared_of(call, way_of(*known, lambda way: run(prepared_of(call, way))))


def precision_of(call: Call) -> str:
    """Which of a plan's kernels runs a call."""
    if call.operands.vectors.element_size() == 8:
        return "float64"
    return "mixed" if call.mixed and multiplies_pairs() else "float32"


# Floating-point operations between two looks for Ctrl-C, some milliseconds: none in a short call.
LOOK = 20_000_000
SHORT = 1024  # steps: for shorter sequences 512 are kept
# Bytes that those of longer ones may take together, 28 for each of a million steps; the last stays anyway.
MOST = 2**24


class PreparedCache:
    """What was prepared before. For long sequences it is bounded by its bytes, not by its number: each new
    length is another one."""

    def __init__(self, make):
        self.make, self.short = make, lru_cache(maxsize=512)(make)
        self.long: dict[tuple, Prepared] = {}

    def __call__(
        self,
        plan: Plan,
        sizes: Sizes,
        step_rows: StepRows,
        precision: str,
        most: int,
        way: Way | None = None,
        least: float = LARGE,
    ) -> Prepared:
        key = (plan, sizes, step_rows, precision, most, way, least)
        if step_rows.steps <= SHORT:
            return self.short(*key)
        self.long[key] = found = self.long.pop(key, None) or self.make(*key)  # the latest one last
        kept = list(self.long.items())  # no lock: a forked child might find it taken
        held = sum(_bytes(prepared) for _, prepared in kept)
        for key, prepared in kept[:-1]:
            if held > MOST:
                self.long.pop(key, None)
                held -= _bytes(prepared)
        return found

    def cache_clear(self) -> None:
        self.short.cache_clear()
        self.long.clear()


def _bytes(prepared: Prepared) -> int:
    """What its tables take, and at most as much again the list of sizes that it was made for."""
    return 2 * sum(len(table) * table.itemsize for table in prepared.alive)


@PreparedCache
def _prepared(
    plan: Plan,
    sizes: Sizes,
    step_rows: StepRows,
    precision: str,
    most: int,
    way: Way | None,
    least: float,
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
        return precision != "mixed" and large(step_rows.total, columns, width(group.depth), least)

    model = Way(*sharing(plan, width, step_rows.batch, BYTES[precision], most), AHEAD)
    code, work, tables = functions(plan, precision), step_flops(plan, width), row_tables(step_rows)
    values = {letter: width(d) for letter, d in zip(letters(plan), dims(plan))}
    values |= _values(step_rows, tables, way or model, work)
    return Prepared(
        code,
        code.forward_struct.filled(values),
        code.backward_struct.filled(values),
        wide(body.output),
        tuple(wide(s) for s in body.states),
        sum(width(w) for w in plan.kept_widths),
        sum(width(w) for w in plan.gradient),
        min(step_rows.steps, values["block"]) * step_rows.batch,
        (shapes_of(plan, sizes, step_rows), shapes_of(plan, sizes, step_rows, indexed=True)),
        tuple(map(to_blas, body.hoisted)),
        tuple(map(to_blas, plan.groups)),
        model,
        step_rows.total * work > LONG and len(ways_to_share(plan, step_rows.batch, most)) > 1,
        tables,
    )


def _values(step_rows: StepRows, tables: tuple[array, array], way: Way, work: int) -> dict[str, int]:
    """Arguments that all cells have. `work`: arithmetic of one row in one step."""
    starts, rows = tables
    gomp, count, number = runtime()
    return {
        "steps": step_rows.steps,
        "batch": step_rows.batch,
        "split": int(way.units),
        "keep": 1,
        "wanted": way.team,
        "offset": starts.buffer_info()[0],
        "rows": rows.buffer_info()[0],
        "gomp": gomp,
        "gomp_size": count,
        "gomp_me": number,
        "uniform": int(step_rows.sizes is None),
        "block": block_of(step_rows.batch, way),
        "total": step_rows.total,
        "every": 1 + LOOK // (1 + step_rows.batch * work),
        **python_addresses(),
    }


def row_tables(step_rows: StepRows) -> tuple[array, array]:
    """First packed row of each step, and how many rows run at it, in the order in
    which the loop visits steps.
    """
    if step_rows.sizes is None:
        starts, rows = range(0, step_rows.total, max(1, step_rows.batch)), [step_rows.batch] * step_rows.steps
    else:
        starts, rows = [0, *accumulate(step_rows.sizes[:-1])], step_rows.sizes
    step = -1 if step_rows.reverse else 1
    return array("q", starts[::step]), array("q", rows[::step])
