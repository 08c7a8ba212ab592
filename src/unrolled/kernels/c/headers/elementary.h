/* Elementwise mathematics that few cells use. Like unrolled.h:
 * branch-free where it is our own. */

/* halves to the even number */
INLINE real round_(real x) { return REAL == 32 ? rintf((float)x) : (real)rint(x); }
INLINE real clip_(real x, real low, real high) { return min_(max_(x, low), high); }
INLINE real silu_(real x) { return x / (1 + exp_(-x)); }
INLINE real power_(real x, real p) { return (real)pow((double)x, (double)p); }

#if REAL == 32
INLINE float expm1_(float x)                            /* for x below 88 */
{
    float n;
    x = x < -20.0f ? -20.0f : x;                        /* -1 in single precision */
    float p = reduced_expm1(x, &n);
    float power = as_float((as_bits(n) << 23) + 0x3f800000u);
    return p * power + (power - 1.0f);
}

/* erfc z = e^(-z^2) t q(t) with t = 1 / (1 + 0.35 z), for z >= 0: minimax polynomial, relative error 1e-8. */
INLINE float erfc_(float z)
{
    z = z > 14.0f ? 14.0f : z;                          /* 0 in single precision */
    float t = 1.0f / (1.0f + 0.35f * z), q = 0x1.56cd2cp-5f;
    q = ((q * t - 0x1.6c5b0cp-3f) * t + 0x1.d07512p-3f) * t - 0x1.6d2e7ap-4f;
    q = ((q * t + 0x1.1cbe44p-3f) * t + 0x1.e1ab56p-4f) * t + 0x1.4a2bccp-3f;
    q = ((q * t + 0x1.7c5486p-3f) * t + 0x1.944abep-3f) * t + 0x1.946af0p-3f;
    return t * q * exp_(-(z * z));
}

/* x r(x^2) for |x| <= 1, minimax, relative error 1e-9; by what is missing to 1 beyond. */
INLINE float erf_(float x)
{
    float size = fabsf(x), w = size < 1.0f ? x * x : 1.0f, r = 0x1.496a2ep-14f;
    r = ((r * w - 0x1.a3f6fep-11f) * w + 0x1.5405b2p-8f) * w - 0x1.b7f90cp-6f;
    r = ((r * w + 0x1.ce2cf8p-4f) * w - 0x1.81273ep-2f) * w + 0x1.20dd74p+0f;
    return size <= 1.0f ? x * r : copysignf(1.0f - erfc_(size), x);
}
#else
INLINE double expm1_(double x) { return expm1(x); }
INLINE double erfc_(double z) { return erfc(z); }
INLINE double erf_(double x) { return erf(x); }
#endif

INLINE real elu_(real x) { real below = expm1_(x > 0 ? 0 : x); return x > 0 ? x : below; }

/* x Phi(x), Phi the normal distribution: half of what lies beyond |x|, or the rest. */
INLINE real gelu_(real x)
{
    real beyond = erfc_(abs_(x) * (real)0x1.6a09e667f3bcdp-1) / 2;
    return x * (x < 0 ? beyond : 1 - beyond);
}
