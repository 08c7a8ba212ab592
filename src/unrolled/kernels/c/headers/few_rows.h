/* Products of few rows with weights that are read once a step: bound by how fast weights
 * arrive, not by arithmetic.
 *
 *     #define HALF 1      weights are kept in bfloat16, half the bytes, and widened as they are loaded;
 *                         sums stay float32
 *     #define HALF 0      weights are kept as they are
 *
 * Weights lie in panels of up to eight vectors of columns, a panel [K][columns], so that one sequential stream
 * arrives. At one row eight sums are under way, so that none waits for its own last addition (with four, two
 * layers of 512 units in bfloat16 took a quarter more time). Each sum runs over k in order, in one accumulator:
 * a row's result depends neither on how many rows there are, nor on which panel its column fell into. */

#if HALF
typedef uint16_t weight;
typedef uint32_t words __attribute__((vector_size(VECTOR_BYTES)));
typedef uint32_t loose_words __attribute__((vector_size(VECTOR_BYTES), aligned(4), may_alias));
#else
typedef real weight;
#endif

#define WIDE (8 * LANES)                        /* columns of a whole panel */
#define MANY 6                                  /* rows a tile at most */
#define WHOLE (VECTORS == 4 ? 3 : 1)            /* of a whole panel: 24 sums of 32 registers, or 8 of 16 */

/* How many vectors wide the panel is that holds the last `columns` columns. */
HELPER int panel_vectors(long columns)
{
    return columns > 4 * LANES ? 8 : columns > 2 * LANES ? 4 : HALF || columns > LANES ? 2 : 1;
}

/* Numbers in packed weights of N columns, K deep. */
HELPER long thin_size(long N, long K)
{
    const long rest = N % WIDE;
    return (N - rest + (rest ? panel_vectors(rest) * LANES : 0)) * K;
}

/* One row of a panel. Two bfloat16 columns share a word: column j below, column j + LANES above. */
INLINE void load_weights(const int vectors, const weight *from, vec *b)
{
#if HALF
    UNROLL for (int j = 0; j < vectors; j += 2) {
        const words w = *(const loose_words *)(from + j * LANES);
        b[j] = (vec)(w << 16), b[j + 1] = (vec)(w & 0xffff0000u);
    }
#else
    UNROLL for (int j = 0; j < vectors; j++) b[j] = *(const loose_vec *)(from + j * LANES);
#endif
}

/* Some vectors of a panel that is `wide` of them. */
INLINE void thin_tile(const int rows, const int vectors, const int wide, long K, const real *A, long lda,
                      const weight *B, real *C, long ldc)
{
    vec sum[MANY][8];
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int j = 0; j < vectors; j++) sum[r][j] = (vec){0};
    for (long k = 0; k < K; k++, B += wide * LANES) {
        vec b[8];
        load_weights(vectors, B, b);
        if (rows > 1)
            UNROLL for (int j = 0; j < vectors; j++) IN_REGISTER(b[j]);
        UNROLL for (int r = 0; r < rows; r++)
            UNROLL for (int j = 0; j < vectors; j++) sum[r][j] = FUSED(A[r * lda + k], b[j], sum[r][j]);
    }
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int j = 0; j < vectors; j++) *(loose_vec *)(C + r * ldc + j * LANES) = sum[r][j];
}

/* More rows than have room beside a whole panel go over parts of it: a weight is loaded once for all of
 * them. */
INLINE long thin_part(const int rows, const int wide, long K, const real *A, long lda, const weight *B, real *C,
                      long ldc)
{
    const int vectors = rows <= WHOLE || wide <= VECTORS ? wide : VECTORS;
    for (long j = 0; j < wide; j += vectors)
        thin_tile(rows, vectors, wide, K, A, lda, B + j * LANES, C + j * LANES, ldc);
    return rows;
}

/* Returns how many of the rows it did. */
#define THIN_ROWS(name, wide) \
    HELPER __attribute__((noinline)) \
    long name(long rows, long K, const real *A, long lda, const weight *B, real *C, long ldc) \
    { \
        switch (rows) { \
        case 1: return thin_part(1, wide, K, A, lda, B, C, ldc); \
        case 2: return thin_part(2, wide, K, A, lda, B, C, ldc); \
        case 3: return thin_part(3, wide, K, A, lda, B, C, ldc); \
        case 4: return thin_part(4, wide, K, A, lda, B, C, ldc); \
        case 5: return thin_part(5, wide, K, A, lda, B, C, ldc); \
        default: return thin_part(MANY, wide, K, A, lda, B, C, ldc); \
        } \
    }
THIN_ROWS(thin_8, 8)
THIN_ROWS(thin_4, 4)
THIN_ROWS(thin_2, 2)
THIN_ROWS(thin_1, 2 - !HALF)

HELPER long thin_rows(int vectors, long rows, long K, const real *A, long lda, const weight *B, real *C,
                      long ldc)
{
    return (vectors == 8 ? thin_8 : vectors == 4 ? thin_4 : vectors == 2 ? thin_2 : thin_1)
        (rows, K, A, lda, B, C, ldc);
}

/* C (M x N) = A B; rows of A and C `lda` and `ldc` apart. Nothing behind a row of C is touched. */
HELPER void thin_product(long M, long N, long K, const real *A, long lda, const weight *packed, real *C,
                         long ldc)
{
    real aside[MANY * WIDE];
    for (long n = 0; n < N; n += WIDE) {
        const long columns = N - n < WIDE ? N - n : WIDE;
        const int vectors = panel_vectors(columns);
        for (long m = 0, done; m < M; m += done) {
            if (columns == vectors * LANES) {
                done = thin_rows(vectors, M - m, K, A + m * lda, lda, packed, C + m * ldc + n, ldc);
                continue;
            }
            done = thin_rows(vectors, M - m, K, A + m * lda, lda, packed, aside, WIDE);
            for (long r = 0; r < done; r++)
                memcpy(C + (m + r) * ldc + n, aside + r * WIDE, (size_t)columns * sizeof(real));
        }
        packed += vectors * LANES * K;
    }
}

HELPER weight narrowed(real x)
{
#if HALF
    uint32_t bits = as_bits(x);
    if (x != x) return 0x7fc0;
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);            /* to nearest, ties to even */
#else
    return x;
#endif
}

/* Where in a panel's row a column stands. */
HELPER long place_of(long column)
{
#if HALF
    const long pair = column / (2 * LANES) * 2 * LANES, inside = column - pair;
    return pair + 2 * (inside % LANES) + inside / LANES;
#else
    return column;
#endif
}

/* Packs N columns out of rows of stacked weights, K numbers each: column n is row n / width * gap +
 * n % width, as one core's share of the units of every gate is. Returns how many numbers they are;
 * `to` NULL only counts. */
HELPER long thin_pack(weight *to, const real *from, long N, long K, long width, long gap)
{
    for (long n = 0; to && n < N; n += WIDE) {
        const long columns = N - n < WIDE ? N - n : WIDE, row = panel_vectors(columns) * LANES;
        memset(to, 0, (size_t)(row * K) * sizeof(weight));
        for (long low = 0; low < K; low += 16)                  /* a line of each row at a time */
            for (long j = 0; j < columns; j++) {
                const real *f = from + ((n + j) / width * gap + (n + j) % width) * K;
                weight *t = to + place_of(j);
                for (long k = low; k < K && k < low + 16; k++) t[k * row] = narrowed(f[k]);
            }
        to += row * K;
    }
    return thin_size(N, K);
}
