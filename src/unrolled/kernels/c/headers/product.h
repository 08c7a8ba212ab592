/* The matrix product: C = A B or C += A B, with B packed once and used at every time step: panels of
 * PANEL columns, each a contiguous [K][PANEL], the last one filled up with zeros. A tile of C, ROWS x
 * VECTORS registers, is summed while one panel goes by, and each number of A is spread over a register;
 * 6 x 4 registers need the fewest loads a product. `packed` should start at a multiple of 64 bytes; A
 * and C need no alignment. */

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif
#if defined(__AVX512F__) || defined(__aarch64__)
#define VECTORS 4                   /* of 32 registers: 24 sums, 4 of B, the rest for A */
#else
#define VECTORS 2                   /* of 16 registers: 12 sums, 2 of B, 1 of A */
#endif
#define ROWS 6
#define LANES ((long)(VECTOR_BYTES / sizeof(real)))
#define PANEL (VECTORS * LANES)
#define LINES (VECTORS * VECTOR_BYTES / 64)      /* cache lines in one row of a panel */

typedef real vec __attribute__((vector_size(VECTOR_BYTES)));
typedef real loose_vec __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(real)), may_alias));
typedef real quad __attribute__((vector_size(4 * sizeof(real)), aligned(sizeof(real)), may_alias));

/* a * b + c for a number a and vectors, rounded once where the processor can. Left to itself, GCC decides by
 * what stands around, for the processor that it tunes for: not where a sum would only wait for itself, as at
 * one row; then rows would depend on how many there are. */
#if defined(__clang__) || !(defined(__FMA__) || defined(__aarch64__))
#define FUSED(a, b, c) ((a) * (b) + (c))
#else
#if defined(__aarch64__)
#define FUSED_32(a, b, c) __builtin_aarch64_fmav4sf(a, b, c)
#define FUSED_64(a, b, c) __builtin_aarch64_fmav2df(a, b, c)
#elif VECTOR_BYTES == 64
#define FUSED_32(a, b, c) __builtin_ia32_vfmaddps512_mask(a, b, c, -1, 4)    /* all lanes, the usual rounding */
#define FUSED_64(a, b, c) __builtin_ia32_vfmaddpd512_mask(a, b, c, -1, 4)
#else
#define FUSED_32(a, b, c) __builtin_ia32_vfmaddps256(a, b, c)
#define FUSED_64(a, b, c) __builtin_ia32_vfmaddpd256(a, b, c)
#endif
#if REAL == 32
#define FUSED(a, b, c) FUSED_32((a) - (vec){0}, b, c)
#else
#define FUSED(a, b, c) FUSED_64((a) - (vec){0}, b, c)
#endif
#endif

/* Rows and vectors of a tile are loops of known lengths, and its sums are registers only once all of them are
 * laid out: clang leaves some as loops by itself and all sums in memory (100 GFLOP/s instead of 270). */
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif

/* A vector that several products read is loaded once. Tuned for some processors (znver3, which GCC 12 takes
 * any later one to be), GCC reads it from memory again in each of them, and then loads are what bounds a
 * tile of up to four rows. */
#if defined(__x86_64__)
#define IN_REGISTER(v) __asm__("" : "+v"(v))
#else
#define IN_REGISTER(v) (void)(v)            /* products that read memory are x86's alone */
#endif

/* Under autocast (MIXED) a number here is a pair of bfloat16 numbers, where the processor multiplies
 * such: see pairs.h. Its float32 sums are what they are anyway. */
#if defined(MIXED) && defined(__AVX512BF16__)
#include <immintrin.h>
#define PAIRS 1
#define MULTIPLY_ADD(sum, a, b) \
    sum = (vec)_mm512_dpbf16_ps((__m512)(sum), (__m512bh)_mm512_set1_ps(a), (__m512bh)(b))
#else
#define PAIRS 0
#define MULTIPLY_ADD(sum, a, b) sum = FUSED(a, b, sum)
#endif

/* One tile's work: some rows of A (`step` from one k to the next), K rows of a panel, where C is, and what to
 * fetch meanwhile: the line at `ahead`, then `hop` bytes further at each k. */
typedef struct {
    const real *A, *B;
    real *C;
    const char *ahead;
    long K, lda, step, hop, ldc;
    int accumulate;
} strip;

/* Numbers in a packed B. */
HELPER long packed_size(long N, long K) { return (N + PANEL - 1) / PANEL * PANEL * K; }

INLINE void tile(const int rows, const int vectors, const strip *s)
{
    const real *A = s->A, *B = s->B;
    real *C = s->C;
    const char *ahead = s->ahead;
    const long lda = s->lda, step = s->step, hop = s->hop, ldc = s->ldc;
    long k = s->K;                                  /* at least 1 */
    vec sum[ROWS][VECTORS];
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int j = 0; j < vectors; j++) sum[r][j] = (vec){0};
    do {
        vec b[VECTORS];
        UNROLL for (int j = 0; j < vectors; j++) {
            b[j] = *(const loose_vec *)(B + j * LANES);
            IN_REGISTER(b[j]);
        }
        __builtin_prefetch(ahead, 0, 3);
        UNROLL for (int r = 0; r < rows; r++)
            UNROLL for (int j = 0; j < vectors; j++) MULTIPLY_ADD(sum[r][j], A[r * lda], b[j]);
        A += step, B += PANEL, ahead += hop;
    } while (--k > 0);
    if (s->accumulate) {
        UNROLL for (int r = 0; r < rows; r++)
            UNROLL for (int j = 0; j < vectors; j++) *(loose_vec *)(C + r * ldc + j * LANES) += sum[r][j];
    } else {
        UNROLL for (int r = 0; r < rows; r++)
            UNROLL for (int j = 0; j < vectors; j++) *(loose_vec *)(C + r * ldc + j * LANES) = sum[r][j];
    }
}

/* The compiler lays out one tile per number of rows, at full and at half width; nothing else
 * is generated by size. */
#define TILE_OF_ROWS(name, vectors) \
    HELPER __attribute__((noinline)) void name(int rows, const strip *s) \
    { \
        switch (rows) { \
        case 1: tile(1, vectors, s); break;    case 2: tile(2, vectors, s); break; \
        case 3: tile(3, vectors, s); break;    case 4: tile(4, vectors, s); break; \
        case 5: tile(5, vectors, s); break;    default: tile(6, vectors, s); break; \
        } \
    }
TILE_OF_ROWS(full_tile, VECTORS)
TILE_OF_ROWS(half_tile, VECTORS / 2)

/* The last panel, of which only some columns are C's: summed aside, so that nothing behind
 * a row of C is touched. */
HELPER void edge_tile(int rows, long columns, const strip *s)
{
    real aside[ROWS * PANEL];
    strip here = *s;
    here.C = aside, here.ldc = PANEL, here.accumulate = 0;
    if (columns <= PANEL / 2) half_tile(rows, &here);
    else full_tile(rows, &here);
    for (int r = 0; r < rows; r++)
        for (long n = 0; n < columns; n++) {
            real *c = s->C + r * s->ldc + n, sum = aside[r * PANEL + n];
            *c = s->accumulate ? *c + sum : sum;
        }
}

/* One panel's rows k to k + depth times `height` rows of A, in tiles of as equal heights as can be: 16 is 6 + 5
 * + 5, not 6 + 6 + 4, because fewer rows use the multipliers worse. */
HELPER void panel_block(long height, long columns, strip *s)
{
    long tiles = (height + ROWS - 1) / ROWS;
    const char *next = (const char *)(s->B + s->K * PANEL);
    for (long t = 0; t < tiles; t++) {
        int rows = (int)((height + tiles - t - 1) / (tiles - t));
        s->ahead = s->hop && t < LINES ? next + t * s->K * s->hop : (const char *)s->B;
        if (columns >= PANEL) full_tile(rows, s);
        else edge_tile(rows, columns, s);
        s->A += rows * s->lda, s->C += rows * s->ldc, height -= rows;
    }
}

/* C (M x N) = or += A B, rows of A and C `lda` and `ldc` apart. Three levels of blocks: 96 rows, whose A stays
 * near; panels; a depth such that the block of B stays in the first-level cache while the tiles go over it.
 * Weights too large for the second-level cache stream in: each of the first tiles fetches a part of the block
 * that comes next (16 rows: +25 to 55 %). A row's result does not depend on how many rows there are. */
HELPER void product(long M, long N, long K, const real *restrict A, long lda, const real *restrict packed,
                    real *restrict C, long ldc, int accumulate)
{
    const int streams = N * K * (long)sizeof(real) > 768 * 1024;
    const long depth = (streams ? 16384 : 65536) / (long)(PANEL * sizeof(real));
    for (long m = 0; K <= 0 && !accumulate && m < M; m++) memset(C + m * ldc, 0, (size_t)N * sizeof(real));
    for (long top = 0; top < M; top += 96)
        for (long n = 0; n < N; n += PANEL)
            for (long k = 0; k < K; k += depth) {
                strip s = {A + top * lda + k, packed + n * K + k * PANEL, C + top * ldc + n, 0,
                           K - k < depth ? K - k : depth, lda, 1, streams ? 64 : 0, ldc, accumulate || k > 0};
                panel_block(M - top < 96 ? M - top : 96, N - n, &s);
            }
}

/* The same with A's transpose as it lies: number (m, k) is A[m + k * step], as weight gradients need it.
 * Columns of A may be pages apart, so that each block of it is first copied together. */
HELPER void product_transposed(long M, long N, long K, const real *restrict A, long step,
                               const real *restrict packed, real *restrict C, long ldc, int accumulate)
{
    enum { deep = 1024 / sizeof(real) };
    real block[96 * deep] __attribute__((aligned(64)));              /* 96 KiB, in the second-level cache */
    if (K <= 0) product(M, N, 0, A, 0, packed, C, ldc, accumulate);
    for (long k = 0; k < K; k += deep)
        for (long top = 0; top < M; top += 96) {
            long height = M - top < 96 ? M - top : 96, depth = K - k < deep ? K - k : deep;
            for (long i = 0; i < depth; i++)
                memcpy(block + i * 96, A + top + (k + i) * step, (size_t)height * sizeof(real));
            for (long n = 0; n < N; n += PANEL) {
                strip s = {block, packed + n * K + k * PANEL, C + top * ldc + n, 0, depth, 1, 96, 0, ldc,
                           accumulate || k > 0};
                panel_block(height, N - n, &s);
            }
        }
}

/* 4 x 4 numbers turned. */
INLINE void turn(real *to, long to_stride, const real *from, long stride)
{
    quad a = *(const quad *)from, b = *(const quad *)(from + stride);
    quad c = *(const quad *)(from + 2 * stride), d = *(const quad *)(from + 3 * stride);
    quad ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    *(quad *)to = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
    *(quad *)(to + to_stride) = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
    ab = __builtin_shufflevector(a, b, 2, 6, 3, 7), cd = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    *(quad *)(to + 2 * to_stride) = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
    *(quad *)(to + 3 * to_stride) = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
}

/* `columns` columns of a panel, each contiguous in the source (a transposing copy). 4 x 4 numbers at a time, 16
 * along k, so that a cache line of the source is read once. */
HELPER void pack_transposed(real *restrict to, const real *restrict from, long column_stride, long columns,
                            long K)
{
    for (long k0 = 0; k0 < K; k0 += 16)
        for (long j = 0; j < columns; j += 4)
            for (long k = k0; k < K && k < k0 + 16; k += 4) {
                const real *f = from + j * column_stride + k;
                real *t = to + k * PANEL + j;
                if (columns - j < 4 || K - k < 4) {
                    for (long l = 0; l < 4 && k + l < K; l++)
                        for (long i = 0; i < 4 && j + i < columns; i++)
                            t[l * PANEL + i] = f[i * column_stride + l];
                    continue;
                }
                turn(t, PANEL, f, column_stride);
            }
}

/* Packs B (K x N) out of weights as they lie: B's number (k, n) is from[(n / width * gap + n % width) *
 * column_stride + k * row_stride]: groups of `width` columns, one every `gap`, as one core's share of the units
 * of every gate is. All columns: width = N (gap is then not read). */
HELPER void pack(real *restrict to, const real *restrict from, long column_stride, long row_stride, long N,
                 long K, long width, long gap)
{
    for (long n = 0, run; n < N; n += run) {
        long j = n % PANEL, inside = n % width;
        run = width - inside < PANEL - j ? width - inside : PANEL - j;
        run = N - n < run ? N - n : run;
        real *t = to + (n - j) * K + j;
        const real *f = from + (n / width * gap + inside) * column_stride;
        if (column_stride == 1)
            for (long k = 0; k < K; k++) memcpy(t + k * PANEL, f + k * row_stride, (size_t)run * sizeof(real));
        else if (row_stride == 1)
            pack_transposed(t, f, column_stride, run, K);
        else
            for (long k = 0; k < K; k++)
                for (long i = 0; i < run; i++) t[k * PANEL + i] = f[i * column_stride + k * row_stride];
    }
    long rest = N % PANEL;
    for (long k = 0; rest && k < K; k++)
        memset(to + (N - rest) * K + k * PANEL + rest, 0, (size_t)(PANEL - rest) * sizeof(real));
}
