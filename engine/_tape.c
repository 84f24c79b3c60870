/* The compiled interpreter: runs a flat program (a tape of int32 words, made by native.py) over a batch of samples.
 *
 * Two kinds of tape. A flat tape works on one array U of doubles: parameters, constants, and every value computed from
 * them. Values of one layer lie side by side there, so that an instruction takes a whole run of them. A lanes tape works
 * on rows of L, one row a value, one lane a sample: an instruction takes a block of samples through one operation, and
 * the rows of a block stay in the cache. Lanes may read U, where what does not vary between samples was computed once.
 *
 * The kernels below are compiled once for each instruction set (TAPE_KERNELS names it), the driver once; the set is
 * chosen when a tape is made. A tape is checked once, when it is made, so that nothing needs to be checked in a step.
 *
 * -ffast-math is not used: nan, infinities and the sign of zero are as in IEEE 754. The vector functions here are good
 * to 2 ulp on their usual range; a vector with an unusual lane (nan, inf, overflow, subnormal) goes to the C library.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#if defined(__AVX512F__)
#define W 8
#define MR 8 /* outputs of a tile of a blocked product */
#define ISA_NAME "avx512"
#elif defined(__AVX2__)
#define W 4
#define MR 6
#define ISA_NAME "avx2"
#elif defined(__aarch64__)
#define W 2
#define MR 6
#define ISA_NAME "neon"
#elif defined(__SSE2__)
#define W 2
#define MR 4
#define ISA_NAME "sse2"
#else
#define W 2
#define MR 4
#define ISA_NAME "generic"
#endif
#define NR 2      /* vectors of samples of a tile */
#define CHUNK 48  /* outputs whose weights stay in the cache while the samples of a block pass; a multiple of every MR */
#define MAX_MR 8  /* of all instruction sets: room in the packed weights */

typedef double V __attribute__((vector_size(8 * W)));
typedef int64_t M __attribute__((vector_size(8 * W)));
typedef uint64_t Bits __attribute__((vector_size(8 * W)));
typedef double VU __attribute__((vector_size(8 * W), aligned(8), may_alias));
#define INLINE static inline __attribute__((always_inline))
#define LIKELY(x) __builtin_expect(!!(x), 1)

/* ---- What the driver knows of a set of kernels ---- */

typedef struct {
    int32_t kind; /* 0 SGD, 1 Adam, 2 AdamW, 3 RMSprop, 4 Adagrad */
    int32_t flag; /* nesterov, amsgrad, centered */
    double lr, h0, h1, h2, weight_decay;
    int64_t step;           /* updates done so far */
    double *s0, *s1, *s2;   /* state, one double a parameter, or NULL */
} Optimizer;

typedef struct {
    const char *name;
    int width;
    void (*flat)(const int32_t *code, int64_t n, double *U, double *packed);
    void (*lanes)(const int32_t *code, int64_t n, const double *U, const double *packed, double *L, int64_t ld,
                  int64_t samples, double *acc);
    int (*update)(Optimizer *o, int64_t n, double *p, const double *g, const double *l2, double scale);
} Kernels;

enum { FLAT_MAP, FLAT_NARY, FLAT_DOT, FLAT_GEMV, FLAT_OUTER, FLAT_GATHER, FLAT_PACK, FLAT_CODES };
enum { LANES_MAP, LANES_NARY, LANES_DOT, LANES_GEMM, LANES_OUTER, LANES_SUM, LANES_CODES };
enum { NARY_SUM, NARY_MEAN, NARY_LOGSUMEXP, NARY_CODES };
#define NARY_NAMES "sum mean logsumexp"

/* ---- Vectors ---- */

INLINE V load(const double *p) { return (V) * (const VU *)p; }
INLINE void store(double *p, V x) { *(VU *)p = (VU)x; }
INLINE V splat(double x) { return x - (V){}; }
#if defined(__AVX512F__)
INLINE V fma_(V a, V b, V c) { return (V)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c); }
INLINE V select_(M m, V a, V b) {
    return (V)_mm512_mask_blend_pd(_mm512_movepi64_mask((__m512i)m), (__m512d)b, (__m512d)a);
}
INLINE int any(M m) { return _mm512_movepi64_mask((__m512i)m) != 0; }
INLINE V sqrt_(V a) { return (V)_mm512_sqrt_pd((__m512d)a); }
#elif defined(__AVX2__)
INLINE V fma_(V a, V b, V c) { return (V)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c); }
INLINE V select_(M m, V a, V b) { return (V)_mm256_blendv_pd((__m256d)b, (__m256d)a, (__m256d)m); }
INLINE int any(M m) { return _mm256_movemask_pd((__m256d)m) != 0; }
INLINE V sqrt_(V a) { return (V)_mm256_sqrt_pd((__m256d)a); }
#else
#if defined(__aarch64__)
INLINE V fma_(V a, V b, V c) { return (V)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b); }
#else
INLINE V fma_(V a, V b, V c) { return a * b + c; }
#endif
INLINE V select_(M m, V a, V b) { return (V)((m & (M)a) | (~m & (M)b)); }
INLINE int any(M m) { return (m[0] | m[1]) != 0; }
INLINE V sqrt_(V a) { return (V){sqrt(a[0]), sqrt(a[1])}; }
#endif
INLINE double hsum(V a) {
#if W == 8
    return ((a[0] + a[1]) + (a[2] + a[3])) + ((a[4] + a[5]) + (a[6] + a[7]));
#elif W == 4
    return (a[0] + a[1]) + (a[2] + a[3]);
#else
    return a[0] + a[1];
#endif
}
INLINE V abs_(V a) { return (V)((M)a & INT64_MAX); }
INLINE V zero_(void) { return (V){}; }
INLINE V one_(void) { return splat(1.0); }
INLINE V max_(V a, V b) { return select_((a >= b) | (a != a), a, b); }
INLINE V min_(V a, V b) { return select_((a <= b) | (a != a), a, b); }

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
BY_LANE(lanes_exp, exp) BY_LANE(lanes_expm1, expm1) BY_LANE(lanes_log, log) BY_LANE(lanes_log1p, log1p)
BY_LANE(lanes_exp2, exp2) BY_LANE(lanes_log2, log2) BY_LANE(lanes_log10, log10) BY_LANE(lanes_cbrt, cbrt)
BY_LANE(lanes_sin, sin) BY_LANE(lanes_cos, cos) BY_LANE(lanes_tan, tan) BY_LANE(lanes_asin, asin)
BY_LANE(lanes_acos, acos) BY_LANE(lanes_atan, atan) BY_LANE(lanes_sinh, sinh) BY_LANE(lanes_cosh, cosh)
BY_LANE(lanes_tanh, tanh) BY_LANE(lanes_asinh, asinh) BY_LANE(lanes_acosh, acosh) BY_LANE(lanes_atanh, atanh)
BY_LANE(lanes_erf, erf) BY_LANE2(lanes_pow, pow) BY_LANE2(lanes_atan2, atan2) BY_LANE2(lanes_hypot, hypot)

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
/* exp where |a| <= 708 is known. */
INLINE V exp_inner(V a) {
    V t, e = exp_reduced(a, &t) + 1.0;
    return (V)((M)e + times_2_to_52(t));
}
INLINE V exp_(V a) { return LIKELY(!any(~(abs_(a) <= 708.0))) ? exp_inner(a) : lanes_exp(a); }
INLINE V expm1_(V a) {
    if (any(~(abs_(a) <= 708.0))) return lanes_expm1(a);
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
    if (any(~(x <= 300.0))) return lanes_tanh(a);
    V t, e = exp_reduced(x + x, &t), s = (V)((M)one_() + times_2_to_52(t));
    e = fma_(e, s, s - 1.0);
    V y = e / (e + 2.0);
    y = select_(x < 1e-290, x, y);
    return (V)((M)y | ((M)a & INT64_MIN));
}
INLINE V exp_of_minus_abs(V a) {
    V x = abs_(a);
    return LIKELY(!any(~(x <= 708.0))) ? exp_inner(-x) : lanes_exp(-x);
}
INLINE V sigmoid_(V a) {
    V e = exp_of_minus_abs(a);
    return select_(a >= 0.0, one_(), e) / (e + 1.0);
}
INLINE V softplus_(V a) { return select_(a > 0.0, a, zero_()) + log1p_inner(exp_of_minus_abs(a)); }
INLINE V bce_with_logits_(V a, V b) {
    V t = log1p_inner(exp_of_minus_abs(a));
    return b * (select_(a < 0.0, -a, zero_()) + t) + (1.0 - b) * (select_(a > 0.0, a, zero_()) + t);
}
INLINE V logaddexp_(V a, V b) {
    V y = max_(a, b) + log1p_(exp_(-abs_(a - b)));
    return select_(a == b, a + 0.6931471805599453, y);
}
INLINE V truth(M m) { return select_(m, one_(), zero_()); }

/* ---- The operations: name, number of arguments, vector expression of a, b, c. One row an operation of the engine's
 * table; the rows of the last line are made by native.py alone, where it finds the pattern. ---- */
#define TAPE_OPS(X)                                                                                                  \
    X(add, 2, a + b) X(sub, 2, a - b) X(mul, 2, a *b) X(div, 2, a / b) X(neg, 1, -a) X(pow, 2, lanes_pow(a, b))      \
    X(abs, 1, abs_(a)) X(exp, 1, exp_(a)) X(expm1, 1, expm1_(a)) X(exp2, 1, lanes_exp2(a)) X(log, 1, log_(a))        \
    X(log1p, 1, log1p_(a)) X(log2, 1, lanes_log2(a)) X(log10, 1, lanes_log10(a)) X(sqrt, 1, sqrt_(a))                \
    X(cbrt, 1, lanes_cbrt(a)) X(reciprocal, 1, 1.0 / a) X(sin, 1, lanes_sin(a)) X(cos, 1, lanes_cos(a))              \
    X(tan, 1, lanes_tan(a)) X(asin, 1, lanes_asin(a)) X(acos, 1, lanes_acos(a)) X(atan, 1, lanes_atan(a))            \
    X(atan2, 2, lanes_atan2(a, b)) X(sinh, 1, lanes_sinh(a)) X(cosh, 1, lanes_cosh(a)) X(tanh, 1, tanh_(a))          \
    X(asinh, 1, lanes_asinh(a)) X(acosh, 1, lanes_acosh(a)) X(atanh, 1, lanes_atanh(a)) X(sigmoid, 1, sigmoid_(a))   \
    X(logsigmoid, 1, -softplus_(-a)) X(softplus, 1, softplus_(a)) X(relu, 1, select_(a <= 0.0, zero_(), a))          \
    X(leaky_relu, 2, select_(a > 0.0, a, a * b))                                                                     \
    X(elu, 2, select_(a > 0.0, a, b * expm1_(select_(a > 0.0, zero_(), a)))) X(silu, 1, a *sigmoid_(a))              \
    X(gelu, 1, 0.5 * a * (1.0 + lanes_erf(a * 0.7071067811865476))) X(erf, 1, lanes_erf(a))                          \
    X(maximum, 2, max_(a, b)) X(minimum, 2, min_(a, b)) X(clip, 3, select_(a > c, c, select_(a < b, b, a)))          \
    X(hypot, 2, lanes_hypot(a, b)) X(logaddexp, 2, logaddexp_(a, b)) X(where, 3, select_(a != 0.0, b, c))            \
    X(gt, 2, truth(a > b)) X(ge, 2, truth(a >= b)) X(lt, 2, truth(a < b)) X(le, 2, truth(a <= b))                    \
    X(eq, 2, truth(a == b)) X(ne, 2, truth(a != b))                                                                  \
    X(bce, 2, -(b * max_(log_(a), splat(-100.0)) + (1.0 - b) * max_(log1p_(-a), splat(-100.0))))                     \
    X(bce_with_logits, 2, bce_with_logits_(a, b))                                                                    \
    X(copy, 1, a) X(sigmoid_adjoint, 2, a *(b * (1.0 - b))) X(tanh_adjoint, 2, a *(1.0 - b * b))

#define ENUM(NAME, ARITY, EXPR) OP_##NAME,
enum { TAPE_OPS(ENUM) OP_CODES };
#define ARITY_(NAME, ARITY, EXPR) ARITY,
static const int32_t op_arity[] = {TAPE_OPS(ARITY_)};

/* d = op(a, b, c) on n vectors; an argument moves by its step (W, or 0 where one vector serves all). */
typedef void Map(double *d, const double *a, int64_t sa, const double *b, int64_t sb, const double *c, int64_t sc,
                 int64_t n);
#define MAP(NAME, ARITY, EXPR)                                                                                    \
    static void map_##NAME(double *d, const double *pa, int64_t sa, const double *pb, int64_t sb, const double *pc, \
                           int64_t sc, int64_t n) {                                                               \
        for (int64_t v = 0; v < n; v++, d += W) {                                                                 \
            V a = load(pa), b, c;                                                                                 \
            pa += sa;                                                                                             \
            if (ARITY > 1) b = load(pb), pb += sb;                                                                \
            if (ARITY > 2) c = load(pc), pc += sc;                                                                \
            (void)b, (void)c;                                                                                     \
            store(d, EXPR);                                                                                       \
        }                                                                                                         \
    }
TAPE_OPS(MAP)
#define MAP_ENTRY(NAME, ARITY, EXPR) map_##NAME,
static Map *const maps[] = {TAPE_OPS(MAP_ENTRY)};

/* ---- Flat tapes ---- */

static double nary_scalar(int32_t op, const int32_t *index, int32_t n, const double *U) {
    double s = 0.0;
    if (op == NARY_LOGSUMEXP) {
        double top = U[index[0]];
        int is_nan = 0;
        for (int32_t i = 0; i < n; i++) {
            double x = U[index[i]];
            is_nan |= x != x;
            top = x > top ? x : top;
        }
        if (is_nan) return NAN;
        if (top - top != 0) return top;
        for (int32_t i = 0; i < n; i++) s += exp(U[index[i]] - top);
        return top + log(s);
    }
    if (n) s = U[index[0]];
    for (int32_t i = 1; i < n; i++) s += U[index[i]];
    return op == NARY_MEAN ? s / n : s;
}

/* One argument of a run of values that is not a whole number of vectors. */
INLINE V tail_of(const double *p, int64_t step, int64_t n) {
    V t = splat(p[0]);
    for (int64_t i = 1; i < n && step; i++) t[i] = p[i];
    return t;
}
INLINE void flat_map(const int32_t *c, double *U) {
    int64_t count = c[2], full = count / W, rest = count % W, sa = c[5], sb = c[7], sc = c[9];
    double *d = U + c[3];
    const double *pa = U + c[4], *pb = U + c[6], *pc = U + c[8];
    Map *map = maps[c[1]];
    if (full) {
        V ta = splat(*pa), tb = splat(*pb), tc = splat(*pc);
        map(d, sa ? pa : (double *)&ta, sa * W, sb ? pb : (double *)&tb, sb * W, sc ? pc : (double *)&tc, sc * W, full);
    }
    if (rest) {
        int64_t o = full * W;
        V ta = tail_of(pa + sa * o, sa, rest), tb = tail_of(pb + sb * o, sb, rest), tc = tail_of(pc + sc * o, sc, rest);
        V y;
        map((double *)&y, (double *)&ta, 0, (double *)&tb, 0, (double *)&tc, 0, 1);
        for (int64_t i = 0; i < rest; i++) d[o + i] = y[i];
    }
}

/* d[j] = bias[j] + sum_k w[j*so + k*si] a[k]. Weights lie along j (so == 1), along k (si == 1), or scattered. */
INLINE void gemv_along_outputs(int64_t n, int64_t K, double *d, const double *a, const double *w, int64_t si,
                               const double *bias, const int T) {
    V even[4], odd[4];
    for (int t = 0; t < T; t++) even[t] = bias ? load(bias + t * W) : zero_(), odd[t] = zero_();
    int64_t k = 0;
    for (; k + 1 < K; k += 2, w += 2 * si) {
        V x = splat(a[k]), y = splat(a[k + 1]);
        for (int t = 0; t < T; t++) even[t] = fma_(load(w + t * W), x, even[t]);
        for (int t = 0; t < T; t++) odd[t] = fma_(load(w + si + t * W), y, odd[t]);
    }
    if (k < K)
        for (int t = 0; t < T; t++) even[t] = fma_(load(w + t * W), splat(a[k]), even[t]);
    for (int t = 0; t < T; t++) store(d + t * W, even[t] + odd[t]);
    (void)n;
}
INLINE double dot_contiguous(int64_t K, const double *a, const double *w) {
    V s = zero_(), r = zero_();
    int64_t k = 0;
    for (; k + 2 * W <= K; k += 2 * W) s = fma_(load(a + k), load(w + k), s), r = fma_(load(a + k + W), load(w + k + W), r);
    for (; k + W <= K; k += W) s = fma_(load(a + k), load(w + k), s);
    double t = hsum(s + r);
    for (; k < K; k++) t += a[k] * w[k];
    return t;
}
static void flat_gemv(const int32_t *c, double *U) {
    int64_t J = c[1], K = c[2], so = c[6], si = c[7], j = 0;
    double *d = U + c[3];
    const double *a = U + c[4], *w = U + c[5], *bias = c[8] < 0 ? 0 : U + c[8];
    if (so == 1) {
        for (; j + 4 * W <= J; j += 4 * W) gemv_along_outputs(J, K, d + j, a, w + j, si, bias ? bias + j : 0, 4);
        for (; j + W <= J; j += W) gemv_along_outputs(J, K, d + j, a, w + j, si, bias ? bias + j : 0, 1);
    }
    if (si == 1) {
        for (; j + 4 <= J; j += 4) {
            V s0 = zero_(), s1 = zero_(), s2 = zero_(), s3 = zero_();
            const double *w0 = w + j * so, *w1 = w0 + so, *w2 = w1 + so, *w3 = w2 + so;
            int64_t k = 0;
            for (; k + W <= K; k += W) {
                V x = load(a + k);
                s0 = fma_(load(w0 + k), x, s0), s1 = fma_(load(w1 + k), x, s1);
                s2 = fma_(load(w2 + k), x, s2), s3 = fma_(load(w3 + k), x, s3);
            }
            double y[4] = {hsum(s0), hsum(s1), hsum(s2), hsum(s3)};
            for (; k < K; k++) y[0] += w0[k] * a[k], y[1] += w1[k] * a[k], y[2] += w2[k] * a[k], y[3] += w3[k] * a[k];
            for (int q = 0; q < 4; q++) d[j + q] = y[q] + (bias ? bias[j + q] : 0.0);
        }
        for (; j < J; j++) d[j] = dot_contiguous(K, a, w + j * so) + (bias ? bias[j] : 0.0);
    }
    for (; j < J; j++) {
        double s = 0.0;
        for (int64_t k = 0; k < K; k++) s += w[j * so + k * si] * a[k];
        d[j] = s + (bias ? bias[j] : 0.0);
    }
}
static void flat_outer(const int32_t *c, double *U) {
    int64_t K = c[1], J = c[2], dk = c[4], dj = c[5];
    double *d = U + c[3];
    const double *a = U + c[6], *b = U + c[7];
    for (int64_t k = 0; k < K; k++, d += dk) {
        int64_t j = 0;
        if (dj == 1)
            for (V x = splat(a[k]); j + W <= J; j += W) store(d + j, x * load(b + j));
        for (; j < J; j++) d[j * dj] = a[k] * b[j];
    }
}
/* Weights of a blocked product, MR outputs side by side for each input; missing outputs of the last tile stay unread. */
static void flat_pack(const int32_t *c, const double *U, double *packed) {
    int64_t J = c[1], K = c[2];
    const int32_t *index = c + 4;
    packed += c[3];
    for (int64_t j = 0; j < J; j += MR) {
        int64_t m = J - j < MR ? J - j : MR;
        for (int64_t q = 0; q < m; q++)
            for (int64_t k = 0; k < K; k++) packed[k * MR + q] = U[index[(j + q) * K + k]];
        packed += K * MR;
    }
}

static void run_flat(const int32_t *c, int64_t n, double *U, double *packed) {
    const int32_t *end = c + n;
    while (c < end) switch (c[0]) {
        case FLAT_MAP: flat_map(c, U); c += 10; break;
        case FLAT_NARY: U[c[3]] = nary_scalar(c[1], c + 4, c[2], U); c += 4 + c[2]; break;
        case FLAT_DOT: {
            int32_t K = c[1];
            const int32_t *w = c + 4, *x = w + K;
            double s = K ? U[w[0]] * U[x[0]] : 0.0;
            for (int32_t k = 1; k < K; k++) s += U[w[k]] * U[x[k]];
            U[c[2]] = c[3] < 0 ? s : K ? s + U[c[3]] : U[c[3]];
            c += 4 + 2 * K;
            break;
        }
        case FLAT_GEMV: flat_gemv(c, U); c += 9; break;
        case FLAT_OUTER: flat_outer(c, U); c += 8; break;
        case FLAT_GATHER: {
            double *d = U + c[2];
            for (int32_t i = 0; i < c[1]; i++) d[i] = U[c[3 + i]];
            c += 3 + c[1];
            break;
        }
        default: flat_pack(c, U, packed); c += 4 + (int64_t)c[1] * c[2];
        }
}

/* ---- Lanes tapes. An operand x >= 0 is a row of L; x < 0 is the value ~x of U, the same for all samples. ---- */

typedef struct {
    const double *p;
    int64_t step;
} Operand;

INLINE Operand operand(int32_t x, const double *U, const double *L, int64_t ld, V *room) {
    if (x >= 0) return (Operand){L + x * ld, W};
    *room = splat(U[~x]);
    return (Operand){(const double *)room, 0};
}

/* Fetch the start of a row that the next operation needs: in a large graph it has left the cache. */
INLINE void prefetch(int32_t x, const double *L, int64_t ld) {
    if (x >= 0)
        for (int i = 0; i < 4; i++) __builtin_prefetch(L + x * ld + 8 * i);
}

static const int32_t *lanes_map(const int32_t *c, const double *U, double *L, int64_t ld, int64_t nv) {
    int32_t op = c[1], count = c[2];
    Map *map = maps[op];
    V ra, rb, rc;
    c += 3;
    if (op_arity[op] == 1)
        for (; count; count--, c += 2) {
            Operand a = operand(c[1], U, L, ld, &ra);
            map(L + c[0] * ld, a.p, a.step, a.p, 0, a.p, 0, nv);
        }
    else if (op_arity[op] == 2)
        for (; count; count--, c += 3) {
            Operand a = operand(c[1], U, L, ld, &ra), b = operand(c[2], U, L, ld, &rb);
            if (count > 1) prefetch(c[4], L, ld), prefetch(c[5], L, ld);
            map(L + c[0] * ld, a.p, a.step, b.p, b.step, a.p, 0, nv);
        }
    else
        for (; count; count--, c += 4) {
            Operand a = operand(c[1], U, L, ld, &ra), b = operand(c[2], U, L, ld, &rb), e = operand(c[3], U, L, ld, &rc);
            map(L + c[0] * ld, a.p, a.step, b.p, b.step, e.p, e.step, nv);
        }
    return c;
}

INLINE V value_at(int32_t x, const double *U, const double *L, int64_t ld, int64_t v) {
    return x >= 0 ? load(L + x * ld + v * W) : splat(U[~x]);
}
/* Four vectors of samples at a time, so that the operands are looked up once for all of them. */
INLINE void lanes_nary_at(const int32_t *c, const double *U, double *L, int64_t ld, int64_t v, const int T) {
    int32_t op = c[1], n = c[2];
    const int32_t *x = c + 4;
    V s[4];
    if (op != NARY_LOGSUMEXP) {
        for (int t = 0; t < T; t++) s[t] = n ? value_at(x[0], U, L, ld, v + t) : zero_();
        for (int32_t i = 1; i < n; i++)
            for (int t = 0; t < T; t++) s[t] = s[t] + value_at(x[i], U, L, ld, v + t);
        if (op == NARY_MEAN)
            for (int t = 0; t < T; t++) s[t] = s[t] / (double)n;
    } else
        for (int t = 0; t < T; t++) {
            V top = value_at(x[0], U, L, ld, v + t), sum = zero_();
            M is_nan = top != top;
            for (int32_t i = 1; i < n; i++) {
                V y = value_at(x[i], U, L, ld, v + t);
                is_nan |= y != y;
                top = select_(y > top, y, top);
            }
            for (int32_t i = 0; i < n; i++) sum = sum + exp_(value_at(x[i], U, L, ld, v + t) - top);
            s[t] = select_(top - top == 0.0, top + log_(sum), top);
            s[t] = select_(is_nan, splat(NAN), s[t]);
        }
    for (int t = 0; t < T; t++) store(L + c[3] * ld + (v + t) * W, s[t]);
}
INLINE void lanes_dot_at(const int32_t *c, const double *U, double *L, int64_t ld, int64_t v, const int T) {
    int32_t n = c[1];
    const int32_t *w = c + 5, *x = w + n;
    V s[8], rw, rx;
#pragma GCC unroll 8
    for (int t = 0; t < T; t++) s[t] = zero_();
    for (int32_t i = 0; i < n; i++) {
        Operand a = operand(w[i], U, L, ld, &rw), b = operand(x[i], U, L, ld, &rx);
        const double *pa = a.p + v * a.step, *pb = b.p + v * b.step;
        if (i)
#pragma GCC unroll 8
            for (int t = 0; t < T; t++) s[t] = fma_(load(pa + t * a.step), load(pb + t * b.step), s[t]);
        else
#pragma GCC unroll 8
            for (int t = 0; t < T; t++) s[t] = load(pa + t * a.step) * load(pb + t * b.step);
    }
    if (c[3]) {
        Operand b = operand(c[4], U, L, ld, &rx);
#pragma GCC unroll 8
        for (int t = 0; t < T; t++) {
            V bias = load(b.p + (v + t) * b.step);
            s[t] = n ? s[t] + bias : bias;
        }
    }
#pragma GCC unroll 8
    for (int t = 0; t < T; t++) store(L + c[2] * ld + (v + t) * W, s[t]);
}

/* A tile of a blocked product: m outputs by r vectors of samples, over all inputs. */
INLINE void gemm_tile(const int m, const int r, int64_t K, const double *w, const int32_t *in, const int32_t *out,
                      const int32_t *bias, const double *U, double *L, int64_t ld) {
    V s[MR][4]; /* of fixed size, of which m by r are used: once unrolled, they live in registers */
#pragma GCC unroll 8
    for (int q = 0; q < m; q++)
#pragma GCC unroll 8
        for (int t = 0; t < r; t++) s[q][t] = bias[q] < 0 ? zero_() : splat(U[bias[q]]);
    for (int64_t k = 0; k < K; k++, w += MR) {
        const double *row = L + in[k] * ld;
        V a[4];
#pragma GCC unroll 8
        for (int t = 0; t < r; t++) a[t] = load(row + t * W);
#pragma GCC unroll 8
        for (int q = 0; q < m; q++) {
            V x = splat(w[q]);
#pragma GCC unroll 8
            for (int t = 0; t < r; t++) s[q][t] = fma_(x, a[t], s[q][t]);
        }
    }
#pragma GCC unroll 8
    for (int q = 0; q < m; q++)
#pragma GCC unroll 8
        for (int t = 0; t < r; t++) store(L + out[q] * ld + t * W, s[q][t]);
}
#define GEMM_CASE(m)                                                         \
    case m:                                                                  \
        if (r == NR) gemm_tile(m, NR, K, w, in, out, bias, U, L, ld);        \
        else gemm_tile(m, 1, K, w, in, out, bias, U, L, ld);                 \
        break;
static void gemm_any(int64_t m, int r, int64_t K, const double *w, const int32_t *in, const int32_t *out,
                     const int32_t *bias, const double *U, double *L, int64_t ld) {
    switch (m) {
        GEMM_CASE(1) GEMM_CASE(2) GEMM_CASE(3) GEMM_CASE(4)
#if MR > 4
        GEMM_CASE(5) GEMM_CASE(6)
#endif
#if MR > 6
        GEMM_CASE(7) GEMM_CASE(8)
#endif
    }
}
static const int32_t *lanes_gemm(const int32_t *c, const double *U, const double *packed, double *L, int64_t ld,
                                 int64_t nv) {
    int64_t J = c[1], K = c[2];
    const int32_t *in = c + 4, *out = in + K, *bias = out + J;
    packed += c[3];
    if (J <= 2) { /* few outputs: more samples at a time hide the latency of the additions */
        int64_t v = 0;
        for (; v + 4 <= nv; v += 4)
            if (J == 1) gemm_tile(1, 4, K, packed, in, out, bias, U, L + v * W, ld);
            else gemm_tile(2, 4, K, packed, in, out, bias, U, L + v * W, ld);
        for (; v < nv; v++) gemm_any(J, 1, K, packed, in, out, bias, U, L + v * W, ld);
    } else
        for (int64_t j0 = 0; j0 < J; j0 += CHUNK) {
            int64_t j1 = j0 + CHUNK < J ? j0 + CHUNK : J;
            for (int64_t v = 0; v < nv; v += NR) {
                int r = v + NR <= nv ? NR : 1;
                for (int64_t j = j0; j < j1; j += MR)
                    gemm_any(j + MR <= j1 ? MR : j1 - j, r, K, packed + j * K, in, out + j, bias + j, U, L + v * W, ld);
            }
        }
    return bias + J;
}

/* acc[k, j] += sum over samples of A[k] D[j], a tile of them. */
INLINE void outer_tile(const int m, const int r, const int32_t *ra, const int32_t *rd, const int32_t *index,
                       int64_t stride, const double *L, int64_t ld, int64_t full, M mask, double *acc) {
    V s[4][3];
    const double *A[4], *D[3];
#pragma GCC unroll 8
    for (int q = 0; q < m; q++) A[q] = L + ra[q] * ld;
#pragma GCC unroll 8
    for (int t = 0; t < r; t++) D[t] = L + rd[t] * ld;
#pragma GCC unroll 8
    for (int q = 0; q < m; q++)
#pragma GCC unroll 8
        for (int t = 0; t < r; t++) s[q][t] = splat(-0.0); /* as in sum_of_row */
    int64_t o = 0;
    for (; o < full; o += W) {
        V d[3];
#pragma GCC unroll 8
        for (int t = 0; t < r; t++) d[t] = load(D[t] + o);
#pragma GCC unroll 8
        for (int q = 0; q < m; q++) {
            V a = load(A[q] + o);
#pragma GCC unroll 8
            for (int t = 0; t < r; t++) s[q][t] = fma_(a, d[t], s[q][t]);
        }
    }
    if (any(mask)) {
#pragma GCC unroll 8
        for (int q = 0; q < m; q++) {
            V a = load(A[q] + o);
#pragma GCC unroll 8
            for (int t = 0; t < r; t++) s[q][t] = select_(mask, fma_(a, load(D[t] + o), s[q][t]), s[q][t]);
        }
    }
#pragma GCC unroll 8
    for (int q = 0; q < m; q++)
#pragma GCC unroll 8
        for (int t = 0; t < r; t++) acc[index[q * stride + t]] += hsum(s[q][t]);
}
#define OUTER_CASE(m)                                                                                     \
    case m:                                                                                               \
        if (r == 3) outer_tile(m, 3, ra, rd, index, J, L, ld, full, mask, acc);                           \
        else if (r == 2) outer_tile(m, 2, ra, rd, index, J, L, ld, full, mask, acc);                      \
        else outer_tile(m, 1, ra, rd, index, J, L, ld, full, mask, acc);                                  \
        break;
static const int32_t *lanes_outer(const int32_t *c, const double *L, int64_t ld, int64_t full, M mask, double *acc) {
    int64_t K = c[1], J = c[2];
    const int32_t *A = c + 3, *D = A + K, *targets = D + J;
    for (int64_t j0 = 0; j0 < J; j0 += 24) /* rows that stay in the first-level cache while all of A pass */
        for (int64_t k = 0; k < K; k += 4)
            for (int64_t j = j0; j < J && j < j0 + 24; j += 3) {
                int64_t m = K - k < 4 ? K - k : 4, r = J - j < 3 ? J - j : 3;
                const int32_t *ra = A + k, *rd = D + j, *index = targets + k * J + j;
                switch (m) { OUTER_CASE(1) OUTER_CASE(2) OUTER_CASE(3) OUTER_CASE(4) }
            }
    return targets + K * J;
}
INLINE double sum_of_row(const double *p, int64_t full, M mask) {
    V none = splat(-0.0), s0 = none, s1 = none, s2 = none, s3 = none; /* -0.0 + x is x, for x = -0.0 as well */
    int64_t o = 0;
    for (; o + 4 * W <= full; o += 4 * W)
        s0 += load(p + o), s1 += load(p + o + W), s2 += load(p + o + 2 * W), s3 += load(p + o + 3 * W);
    for (; o < full; o += W) s0 += load(p + o);
    if (any(mask)) s1 += select_(mask, load(p + o), none);
    return hsum((s0 + s1) + (s2 + s3));
}

static void run_lanes(const int32_t *c, int64_t n, const double *U, const double *packed, double *L, int64_t ld,
                      int64_t samples, double *acc) {
    const int32_t *end = c + n;
    int64_t nv = (samples + W - 1) / W, full = samples / W * W;
    M mask;
    for (int l = 0; l < W; l++) mask[l] = full + l < samples ? -1 : 0;
    while (c < end) switch (c[0]) {
        case LANES_MAP: c = lanes_map(c, U, L, ld, nv); break;
        case LANES_NARY: {
            int64_t v = 0;
            for (; v + 4 <= nv; v += 4) lanes_nary_at(c, U, L, ld, v, 4);
            for (; v < nv; v++) lanes_nary_at(c, U, L, ld, v, 1);
            c += 4 + c[2];
            break;
        }
        case LANES_DOT: {
            int64_t v = 0;
            for (; v + 8 <= nv; v += 8) lanes_dot_at(c, U, L, ld, v, 8);
            for (; v + 2 <= nv; v += 2) lanes_dot_at(c, U, L, ld, v, 2);
            for (; v < nv; v++) lanes_dot_at(c, U, L, ld, v, 1);
            c += 5 + 2 * (int64_t)c[1];
            break;
        }
        case LANES_GEMM: c = lanes_gemm(c, U, packed, L, ld, nv); break;
        case LANES_OUTER: c = lanes_outer(c, L, ld, full, mask, acc); break;
        default:
            for (int32_t i = 0; i < c[1]; i++) acc[c[3 + 2 * i]] += sum_of_row(L + c[2 + 2 * i] * ld, full, mask);
            c += 2 + 2 * (int64_t)c[1];
        }
}

/* ---- The updates, as in torch.optim. g is a sum over the batch, scale makes it a mean; l2 adds its own gradient.
 * They say whether all gradients and all new parameters are finite. ---- */

INLINE uint64_t not_finite(double x) { /* for a loop without a branch */
    uint64_t bits;
    memcpy(&bits, &x, 8);
    return ((bits & 0x7ff0000000000000u) + 0x0010000000000000u) & 0x8000000000000000u;
}
static int update(Optimizer *o, int64_t n, double *restrict p, const double *restrict sums, const double *restrict l2,
                  double scale) {
    double lr = o->lr, wd = o->weight_decay, h0 = o->h0, h1 = o->h1, h2 = o->h2;
    double *restrict s0 = o->s0, *restrict s1 = o->s1, *restrict s2 = o->s2;
    int first = o->step++ == 0;
    uint64_t bad = 0;
    if (o->kind == 0 && !s0 && !l2 && wd == 0) {
        for (int64_t i = 0; i < n; i++) {
            double g = sums[i] * scale;
            p[i] -= lr * g;
            bad |= not_finite(g) | not_finite(p[i]);
        }
        return !bad;
    }
    double t = (double)o->step, c1 = 1 - pow(h0, t), c2 = sqrt(1 - pow(h1, t)), rate = lr / (1 + (t - 1) * h0);
    for (int64_t i = 0; i < n; i++) {
        double g = sums[i] * scale + (l2 ? l2[i] * p[i] : 0.0);
        bad |= not_finite(g);
        if (o->kind == 2) p[i] *= 1 - lr * wd;
        else if (wd != 0) g += wd * p[i];
        switch (o->kind) {
        case 0: /* h0 momentum, h1 dampening */
            if (s0) {
                s0[i] = first ? g : h0 * s0[i] + (1 - h1) * g;
                g = o->flag ? g + h0 * s0[i] : s0[i];
            }
            p[i] -= lr * g;
            break;
        case 1:
        case 2: { /* h0, h1 betas, h2 eps; s2 the largest square where flag is set */
            s0[i] += (1 - h0) * (g - s0[i]);
            s1[i] = h1 * s1[i] + (1 - h1) * g * g;
            double v = s1[i];
            if (o->flag) v = s2[i] = s2[i] >= v ? s2[i] : v;
            p[i] -= lr / c1 * (s0[i] / (sqrt(v) / c2 + h2));
            break;
        }
        case 3: { /* h0 alpha, h1 momentum, h2 eps; s0 square average, s1 gradient average where flag, s2 velocity */
            s0[i] = h0 * s0[i] + (1 - h0) * g * g;
            double v = s0[i];
            if (o->flag) {
                s1[i] += (1 - h0) * (g - s1[i]);
                v -= s1[i] * s1[i];
            }
            g /= sqrt(v) + h2;
            if (h1 != 0) g = s2[i] = h1 * s2[i] + g;
            p[i] -= lr * g;
            break;
        }
        default: /* h0 decay of the rate, h2 eps */
            s0[i] += g * g;
            p[i] -= rate * (g / (sqrt(s0[i]) + h2));
        }
        bad |= not_finite(p[i]);
    }
    return !bad;
}

#define JOIN_(A, B) A##B
#define JOIN(A, B) JOIN_(A, B)
#ifndef TAPE_KERNELS
#define TAPE_KERNELS baseline
#define TAPE_DRIVER
#endif
extern const Kernels JOIN(tape_kernels_, TAPE_KERNELS);
const Kernels JOIN(tape_kernels_, TAPE_KERNELS) = {ISA_NAME, W, run_flat, run_lanes, update};

#ifdef TAPE_DRIVER
/* ---- The driver: choice of the instruction set, checked tapes, blocks of samples, threads, training ---- */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#ifndef TAPE_SOURCE
#define TAPE_SOURCE "unknown" /* checksum of this file, so that native.py refuses a library built from another one */
#endif
#ifdef __clang__
#define TAPE_COMPILER __VERSION__
#else
#define TAPE_COMPILER "GCC " __VERSION__
#endif
#define EXPORT __attribute__((visibility("default")))

#if defined(TAPE_HAVE_AVX2) || defined(TAPE_HAVE_AVX512)
#include <cpuid.h>
/* Asked of the processor itself: __builtin_cpu_supports needs a runtime that not every compiler brings. */
static int processor_has(uint32_t wanted /* bits of ebx, leaf 7 */, uint32_t saved /* registers that the system saves */) {
    uint32_t a, b, c, d, low, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & (1u << 12 | 1u << 27)) != (1u << 12 | 1u << 27)) return 0; /* FMA */
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if ((low & saved) != saved || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    return (b & wanted) == wanted;
}
#endif
#ifdef TAPE_HAVE_AVX2
extern const Kernels tape_kernels_avx2;
#endif
#ifdef TAPE_HAVE_AVX512
extern const Kernels tape_kernels_avx512;
#endif

/* The sets of kernels that this machine can run, best first. */
static const Kernels *supported(int i) {
    const Kernels *found[3];
    int n = 0;
#ifdef TAPE_HAVE_AVX512
    if (processor_has(1u << 5 | 1u << 16 | 1u << 17, 0xe6)) found[n++] = &tape_kernels_avx512;
#endif
#ifdef TAPE_HAVE_AVX2
    if (processor_has(1u << 5, 0x06)) found[n++] = &tape_kernels_avx2;
#endif
    found[n++] = &JOIN(tape_kernels_, TAPE_KERNELS);
    return i < n ? found[i] : NULL;
}
#define NAME_AND_ARITY(NAME, ARITY, EXPR) #NAME " " #ARITY " "

EXPORT const char *tape_source(void) { return TAPE_SOURCE; }
EXPORT const char *tape_compiler(void) { return TAPE_COMPILER; }
EXPORT const char *tape_operations(void) { return TAPE_OPS(NAME_AND_ARITY); }
EXPORT const char *tape_nary(void) { return NARY_NAMES; }
EXPORT const char *tape_instruction_set(int i) {
    const Kernels *k = supported(i);
    return k ? k->name : NULL;
}

typedef struct {
    int32_t n_values, n_parameters, n_constants, n_inputs; /* of U; the inputs are values only of a flat tape */
    int32_t n_rows, n_packed, n_results;                   /* n_rows is 0 for a flat tape */
    int32_t n_uniform;  /* results that do not vary between samples, as pairs (result, value) */
    int32_t results;    /* flat: the first of the values that are the results */
    int32_t set;        /* index of the instruction set */
    int32_t threads;
    int32_t block;      /* samples of a block, 0 to choose by the size of the cache */
} Layout;

struct Pool;
typedef struct {
    Layout is;
    const Kernels *kernels;
    int32_t *flat, *lanes, *uniform;
    int64_t n_flat, n_lanes, ld;
    double *U, *packed, *acc, **L; /* acc: a row a thread */
    struct Pool *pool;
} Tape;

/* -- Checks: every index of a tape lies inside its array -- */

static int inside(int64_t first, int64_t count, int64_t low, int64_t high) {
    return first >= low && count >= 0 && first + count <= high;
}
static int all_inside(const int32_t *index, int64_t n, int64_t low, int64_t high) {
    for (int64_t i = 0; i < n; i++)
        if (index[i] < low || index[i] >= high) return 0;
    return 1;
}
#define NEED(condition) \
    if (!(condition)) return 0

static int valid_flat(const Layout *t, const int32_t *c, int64_t n) {
    int64_t N = t->n_values, first = (int64_t)t->n_parameters + t->n_constants + (t->n_rows ? 0 : t->n_inputs), size;
    for (; n > 0; c += size, n -= size) switch (c[0]) {
        case FLAT_MAP:
            size = 10;
            NEED(n >= size && c[1] >= 0 && c[1] < OP_CODES && c[2] >= 1 && inside(c[3], c[2], first, N));
            for (int i = 4; i < 10; i += 2)
                NEED((c[i + 1] == 0 || c[i + 1] == 1) && inside(c[i], c[i + 1] ? c[2] : 1, 0, N));
            break;
        case FLAT_NARY:
            NEED(n >= 4 && c[1] >= 0 && c[1] < NARY_CODES && c[2] >= (c[1] != NARY_SUM));
            size = 4 + (int64_t)c[2];
            NEED(n >= size && inside(c[3], 1, first, N) && all_inside(c + 4, c[2], 0, N));
            break;
        case FLAT_DOT:
            NEED(n >= 4 && c[1] >= 0);
            size = 4 + 2 * (int64_t)c[1];
            NEED(n >= size && inside(c[2], 1, first, N) && c[3] >= -1 && c[3] < N && all_inside(c + 4, size - 4, 0, N));
            break;
        case FLAT_GEMV:
            size = 9;
            NEED(n >= size && c[1] >= 1 && c[2] >= 1 && inside(c[3], c[1], first, N) && inside(c[4], c[2], 0, N));
            NEED(c[6] >= 0 && c[7] >= 0 && c[5] >= 0 && (c[8] == -1 || inside(c[8], c[1], 0, N)));
            NEED(c[5] + (c[1] - 1) * (int64_t)c[6] + (c[2] - 1) * (int64_t)c[7] < N);
            break;
        case FLAT_OUTER:
            size = 8;
            NEED(n >= size && c[1] >= 1 && c[2] >= 1 && c[3] >= first && c[4] >= 0 && c[5] >= 0);
            NEED(c[3] + (c[1] - 1) * (int64_t)c[4] + (c[2] - 1) * (int64_t)c[5] < N);
            NEED(inside(c[6], c[1], 0, N) && inside(c[7], c[2], 0, N));
            break;
        case FLAT_GATHER:
            NEED(n >= 3 && c[1] >= 0);
            size = 3 + (int64_t)c[1];
            NEED(n >= size && inside(c[2], c[1], first, N) && all_inside(c + 3, c[1], 0, N));
            break;
        case FLAT_PACK:
            NEED(n >= 4 && c[1] >= 1 && c[2] >= 1 && c[3] >= 0);
            size = 4 + (int64_t)c[1] * c[2];
            NEED(n >= size && all_inside(c + 4, size - 4, 0, N));
            NEED(c[3] + (c[1] + (int64_t)MAX_MR) * c[2] <= t->n_packed);
            break;
        default: return 0;
        }
    return n == 0;
}
static int valid_lanes(const Layout *t, const int32_t *c, int64_t n) {
    int64_t N = t->n_values, R = t->n_rows, first = t->n_inputs, size;
    for (; n > 0; c += size, n -= size) switch (c[0]) {
        case LANES_MAP: {
            NEED(n >= 3 && c[1] >= 0 && c[1] < OP_CODES && c[2] >= 1);
            int64_t width = op_arity[c[1]] + 1;
            size = 3 + width * c[2];
            NEED(n >= size);
            for (const int32_t *x = c + 3; x < c + size; x += width)
                NEED(inside(x[0], 1, first, R) && all_inside(x + 1, width - 1, -N, R));
            break;
        }
        case LANES_NARY:
            NEED(n >= 4 && c[1] >= 0 && c[1] < NARY_CODES && c[2] >= (c[1] != NARY_SUM));
            size = 4 + (int64_t)c[2];
            NEED(n >= size && inside(c[3], 1, first, R) && all_inside(c + 4, c[2], -N, R));
            break;
        case LANES_DOT:
            NEED(n >= 5 && c[1] >= 0);
            size = 5 + 2 * (int64_t)c[1];
            NEED(n >= size && inside(c[2], 1, first, R) && c[4] >= -N && c[4] < R && all_inside(c + 5, size - 5, -N, R));
            break;
        case LANES_GEMM: {
            NEED(n >= 4 && c[1] >= 1 && c[2] >= 1 && c[3] >= 0);
            int64_t J = c[1], K = c[2];
            size = 4 + K + 2 * J;
            NEED(n >= size && all_inside(c + 4, K, 0, R) && all_inside(c + 4 + K, J, first, R));
            NEED(all_inside(c + 4 + K + J, J, -1, N) && c[3] + (J + MAX_MR) * K <= t->n_packed);
            break;
        }
        case LANES_OUTER: {
            NEED(n >= 3 && c[1] >= 1 && c[2] >= 1);
            int64_t K = c[1], J = c[2];
            size = 3 + K + J + K * J;
            NEED(n >= size && all_inside(c + 3, K + J, 0, R) && all_inside(c + 3 + K + J, K * J, 0, t->n_results));
            break;
        }
        case LANES_SUM:
            NEED(n >= 2 && c[1] >= 0);
            size = 2 + 2 * (int64_t)c[1];
            NEED(n >= size);
            for (const int32_t *x = c + 2; x < c + size; x += 2)
                NEED(inside(x[0], 1, 0, R) && inside(x[1], 1, 0, t->n_results));
            break;
        default: return 0;
        }
    return n == 0;
}
static int valid(const Layout *t, const int32_t *flat, int64_t n_flat, const int32_t *lanes, int64_t n_lanes,
                 const int32_t *uniform) {
    NEED(t->n_parameters >= 0 && t->n_constants >= 0 && t->n_inputs >= 0 && t->n_packed >= 0 && t->n_results >= 0);
    NEED(t->n_rows >= 0 && t->n_uniform >= 0 && t->threads >= 1 && t->threads <= 64 && t->block >= 0);
    NEED(t->block <= 1 << 20 && t->set >= 0 && t->set < 8 && supported(t->set));
    NEED((int64_t)t->n_parameters + t->n_constants + (t->n_rows ? 0 : t->n_inputs) <= t->n_values);
    NEED(t->n_rows ? t->n_inputs <= t->n_rows : n_lanes == 0 && inside(t->results, t->n_results, 0, t->n_values));
    for (int32_t i = 0; i < t->n_uniform; i++)
        NEED(inside(uniform[2 * i], 1, 0, t->n_results) && inside(uniform[2 * i + 1], 1, 0, t->n_values));
    return valid_flat(t, flat, n_flat) && valid_lanes(t, lanes, n_lanes);
}

/* -- Threads: the blocks of a step are split among them; each sums on its own, and the sums are added in order -- */

typedef struct {
    const double *X;          /* sample i, input j at X[i * row + j * column] */
    int64_t row, column;
    const int32_t *order;     /* NULL: in the order of X */
    int64_t first, samples, blocks, per_block;
} Batch;

typedef struct Pool {
    Tape *tape;
    pid_t process;            /* threads do not survive a fork */
    pthread_mutex_t mutex;
    pthread_cond_t wake, ready;
    Batch batch;
    int64_t round, running;
    int stop, started;
    struct { struct Pool *pool; int part; pthread_t thread; } *workers;
} Pool;

static void run_part(Tape *t, const Batch *b, int part) {
    int64_t I = t->is.n_inputs, T = t->is.threads, width = t->kernels->width, ld = t->ld;
    double *L = t->L[part], *acc = t->acc + (int64_t)part * t->is.n_results;
    for (int64_t i = 0; i < t->is.n_results; i++) acc[i] = -0.0;
    for (int64_t k = b->blocks * part / T; k < b->blocks * (part + 1) / T; k++) {
        int64_t s0 = b->first + k * b->per_block, n = b->first + b->samples - s0;
        if (n > b->per_block) n = b->per_block;
        int64_t padded = (n + width - 1) / width * width;
        for (int64_t i = 0; i < I; i++) {
            double *row = L + i * ld;
            const double *x = b->X + i * b->column;
            for (int64_t s = 0; s < n; s++) row[s] = x[(b->order ? b->order[s0 + s] : s0 + s) * b->row];
            for (int64_t s = n; s < padded; s++) row[s] = row[n - 1]; /* not summed; a sample, so never slow */
        }
        t->kernels->lanes(t->lanes, t->n_lanes, t->U, t->packed, L, ld, n, acc);
    }
}
static void *work(void *argument) {
    __typeof__(((Pool *)0)->workers) me = argument;
    Pool *p = me->pool;
    int64_t done = 0;
    pthread_mutex_lock(&p->mutex);
    for (;;) {
        while (p->round == done && !p->stop) pthread_cond_wait(&p->wake, &p->mutex);
        if (p->stop) break;
        done = p->round;
        Batch batch = p->batch;
        pthread_mutex_unlock(&p->mutex);
        run_part(p->tape, &batch, me->part);
        pthread_mutex_lock(&p->mutex);
        if (--p->running == 0) pthread_cond_signal(&p->ready);
    }
    pthread_mutex_unlock(&p->mutex);
    return NULL;
}
static Pool *pool_new(Tape *t) {
    Pool *p = calloc(1, sizeof(Pool));
    if (!p) return NULL;
    p->tape = t;
    p->process = getpid();
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->ready, NULL);
    p->workers = calloc(t->is.threads, sizeof *p->workers);
    for (int i = 1; p->workers && i < t->is.threads; i++) {
        p->workers[i].pool = p;
        p->workers[i].part = i;
        if (pthread_create(&p->workers[i].thread, NULL, work, &p->workers[i])) break;
        p->started++;
    }
    return p;
}
static void pool_free(Pool *p) {
    if (!p) return;
    if (p->process == getpid()) {
        pthread_mutex_lock(&p->mutex);
        p->stop = 1;
        pthread_cond_broadcast(&p->wake);
        pthread_mutex_unlock(&p->mutex);
        for (int i = 1; i <= p->started; i++) pthread_join(p->workers[i].thread, NULL);
    }
    free(p->workers);
    free(p);
}

/* -- Tapes -- */

EXPORT void tape_free(Tape *t) {
    if (!t) return;
    pool_free(t->pool);
    if (t->L)
        for (int i = 0; i < t->is.threads; i++) free(t->L[i]);
    free(t->L), free(t->acc), free(t->packed), free(t->U), free(t->uniform), free(t->lanes), free(t->flat);
    free(t);
}
static void *copy_of(const void *p, size_t size) {
    void *q = malloc(size + 64);
    if (q && size) memcpy(q, p, size);
    return q;
}
static double *doubles(int64_t n) {
    void *p;
    if (posix_memalign(&p, 64, sizeof(double) * (n + 8))) return NULL;
    memset(p, 0, sizeof(double) * (n + 8));
    return p;
}
/* NULL where the tape is malformed (error 1) or memory lacks (error 2). */
EXPORT Tape *tape_new(const Layout *layout, const int32_t *flat, int64_t n_flat, const int32_t *lanes, int64_t n_lanes,
                      const int32_t *uniform, const double *constants, int32_t *error) {
    *error = 1;
    if (n_flat < 0 || n_lanes < 0 || !valid(layout, flat, n_flat, lanes, n_lanes, uniform)) return NULL;
    *error = 2;
    Tape *t = calloc(1, sizeof(Tape));
    if (!t) return NULL;
    t->is = *layout;
    t->kernels = supported(layout->set);
    t->flat = copy_of(flat, 4 * n_flat), t->n_flat = n_flat;
    t->lanes = copy_of(lanes, 4 * n_lanes), t->n_lanes = n_lanes;
    t->uniform = copy_of(uniform, 8 * (size_t)layout->n_uniform);
    int64_t block = layout->block, T = layout->threads;
    if (!block) {
        block = layout->n_rows ? 40000 / layout->n_rows : 1;
        block = block < 104 ? 104 : block > 256 ? 256 : block;
    }
    t->ld = (block + 7) / 8 * 8;
    if (t->ld / 8 % 2 == 0) t->ld += 8; /* an odd number of cache lines: rows do not compete for the same ones */
    t->is.block = block;
    t->U = doubles(layout->n_values);
    t->packed = doubles(layout->n_packed);
    t->acc = doubles(layout->n_results * T);
    t->L = calloc(T, sizeof(double *));
    int complete = t->flat && t->lanes && t->uniform && t->U && t->packed && t->acc && t->L;
    for (int i = 0; complete && i < T; i++) complete = (t->L[i] = doubles(layout->n_rows * t->ld)) != NULL;
    if (!complete) {
        tape_free(t);
        return NULL;
    }
    if (layout->n_constants) memcpy(t->U + layout->n_parameters, constants, sizeof(double) * layout->n_constants);
    if (T > 1 && layout->n_rows) t->pool = pool_new(t);
    *error = 0;
    return t;
}
EXPORT double *tape_parameters(Tape *t) { return t->U; }

/* Sums of the results over the samples of the batch. */
static const double *run(Tape *t, Batch *b) {
    int64_t R = t->is.n_results, T = t->is.threads;
    double *acc = t->acc;
    if (!t->is.n_rows) {
        int64_t I = t->is.n_inputs, inputs = (int64_t)t->is.n_parameters + t->is.n_constants;
        for (int64_t i = 0; i < R && b->samples != 1; i++) acc[i] = -0.0;
        for (int64_t s = 0; s < b->samples; s++) {
            const double *x = b->X + (b->order ? b->order[b->first + s] : b->first + s) * b->row;
            for (int64_t i = 0; i < I; i++) t->U[inputs + i] = x[i * b->column];
            t->kernels->flat(t->flat, t->n_flat, t->U, NULL);
            if (b->samples == 1) return t->U + t->is.results;
            for (int64_t r = 0; r < R; r++) acc[r] += t->U[t->is.results + r];
        }
        return acc;
    }
    t->kernels->flat(t->flat, t->n_flat, t->U, t->packed);
    int64_t width = t->kernels->width, blocks = (b->samples + t->is.block - 1) / t->is.block;
    if (blocks < T && b->samples >= 8 * T) blocks = T;
    blocks = (blocks + T - 1) / T * T;
    b->per_block = (b->samples + blocks - 1) / blocks;
    b->per_block = (b->per_block + width - 1) / width * width;
    if (b->per_block < width) b->per_block = width;
    if (b->per_block > t->ld) b->per_block = t->is.block;
    b->blocks = (b->samples + b->per_block - 1) / b->per_block;
    Pool *p = t->pool;
    if (p && p->process == getpid() && b->blocks >= T) {
        pthread_mutex_lock(&p->mutex);
        p->batch = *b;
        p->round++;
        p->running = p->started;
        pthread_cond_broadcast(&p->wake);
        pthread_mutex_unlock(&p->mutex);
        run_part(t, b, 0);
        for (int part = p->started + 1; part < T; part++) run_part(t, b, part);
        pthread_mutex_lock(&p->mutex);
        while (p->running) pthread_cond_wait(&p->ready, &p->mutex);
        pthread_mutex_unlock(&p->mutex);
    } else
        for (int part = 0; part < T; part++) run_part(t, b, part);
    for (int64_t part = 1; part < T; part++)
        for (int64_t r = 0; r < R; r++) acc[r] += acc[part * R + r];
    for (int32_t i = 0; i < t->is.n_uniform; i++)
        acc[t->uniform[2 * i]] = t->U[t->uniform[2 * i + 1]] * (double)b->samples;
    return acc;
}
EXPORT void tape_run(Tape *t, const double *X, int64_t row, int64_t column, int64_t samples, double *results) {
    Batch b = {X, row, column, NULL, 0, samples, 0, 0};
    memcpy(results, run(t, &b), sizeof(double) * t->is.n_results);
}

/* -- Training -- */

/* Python's own generator (random.getstate()), so that native and eager training draw the same order. */
static uint32_t random32(uint32_t *mt) {
    if (mt[624] >= 624) {
        for (int i = 0; i < 624; i++) {
            uint32_t y = (mt[i] & 0x80000000u) | (mt[(i + 1) % 624] & 0x7fffffffu);
            mt[i] = mt[(i + 397) % 624] ^ (y >> 1) ^ (y & 1 ? 0x9908b0dfu : 0);
        }
        mt[624] = 0;
    }
    uint32_t y = mt[mt[624]++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}
/* A permutation: the rows sorted by keys from random.random(), one each. The keys are spread evenly, so that each of as
 * many buckets as rows holds about one. */
static void permute(int32_t *order, int64_t n, uint32_t *mt, double *keys, int32_t *start) {
    memset(start, 0, sizeof(int32_t) * (n + 1));
    for (int64_t i = 0; i < n; i++) {
        uint32_t a = random32(mt) >> 5, b = random32(mt) >> 6;
        keys[i] = (a * 67108864.0 + b) * (1.0 / 9007199254740992.0);
        start[(int64_t)(keys[i] * (double)n) + 1]++;
    }
    for (int64_t i = 0; i < n; i++) start[i + 1] += start[i];
    for (int64_t i = 0; i < n; i++) order[start[(int64_t)(keys[i] * (double)n)]++] = (int32_t)i;
    for (int64_t i = 1; i < n; i++) {
        int32_t x = order[i];
        int64_t j = i;
        for (; j > 0 && keys[order[j - 1]] > keys[x]; j--) order[j] = order[j - 1];
        order[j] = x;
    }
}

typedef struct {
    Tape *tape;
    const double *X;
    int64_t row, column, samples, batch;
    int32_t *order;        /* room for a permutation of the samples, or NULL: never shuffled */
    uint32_t *generator;   /* 624 words of random.getstate() and the index of the next one */
    double *keys;          /* room for a double and an int32 a sample, and one more */
    const double *l2;      /* a coefficient a parameter, or NULL: adds l2/2 p^2 to what is minimised */
    double *before;        /* room for the parameters and the optimiser's state as they were before a step */
    int64_t n_trained;     /* the first parameters of the tape; their gradients are results 1, 2, ... */
    Optimizer optimizer;
    int64_t epoch, position; /* where training stands: whole epochs done, samples of this one done */
    double epoch_loss;     /* sum over the samples of this epoch so far */
    int64_t last_batch;    /* samples of the last step */
    const double *sums;    /* the results of the last step */
} Trainer;

enum { DONE, TIME_IS_UP, NOT_FINITE };

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
static void keep(double **states, double *p, double *before, int64_t n, int restore) {
    for (int i = 0; i < 4; i++) {
        double *x = i ? states[i - 1] : p, *y = before + i * n;
        if (x && restore) memcpy(x, y, sizeof(double) * n);
        else if (x) memcpy(y, x, sizeof(double) * n);
    }
}
/* Train until `epochs` are done, for about `seconds` at most, whole steps only; losses[k] is that of epoch k. A step whose
 * loss, gradient or new parameters are not finite is not taken. */
EXPORT int32_t tape_train(Trainer *r, int64_t epochs, double seconds, double *losses) {
    Tape *t = r->tape;
    int64_t steps = 0;
    double end = seconds_now() + seconds;
    double estimate = 1e-9 * (double)(t->n_flat + t->n_lanes) * (double)r->batch + 1e-7;
    int64_t between = estimate > 1e-4 ? 1 : (int64_t)(1e-4 / estimate); /* looking at the clock costs 30 ns */
    double *states[3] = {r->optimizer.s0, r->optimizer.s1, r->optimizer.s2};
    while (r->epoch < epochs) {
        if (r->position == 0) {
            /* Here, and not below: an epoch that has its order must take a step, or it would be drawn again. */
            if (steps && steps % between == 0 && seconds_now() > end) return TIME_IS_UP;
            r->epoch_loss = 0.0;
            if (r->order) permute(r->order, r->samples, r->generator, r->keys, (int32_t *)(r->keys + r->samples));
        }
        while (r->position < r->samples) {
            if (r->position && steps && steps % between == 0 && seconds_now() > end) return TIME_IS_UP;
            int64_t n = r->samples - r->position < r->batch ? r->samples - r->position : r->batch;
            Batch b = {r->X, r->row, r->column, r->order, r->position, n, 0, 0};
            const double *results = run(t, &b);
            double loss = results[0] / (double)n;
            keep(states, t->U, r->before, r->n_trained, 0);
            r->sums = NULL; /* what it pointed to is overwritten by now */
            if (!isfinite(loss)) return NOT_FINITE;
            if (!t->kernels->update(&r->optimizer, r->n_trained, t->U, results + 1, r->l2, 1.0 / (double)n)) {
                keep(states, t->U, r->before, r->n_trained, 1);
                r->optimizer.step--;
                return NOT_FINITE;
            }
            r->sums = results;
            r->last_batch = n;
            r->epoch_loss += loss * (double)n;
            r->position += n;
            steps++;
        }
        losses[r->epoch] = r->epoch_loss / (double)r->samples;
        r->epoch++;
        r->position = 0;
    }
    return DONE;
}
/* The gradient of the last step, penalty included; only where sums is not NULL. */
EXPORT void tape_gradient(Trainer *r, double *g) {
    for (int64_t i = 0; i < r->n_trained; i++)
        g[i] = r->sums[1 + i] / (double)r->last_batch + (r->l2 ? r->l2[i] * r->before[i] : 0.0);
}
#endif
