"""The hand-written C headers: mathematics against float64 numpy, products against
numpy's, the team of threads.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from headers import COMPILER, SIZES, UNARY, Library

TARGETS = ["native", "x86-64-v3", "x86-64"]  # AVX-512 where there is, AVX2, SSE2
# Tuned for it, GCC fuses no product with a sum that waits for another: where rows are few, for instance.
TUNED = ["znver3"]
pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C compiler here")


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """Libraries by precision and target, each built once."""
    folder, built = tmp_path_factory.mktemp("header"), {}

    def get(dtype, target="native"):
        if target != "native" and os.uname().machine != "x86_64":
            pytest.skip("x86 targets only")
        if target in ("x86-64-v3", "znver3") and "avx2" not in Path("/proc/cpuinfo").read_text():
            pytest.skip("no AVX2 here")
        if (dtype, target) not in built:
            built[dtype, target] = Library(folder, dtype, target)
        return built[dtype, target]

    return get


def numbers(dtype) -> np.ndarray:
    """Ordinary, tiny, subnormal and huge numbers of both signs, and the edges where functions saturate."""
    random = np.random.default_rng(0)
    scales = [1e-3, 0.1, 1, 5, 30, 80, 1e4, 1e9, 1e16, 1e23, 1e30, 1e35, 1e37]
    scales += [1e-42, 1e-30] if dtype is np.float32 else [1e-310, 1e-200]
    parts = [random.standard_normal(5_000) * s for s in scales] + [np.linspace(-120, 120, 40_001)]
    tiny = np.finfo(dtype).smallest_subnormal
    edges = [
        0.0,
        -0.0,
        tiny,
        -tiny,
        np.finfo(dtype).tiny,
        np.finfo(dtype).max,
        -np.finfo(dtype).max,
        np.inf,
        -np.inf,
    ]
    return np.concatenate([*parts, edges]).astype(dtype)


def logistic(x):
    return np.where(x < 0, np.exp(-np.abs(x)), 1) / (1 + np.exp(-np.abs(x)))


ORACLE = {
    "exp": np.exp,
    "log": np.log,
    "tanh": np.tanh,
    "sin": np.sin,
    "cos": np.cos,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "floor": np.floor,
    "sign": np.sign,
    "sigmoid": logistic,
    "relu": lambda x: np.maximum(x, 0),
    "softplus": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
    "step": lambda x: (x > 0) * 1.0,
}
ULPS = {"exp": 1.1, "log": 2.2, "tanh": 2.8, "sigmoid": 2.5, "softplus": 3, "sin": 2, "cos": 2, "sqrt": 0.51}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", UNARY)
def test_float32_function_is_within_ulps_of_float64(build, name, target):
    x = numbers(np.float32)
    with np.errstate(all="ignore"):
        exact = ORACLE[name](x.astype(np.float64))
        nearest = exact.astype(np.float32)
        y = build(np.float32, target).map(name, x)
        np.testing.assert_array_equal(np.isnan(y), np.isnan(nearest))
        finite = np.isfinite(nearest)
        ordinary = finite | np.isnan(nearest)
        np.testing.assert_array_equal(y[~ordinary], nearest[~ordinary])
        error = np.abs(y[finite] - exact[finite]) / np.spacing(np.abs(nearest[finite])).astype(np.float64)
    worst = int(np.argmax(error))
    assert error[worst] <= ULPS.get(name, 0), f"{name}({x[finite][worst]!r}) is {error[worst]:.2f} ulp off"


@pytest.mark.parametrize("name", UNARY)
def test_float64_function_is_the_c_librarys(build, name):
    x = numbers(np.float64)
    x = x[np.abs(x) < 1e6] if name in ("sin", "cos") else x
    with np.errstate(all="ignore"):
        y, expected = build(np.float64).map(name, x), ORACLE[name](x)
    np.testing.assert_allclose(y, expected, rtol=1e-15, atol=np.finfo(np.float64).smallest_subnormal * 2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("target", TARGETS)
def test_nan_in_is_nan_out(build, dtype, target):
    library, nan = build(dtype, target), np.full(37, np.nan)
    for name in UNARY:
        assert name == "step" or np.isnan(library.map(name, nan)).all(), name
    for name in ("max", "min"):
        assert np.isnan(library.map(name, nan, np.ones(37))).all(), name
        assert np.isnan(library.map(name, np.ones(37), nan)).all(), name


def test_tanh_is_odd_and_keeps_small_numbers(build):
    x = np.abs(numbers(np.float32))
    tanh = build(np.float32).map
    np.testing.assert_array_equal(tanh("tanh", -x), -tanh("tanh", x))
    small, tiny = x[x < 1e-4], x[x < 1e-8]  # subnormals too
    np.testing.assert_allclose(tanh("tanh", small), small, rtol=1.5e-7, atol=0)
    np.testing.assert_array_equal(tanh("tanh", tiny), tiny)


def test_sigmoid_far_below_zero_is_not_flushed(build):
    y = build(np.float32).map("sigmoid", [-87.5, -95.0, -103.0, -150.0, 200.0])
    np.testing.assert_array_equal(y, np.exp(np.array([-87.5, -95, -103, -150, 0])).astype(np.float32))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_binary_functions(build, dtype):
    random = np.random.default_rng(1)
    a, b, c = (random.integers(-2, 3, 1000).astype(dtype) for _ in range(3))
    library = build(dtype)
    np.testing.assert_array_equal(library.map("max", a, b), np.maximum(a, b))
    np.testing.assert_array_equal(library.map("min", a, b), np.minimum(a, b))
    np.testing.assert_array_equal(library.map("less", a, b), a < b)
    np.testing.assert_array_equal(library.map("where", c, a, b), np.where(c != 0, a, b))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_running_sums_and_products_of_pairs(build, dtype, target):
    library, random = build(dtype, target), np.random.default_rng(5)
    for rows, columns in ((1, 1), (3, 2), (5, 33), (16, 64), (2, 131)):
        a, b = (random.standard_normal(n).astype(dtype) for n in (rows, columns))
        g, whole = random.standard_normal((rows, columns)).astype(dtype), np.empty((rows, columns), dtype)
        up, down = b.copy(), b.copy()
        library.call("do_cumsum", up, columns, 0), library.call("do_cumsum", down, columns, 1)
        np.testing.assert_allclose(up, np.cumsum(b), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(down, np.cumsum(b[::-1])[::-1], rtol=1e-4, atol=1e-5)
        library.call("do_kron", whole, a, b, rows, columns)
        np.testing.assert_array_equal(whole, np.outer(a, b))
        left, right = np.empty(rows, dtype), np.empty(columns, dtype)
        (
            library.call("do_kron_left", left, g, b, rows, columns),
            library.call("do_kron_right", right, g, a, rows, columns),
        )
        np.testing.assert_allclose(left, g @ b, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(right, a @ g, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize("transposed", [False, True])
def test_product_is_numpys(build, dtype, target, accumulate, transposed):
    library, random = build(dtype, target), np.random.default_rng(2)
    odd = [tuple(random.integers(1, 140, 3)) for _ in range(12)]
    for rows, columns, depth in SIZES + odd:
        a, b, c = (random.standard_normal(s) for s in ((rows, depth), (depth, columns), (rows, columns)))
        a, b, c = a.astype(dtype), b.astype(dtype), c.astype(dtype)
        y = library.product(a, b, c if accumulate else None, transposed)
        exact = a.astype(np.float64) @ b.astype(np.float64) + (c if accumulate else 0)
        allowed = np.finfo(dtype).eps * (np.abs(a) @ np.abs(b) + np.abs(c)) * (2 + depth**0.5)
        assert (np.abs(y - exact) <= allowed).all(), (rows, columns, depth)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("target", [*TARGETS, *TUNED])
def test_product_rows_do_not_depend_on_their_number(build, target, dtype):
    """One step at a time and a whole sequence at once must be the same numbers, in whatever part of a panel."""
    random, library = np.random.default_rng(3), build(dtype, target)
    for columns in (900, 7, 17, 23, 65, 130):
        a = random.standard_normal((40, 300)).astype(dtype)
        b = random.standard_normal((300, columns)).astype(dtype)
        for transposed in (False, True):
            whole = library.product(a, b, transposed=transposed)
            for rows in (1, 2, 3, 4, 5, 6, 7, 16):
                one = library.product(a[:rows].copy(), b, transposed=transposed)
                np.testing.assert_array_equal(one, whole[:rows])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("target", [*TARGETS, *TUNED])
def test_a_columns_product_does_not_depend_on_its_neighbours(build, target, dtype):
    """A unit's column stands elsewhere in a panel when cores share the units."""
    random, library = np.random.default_rng(5), build(dtype, target)
    a, b = random.standard_normal((7, 120)).astype(dtype), random.standard_normal((120, 200)).astype(dtype)
    whole = library.product(a, b)
    for first, last in ((0, 1), (3, 20), (64, 128), (100, 200), (199, 200)):
        np.testing.assert_array_equal(library.product(a, b[:, first:last].copy()), whole[:, first:last])


@pytest.mark.parametrize("depth", [3, 64])
def test_product_carries_nan_and_infinity_of_its_own_row_only(build, depth):
    a = np.ones((9, depth), np.float32)
    a[4, 1], a[6, 2] = np.nan, np.inf
    y = build(np.float32).product(a, np.ones((depth, 70), np.float32))
    assert np.isnan(y[4]).all() and np.isposinf(y[6]).all() and np.isfinite(np.delete(y, (4, 6), 0)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("target", TARGETS)
def test_pack_in_every_order_with_groups_of_columns(build, dtype, target):
    library, random = build(dtype, target), np.random.default_rng(4)
    cases = [
        (64, 16, 64, 0),
        (65, 7, 65, 0),
        (100, 33, 25, 50),
        (12, 5, 3, 8),
        (256, 18, 64, 128),
        (30, 21, 7, 9),
        (130, 40, 33, 33),
        (128, 7, 128, 0),
        (1, 1, 1, 1),
    ]
    for columns, depth, width, gap in cases:
        last = (columns - 1) // width * gap + (columns - 1) % width
        source = random.standard_normal((last + 1, depth)).astype(dtype)  # one row of it is a column of B
        chosen = source[[n // width * gap + n % width for n in range(columns)]]
        wide = np.zeros((2 * (last + 1), 3 * depth), dtype)
        wide[::2, ::3] = source
        layouts = [(source, depth, 1), (np.ascontiguousarray(source.T), 1, last + 1), (wide, 6 * depth, 3)]
        for held, column_stride, row_stride in layouts:
            packed = library.pack(held, column_stride, row_stride, columns, depth, width, gap)
            panel = library.call("do_packed_size", 1, 1)
            panels = packed.reshape(-1, depth, panel).transpose(0, 2, 1).reshape(-1, depth)
            np.testing.assert_array_equal(panels[:columns], chosen)
            assert (panels[columns:] == 0).all()


def runtime():
    """The addresses of torch's own OpenMP runtime, as the kernels get them."""
    torch = pytest.importorskip("torch")
    found = sorted((Path(torch.__file__).parent / "lib").glob("libgomp*.so*"))
    if not found:
        pytest.skip("torch carries no libgomp here")
    gomp = ctypes.CDLL(str(found[0]))
    names = ("GOMP_parallel", "omp_get_num_threads", "omp_get_thread_num")
    return [ctypes.cast(getattr(gomp, n), ctypes.c_void_p) for n in names]


@pytest.mark.parametrize("wanted", [1, 2, 3, 5])
def test_team_of_any_size_meets_at_every_barrier(build, wanted):
    team = build(np.float32).library.do_race(*runtime(), wanted, 300 if wanted <= 2 else 40)
    assert team == wanted


def test_without_a_runtime_or_for_one_thread_the_task_runs_alone(build):
    nothing = ctypes.c_void_p(None)
    crash = ctypes.c_void_p(1)  # an address that must never be called
    assert build(np.float32).library.do_race(nothing, nothing, nothing, 4, 10) == 1
    assert build(np.float32).library.do_race(crash, crash, crash, 1, 10) == 1


def test_team_smaller_than_asked_for(build):
    code = (
        "import ctypes, sys; sys.path.insert(0, sys.argv[1]); import test_header as t\n"
        "print(ctypes.CDLL(sys.argv[2]).do_race(*t.runtime(), 2, 50))"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parent), build(np.float32).library._name]
    one = {**os.environ, "OMP_THREAD_LIMIT": "1"}
    ran = subprocess.run(command, env=one, capture_output=True, text=True, timeout=60)
    assert ran.stdout.strip() == "1", ran.stderr
