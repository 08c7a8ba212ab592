/* Products of bfloat16 pairs on AMX tiles: 16 x 16 sums from 16 rows of A and 16 columns of B,
 * 32 deep an instruction. */
#if PAIRS && (defined(__AMX_BF16__) || defined(EMULATED_TILES))
#ifndef EMULATED_TILES
#include <sys/syscall.h>
#include <unistd.h>
#define REQUEST_PERMISSION 0x1023    /* ARCH_REQ_XCOMP_PERM: Linux switches a process's tiles on when asked */
#define TILE_DATA 18
#define PERMISSION() (syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0)
#else
#define PERMISSION() 1
#endif

/* Asked once; refused by old kernels and some sandboxes. */
HELPER int tiles_allowed(void)
{
    /* 0: not asked, 1: no, 2: yes; threads that ask at once get one answer */
    static int known;
    int answer = __atomic_load_n(&known, __ATOMIC_RELAXED);
    if (!answer) __atomic_store_n(&known, answer = PERMISSION() ? 2 : 1, __ATOMIC_RELAXED);
    return answer == 2;
}

/* Palette 1, eight tiles of 16 rows of 64 bytes. */
HELPER void tiles_begin(void)
{
    struct { uint8_t palette, start, reserved[14]; uint16_t bytes[16]; uint8_t rows[16];
        } __attribute__((aligned(64))) shape;
    memset(&shape, 0, sizeof shape);
    shape.palette = 1;
    for (int t = 0; t < 8; t++) shape.bytes[t] = 64, shape.rows[t] = 16;
    _tile_loadconfig(&shape);
}

#define BYTES(numbers) ((long)(numbers) * (long)sizeof(real))
#define FIRST(t, c) if (s->accumulate) _tile_loadd(t, c, BYTES(ldc)); else _tile_zero(t)

/* 32 rows x 32 columns: two tiles of A, two of B, four of sums. */
HELPER void tall_tiles(const strip *s, const real *A, const real *B, real *C, long ldc)
{
    real *low = C + 16 * ldc;
    FIRST(0, C); FIRST(1, C + 16); FIRST(2, low); FIRST(3, low + 16);
    for (long k = 0; k < s->K; k += 16) {
        _tile_loadd(4, A + k, BYTES(s->lda));
        _tile_loadd(6, B + k * PANEL, BYTES(PANEL));
        _tile_dpbf16ps(0, 4, 6);
        _tile_loadd(7, B + k * PANEL + 16, BYTES(PANEL));
        _tile_dpbf16ps(1, 4, 7);
        _tile_loadd(5, A + 16 * s->lda + k, BYTES(s->lda));
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, C, BYTES(ldc)); _tile_stored(1, C + 16, BYTES(ldc));
    _tile_stored(2, low, BYTES(ldc)); _tile_stored(3, low + 16, BYTES(ldc));
}

/* 16 rows x 64 columns: one tile of A, four of sums. */
HELPER void flat_tiles(const strip *s, const real *A, const real *B, real *C, long ldc)
{
    FIRST(0, C); FIRST(1, C + 16); FIRST(2, C + 32); FIRST(3, C + 48);
    for (long k = 0; k < s->K; k += 16) {
        const real *b = B + k * PANEL;
        _tile_loadd(4, A + k, BYTES(s->lda));
        _tile_loadd(5, b, BYTES(PANEL));
        _tile_dpbf16ps(0, 4, 5);
        _tile_loadd(6, b + 16, BYTES(PANEL));
        _tile_dpbf16ps(1, 4, 6);
        _tile_loadd(7, b + 32, BYTES(PANEL));
        _tile_dpbf16ps(2, 4, 7);
        _tile_loadd(5, b + 48, BYTES(PANEL));
        _tile_dpbf16ps(3, 4, 5);
    }
    _tile_stored(0, C, BYTES(ldc)); _tile_stored(1, C + 16, BYTES(ldc));
    _tile_stored(2, C + 32, BYTES(ldc)); _tile_stored(3, C + 48, BYTES(ldc));
}

/* One panel times up to 96 rows of A, of which the block has whole tiles (what stands behind the last row
 * multiplies into rows that nobody keeps). What is not a whole tile of C is summed aside. */
HELPER void tiles_block(long height, long columns, const strip *s)
{
    real aside[32 * PANEL] __attribute__((aligned(64)));
    tiles_begin();
    for (long m = 0, rows; m < height; m += rows) {
        rows = height - m > 16 ? 32 : 16;
        const long there = height - m < rows ? height - m : rows, wide = columns < PANEL ? columns : PANEL;
        const int whole = there == rows && wide == PANEL;
        const real *A = s->A + m * s->lda;
        real *C = whole ? s->C + m * s->ldc : aside;
        const long ldc = whole ? s->ldc : PANEL;
        strip here = *s;
        here.accumulate = whole && s->accumulate;
        if (rows == 16) flat_tiles(&here, A, s->B, C, ldc);
        else for (long j = 0; j < PANEL; j += 32) tall_tiles(&here, A, s->B + j, C + j, ldc);
        for (long r = 0; !whole && r < there; r++)
            for (long n = 0; n < wide; n++) {
                real *c = s->C + (m + r) * s->ldc + n, sum = aside[r * PANEL + n];
                *c = s->accumulate ? *c + sum : sum;
            }
    }
    _tile_release();
}
#endif
