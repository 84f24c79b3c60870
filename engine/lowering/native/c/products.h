/* Blocked products: the weighted inputs of a layer (and their transposed counterpart in the backward pass), and the outer
 * products of its gradient, over a block of samples. Rows of L hold one value for all samples of the block. */
#pragma once
#include "kernels.h"
#include "optimizers.h"
#include "transpose.h"

/* A tile: m outputs by r vectors of samples, over all inputs. Weight (q, k) lies at w[q * so + k * si]. With half, only
 * half of the last vector holds samples: with AVX-512, half of it is computed then, in half the time. */
INLINE void gemm_tile(const int m, const int r, const int half, int64_t K, const double *w, int64_t so, int64_t si,
                      const int32_t *in, const int32_t *out, const int32_t *bias, const double *U, double *L,
                      int64_t ld) {
    V s[MR][4]; /* of fixed size, of which m by r are used: once unrolled, they live in registers */
    const int whole = r - half;
    Half h[MR];
    const double *weight[MR];
    UNROLL for (int q = 0; q < m; q++) {
        weight[q] = w + q * so;
        double b = bias[q] < 0 ? 0.0 : U[bias[q]];
        UNROLL for (int t = 0; t < whole; t++) s[q][t] = splat(b);
        if (half) h[q] = b - (Half){};
    }
    for (int64_t k = 0, o = 0; k < K; k++, o += si) {
        const double *row = L + in[k] * ld;
        V a[4];
        Half last;
        UNROLL for (int t = 0; t < whole; t++) a[t] = load(row + t * W);
        if (half) memcpy(&last, row + whole * W, sizeof last);
        UNROLL for (int q = 0; q < m; q++) {
            V x = splat(weight[q][o]);
            UNROLL for (int t = 0; t < whole; t++) s[q][t] = fma_(x, a[t], s[q][t]);
            if (half) h[q] = fma_half(x, last, h[q]);
        }
    }
    UNROLL for (int q = 0; q < m; q++) {
        double *row = L + out[q] * ld;
        UNROLL for (int t = 0; t < whole; t++) store(row + t * W, s[q][t]);
        if (half) store(row + whole * W, twice(h[q])); /* samples again, so that nothing unusual lies behind them */
    }
}
#define GEMM_CASE(m)                                                                            \
    case m:                                                                                     \
        if (r == 3 && NR >= 3 && half) gemm_tile(m, 3, 1, K, w, so, si, in, out, bias, U, L, ld); \
        else if (r == 3 && NR >= 3) gemm_tile(m, 3, 0, K, w, so, si, in, out, bias, U, L, ld);  \
        else if (r == 2 && half) gemm_tile(m, 2, HALVES, K, w, so, si, in, out, bias, U, L, ld);     \
        else if (r == 2) gemm_tile(m, 2, 0, K, w, so, si, in, out, bias, U, L, ld);             \
        else if (half) gemm_tile(m, 1, HALVES, K, w, so, si, in, out, bias, U, L, ld);               \
        else gemm_tile(m, 1, 0, K, w, so, si, in, out, bias, U, L, ld);                         \
        break;
static void gemm_any(int64_t m, int r, int half, int64_t K, const double *w, int64_t so, int64_t si, const int32_t *in,
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
    int64_t nv = (samples + W - 1) / W, half = HALVES && (samples - 1) % W < W / 2;
    int64_t J = c[1], K = c[2], so = c[4], si = c[5];
    const double *w = U + c[3];
    const int32_t *in = c + 6, *out = in + K, *bias = out + J;
    if (J <= 2) { /* few outputs: more samples at a time hide the latency of the additions */
        int64_t v = 0;
        for (; v + 4 <= nv; v += 4)
            if (J == 1) gemm_tile(1, 4, 0, K, w, so, si, in, out, bias, U, L + v * W, ld);
            else gemm_tile(2, 4, 0, K, w, so, si, in, out, bias, U, L + v * W, ld);
        for (; v < nv; v++) gemm_any(J, 1, 0, K, w, so, si, in, out, bias, U, L + v * W, ld);
        return bias + J;
    }
    for (int64_t j0 = 0, j1; j0 < J; j0 = j1) { /* weights that stay in the cache while the samples pass */
        j1 = j0 + portion(J - j0, CHUNK);
        for (int64_t v = 0, r; v < nv; v += r) {
            r = portion(nv - v, NR);
            for (int64_t j = j0, m; j < j1; j += m) {
                m = portion(j1 - j, MR);
                gemm_any(m, (int)r, half && v + r == nv, K, w + j * so, so, si, in, out + j, bias + j, U, L + v * W, ld);
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
    UNROLL for (int q = 0; q < m; q++) A[q] = L + ra[q] * ld;
    UNROLL for (int t = 0; t < r; t++) D[t] = L + rd[t] * ld;
    UNROLL for (int q = 0; q < m; q++)
        UNROLL for (int t = 0; t < r; t++) s[q][t] = splat(-0.0); /* as in sum_rows */
    int64_t o = 0;
    for (; o < full; o += W) {
        V d[3];
        UNROLL for (int t = 0; t < r; t++) d[t] = load(D[t] + o);
        UNROLL for (int q = 0; q < m; q++) {
            V a = load(A[q] + o);
            UNROLL for (int t = 0; t < r; t++) s[q][t] = fma_(a, d[t], s[q][t]);
        }
    }
    if (any(mask)) {
        UNROLL for (int q = 0; q < m; q++) {
            V a = load(A[q] + o);
            UNROLL for (int t = 0; t < r; t++) s[q][t] = select_(mask, fma_(a, load(D[t] + o), s[q][t]), s[q][t]);
        }
    }
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

/* A tile: m rows d by r vectors of inputs, summed over n samples into g, a run of inputs for each row. Or, with a rate, at
 * once taken from the parameters p, a row every sj, of whose last vector there are `left`. From the last row to the first:
 * behind a masked store the next row's load would have to wait. */
INLINE void rank_tile(const int m, const int r, int64_t n, const double *T, const int32_t *rd, const double *L,
                      int64_t ld, double *g, double *p, double rate, int64_t sj, int64_t left) {
    V s[MR][NR];
    const double *D[MR];
    UNROLL for (int q = 0; q < m; q++) {
        D[q] = L + rd[q] * ld;
        UNROLL for (int t = 0; t < r; t++) s[q][t] = splat(-0.0);
    }
    for (int64_t i = 0; i < n; i++, T += r * W) {
        V a[NR];
        UNROLL for (int t = 0; t < r; t++) a[t] = load(T + t * W);
        UNROLL for (int q = 0; q < m; q++) {
            V d = splat(D[q][i]);
            UNROLL for (int t = 0; t < r; t++) s[q][t] = fma_(d, a[t], s[q][t]);
        }
    }
    if (!p) {
        UNROLL for (int q = 0; q < m; q++)
            UNROLL for (int t = 0; t < r; t++) store(g + q * TURNED + t * W, s[q][t]);
        return;
    }
    UNROLL for (int q = m - 1; q >= 0; q--) {
        double *x = p + q * sj;
        UNROLL for (int t = 0; t < r - 1; t++) store(x + t * W, load(x + t * W) - rate * s[q][t]);
        x += (r - 1) * W;
        if (left == W) store(x, load(x) - rate * s[q][r - 1]);
        else store_some(x, load_some(x, left) - rate * s[q][r - 1], left);
    }
}
#define RANK_CASE(m)                                                   \
    case m:                                                            \
        if (r == 3 && NR >= 3) rank_tile(m, NR, n, T, rd, L, ld, g, p, rate, sj, left);   \
        else if (r == 2) rank_tile(m, 2, n, T, rd, L, ld, g, p, rate, sj, left);          \
        else rank_tile(m, 1, n, T, rd, L, ld, g, p, rate, sj, left);                      \
        break;
static void rank_any(int64_t m, int64_t r, int64_t n, const double *T, const int32_t *rd, const double *L, int64_t ld,
                     double *g, double *p, double rate, int64_t sj, int64_t left) {
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
/* What to do with the sums g of the inputs k, k + 1, ..., n of them. */
INLINE void add_run(const Sums *to, int64_t k, int64_t j, int64_t n, const double *g) {
    int64_t i = 0;
    if (to->places || to->sk != 1) {
        for (; i < n; i++) *place_of(to, k + i, j) += g[i];
        return;
    }
    double *p = to->acc + k + j * to->sj;
    for (; i + W <= n; i += W) store(p + i, load(p + i) + load(g + i));
    if (i < n) store_some(p + i, load_some(p + i, n - i) + load(g + i), n - i);
}
/* Sample by sample into T: the inputs k of n samples, side by side. */
static void turn_panel(int64_t k0, int64_t k, int64_t r, const int32_t *A, const double *L, int64_t ld, int64_t n,
                       const double *const *X, double *T) {
    if (!X) {
        turn_rows(k, n, A + k0, L, ld, T, r * W);
        return;
    }
    for (int64_t i = 0; i < n; i++, T += r * W) {
        const double *x = X[i] + A[k0];
        int64_t o = 0;
        for (; o + W <= k; o += W) store(T + o, load(x + o));
        if (o < k) store(T + o, load_some(x + o, k - o));
    }
}
/* Rows of inputs that the next step reads, fetched into the second-level cache while this one computes. */
enum { FETCHED = 64 }; /* cache lines a tile at most: more would have to be waited for */
typedef struct {
    const double *const *row, *const *end;
    int64_t at, width; /* where in the row, of how many numbers */
} Ahead;
INLINE void fetch(Ahead *a, int64_t lines) {
    for (; lines && a->row < a->end; lines--) {
        __builtin_prefetch(*a->row + a->at, 0, 2);
        if ((a->at += 8) >= a->width) a->at = 0, a->row++;
    }
}
/* X: the inputs of each sample, which A[0], A[0] + 1, ... are then numbers of; or NULL, and they are taken from rows of L. */
static void outer_along_inputs(int64_t K, int64_t J, const int32_t *A, const int32_t *D, const Sums *to,
                               const double *L, int64_t ld, int64_t n, const double *const *X, Ahead *ahead, double *T) {
    double g[MR * TURNED] __attribute__((aligned(64)));
    double *plain = to->rates && to->rates->kind == 0 ? to->rates->p + to->at : NULL;
    int64_t vectors = (K + W - 1) / W, room = SCRATCH_MORE / ((n + W) * W);
    int64_t tiles = (J + MR - 1) / MR * ((vectors + NR - 1) / NR);
    int64_t lines = ahead ? (ahead->end - ahead->row) * ((ahead->width + 7) / 8) / tiles + 1 : 0; /* a tile */
    if (room < NR) room = NR;
    for (int64_t v0 = 0, v1; v0 < vectors; v0 = v1) { /* inputs that stay in the cache while all of D pass */
        v1 = v0 + portion(vectors - v0, room);
        double *panel = T;
        for (int64_t v = v0, r; v < v1; v += r, panel += (n + W) * r * W) {
            r = portion(v1 - v, NR);
            turn_panel(v * W, K - v * W < r * W ? K - v * W : r * W, r, A, L, ld, n, X, panel);
        }
        for (int64_t j = 0, m; j < J; j += m) {
            m = portion(J - j, MR);
            panel = T;
            for (int64_t v = v0, r; v < v1; v += r, panel += (n + W) * r * W) {
                r = portion(v1 - v, NR);
                int64_t k = v * W, width = K - k < r * W ? K - k : r * W;
                if (lines <= FETCHED) fetch(ahead, lines);
                rank_any(m, r, n, panel, D + j, L, ld, g, plain ? plain + k + j * to->sj : NULL,
                         plain ? to->rates->rate : 0.0, to->sj, width - (r - 1) * W);
                if (to->rates && !plain) update_rows(to->rates, to->at + k + j * to->sj, to->sj, m, width, g, TURNED);
                for (int64_t q = m - 1; q >= 0 && !to->rates; q--) add_run(to, k, j + q, width, g + q * TURNED);
            }
        }
    }
}
/* The outer product of instruction c as an update of the parameters: result r belongs to parameter r - 1. Part number
 * `part` of `parts` of it. X: the inputs of each sample, and behind them those of as many that come next; or NULL. */
static void outer_descend(const int32_t *c, int64_t part, int64_t parts, const Rates *u, const double *L, int64_t ld,
                          int64_t samples, const double *const *X, double *T) {
    int64_t K = c[1], J = c[2], j0 = J * part / parts, j1 = J * (part + 1) / parts;
    Sums to = {NULL, 1, c[5], J, NULL, u, c[3] - 1 + j0 * c[5]};
    Ahead ahead = {0};
    if (X) ahead = (Ahead){X + samples + samples * part / parts, X + samples + samples * (part + 1) / parts, 0, K};
    if (j1 > j0) outer_along_inputs(K, j1 - j0, c + 6, c + 6 + K + j0, &to, L, ld, samples, X, X ? &ahead : NULL, T);
}
/* A rough count of cycles of outer_along_inputs. */
INLINE double turned_cost(int64_t K, int64_t J, int64_t n) {
    return (double)n * ((double)((K + W - 1) / W) * (double)J + (double)K * 0.7);
}
static const int32_t *lanes_outer(const int32_t *c, const double *L, int64_t ld, int64_t samples, int64_t full, M mask,
                                  double *acc, double *T) {
    int64_t K = c[1], J = c[2];
    const int32_t *A = c + 6, *D = A + K, *end = D + J;
    Sums to = {acc, c[4], c[5], J, NULL, NULL, 0};
    if (c[3] < 0) to.places = end, end += K * J;
    else to.acc += c[3];
    double along_samples = (double)(K * J) * ((double)((samples + W - 1) / W) * 1.1 + 4.0);
    double k_turned = turned_cost(K, J, samples), j_turned = turned_cost(J, K, samples);
    if (to.places || (along_samples <= k_turned && along_samples <= j_turned))
        outer_along_samples(K, J, A, D, &to, L, ld, full, mask);
    else if (k_turned <= j_turned) outer_along_inputs(K, J, A, D, &to, L, ld, samples, NULL, NULL, T);
    else {
        Sums turned = {to.acc, to.sj, to.sk, K, NULL, NULL, 0};
        outer_along_inputs(J, K, D, A, &turned, L, ld, samples, NULL, NULL, T);
    }
    return end;
}
