/* Blocked products: the weighted inputs of a layer (and their transposed counterpart in the backward pass), and the outer
 * products of its gradient, over a block of samples. Rows of L hold one value for all samples of the block. */
#pragma once
#include "kernels.h"
#include "transpose.h"

/* A tile: m outputs by r vectors of samples, over all inputs. Weight (q, k) lies at w[q * so + k * si]. */
INLINE void gemm_tile(const int m, const int r, int64_t K, const double *w, int64_t so, int64_t si, const int32_t *in,
                      const int32_t *out, const int32_t *bias, const double *U, double *L, int64_t ld) {
    V s[MR][4]; /* of fixed size, of which m by r are used: once unrolled, they live in registers */
    const double *weight[MR];
#pragma GCC unroll 8
    for (int q = 0; q < m; q++) {
        weight[q] = w + q * so;
#pragma GCC unroll 8
        for (int t = 0; t < r; t++) s[q][t] = bias[q] < 0 ? zero_() : splat(U[bias[q]]);
    }
    for (int64_t k = 0, o = 0; k < K; k++, o += si) {
        const double *row = L + in[k] * ld;
        V a[4];
#pragma GCC unroll 8
        for (int t = 0; t < r; t++) a[t] = load(row + t * W);
#pragma GCC unroll 8
        for (int q = 0; q < m; q++) {
            V x = splat(weight[q][o]);
#pragma GCC unroll 8
            for (int t = 0; t < r; t++) s[q][t] = fma_(x, a[t], s[q][t]);
        }
    }
#pragma GCC unroll 8
    for (int q = 0; q < m; q++)
#pragma GCC unroll 8
        for (int t = 0; t < r; t++) store(L + out[q] * ld + t * W, s[q][t]);
}
#define GEMM_CASE(m)                                                            \
    case m:                                                                     \
        if (r == 3 && NR >= 3) gemm_tile(m, 3, K, w, so, si, in, out, bias, U, L, ld); \
        else if (r == 2) gemm_tile(m, 2, K, w, so, si, in, out, bias, U, L, ld);       \
        else gemm_tile(m, 1, K, w, so, si, in, out, bias, U, L, ld);                   \
        break;
static void gemm_any(int64_t m, int r, int64_t K, const double *w, int64_t so, int64_t si, const int32_t *in,
                     const int32_t *out, const int32_t *bias, const double *U, double *L, int64_t ld) {
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
/* How many of n things to take now, at most `most` at a time, in portions as even as can be. */
INLINE int64_t portion(int64_t n, int64_t most) {
    int64_t parts = (n + most - 1) / most;
    return (n + parts - 1) / parts;
}
/* out[j] = bias[j] + sum over k of w[j, k] in[k] */
static const int32_t *lanes_gemm(const int32_t *c, const double *U, double *L, int64_t ld, int64_t nv) {
    int64_t J = c[1], K = c[2], so = c[4], si = c[5];
    const double *w = U + c[3];
    const int32_t *in = c + 6, *out = in + K, *bias = out + J;
    if (J <= 2) { /* few outputs: more samples at a time hide the latency of the additions */
        int64_t v = 0;
        for (; v + 4 <= nv; v += 4)
            if (J == 1) gemm_tile(1, 4, K, w, so, si, in, out, bias, U, L + v * W, ld);
            else gemm_tile(2, 4, K, w, so, si, in, out, bias, U, L + v * W, ld);
        for (; v < nv; v++) gemm_any(J, 1, K, w, so, si, in, out, bias, U, L + v * W, ld);
        return bias + J;
    }
    for (int64_t j0 = 0, j1; j0 < J; j0 = j1) { /* weights that stay in the cache while the samples pass */
        j1 = j0 + portion(J - j0, CHUNK);
        for (int64_t v = 0, r; v < nv; v += r) {
            r = portion(nv - v, NR);
            for (int64_t j = j0, m; j < j1; j += m) {
                m = portion(j1 - j, MR);
                gemm_any(m, (int)r, K, w + j * so, so, si, in, out + j, bias + j, U, L + v * W, ld);
            }
        }
    }
    return bias + J;
}

/* Outer products, summed over the samples: acc[k, j] += sum of A[k] D[j]. There are two ways to do it. Along the samples,
 * each sum ends with an addition across a vector, which many samples are worth. Along the inputs k, the samples pass one
 * by one, and A is turned first so that a sample's inputs lie side by side. */

INLINE void outer_tile(const int m, const int r, const int32_t *ra, const int32_t *rd, V (*s)[3], const double *L,
                       int64_t ld, int64_t full, M mask) {
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
}
/* Where the sums go: target + k * sk + j * sj, or a place each. */
typedef struct {
    double *acc;
    int64_t sk, sj, J;
    const int32_t *places; /* [k][j], or NULL */
} Sums;
INLINE double *place_of(const Sums *t, int64_t k, int64_t j) {
    return t->places ? t->acc + t->places[k * t->J + j] : t->acc + k * t->sk + j * t->sj;
}
#define OUTER_TILE(m, r)                                                           \
    do {                                                                           \
        V s[4][3];                                                                 \
        outer_tile(m, r, A + k, D + j, s, L, ld, full, mask);                      \
        for (int q = 0; q < m; q++)                                                \
            for (int t = 0; t < r; t++) *place_of(to, k + q, j + t) += hsum(s[q][t]); \
    } while (0)
#define OUTER_CASE(m)                     \
    case m:                               \
        if (r == 3) OUTER_TILE(m, 3);     \
        else if (r == 2) OUTER_TILE(m, 2); \
        else OUTER_TILE(m, 1);            \
        break;
static void outer_along_samples(int64_t K, int64_t J, const int32_t *A, const int32_t *D, const Sums *to,
                                const double *L, int64_t ld, int64_t full, M mask) {
    for (int64_t j0 = 0; j0 < J; j0 += 24) /* rows that stay in the first-level cache while all of A pass */
        for (int64_t k = 0, m; k < K; k += m) {
            m = portion(K - k, 4);
            for (int64_t j = j0, r, end = j0 + 24 < J ? j0 + 24 : J; j < end; j += r) {
                r = portion(end - j, 3);
                switch (m) { OUTER_CASE(1) OUTER_CASE(2) OUTER_CASE(3) OUTER_CASE(4) }
            }
        }
}

#define TURNED 3 /* vectors of inputs of a tile along the inputs */
INLINE void rank_tile(const int m, const int r, int64_t n, const double *T, const int32_t *rd, const double *L,
                      int64_t ld, V (*s)[TURNED]) {
    const double *D[MR];
#pragma GCC unroll 8
    for (int q = 0; q < m; q++) {
        D[q] = L + rd[q] * ld;
#pragma GCC unroll 8
        for (int t = 0; t < r; t++) s[q][t] = splat(-0.0);
    }
    for (int64_t i = 0; i < n; i++, T += TURNED * W) {
        V a[TURNED];
#pragma GCC unroll 8
        for (int t = 0; t < r; t++) a[t] = load(T + t * W);
#pragma GCC unroll 8
        for (int q = 0; q < m; q++) {
            V d = splat(D[q][i]);
#pragma GCC unroll 8
            for (int t = 0; t < r; t++) s[q][t] = fma_(d, a[t], s[q][t]);
        }
    }
}
#define RANK_TILE(m, r)                                                                   \
    do {                                                                                  \
        V s[MR][TURNED];                                                                  \
        rank_tile(m, r, n, T, D + j, L, ld, s);                                           \
        for (int q = 0; q < m; q++)                                                       \
            for (int t = 0; t < r; t++) add_run(to, k0 + t * W, j + q, K - k0 - t * W, s[q][t]); \
    } while (0)
#define RANK_CASE(m)                     \
    case m:                              \
        if (r == 3 && NR >= 3) RANK_TILE(m, 3);     \
        else if (r == 2) RANK_TILE(m, 2); \
        else RANK_TILE(m, 1);            \
        break;
/* Add a vector of sums for k, k + 1, ..., of which `left` are wanted. */
INLINE void add_run(const Sums *to, int64_t k, int64_t j, int64_t left, V s) {
    double *p = to->acc + k * to->sk + j * to->sj;
    if (left >= W && !to->places && to->sk == 1) store(p, load(p) + s);
    else
        for (int64_t i = 0; i < left && i < W; i++) *place_of(to, k + i, j) += s[i];
}
static void outer_along_inputs(int64_t K, int64_t J, const int32_t *A, const int32_t *D, const Sums *to,
                               const double *L, int64_t ld, int64_t n, double *T) {
    int64_t step = W * (NR >= 3 ? 3 : 2);
    for (int64_t k0 = 0; k0 < K; k0 += step) {
        int r = (int)((K - k0 < step ? K - k0 : step) + W - 1) / W;
        turn_rows(K - k0 < step ? K - k0 : step, n, A + k0, L, ld, T, TURNED * W);
        for (int64_t j = 0, m; j < J; j += m) {
            m = portion(J - j, MR);
            switch (m) {
                RANK_CASE(1) RANK_CASE(2) RANK_CASE(3) RANK_CASE(4)
#if MR > 4
                RANK_CASE(5) RANK_CASE(6)
#endif
#if MR > 6
                RANK_CASE(7) RANK_CASE(8)
#endif
            }
        }
    }
}
/* A rough count of cycles of outer_along_inputs. */
INLINE double turned_cost(int64_t K, int64_t J, int64_t n) {
    return (double)n * ((double)((K + W - 1) / W) * (double)J + (double)K * 0.7);
}
static const int32_t *lanes_outer(const int32_t *c, const double *L, int64_t ld, int64_t samples, int64_t full, M mask,
                                  double *acc, double *T) {
    int64_t K = c[1], J = c[2];
    const int32_t *A = c + 6, *D = A + K, *end = D + J;
    Sums to = {acc, c[4], c[5], J, NULL};
    if (c[3] < 0) to.places = end, end += K * J;
    else to.acc += c[3];
    double along_samples = (double)(K * J) * ((double)((samples + W - 1) / W) * 1.1 + 4.0);
    double k_turned = turned_cost(K, J, samples), j_turned = turned_cost(J, K, samples);
    if (to.places || (along_samples <= k_turned && along_samples <= j_turned))
        outer_along_samples(K, J, A, D, &to, L, ld, full, mask);
    else if (k_turned <= j_turned) outer_along_inputs(K, J, A, D, &to, L, ld, samples, T);
    else {
        Sums turned = {to.acc, to.sj, to.sk, K, NULL};
        outer_along_inputs(J, K, D, A, &turned, L, ld, samples, T);
    }
    return end;
}
