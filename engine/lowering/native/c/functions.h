/* Functions of a vector: exp, log and what is made of them, good to 2 ulp on their usual range. A vector with an unusual
 * lane (nan, inf, overflow, subnormal) goes to the C library. */
#pragma once
#include "vectors.h"

#define BY_LANE(NAME, FUNCTION)                                \
    static __attribute__((noinline)) V NAME(V a) {             \
        V y;                                                   \
        for (int l = 0; l < W; l++) y[l] = FUNCTION(a[l]);     \
        return y;                                              \
    }
#define BY_LANE2(NAME, FUNCTION)                               \
    static __attribute__((noinline)) V NAME(V a, V b) {        \
        V y;                                                   \
        for (int l = 0; l < W; l++) y[l] = FUNCTION(a[l], b[l]); \
        return y;                                              \
    }
/* What is left after division, with the sign of b, as Python computes it: fmod is exact. */
static inline double modulo(double a, double b) {
    double left = fmod(a, b);
    if (left == 0.0) return copysign(0.0, b);
    return (left < 0.0) != (b < 0.0) ? left + b : left;
}

/* The C library's cube root is off by up to 4 ulp; a step of Newton's brings it to 1. */
static inline double cube_root(double a) {
    double y = cbrt(a), step = (y - a / (y * y)) / 3.0;
    return step - step == 0.0 ? y - step : y; /* 0 and the infinities are exact */
}
static inline double hypot_slope(double a, double b) { /* of the point (b, a): a / hypot(a, b) */
    double h = hypot(a, b);
    if (h == 0.0) return 0.0;
    return h <= 1.7976931348623157e308 || a - a != 0.0 || b - b != 0.0 ? a / h : 0.25 * a / hypot(0.25 * a, 0.25 * b);
}
BY_LANE(lanes_exp, exp) BY_LANE(lanes_expm1, expm1) BY_LANE(lanes_log, log) BY_LANE(lanes_log1p, log1p)
BY_LANE(lanes_exp2, exp2) BY_LANE(lanes_log2, log2) BY_LANE(lanes_log10, log10) BY_LANE(lanes_cbrt, cube_root)
BY_LANE(lanes_sin, sin) BY_LANE(lanes_cos, cos) BY_LANE(lanes_tan, tan) BY_LANE(lanes_asin, asin)
BY_LANE(lanes_acos, acos) BY_LANE(lanes_atan, atan) BY_LANE(lanes_sinh, sinh) BY_LANE(lanes_cosh, cosh)
BY_LANE(lanes_tanh, tanh) BY_LANE(lanes_asinh, asinh) BY_LANE(lanes_acosh, acosh) BY_LANE(lanes_atanh, atanh)
BY_LANE(lanes_erf, erf) BY_LANE(lanes_erfc, erfc) BY_LANE2(lanes_pow, pow) BY_LANE2(lanes_atan2, atan2) BY_LANE2(lanes_hypot, hypot)
BY_LANE(lanes_floor, floor) BY_LANE(lanes_ceil, ceil) BY_LANE(lanes_rint, rint) BY_LANE2(lanes_mod, modulo)
BY_LANE2(lanes_hypot_slope, hypot_slope)

#define LOG2E 1.4426950408889634
#define LN2_HIGH 0x1.62e42fefp-1 /* 33 bits: its product with an exponent is exact */
#define LN2_LOW 0x1.473de6af278edp-34
#define ROUND 0x1.8p52 /* adding it rounds to an integer, found in the low bits */

/* a = n ln 2 + r, |r| <= ln 2 / 2. Gives exp(r) - 1 and the bits of n above ROUND's. The polynomial is a Chebyshev fit. */
INLINE V exp_reduced(V a, V *t) {
    *t = fma_(a, splat(LOG2E), splat(ROUND));
    V n = *t - ROUND;
    V r = fma_(n, splat(-LN2_HIGH), a);
    r = fma_(n, splat(-LN2_LOW), r);
    V r2 = r * r, r4 = r2 * r2;
    V p0 = fma_(splat(0.16666666666666669), r, splat(0.5000000000000001));
    V p1 = fma_(splat(0.008333333333330039), r, splat(0.041666666666623824));
    V p2 = fma_(splat(0.00019841269863171557), r, splat(0.0013888888917367081));
    V p3 = fma_(splat(2.7557268276905696e-06), r, splat(2.4801521057868204e-05));
    V p4 = fma_(splat(2.5100472505694996e-08), r, splat(2.7620201591031547e-07));
    p0 = fma_(p1, r2, p0);
    p2 = fma_(p3, r2, p2);
    p2 = fma_(p4, r4, p2);
    return fma_(fma_(p2, r4, p0), r2, r);
}
/* The integer that exp_reduced left in the low bits, as an exponent. */
INLINE M times_2_to_52(V t) { return (M)((Bits)t << 52); }
/* exp where |a| <= 708 is known. With AVX-512, 16 roots of 2 fit into two registers: a = (16 n + i) ln 2 / 16 + r, and a
 * shorter polynomial does. Where the digits of exp(a) - 1 count, the roots are not exact enough. */
#if defined(__AVX512F__)
static const double roots_of_2[16] __attribute__((aligned(64))) = {
    0x1p+0, 0x1.0b5586cf9890fp+0, 0x1.172b83c7d517bp+0, 0x1.2387a6e756238p+0, 0x1.306fe0a31b715p+0, 0x1.3dea64c123422p+0,
    0x1.4bfdad5362a27p+0, 0x1.5ab07dd485429p+0, 0x1.6a09e667f3bcdp+0, 0x1.7a11473eb0187p+0, 0x1.8ace5422aa0dbp+0,
    0x1.9c49182a3f090p+0, 0x1.ae89f995ad3adp+0, 0x1.c199bdd85529cp+0, 0x1.d5818dcfba487p+0, 0x1.ea4afa2a490dap+0};
INLINE V exp_inner(V a) {
    V t = fma_(a, splat(16 * LOG2E), splat(ROUND)), n = t - ROUND;
    V r = fma_(n, splat(-LN2_LOW / 16), fma_(n, splat(-LN2_HIGH / 16), a)), r2 = r * r;
    V root = (V)_mm512_permutex2var_pd(_mm512_load_pd(roots_of_2), (__m512i)t, _mm512_load_pd(roots_of_2 + 8));
    V p0 = fma_(splat(0.16666666665301144), r, splat(0.5));
    V p1 = fma_(splat(0.008333449724528355), r, splat(0.04166666666495976));
    p1 = fma_(splat(0.0013889034377891425), r2, p1);
    V e = fma_(root, fma_(fma_(p1, r2, p0), r2, r), root);
    return (V)((M)e + (M)((Bits)((M)t & -16) << 48));
}
#else
INLINE V exp_inner(V a) {
    V t, e = exp_reduced(a, &t) + 1.0;
    return (V)((M)e + times_2_to_52(t));
}
#endif
INLINE V exp_(V a) { return LIKELY(!beyond(abs_(a), 708.0)) ? exp_inner(a) : lanes_exp(a); }
INLINE V expm1_(V a) {
    if (beyond(abs_(a), 708.0)) return lanes_expm1(a);
    V t, e = exp_reduced(a, &t), s = (V)((M)one_() + times_2_to_52(t));
    return select_(abs_(a) < 1e-290, a, fma_(e, s, s - 1.0)); /* a tiny a would lose its last bits in the reduction */
}
/* log(x) + correction, for x normal and finite: x = 2^k (1 + f), s = f / (2 + f), log(1 + f) = 2 s + s R(s*s). */
INLINE V log_inner(V x, V correction) {
    M bits = (M)x - 0x3fe6a09e667f3bcdLL; /* sqrt(1/2), so that the mantissa lies around 1 */
    M k = (M)((Bits)bits >> 52);
    V n = (V)((k ^ 0x800) + (M)splat(ROUND)) - (ROUND + 0x800); /* the 12 bits of k as a signed number, exactly */
    V f = (V)((M)x - (bits & ((M){} | (int64_t)0xfff0000000000000u))) - 1.0;
    V s = f / (f + 2.0), z = s * s, z2 = z * z;
    V r0 = fma_(splat(0.3999999999989889), z, splat(0.666666666666667));
    V r1 = fma_(splat(0.22222211089368124), z, splat(0.2857142862625391));
    V r2 = fma_(splat(0.15331611694570085), z, splat(0.18182892433364564));
    r2 = fma_(splat(0.14617807492803847), z2, r2);
    V R = fma_(fma_(r2, z2, r1), z2, r0) * z;
    V h = 0.5 * f * f;
    return n * LN2_HIGH - ((h - (s * (h + R) + (n * LN2_LOW + correction))) - f);
}
INLINE V log_(V a) {
    if (any(~((a >= 0x1p-1022) & (a <= 0x1.fffffffffffffp1023)))) return lanes_log(a);
    return log_inner(a, zero_());
}
/* log1p where a > -1 + 2^-53 and finite is known; u = 1 + a is off by a rounding, which a / u - ... restores. */
INLINE V log1p_inner(V a) {
    V u = a + 1.0;
    V lost = select_(a < 1.0, a - (u - 1.0), 1.0 - (u - a));
    return select_(abs_(a) < 0x1p-54, a, log_inner(u, lost / u));
}
INLINE V log1p_(V a) {
    if (any(~((a > -1.0) & (a <= 1e300)))) return lanes_log1p(a);
    return log1p_inner(a);
}
INLINE V tanh_(V a) {
    V x = abs_(a);
    if (beyond(x, 300.0)) return lanes_tanh(a);
    V t, e = exp_reduced(x + x, &t), s = (V)((M)one_() + times_2_to_52(t));
    e = fma_(e, s, s - 1.0);
    return (V)((M)(e / (e + 2.0)) | ((M)a & INT64_MIN));
}
INLINE V exp_of_minus_abs(V a) {
    V x = abs_(a);
    return LIKELY(!beyond(x, 708.0)) ? exp_inner(-x) : lanes_exp(-x);
}
INLINE V sigmoid_(V a) {
    V e = exp_of_minus_abs(a);
    return by_sign(a, e, one_()) / (e + 1.0);
}
/* The slopes of sigmoid and tanh keep their digits where the functions themselves have run into 1. */
INLINE V sigmoid_slope_(V a) {
    V e = exp_of_minus_abs(a), s = e / (e + 1.0);
    return s * (1.0 - s);
}
INLINE V tanh_slope_(V a) {
    V x = abs_(a), e = exp_of_minus_abs(a + a), r = 1.0 / (e + 1.0), t = tanh_(select_(x < 0.5, a, zero_()));
    return select_(x < 0.5, 1.0 - t * t, 4.0 * e * r * r);
}
INLINE V softplus_(V a) { return select_(a > 0.0, a, zero_()) + log1p_inner(exp_of_minus_abs(a)); }
INLINE V bce_of(V a, V b, V e) { /* e = exp(-|a|) */
    V t = log1p_inner(e);
    return b * (select_(a < 0.0, -a, zero_()) + t) + (1.0 - b) * (select_(a > 0.0, a, zero_()) + t);
}
INLINE V bce_with_logits_(V a, V b) { return bce_of(a, b, exp_of_minus_abs(a)); }
INLINE V logaddexp_(V a, V b) {
    V y = max_(a, b) + log1p_(exp_(-abs_(a - b)));
    return select_(a == b, a + 0.6931471805599453, y);
}
INLINE V truth(M m) { return select_(m, one_(), zero_()); }
