"""Products of bfloat16 pairs: against numpy's on rounded numbers, by AVX-512 and by tiles
(played by plain C here).
"""

from __future__ import annotations

import numpy as np
import pytest
from headers import COMPILER, SIZES, Library

from unrolled.kernels.c.call.prepared import multiplies_pairs

pytestmark = [
    pytest.mark.skipif(COMPILER is None, reason="no C compiler here"),
    pytest.mark.skipif(not multiplies_pairs(), reason="this processor does not multiply bfloat16 numbers"),
]

# What the tile instructions do, by Intel's description of them (Architecture Instruction Set Extensions, AMX).
TILES = r"""
#include <immintrin.h>
#include <stdint.h>
#include <string.h>
#define EMULATED_TILES
static __thread uint32_t tile_data[8][16][16];
static void tile_read(int t, const void *from, long stride)
{ for (int r = 0; r < 16; r++) memcpy(tile_data[t][r], (const char *)from + r * stride, 64); }
static void tile_write(int t, void *to, long stride)
{ for (int r = 0; r < 16; r++) memcpy((char *)to + r * stride, tile_data[t][r], 64); }
static float tile_half(uint32_t word, int high)
{ uint32_t bits = high ? word & 0xffff0000u : word << 16; float x; memcpy(&x, &bits, 4); return x; }
static void tile_multiply(int c, int a, int b)
{
    for (int m = 0; m < 16; m++)
        for (int k = 0; k < 16; k++)
            for (int n = 0; n < 16; n++) {
                float sum;
                memcpy(&sum, &tile_data[c][m][n], 4);
                for (int high = 0; high < 2; high++) sum += tile_half(tile_data[a][m][k], high) * tile_half(tile_data[b][k][n], high);
                memcpy(&tile_data[c][m][n], &sum, 4);
            }
}
#undef _tile_loadconfig
#define _tile_loadconfig(shape) (void)(shape)
#undef _tile_release
#define _tile_release()
#undef _tile_zero
#define _tile_zero(t) memset(tile_data[t], 0, sizeof tile_data[t])
#undef _tile_loadd
#define _tile_loadd(t, from, stride) tile_read(t, from, stride)
#undef _tile_stored
#define _tile_stored(t, to, stride) tile_write(t, to, stride)
#undef _tile_dpbf16ps
#define _tile_dpbf16ps(c, a, b) tile_multiply(c, a, b)
"""
WAYS = {"avx512": "", "tiles": TILES}


@pytest.fixture(scope="module", params=WAYS)
def library(request, tmp_path_factory):
    return Library(
        tmp_path_factory.mktemp("pairs"), np.float32, "native", f"#define MIXED 1\n{WAYS[request.param]}"
    )


def rounded(x: np.ndarray) -> np.ndarray:
    """To bfloat16 and back, to nearest even."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).view(np.float32)


@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize("transposed", [False, True])
def test_product_is_numpys_on_rounded_numbers(library, accumulate, transposed):
    random = np.random.default_rng(2)
    odd = [tuple(random.integers(1, 140, 3)) for _ in range(12)]
    for rows, columns, depth in SIZES + odd + [(40, 128, 1100)]:
        a, b, c = (
            random.standard_normal(s).astype(np.float32)
            for s in ((rows, depth), (depth, columns), (rows, columns))
        )
        y = library.product(a, b, c if accumulate else None, transposed)
        a, b = rounded(a).astype(np.float64), rounded(b).astype(np.float64)
        allowed = np.finfo(np.float32).eps * (np.abs(a) @ np.abs(b) + np.abs(c)) * (2 + depth**0.5)
        assert (np.abs(y - a @ b - (c if accumulate else 0)) <= allowed).all(), (rows, columns, depth)


def test_rows_do_not_depend_on_their_number(library):
    random = np.random.default_rng(3)
    a, b = (
        random.standard_normal((40, 300)).astype(np.float32),
        random.standard_normal((300, 900)).astype(np.float32),
    )
    whole = library.product(a, b)
    for rows in (1, 2, 5, 6, 7, 16, 33):
        np.testing.assert_array_equal(library.product(a[:rows].copy(), b), whole[:rows])


@pytest.mark.parametrize("depth", [3, 64])
def test_nan_and_infinity_stay_in_their_row(library, depth):
    a = np.ones((9, depth), np.float32)
    a[4, 1], a[6, 2] = np.nan, np.inf
    y = library.product(a, np.ones((depth, 70), np.float32))
    assert np.isnan(y[4]).all() and np.isposinf(y[6]).all() and np.isfinite(np.delete(y, (4, 6), 0)).all()


def test_pack_in_every_order_with_groups_of_columns(library):
    """Whatever way the weights lie, the product with the packed ones is the same."""
    random = np.random.default_rng(4)
    cases = [
        (64, 16, 64, 0),
        (65, 7, 65, 0),
        (100, 33, 25, 50),
        (12, 5, 3, 8),
        (256, 18, 64, 128),
        (30, 21, 7, 9),
        (130, 40, 33, 33),
        (128, 301, 128, 0),
        (1, 1, 1, 1),
    ]
    for columns, depth, width, gap in cases:
        last = (columns - 1) // width * gap + (columns - 1) % width
        source = random.standard_normal((last + 1, depth)).astype(np.float32)  # one row of it is a column of B
        chosen = source[[n // width * gap + n % width for n in range(columns)]]
        wide = np.zeros((2 * (last + 1), 3 * depth), np.float32)
        wide[::2, ::3] = source
        layouts = [(source, depth, 1), (np.ascontiguousarray(source.T), 1, last + 1), (wide, 6 * depth, 3)]
        packed = [
            library.pack(held, *strides, columns, depth, width, gap).view(np.uint32)
            for held, *strides in layouts
        ]
        np.testing.assert_array_equal(packed[0], packed[1])
        np.testing.assert_array_equal(packed[0], packed[2])
        a, y = random.standard_normal((3, depth)).astype(np.float32), np.empty((3, columns), np.float32)
        library.call("do_product", 3, columns, depth, a, depth, packed[0], y, columns, 0)
        exact = rounded(a).astype(np.float64) @ rounded(chosen).T
        np.testing.assert_allclose(y, exact, rtol=1e-4, atol=1e-4)
