"""The hand-written C headers as a library of their own, for tests: built for one precision,
called with numpy arrays.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import unrolled
from unrolled.kernels.c.build.target import target as chosen_target
from unrolled.kernels.c.emit.emit import HEADERS

# Of the package under test, which may be a spoiled copy.
FOLDER = Path(unrolled.__file__).parent / "kernels/c/headers"
TEXT = "".join(
    (FOLDER / name).read_text(encoding="utf-8") for name in HEADERS if name not in ("threads.h", "loop.h")
)
COMPILER = shutil.which(os.environ.get("CC", "cc")) or shutil.which("gcc")
FLAGS = [
    "-O3",
    "-std=gnu11",
    "-mprefer-vector-width=512",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-shared",
    "-fPIC",
]
UNARY = [
    "exp",
    "log",
    "tanh",
    "sigmoid",
    "softplus",
    "sin",
    "cos",
    "sqrt",
    "abs",
    "relu",
    "floor",
    "sign",
    "step",
]
BINARY = ["max", "min", "less"]
SIZES = [
    (1, 1, 1),
    (1, 512, 128),
    (2, 65, 3),
    (3, 64, 300),
    (5, 33, 17),
    (6, 129, 64),
    (7, 63, 257),
    (13, 100, 100),
    (16, 31, 1),
    (32, 200, 70),
    (97, 70, 31),
    (200, 130, 40),
    (4, 900, 301),
    (33, 700, 515),
    (100, 20, 600),
    (0, 5, 5),
    (3, 4, 0),
]

DRIVER = r"""
#define UNARY(name) void all_##name(long n, const real *restrict x, real *restrict y) \
    { for (long j = 0; j < n; j++) y[j] = name##_(x[j]); }
#define BINARY(name) void all_##name(long n, const real *restrict a, const real *restrict b, real *restrict y) \
    { for (long j = 0; j < n; j++) y[j] = name##_(a[j], b[j]); }
void all_where(long n, const real *c, const real *a, const real *b, real *y)
{ for (long j = 0; j < n; j++) y[j] = where_(c[j], a[j], b[j]); }
long do_packed_size(long N, long K) { return packed_size(N, K); }
void do_pack(real *to, const real *from, long cs, long rs, long N, long K, long width, long gap)
{ pack(to, from, cs, rs, N, K, width, gap); }
void do_product(long M, long N, long K, const real *A, long lda, const real *B, real *C, long ldc, int more)
{ product(M, N, K, A, lda, B, C, ldc, more); }
void do_product_transposed(long M, long N, long K, const real *A, long step, const real *B, real *C, long ldc, int more)
{ product_transposed(M, N, K, A, step, B, C, ldc, more); }
void do_cumsum(real *v, long n, int back) { if (back) cumsum_back_(v, n); else cumsum_(v, n); }
void do_kron(real *to, const real *a, const real *b, long rows, long columns) { kron_(to, a, b, rows, columns); }
void do_kron_left(real *to, const real *g, const real *b, long rows, long columns) { kron_left_(to, g, b, rows, columns); }
void do_kron_right(real *to, const real *g, const real *a, long rows, long columns) { kron_right_(to, g, a, rows, columns); }
typedef struct { barrier_t barrier; int turns, smallest, largest, team; long sum[64]; } race;
static void run_race(void *data, int me, int team)
{
    race *r = data;                /* everyone adds one a turn; after the barrier everyone must see everyone's */
    for (int turn = 1; turn <= r->turns; turn++) {
        r->sum[me] = turn;
        barrier_wait(&r->barrier, me, team);
        for (int other = 0; other < team; other++)
            if (r->sum[other] != turn) __atomic_store_n(&r->smallest, -1, __ATOMIC_RELAXED);
        barrier_wait(&r->barrier, me, team);
    }
    __atomic_add_fetch(&r->largest, 1, __ATOMIC_ACQ_REL);
    if (me == 0) r->team = team;
}
int do_race(fork_join gomp, int (*size)(void), int (*me)(void), int wanted, int turns)
{
    race r = {.turns = turns};
    parallel(gomp, size, me, run_race, &r, wanted);
    return r.smallest == 0 && r.largest == r.team ? r.team : -1;
}
"""


class Library:
    """The headers built for one precision and one processor, called with numpy arrays.
    `before`: C text in front.
    """

    def __init__(self, folder: Path, dtype: type, target: str, before: str = ""):
        real, bits = ("float", 32) if dtype is np.float32 else ("double", 64)
        macros = "".join(f"UNARY({n})\n" for n in UNARY) + "".join(f"BINARY({n})\n" for n in BINARY)
        source = f"typedef {real} real;\n#define REAL {bits}\n{before}{TEXT}{DRIVER}{macros}"
        name = folder / f"header_{bits}_{target}_{len(before)}"
        name.with_suffix(".c").write_text(source)
        command = [
            COMPILER,
            *FLAGS,
            f"-march={chosen_target() if target == 'native' else target}",
            "-Wall",
            "-Wextra",
            "-Werror",
            str(name.with_suffix(".c")),
            "-o",
            str(name.with_suffix(".so")),
            "-lm",
        ]
        built = subprocess.run(command, capture_output=True, text=True, timeout=120)
        if built.returncode and target != "native" and "march" in built.stderr:
            pytest.skip(f"the compiler does not know -march={target}")
        assert built.returncode == 0, built.stderr
        self.dtype, self.library = dtype, ctypes.CDLL(str(name.with_suffix(".so")))
        self.library.do_packed_size.restype = ctypes.c_long

    def call(self, name, *arguments):
        plain = [
            ctypes.c_void_p(a.ctypes.data) if isinstance(a, np.ndarray) else ctypes.c_long(a) for a in arguments
        ]
        return getattr(self.library, name)(*plain)

    def map(self, name, *inputs):
        inputs = [np.ascontiguousarray(x, self.dtype) for x in inputs]
        y = np.empty_like(inputs[0])
        self.call(f"all_{name}", y.size, *inputs, y)
        return y

    def pack(self, source, column_stride, row_stride, columns, depth, width, gap):
        size = self.call("do_packed_size", columns, depth)
        packed = np.full(size + 1, 7, self.dtype)
        self.call("do_pack", packed, source, column_stride, row_stride, columns, depth, width, gap)
        assert packed[-1] == 7, "wrote behind the packed matrix"
        return packed[:-1]

    def product(self, a, b, c=None, transposed=False):
        """a @ b, or c + a @ b; `transposed` reads a from its transpose. A margin
        around c must stay as it was.
        """
        (rows, depth), columns = a.shape, b.shape[1]
        room = np.full((rows + 1, columns + 3), 9, self.dtype)
        if c is not None:
            room[:-1, :columns] = c
        held = np.zeros((depth, rows + 2) if transposed else (rows, depth + 2), self.dtype)
        held[:, :-2] = a.T if transposed else a
        packed = self.pack(np.ascontiguousarray(b), 1, columns, columns, depth, columns, 0)
        self.call(
            "do_product_transposed" if transposed else "do_product",
            rows,
            columns,
            depth,
            held,
            held.shape[1],
            packed,
            room,
            columns + 3,
            int(c is not None),
        )
        assert (room[-1] == 9).all() and (room[:, columns:] == 9).all(), "wrote outside C"
        return room[:-1, :columns]
