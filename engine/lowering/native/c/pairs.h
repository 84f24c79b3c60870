/* An activation and its slope of the same weighted input, which share an exponential and a division: the first is wanted
 * on the way forward, the second on the way back. */
#pragma once
#include "functions.h"
#include "kernels.h"

INLINE void sigmoid_pair(V a, V *y, V *slope) {
    V e = exp_of_minus_abs(a), r = 1.0 / (e + 1.0), s = e * r;
    *y = select_(a >= 0.0, r, s);
    *slope = s * (1.0 - s); /* s * r would have the rounding of r twice */
}
/* m = exp(2|a|) - 1: tanh is m / (m + 2), 1 less that is 2 / (m + 2), in which nothing cancels. */
INLINE void tanh_pair(V a, V *y, V *slope) {
    V x = abs_(a);
    if (any(~(x <= 300.0))) {
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
static const int32_t *lanes_pair(const int32_t *c, double *L, int64_t ld, int64_t nv) {
    int32_t kind = c[1], count = c[2];
    for (c += 3; count; count--, c += 3) {
        const double *a = L + c[2] * ld;
        double *y = L + c[0] * ld, *slope = L + c[1] * ld;
        for (int64_t v = 0; v < nv; v++, a += W, y += W, slope += W) {
            V value, derivative;
            if (kind == PAIR_SIGMOID) sigmoid_pair(load(a), &value, &derivative);
            else tanh_pair(load(a), &value, &derivative);
            store(y, value);
            store(slope, derivative);
        }
    }
    return c;
}
