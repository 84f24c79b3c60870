/* Flat tapes: one sample, or what is the same for all samples. Layers, and their updates. */
#pragma once
#include "optimizers.h"
#include "transpose.h"
#include "values.h"

/* d[j] = bias[j] + sum_k w[j*so + k*si] a[k]. Weights lie along j (so == 1), along k (si == 1), or scattered. A run of
 * outputs is T vectors, of which the last, of n outputs, begins at `last`: it overlaps, as above. */
#define RUN (W == 8 ? 8 : 4) /* vectors of a run at most */
#define PASSED (W > 2 ? 4 : 0) /* vectors of outputs that can go on in registers */
#define EACH_VECTOR(T) UNROLL for (int t = 0; t < T; t++)
#define FROM(p, t, T) (T == 1 ? load_some(p, n) : load((p) + (t == T - 1 ? last : t * W)))
#define INTO(p, t, T, x) store_n((p) + (t == T - 1 ? last : t * W), x, T == 1 ? n : W)
INLINE void gemv_run(const int T, int64_t last, int64_t n, int64_t K, double *d, const double *a, const double *w, int64_t si,
                     const double *bias, const int32_t *then, double *U) {
    V s[4][RUN];
    const int chains = T > 4 ? 2 : 4; /* enough to hide the latency of a multiply-add */
    int64_t k = 0;
    UNROLL for (int h = 0; h < chains; h++) EACH_VECTOR(T) s[h][t] = h || !bias ? zero_() : FROM(bias, t, T);
    for (; k + chains <= K; k += chains)
        UNROLL for (int h = 0; h < chains; h++, w += si) {
            V x = splat(a[k + h]);
            EACH_VECTOR(T) s[h][t] = fma_(FROM(w, t, T), x, s[h][t]);
        }
    for (; k < K; k++, w += si) {
        V x = splat(a[k]);
        EACH_VECTOR(T) s[0][t] = fma_(FROM(w, t, T), x, s[0][t]);
    }
    EACH_VECTOR(T) {
        V sum = s[0][t] + s[1][t];
        if (chains == 4) sum += s[2][t] + s[3][t];
        INTO(d, t, T, sum);
        if (T <= PASSED && then) pass_on(then, U, t == T - 1 ? last : t * W, T == 1 ? n : W, sum);
    }
}
/* p[k*dk + j] -= a[k] (rate b[j]) */
INLINE void descend_run(const int T, int64_t last, int64_t n, int64_t K, double *p, int64_t dk, const double *a, const double *b,
                        double rate) {
    V y[RUN];
    EACH_VECTOR(T) y[t] = -rate * FROM(b, t, T);
    for (int64_t k = 0; k < K; k++, p += dk) {
        V x = splat(a[k]);
        V z[RUN];
        EACH_VECTOR(T) z[t] = fma_(x, y[t], FROM(p, t, T));
        EACH_VECTOR(T) INTO(p, t, T, z[t]);
    }
}
/* Both in one pass: first w[k*J + j] -= before[k] (rate b[j]), and of biases rate b[j], then the weighted inputs. */
INLINE void descend_gemv_run(const int T, int64_t last, int64_t n, int64_t K, double *w, int64_t J, const double *before,
                             const double *b, double rate, double *d, const double *a, double *bias, int with_bias,
                             const int32_t *then, double *U) {
    V y[RUN], s[4][RUN], p[RUN];
    const int chains = T == 1 ? 4 : T == 2 ? 2 : 1; /* of more vectors the stores take as long as the sums */
    int64_t k = 0;
    UNROLL for (int h = 0; h < chains; h++) EACH_VECTOR(T) s[h][t] = h || !bias ? zero_() : FROM(bias, t, T);
    EACH_VECTOR(T) y[t] = -rate * FROM(b, t, T);
    if (with_bias) {
        EACH_VECTOR(T) s[0][t] += y[t];
        EACH_VECTOR(T) INTO(bias, t, T, s[0][t]);
    }
#define NEXT(h)                                                                                  \
    V x = splat(before[k]), next = splat(a[k]);                                                  \
    EACH_VECTOR(T) p[t] = fma_(x, y[t], FROM(w, t, T)), s[h][t] = fma_(p[t], next, s[h][t]);      \
    EACH_VECTOR(T) INTO(w, t, T, p[t]);
    while (chains > 1 && k + chains <= K) UNROLL for (int h = 0; h < chains; h++, k++, w += J) { NEXT(h) }
    for (; k < K; k++, w += J) { NEXT(0) }
#undef NEXT
    EACH_VECTOR(T) {
        if (chains == 4) s[0][t] += s[2][t], s[1][t] += s[3][t];
        if (chains > 1) s[0][t] += s[1][t];
        INTO(d, t, T, s[0][t]);
        if (T <= PASSED && then) pass_on(then, U, t == T - 1 ? last : t * W, T == 1 ? n : W, s[0][t]);
    }
}
/* The same where J is many runs: R inputs at a time, so that the weights are gone through in their order. */
INLINE void descend_gemv_rows(const int R, int64_t J, double *w, const double *before, const double *b, double rate, double *d,
                              const double *a) {
    int64_t end = J - W; /* of the last vector, which overlaps with the one before: it is loaded first and stored last */
    V x[4], next[4], p[4], q[4], y = load(b + end), s = load(d + end), z;
    UNROLL for (int h = 0; h < R; h++) {
        x[h] = splat(-rate * before[h]), next[h] = splat(a[h]);
        q[h] = fma_(x[h], y, load(w + h * J + end)), s = fma_(q[h], next[h], s);
    }
    for (int64_t j = 0; j < end; j += W) {
        y = load(b + j), z = load(d + j);
        UNROLL for (int h = 0; h < R; h++) p[h] = fma_(x[h], y, load(w + h * J + j)), z = fma_(p[h], next[h], z);
        UNROLL for (int h = 0; h < R; h++) store(w + h * J + j, p[h]);
        store(d + j, z);
    }
    UNROLL for (int h = 0; h < R; h++) store(w + h * J + end, q[h]);
    store(d + end, s);
}
#if W == 8
#define EACH_WIDTH(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
#else
#define EACH_WIDTH(X) X(1) X(2) X(3) X(4)
#endif
/* CASE for each run of J outputs, from number j on. None is a vector alone unless all of J is: it would overlap with
 * another run. */
#define RUNS(J, CASE)                                                                  \
    for (int64_t vectors = ((J) + W - 1) / W, v = 0, T; v < vectors; v += T) {         \
        T = portion(vectors - v, RUN);                                                 \
        int64_t j = v * W, n = (J) < W ? (J) : W, last = (T - 1) * W;                  \
        if (v + T == vectors) last = (J) - j - n;                                      \
        switch (T) { EACH_WIDTH(CASE) }                                                \
    }

/* Weights along k: the products of W outputs at a time, and their sums across each vector, by turning them. */
INLINE V dots(int64_t K, const double *a, const double *w, int64_t so, int64_t n) {
    V s[W];
    const double *row[W];
    UNROLL for (int q = 0; q < W; q++) s[q] = zero_(), row[q] = w + (q < n ? q : 0) * so;
    int64_t k = 0;
    for (; k + W <= K; k += W) {
        V x = load(a + k);
        UNROLL for (int q = 0; q < W; q++) s[q] = fma_(load(row[q] + k), x, s[q]);
    }
    if (k < K) {
        V x = load_some(a + k, K - k);
        UNROLL for (int q = 0; q < W; q++) s[q] = fma_(load_some(row[q] + k, K - k), x, s[q]);
    }
    return sums_across(s);
}
INLINE double dot_contiguous(int64_t K, const double *a, const double *w) {
    V s = zero_(), r = zero_();
    int64_t k = 0;
    for (; k + 2 * W <= K; k += 2 * W) s = fma_(load(a + k), load(w + k), s), r = fma_(load(a + k + W), load(w + k + W), r);
    for (; k + W <= K; k += W) s = fma_(load(a + k), load(w + k), s);
    if (k < K) r = fma_(load_some(a + k, K - k), load_some(w + k, K - k), r);
    return hsum(s + r);
}
static void run_flat(const int32_t *c, int64_t n, double *U);
static NOINLINE void flat_gemv(const int32_t *c, double *U) {
    int64_t J = c[1], K = c[2], so = c[6], si = c[7];
    double *d = U + c[3];
    const double *a = U + c[4], *w = U + c[5], *bias = c[8] < 0 ? 0 : U + c[8];
    const int32_t *then = c[0] == FLAT_GEMV ? NULL : c + 9, *later = J > PASSED * W ? then : NULL;
    if (so == 1 && J > 1) {
#define CASE(m) \
    case m: gemv_run(m, last, n, K, d + j, a, w + j, si, bias ? bias + j : 0, later ? NULL : then, U); break;
        RUNS(J, CASE)
#undef CASE
        if (later) run_flat(later, flat_size(later), U);
    } else if (si == 1 || K == 1) {
        int64_t j = 0;
        for (; J - j > (W > 2); j += W) {
            int64_t n = J - j < W ? J - j : W;
            V y = dots(K, a, w + j * so, so, n);
            if (bias) y += load_some(bias + j, n);
            store_n(d + j, y, n);
            if (then) pass_on(then, U, j, n, y);
        }
        for (; j < J; j++) {
            V y = splat(d[j] = dot_contiguous(K, a, w + j * so) + (bias ? bias[j] : 0.0));
            if (then) pass_on(then, U, j, 1, y);
        }
    } else {
        for (int64_t j = 0; j < J; j++) {
            double s = 0.0;
            for (int64_t k = 0; k < K; k++) s += w[j * so + k * si] * a[k];
            d[j] = s + (bias ? bias[j] : 0.0);
        }
        if (then) run_flat(then, flat_size(then), U);
    }
}
static NOINLINE void flat_outer(const int32_t *c, double *U) {
    int64_t K = c[1], J = c[2], dk = c[4], dj = c[5];
    double *d = U + c[3];
    const double *a = U + c[6], *b = U + c[7];
    for (int64_t k = 0; k < K; k++, d += dk) {
        int64_t j = 0;
        if (dj == 1)
            for (V x = splat(a[k]); j < J; j += W) {
                int64_t n = J - j < W ? J - j : W;
                store_n(d + j, x * load_some(b + j, n), n);
            }
        for (; j < J; j++) d[j * dj] = a[k] * b[j];
    }
}
/* ---- Few samples a step: the outer products at the end of a tape are taken at once from the parameters. ---- */

/* a b[j], for n neighbours, summed over the samples, the numbers of each of which lie `gap` behind those of the one before. */
INLINE V summed(const double *a, const double *b, int64_t n, int64_t samples, int64_t gap) {
    V sum = *a * load_n(b, n);
    for (int64_t s = gap; s < samples * gap; s += gap) sum += a[s] * load_n(b + s, n);
    return sum;
}
/* An outer product goes into the update of its parameters: that of a[k] b[j] is number at + k*dk + j*dj. Plain descent is by
 * one sample at a time. */
static void outer_run(int64_t K, int64_t J, int64_t dk, int64_t dj, const double *a, const double *b, const Rates *u, int64_t at,
                      int64_t samples, int64_t gap) {
    double *p = u->p + at, rate = u->rate, g[256 + W];
    if (J == 1 && dk == 1) { /* along a */
        const double *other = a;
        a = b, b = other, J = K, K = 1, dk = J, dj = 1;
    }
    if (u->kind == 0 && dj == 1 && (J >= W || K == 1)) {
#define CASE(m) \
    case m: descend_run(m, last, n, K, p + j, dk, a, b + j, rate); break;
        RUNS(J, CASE)
#undef CASE
        return;
    }
    if (samples == 1 && dj == 1 && 5 * ((J + W - 1) / W * W) <= 6 * J) { /* little of the last vectors is empty */
        update_rows(u, at, dk, K, J, b, 0, a);
        return;
    }
    for (int64_t k = 0, n = 0; k < K; k++)
        for (int64_t j = 0, m; j < J; j += m) { /* g gathers runs of neighbours */
            m = dj != 1 ? 1 : J - j < 256 - n ? J - j : 256 - n;
            int64_t i = 0;
            for (; i + W <= m; i += W) store(g + n + i, summed(a + k, b + j + i, W, samples, gap));
            if (i < m) store(g + n + i, summed(a + k, b + j + i, m - i, samples, gap));
            n += m;
            if (n == 256 || dj != 1 || (j + m == J && (dk != J || k == K - 1)))
                update_run(u, at + k * dk + (j + m - 1) * dj + 1 - n, n, g), n = 0;
        }
}
/* The update of n parameters by b, summed over the samples. */
static void copy_run(int64_t n, const double *b, const Rates *u, int64_t at, int64_t samples, int64_t gap) {
    double g[256];
    for (int64_t j = 0, m; samples > 1 && j < n; j += m) {
        m = n - j < 256 ? n - j : 256;
        for (int64_t i = 0; i < m; i++) g[i] = b[j + i];
        for (int64_t s = gap; s < samples * gap; s += gap)
            for (int64_t i = 0; i < m; i++) g[i] += b[s + j + i];
        update_run(u, at + j, m, g);
    }
    if (samples == 1 && n == 1 && u->kind == 0) u->p[at] -= u->rate * *b;
    else if (samples == 1) update_run(u, at, n, b);
}
/* The outer products and copies at the end of a tape as updates: result r belongs to parameter r - 1. */
static void flat_descend(const int32_t *c, const int32_t *end, const double *U, int64_t results, const Rates *u, int64_t samples,
                         int64_t gap) {
    while (c < end)
        if (c[0] == FLAT_OUTER) {
            outer_run(c[1], c[2], c[4], c[5], U + c[6], U + c[7], u, c[3] - results - 1, samples, gap);
            c += 8;
        } else if (c[0] == FLAT_MAP) {
            int64_t loss = c[3] == results, step = c[5]; /* a copy; the first result is not a gradient */
            if (step || c[2] == 1) {
                if (c[2] > loss) copy_run(c[2] - loss, U + c[4] + loss, u, c[3] + loss - results - 1, samples, gap);
            } else
                for (int64_t i = loss; i < c[2]; i++) copy_run(1, U + c[4], u, c[3] + i - results - 1, samples, gap);
            c += 10;
        } else
            c += 3 + c[1];
}
/* Keep what the updates that wait are of, where it does not stay; whole vectors, for which there is room. */
static void wait_for_next(const Wait *waits, int64_t n_waits, const double *U) {
    for (const Wait *wait = waits; wait < waits + n_waits; wait++) {
        const int32_t *c = wait->gemv;
        for (int64_t k = 0; k < c[2]; k += W) store(wait->a + k, load(U + c[4] + k));
        if (wait->b == U + wait->adjoints) continue;
        for (int64_t j = 0; j < c[1]; j += W) store(wait->b + j, load(U + wait->adjoints + j));
    }
}
/* The update that waits, and with the new weights the next sample's weighted inputs. */
static void descend_gemv(const Wait *wait, double *U, double rate) {
    const int32_t *c = wait->gemv;
    int64_t J = c[1], K = c[2], k = 0;
    double *w = U + c[5], *d = U + c[3], *bias = c[8] < 0 ? NULL : U + c[8];
    const double *next = U + c[4], *a = wait->a, *b = wait->b;
    const int32_t *then = c[0] == FLAT_GEMV ? NULL : c + 9, *later = J > PASSED * W ? then : NULL;
    if (J <= 128) {
#define CASE(m) \
    case m: {                                                                                                       \
        double *bias_j = bias ? bias + j : 0;                                                                       \
        const int32_t *now = later ? NULL : then;                                                                   \
        descend_gemv_run(m, last, n, K, w + j, J, a, b + j, rate, d + j, next, bias_j, wait->with_bias, now, U);      \
        break;                                                                                                      \
    }
        RUNS(J, CASE)
#undef CASE
        if (later) run_flat(later, flat_size(later), U);
        return;
    }
    for (int64_t j = 0; j < J; j++) {
        if (wait->with_bias) bias[j] -= rate * b[j];
        d[j] = bias ? bias[j] : 0.0;
    }
    for (; k + 4 <= K; k += 4) descend_gemv_rows(4, J, w + k * J, a + k, b, rate, d, next + k);
    for (; k < K; k++) descend_gemv_rows(1, J, w + k * J, a + k, b, rate, d, next + k);
    if (then) run_flat(then, flat_size(then), U);
}
/* The updates that wait, without a next sample. */
static void catch_up(const Wait *waits, int64_t n_waits, const Rates *u) {
    for (const Wait *wait = waits; wait < waits + n_waits; wait++) {
        const int32_t *c = wait->gemv;
        outer_run(c[2], c[1], c[1], 1, wait->a, wait->b, u, c[5], 1, 0);
        if (wait->with_bias) update_run(u, c[8], c[1], wait->b);
    }
}
/* The instructions are functions of their own: inside this one they would leave no register to the place in the tape. */
static void run_flat(const int32_t *c, int64_t n, double *U) {
    const int32_t *end = c + n;
    while (c < end) switch (c[0]) {
        case FLAT_MAP: flat_map(c, U); c += 10; break;
        case FLAT_PAIR: flat_pair(c, U); c += 20; break;
        case FLAT_BCE: flat_bce(c, U, splat(U[c[4]])); c += 70; break;
        case FLAT_NARY: U[c[3]] = nary_scalar(c[1], c + 4, c[2], U); c += 4 + c[2]; break;
        case FLAT_DOT: flat_dot(c, U); c += 4 + 2 * c[1]; break;
        case FLAT_GEMV: flat_gemv(c, U); c += 9; break;
        case FLAT_GEMV_THEN: flat_gemv(c, U); c += flat_size(c); break;
        case FLAT_MUL_THEN: flat_mul_then(c, U); c += 20; break;
        case FLAT_SOFTMAX: flat_softmax(c, U); c += flat_size(c); break;
        case FLAT_OUTER: flat_outer(c, U); c += 8; break;
        default: flat_gather(c, U); c += 3 + c[1];
        }
}
/* A tape with the updates that wait. */
static void flat_waiting(const int32_t *c, int64_t n, double *U, const Wait *waits, int64_t n_waits, double rate) {
    const int32_t *end = c + n;
    for (const Wait *wait = waits; wait < waits + n_waits; c = wait->gemv + flat_size(wait->gemv), wait++) {
        run_flat(c, wait->gemv - c, U);
        descend_gemv(wait, U, rate);
    }
    run_flat(c, end - c, U);
}
