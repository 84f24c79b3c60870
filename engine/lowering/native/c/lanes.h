/* Lanes tapes: a row of samples for each value. An operand x >= 0 is a row of L; x < 0 is the value ~x of U, the same for all samples. */
#pragma once
#include "kernels.h"
#include "map.h"

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
