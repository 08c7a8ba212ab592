/* Products of bfloat16 numbers summed in float32, for kernels under autocast.
 *
 * Two neighbours along the depth, k and k + 1, stand in one 32-bit word, the first in its low half. For
 * everything in product.h a matrix of such pairs is a float matrix of half the depth; only the
 * multiplication differs. Operands come as float32 and are rounded to nearest even on their way into a block
 * (1/N of the work of a product N columns wide); subnormals count as zero there, as the instructions have it.
 * Sums, states and gradients stay float32.
 *
 * Three ways, one layout: AMX tiles where the processor has them and the kernel allows them, AVX-512 BF16 else,
 * and where neither is known at build, the float32 products of product.h. */
#if PAIRS

#if defined(__AMX_BF16__) || defined(EMULATED_TILES)
#define TILES 1
#else
#define TILES 0
#endif
#define TILE_PAIRS 16                       /* depth of a tile, in pairs */
#define PAIR_ROWS 96                        /* rows of A in a block, */
#define PAIR_DEPTH 256                      /* and pairs of its depth: 96 KiB */

/* Pairs of a depth of K numbers, filled up with zeros to whole tiles. */
HELPER long pairs_of(long K) { return TILES ? (K + 31) / 32 * TILE_PAIRS : (K + 1) / 2; }

INLINE __m512i interleaving(void)
{
    uint16_t order[32];
    for (int i = 0; i < 32; i++) order[i] = (uint16_t)(i / 2 + i % 2 * 16);
    return _mm512_loadu_si512(order);
}

INLINE __mmask16 first_lanes(long n) { return n >= 16 ? 0xffff : (__mmask16)((1u << n) - 1); }

/* n words: pairs of low[i] and high[i]; without `high`, of low[i] and 0. */
INLINE void pair_rows(real *to, const real *low, const real *high, long n)
{
    const __m512i order = interleaving();
    for (long i = 0; i < n; i += 16) {
        const __mmask16 some = first_lanes(n - i);
        const __m512 l = _mm512_maskz_loadu_ps(some, low + i);
        const __m512 h = high ? _mm512_maskz_loadu_ps(some, high + i) : _mm512_setzero_ps();
        const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(h, l);
        _mm512_mask_storeu_ps(to + i, some, (__m512)_mm512_permutexvar_epi16(order, both));
    }
}

/* `pairs` words out of n numbers in a row: neighbours; zeros behind the last. */
INLINE void pair_neighbours(real *to, const real *from, long n, long pairs)
{
    for (long k = 0; k < pairs; k += 16) {
        const __m512 l = _mm512_maskz_loadu_ps(n > 2 * k ? first_lanes(n - 2 * k) : 0, from + 2 * k);
        const __m512 h = _mm512_maskz_loadu_ps(n > 2 * k + 16 ? first_lanes(n - 2 * k - 16) : 0,
            from + 2 * k + 16);
        _mm512_mask_storeu_ps(to + k, first_lanes(pairs - k), (__m512)(__m512i)_mm512_cvtne2ps_pbh(h, l));
    }
}

HELPER long pairs_packed_size(long N, long K) { return packed_size(N, pairs_of(K)); }

/* As `pack`, of rounded weights. */
HELPER void pairs_pack(real *restrict to, const real *restrict from, long column_stride, long row_stride,
                       long N, long K, long width, long gap)
{
    enum { chunk = 64 };
    const long pairs = pairs_of(K);
    real words[PANEL * chunk];
    for (long n = 0, run; n < N; n += run) {
        long j = n % PANEL, inside = n % width;
        run = width - inside < PANEL - j ? width - inside : PANEL - j;
        run = N - n < run ? N - n : run;
        real *t = to + (n - j) * pairs + j;
        const real *f = from + (n / width * gap + inside) * column_stride;
        for (long p = 0; row_stride == 1 && p < pairs; p += chunk) {
            const long some = pairs - p < chunk ? pairs - p : chunk;
            for (long i = 0; i < run; i++)
                pair_neighbours(words + i * chunk, f + i * column_stride + 2 * p, K - 2 * p, some);
            pack_transposed(t + p * PANEL, words, chunk, run, some);
        }
        for (long p = 0; row_stride != 1 && p < pairs; p++) {
            const real *low = f + 2 * p * row_stride, *high = 2 * p + 1 < K ? low + row_stride : 0;
            if (2 * p >= K) memset(t + p * PANEL, 0, (size_t)run * sizeof(real));
            else if (column_stride == 1) pair_rows(t + p * PANEL, low, high, run);
            else for (long i = 0; i < run; i++)
                pair_rows(t + p * PANEL + i, low + i * column_stride, high ? high + i * column_stride : 0, 1);
        }
    }
    long rest = N % PANEL;
    for (long p = 0; rest && p < pairs; p++)
        memset(to + (N - rest) * pairs + p * PANEL + rest, 0, (size_t)(PANEL - rest) * sizeof(real));
}

/* One block's product, by tiles or by `panel_block`. */
HELPER void pairs_block(long height, long columns, strip *s)
{
#if TILES
    if (tiles_allowed()) { tiles_block(height, columns, s); return; }
#endif
    panel_block(height, columns, s);
}

/* A block of A's rounded rows times all panels' pairs k to k + depth; 64 pairs at a time
 * where weights stream in. */
HELPER void pairs_panels(long height, long N, long pairs, long k, long depth, const real *block,
                         const real *packed, real *C, long ldc, int accumulate)
{
    const int streams = N * pairs * (long)sizeof(real) > 768 * 1024;
    const long part = streams ? 64 : depth;
    for (long n = 0; n < N; n += PANEL)
        for (long p = 0; p < depth; p += part) {
            strip s = {block + p, packed + n * pairs + (k + p) * PANEL, C + n, 0,
                       depth - p < part ? depth - p : part,
                       PAIR_DEPTH, 1, streams ? 64 : 0, ldc, accumulate || k + p > 0};
            pairs_block(height, N - n, &s);
        }
}

/* As `product`. */
HELPER void pairs_product(long M, long N, long K, const real *restrict A, long lda, const real *restrict packed,
                          real *restrict C, long ldc, int accumulate)
{
    real block[PAIR_ROWS * PAIR_DEPTH] __attribute__((aligned(64)));
    const long pairs = pairs_of(K);
    if (K <= 0) product(M, N, 0, A, lda, packed, C, ldc, accumulate);
    for (long top = 0; top < M; top += PAIR_ROWS)
        for (long k = 0; k < pairs; k += PAIR_DEPTH) {
            const long height = M - top < PAIR_ROWS ? M - top : PAIR_ROWS;
            const long depth = pairs - k < PAIR_DEPTH ? pairs - k : PAIR_DEPTH;
            for (long r = 0; r < height; r++)
                pair_neighbours(block + r * PAIR_DEPTH, A + (top + r) * lda + 2 * k, K - 2 * k, depth);
            pairs_panels(height, N, pairs, k, depth, block, packed, C + top * ldc, ldc, accumulate);
        }
}

/* As `product_transposed`: pairs of rows of A's transpose, 16 pairs at a time, turned into rows of A. */
HELPER void pairs_product_transposed(long M, long N, long K, const real *restrict A, long step,
                                     const real *restrict packed, real *restrict C, long ldc, int accumulate)
{
    real block[PAIR_ROWS * PAIR_DEPTH] __attribute__((aligned(64))),
        words[16 * PAIR_ROWS] __attribute__((aligned(64)));
    const long pairs = pairs_of(K);
    if (K <= 0) product(M, N, 0, A, 0, packed, C, ldc, accumulate);
    for (long top = 0; top < M; top += PAIR_ROWS)
        for (long k = 0; k < pairs; k += PAIR_DEPTH) {
            const long height = M - top < PAIR_ROWS ? M - top : PAIR_ROWS;
            const long depth = pairs - k < PAIR_DEPTH ? pairs - k : PAIR_DEPTH;
            for (long p = 0; p < depth; p += 16) {
                for (long i = 0; i < 16; i++) {
                    const long row = 2 * (k + p + i);
                    if (row >= K) memset(words + i * PAIR_ROWS, 0, PAIR_ROWS * sizeof(real));
                    else pair_rows(words + i * PAIR_ROWS, A + top + row * step,
                                   row + 1 < K ? A + top + (row + 1) * step : 0, height);
                }
                for (long m = 0; m < height; m += 4)
                    for (long i = 0; i < 16; i += 4)
                        turn(block + m * PAIR_DEPTH + p + i, PAIR_DEPTH, words + i * PAIR_ROWS + m, PAIR_ROWS);
            }
            pairs_panels(height, N, pairs, k, depth, block, packed, C + top * ldc, ldc, accumulate);
        }
}

#define packed_size pairs_packed_size
#define pack pairs_pack
#define product pairs_product
#define product_transposed pairs_product_transposed
#endif
