/* An activation and its slope of the same weighted input, which share an exponential and a division: the first is wanted
 * on the way forward, the second on the way back. */
#pragma once
#include "functions.h"
#include "kernels.h"

INLINE void sigmoid_pair(V a, V *y, V *slope) {
    V e = exp_of_minus_abs(a), r = 1.0 / (e + 1.0), s = e * r;
    *y = by_sign(a, s, r);
    *slope = s * (1.0 - s); /* s * r would have the rounding of r twice */
}
/* m = exp(2|a|) - 1: tanh is m / (m + 2), 1 less that is 2 / (m + 2), in which nothing cancels. */
INLINE void tanh_pair(V a, V *y, V *slope) {
    V x = abs_(a);
    if (beyond(x, 300.0)) {
        *y = lanes_tanh(a), *slope = tanh_slope_(a);
        return;
    }
    V t, m = exp_reduced(x + x, &t), s = (V)((M)one_() + times_2_to_52(t));
    m = fma_(m, s, s - 1.0);
    V r = 1.0 / (m + 2.0), magnitude = select_(x < 1e-290, x, m * r);
    *y = (V)((M)magnitude | ((M)a & INT64_MIN));
    V left = r + r; /* 1 - |tanh|, with all digits */
    *slope = left * (2.0 - left);
}
#define PAIR_ROWS(NAME, PAIR)                                                                             \
    static void NAME(const int32_t *c, int32_t count, double *L, int64_t ld, int64_t nv) {               \
        for (; count; count--, c += 3) {                                                                 \
            const double *a = L + c[2] * ld;                                                             \
            double *y = L + c[0] * ld, *slope = L + c[1] * ld;                                           \
            for (int64_t o = 0; o < nv * W; o += W) {                                                    \
                V value, derivative;                                                                     \
                PAIR(load(a + o), &value, &derivative);                                                  \
                store(y + o, value);                                                                     \
                store(slope + o, derivative);                                                            \
            }                                                                                            \
        }                                                                                                \
    }
PAIR_ROWS(sigmoid_rows, sigmoid_pair)
PAIR_ROWS(tanh_rows, tanh_pair)
static const int32_t *lanes_pair(const int32_t *c, double *L, int64_t ld, int64_t nv) {
    (c[1] == PAIR_SIGMOID ? sigmoid_rows : tanh_rows)(c + 3, c[2], L, ld, nv);
    return c + 3 + 3 * (int64_t)c[2];
}
