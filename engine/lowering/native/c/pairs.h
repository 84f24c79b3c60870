/* An activation and its slope of the same weighted input, which share an exponential and a division: the first is wanted
 * on the way forward, the second on the way back. */
#pragma once
#include "functions.h"
#include "kernels.h"

/* e = exp(-|a|) */
INLINE void sigmoid_of(V a, V e, V *y, V *slope) {
    V r = 1.0 / (e + 1.0), s = e * r;
    *y = by_sign(a, s, r);
    *slope = s * (1.0 - s); /* s * r would have the rounding of r twice */
}
/* m = exp(2|a|) - 1: tanh is m / (m + 2), 1 less that is 2 / (m + 2), in which nothing cancels. */
INLINE void usual_tanh(V a, V *y, V *slope) {
    V x = abs_(a), t, m = exp_reduced(x + x, &t), s = (V)((M)one_() + times_2_to_52(t));
    m = fma_(m, s, s - 1.0);
    V r = 1.0 / (m + 2.0);
    *y = (V)((M)(m * r) | ((M)a & INT64_MIN));
    V left = r + r; /* 1 - |tanh|, with all digits */
    *slope = left * (2.0 - left);
}
INLINE void usual_sigmoid(V a, V *y, V *slope) { sigmoid_of(a, exp_inner(-abs_(a)), y, slope); }
INLINE void sigmoid_pair(V a, V *y, V *slope) { sigmoid_of(a, exp_of_minus_abs(a), y, slope); }
INLINE void tanh_pair(V a, V *y, V *slope) {
    if (LIKELY(!beyond(abs_(a), 300.0))) usual_tanh(a, y, slope);
    else *y = lanes_tanh(a), *slope = tanh_slope_(a);
}
/* All of a row is looked at first: in a loop without calls the constants of the polynomial are loaded once. */
#define PAIR_ROWS(NAME, LIMIT, USUAL, PAIR)                                                                \
    static void NAME(const int32_t *c, int32_t count, double *L, int64_t ld, int64_t nv) {               \
        for (; count; count--, c += 3) {                                                                 \
            const double *a = L + c[2] * ld;                                                             \
            double *y = L + c[0] * ld, *slope = L + c[1] * ld;                                           \
            M odd = {};                                                                                  \
            for (int64_t o = 0; o < nv * W; o += W) odd |= where_beyond(abs_(load(a + o)), LIMIT);       \
            if (LIKELY(!any(odd))) EACH_PAIR(USUAL)                                                      \
            else EACH_PAIR(PAIR)                                                                         \
        }                                                                                                \
    }
#define EACH_PAIR(PAIR)                         \
    for (int64_t o = 0; o < nv * W; o += W) {   \
        V value, derivative;                    \
        PAIR(load(a + o), &value, &derivative); \
        store(y + o, value);                    \
        store(slope + o, derivative);           \
    }
PAIR_ROWS(sigmoid_rows, 708.0, usual_sigmoid, sigmoid_pair)
PAIR_ROWS(tanh_rows, 300.0, usual_tanh, tanh_pair)
static void pair_rows(int32_t pair, const int32_t *c, int32_t count, double *L, int64_t ld, int64_t nv) {
    (pair == PAIR_SIGMOID ? sigmoid_rows : tanh_rows)(c, count, L, ld, nv);
}
static const int32_t *lanes_pair(const int32_t *c, double *L, int64_t ld, int64_t nv) {
    pair_rows(c[1], c + 3, c[2], L, ld, nv);
    return c + 3 + 3 * (int64_t)c[2];
}
