/* Flat tapes: one sample, or what is the same for all samples. */
#pragma once
#include "kernels.h"
#include "map.h"

static double nary_scalar(int32_t op, const int32_t *index, int32_t n, const double *U) {
    double s = 0.0;
    if (op == NARY_LOGSUMEXP) {
        double top = U[index[0]];
        int is_nan = 0;
        int32_t at = 0;
        for (int32_t i = 0; i < n; i++) {
            double x = U[index[i]];
            is_nan |= x != x;
            if (x > top) top = x, at = i;
        }
        if (is_nan) return NAN;
        if (top - top != 0) return top;
        for (int32_t i = 0; i < n; i++) /* the largest, whose exponential is 1, apart: log1p keeps what the others add */
            if (i != at) s += exp(U[index[i]] - top);
        return top + log1p(s);
    }
    if (op == NARY_AMAX || op == NARY_AMIN) {
        double most = U[index[0]];
        for (int32_t i = 1; i < n; i++) {
            double x = U[index[i]];
            if (x != x || (op == NARY_AMAX ? x > most : x < most)) most = x;
            if (most != most) return most;
        }
        return most;
    }
    if (op == NARY_TIES) {
        for (int32_t i = 1; i < n; i++) s += U[index[i]] == U[index[0]];
        return s;
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
/* The outer product of instruction c taken at once from the parameters: p -= rate * product, and not stored. */
static void flat_descend(const int32_t *c, double *U, int64_t results, double rate) {
    int64_t K = c[1], J = c[2], dk = c[4], dj = c[5];
    double *p = U + (c[3] - results - 1);
    const double *a = U + c[6], *b = U + c[7];
    for (int64_t k = 0; k < K; k++, p += dk) {
        int64_t j = 0;
        if (dj == 1)
            for (V x = splat(a[k]); j + W <= J; j += W) store(p + j, load(p + j) - rate * (x * load(b + j)));
        for (; j < J; j++) p[j * dj] -= rate * (a[k] * b[j]);
    }
}
static void run_flat(const int32_t *c, int64_t n, double *U) {
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
        default: {
            double *d = U + c[2];
            for (int32_t i = 0; i < c[1]; i++) d[i] = U[c[3 + i]];
            c += 3 + c[1];
        }
        }
}
