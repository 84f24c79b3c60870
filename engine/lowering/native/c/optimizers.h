/* The updates, as in torch.optim. g is a sum over the batch, scale makes it a mean; l2 adds its own gradient.
 * They say whether all gradients and all new parameters are finite. */
#pragma once
#include "kernels.h"
#include "vectors.h"

INLINE uint64_t not_finite(double x) { /* for a loop without a branch */
    uint64_t bits;
    memcpy(&bits, &x, 8);
    return ((bits & 0x7ff0000000000000u) + 0x0010000000000000u) & 0x8000000000000000u;
}
/* The largest magnitudes so far and of n numbers, as bits: these have the order of the magnitudes, nan above infinity. */
INLINE M most_of(M most, const double *p, int64_t n) {
    M next = most;
    int64_t i = 0;
    for (; i + 2 * W <= n; i += 2 * W) {
        most = larger(most, (M)load(p + i) & INT64_MAX);
        next = larger(next, (M)load(p + i + W) & INT64_MAX);
    }
    for (; i < n; i += W) most = larger(most, (M)load_some(p + i, n - i < W ? n - i : W) & INT64_MAX);
    return larger(most, next);
}
INLINE double largest_of(M most) {
    double x;
    UNROLL for (int n = W / 2; n; n /= 2)
        UNROLL for (int l = 0; l < n; l++) most[l] = most[l + n] > most[l] ? most[l + n] : most[l];
    memcpy(&x, &most, 8);
    return x;
}
static double max_magnitude(const double *p, int64_t n) { return largest_of(most_of((M){}, p, n)); }
/* The largest magnitude in these rows of so many samples; what lies behind them in a vector is samples too. */
static double most_of_rows(const int32_t *rows, int64_t count, const double *L, int64_t ld, int64_t samples) {
    enum { TOGETHER = 4 }; /* rows, so that their comparisons do not wait for each other */
    M most[TOGETHER] = {};
    for (int64_t i = 0; i < count; i += TOGETHER) {
        const double *row[TOGETHER];
        for (int q = 0; q < TOGETHER; q++) row[q] = L + rows[i + q < count ? i + q : i] * ld;
        for (int64_t s = 0; s < samples; s += W)
            for (int q = 0; q < TOGETHER; q++) most[q] = larger(most[q], (M)load(row[q] + s) & INT64_MAX);
    }
    return largest_of(larger(larger(most[0], most[1]), larger(most[2], most[3])));
}
/* A bound on the sums over the samples, divided by their number, of an outer product of lanes. The first rows are inputs, of
 * which the largest magnitude is known. */
static double outer_bound(const int32_t *c, const double *L, int64_t ld, int64_t samples, int64_t inputs, double of_inputs) {
    const int32_t *A = c + 6, *D = A + c[1];
    int64_t k = 0;
    while (k < c[1] && A[k] < inputs) k++;
    return (k == c[1] ? of_inputs : most_of_rows(A, c[1], L, ld, samples)) * most_of_rows(D, c[2], L, ld, samples);
}

/* With AVX-512, of three vectors one has its root by the divider, and two by multiplications: neither waits for the other. */
enum { TRIO = W == 8 ? 3 : 1 };
/* The update of runs of n parameters, `rows` of them, `step` apart, the first from number `at`; by sums over the batch, g and
 * what follows `gap` behind it, each row's times its factor if there are factors, where nothing can overflow: the caller has
 * seen to that. The last row comes first: behind what is stored through a mask, the load of a next row would have to wait. */
#define EACH_RUN(BODY)                                                                                  \
    for (int64_t row = rows - 1; row >= 0; row--) {                                                     \
        V scale = splat(factors ? each * factors[row] : each);                                          \
        const double *sums = g + row * gap, *l2 = u->l2 ? u->l2 + at + row * step : NULL;               \
        double *p = u->p + at + row * step, *s0 = u->s0 ? u->s0 + at + row * step : NULL;               \
        double *s1 = u->s1 ? u->s1 + at + row * step : NULL;                                            \
        int64_t i = 0, left;                                                                            \
        (void)l2, (void)s0, (void)s1;                                                                   \
        for (; i + TRIO * W <= n;)                                                                      \
            UNROLL for (int k = 0; k < TRIO; k++, i += W) { BODY(load, store, k == 1) }                 \
        for (; i + W <= n; i += W) { BODY(load, store, 0) }                                             \
        if ((left = n - i)) { BODY(LOAD_LEFT, STORE_LEFT, 0) }                                          \
    }
#define LOAD_LEFT(q) load_some(q, left)
#define STORE_LEFT(q, x) store_some(q, x, left)
#define DESCENT(LOAD, STORE, DIVIDER) STORE(p + i, LOAD(p + i) - scale * LOAD(sums + i));
#define MOMENTUM(LOAD, STORE, DIVIDER)             \
    V x = LOAD(p + i), y = LOAD(sums + i) * scale; \
    if (l2) y += LOAD(l2 + i) * x;                 \
    y += u->weight_decay * x;                      \
    if (s0) {                                      \
        V b = keep * LOAD(s0 + i) + take * y;      \
        STORE(s0 + i, b);                          \
        y = u->nesterov ? y + u->h0 * b : b;       \
    }                                              \
    STORE(p + i, x - rate * y);
#define ADAM(LOAD, STORE, DIVIDER)                 \
    V x = LOAD(p + i), y = LOAD(sums + i) * scale; \
    if (l2) y += LOAD(l2 + i) * x;                 \
    x *= shrink;                                   \
    y += decay * x;                                \
    V m = LOAD(s0 + i), v = LOAD(s1 + i);          \
    m = fma_(take, y - m, m);                      \
    v = fma_(rest * y, y, h1 * v);                 \
    STORE(s0 + i, m);                              \
    STORE(s1 + i, v);                              \
    STORE(p + i, x - rate * m / (root(v, DIVIDER) + eps));
/* Without penalties, and in as few multiplications as can be. v + rest (y y - v) would lose digits where h1 is small. */
#define ADAM_ALONE(LOAD, STORE, DIVIDER)                                                     \
    V x = LOAD(p + i), y = LOAD(sums + i) * scale, m = LOAD(s0 + i), v = LOAD(s1 + i); \
    m = fma_(take, y - m, m);                                                       \
    v = fma_(rest, fma_(y, y, -v), v);                                              \
    STORE(s0 + i, m);                                                               \
    STORE(s1 + i, v);                                                               \
    STORE(p + i, x - rate * m / (root(v, DIVIDER) + eps));
static void update_rows(const Rates *u, int64_t at, int64_t step, int64_t rows, int64_t n, const double *g, int64_t gap,
                        const double *factors) {
    double rate = u->rate, each = u->kind ? u->scale : rate;
    if (u->kind == 0) {
        EACH_RUN(DESCENT)
    } else if (u->kind == 1) {
        double keep = u->keep, take = u->take;
        EACH_RUN(MOMENTUM)
    } else {
        V take = splat(1 - u->h0), h1 = splat(u->h1), rest = splat(1 - u->h1), eps = splat(u->eps);
        V rate = splat(u->rate), shrink = splat(u->shrink), decay = splat(u->weight_decay);
        if (u->l2 || u->shrink != 1.0 || u->weight_decay != 0.0 || u->h1 < 0.5) {
            EACH_RUN(ADAM)
        } else {
            EACH_RUN(ADAM_ALONE)
        }
    }
}
static void update_run(const Rates *u, int64_t at, int64_t n, const double *g) { update_rows(u, at, 0, 1, n, g, 0, NULL); }
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
