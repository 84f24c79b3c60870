/* Instructions of a flat tape on single values and on runs of them, and some that are several in one. */
#pragma once
#include "kernels.h"
#include "map.h"
#include "pairs.h"

/* The values with these numbers; those beyond n are the first again. And 1 for each of the others, 0 for these. */
INLINE V gathered(const int32_t *index, int32_t n, const double *U) {
    V x;
    UNROLL for (int l = 0; l < W; l++) x[l] = U[index[l < n ? l : 0]];
    return x;
}
INLINE V first_of(int32_t n) {
    static const double both[16] = {1, 1, 1, 1, 1, 1, 1, 1};
    return load(both + (n < W ? 8 - n : 0));
}
/* log(sum(exp(values))) of the values with these numbers, or without an index of n from U on. */
INLINE double logsumexp_of(const int32_t *index, int32_t n, const double *U) {
#define VALUES(i) (index ? gathered(index + i, n - i, U) : n - i >= W ? load(U + i) : load_first(U + i, n - i, splat(U[i])))
    V most = splat(U[index ? index[0] : 0]), sum = zero_(), ties = zero_();
    M is_nan = {};
    for (int32_t i = 0; i < n; i += W) {
        V x = VALUES(i);
        is_nan |= x != x;
        most = select_(x > most, x, most);
    }
    double top = most[0];
    UNROLL for (int l = 1; l < W; l++) top = most[l] > top ? most[l] : top;
    if (any(is_nan)) return NAN;
    if (top - top != 0) return top;
    for (int32_t i = 0; i < n; i += W) { /* the largest, whose exponential is 1, apart: log1p keeps what the others add */
        V x = VALUES(i), e = exp_of_minus_abs(x - top), ours = first_of(n - i);
        ties += select_(x == top, ours, zero_());
        sum += select_(x == top, zero_(), e * ours);
    }
#undef VALUES
    return top + log1p(hsum(sum) + (hsum(ties) - 1.0));
}
static NOINLINE double nary_scalar(int32_t op, const int32_t *index, int32_t n, const double *U) {
    double s = 0.0;
    if (op == NARY_LOGSUMEXP) return logsumexp_of(index, n, U);
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

/* One argument of a run of values that is not a whole number of vectors; what fills the vector is as usual as they are. */
INLINE V tail_of(const double *p, int64_t step, int64_t n) {
    V first = splat(p[0]);
    return step ? load_first(p, n, first) : first;
}
/* The last of several vectors ends with the last value and overlaps with the one before, for what was stored as a whole
 * vector can be read again at once as one, and not otherwise. */
static NOINLINE void flat_map(const int32_t *c, double *U) {
    int64_t count = c[2], sa = c[5], sb = c[7], sc = c[9];
    double *d = U + c[3];
    const double *pa = U + c[4], *pb = U + c[6], *pc = U + c[8];
    if (count == 1) switch (c[1]) { /* the shortest of all, at once */
        case OP_add: *d = *pa + *pb; return;
        case OP_sub: *d = *pa - *pb; return;
        case OP_mul: *d = *pa * *pb; return;
        case OP_neg: *d = -*pa; return;
        case OP_copy: *d = *pa; return;
        default: break;
        }
    Map *map = maps[c[1]];
    if (count >= W) {
        V ta, tb, tc;
        if (!sa) ta = splat(*pa), pa = (double *)&ta;
        if (!sb) tb = splat(*pb), pb = (double *)&tb;
        if (!sc) tc = splat(*pc), pc = (double *)&tc;
        map(d, pa, sa * W, pb, sb * W, pc, sc * W, count / W);
        int64_t o = count - W;
        if (count % W) map(d + o, pa + sa * o, 0, pb + sb * o, 0, pc + sc * o, 0, 1);
    } else {
        V ta = tail_of(pa, sa, count), tb = tail_of(pb, sb, count), tc = tail_of(pc, sc, count), y;
        map((double *)&y, (double *)&ta, 0, (double *)&tb, 0, (double *)&tc, 0, 1);
        if (count == 1) *d = y[0];
        else store_some(d, y, count);
    }
}
/* The binary cross-entropy of a logit z, and its derivative: seven instructions that are one. */
static NOINLINE void flat_bce(const int32_t *c, double *U, V z) {
    z[1] = -z[0];
    V e = exp_of_minus_abs(z), s = by_sign(z, e, one_()) / (e + 1.0);
    double of_one = U[c[34]] * s[0], of_other = U[c[54]] * s[1];
    U[c[63]] = of_one - of_other, U[c[33]] = of_one, U[c[53]] = of_other, U[c[13]] = s[0], U[c[43]] = s[1], U[c[23]] = z[1];
    U[c[3]] = bce_of(z, splat(U[c[6]]), e)[0];
}
static NOINLINE void flat_dot(const int32_t *c, double *U) {
    int32_t K = c[1];
    const int32_t *w = c + 4, *x = w + K;
    double s = K ? U[w[0]] * U[x[0]] : 0.0;
    for (int32_t k = 1; k < K; k++) s += U[w[k]] * U[x[k]];
    U[c[2]] = c[3] < 0 ? s : K ? s + U[c[3]] : U[c[3]];
}
/* logsumexp of n values, of which the gradient is exp(values - logsumexp), made to add up to 1, less what is wanted; and what
 * stands between those, which is no part of it. */
static NOINLINE void flat_softmax(const int32_t *c, double *U) {
    int64_t n = c[2];
    const int32_t *dot = c + 4 + n, *less = dot + flat_size(dot), *loss = less + 10, *exps = loss + 10, *sum = exps + 10;
    const int32_t *is = sum + 4 + n, *where = is + 10, *div = where + 10, *last = div + 10;
    double y = U[c[3]] = logsumexp_of(NULL, c[2], U + c[4]), e[MOST_SOFTMAX + W];
    for (int64_t i = 0; i < n; i += W) {
        int64_t m = n - i < W ? n - i : W;
        V x = (m == W ? load(U + c[4] + i) : load_first(U + c[4] + i, m, splat(y))) - y, power = exp_(x);
        store(e + i, power);
        store_n(U + less[3] + i, x, m), store_n(U + exps[3] + i, power, m);
    }
    double s = e[0];
    for (int64_t i = 1; i < n; i++) s += e[i];
    double by = s == s ? s : U[where[8]];
    U[sum[3]] = s, U[is[3]] = s == s, U[where[3]] = by;
    for (int64_t i = 0; i < n; i += W) {
        int64_t m = n - i < W ? n - i : W;
        V share = load(e + i) / by;
        store_n(U + div[3] + i, share, m);
        store_n(U + last[3] + i, share - load_n(U + last[6] + i, m), m);
    }
    flat_dot(dot, U);
    flat_map(loss, U);
}
/* An activation and its slope. */
INLINE void flat_pair_of(const int32_t *c, double *U, int64_t j, int64_t n, V z) {
    V value, slope;
    if (c[1] == PAIR_SIGMOID) sigmoid_pair(z, &value, &slope);
    else if (c[1] == PAIR_TANH) tanh_pair(z, &value, &slope);
    else value = select_(z <= 0.0, zero_(), z), slope = truth(z > 0.0);
    store_n(U + c[3] + j, value, n), store_n(U + c[13] + j, slope, n);
}
/* Two instructions that are one. */
static NOINLINE void flat_pair(const int32_t *c, double *U) {
    int64_t count = c[2], o = count - W;
    if (count < W) flat_pair_of(c, U, 0, count, tail_of(U + c[4], 1, count));
    else if (c[1] == PAIR_RELU)
        for (int64_t j = 0; j < count; j += W) flat_pair_of(c, U, j < o ? j : o, W, load(U + c[4] + (j < o ? j : o)));
    else { /* each value is a row of one sample */
        pair_rows(c[1], (int32_t[]){c[3], c[13], c[4]}, 1, U, 1, count / W);
        if (count % W) pair_rows(c[1], (int32_t[]){c[3] + o, c[13] + o, c[4] + o}, 1, U, 1, 1);
    }
}
/* What comes next of n values, from number j on, which are in a register still. */
INLINE void pass_on(const int32_t *c, double *U, int64_t j, int64_t n, V z) {
    if (c[0] == FLAT_BCE) flat_bce(c, U, z);
    else if (c[0] == FLAT_PAIR) flat_pair_of(c, U, j, n, z);
    else if (c[1] == OP_mul) store_n(U + c[3] + j, z * load_n(U + c[6] + j, n), n);
    else store_n(U + c[3] + j, select_(load_n(U + c[4] + j, n) != 0.0, z, splat(U[c[8]])), n);
}
/* Products, and what takes them. */
static NOINLINE void flat_mul_then(const int32_t *c, double *U) {
    int64_t count = c[2], n = count < W ? count : W;
    for (int64_t j = 0; j < count; j += W) {
        int64_t o = j + n <= count ? j : count - n;
        V x = (c[5] ? load_n(U + c[4] + o, n) : splat(U[c[4]])) * load_n(U + c[6] + o, n);
        store_n(U + c[3] + o, x, n);
        pass_on(c + 10, U, o, n, x);
    }
}
static NOINLINE void flat_gather(const int32_t *c, double *U) {
    double *d = U + c[2];
    for (int32_t i = 0; i < c[1]; i++) d[i] = U[c[3 + i]];
}
