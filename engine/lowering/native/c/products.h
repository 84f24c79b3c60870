/* Blocked products: the weighted inputs of a layer (and their transposed counterpart in the backward pass), and the outer
 * products of its gradient, over a block of samples. Rows of L hold one value for all samples of the block. */
#pragma once
#include "kernels.h"
#include "optimizers.h"
#include "transpose.h"

/* A tile: m outputs by r vectors of samples, over all inputs. Weight (q, k) lies at w[q * so + k * si]. */
INLINE void gemm_tile(const int m, const int r, int64_t K, const double *w, int64_t so, int64_t si, const int32_t *in,
                      const int32_t *out, const int32_t *bias, const double *U, double *L, int64_t ld) {
    V s[MR][4]; /* of fixed size, of which m by r are used: once unrolled, they live in registers */
    const double *weight[MR];
    UNROLL for (int q = 0; q < m; q++) {
        weight[q] = w + q * so;
        double b = bias[q] < 0 ? 0.0 : U[bias[q]];
        UNROLL for (int t = 0; t < r; t++) s[q][t] = splat(b);
    }
    TWICE for (int64_t k = 0; k < K; k++) {
        const double *row = L + in[k] * ld;
        V a[4];
        UNROLL for (int t = 0; t < r; t++) a[t] = load(row + t * W);
        UNROLL for (int q = 0; q < m; q++) {
            V x = splat(weight[q][k * si]);
            UNROLL for (int t = 0; t < r; t++) s[q][t] = fma_(x, a[t], s[q][t]);
        }
    }
    UNROLL for (int q = 0; q < m; q++) {
        double *row = L + out[q] * ld;
        UNROLL for (int t = 0; t < r; t++) store(row + t * W, s[q][t]);
    }
}
#define GEMM_CASE(m)                                                                  \
    case m:                                                                           \
        if (r == 3 && NR >= 3) gemm_tile(m, 3, K, w, so, si, in, out, bias, U, L, ld); \
        else if (r == 2) gemm_tile(m, 2, K, w, so, si, in, out, bias, U, L, ld);      \
        else gemm_tile(m, 1, K, w, so, si, in, out, bias, U, L, ld);                  \
        break;
static void gemm_any(int64_t m, int64_t r, int64_t K, const double *w, int64_t so, int64_t si, const int32_t *in,
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
/* out[j] = bias[j] + sum over k of w[j, k] in[k] */
static const int32_t *lanes_gemm(const int32_t *c, const double *U, double *L, int64_t ld, int64_t samples) {
    int64_t nv = (samples + W - 1) / W;
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
                gemm_any(m, r, K, w + j * so, so, si, in, out + j, bias + j, U, L + v * W, ld);
            }
        }
    }
    return bias + J;
}

/* Outer products, summed over the samples: acc[k, j] += sum of A[k] D[j]. There are two ways to do it. Along the samples,
 * each sum ends with an addition across a vector, which many samples are worth. Along the inputs k, the samples pass one
 * by one, and A is turned first so that a sample's inputs lie side by side. */

enum { OUTER = 12, OUTER_ROOM = (OUTER + W - 1) / W * W }; /* sums of a tile at most */
/* The sums of rows A times r rows D, that of row q and row t being number q + t * m. Of m rows A there may be `rows` only,
 * and then the others are computed for nothing. */
INLINE void outer_tile(const int m, const int r, int64_t rows, const int32_t *ra, const int32_t *rd, double *sums,
                       const double *L, int64_t ld, int64_t full, M mask) {
    const double *A[OUTER], *D[3];
    V s[OUTER_ROOM] = {};
    UNROLL for (int q = 0; q < m; q++) A[q] = L + ra[q < rows ? q : 0] * ld;
    UNROLL for (int t = 0; t < r; t++) D[t] = L + rd[t] * ld;
    UNROLL for (int i = 0; i < m * r; i++) s[i] = splat(-0.0); /* as in sum_rows */
    int64_t o = 0;
    for (; o < full; o += W) {
        V d[3];
        UNROLL for (int t = 0; t < r; t++) d[t] = load(D[t] + o);
        UNROLL for (int q = 0; q < m; q++) {
            V a = load(A[q] + o);
            UNROLL for (int t = 0; t < r; t++) s[q + t * m] = fma_(a, d[t], s[q + t * m]);
        }
    }
    if (any(mask)) {
        UNROLL for (int q = 0; q < m; q++) {
            V a = load(A[q] + o);
            UNROLL for (int t = 0; t < r; t++) s[q + t * m] = select_(mask, fma_(a, load(D[t] + o), s[q + t * m]), s[q + t * m]);
        }
    }
    UNROLL for (int i = 0; i < m * r; i += W) store(sums + i, sums_across(s + i));
}
/* Where the sums go: target + k * sk + j * sj, or a place each; or straight into an update of the parameters. */
typedef struct {
    double *acc;
    int64_t sk, sj, J;
    const int32_t *places; /* [k][j], or NULL */
    const Rates *rates;    /* or NULL; then number `at` + k + j * sj is updated */
    int64_t at;
} Sums;
INLINE double *place_of(const Sums *t, int64_t k, int64_t j) {
    return t->places ? t->acc + t->places[k * t->J + j] : t->acc + k * t->sk + j * t->sj;
}
#define OUTER_CASE(m)                                                               \
    case m:                                                                         \
        if (r == 3) outer_tile(m, 3, m, A + k, D + j, sums, L, ld, full, mask);     \
        else if (r == 2) outer_tile(m, 2, m, A + k, D + j, sums, L, ld, full, mask); \
        else outer_tile(m, 1, m, A + k, D + j, sums, L, ld, full, mask);            \
        break;
static void outer_along_samples(int64_t K, int64_t J, const int32_t *A, const int32_t *D, const Sums *to,
                                const double *L, int64_t ld, int64_t full, M mask) {
    double sums[OUTER_ROOM] __attribute__((aligned(64)));
    for (int64_t k = 0, m; J == 1 && k < K; k += m) {
        m = portion(K - k, OUTER);
        outer_tile(OUTER, 1, m, A + k, D, sums, L, ld, full, mask);
        for (int64_t q = 0; q < m; q++) *place_of(to, k + q, 0) += sums[q];
    }
    for (int64_t j0 = 0; J > 1 && j0 < J; j0 += 24) /* rows that stay in the first-level cache while all of A pass */
        for (int64_t k = 0, m; k < K; k += m) {
            m = portion(K - k, 4);
            for (int64_t j = j0, r, end = j0 + 24 < J ? j0 + 24 : J; j < end; j += r) {
                r = portion(end - j, 3);
                switch (m) { OUTER_CASE(1) OUTER_CASE(2) OUTER_CASE(3) OUTER_CASE(4) }
                for (int64_t t = 0; t < r; t++)
                    for (int64_t q = 0; q < m; q++) *place_of(to, k + q, j + t) += sums[q + t * m];
            }
        }
}

/* A tile: m rows d by r vectors of inputs, summed over n samples into g, a row every `step`. Or, with a rate, at once taken
 * from the parameters g. Of the last vector there are `left`. All rows are loaded before any is stored: behind a masked
 * store the next row's load would have to wait. */
INLINE void rank_tile(const int m, const int r, int64_t n, const double *T, const int32_t *rd, const double *L,
                      int64_t ld, double *g, const double *rate, int64_t step, int64_t left) {
    V s[MR][NR];
    const double *D[MR];
    UNROLL for (int q = 0; q < m; q++) {
        D[q] = L + rd[q] * ld;
        UNROLL for (int t = 0; t < r; t++) s[q][t] = splat(-0.0);
    }
    TWICE for (int64_t i = 0; i < n; i++, T += r * W) {
        V a[NR];
        UNROLL for (int t = 0; t < r; t++) a[t] = load(T + t * W);
        UNROLL for (int q = 0; q < m; q++) {
            V d = splat(D[q][i]);
            UNROLL for (int t = 0; t < r; t++) s[q][t] = fma_(d, a[t], s[q][t]);
        }
    }
    double by = rate ? *rate : 0.0;
    if (rate) UNROLL for (int q = 0; q < m; q++) {
        const double *x = g + q * step, *last = x + (r - 1) * W;
        UNROLL for (int t = 0; t < r - 1; t++) s[q][t] = load(x + t * W) - by * s[q][t];
        s[q][r - 1] = load_n(last, left) - by * s[q][r - 1];
    }
    UNROLL for (int q = 0; q < m; q++) {
        double *x = g + q * step, *last = x + (r - 1) * W;
        UNROLL for (int t = 0; t < r - 1; t++) store(x + t * W, s[q][t]);
        store_n(last, s[q][r - 1], left);
    }
}
#define RANK_CASE(m)                                                                    \
    case m:                                                                             \
        if (r == 3 && NR >= 3) rank_tile(m, NR, n, T, rd, L, ld, g, rate, step, left);  \
        else if (r == 2) rank_tile(m, 2, n, T, rd, L, ld, g, rate, step, left);         \
        else rank_tile(m, 1, n, T, rd, L, ld, g, rate, step, left);                     \
        break;
static __attribute__((noinline)) void rank_any(int64_t m, int64_t r, int64_t n, const double *T, const int32_t *rd,
                                               const double *L, int64_t ld, double *g, const double *rate, int64_t step,
                                               int64_t left) {
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
/* Into rows of sums, where to->sk is 1, or into parameters. With AVX-512, an update of many operations takes the sums of m
 * whole rows, or of long pieces of them, at a time: of tile after tile, its state would come too late from the second-level
 * cache. With less it waits for the divider, beside which the products of the next tile are computed. */
static void outer_along_inputs(int64_t K, int64_t J, const int32_t *A, const int32_t *D, const Sums *to,
                               const double *L, int64_t ld, int64_t n, double *T) {
    enum { LONG = 24 }; /* vectors of a piece */
    enum { PANELS = W == 8 ? SCRATCH_MORE / 2 : SCRATCH_MORE }; /* with AVX-512 read faster than a cache brings them */
    double g[MR * LONG * W] __attribute__((aligned(64)));
    const Rates *u = to->rates;
    double *plain = u ? (u->kind == 0 ? u->p + to->at : NULL) : to->acc, rate = u ? u->rate : -1.0;
    int64_t vectors = (K + W - 1) / W, room = PANELS / ((n + W) * W);
    if (room < NR) room = NR;
    if (room > LONG && !plain) room = LONG;
    for (int64_t v0 = 0, v1; v0 < vectors; v0 = v1) { /* inputs that stay in the cache while all of D pass */
        v1 = v0 + portion(vectors - v0, room);
        int64_t k0 = v0 * W, whole = W == 8 && K == to->sj && !v0 && v1 == vectors; /* rows, which are one run of parameters */
        int64_t step = plain ? to->sj : whole ? K : (v1 - v0) * W;
        double *panel = T;
        for (int64_t v = v0, r; v < v1; v += r, panel += (n + W) * r * W) { /* sample by sample, the inputs side by side */
            r = portion(v1 - v, NR);
            turn_rows(K - v * W < r * W ? K - v * W : r * W, n, A + v * W, L, ld, panel, r * W);
        }
        for (int64_t j = 0, m; j < J; j += m) {
            m = portion(J - j, MR);
            panel = T;
            for (int64_t v = v0, r; v < v1; v += r, panel += (n + W) * r * W) {
                r = portion(v1 - v, NR);
                int64_t k = v * W, end = K < k + r * W ? K : k + r * W, left = plain || whole ? end - k - (r - 1) * W : W;
                double *to_tile = plain ? plain + k + j * step : g + k - k0;
                rank_any(m, r, n, panel, D + j, L, ld, to_tile, plain ? &rate : NULL, step, left);
                if (plain || (W == 8 && v + r < v1)) continue;
                int64_t from = W == 8 ? k0 : k;
                if (whole) update_run(u, to->at + j * K, m * K, g);
                else update_rows(u, to->at + from + j * to->sj, to->sj, m, end - from, g + from - k0, step, NULL);
            }
        }
    }
}
/* The outer product of instruction c as an update of the parameters: result r belongs to parameter r - 1. Part number
 * `part` of `parts` of it. */
static void outer_descend(const int32_t *c, int64_t part, int64_t parts, const Rates *u, const double *L, int64_t ld,
                          int64_t samples, double *T) {
    int64_t K = c[1], J = c[2], j0 = J * part / parts, j1 = J * (part + 1) / parts;
    Sums to = {NULL, 1, c[5], J, NULL, u, c[3] - 1 + j0 * c[5]};
    outer_along_inputs(K, j1 - j0, c + 6, c + 6 + K + j0, &to, L, ld, samples, T);
}
static const int32_t *lanes_outer(const int32_t *c, const double *L, int64_t ld, int64_t samples, int64_t full, M mask,
                                  double *acc, double *T) {
    int64_t K = c[1], J = c[2];
    const int32_t *A = c + 6, *D = A + K, *end = D + J;
    Sums to = {acc, c[4], c[5], J, NULL, NULL, 0};
    if (c[3] < 0) to.places = end, end += K * J;
    else to.acc += c[3];
    /* Cycles, roughly. */
    double along_samples = (double)(K * J) * ((double)((samples + W - 1) / W) * (W == 8 ? 0.75 : 0.5) + 0.4 * W);
    double along_inputs = (double)samples * ((double)((K + W - 1) / W * J) * 0.55 + (double)K * 0.4);
    if (to.places || to.sk != 1 || along_samples <= along_inputs)
        outer_along_samples(K, J, A, D, &to, L, ld, full, mask);
    else outer_along_inputs(K, J, A, D, &to, L, ld, samples, T);
    return end;
}
