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
