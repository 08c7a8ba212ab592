/* Which symbol is the likeliest of a row: found with weights of 8 bits, a quarter of the bytes, and exact
 * all the same.
 *
 * A symbol's vector w is kept as w' = step q, with whole numbers q from -127 to 127; the row s becomes s' =
 * grain (u - 64), with u from 1 to 127. By Cauchy and Schwarz
 *
 *     |s w - s' w'| <= |s - s'| |w'| + |s| |w - w'|
 *
 * so that s' w' and this much is an upper bound of s w. The logit itself is made of the symbol with the
 * highest bound, and of all whose bounds are not below the best so far: no other can be the likeliest. They
 * are few (one to a dozen of 8,000). What rounding adds to a bound, of these products and of the exact ones,
 * is counted in: see `pack_screen`.
 *
 * Panels are as wide as those of few_rows.h, a panel [K / 4][columns][4]: an instruction adds up four
 * products a column. */

#if REAL == 32 && !HALF && (defined(__AVX512BW__) || (defined(__AVX2__) && !defined(__AVX512F__)))
#define SCREENS 1
#include <immintrin.h>

typedef int32_t whole __attribute__((vector_size(VECTOR_BYTES)));
typedef int32_t loose_whole __attribute__((vector_size(VECTOR_BYTES), aligned(4), may_alias));

/* sum + four products of u and q in every column. Two fit into 16 bits: 2 * 127 * 127 < 2^15. */
INLINE whole add_bytes(whole sum, whole u, whole q)
{
#if defined(__AVX512VNNI__)
    return (whole)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)u, (__m512i)q);
#elif defined(__AVX512BW__)
    return sum + (whole)_mm512_madd_epi16(_mm512_maddubs_epi16((__m512i)u, (__m512i)q), _mm512_set1_epi16(1));
#else
    return sum + (whole)_mm256_madd_epi16(_mm256_maddubs_epi16((__m256i)u, (__m256i)q), _mm256_set1_epi16(1));
#endif
}

/* What is kept of N symbols, K deep: their bytes, and of each column -64 times the sum of q, step, |w'| and
 * |w - w'|. */
typedef struct { int8_t *bytes; int32_t *sums; float *step, *size, *miss; long panels, fours; } screen;

/* The row as it is multiplied: bytes, and grain, |s - s'|, |s|. */
typedef struct { uint8_t *bytes; float grain, miss, size; } screened_row;

HELPER long screen_bytes(long N, long K) { return (N + WIDE - 1) / WIDE * WIDE * ((K + 3) / 4 * 4 + 16); }

HELPER screen screen_at(char *memory, long N, long K)
{
    const long panels = (N + WIDE - 1) / WIDE, columns = panels * WIDE, fours = (K + 3) / 4;
    float *numbers = (float *)(memory + columns * fours * 4), *step = numbers + columns;
    return (screen){(int8_t *)memory, (int32_t *)numbers, step, step + columns, step + 2 * columns,
                    panels, fours};
}

/* To the nearest whole number, |x| <= 127; anything where x is none: the bounds are none then. */
HELPER int nearest(float x) { return x >= 0 ? (int)(x + 0.5f) : x < 0 ? (int)(x - 0.5f) : 0; }

/* Packs one symbol. Sums of K products in float32, in any order, are off by less than K 2^-24 |s| |w|; the
 * 16 stand for the few roundings of a bound, and 1 + 2^-10 for those of the lengths. */
HELPER void screen_symbol(screen *to, long v, const float *w, long K)
{
    float most = 0;
    for (long k = 0; k < K; k++) most = fabsf(w[k]) > most ? fabsf(w[k]) : most;
    const float step = most / 127, inverse = step > 1e-30f ? 1 / step : 0;
    double size = 0, kept = 0, miss = 0;
    int32_t sum = 0;
    for (long k = 0; k < K; k++) {
        const int x = nearest(w[k] * inverse), q = x > 127 ? 127 : x < -127 ? -127 : x;
        const double is = (double)step * q, want = w[k];
        to->bytes[((v / WIDE * to->fours + k / 4) * WIDE + v % WIDE) * 4 + k % 4] = (int8_t)q;
        sum += q, size += want * want, kept += is * is, miss += (want - is) * (want - is);
    }
    to->sums[v] = -64 * sum, to->step[v] = step;
    to->size[v] = (float)(sqrt(kept) * (1 + 0x1p-10));
    to->miss[v] = (float)((sqrt(miss) + (double)(K + 16) * 0x1p-23 * sqrt(size)) * (1 + 0x1p-10));
}

HELPER void pack_screen(char *memory, const float *from, long N, long K)
{
    screen to = screen_at(memory, N, K);
    memset(memory, 0, (size_t)screen_bytes(N, K));
    for (long v = 0; v < N; v++) screen_symbol(&to, v, from + v * K, K);
}

/* A row s; `bytes` has room for it. */
HELPER screened_row screen_row(const float *s, long K, uint8_t *bytes)
{
    float most = 0;
    double size = 0, miss = 0;
    for (long k = 0; k < K; k++) most = fabsf(s[k]) > most ? fabsf(s[k]) : most;
    const float grain = most / 63, inverse = grain > 1e-30f ? 1 / grain : 0;
    for (long k = 0; k < (K + 3) / 4 * 4; k++) bytes[k] = 64;
    for (long k = 0; k < K; k++) {
        const int x = nearest(s[k] * inverse), u = x > 63 ? 63 : x < -63 ? -63 : x;
        const double off = (double)s[k] - (double)grain * u;
        bytes[k] = (uint8_t)(64 + u);
        size += (double)s[k] * s[k], miss += off * off;
    }
    const double more = 1 + 0x1p-10;
    return (screened_row){bytes, grain, (float)(sqrt(miss) * more), (float)(sqrt(size) * more)};
}

/* Upper bounds of the logits of a panel's symbols, of which there are N in all. */
HELPER void bound_panel(const screen *s, long panel, const screened_row *row, const float *bias, long N,
                        float *bounds)
{
    whole sum[8];
    const long first = panel * WIDE, columns = N - first < WIDE ? N - first : WIDE;
    const int8_t *q = s->bytes + first * s->fours * 4;
    UNROLL for (int j = 0; j < 8; j++) sum[j] = *(const loose_whole *)(s->sums + first + j * LANES);
    for (long k = 0; k < s->fours; k++, q += 4 * WIDE) {
        int32_t four;
        memcpy(&four, row->bytes + 4 * k, 4);
        UNROLL for (int j = 0; j < 8; j++)
            sum[j] = add_bytes(sum[j], four - (whole){0}, *(const loose_whole *)(q + 4 * j * LANES));
    }
    int32_t products[WIDE];
    memcpy(products, sum, sizeof sum);
    for (long j = 0; j < columns; j++) {
        const long v = first + j;
        const float product = row->grain * s->step[v] * (float)products[j];
        bounds[v] = product + (row->miss * s->size[v] + row->size * s->miss[v]) + bias[v];
    }
}
#else
#define SCREENS 0
#endif
