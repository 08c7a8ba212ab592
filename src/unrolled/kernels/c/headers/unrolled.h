/* What every emitted kernel stands on: elementwise mathematics; the matrix product is in product.h.
 *
 * The emitted file says which precision it is, then carries this text:
 *
 *     typedef float real;          typedef double real;
 *     #define REAL 32         or   #define REAL 64
 *
 * Built with  -O3 -march=native -mprefer-vector-width=512 -fno-math-errno -fno-trapping-math -std=gnu11,  by
 * GCC or clang. Never with -ffast-math: NaN must stay NaN and subnormals must stay what they are. Vectors are
 * GCC's vector extensions, so one text serves AVX-512, AVX2, SSE2 and NEON. Nothing here allocates, and
 * nothing outlives a call.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>
#ifndef _WIN32
#include <sched.h>
#endif

#define INLINE static inline __attribute__((always_inline, unused))
#define HELPER static __attribute__((unused))

/* Elementwise mathematics. Branch-free, so that a plain loop over a row becomes vector code. A comparison with
 * NaN is false: every select below is written so that NaN takes the arm that keeps it. */

INLINE real abs_(real x) { return REAL == 32 ? fabsf((float)x) : (real)fabs(x); }
INLINE real sqrt_(real x) { return REAL == 32 ? sqrtf((float)x) : (real)sqrt(x); }
INLINE real floor_(real x) { return REAL == 32 ? floorf((float)x) : (real)floor(x); }
INLINE real relu_(real x) { return x < 0 ? 0 : x; }
INLINE real step_(real x) { return x > 0 ? 1 : 0; }
INLINE real less_(real a, real b) { return a < b ? 1 : 0; }
INLINE real where_(real c, real a, real b) { return c != 0 ? a : b; }
INLINE real sign_(real x) { return x > 0 ? 1 : x < 0 ? -1 : x; }                  /* NaN and -0 are kept */
/* NaN on either side wins */
INLINE real max_(real a, real b) { real m = a > b ? a : b; return a != a ? a : m; }
INLINE real min_(real a, real b) { real m = a < b ? a : b; return a != a ? a : m; }

#if REAL == 32
INLINE float as_float(uint32_t bits) { float x; memcpy(&x, &bits, sizeof x); return x; }
INLINE uint32_t as_bits(float x) { uint32_t bits; memcpy(&bits, &x, sizeof bits); return bits; }

/* Adding 1.5 * 2^23 rounds to an integer and leaves that integer in the low bits of the sum. */
#define ROUNDER 12582912.0f
#define ROUNDER_BITS 0x4b400000u

/* x = n ln 2 + r with |r| <= ln 2 / 2: returns e^r - 1 with its relative accuracy, and n in `*n` as ROUNDER +
 * n. ln 2 in two parts and the polynomial are those of expf in Cephes (S. Moshier, netlib.org/cephes). */
INLINE float reduced_expm1(float x, float *n)
{
    *n = x * 1.44269504088896341f + ROUNDER;
    float whole = *n - ROUNDER;
    float r = x - whole * 0.693359375f;
    r = r - whole * -2.12194440e-4f;
    float p = (1.9875691500e-4f * r + 1.3981999507e-3f) * r + 8.3334519073e-3f;
    p = ((p * r + 4.1665795894e-2f) * r + 1.6666665459e-1f) * r + 5.0000001201e-1f;
    return r + p * (r * r);
}

/* 2^n is applied as two factors: 128 is beyond a float's exponent while the result need not be too large yet,
 * and below -126 the result is subnormal, rounded once. */
INLINE float exp_(float x)
{
    float n;
    x = x > 89.0f ? 89.0f : x < -105.0f ? -105.0f : x;
    float p = 1.0f + reduced_expm1(x, &n);
    uint32_t whole = as_bits(n) - ROUNDER_BITS;
    uint32_t half = (uint32_t)((int32_t)whole >> 1);
    return p * as_float((half << 23) + 0x3f800000u) * as_float(((whole - half) << 23) + 0x3f800000u);
}

/* tanh x = t / (t + 2) with t = e^2x - 1: one exponential and one division, and relative
 * accuracy down to zero. */
INLINE float tanh_(float x)
{
    float n, twice = fabsf(x + x);
    twice = twice > 20.0f ? 20.0f : twice;                       /* tanh 10 is 1 in single precision */
    float p = reduced_expm1(twice, &n);
    float power = as_float((as_bits(n) << 23) + 0x3f800000u);    /* 2^n: the rounder's own bits shift out */
    float t = p * power + (power - 1.0f);
    return copysignf(t / (t + 2.0f), x);
}

/* 2 atanh s for |s| <= 1/3: minimax polynomial in s^2, relative error 1e-9 before rounding. */
INLINE float twice_atanh(float s)
{
    float w = s * s, q = (0x1.dba260p-3f * w + 0x1.bc8cf8p-3f) * w + 0x1.24c926p-2f;
    q = (q * w + 0x1.9998d4p-2f) * w + 0x1.555556p-1f;
    return (s + s) + s * w * q;
}

/* x = 2^e m with m in [sqrt 1/2, sqrt 2); log m = 2 atanh((m - 1) / (m + 1)). */
INLINE float log_(float x)
{
    int small = x < 0x1p-126f;
    uint32_t bits = as_bits(small ? x * 0x1p23f : x);
    uint32_t above = bits - 0x3f3504f3u;                         /* the bits of sqrt 1/2 */
    float e = (float)((int32_t)above >> 23) - (small ? 23.0f : 0.0f);
    float f = as_float(bits - (above & 0xff800000u)) - 1.0f;
    float y = twice_atanh(f / (2.0f + f)) + e * -2.12194440e-4f + e * 0.693359375f;
    y = x > 0x1.fffffep127f ? x : y;
    y = x == 0 ? -INFINITY : y;
    y = x < 0 ? NAN : y;
    return x != x ? x : y;
}

/* log(1 + e^x), also where e^x is small beside 1 or beyond the largest number. */
INLINE float softplus_(float x) { float z = exp_(-fabsf(x)); return relu_(x) + twice_atanh(z / (2.0f + z)); }

/* Bits of 2 / pi, 32 of them from every eighth on: what a large argument leaves of a turn (M. Payne, R. Hanek,
 * SIGNUM 1983; laid out for single precision as in Arm's optimized routines). */
static const uint32_t two_over_pi[24] = {
    0xa2, 0xa2f9, 0xa2f983, 0xa2f9836e, 0xf9836e4e, 0x836e4e44, 0x6e4e4415, 0x4e441529, 0x441529fc, 0x1529fc27,
    0x29fc2757, 0xfc2757d1, 0x2757d1f5, 0x57d1f534, 0xd1f534dd, 0xf534ddc0, 0x34ddc0db, 0xddc0db62, 0xc0db6295,
    0xdb629599, 0x6295993c, 0x95993c43, 0x993c4390, 0x3c439041};

/* x = turn * pi / 2 + r, |r| <= pi / 4: returns sin x for quarter = 0, sin(x + pi / 2) =
 * cos x for quarter = 1. */
INLINE float wave(float x, uint32_t quarter)
{
    uint32_t bits = as_bits(x), top = (bits >> 26) & 15,
        m = ((bits & 0x7fffffu) | 0x800000u) << ((bits >> 23) & 7);
    uint64_t turns = (uint64_t)(m * two_over_pi[top]) << 32;
    turns += (uint64_t)m * two_over_pi[top + 4] + ((uint64_t)m * two_over_pi[top + 8] >> 32);
    uint64_t nearest = (turns + (1ull << 61)) >> 62;
    double far = (double)(int64_t)(turns - (nearest << 62)) * 0x1.921fb54442d18p-62;
    double size = fabs((double)x), rounded = size * 0x1.45f306dc9c883p-1 + 0x1.8p52;
    uint64_t near_turn;                                 /* below 64, double precision is enough */
    memcpy(&near_turn, &rounded, sizeof rounded);
    double near = size - (rounded - 0x1.8p52) * 0x1.921fb54442d18p+0;
    float r = (float)(size > 64 ? far : near);
    uint32_t turn = (uint32_t)(size > 64 ? nearest : near_turn);
    r = x < 0 ? -r : r;
    turn = (x < 0 ? -turn : turn) + quarter;
    float w = r * r;                                    /* the polynomials of sinf and cosf in Cephes */
    float s = ((-1.9515295891e-4f * w + 8.3321608736e-3f) * w - 1.6666654611e-1f) * w * r + r;
    float c = (2.443315711809948e-5f * w - 1.388731625493765e-3f) * w + 4.166664568298827e-2f;
    c = c * w * w - 0.5f * w + 1.0f;
    float y = turn & 1 ? c : s;
    y = turn & 2 ? -y : y;
    return size <= 0x1.fffffep127 ? y : x - x;          /* NaN for the infinities */
}

INLINE float sin_(float x) { return wave(x, 0); }
INLINE float cos_(float x) { return wave(x, 1); }

#else /* double precision: accuracy first, so the C library's own */
INLINE double exp_(double x) { return exp(x); }
INLINE double log_(double x) { return log(x); }
INLINE double tanh_(double x) { return tanh(x); }
INLINE double sin_(double x) { return sin(x); }
INLINE double cos_(double x) { return cos(x); }
INLINE double softplus_(double x) { return relu_(x) + log1p(exp(-fabs(x))); }
#endif

/* 1 / (1 + e^-x), without overflow on either side. */
INLINE real sigmoid_(real x) { real z = exp_(-abs_(x)); return (x < 0 ? z : 1) / (1 + z); }
