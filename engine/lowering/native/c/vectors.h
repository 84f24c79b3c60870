/* A vector of W doubles, as wide as the instruction set has them, and what is done with one. */
#pragma once
#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#if defined(__AVX512F__)
#define W 8
#define MR 8 /* outputs of a tile of a blocked product */
#define NR 3 /* vectors of samples of a tile */
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
#ifndef NR
#define NR 2
#endif
#define CHUNK 48  /* outputs whose weights stay in the cache while the samples of a block pass; or fewer */

typedef double V __attribute__((vector_size(8 * W)));
typedef int64_t M __attribute__((vector_size(8 * W)));
typedef uint64_t Bits __attribute__((vector_size(8 * W)));
#define TURNED (NR * W) /* inputs of a tile of an outer product */
typedef double VU __attribute__((vector_size(8 * W), aligned(8), may_alias));
/* Before a loop over vectors whose count is known when the code is: once unrolled, they live in registers. Clang (14) takes
 * a number of rounds as something for later, when arrays are no longer turned into registers: a quarter of the speed. TWICE:
 * two rounds at a time, so that a product takes fewer instructions beside its arithmetic; felt where threads share a core. */
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#define TWICE /* which gains nothing there */
#else
#define UNROLL _Pragma("GCC unroll 16")
#define TWICE _Pragma("GCC unroll 2")
#endif
#define INLINE static inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))
#define LIKELY(x) __builtin_expect(!!(x), 1)

INLINE V load(const double *p) { return (V) * (const VU *)p; }
INLINE void store(double *p, V x) { *(VU *)p = (VU)x; }
INLINE V splat(double x) { return x - (V){}; }
/* The first n of a vector, 0 < n <= W, the others being those of `rest`; and these alone into memory. */
INLINE V load_first(const double *p, int64_t n, V rest) {
#if defined(__AVX512F__)
    return (V)_mm512_mask_loadu_pd((__m512d)rest, (__mmask8)((1u << n) - 1), p);
#elif defined(__AVX2__)
    M wanted = (M){0, 1, 2, 3} < n;
    return (V)_mm256_blendv_pd((__m256d)rest, _mm256_maskload_pd(p, (__m256i)wanted), (__m256d)wanted);
#else
    return n == W ? load(p) : (V){p[0], rest[1]};
#endif
}
INLINE V load_some(const double *p, int64_t n) {
#if defined(__AVX512F__)
    return (V)_mm512_maskz_loadu_pd((__mmask8)((1u << n) - 1), p);
#elif defined(__AVX2__)
    return (V)_mm256_maskload_pd(p, (__m256i)((M){0, 1, 2, 3} < n));
#else
    return load_first(p, n, (V){});
#endif
}
INLINE void store_some(double *p, V x, int64_t n) {
#if defined(__AVX512F__)
    _mm512_mask_storeu_pd(p, (__mmask8)((1u << n) - 1), (__m512d)x);
#elif defined(__AVX2__)
    _mm256_maskstore_pd(p, (__m256i)((M){0, 1, 2, 3} < n), (__m256d)x);
#else
    if (n == W) store(p, x);
    else p[0] = x[0];
#endif
}
/* The same where n is mostly W: a masked load takes several times as long, and what is stored behind a mask cannot be read
 * again at once. */
INLINE V load_n(const double *p, int64_t n) { return n == W ? load(p) : load_some(p, n); }
INLINE void store_n(double *p, V x, int64_t n) {
    if (n == W) store(p, x);
    else store_some(p, x, n);
}
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
/* The square root of 0 and of numbers from 1e-290 to 1e290, to an ulp; of those between, something below 1e-140. By Newton's
 * steps where that is faster, unless the divider is asked for. */
INLINE V root(V a, int by_divider) {
#if defined(__AVX512F__)
    if (by_divider) return sqrt_(a);
    V r = (V)_mm512_rsqrt14_pd(_mm512_max_pd((__m512d)a, (__m512d)splat(1e-290)));
    V y = a * r, h = 0.5 * r, error = fma_(-h, y, splat(0.5));
    y = fma_(y, error, y), h = fma_(h, error, h); /* to 28 bits */
    return fma_(fma_(-y, y, a), h, y);
#else
    return sqrt_(a);
#endif
}
/* The sum of a[0] to a[W - 1], numbers or vectors, always in this order: the same sum has the same bits. */
#if W == 8
#define SUM_OF(a) ((((a)[0] + (a)[1]) + ((a)[2] + (a)[3])) + (((a)[4] + (a)[5]) + ((a)[6] + (a)[7])))
#elif W == 4
#define SUM_OF(a) (((a)[0] + (a)[1]) + ((a)[2] + (a)[3]))
#else
#define SUM_OF(a) ((a)[0] + (a)[1])
#endif
INLINE double hsum(V a) { return SUM_OF(a); }
/* The larger of two magnitudes, as bits; with AVX2 and SSE2 their lower halves may come from either: it is some 1e-6 off at
 * most. */
INLINE M larger(M a, M b) {
#if defined(__AVX512F__)
    return (M)_mm512_max_epi64((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
    return (M)_mm256_max_epi32((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
    return (M)select_((M)_mm_shuffle_epi32(_mm_cmpgt_epi32((__m128i)a, (__m128i)b), 0xf5), (V)a, (V)b); /* upper halves */
#else
    return (M)select_(a > b, (V)a, (V)b);
#endif
}
/* Where a magnitude lies above the limit, or is nan; and whether it does anywhere; and one of two by the sign of a. */
INLINE M where_beyond(V magnitude, double limit) {
#if defined(__AVX2__) && !defined(__AVX512F__)
    return (M)_mm256_cmp_pd((__m256d)magnitude, (__m256d)splat(limit), _CMP_NLE_UQ);
#else
    return ~(magnitude <= limit);
#endif
}
INLINE int beyond(V magnitude, double limit) {
#if defined(__AVX512F__)
    return _mm512_cmp_pd_mask((__m512d)magnitude, (__m512d)splat(limit), _CMP_NLE_UQ) != 0;
#else
    return any(where_beyond(magnitude, limit));
#endif
}
INLINE V by_sign(V a, V negative, V positive) {
#if defined(__AVX2__)
    return select_((M)a, negative, positive); /* which looks at the sign alone */
#else
    return select_((M)a < 0, negative, positive);
#endif
}
INLINE V abs_(V a) { return (V)((M)a & INT64_MAX); }
INLINE V zero_(void) { return (V){}; }
INLINE V one_(void) { return splat(1.0); }
INLINE V max_(V a, V b) { return select_((a >= b) | (a != a), a, b); }
INLINE V min_(V a, V b) { return select_((a <= b) | (a != a), a, b); }
/* How many of n things to take now, at most `most` at a time, in portions as even as can be. */
INLINE int64_t portion(int64_t n, int64_t most) {
    int64_t parts = (n + most - 1) / most, spare = parts * most - n;
    return spare < parts ? most : most - spare / parts; /* mostly without the division, which a tile would wait for */
}
