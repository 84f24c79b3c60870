/* Rows turned into columns: W by W doubles at a time in registers. */
#pragma once
#include "vectors.h"

#if defined(__clang__) || __GNUC__ >= 12
#define PAIR(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define PAIR(a, b, ...) __builtin_shuffle(a, b, (M){__VA_ARGS__})
#endif

/* x[i][j] becomes x[j][i]. */
INLINE void transpose(V *x) {
#if W == 8
    V y[8];
    UNROLL for (int i = 0; i < 8; i += 2) {
        y[i] = PAIR(x[i], x[i + 1], 0, 8, 2, 10, 4, 12, 6, 14);
        y[i + 1] = PAIR(x[i], x[i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
    }
    UNROLL for (int i = 0; i < 8; i += 4)
        UNROLL for (int h = i; h < i + 2; h++) {
            x[h] = PAIR(y[h], y[h + 2], 0, 1, 8, 9, 4, 5, 12, 13);
            x[h + 2] = PAIR(y[h], y[h + 2], 2, 3, 10, 11, 6, 7, 14, 15);
        }
    UNROLL for (int h = 0; h < 4; h++) {
        y[h] = PAIR(x[h], x[h + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        y[h + 4] = PAIR(x[h], x[h + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
    UNROLL for (int h = 0; h < 8; h++) x[h] = y[h];
#elif W == 4
    V a = PAIR(x[0], x[1], 0, 4, 2, 6), b = PAIR(x[0], x[1], 1, 5, 3, 7);
    V c = PAIR(x[2], x[3], 0, 4, 2, 6), d = PAIR(x[2], x[3], 1, 5, 3, 7);
    x[0] = PAIR(a, c, 0, 1, 4, 5), x[2] = PAIR(a, c, 2, 3, 6, 7);
    x[1] = PAIR(b, d, 0, 1, 4, 5), x[3] = PAIR(b, d, 2, 3, 6, 7);
#else
    V a = PAIR(x[0], x[1], 0, 2), b = PAIR(x[0], x[1], 1, 3);
    x[0] = a, x[1] = b;
#endif
}

/* The sum of each of W vectors, side by side; in the order of hsum. */
INLINE V sums_across(V *s) {
    transpose(s);
    return SUM_OF(s);
}

/* n samples of K rows of L into T: sample s at T + s * step, its K numbers side by side, then zeros to a whole vector.
 * T has room for n rounded up to whole vectors. */
static void turn_rows(int64_t K, int64_t n, const int32_t *rows, const double *L, int64_t ld, double *T, int64_t step) {
    for (int64_t k = 0; k < K; k += W)
        for (int64_t s = 0; s < n; s += W) {
            V x[W];
            UNROLL for (int i = 0; i < W; i++) x[i] = k + i < K ? load(L + rows[k + i] * ld + s) : zero_();
            transpose(x);
            UNROLL for (int i = 0; i < W; i++) store(T + (s + i) * step + k, x[i]);
        }
}
/* Inputs of n samples into I rows of L. They lie side by side for each sample: those of sample i at X + i * row. */
static void turn_samples(int64_t I, int64_t n, const double *X, int64_t row, const int32_t *order, int64_t first,
                         double *L, int64_t ld) {
    for (int64_t s = 0; s < n; s += W) {
        const double *p[W];
        for (int i = 0; i < W; i++) {
            int64_t sample = first + (s + i < n ? s + i : n - 1); /* the last are not summed; a sample, so never slow */
            p[i] = X + (order ? order[sample] : sample) * row;
        }
        int64_t k = 0;
        for (; k + W <= I; k += W) {
            V y[W];
            UNROLL for (int i = 0; i < W; i++) y[i] = load(p[i] + k);
            transpose(y);
            UNROLL for (int i = 0; i < W; i++) store(L + (k + i) * ld + s, y[i]);
        }
        for (; k < I; k++)
            for (int i = 0; i < W; i++) L[k * ld + s + i] = p[i][k];
    }
}
