"""However many threads there are, the numbers are those of one thread, bit for bit, whatever the rows' lengths.

Threads own rows (or units) and rarely wait for each other, so that a buffer they share goes wrong only now and
then: the places that they write to are compared, and random runs are repeated.
"""

from __future__ import annotations

import contextlib
import ctypes
import random
import re
import subprocess
from functools import lru_cache

import pytest
import torch
from generated import programs
from headers import COMPILER, FOLDER, TEXT
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from instances import C_CELLS, Instance, Way, gradients, instance, needs_compiler
from layer_cases import make_input, make_layer, make_state
from torch.nn.utils.rnn import pack_padded_sequence

import unrolled
from unrolled.errors import ShapeError
from unrolled.graph.node import Graph, needed
from unrolled.kernels import StepRows, recomputed
from unrolled.kernels.c.call import library
from unrolled.kernels.c.call.prepared import row_tables
from unrolled.kernels.c.emit.emit import emit
from unrolled.plan.plan import plan_of

pytestmark = [needs_compiler, pytest.mark.usefixtures("one_thread")]
# One of every kind of loop: no product, several stages, delays, operands made ahead, a segment
# before the first product.
SOME = (
    "elman",
    "gru_reset_before",
    "indrnn",
    "intersection_rnn",
    "jordan",
    "lem",
    "lstm",
    "lru",
    "mingru",
    "mut1",
    "narx_rnn",
    "nested_lstm",
    "qrnn",
    "rhn",
    "sru",
    "t_gru",
)
MODES = ("kept", "no_grad", "inference_mode", "recompute", "operator")


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize(
    "mode", [torch.no_grad, torch.inference_mode, None], ids=["no_grad", "inference", "frozen"]
)
def test_rows_of_unlike_lengths_on_two_threads_are_torchs(kind, mode):
    """Input products are made ahead in a buffer that is written again for each block of steps."""
    torch.manual_seed(0)
    x, lengths = torch.randn(200, 32, 3), [200 - 6 * k for k in range(32)]
    ours, theirs = getattr(unrolled, kind)(3, 8), getattr(torch.nn, kind)(3, 8)
    theirs.load_state_dict(ours.state_dict())
    rows = pack_padded_sequence(x, lengths)
    for layer in (ours, theirs):
        layer.requires_grad_(mode is not None)
    with (mode or contextlib.nullcontext)(), Way(2, False).taken():
        for _ in range(5):
            torch.testing.assert_close(ours(rows)[0].data, theirs(rows)[0].data)


@pytest.mark.parametrize("lengths", [[7] * 5, [9, 9, 4, 2, 1], None])
def test_compiled_models_on_two_threads(lengths):
    """A compiled model's forward pass keeps nothing, in training too."""
    layer, x = make_layer("lstm", "c", dtype=torch.float32), torch.randn(60, 20, 3)
    more = {} if lengths is None else {"lengths": [12 * n if n < 5 else 60 for n in lengths] * 4}
    expected = layer(x, **more)[0]
    compiled = torch.compile(layer, backend="eager")
    with Way(2, False).taken():
        for _ in range(3):
            assert torch.equal(compiled(x, **more)[0], expected)


# ---- Where threads write


PLACES = r"""
void places(long steps, long batch, long stride, long block, const int64_t *offset, const int64_t *rows, int uniform, int64_t *to)
{
    for (long me = 0; me < stride; me++) {
        const walk w = walk_of(steps, batch, me, stride, block, offset, rows, 0, uniform);
        for (long s = 0; s < steps; s++)
            for (long r = me; r < rows[s]; r += stride) to[s * batch + r] = offset[s] - walk_low(&w, s, s % block) + r;
    }
}
"""


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Where in a buffer of `block` steps each row of each step stands, for a team that shares out rows."""
    source = tmp_path_factory.mktemp("places") / "places.c"
    around = (FOLDER / "loop.h").read_text(encoding="utf-8")
    source.write_text(f"typedef float real;\n#define REAL 32\n{TEXT}{around}{PLACES}")
    command = [
        COMPILER,
        "-O1",
        "-std=gnu11",
        "-shared",
        "-fPIC",
        str(source),
        "-o",
        str(source.with_suffix(".so")),
        "-lm",
    ]
    subprocess.run(command, check=True, timeout=120)
    library = ctypes.CDLL(str(source.with_suffix(".so")))

    def find(step_rows: StepRows, stride: int, block: int) -> list[list[int]]:
        offset, rows = row_tables(step_rows)
        to = (ctypes.c_int64 * (step_rows.steps * step_rows.batch))()
        numbers = [ctypes.c_long(n) for n in (step_rows.steps, step_rows.batch, stride, block)]
        tables = [ctypes.c_void_p(table.buffer_info()[0]) for table in (offset, rows)]
        library.places(*numbers, *tables, step_rows.sizes is None, to)
        return [to[s * step_rows.batch :][: rows[s]] for s in range(step_rows.steps)]

    return find


@st.composite
def any_step_rows(draw) -> StepRows:
    sizes = sorted(draw(st.lists(st.integers(1, 9), min_size=1, max_size=30)), reverse=True)
    if draw(st.booleans()):
        return StepRows(len(sizes), sizes[0], tuple(sizes))
    return StepRows(len(sizes), sizes[0], None, draw(st.booleans()))


@settings(max_examples=300)
@given(any_step_rows(), st.integers(1, 5), st.integers(1, 12))
def test_rows_made_ahead_never_meet_another_threads(places, step_rows, team, block):
    """Threads do not wait, so one may be blocks ahead: no place may ever belong to two of them."""
    found, owner = places(step_rows, team, block), {}
    for s, row in enumerate(found):
        assert len(set(row)) == len(row) and all(
            0 <= p < min(step_rows.steps, block) * step_rows.batch for p in row
        )
        for r, place in enumerate(row):
            assert owner.setdefault(place, r % team) == r % team, (s, r)
    for begin in range(0, step_rows.steps, block):  # nor may steps of one block
        whole = [place for row in found[begin : begin + block] for place in row]
        assert len(set(whole)) == len(whole)


@pytest.mark.parametrize("name", ["lstm", "gru", "peephole_lstm", "indrnn"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_shared_units_are_one_threads_bit_for_bit(name, dtype):
    """At -O3 a compiler fuses products and sums in the rest of a loop otherwise than in its vectors."""
    layer = make_layer(name, "c", dtype, 84)
    x, state = make_input(layer, 12, 5), make_state(layer, 5)
    with Way(1, False).taken():
        expected = run_layer(layer, "kept", x, state, None)
    for team in (2, 3, 4, 5):
        with Way(team, True).taken():
            same(run_layer(layer, "kept", x, state, None), expected, added_up(layer.cell.graph), team)


# ---- A slow thread


@pytest.fixture
def slow_thread(monkeypatch, built_quickly):
    """Thread 1 waits before each of its products, so that the others are as far ahead as barriers let them."""

    def slowed(plan, precision: str) -> str:
        head, job, rest = emit(plan, precision).partition("} job;")
        head = head.replace("#include <math.h>", "#include <math.h>\n#include <unistd.h>")
        return head + job + re.sub(r"( +)(product\(count)", r"\1if (me == 1) usleep(200);\n\1\2", rest)

    monkeypatch.setattr(library, "emit", slowed)
    library.functions.cache_clear()
    yield
    library.functions.cache_clear()


@pytest.mark.parametrize("split", [False, True], ids=["rows", "units"])
@pytest.mark.parametrize("name", ["lstm", "dilated_rnn", "jordan", "tau_gru"])
def test_a_slow_thread_changes_nothing(name, split, slow_thread):
    layer = make_layer(name, "c", torch.float32, 80)
    x, state = make_input(layer, 40, 20), make_state(layer, 20)
    for lengths in (None, [40 - 2 * k for k in range(20)]):
        for mode in ("no_grad", "kept"):
            with Way(1, False).taken():
                expected = run_layer(layer, mode, x, state, lengths)
            with Way(2, split).taken():
                found = run_layer(layer, mode, x, state, lengths)
            same(found, expected, added_up(layer.cell.graph), (mode, lengths))


# ---- Random runs


@contextlib.contextmanager
def mode_of(name: str):
    """How the layer is called: under which of torch's modes, or as the operator that stands
    for it in compiled models.
    """
    before = torch.compiler.is_compiling
    torch.compiler.is_compiling = (lambda: True) if name == "operator" else before
    try:
        with {"no_grad": torch.no_grad, "inference_mode": torch.inference_mode}.get(
            name, contextlib.nullcontext
        )():
            yield
    finally:
        torch.compiler.is_compiling = before


@lru_cache(maxsize=64)
def layer_of(name: str, hidden: int, dtype: torch.dtype, bidirectional: bool, recompute: bool):
    return make_layer(name, "c", dtype, hidden, bidirectional=bidirectional, recompute=recompute)


def lengths_of(draw: random.Random, steps: int, batch: int) -> list[int] | None:
    kind = draw.choice(("alike", "any", "falling", "few"))
    if kind == "alike":
        return None
    if kind == "falling":
        return [max(1, steps - steps * k // batch) for k in range(batch)]
    return [draw.choice((steps, steps // 2)) if kind == "few" else draw.randint(0, steps) for _ in range(batch)]


@lru_cache(maxsize=512)
def added_up(graph: Graph) -> frozenset[str]:
    """Parameters whose gradients are sums over rows that each thread adds up for itself: vectors
    and numbers of the loop.
    """
    plan = plan_of(graph)
    outer, nodes = plan.body.outer, plan.body.nodes
    reached = needed(outer, [nodes[v].value for v in (*plan.vectors, *plan.numbers)])
    return frozenset(outer[i].value for i in reached if outer[i].op == "parameter")


def run_layer(layer, mode: str, x, state, lengths) -> dict[str, torch.Tensor]:
    """Outputs and last states; in the modes that train, the gradients of inputs, states and parameters, too."""
    with mode_of(mode):
        y, last = layer(x, state, lengths=lengths)
    results = [y, *last]
    found = {f"result {k}": r.detach() for k, r in enumerate(results)}
    if mode in ("no_grad", "inference_mode"):
        return found
    given = [*(x if isinstance(x, tuple) else (x,)), *state]
    leaves = {f"gradient {k}": t for k, t in enumerate(given)}
    leaves |= {name.split(".", 1)[1]: t for name, t in layer.named_parameters()}
    return found | dict(zip(leaves, gradients(results, list(leaves.values()))))


def same(
    found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor], sums: frozenset[str] | None, what
) -> None:
    """Bit for bit, but for the parameters in `sums`; nowhere if that is None."""
    assert found.keys() == expected.keys()
    for name, a in found.items():
        b = expected[name]
        if sums is None or name.split(".")[-1] in sums:
            allowed = (1e-3 if b.dtype is torch.float32 else 1e-8) * (1 + b.abs().max())
            assert ((a - b).abs().nan_to_num(0, 0) <= allowed.nan_to_num(0, 0)).all(), (name, what)
        else:
            assert ((a == b) | (a.isnan() & b.isnan())).all(), (name, (a - b).abs().max().item(), what)


def one_case(seed: int, names: tuple[str, ...]) -> None:
    draw = random.Random(seed)
    name, mode = draw.choice(names), draw.choice(MODES)
    team, split = draw.randint(2, 5), draw.random() < 0.3
    steps, batch = draw.choice((1, 5, 30, 70, 150)), draw.choice((1, 2, 3, 7, 16, 33))
    dtype = torch.float64 if split else draw.choice((torch.float32, torch.float64))
    layer = layer_of(name, draw.choice((5, 12)), dtype, draw.random() < 0.3, mode == "recompute")
    x, state = make_input(layer, steps, batch, seed), make_state(layer, batch, seed)
    lengths = lengths_of(draw, steps, batch)
    with Way(1, False).taken():
        expected = run_layer(layer, mode, x, state, lengths)
    with Way(team, split).taken():
        found = run_layer(layer, mode, x, state, lengths)
    sums = None if split else added_up(layer.cell.graph)  # few units of a row are rounded by who makes them
    same(found, expected, sums, (name, mode, steps, batch, lengths, team, split))


@pytest.fixture
def short_blocks(monkeypatch):
    monkeypatch.setattr(recomputed, "ROWS", 16)


@pytest.mark.parametrize("part", range(10))
def test_random_runs_of_layers_are_one_threads(part, short_blocks):
    for seed in range(20 * part, 20 * part + 20):
        one_case(seed, SOME)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(100))
def test_random_runs_of_all_cells_are_one_threads(part, short_blocks):
    for seed in range(1000 + 60 * part, 1060 + 60 * part):
        one_case(seed, tuple(C_CELLS))


def random_cell(program, seed: int, runs: int) -> None:
    draw = random.Random(seed)
    sizes = {letter: draw.choice((3, 1, 2, 5, 9)) for letter in "IHOP"}
    cell = program.cell()
    for _ in range(runs):
        rows = sorted((draw.randint(1, 24) for _ in range(draw.choice((3, 20, 90)))), reverse=True)
        ragged = draw.random() < 0.7
        step_rows = StepRows(
            len(rows), rows[0], tuple(rows) if ragged else None, not ragged and draw.random() < 0.5
        )
        team, split = draw.randint(2, 5), draw.random() < 0.3
        dtype = torch.float64 if split else draw.choice((torch.float32, torch.float64))
        try:
            made = instance(cell, sizes, step_rows, dtype, draw.random() < 0.2)
        except ShapeError:
            assume(False)
        keep = draw.random() < 0.5
        with Way(1, False).taken():
            expected = run_cell(made, keep)
        assume(all(r.isfinite().all() for r in expected.values()))
        with Way(team, split).taken():
            found = run_cell(made, keep)
        same(found, expected, None if split else added_up(cell.graph), (step_rows, keep, team, split))


def run_cell(made: Instance, keep: bool) -> dict[str, torch.Tensor]:
    with torch.set_grad_enabled(keep):
        results = made.run("c")
    found = {f"result {k}": r.detach() for k, r in enumerate(results)}
    return found | (dict(zip(made.named, gradients(results, made.leaves))) if keep else {})


@settings(max_examples=8)
@given(programs(), st.integers(0, 2**20))
def test_random_cells_are_one_threads(built_quickly, program, seed):
    random_cell(program, seed, 5)


@pytest.mark.slow
@settings(max_examples=500)
@given(programs(), st.integers(0, 2**20))
def test_five_hundred_random_cells_are_one_threads(built_quickly, program, seed):
    random_cell(program, seed, 8)
